package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"rccgw/csta"
)

// sim is the hand at a phone of the simulated PBX, which the gateway offers by
// HTTP below /pbx/<name>.
//
//	sim                              all phones
//	sim 1002                         one phone
//	sim 1002 answer                  also lift, hangup, hold, retrieve, conference, pickup
//	sim 1002 dial 1003               also consult, transfer, park #900, press 12#
//	sim 1002 forward busy 1003       or off
//	sim 1002 dnd on                  or off; also message
//	sim outside 4165551234 call 1001 also answer, hangup, busy on; withheld before call hides the number
//	sim link cut                     or restore: the link between PBX and gateway
func sim(ctx context.Context, t *tool, args []string) error {
	base := t.http + "/pbx/" + url.PathEscape(t.pbx)
	switch {
	case len(args) == 0:
		var phones []phone
		if err := t.get(ctx, base+"/phones", &phones); err != nil {
			return err
		}
		for _, p := range phones {
			t.printPhone(p)
		}
		return nil
	case args[0] == "outside" && len(args) >= 3:
		body := map[string]any{}
		words := args[2:]
		if words[0] == "withheld" && len(words) > 1 {
			body["withheld"] = true
			words = words[1:]
		}
		if err := arguments(body, words); err != nil {
			return err
		}
		return t.post(ctx, base+"/outside/"+url.PathEscape(args[1])+"/"+url.PathEscape(words[0]), body, nil)
	case args[0] == "link" && len(args) == 2:
		return t.post(ctx, base+"/link/"+url.PathEscape(args[1]), map[string]any{}, nil)
	}
	var p phone
	path := base + "/phones/" + url.PathEscape(args[0])
	if len(args) == 1 {
		if err := t.get(ctx, path, &p); err != nil {
			return err
		}
	} else {
		body := map[string]any{}
		if err := arguments(body, args[1:]); err != nil {
			return err
		}
		if err := t.post(ctx, path+"/"+url.PathEscape(args[1]), body, &p); err != nil {
			return err
		}
	}
	t.printPhone(p)
	return nil
}

// arguments writes what follows an action into the body of its request.
func arguments(body map[string]any, words []string) error {
	action, rest := words[0], words[1:]
	switch {
	case action == "forward" && len(rest) == 2 && forwardingTypes[rest[0]] != "":
		body["type"], body["on"] = forwardingTypes[rest[0]], rest[1] != "off"
		if rest[1] != "off" {
			body["number"] = rest[1]
		}
	case (action == "dnd" || action == "message" || action == "busy") && len(rest) == 1 && (rest[0] == "on" || rest[0] == "off"):
		body["on"] = rest[0] == "on"
	case action == "forward" || action == "dnd" || action == "message" || action == "busy" || len(rest) > 1:
		return fmt.Errorf("sim: %q is not understood: %w", strings.Join(words, " "), errUsage)
	case len(rest) == 1:
		body["number"] = rest[0]
	}
	return nil
}

// A phone is what the simulated PBX says of one.
type phone struct {
	Device       string `json:"device"`
	Name         string `json:"name"`
	DoNotDisturb bool   `json:"doNotDisturb"`
	Message      bool   `json:"message"`
	Heard        string `json:"heard"`
	Forwarding   []struct {
		Type csta.ForwardingType `json:"type"`
		To   string              `json:"to"`
	} `json:"forwarding"`
	Calls []struct {
		CallID  string `json:"callID"`
		State   string `json:"state"`
		Parties []struct {
			Number string `json:"number"`
			State  string `json:"state"`
		} `json:"parties"`
	} `json:"calls"`
	raw json.RawMessage
}

// UnmarshalJSON keeps the text, for -json.
func (p *phone) UnmarshalJSON(text []byte) error {
	type plain phone
	if err := json.Unmarshal(text, (*plain)(p)); err != nil {
		return err
	}
	p.raw = bytes.Clone(text)
	return nil
}

func (t *tool) printPhone(p phone) {
	if t.json {
		fmt.Fprintf(t.out, "%s\n", p.raw)
		return
	}
	words := []string{p.Device, p.Name}
	if p.DoNotDisturb {
		words = append(words, "do not disturb")
	}
	if p.Message {
		words = append(words, "a message waits")
	}
	for _, f := range p.Forwarding {
		words = append(words, fmt.Sprintf("%s to %s", f.Type, f.To))
	}
	if len(p.Calls) == 0 {
		words = append(words, "idle")
	}
	for _, c := range p.Calls {
		var parties []string
		for _, o := range c.Parties {
			parties = append(parties, o.Number+" "+o.State)
		}
		words = append(words, fmt.Sprintf("%s in call %s with %s", c.State, c.CallID, strings.Join(parties, ", ")))
	}
	if p.Heard != "" {
		words = append(words, "heard "+p.Heard)
	}
	fmt.Fprintln(t.out, strings.Join(words, "  "))
}
