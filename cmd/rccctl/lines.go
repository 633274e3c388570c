package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// A lineState is what the gateway's API says of a line.
type lineState struct {
	PBX, Line, State        string
	Since                   time.Time
	Forwarded, DoNotDisturb bool
}

func (s lineState) String() string {
	words := []string{s.Line, "", s.State, "since", s.Since.Local().Format(time.DateTime)}
	if s.Forwarded {
		words = append(words, "", "forwarded")
	}
	if s.DoNotDisturb {
		words = append(words, "", "doNotDisturb")
	}
	return strings.Join(words, " ")
}

// lines lists what all lines are doing, or those of one PBX.
func lines(ctx context.Context, t *tool, args []string) error {
	address := t.http + "/api/v1/lines"
	if len(args) == 1 {
		address += "?pbx=" + url.QueryEscape(args[0])
	}
	var list []lineState
	if err := t.get(ctx, address, &list); err != nil {
		return err
	}
	for _, s := range list {
		if len(args) == 0 {
			fmt.Fprint(t.out, s.PBX, "  ")
		}
		fmt.Fprintln(t.out, s)
	}
	return nil
}
