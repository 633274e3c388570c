package main

import (
	"context"
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
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
)

// An authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	c := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue signs a certificate, valid for an hour unless the template says when.
func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.BasicConstraintsValid = true
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
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

func (a *authority) server() tls.Certificate {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
}

func (a *authority) client(usage ...x509.ExtKeyUsage) tls.Certificate {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: usage})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// write writes a certificate, and its key where path names one, as who renews them
// does: beside, and then in their place.
func write(t *testing.T, c tls.Certificate, cert, key string) {
	t.Helper()
	put := func(path, kind string, der []byte) {
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put(cert, "CERTIFICATE", c.Certificate[0])
	if key != "" {
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		put(key, "PRIVATE KEY", der)
	}
}

// A secured is a gateway with a tls:// listener that wants certificates of clients.
type secured struct {
	*gatewayUnderTest
	cert, key, ca string // paths
}

func startSecured(t *testing.T, server, clients *authority) *secured {
	t.Helper()
	dir := t.TempDir()
	s := &secured{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), ca: filepath.Join(dir, "ca.pem")}
	write(t, server.server(), s.cert, s.key)
	write(t, tls.Certificate{Certificate: [][]byte{clients.cert.Raw}}, s.ca, "")
	s.gatewayUnderTest = startGateway(t, "RCC_SIP_LISTEN=tls://127.0.0.1:0", "RCC_SIP_TLS_CERT="+s.cert, "RCC_SIP_TLS_KEY="+s.key, "RCC_SIP_TLS_CLIENT_CA="+s.ca)
	return s
}

// dial opens a dialog with a handshake of its own.
func (s *secured) dial(config *tls.Config) (*cstasip.Client, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	return cstasip.Dial(ctx, cstasip.ClientConfig{Server: "tls://" + s.sip["tls"], Line: "tel:1001", TLS: config})
}

// Who shows no certificate of the client CA, or one that is not valid now, or for
// this, has no dialog.
func TestClientCertificates(t *testing.T) {
	server, clients, others := newAuthority(t, "server CA"), newAuthority(t, "client CA"), newAuthority(t, "another CA")
	s := startSecured(t, server, clients)
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		version      uint16
		served       bool
	}{
		"one of the CA":       {certificates: []tls.Certificate{clients.client()}, served: true},
		"one for clients":     {certificates: []tls.Certificate{clients.client(x509.ExtKeyUsageClientAuth)}, served: true},
		"TLS 1.2":             {certificates: []tls.Certificate{clients.client()}, version: tls.VersionTLS12, served: true},
		"none":                {},
		"one of another CA":   {certificates: []tls.Certificate{others.client()}},
		"the server's CA":     {certificates: []tls.Certificate{server.client()}},
		"one that signs self": {certificates: []tls.Certificate{newAuthority(t, "client CA").client()}},
		"one that is over":    {certificates: []tls.Certificate{clients.issue(&x509.Certificate{NotBefore: past.Add(-time.Hour), NotAfter: past})}},
		"one that is to come": {certificates: []tls.Certificate{clients.issue(&x509.Certificate{NotBefore: future, NotAfter: future.Add(time.Hour)})}},
		"one for servers":     {certificates: []tls.Certificate{clients.client(x509.ExtKeyUsageServerAuth)}},
		"TLS 1.1":             {certificates: []tls.Certificate{clients.client()}, version: tls.VersionTLS11},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: server.pool(), MinVersion: tls.VersionTLS10, MaxVersion: test.version}
			// Shown whether the server would have it or not.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(test.certificates) == 0 {
					return new(tls.Certificate), nil
				}
				return &test.certificates[0], nil
			}
			c, err := s.dial(config)
			if (err == nil) != test.served {
				t.Fatalf("dialog: %v, want one: %v", err, test.served)
			}
			if c != nil {
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Certificates that are renewed while the gateway runs are those of the next
// handshake, the server's as well as the CA of the clients. Dialogs that are open
// go on, and nothing is taken over from a session before.
func TestCertificatesAreRotated(t *testing.T) {
	before, after := newAuthority(t, "first server CA"), newAuthority(t, "second server CA")
	old, young := newAuthority(t, "first client CA"), newAuthority(t, "second client CA")
	s := startSecured(t, before, old)
	oldClient, youngClient := old.client(), young.client()
	sessions := map[*x509.Certificate]tls.ClientSessionCache{oldClient.Leaf: tls.NewLRUClientSessionCache(10), youngClient.Leaf: tls.NewLRUClientSessionCache(10)}
	config := func(server *authority, client tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: server.pool(), Certificates: []tls.Certificate{client}, ClientSessionCache: sessions[client.Leaf]}
	}
	open, err := s.dial(config(before, oldClient))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(config(before, youngClient)); err == nil {
		t.Error("a client of the second CA is served before its time")
	}

	// tries reports whether a client of the CA is served.
	tries := func(server *authority, client tls.Certificate) bool {
		c, err := s.dial(config(server, client))
		if err != nil {
			return false
		}
		return c.Close(t.Context()) == nil
	}
	write(t, tls.Certificate{Certificate: [][]byte{young.cert.Raw}}, s.ca, "")
	eventually(t, "the second client CA", func() bool { return tries(before, youngClient) })
	if tries(before, oldClient) {
		t.Error("a client of the first CA is served still")
	}

	// Half of a renewal is not used, and told once.
	write(t, tls.Certificate{Certificate: [][]byte{after.cert.Raw}}, s.cert, "")
	eventually(t, "the half of a renewal", func() bool {
		if !tries(before, youngClient) {
			t.Error("half of a renewal ends the service")
		}
		return strings.Contains(s.log.String(), "changed TLS files are not used")
	})

	write(t, after.server(), s.cert, s.key)
	eventually(t, "the second server certificate", func() bool { return tries(after, youngClient) })
	if tries(before, youngClient) {
		t.Error("the first server certificate is shown still")
	}

	if _, err := csta.Call(t.Context(), open, &csta.SnapshotDevice{SnapshotObject: csta.Device("1001")}); err != nil {
		t.Errorf("the dialog that was open: %v", err)
	}
	if err := open.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
