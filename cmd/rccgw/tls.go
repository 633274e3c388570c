package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificates reads the files of a TLS listener, and reads them again when
// they change: whoever renews certificates need not restart the service.
type certificates struct {
	cert, key, ca string

	mu     sync.Mutex
	config *tls.Config
	stamps [3]time.Time
	looked time.Time
}

// newCertificates returns a TLS configuration made of the files, or every
// mistake that is in them. With a client CA, the peer's certificate is required.
func newCertificates(cert, key, clientCA string) (*tls.Config, error) {
	c := &certificates{cert: cert, key: key, ca: clientCA}
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil }}, nil
}

// current returns the configuration of the files as they are now. Files that
// cannot be used leave the last good configuration in force: half of a renewal
// must not end the service.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > time.Second {
		c.looked = time.Now()
		if stamps := c.stat(); stamps != c.stamps {
			_ = c.load()
		}
	}
	return c.config
}

func (c *certificates) stat() (stamps [3]time.Time) {
	for i, path := range []string{c.cert, c.key, c.ca} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = info.ModTime()
		}
	}
	return stamps
}

func (c *certificates) load() error {
	stamps := c.stat()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("RCC_SIP_TLS_CERT=%q RCC_SIP_TLS_KEY=%q: %w", c.cert, c.key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return fmt.Errorf("RCC_SIP_TLS_CLIENT_CA=%q: %w", c.ca, err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("RCC_SIP_TLS_CLIENT_CA=%q: no certificate in it", c.ca)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.config, c.stamps = config, stamps
	return nil
}
