package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the README's table of variables")

// environ sets the variables for the test and returns them as the process
// would find them.
func environ(t *testing.T, variables ...string) []string {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "RCC_") && !strings.HasPrefix(name, "RCC_TEST_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return variables
}

func TestDefaults(t *testing.T) {
	c, err := load(environ(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.sip.Listen) != 2 || len(c.pbxs) != 1 || c.pbxs[0].name != "sim" || c.sip.Peers != nil || len(c.warnings) != 0 {
		t.Errorf("%+v", c)
	}
}

// Every mistake is reported, all at once, with the variable and the value, and
// no secret.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environ(t,
		"RCC_SIP_LISTEN=udp://0.0.0.0:5060,sctp://x:1,tcp://127.0.0.1:99999,tls://127.0.0.1:5061",
		"RCC_SIP_ADVERTISE=<sip:x>", "RCC_SIP_SESSION_EXPIRES=soon", "RCC_SIP_MIN_SE=0", "RCC_SIP_ERROR_STYLE=loud",
		"RCC_SIP_TLS_CERT="+dir, "RCC_SIP_PHONE_CONTEXT=a;b", "RCC_DIRECTORY=[1", "RCC_HTTP_LISTEN=8080",
		"RCC_NATS_LISTEN=4222", "RCC_NATS_TOKEN=topsecret", "RCC_NATS_TOKEN_FILE="+big, "RCC_NATS_CREDS=/nowhere",
		"RCC_LOG_LEVEL=chatty", "RCC_LOG_FORMAT=xml", "RCC_PBX=a,a.b,c,a", "RCC_PBX_A_LINES=10Y", "RCC_PBX_A_DIGITS=ars: x",
		"RCC_PBX_C_DRIVER=nortel", "RCC_SIP_LISTNE=x", "RCC_SERVICE_HOST=10.0.0.1", "RCC_INSTANCE=a b",
		"RCC_SIP_MAX_PEER_DIALOGS=0", "RCC_SIP_MAX_PEER_CONNECTIONS=many", "RCC_SIP_MAX_PEER_REQUESTS=-1")
	_, err := load(env)
	if err == nil {
		t.Fatal("accepted")
	}
	text := err.Error()
	for _, want := range []string{"RCC_SIP_LISTEN=\"sctp://x:1\"", "RCC_SIP_LISTEN=\"tcp://127.0.0.1:99999\"", "RCC_SIP_PEERS", "RCC_SIP_ADVERTISE=", "RCC_SIP_SESSION_EXPIRES=\"soon\"",
		"RCC_SIP_MIN_SE=\"0\"", "RCC_SIP_ERROR_STYLE=\"loud\"", "RCC_SIP_TLS_KEY", "RCC_SIP_PHONE_CONTEXT=", "RCC_DIRECTORY", "RCC_HTTP_LISTEN=\"8080\"",
		"RCC_NATS_LISTEN=\"4222\"", "RCC_NATS_TOKEN_FILE=", "RCC_NATS_CREDS=", "RCC_LOG_LEVEL=\"chatty\"", "RCC_LOG_FORMAT=\"xml\"", "\"a.b\"",
		"a and a have the same variables", "RCC_PBX_A_LINES=\"10Y\"", "RCC_PBX_A_DIGITS", "RCC_PBX_C_DRIVER=\"nortel\"", "RCC_SIP_LISTNE", "enableServiceLinks", "RCC_INSTANCE=\"a b\"",
		"RCC_SIP_MAX_PEER_DIALOGS=\"0\"", "RCC_SIP_MAX_PEER_CONNECTIONS=\"many\"", "RCC_SIP_MAX_PEER_REQUESTS=\"-1\""} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing about %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "topsecret") {
		t.Error("a secret is shown")
	}
}

func TestLinesThatDoNotComeBack(t *testing.T) {
	_, err := load(environ(t, "RCC_PBX_SIM_LINES=1001-1003", `RCC_PBX_SIM_DIGITS={"incoming":[{"from":"internal","length":4,"replacement":"1613592","addPlus":true}]}`))
	if err == nil || !strings.Contains(err.Error(), "line 1001") {
		t.Errorf("got %v", err)
	}
}

func TestDigitsThatChangeEmergencyNumbers(t *testing.T) {
	_, err := load(environ(t, `RCC_PBX_SIM_DIGITS={"outgoing":[{"leading":"1","replacement":"2"}]}`))
	if err == nil || !strings.Contains(err.Error(), "outgoing rule 1: the emergency number 112 is dialled as 212") {
		t.Errorf("%v", err)
	}
	if _, err := load(environ(t, `RCC_PBX_SIM_DIGITS={"outgoing":[{"leading":"1","replacement":"2"}],"emergency":{"mayAlter":true}}`)); err != nil {
		t.Error(err)
	}
}

func TestPeers(t *testing.T) {
	var m mistakes
	ok := parsePeers("192.0.2.1, 10.0.0.0/8,localhost", &m)
	for addr, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "10.9.9.9": true, "::ffff:10.1.1.1": true, "127.0.0.1": true, "2001:db8::1": false} {
		if got := ok(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	parsePeers("10.0.0.0/33,300.1.1.1,a b", &m)
	if len(m.list) != 3 {
		t.Errorf("mistakes: %v", m.list)
	}
	if parsePeers("any", &m) != nil {
		t.Error("any is not everybody")
	}
}

func TestCheckAndHelp(t *testing.T) {
	env := environ(t, "RCC_NATS_TOKEN=topsecret", "RCC_API_TOKEN=topsecret", "RCC_PBX=main", "RCC_SIP_SESSION_EXPIRES=60", "RCC_SIP_MIN_SE=60",
		`RCC_PBX_MAIN_DIGITS={"outgoing":[{"leading":"2"},{"leading":"23"}]}`)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-check"}, env, &out, &errs); code != exitOK {
		t.Fatalf("%d: %s", code, errs.String())
	}
	for _, want := range []string{"RCC_NATS_TOKEN=***\n", "RCC_API_TOKEN=***\n", "# digit plan of main: the bucket rcc_digits", "RCC_PBX=main\n", "RCC_PBX_MAIN_DRIVER=sim\n", "RCC_PBX_MAIN_LINES=*\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "topsecret") || !strings.Contains(errs.String(), "RFC 4028") ||
		!strings.Contains(errs.String(), "warning: RCC_PBX_MAIN_DIGITS: outgoing rule 2: never fires: ") {
		t.Errorf("%s%s", out.String(), errs.String())
	}
	out.Reset()
	errs.Reset()
	if code := run(t.Context(), []string{"-help"}, env, &out, &errs); code != exitOK || !strings.Contains(out.String(), "RCC_PBX_<NAME>_LINES") {
		t.Errorf("%d: %s", code, out.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"-version"}, env, &out, &errs); code != exitOK || !strings.HasPrefix(out.String(), "rccgw ") {
		t.Errorf("%d: %s", code, out.String())
	}
	for _, args := range [][]string{{"-nonsense"}, {"word"}} {
		if code := run(t.Context(), args, env, &out, &errs); code != exitUsage {
			t.Errorf("%v: %d", args, code)
		}
	}
	errs.Reset()
	if code := run(t.Context(), nil, environ(t, "RCC_LOG_LEVEL=x", "RCC_DATA="), &out, &errs); code != exitUsage ||
		!strings.Contains(errs.String(), "RCC_LOG_LEVEL") {
		t.Errorf("%d: %s", code, errs.String())
	}
}

// The README's table of variables is made of the same structs as -help.
func TestREADMETable(t *testing.T) {
	const path, begin, end = "../../README.md", "<!-- variables: begin -->\n", "<!-- variables: end -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the table")
	}
	var b strings.Builder
	rows := func(prefix string, settings any) {
		b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
		for _, d := range describe(prefix, settings) {
			def := "–"
			if d.def != "" {
				def = "`" + d.def + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.name, def, strings.ReplaceAll(d.text, "|", "\\|"))
		}
	}
	rows(prefix, &settings{})
	b.WriteString("\nEach PBX that `RCC_PBX` names, its name in capitals:\n\n")
	rows(prefix+"_PBX_<NAME>", &pbxSettings{})
	for _, name := range kindNames() {
		if s := kinds[name].settings(); len(describe(prefix, s)) > 0 {
			fmt.Fprintf(&b, "\nWith `RCC_PBX_<NAME>_DRIVER=%s`:\n\n", name)
			rows(prefix+"_PBX_<NAME>", s)
		}
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("the README's table is out of date: go test ./cmd/rccgw -run TestREADMETable -update")
	}
}

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, dir, name string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A renewed certificate is served without a restart; half of a renewal leaves
// the old one.
func TestCertificatesRenewed(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, "first", 1)
	c := &certificates{cert: cert, key: key, ca: cert}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c.mu.Lock()
		c.looked = time.Time{}
		c.mu.Unlock()
		x, err := x509.ParseCertificate(c.current().Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return x.SerialNumber.Int64()
	}
	later := func(path string) {
		if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	later(key)
	if serial() != 1 {
		t.Error("half a renewal is served")
	}
	certificate(t, dir, "second", 2)
	later(cert)
	if serial() != 2 {
		t.Error("the renewed certificate is not served")
	}
	if _, err := newCertificates(cert, dir+"/missing", ""); err == nil || !strings.Contains(err.Error(), "RCC_SIP_TLS_KEY") {
		t.Errorf("a missing key: %v", err)
	}
	if _, err := newCertificates(cert, key, key); err == nil || !strings.Contains(err.Error(), "RCC_SIP_TLS_CLIENT_CA") {
		t.Errorf("a CA without certificates: %v", err)
	}
}

// A driver's secret comes from its variable or from a file, and is shown by
// neither -check nor a mistake.
func TestDriverSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("topsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"RCC_PBX=office", "RCC_PBX_OFFICE_DRIVER=asterisk", "RCC_PBX_OFFICE_SECRET_FILE=" + file}
	c, err := load(environ(t, base...))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(c.effective, "\n"); strings.Contains(text, "topsecret") || !strings.Contains(text, "RCC_PBX_OFFICE_SECRET_FILE="+file) {
		t.Errorf("effective:\n%s", text)
	}
	_, err = load(environ(t, append(base, "RCC_PBX_OFFICE_SECRET=othersecret", "RCC_PBX_OFFICE_ADDRESS=nonsense", "RCC_PBX_OFFICE_POLL_INTERVAL=often")...))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"RCC_PBX_OFFICE_SECRET_FILE=", `RCC_PBX_OFFICE_ADDRESS="nonsense"`, `RCC_PBX_OFFICE_POLL_INTERVAL="often"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "othersecret") {
		t.Error("a secret is shown")
	}
	_, err = load(environ(t, "RCC_PBX=office", "RCC_PBX_OFFICE_DRIVER=asterisk", "RCC_PBX_OFFICE_SECRET_FILE=/nowhere"))
	if err == nil || !strings.Contains(err.Error(), `RCC_PBX_OFFICE_SECRET_FILE="/nowhere": no such file`) {
		t.Errorf("got %v", err)
	}
}

// Whoever sets the collector has it their way.
func TestBallast(t *testing.T) {
	for name, want := range map[string]bool{"": true, "GOGC": false, "GOMEMLIMIT": false} {
		if got := newBallast(func(n string) string {
			if n == name {
				return "100MiB"
			}
			return ""
		}); (got != nil) != want {
			t.Errorf("%q is set, and there is ballast: %v", name, got != nil)
		}
	}
}
