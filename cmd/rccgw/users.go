package main

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"rccgw/csta/cstasip"
	"rccgw/digitmod"
)

// What RCC_SIP_AUTH may say.
const (
	authOff      = "off"      // nobody registers, nobody is asked
	authRegister = "register" // REGISTER is authenticated
	authAll      = "all"      // the INVITE that opens a dialog as well
)

// loadUsers reads who may register and open dialogs, and for which lines.
func (c *config) loadUsers(s *settings, m *mistakes) {
	text := textOf("RCC_SIP_USERS", s.SIPUsers, s.SIPUsersFile, m)
	users := map[string]cstasip.Credential{}
	if text != "" {
		users = c.users(text, m)
	}
	switch s.SIPAuth {
	case authOff:
		return
	case "":
		if text == "" {
			return
		}
	case authRegister, authAll:
		if text == "" {
			m.add("RCC_SIP_USERS", "", "missing beside RCC_SIP_AUTH=%s", s.SIPAuth)
			return
		}
	default:
		m.add("RCC_SIP_AUTH", s.SIPAuth, "not off, register or all")
		return
	}
	a := &cstasip.Auth{Realm: s.SIPRealm, Users: users, Dialogs: s.SIPAuth != authRegister}
	for alg := range strings.SplitSeq(s.SIPDigest, ",") {
		a.Algorithms = append(a.Algorithms, strings.ToUpper(strings.TrimSpace(alg)))
	}
	if err := a.Check(); err != nil && users != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			line = strings.TrimPrefix(line, "cstasip: ")
			what, _, _ := strings.Cut(line, " ")
			variable, ok := map[string]string{"realm": "RCC_SIP_REALM", "algorithm": "RCC_SIP_DIGEST"}[what]
			if !ok {
				variable = "RCC_SIP_USERS"
			}
			m.add(variable, "", "%s", line)
		}
	}
	c.sip.Auth = a
}

var yamlLine = regexp.MustCompile(`line \d+`)

// users reads the map of users, nil if it is none. It goes through the document by
// itself, because the errors of the YAML package quote values, which are secrets
// here, and end with the first.
func (c *config) users(text string, m *mistakes) map[string]cstasip.Credential {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		m.add("RCC_SIP_USERS", "", "not YAML: %s", yamlLine.FindString(err.Error()))
		return nil
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		m.add("RCC_SIP_USERS", "", "not a map of users")
		return nil
	}
	users := map[string]cstasip.Credential{}
	c.userLines = map[string]*digitmod.Lines{}
	for name, value := range pairs(doc.Content[0]) {
		wrong := func(format string, args ...any) {
			m.add("RCC_SIP_USERS", "", "line %d, user %q: "+format, append([]any{value.Line, name}, args...)...)
		}
		if _, twice := users[name]; twice {
			wrong("is there twice")
		}
		var cred cstasip.Credential
		lines := c.directory[name]
		if lines == "" {
			lines = name
		}
		if n, err := digitmod.Canonical(lines); err == nil {
			lines = n
		}
		explicit := false
		switch value.Kind {
		case yaml.ScalarNode:
			cred.Password = value.Value
		case yaml.MappingNode:
			for key, v := range pairs(value) {
				if v.Kind != yaml.ScalarNode {
					wrong("%s is not text", key)
					continue
				}
				switch key {
				case "password":
					cred.Password = v.Value
				case "md5":
					cred.MD5 = v.Value
				case "sha256":
					cred.SHA256 = v.Value
				case "lines":
					lines, explicit = v.Value, true
				default:
					wrong("%q is not password, md5, sha256 or lines", key)
				}
			}
		default:
			wrong("neither a password nor a map")
			continue
		}
		users[name] = cred
		l, err := digitmod.ParseLines(lines)
		switch {
		case err == nil:
			c.userLines[name] = l
		case explicit:
			wrong("lines: %v", err)
		default:
			wrong("lines is missing, and the name is not a line")
		}
	}
	return users
}

// pairs yields the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}
