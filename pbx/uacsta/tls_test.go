package uacsta_test

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"

	"rccgw/csta"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim/simtest"
)

// serverTLS is the TLS of an end that wants certificates of its clients.
func serverTLS(a *pbxtest.Authority) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.Server()}, ClientCAs: a.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
}

// clientFiles writes what a client needs.
func clientFiles(t testing.TB, a *pbxtest.Authority) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	ca, cert, key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pbxtest.WriteCertificate(t, a.Certificate(), ca, "")
	pbxtest.WriteCertificate(t, a.Client(x509.ExtKeyUsageClientAuth), cert, key)
	return ca, cert, key
}

// The suite over TLS, both ends with certificates. What is cut is the connection.
func TestTLS(t *testing.T) {
	a := pbxtest.NewAuthority(t, "authority")
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		u := newUpstream(t, s, "tls", serverTLS(a), "")
		set := u.settings()
		set.TlsCa, set.TlsCert, set.TlsKey = clientFiles(t, a)
		return direct(t, set, func(line func(string) *pbxtest.Line) *pbxtest.Bench {
			b := simtest.Bench(s, line)
			b.Cut, b.Restore = u.way.Cut, u.way.Mend
			return b
		})
	})
}

// An end whose certificate comes from somebody else, and one that does not know ours,
// is not talked to.
func TestStrangeCertificates(t *testing.T) {
	ours, others := pbxtest.NewAuthority(t, "ours"), pbxtest.NewAuthority(t, "theirs")
	u := newUpstream(t, simtest.New(t), "tls", serverTLS(ours), "")
	refused := func(what string, tune func(ca, cert, key string) (string, string, string)) {
		t.Helper()
		set := u.settings()
		set.TlsCa, set.TlsCert, set.TlsKey = tune(clientFiles(t, ours))
		d := newDriver(t, set)
		m := new(csta.Mux)
		d.Services(m)
		monitor(t, m, "1001")
		if err := d.Run(t.Context(), newTally().emit); err == nil || t.Context().Err() != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("their certificate", func(_, cert, key string) (string, string, string) {
		ca, _, _ := clientFiles(t, others)
		return ca, cert, key
	})
	refused("our certificate", func(ca, _, _ string) (string, string, string) {
		_, cert, key := clientFiles(t, others)
		return ca, cert, key
	})
	if n := u.count("tel:1001"); n > 0 {
		t.Errorf("%d dialogs", n)
	}
}
