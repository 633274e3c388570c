package csta

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Limits on a document. A TR/87 body is a kilobyte; what is far beyond is an
// accident or an attack.
const (
	MaxBody  = 64 << 10 // octets of a body
	MaxDepth = 32       // nested elements
)

// namespace is what the namespaces of all editions begin with.
const namespace = "http://www.ecma-international.org/standards/ecma-323/csta/"

// An Edition is the part of the namespace that differs between editions of
// ECMA-323: "ed2" to "ed6", "ed3/privA". An answer goes out in the edition of
// the request.
type Edition string

// DefaultEdition is what most clients of the field speak.
const DefaultEdition Edition = "ed3"

// ErrTooLarge is the error of Decode for a body of more than MaxBody octets.
var ErrTooLarge = fmt.Errorf("csta: body of more than %d octets", MaxBody)

// Valid reports whether it is one of "ed2" to "ed6", alone or with a private part.
func (e Edition) Valid() bool {
	number, private, hasPrivate := strings.Cut(string(e), "/")
	outside := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	return len(number) == 3 && number >= "ed2" && number <= "ed6" && hasPrivate == (private != "") && !strings.ContainsFunc(private, outside)
}

// A SyntaxError says why a body is not a CSTA document at all.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return "csta: " + e.Reason }

func syntaxError(format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf(format, args...)}
}

// Decode reads one CSTA XML document, in any edition, with any prefix and the
// elements in any order; unknown elements are passed over.
//
// Its errors: ErrTooLarge; a *SyntaxError for what is not a CSTA document; an
// *Error for a document that the schema or we do not know (invalidMsgID) or
// whose content is wrong. With an *Error the edition is valid, and so is the
// message where its name is known, as far as it could be read.
func Decode(body []byte) (Message, Edition, error) {
	root, err := parse(body)
	if err != nil {
		return nil, "", err
	}
	edition, err := editionOf(root.NamespaceURI())
	if err != nil {
		return nil, "", err
	}
	m, ok := New(root.Tag)
	if !ok {
		return nil, edition, Errorf(Operation, "invalidMsgID", "message %q is not known", clip(root.Tag))
	}
	d := decoder{space: root.Space, namespace: namespace + string(edition)}
	if e, ok := m.(*Error); ok {
		return m, edition, asParameterError(e.decode(&d, root))
	}
	v := reflect.ValueOf(m).Elem()
	if err := d.structure(v, root); err != nil {
		return m, edition, asParameterError(err)
	}
	return m, edition, asParameterError(check(v, root.Tag))
}

func asParameterError(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: Operation, Value: "invalidParameterValue", Detail: err.Error()}
}

// parse returns the one root element of body, or why there is none.
func parse(body []byte) (*etree.Element, error) {
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	// Some stacks count a string's final NUL into Content-Length.
	body = bytes.TrimRight(body, "\x00")
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{MaxDepth: MaxDepth, CharsetReader: charset, PreserveDuplicateAttrs: true}
	if err := doc.ReadFromBytes(body); err != nil {
		return nil, syntaxError("not XML: %v", err)
	}
	var root *etree.Element
	for _, t := range doc.Child {
		switch t := t.(type) {
		case *etree.Element:
			if root != nil {
				return nil, syntaxError("more than one root element")
			}
			root = t
		case *etree.Directive:
			return nil, syntaxError("a document type is not allowed")
		case *etree.CharData:
			if !t.IsWhitespace() {
				return nil, syntaxError("text outside the root element")
			}
		}
	}
	if root == nil {
		return nil, syntaxError("no element")
	}
	return root, nil
}

// charset serves the encodings that clients of the field declare.
func charset(name string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		b, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out := make([]byte, 0, len(b)+16)
		for _, c := range b {
			out = utf8.AppendRune(out, rune(c))
		}
		return bytes.NewReader(out), nil
	}
	return nil, fmt.Errorf("encoding %q is not supported", clip(name))
}

func editionOf(uri string) (Edition, error) {
	rest, ok := strings.CutPrefix(uri, namespace)
	if !ok {
		return "", syntaxError("namespace %q is not CSTA's", clip(uri))
	}
	number, private, hasPrivate := strings.Cut(rest, "/")
	if len(number) != 3 || number < "ed2" || number > "ed6" || hasPrivate && private == "" {
		return "", syntaxError("edition %q is not one of ed2 to ed6", clip(rest))
	}
	return Edition(rest), nil
}

// number returns the edition's number, 2 to 6.
func (ed Edition) number() int {
	if len(ed) < 3 {
		return 3
	}
	return int(ed[2] - '0')
}

// before6 are values that edition 6 added to enumerations, and what is written
// instead of them in the editions before.
var before6 = map[string]string{
	"callInterception": "normal", "callInterceptionBusy": "normal", "callInterceptionForwarded": "normal",
	"callInterceptionNoAnswer": "normal", "callInterceptionResourcesNotAvailable": "normal",
	"lawfulInterception": "normal", "makeConnection": "normal",
	"sip": "other",
}

// errorsBefore6 are the same of SystemResourceAvailability.
var errorsBefore6 = map[string]string{
	"conferenceResourceCannotBeSatisfied": "conferenceMemberLimitExceeded", "maxDevicesExceeded": "conferenceMemberLimitExceeded",
	"startTimeOutOfRange": "generic", "durationExceeded": "generic",
}

// clip shortens a foreign value for an error text.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

type decoder struct {
	space     string // the root's prefix: what most elements have
	namespace string // of the root
}

// known reports whether el is in the namespace of the document. Elements of
// other namespaces are unknown, whatever their name.
func (d *decoder) known(el *etree.Element) bool {
	if el.Space == d.space && !slices.ContainsFunc(el.Attr, func(a etree.Attr) bool {
		return a.Space == "xmlns" || a.Key == "xmlns"
	}) {
		return true
	}
	return el.NamespaceURI() == d.namespace
}

func (d *decoder) structure(v reflect.Value, el *etree.Element) error {
	p := planOf(v.Type())
	for _, t := range el.Child {
		c, ok := t.(*etree.Element)
		if !ok || !d.known(c) {
			continue
		}
		f := p.find(c.Tag)
		if f == nil {
			continue
		}
		if err := d.field(f, v.FieldByIndex(f.index), c); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (d *decoder) field(f *field, v reflect.Value, el *etree.Element) error {
	if v.Kind() != reflect.Slice || v.Type() == typeHexBinary || v.Type() == typeFeatureList {
		if !v.IsZero() {
			return errors.New("more than one element")
		}
		if f.wrap6 != "" {
			switch inner := el.SelectElements(f.wrap6); len(inner) {
			case 0:
			case 1:
				el = inner[0]
			default:
				return fmt.Errorf("more than one %s", f.wrap6)
			}
		}
		return d.value(v, el)
	}
	if f.item == "" {
		return d.appendItem(v, el)
	}
	for _, t := range el.Child {
		c, ok := t.(*etree.Element)
		if !ok || c.Tag != f.item || !d.known(c) {
			continue
		}
		if err := d.appendItem(v, c); err != nil {
			return fmt.Errorf("%s: %w", f.item, err)
		}
	}
	return nil
}

func (d *decoder) appendItem(v reflect.Value, el *etree.Element) error {
	item := reflect.New(v.Type().Elem()).Elem()
	if err := d.value(item, el); err != nil {
		return err
	}
	v.Set(reflect.Append(v, item))
	return nil
}

func (d *decoder) value(v reflect.Value, el *etree.Element) error {
	switch v.Type() {
	case typeDeviceID:
		return decodeDeviceID(v.Addr().Interface().(*DeviceID), el)
	case typePrivateData:
		return d.privateData(v.Addr().Interface().(*PrivateData), el)
	case typeFeatureList:
		return d.features(v.Addr().Interface().(*FeatureList), el)
	case typeLocation:
		var err error
		v.Addr().Interface().(*LocationInfo).XML, err = fragments(el)
		return err
	case typeEmpty:
		v.SetBool(true)
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(strings.TrimSpace(el.Text())))
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem(), el)
	case reflect.Struct:
		return d.structure(v, el)
	case reflect.String:
		text := el.Text()
		if v.Type() != reflect.TypeFor[string]() || strings.HasSuffix(el.Tag, "ID") {
			text = strings.TrimSpace(text)
		}
		v.SetString(text)
		return nil
	case reflect.Bool:
		switch text := strings.TrimSpace(el.Text()); text {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			return fmt.Errorf("%q is neither true nor false", clip(text))
		}
		return nil
	case reflect.Int64:
		text := strings.TrimSpace(el.Text())
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", clip(text))
		}
		v.SetInt(n)
		return nil
	}
	panic(fmt.Sprintf("csta: no codec for %s", v.Type()))
}

func decodeDeviceID(id *DeviceID, el *etree.Element) error {
	id.ID = strings.TrimSpace(el.Text())
	for _, a := range el.Attr {
		if a.Space == "xmlns" || a.Key == "xmlns" {
			continue
		}
		f := planOf(reflect.TypeFor[DeviceAttributes]()).find(a.Key)
		if f == nil {
			continue
		}
		if id.Attributes == nil {
			id.Attributes = new(DeviceAttributes)
		}
		reflect.ValueOf(id.Attributes).Elem().FieldByIndex(f.index).SetString(a.Value)
	}
	return nil
}

func (d *decoder) features(l *FeatureList, el *etree.Element) error {
	*l = FeatureList{}
	for _, c := range el.ChildElements() {
		if !d.known(c) || !slices.Contains(featureOrder[el.Tag], c.Tag) {
			continue
		}
		f := Feature{Name: c.Tag}
		for _, o := range c.ChildElements() {
			if text := strings.TrimSpace(o.Text()); text == "true" || text == "false" || text == "1" || text == "0" {
				f.Options = append(f.Options, FeatureOption{o.Tag, text == "true" || text == "1"})
			}
		}
		*l = append(*l, f)
	}
	return nil
}

func (d *decoder) privateData(p *PrivateData, el *etree.Element) error {
	for _, c := range el.ChildElements() {
		switch c.Tag {
		case "string":
			p.Text = c.Text()
		case "private":
			text, err := fragments(c)
			if err != nil {
				return err
			}
			p.Private += text
		}
	}
	return nil
}

// fragments returns the elements inside el as they came.
func fragments(el *etree.Element) (string, error) {
	all := ""
	for _, x := range el.ChildElements() {
		text, err := fragment(x)
		if err != nil {
			return "", err
		}
		all += text
	}
	return all, nil
}

// fragment writes el with every namespace declared that it inherits and uses,
// so that it means the same in any other document.
func fragment(el *etree.Element) (string, error) {
	c := el.Copy()
	declare(c, c, el)
	doc := etree.NewDocumentWithRoot(c)
	return doc.WriteToString()
}

// declare adds to root the declarations that el's names need and root's
// subtree lacks; from is where root was taken from.
func declare(root, el, from *etree.Element) {
	need := func(prefix string) {
		if prefix == "xml" || prefix == "xmlns" || declaredWithin(root, el, prefix) {
			return
		}
		key := "xmlns"
		if prefix != "" {
			key = "xmlns:" + prefix
		}
		for a := from.Parent(); a != nil; a = a.Parent() {
			if uri := a.SelectAttr(key); uri != nil {
				root.CreateAttr(key, uri.Value)
				return
			}
		}
	}
	need(el.Space)
	for _, a := range el.Attr {
		if a.Space != "" {
			need(a.Space)
		}
	}
	for _, c := range el.ChildElements() {
		declare(root, c, from)
	}
}

func declaredWithin(root, el *etree.Element, prefix string) bool {
	for e := el; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if prefix == "" && a.Space == "" && a.Key == "xmlns" || prefix != "" && a.Space == "xmlns" && a.Key == prefix {
				return true
			}
		}
		if e == root {
			break
		}
	}
	return false
}

// Encode writes m as a document of the edition, elements in schema order. A
// message that the schema forbids is an *Error that names the element.
func Encode(m Message, ed Edition) ([]byte, error) {
	if ed == "" {
		ed = DefaultEdition
	}
	doc := etree.NewDocument()
	doc.WriteSettings.CanonicalText = true
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement(Name(m))
	root.CreateAttr("xmlns", namespace+string(ed))
	enc := encoder{edition: ed.number()}
	if e, ok := m.(*Error); ok {
		if err := e.check(); err != nil {
			return nil, err
		}
		c := root.CreateElement(string(e.Class))
		c.SetText(e.Value)
		if old, ok := errorsBefore6[e.Value]; ok && enc.edition < 6 && e.Class == SystemResourceAvailability {
			c.SetText(old)
		}
	} else {
		v := reflect.ValueOf(m).Elem()
		if err := check(v, root.Tag); err != nil {
			return nil, asParameterError(err)
		}
		if err := enc.structure(root, v); err != nil {
			return nil, fmt.Errorf("csta: %s: %w", root.Tag, err)
		}
	}
	return doc.WriteToBytes()
}

// An encoder writes a document of one edition.
type encoder struct{ edition int }

func (e encoder) structure(parent *etree.Element, v reflect.Value) error {
	for _, f := range planOf(v.Type()).fields {
		if f.since > e.edition {
			continue
		}
		if err := e.field(parent, f, v.FieldByIndex(f.index)); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (e encoder) field(parent *etree.Element, f *field, v reflect.Value) error {
	if absent(v) && !(f.required && v.Kind() == reflect.Bool) {
		return nil
	}
	if v.Kind() != reflect.Slice || v.Type() == typeHexBinary || v.Type() == typeFeatureList {
		el := parent.CreateElement(f.name)
		if f.wrap6 != "" && e.edition >= 6 {
			el = el.CreateElement(f.wrap6)
		}
		return e.value(el, v)
	}
	name := f.name
	if f.item != "" {
		parent, name = parent.CreateElement(f.name), f.item
	}
	for i := range v.Len() {
		if err := e.value(parent.CreateElement(name), v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// absent reports whether a field's value stands for no element.
func absent(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.IsNil()
	}
	return v.IsZero()
}

func (e encoder) value(el *etree.Element, v reflect.Value) error {
	switch x := v.Interface().(type) {
	case DeviceID:
		el.SetText(x.ID)
		if x.Attributes != nil {
			a := reflect.ValueOf(x.Attributes).Elem()
			for _, f := range planOf(a.Type()).fields {
				if text := a.FieldByIndex(f.index).String(); text != "" && f.since <= e.edition {
					el.CreateAttr(f.name, text)
				}
			}
		}
		return nil
	case PrivateData:
		return x.encode(el)
	case LocationInfo:
		return addFragments(el, x.XML)
	case enumeration:
		text := v.String()
		if old, ok := before6[text]; ok && e.edition < 6 {
			text = old
		}
		el.SetText(text)
		return nil
	case FeatureList:
		x.encode(el)
		return nil
	case Empty:
		return nil
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err
		}
		el.SetText(string(text))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return e.value(el, v.Elem())
	case reflect.Struct:
		return e.structure(el, v)
	case reflect.String:
		el.SetText(v.String())
	case reflect.Bool:
		el.SetText(strconv.FormatBool(v.Bool()))
	case reflect.Int64:
		el.SetText(strconv.FormatInt(v.Int(), 10))
	default:
		panic(fmt.Sprintf("csta: no codec for %s", v.Type()))
	}
	return nil
}

func (p PrivateData) encode(el *etree.Element) error {
	if p.Text != "" {
		el.CreateElement("string").SetText(p.Text)
		return nil
	}
	return addFragments(el.CreateElement("private"), p.Private)
}

// addFragments puts the elements of a self-contained text into el.
func addFragments(el *etree.Element, text string) error {
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = MaxDepth
	if err := doc.ReadFromString("<x>" + text + "</x>"); err != nil {
		return fmt.Errorf("not XML: %w", err)
	}
	// The elements are moved, not copied: AddChild takes them from their parent.
	for _, c := range doc.Root().ChildElements() {
		el.AddChild(c)
	}
	return nil
}

// Check reports the first thing in m that the schema forbids, as an *Error
// that names the element and the value: what is required and missing, values
// outside an enumeration, control characters, more or less than one
// alternative of a choice. A message that came by JSON is checked by it; Decode
// and Encode check by themselves.
func Check(m Message) error {
	if e, ok := m.(*Error); ok {
		return e.check()
	}
	return asParameterError(check(reflect.ValueOf(m).Elem(), Name(m)))
}

func check(v reflect.Value, path string) error {
	p := planOf(v.Type())
	present := 0
	for _, f := range p.fields {
		fv := v.FieldByIndex(f.index)
		if absent(fv) {
			if f.required && fv.Kind() != reflect.Bool {
				return fmt.Errorf("%s: %s is missing", path, f.name)
			}
			continue
		}
		present++
		if err := checkValue(fv, path, f.name); err != nil {
			return err
		}
	}
	if p.choice && present != 1 {
		return fmt.Errorf("%s: exactly one of its elements must be present, not %d", path, present)
	}
	return nil
}

func checkValue(v reflect.Value, path, name string) error {
	switch x := v.Interface().(type) {
	case DeviceID:
		if x.ID == "" {
			return fmt.Errorf("%s: %s is empty", path, name)
		}
		return checkText(x.ID, path, name)
	case ConnectionID:
		if x.CallID == "" && x.DeviceID.ID == "" {
			return fmt.Errorf("%s: %s is empty", path, name)
		}
	case FeatureList:
		return x.check(name)
	case HexBinary, PrivateData:
		return nil
	case enumeration:
		if s := v.String(); !slices.Contains(x.values(), s) {
			return fmt.Errorf("%s: %s %q is not one of the schema's values", path, name, clip(s))
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return checkValue(v.Elem(), path, name)
	case reflect.Struct:
		return check(v, path+"/"+name)
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkValue(v.Index(i), path, name); err != nil {
				return err
			}
		}
	case reflect.String:
		return checkText(v.String(), path, name)
	default:
	}
	return nil
}

// checkText refuses control characters. XML has no way to carry most of them,
// and what follows a line break in a number ends up as a command of its own in
// the line-based protocols of PBXs.
func checkText(s, path, name string) error {
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 && !(name == "contents" || name == "subjectOfCall") {
		return fmt.Errorf("%s: %s %q has a control character", path, name, clip(s))
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s: %s %q is not UTF-8", path, name, clip(s))
	}
	return nil
}

// decode reads CSTAErrorCode: one class element with its value.
func (e *Error) decode(d *decoder, root *etree.Element) error {
	for _, c := range root.ChildElements() {
		if !d.known(c) {
			continue
		}
		class := ErrorClass(c.Tag)
		if class == "systemResourceAvailability" {
			class = SystemResourceAvailability // the right spelling, which the schema does not have
		}
		if _, ok := errorClasses[class]; ok && e.Class == "" {
			e.Class, e.Value = class, strings.TrimSpace(c.Text())
		}
	}
	if e.Class == "" {
		return fmt.Errorf("%s: no error class that is known", root.Tag)
	}
	return e.check()
}
