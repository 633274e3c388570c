package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
	"rccgw/pbx/pbxtest"
)

// A secured is a gateway with a tls:// listener that wants certificates of clients.
type secured struct {
	*gatewayUnderTest
	cert, key, ca string // paths
}

func startSecured(t *testing.T, server, clients *pbxtest.Authority) *secured {
	t.Helper()
	dir := t.TempDir()
	s := &secured{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), ca: filepath.Join(dir, "ca.pem")}
	pbxtest.WriteCertificate(t, server.Server(), s.cert, s.key)
	pbxtest.WriteCertificate(t, clients.Certificate(), s.ca, "")
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
	server, clients, others := pbxtest.NewAuthority(t, "server CA"), pbxtest.NewAuthority(t, "client CA"), pbxtest.NewAuthority(t, "another CA")
	s := startSecured(t, server, clients)
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		version      uint16
		served       bool
	}{
		"one of the CA":       {certificates: []tls.Certificate{clients.Client()}, served: true},
		"one for clients":     {certificates: []tls.Certificate{clients.Client(x509.ExtKeyUsageClientAuth)}, served: true},
		"TLS 1.2":             {certificates: []tls.Certificate{clients.Client()}, version: tls.VersionTLS12, served: true},
		"none":                {},
		"one of another CA":   {certificates: []tls.Certificate{others.Client()}},
		"the server's CA":     {certificates: []tls.Certificate{server.Client()}},
		"one that signs self": {certificates: []tls.Certificate{pbxtest.NewAuthority(t, "client CA").Client()}},
		"one that is over":    {certificates: []tls.Certificate{clients.Issue(&x509.Certificate{NotBefore: past.Add(-time.Hour), NotAfter: past})}},
		"one that is to come": {certificates: []tls.Certificate{clients.Issue(&x509.Certificate{NotBefore: future, NotAfter: future.Add(time.Hour)})}},
		"one for servers":     {certificates: []tls.Certificate{clients.Client(x509.ExtKeyUsageServerAuth)}},
		"TLS 1.1":             {certificates: []tls.Certificate{clients.Client()}, version: tls.VersionTLS11},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: server.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: test.version}
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
	before, after := pbxtest.NewAuthority(t, "first server CA"), pbxtest.NewAuthority(t, "second server CA")
	old, young := pbxtest.NewAuthority(t, "first client CA"), pbxtest.NewAuthority(t, "second client CA")
	s := startSecured(t, before, old)
	oldClient, youngClient := old.Client(), young.Client()
	sessions := map[*x509.Certificate]tls.ClientSessionCache{oldClient.Leaf: tls.NewLRUClientSessionCache(10), youngClient.Leaf: tls.NewLRUClientSessionCache(10)}
	config := func(server *pbxtest.Authority, client tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: server.Pool(), Certificates: []tls.Certificate{client}, ClientSessionCache: sessions[client.Leaf]}
	}
	open, err := s.dial(config(before, oldClient))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(config(before, youngClient)); err == nil {
		t.Error("a client of the second CA is served before its time")
	}

	// tries reports whether a client of the CA is served.
	tries := func(server *pbxtest.Authority, client tls.Certificate) bool {
		c, err := s.dial(config(server, client))
		if err != nil {
			return false
		}
		return c.Close(t.Context()) == nil
	}
	pbxtest.WriteCertificate(t, young.Certificate(), s.ca, "")
	eventually(t, "the second client CA", func() bool { return tries(before, youngClient) })
	if tries(before, oldClient) {
		t.Error("a client of the first CA is served still")
	}

	// Half of a renewal is not used, and told once.
	pbxtest.WriteCertificate(t, after.Certificate(), s.cert, "")
	eventually(t, "the half of a renewal", func() bool {
		if !tries(before, youngClient) {
			t.Error("half of a renewal ends the service")
		}
		return strings.Contains(s.log.String(), "changed TLS files are not used")
	})

	pbxtest.WriteCertificate(t, after.Server(), s.cert, s.key)
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
