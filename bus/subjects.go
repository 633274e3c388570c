package bus

import (
	"fmt"
	"strings"
)

// Subjects are built and split here and nowhere else.

const prefix = "rcc.v1."

// The headers of messages on the bus.
const (
	headerKey      = "Rcc-Key"      // of a command: csta.CommandKey
	headerDeadline = "Rcc-Deadline" // of a command: Unix milliseconds; it is not executed later
	headerLine     = "Rcc-Line"     // of GetCSTAFeatures: the line that is asked about; of a request: what who asks calls its line
	headerDevice   = "Rcc-Device"   // of a request: what the PBX calls that line; of an event: what it calls the device
	headerEpoch    = "Rcc-Epoch"    // of an event: one life of one adapter
	headerSeq      = "Rcc-Seq"      // of an event: counts from 1 in its epoch, over all devices; of an answer: the last event before it
)

// serviceSubject is where the requests of a service go; service "*" is all.
func serviceSubject(pbx, service string) string {
	return prefix + pbx + ".do." + service
}

// watchSubject is where gateways tell an adapter which devices they watch.
func watchSubject(pbx string) string { return prefix + pbx + ".watch" }

// eventSubject is where an event of the device goes. The empty device stands
// for the PBX as a whole.
func eventSubject(pbx, device, event string) string {
	return prefix + pbx + ".on." + escape(device) + "." + event
}

// eventsSubject is what a gateway subscribes to: all events of the PBX.
func eventsSubject(pbx string) string { return prefix + pbx + ".on.*.*" }

// splitEvent takes an event's subject apart.
func splitEvent(subject string) (pbx, device, event string, err error) {
	rest, ok := strings.CutPrefix(subject, prefix)
	tokens := strings.Split(rest, ".")
	if !ok || len(tokens) != 4 || tokens[1] != "on" || tokens[0] == "" || tokens[3] == "" {
		return "", "", "", fmt.Errorf("bus: %q is not the subject of an event", subject)
	}
	device, err = unescape(tokens[2])
	return tokens[0], device, tokens[3], err
}

const upperHex = "0123456789ABCDEF"

// plain reports whether the octet stands for itself in a device token. What
// NATS gives a meaning to (. * > and white space) does not, nor do the escape
// characters.
func plain(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '+' || c == '-' || c == '#'
}

// escape makes a subject token of any device name; the empty name is "_".
func escape(device string) string {
	if device == "" {
		return "_"
	}
	var b strings.Builder
	for i := range len(device) {
		if c := device[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// unescape is the inverse of escape, and refuses what escape does not write.
func unescape(token string) (string, error) {
	if token == "_" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		switch {
		case plain(c):
		case c == '%' && i+2 < len(token):
			hi, lo := strings.IndexByte(upperHex, token[i+1]), strings.IndexByte(upperHex, token[i+2])
			if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
				return "", fmt.Errorf("bus: bad escape in device token %q", token)
			}
			c = byte(hi<<4 | lo)
			i += 2
		default:
			return "", fmt.Errorf("bus: bad character in device token %q", token)
		}
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("bus: empty device token")
	}
	return b.String(), nil
}

// lineKey is the key of a line in the bucket; line "*" stands for all of the PBX.
// A key has no characters but letters, digits and a few more, so the escape
// character is another than in subjects: = for %.
func lineKey(pbx, line string) string {
	if line == "*" {
		return pbx + ".*"
	}
	return pbx + "." + keyEscapes.Replace(escape(line))
}

var keyEscapes = strings.NewReplacer("%", "=", "+", "=2B", "#", "=23")

// CheckName refuses a PBX name that cannot be a subject token and a part of
// environment variables.
func CheckName(pbx string) error {
	if pbx == "" || len(pbx) > 32 {
		return fmt.Errorf("a PBX name has 1 to 32 characters, not %q", pbx)
	}
	for i := range len(pbx) {
		if c := pbx[i]; !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_' || c == '-') {
			return fmt.Errorf("PBX name %q: only letters, digits, hyphen and underscore", pbx)
		}
	}
	return nil
}
