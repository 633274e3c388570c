package uacsta

import (
	"fmt"
	"net/url"
	"strings"

	"rccgw/csta"
)

// A spelling is how the other end writes a line and the numbers that it is told.
// The driver has numbers without their scheme and parameters.
type spelling struct {
	device string // the driver's name of the line
	line   string // the other end's
	number string // the pattern of a number
	host   string // of the line's address
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

	maxNumber = 64 // characters of a line or a number
)

// checkLine refuses what cannot be the name of a line: it gets into URIs and host
// names.
func checkLine(device string) error {
	if device == "" || len(device) > maxNumber || strings.Trim(device, digits+letters+"+*#._-") != "" {
		return fmt.Errorf("%q is not 1 to %d letters, digits, +, *, #, dots, underscores or hyphens", device, maxNumber)
	}
	return nil
}

// fill puts what they stand for in the place of a pattern's names. Outside of a tel
// URI a number sign is escaped (RFC 3261 §25.1).
func fill(pattern, name, value, host string) string {
	if !strings.HasPrefix(pattern, "tel:") && strings.Contains(pattern, ":") {
		value = strings.ReplaceAll(value, "#", "%23")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return strings.NewReplacer(name, value, "{host}", host).Replace(pattern)
}

// spelling returns how a line is written at an address.
func (c *config) spelling(device string, at address) *spelling {
	return &spelling{device: device, line: fill(c.line, "{line}", device, at.host), number: c.number, host: at.host}
}

// out writes a request as the other end wants it, in place. A number that cannot be
// dialled is refused in the words of its field.
func (s *spelling) out(req csta.Message) (err error) {
	csta.Numbers(req, func(n csta.Number) {
		switch {
		case n.ID.ID == s.device && n.Role == csta.Identity:
			n.ID.ID = s.line
		case n.Role == csta.Destination:
			if len(n.ID.ID) > maxNumber || strings.Trim(n.ID.ID, digits+"*#+") != "" {
				err = badNumber(n)
				return
			}
			n.ID.ID = fill(s.number, "{number}", n.ID.ID, s.host)
		}
	})
	csta.Connections(req, func(c *csta.ConnectionID) {
		if c.DeviceID.ID == s.device {
			c.DeviceID.ID = s.line
		}
	})
	return err
}

func badNumber(n csta.Number) error {
	value := "invalidDestination"
	switch n.Field {
	case "calledDirectoryNumber", "consultedDevice":
		value = "invalidCalledDeviceID"
	case "forwardDN":
		value = "invalidForwardingDestination"
	}
	return csta.Errorf(csta.Operation, value, "%s %q is not 1 to %d digits, *, # or +", n.Field, n.ID.ID, maxNumber)
}

// in writes what the other end says as the driver has it, in place: numbers
// without scheme and parameters, and the line by its name. ConnectionIDs are changed
// where they are the line's own, and no more.
func (s *spelling) in(m csta.Message) {
	csta.Numbers(m, func(n csta.Number) {
		if n.ID.ID = plain(n.ID.ID); n.ID.ID == plain(s.line) {
			n.ID.ID = s.device
		}
	})
	csta.Connections(m, func(c *csta.ConnectionID) {
		if id := plain(c.DeviceID.ID); id == plain(s.line) || id == s.device {
			c.DeviceID.ID = s.device
		}
	})
}

// plain returns the number in a tel or SIP URI: without visual separators (RFC 3966
// §3), an extension rather than the number that it belongs to. What is no URI stays.
func plain(id string) string {
	scheme, rest, ok := strings.Cut(id, ":")
	if !ok {
		return id
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
		user, _, there := strings.Cut(rest, "@")
		if !there {
			return id
		}
		user, _, _ = strings.Cut(user, ";")
		if text, err := url.PathUnescape(user); err == nil {
			user = text
		}
		return user
	case "tel":
		number, params, _ := strings.Cut(rest, ";")
		for p := range strings.SplitSeq(params, ";") {
			if name, value, _ := strings.Cut(p, "="); strings.EqualFold(name, "ext") && value != "" {
				number = value
			}
		}
		return strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(number)
	}
	return id
}
