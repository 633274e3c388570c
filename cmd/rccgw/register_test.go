package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rccgw/csta/cstasip"
	"rccgw/pbx/asterisk/asterisktest"
)

// metrics returns what the service counts.
func (g *gatewayUnderTest) metrics() string {
	g.t.Helper()
	resp, err := http.Get("http://" + g.http + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// counts waits until the service counts so many.
func (g *gatewayUnderTest) counts(metric string, want int) {
	g.t.Helper()
	line := fmt.Sprintf("\nrccgw_%s %d\n", metric, want)
	eventually(g.t, strings.TrimSpace(line), func() bool { return strings.Contains(g.metrics(), line) })
}

// baresip registers, and is refused with a wrong password.
func TestBaresipRegisters(t *testing.T) {
	b := asterisktest.StartBaresip(t, "baresip")
	for _, network := range []string{"udp", "tcp"} {
		g := startGateway(t, `RCC_SIP_USERS={1001: secret, 1002: hush}`, "RCC_SIP_DIGEST=MD5")
		account := func(user, password string) string {
			return fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_pass=%s;regint=600", user, g.sip[network], network, password)
		}
		b.Register(account("1001", "secret"))
		b.Wait("registered")
		g.counts("sip_registrations", 1)
		b.Register(account("1002", "secret"))
		b.Wait("baresip REGISTER_FAIL 401 Unauthorized")
		g.counts("sip_registrations", 1)
	}
}

// A real Asterisk registers as a client, with each algorithm out of the two that
// are offered: the registrations differ in nothing else.
func TestAsteriskRegisters(t *testing.T) {
	g := startGateway(t, `RCC_SIP_USERS={1001: secret, 1002: hush, 1003: quiet}`)
	const section = `
[%[1]s-gateway]
type = auth
auth_type = digest
username = %[1]s
password = %[2]s
supported_algorithms_uac = %[3]s
[%[1]s-gateway]
type = registration
outbound_auth = %[1]s-gateway
server_uri = sip:%[4]s
client_uri = sip:%[1]s@%[4]s
contact_user = %[1]s
retry_interval = 60
fatal_retry_interval = 60
`
	a := asterisktest.Start(t, asterisktest.Options{Extensions: []string{"1001", "1002", "1003"}, PJSIP: map[string]string{
		"1001": fmt.Sprintf(section, "1001", "secret", "SHA-256", g.sip["udp"]),
		"1002": fmt.Sprintf(section, "1002", "hush", "MD5", g.sip["udp"]),
		"1003": fmt.Sprintf(section, "1003", "wrong", "SHA-256", g.sip["udp"]),
	}})
	g.counts("sip_registrations", 2)
	g.counts("sip_auth_failures_total", 1)
	eventually(t, "registered", func() bool {
		return strings.Count(a.CLI(t, "pjsip show registrations"), " Registered ") == 2
	})
}

// sipp plays a console that registers, opens its dialog, watches its line and makes
// a call on the simulated PBX.
func TestSippConsole(t *testing.T) {
	if _, err := exec.LookPath("sipp"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("sipp is not installed: Debian has it in the package sip-tester")
	}
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			g := startGateway(t, `RCC_SIP_USERS={1001: secret}`, "RCC_SIP_DIGEST=MD5")
			_, port, _ := net.SplitHostPort(freeAddress(t))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			sipp := func(user, password string) (string, error) {
				cmd := exec.CommandContext(ctx, "sipp", g.sip[network], "-sf", "testdata/sipp/console.xml", "-t", map[string]string{"udp": "u1", "tcp": "t1"}[network],
					"-i", "127.0.0.1", "-p", port, "-m", "1", "-nostdin", "-key", "phone", "1001", "-key", "number", "1002", "-au", user, "-ap", password, "-timeout", "20s", "-timeout_error")
				cmd.Env = append(cmd.Environ(), "TERM=dumb")
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			if out, err := sipp("1001", "secret"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			g.counts("sip_registrations", 0)
			g.counts("sip_dialogs", 0)
			if out, err := sipp("1001", "hush"); err == nil {
				t.Errorf("a wrong password does it:\n%s", out)
			}
			g.counts("sip_auth_failures_total", 1)
		})
	}
}

// A user controls his own lines and no other: the one that the directory or his
// name says, or those that his entry lists.
func TestUsersControlTheirLines(t *testing.T) {
	g := startGateway(t, `RCC_SIP_USERS={1001: secret, alice: {password: secret, lines: "1003-1004"}, bob: secret}`, `RCC_DIRECTORY={bob: "tel:1005"}`)
	for _, test := range []struct {
		user, line string
		status     int // 0: opened
		opened     string
	}{
		{"1001", "tel:1001", 0, "line=1001"},
		{"1001", "tel:1002", 403, ""},
		{"alice", "tel:1004", 0, "line=1004"},
		{"alice", "tel:1005", 403, ""},
		{"alice", "tel:7777", 404, ""},
		{"bob", "tel:1005", 0, "line=1005"},
		{"bob", "", 0, "line=1005"}, // the directory knows him by the name that he has proved
		{"bob", "tel:1001", 403, ""},
		{"", "tel:1001", 401, ""},
	} {
		c, err := cstasip.Dial(t.Context(), cstasip.ClientConfig{Server: "tcp://" + g.sip["tcp"], Line: test.line, User: test.user, Password: "secret"})
		if err == nil {
			_ = c.Close(t.Context())
		}
		var refused *cstasip.StatusError
		switch {
		case test.status == 0 && err != nil, test.status != 0 && (!errors.As(err, &refused) || refused.Status != test.status):
			t.Errorf("%s at %s: %v, want %d", test.user, test.line, err, test.status)
		case test.opened != "" && !strings.Contains(g.log.String(), test.opened+" pbx=sim user="+test.user):
			t.Errorf("%s at %s: no %s in the log", test.user, test.line, test.opened)
		}
	}
}

// The README's users are users.
func TestREADMEUsers(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, users, ok := strings.Cut(string(text), "```yaml\n1001: ")
	users, _, ok2 := strings.Cut(users, "```")
	if !ok || !ok2 {
		t.Fatal("the README has no users")
	}
	for _, algorithm := range []string{"SHA-256", "MD5"} {
		g := startGateway(t, "RCC_SIP_USERS=1001: "+users, "RCC_SIP_DIGEST="+algorithm)
		for user, line := range map[string]string{"1001": "1001", "ada": "1010", "desk": "1002"} {
			g.open("tcp", "tel:"+line, func(c *cstasip.ClientConfig) { c.User, c.Password = user, "secret" })
		}
	}
}

// With RCC_SIP_AUTH=register, dialogs need no password.
func TestRegisterAlone(t *testing.T) {
	g := startGateway(t, "RCC_SIP_AUTH=register", "RCC_SIP_USERS={1001: secret}")
	g.open("udp", "tel:1002")
	e, err := cstasip.Connect(t.Context(), "udp://"+g.sip["udp"], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Register(t.Context(), cstasip.RegisterConfig{AOR: "sip:1001@example.com", Password: "wrong"}); err == nil {
		t.Error("registered with a wrong password")
	}
	r, err := e.Register(t.Context(), cstasip.RegisterConfig{AOR: "sip:1001@example.com", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	g.counts("sip_registrations", 1)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	g.counts("sip_registrations", 0)
	g.counts("sip_challenges_total", 2)
}

func TestUserMistakes(t *testing.T) {
	ha1 := strings.Repeat("ab", 16)
	for name, test := range map[string]struct {
		variables []string
		want      []string // none: accepted
	}{
		"everything at once": {[]string{"RCC_SIP_AUTH=maybe", "RCC_SIP_USERS=[hidden]"}, []string{`RCC_SIP_AUTH="maybe"`, "RCC_SIP_USERS: not a map"}},
		"every user": {[]string{`RCC_SIP_REALM=a"b`, "RCC_SIP_DIGEST=MD4,MD5", `RCC_SIP_USERS={1001: hidden, 1001: hidden, 1002: "", alice: hidden, bob: {password: hidden, lines: 10Y},
  carol: {md5: hidden, lines: 1003}, dave: {pasword: hidden, lines: 1004}, eve: [hidden], 1005: {password: [hidden]}}`},
			[]string{"RCC_SIP_REALM: realm", `RCC_SIP_DIGEST: algorithm "MD4"`, `user "1001": is there twice`, `user "1002": neither password nor HA1`, `line 1, user "alice": lines is missing`,
				`user "bob": lines:`, `user "carol": HA1 for MD5`, `line 2, user "dave": "pasword" is not`, `user "eve": neither a password nor a map`, `user "1005": password is not text`}},
		"no YAML":             {[]string{"RCC_SIP_USERS={1001: *hidden}"}, []string{"RCC_SIP_USERS: not YAML"}},
		"no YAML, and where":  {[]string{"RCC_SIP_USERS=1001: secret\n\thidden"}, []string{"RCC_SIP_USERS: not YAML: line 2"}},
		"no users":            {[]string{"RCC_SIP_AUTH=all"}, []string{"RCC_SIP_USERS: missing beside RCC_SIP_AUTH=all"}},
		"no user in the map":  {[]string{"RCC_SIP_USERS={}"}, []string{"RCC_SIP_USERS: no user"}},
		"a hash, and SHA-256": {[]string{"RCC_SIP_DIGEST=SHA-256", "RCC_SIP_USERS={1001: {md5: " + ha1 + "}}"}, []string{"RCC_SIP_DIGEST: algorithm SHA-256: not every user"}},
		"twice":               {[]string{"RCC_SIP_USERS={1001: hidden}", "RCC_SIP_USERS_FILE=/nowhere"}, []string{"RCC_SIP_USERS_FILE="}},
		"beyond loopback, without passwords for dialogs": {[]string{"RCC_SIP_LISTEN=udp://0.0.0.0:5060", "RCC_SIP_AUTH=register", "RCC_SIP_USERS={1001: hidden}"}, []string{"RCC_SIP_LISTEN="}},
		"beyond loopback":  {[]string{"RCC_SIP_LISTEN=udp://0.0.0.0:5060", "RCC_SIP_USERS={1001: hidden}"}, nil},
		"hashes":           {[]string{"RCC_SIP_USERS={1001: {md5: " + ha1 + ", sha256: " + ha1 + ha1 + `}, alice: {md5: ` + ha1 + `, lines: "*"}}`}, nil},
		"users, but off":   {[]string{"RCC_SIP_AUTH=off", "RCC_SIP_USERS={1001: hidden}"}, nil},
		"digits stay text": {[]string{"RCC_SIP_USERS={1001: 0123, 1002: {password: 0o17}}"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(environ(t, test.variables...))
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if text := strings.Join(c.effective, "\n"); strings.Contains(text, "hidden") || !strings.Contains(text, "RCC_SIP_USERS=***") {
					t.Errorf("-check prints\n%s", text)
				}
				if (c.sip.Auth == nil) != (name == "users, but off") {
					t.Errorf("%+v", c.sip.Auth)
				}
				if name == "digits stay text" && (c.sip.Auth.Users["1001"].Password != "0123" || c.sip.Auth.Users["1002"].Password != "0o17") {
					t.Errorf("%+v", c.sip.Auth.Users)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("nothing about %s in\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("a secret is shown:\n%v", err)
			}
		})
	}
}
