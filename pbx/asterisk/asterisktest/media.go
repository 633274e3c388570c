package asterisktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// The voice of a UA: silence, as long as a call is active, since Asterisk passes digits on while voice comes in, and not without. What it hears
// are digits (RFC 4733).

const (
	frameTime     = 20 * time.Millisecond
	frameSamples  = 160
	digits        = "0123456789*#ABCD"
	payloadPCMU   = 0
	payloadDigits = 101
)

var silence = bytes.Repeat([]byte{0xff}, frameSamples)

// A stream is the voice of one dialog.
type stream struct {
	to        netip.AddrPort // of the far end
	sequence  uint16
	timestamp uint32
}

// listenMedia opens the socket of the voice.
func listenMedia(ip net.IP) (*net.UDPConn, error) {
	return net.ListenUDP("udp", &net.UDPAddr{IP: ip})
}

// talk sends the voice of the active call until stop is closed.
func (u *UA) talk(stop <-chan struct{}) {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			u.mu.Lock()
			if d := u.find(active); d != nil && d.voice.to.IsValid() {
				_, _ = u.media.WriteToUDPAddrPort(d.voice.frame(), d.voice.to) // nobody listens any more, when the call has ended there
			}
			u.mu.Unlock()
		}
	}
}

// frame returns the next packet.
func (s *stream) frame() []byte {
	s.sequence++
	s.timestamp += frameSamples
	b := append(make([]byte, 12), silence...)
	b[0], b[1] = 0x80, payloadPCMU
	binary.BigEndian.PutUint16(b[2:], s.sequence)
	binary.BigEndian.PutUint32(b[4:], s.timestamp)
	binary.BigEndian.PutUint32(b[8:], 1) // the source: addresses tell dialogs apart
	return b
}

// hear takes note of the digits that come in until the socket is closed.
func (u *UA) hear() {
	b := make([]byte, 2048)
	var last string // the end of a digit is said several times
	for {
		n, from, err := u.media.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if n < 16 || b[1]&0x7f != payloadDigits || b[13]&0x80 == 0 || int(b[12]) >= len(digits) {
			continue
		}
		if event := fmt.Sprint(from, b[4:12]); event != last {
			last = event
			u.mu.Lock()
			u.heard += string(digits[b[12]])
			u.mu.Unlock()
		}
	}
}

// Heard returns the digits that were heard in the latest call, as one text.
func (u *UA) Heard() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.heard
}

// voiceTo takes the address of the far end's voice out of its description.
func (d *dialog) voiceTo(sdp []byte) {
	host, port := "", ""
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			host = v
		}
		if v, ok := strings.CutPrefix(line, "m=audio "); ok {
			port, _, _ = strings.Cut(v, " ")
		}
	}
	if a, err := netip.ParseAddrPort(host + ":" + port); err == nil && a.Port() != 0 {
		d.voice.to = a
	}
}
