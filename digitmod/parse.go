package digitmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a digit plan in YAML or JSON. Unknown keys and wrong types are mistakes as those that [New] finds; the error is
// of type [Mistakes] and holds all of them. An empty text is a mistake, for a file cut off must not silently dial without rules;
// {} is the plan without any. YAML aliases are not supported.
func Parse(text []byte) (*Plan, error) {
	if len(text) > maxText {
		return nil, Mistakes{{Reason: fmt.Sprintf("the text has %d bytes, more than %d", len(text), maxText)}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, Mistakes{{Reason: "the text is empty; {} is a plan without rules"}}
	case err != nil:
		return nil, Mistakes{{Reason: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	d := reader{bad: make(map[string]bool)}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.mistakes.add("", nil, "more than one YAML document")
	}
	var cfg Config
	d.read(doc.Content[0], reflect.ValueOf(&cfg).Elem(), "")
	return check(cfg, d.mistakes, d.bad)
}

// A reader fills a Config from a YAML tree. The library's own decoder would name lines and Go types; this one names places as
// the rest of the mistakes do.
type reader struct {
	mistakes Mistakes
	bad      map[string]bool // places of structs with a mistake inside
}

func (d *reader) read(node *yaml.Node, v reflect.Value, at string) {
	if node.Kind == yaml.AliasNode {
		d.mistakes.add(at, "*"+node.Value, "aliases are not supported")
		d.bad[at] = true
		return
	}
	null := node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
	switch v.Kind() {
	case reflect.Struct:
		before := len(d.mistakes)
		switch {
		case node.Kind == yaml.MappingNode:
			d.fields(node, v, at)
		case !null:
			d.mistakes.add(at, node.Value, notKeys)
		}
		d.bad[at] = len(d.mistakes) > before
	case reflect.Slice:
		switch {
		case node.Kind == yaml.SequenceNode && len(node.Content) > maxRules:
			d.mistakes.add(at, nil, "%d entries, more than %d", len(node.Content), maxRules)
		case node.Kind == yaml.SequenceNode:
			v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
			for i, item := range node.Content {
				of := place(at, i)
				if item.Kind == yaml.ScalarNode && v.Type().Elem().Kind() == reflect.Struct {
					d.mistakes.add(of, item.Value, notKeys)
					d.bad[of] = true
					continue
				}
				d.read(item, v.Index(i), of)
			}
		case !null:
			d.mistakes.add(at, node.Value, "is not a list")
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.read(node, v.Elem(), at)
	default:
		want := map[reflect.Kind]string{reflect.String: "a text", reflect.Int: "a whole number", reflect.Bool: "true or false"}[v.Kind()]
		if null {
			d.mistakes.add(at, nil, "has no value; quote a text that is empty or begins with #")
		} else if node.Kind != yaml.ScalarNode || node.Decode(v.Addr().Interface()) != nil {
			d.mistakes.add(at, node.Value, "is not %s", want)
		}
	}
}

const notKeys = "is not a list of keys and values"

func (d *reader) fields(node *yaml.Node, v reflect.Value, at string) {
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		value, ok := fieldOf(v, key)
		switch {
		case !ok:
			d.mistakes.add(at, key, "unknown key")
		case seen[key]:
			d.mistakes.add(inside(at, key), nil, "given twice")
		default:
			d.read(node.Content[i+1], value, inside(at, key))
		}
		seen[key] = true
	}
}

// fieldOf returns the field of the struct v whose yaml tag is key.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}
