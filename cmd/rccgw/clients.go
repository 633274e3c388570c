package main

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rccgw/csta/cstasip"
	"rccgw/gateway"
)

// A profile is a family of clients: how they are recognised, and what they want
// other than the standard or the service's settings say. What all clients get
// alike, whatever their quirks, is not in it; docs/clients.md tells that.
type profile struct {
	name   string
	agents []string // patterns of User-Agent, as path.Match reads them, in lower case
	treatment
}

// A treatment is what may differ from client to client. Empty: as the service
// is set.
type treatment struct {
	Errors  cstasip.ErrorStyle `yaml:"errors"`
	Numbers gateway.NumberForm `yaml:"numbers"`
	Link    gateway.LinkNotice `yaml:"link"`
	Names   gateway.NameForm   `yaml:"names"`
}

// profiles are the families that are known. The first whose pattern matches is
// a client's, the last is everybody's.
var profiles = []profile{
	// Looks at the SIP status alone: a refusal in a 200 passes for success.
	{name: "sipe", agents: []string{"purple/* sipe/*", "*sipe/*"}, treatment: treatment{Errors: cstasip.ErrorsInSIP}},
	{name: "lcs2005", agents: []string{"lcc/*", "rtc/*"}},
	{name: "oc2007", agents: []string{"uccp/*", "uccapi/2.*", "uccapi/3.*"}},
	{name: "lync", agents: []string{"uccapi/*"}},
	{name: "estos", agents: []string{"*estos*", "*procall*"}},
	{name: "xphone", agents: []string{"*xphone*", "*c4b*"}},
	{name: "generic", agents: []string{"*"}},
}

// A clientRule is an entry of RCC_SIP_CLIENTS: clients that it matches are
// treated by the profile, and what the rule says itself comes before that.
type clientRule struct {
	Agent     string `yaml:"agent"`
	Peer      string `yaml:"peer"`
	Profile   string `yaml:"profile"`
	treatment `yaml:",inline"`

	prefix netip.Prefix
}

// clientTable says how a client is treated.
type clientTable []clientRule

// parseClients reads RCC_SIP_CLIENTS.
func parseClients(text string, m *mistakes) clientTable {
	const variable = "RCC_SIP_CLIENTS"
	var table clientTable
	if text == "" {
		return nil
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&table); err != nil {
		m.add(variable, "", "not a list of {agent, peer, profile, errors, numbers, link, names}: %v", err)
		return nil
	}
	for i := range table {
		r := &table[i]
		if r.Agent == "" && r.Peer == "" {
			m.add(variable, "", "rule %d: neither agent nor peer", i+1)
		}
		r.Agent = strings.ToLower(r.Agent)
		if _, err := path.Match(r.Agent, ""); err != nil {
			m.add(variable, r.Agent, "rule %d: agent is not a pattern of * and ?", i+1)
		}
		if r.Peer != "" {
			var err error
			if r.prefix, err = parsePrefix(r.Peer); err != nil {
				m.add(variable, r.Peer, "rule %d: peer is not an address or a CIDR", i+1)
			}
		}
		if r.Profile != "" && !slices.ContainsFunc(profiles, func(p profile) bool { return p.name == r.Profile }) {
			m.add(variable, r.Profile, "rule %d: profile is not one of %s", i+1, strings.Join(profileNames(), ", "))
		}
		oneOf(m, i, "errors", r.Errors, cstasip.ErrorsInCSTA, cstasip.ErrorsInSIP)
		oneOf(m, i, "numbers", r.Numbers, gateway.NumbersAsURIs, gateway.NumbersAsDigits)
		oneOf(m, i, "link", r.Link, gateway.NoticeByDevice, gateway.NoticeBySystem, gateway.NoticeByBoth)
		oneOf(m, i, "names", r.Names, gateway.NamesNone, gateway.NamesAsPrivate)
	}
	return table
}

func oneOf[T ~string](m *mistakes, rule int, field string, value T, allowed ...T) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	var words []string
	for _, a := range allowed {
		words = append(words, string(a))
	}
	m.add("RCC_SIP_CLIENTS", string(value), "rule %d: %s is not one of %s", rule+1, field, strings.Join(words, ", "))
}

func profileNames() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// of returns the profile's name and the treatment of a client.
func (t clientTable) of(agent string, peer netip.Addr) (string, treatment) {
	agent = strings.ToLower(agent)
	own, name := treatment{}, ""
	for _, r := range t {
		if (r.Agent == "" || matches(r.Agent, agent)) && (r.Peer == "" || r.prefix.Contains(peer.Unmap().WithZone(""))) {
			own, name = r.treatment, r.Profile
			break
		}
	}
	p := profiles[slices.IndexFunc(profiles, func(p profile) bool {
		if name != "" {
			return p.name == name
		}
		return slices.ContainsFunc(p.agents, func(pattern string) bool { return matches(pattern, agent) })
	})]
	if own.Errors == "" {
		own.Errors = p.Errors
	}
	if own.Numbers == "" {
		own.Numbers = p.Numbers
	}
	if own.Link == "" {
		own.Link = p.Link
	}
	if own.Names == "" {
		own.Names = p.Names
	}
	return p.name, own
}

// matches is path.Match, to which a slash is a letter like any other.
func matches(pattern, agent string) bool {
	slash := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(slash.Replace(pattern), slash.Replace(agent))
	return ok && err == nil
}
