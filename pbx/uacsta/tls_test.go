package uacsta_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/pbx/pbxtest"
	"rccgw/pbx/sim/simtest"
)

// An authority signs the certificates of both ends.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	c := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.BasicConstraintsValid = true
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server is the TLS of an end that wants certificates of its clients.
func (a *authority) server() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	c := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return &tls.Config{Certificates: []tls.Certificate{c}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// files writes what a client needs.
func (a *authority) files() (ca, cert, key string) {
	a.t.Helper()
	dir := a.t.TempDir()
	put := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	c := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "rccgw"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return put("ca.pem", "CERTIFICATE", a.cert.Raw), put("cert.pem", "CERTIFICATE", c.Certificate[0]), put("key.pem", "PRIVATE KEY", der)
}

// The suite over TLS, both ends with certificates. What is cut is the connection.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	pbxtest.Run(t, func(t *testing.T) *pbxtest.Bench {
		s := simtest.New(t)
		u := newUpstream(t, s, "tls", a.server(), "")
		set := u.settings()
		set.TlsCa, set.TlsCert, set.TlsKey = a.files()
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
	ours, others := newAuthority(t), newAuthority(t)
	u := newUpstream(t, simtest.New(t), "tls", ours.server(), "")
	refused := func(what string, tune func(ca, cert, key string) (string, string, string)) {
		t.Helper()
		set := u.settings()
		set.TlsCa, set.TlsCert, set.TlsKey = tune(ours.files())
		d := newDriver(t, set)
		m := new(csta.Mux)
		d.Services(m)
		monitor(t, m, "1001")
		if err := d.Run(t.Context(), newTally().emit); err == nil || t.Context().Err() != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("their certificate", func(_, cert, key string) (string, string, string) { ca, _, _ := others.files(); return ca, cert, key })
	refused("our certificate", func(ca, _, _ string) (string, string, string) { _, cert, key := others.files(); return ca, cert, key })
	if n := u.count("tel:1001"); n > 0 {
		t.Errorf("%d dialogs", n)
	}
}
