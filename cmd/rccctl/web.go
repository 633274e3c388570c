package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

func (t *tool) get(ctx context.Context, url string, into any) error {
	_, text, err := t.web(ctx, http.MethodGet, url, nil, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (t *tool) post(ctx context.Context, url string, body map[string]any, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if _, text, err = t.web(ctx, http.MethodPost, url, nil, text); err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// web makes a request to the gateway's HTTP side. A refusal becomes an error
// with everything that speaks against the request, a line each.
func (t *tool) web(ctx context.Context, method, url string, header http.Header, body []byte) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct {
			Error    string
			Mistakes []mistake
		}
		if json.Unmarshal(text, &refused) != nil || refused.Error == "" {
			return nil, nil, fmt.Errorf("%s: %s", url, resp.Status)
		}
		lines := []string{refused.Error}
		for _, m := range refused.Mistakes {
			lines = append(lines, "  "+m.String())
		}
		return nil, nil, errors.New(strings.Join(lines, "\n"))
	}
	return resp.Header, text, nil
}

// A mistake is what the gateway says of a digit plan.
type mistake struct {
	Table, Field, Place, Value, Reason string
	Rule                               int
}

func (m mistake) String() string {
	place := m.Place
	if m.Rule > 0 {
		place = strings.TrimSpace(fmt.Sprintf("%s rule %d %s", m.Table, m.Rule, m.Field))
	}
	var parts []string
	for _, s := range []string{place, m.Value, m.Reason} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}
