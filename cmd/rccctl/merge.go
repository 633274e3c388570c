package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"rccgw/csta"
)

// A merge is what the gateway says of the two notifications of a call.
type merge struct {
	Invite, Presented, From, Shown, Kind, Reason string
	Rule, Findings                               int
	Equal                                        bool
	Edits                                        []struct {
		Replace bool
		Table   string
		Rule    int
		With    json.RawMessage
	}
}

// errDiffer is what the exit code of a merge-check says.
var errDiffer = errors.New("the two notifications of the call differ")

// mergeCheck compares the caller of an INVITE with the one that an event has.
func mergeCheck(ctx context.Context, t *tool, args []string) error {
	question := map[string]any{}
	var lines []string
	for _, word := range args[1:] {
		if word == "internal" || word == "external" {
			question["from"] = word
		} else {
			lines = append(lines, word)
		}
	}
	given := len(lines)
	if t.presented != nil {
		question["presented"] = *t.presented
		given++
	}
	if t.shown != nil {
		question["shown"] = *t.shown
		given++
	}
	if given != 1 {
		return fmt.Errorf("one of -presented, -shown and LINE: what to compare the INVITE with: %w", errUsage)
	}
	caller, err := inviteCaller(args[0])
	if err != nil {
		return err
	}
	question["invite"] = caller
	if len(lines) == 1 {
		if question["shown"], err = t.nextCaller(ctx, lines[0]); err != nil {
			return err
		}
	}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	var m merge
	text, err := t.api(ctx, http.MethodPost, "/merge-check", "application/json", body, &m)
	if err != nil {
		return err
	}
	if t.json {
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(text))
	} else if err := t.printMerge(m); err != nil {
		return err
	}
	if !m.Equal {
		return errDiffer
	}
	return nil
}

func (t *tool) printMerge(m merge) error {
	shown, by := m.Shown, "no incoming rule"
	if shown == "" {
		shown = m.Kind
	}
	if m.Rule > 0 {
		by = fmt.Sprintf("incoming rule %d", m.Rule)
	}
	fmt.Fprintf(t.out, "the INVITE is from %s\n", m.Invite)
	if m.Presented == "" {
		fmt.Fprintf(t.out, "the event is from %s\n", shown)
	} else {
		fmt.Fprintf(t.out, "the PBX presents %s, which is shown as %s (%s)\n", strings.TrimSpace(m.Presented+" "+m.From), shown, by)
	}
	if m.Equal {
		fmt.Fprintln(t.out, "a client merges the two")
		return nil
	}
	if len(m.Edits) > 0 {
		fmt.Fprintln(t.out, "they would be equal after:")
	}
	for _, e := range m.Edits {
		words := []string{"add", e.Table, fmt.Sprint("at=", e.Rule)}
		if e.Replace {
			words = []string{"modify", e.Table, fmt.Sprint(e.Rule)}
		}
		rule, err := ordered(json.NewDecoder(bytes.NewReader(e.With)))
		if err != nil {
			return err
		}
		for i, key := range rule.keys {
			words = append(words, key+"="+rule.values[i].text)
		}
		if rule.get("replacement") == "" {
			words = append(words, "replacement=")
		}
		for i, word := range words {
			if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=-+") != "" {
				words[i] = "'" + word + "'" // a rule has no quotes
			}
		}
		fmt.Fprintf(t.out, "  rccctl -pbx %s digits %s\n", t.pbx, strings.Join(words, " "))
	}
	if m.Reason != "" {
		fmt.Fprintln(t.out, m.Reason)
	}
	if m.Findings > 0 {
		fmt.Fprintf(t.out, "digits check would warn of %d more then\n", m.Findings)
	}
	return nil
}

// inviteCaller returns who the INVITE in a file is from, or the caller itself
// where that is given instead.
func inviteCaller(arg string) (string, error) {
	scheme, _, _ := strings.Cut(strings.ToLower(arg), ":")
	if strings.HasPrefix(arg, "+") || scheme != strings.ToLower(arg) && (scheme == "sip" || scheme == "sips" || scheme == "tel") {
		return arg, nil
	}
	text, err := readFile(arg)
	if err != nil {
		return "", err
	}
	caller, err := callerOf(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", arg, err)
	}
	return caller, nil
}

// callerOf returns the URI of whom a client shows as the caller of an INVITE: the
// P-Asserted-Identity (RFC 3325), a telephone number rather than an address where
// there are two, unless privacy is asked for; else From. The text is as somebody
// pasted it: with lines of any ending, with white space before them.
func callerOf(text string) (string, error) {
	text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	start, rest, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(start, "INVITE ") {
		return "", fmt.Errorf("begins with %.40q and not with INVITE", start)
	}
	indent := ""
	if first, _, _ := strings.Cut(rest, "\n"); strings.TrimSpace(first) != "" {
		indent = first[:len(first)-len(strings.TrimLeft(first, " \t"))]
	}
	var asserted []string
	var from, last string
	private := false
	fields := map[string][]string{}
	for line := range strings.SplitSeq(rest, "\n") {
		line = strings.TrimPrefix(line, indent)
		if strings.TrimSpace(line) == "" {
			break // the body
		}
		if folded := line[0] == ' ' || line[0] == '\t'; folded && last != "" {
			values := fields[last]
			values[len(values)-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if last = strings.ToLower(strings.TrimSpace(name)); last == "f" {
			last = "from"
		}
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	for _, value := range fields["privacy"] {
		for word := range strings.FieldsFuncSeq(strings.ToLower(value), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			private = private || word == "id" || word == "user" || word == "header"
		}
	}
	for _, value := range fields["p-asserted-identity"] {
		asserted = append(asserted, addresses(value)...)
	}
	for _, value := range fields["from"] {
		from = addresses(value)[0]
	}
	switch {
	case private:
		return "sip:anonymous@anonymous.invalid", nil
	case len(asserted) > 0:
		for _, uri := range asserted {
			if strings.HasPrefix(strings.ToLower(uri), "tel:") {
				return uri, nil
			}
		}
		return asserted[0], nil
	case from != "":
		return from, nil
	}
	return "", errors.New("the INVITE has neither From nor P-Asserted-Identity")
}

// addresses returns the URIs of a list of addresses (RFC 3261, clause 20.10), of
// which there is one at least.
func addresses(value string) []string {
	var list []string
	for more := true; more; {
		quoted, inside, escaped, end := false, false, false, len(value)
		begin, close := 0, -1
	scan:
		for i, c := range value {
			switch {
			case escaped:
				escaped = false
			case quoted && c == '\\':
				escaped = true
			case c == '"' && !inside:
				quoted = !quoted
			case quoted:
			case c == '<':
				inside, begin = true, i+1
			case c == '>' && inside:
				inside, close = false, i
			case c == ',' && !inside:
				end = i
				break scan
			}
		}
		uri := value[:end]
		if close >= begin && close >= 0 {
			uri = value[begin:close]
		} else if close < 0 {
			uri, _, _ = strings.Cut(uri, ";") // parameters of the field, not of the URI
		}
		list = append(list, strings.TrimSpace(uri))
		if more = end < len(value); more {
			value = value[end+1:]
		}
	}
	return list
}

// nextCaller watches a line until a call alerts there, and returns the caller as
// clients see it.
func (t *tool) nextCaller(ctx context.Context, line string) (string, error) {
	callers := make(chan string, 1)
	c, err := t.dial(ctx, line, func(ev csta.Event) {
		d, ok := ev.(*csta.DeliveredEvent)
		if !ok || d.LocalConnectionInfo != "alerting" {
			return
		}
		select {
		case callers <- shown(d.CallingDevice):
		default:
		}
	})
	if err != nil {
		return "", err
	}
	defer closeClient(c)
	start, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if _, err := csta.Call(start, c, &csta.MonitorStart{MonitorObject: &csta.MonitorObject{DeviceObject: csta.Device(written(line))}}); err != nil {
		return "", err
	}
	if !t.json {
		fmt.Fprintf(t.out, "waiting for a call to %s\n", line)
	}
	select {
	case caller := <-callers:
		return caller, nil
	case <-ctx.Done():
		return "", errors.New("interrupted before a call came")
	case <-c.Done():
		return "", fmt.Errorf("the gateway ended the dialog: %w", c.Err())
	}
}

// shown writes a party as a number, or as the word for one without.
func shown(party csta.ExtendedDeviceID) string {
	switch {
	case bool(party.Restricted):
		return "restricted"
	case bool(party.NotKnown):
		return "unknown"
	}
	return party.DeviceIdentifier.ID
}
