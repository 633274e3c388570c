package main

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"testing"

	"rccgw/csta/cstasip"
)

// The limits of a peer come from the environment, and /metrics tells whom they
// have met.
func TestPeerLimits(t *testing.T) {
	g := startGateway(t, "RCC_SIP_MAX_PEER_DIALOGS=1", "RCC_SIP_MAX_PEER_CONNECTIONS=1", "RCC_SIP_MAX_PEER_REQUESTS=1000")
	if cfg, err := load(environ(t, "RCC_SIP_MAX_PEER_DIALOGS=1", "RCC_SIP_MAX_PEER_CONNECTIONS=2", "RCC_SIP_MAX_PEER_REQUESTS=3")); err != nil ||
		cfg.sip.MaxPeerDialogs != 1 || cfg.sip.MaxPeerConnections != 2 || cfg.sip.MaxPeerRequests != 3 {
		t.Errorf("read as %+v, %v", cfg.sip, err)
	}
	dial := func(network, line string) (*cstasip.Client, error) {
		return cstasip.Dial(t.Context(), cstasip.ClientConfig{Server: network + "://" + g.sip[network], Line: "tel:" + line})
	}
	c, err := dial("tcp", "1001")
	if err != nil {
		t.Fatal(err)
	}
	var refused *cstasip.StatusError
	if _, err := dial("udp", "1002"); !errors.As(err, &refused) || refused.Status != 503 || refused.RetryAfter == 0 {
		t.Errorf("a second dialog: %v, want 503 and when to try again", err)
	}
	if _, err := dial("tcp", "1003"); err == nil || errors.As(err, &refused) && refused.Status != 503 {
		t.Errorf("a second connection: %v", err)
	}
	resp, err := http.Get("http://" + g.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	// The client may have tried to connect more than once.
	for _, want := range []string{`{what="dialog"} 1`, `{what="connection"} [1-9]`, `{what="request"} 0`} {
		if !regexp.MustCompile("rccgw_sip_limited_total" + want + "\n").Match(text) {
			t.Errorf("no %s in /metrics:\n%s", want, text)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
