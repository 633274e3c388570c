package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates reads the files of a TLS listener, and reads them again when
// they change: whoever renews certificates need not restart the service.
type certificates struct {
	cert, key, ca string
	log           *slog.Logger // nil: nobody is told

	mu     sync.Mutex
	config *tls.Config
	stamps [3]time.Time
	looked time.Time
}

// newCertificates reads the files, and returns every mistake that is in them. With
// a client CA, the peer's certificate is required.
func newCertificates(cert, key, clientCA string) (*certificates, error) {
	c := &certificates{cert: cert, key: key, ca: clientCA}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// listener returns the configuration of a listener: each handshake has the files
// as they are.
func (c *certificates) listener() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil }}
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
			if err := c.load(); err != nil && c.log != nil {
				c.log.Warn("changed TLS files are not used", "error", err)
			}
			c.stamps = stamps // what cannot be used is tried again when it changes
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
	stamps := c.stat() // before: what changes meanwhile is read again
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
