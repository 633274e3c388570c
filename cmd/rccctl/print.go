package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"rccgw/csta"
)

// print writes a message in a line: as JSON, or its name and its elements.
func (t *tool) print(m csta.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := json.Marshal(m)
	if err != nil {
		fmt.Fprintf(t.out, "%s: %v\n", csta.Name(m), err)
		return
	}
	if t.json {
		fmt.Fprintf(t.out, "{%q:%s}\n", csta.Name(m), text)
		return
	}
	d := json.NewDecoder(bytes.NewReader(text))
	v, err := ordered(d)
	if err != nil {
		fmt.Fprintf(t.out, "%s: %v\n", csta.Name(m), err)
		return
	}
	fmt.Fprintln(t.out, strings.TrimRight(csta.Name(m)+"  "+v.words("  "), " "))
}

// A value is a JSON value with the order of its keys.
type value struct {
	text   string
	keys   []string
	values []value
	list   bool
	object bool
}

func ordered(d *json.Decoder) (value, error) {
	tok, err := d.Token()
	if err != nil {
		return value{}, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return value{text: fmt.Sprint(tok)}, nil
	}
	v := value{list: delim == '[', object: delim == '{'}
	for d.More() {
		if !v.list {
			key, err := d.Token()
			if err != nil {
				return value{}, err
			}
			v.keys = append(v.keys, fmt.Sprint(key))
		}
		item, err := ordered(d)
		if err != nil {
			return value{}, err
		}
		v.values = append(v.values, item)
	}
	_, err = d.Token()
	return v, err
}

func (v value) get(key string) string {
	for i, k := range v.keys {
		if k == key {
			return v.values[i].text
		}
	}
	return ""
}

// words writes an object's elements one after another. A connection is
// device@call, a party its number or why there is none, a list of features
// their names.
func (v value) words(between string) string {
	var parts []string
	for i, k := range v.keys {
		parts = append(parts, k+" "+v.values[i].word())
	}
	return strings.Join(parts, between)
}

func (v value) word() string {
	switch {
	case v.list:
		var items []string
		for _, item := range v.values {
			items = append(items, item.word())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.object && v.keys == nil:
		return "none"
	case v.keys == nil:
		return v.text
	case v.get("callID") != "":
		return v.get("deviceID") + "@" + v.get("callID")
	case len(v.keys) == 1 && v.values[0].text == "true":
		return v.keys[0] // notKnown, restricted, notRequired
	case v.get("deviceIdentifier") != "":
		return v.get("deviceIdentifier")
	case v.get("name") != "":
		return v.get("name")
	case len(v.keys) == 1:
		return v.values[0].word()
	}
	return "{" + v.words(", ") + "}"
}
