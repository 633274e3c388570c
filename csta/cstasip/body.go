package cstasip

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"rccgw/csta"
)

// lcsNamespace is Microsoft's name space of remote call control.
const lcsNamespace = "http://schemas.microsoft.com/Lcs/2005/04/RCCExtension"

// cstaPart returns the CSTA document of a message: its body, or that part of a
// multipart body. Not ok: the body is something else. An empty document is
// common: OCS sends the type with Content-Length 0.
func cstaPart(m *message) (doc []byte, ok bool) {
	kind, params := mediaType(m.header("content-type"))
	switch {
	case kind == contentType:
		return m.body, true
	case kind == "" && len(m.body) == 0:
		return nil, true
	case strings.HasPrefix(kind, "multipart/"):
		boundary, _ := param(params, "boundary")
		return multipart(m.body, unquote(boundary))
	}
	return nil, false
}

// multipart returns the CSTA part of a multipart body (RFC 2046 §5.1).
// mime/multipart is not used because it wants a base64 or quoted-printable part
// read through, and its readers cost more than the message.
func multipart(body []byte, boundary string) (doc []byte, ok bool) {
	if boundary == "" || len(boundary) > 70 {
		return nil, false
	}
	const crlf = "\r\n"
	delimiter := []byte("--" + boundary)
	for {
		i := bytes.Index(body, delimiter)
		if i < 0 {
			return nil, false
		}
		body = body[i+len(delimiter):]
		if bytes.HasPrefix(body, []byte("--")) {
			return nil, false
		}
		_, after, found := bytes.Cut(body, []byte(crlf))
		if !found {
			return nil, false
		}
		end := bytes.Index(after, []byte(crlf+"--"+boundary))
		if end < 0 {
			return nil, false
		}
		part := after[:end]
		headers, content, found := bytes.Cut(part, []byte("\r\n\r\n"))
		if found && partType(string(headers)) == contentType {
			return content, true
		}
		body = after[end:]
	}
}

func partType(headers string) string {
	for line := range strings.SplitSeq(headers, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Type") {
			kind, _ := mediaType(value)
			return kind
		}
	}
	return ""
}

// lineOf returns the line that a message's private data names: lcs:line of
// RCCExtension, as the client wrote it.
func lineOf(m csta.Message) string {
	if m == nil {
		return ""
	}
	a := m.Arguments()
	if a == nil || a.PrivateData == nil || a.PrivateData.Private == "" {
		return ""
	}
	d := xml.NewDecoder(strings.NewReader(a.PrivateData.Private))
	inside := false
	var line strings.Builder
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return ""
		}
		switch t := t.(type) {
		case xml.StartElement:
			inside = t.Name.Local == "line" && t.Name.Space == lcsNamespace
		case xml.CharData:
			if inside {
				line.Write(t)
			}
		case xml.EndElement:
			if inside {
				return strings.TrimSpace(line.String())
			}
		}
	}
}

// lineData is the private data that names a line.
func lineData(line string) *csta.CSTACommonArguments {
	var b strings.Builder
	b.WriteString(`<lcs:line xmlns:lcs="` + lcsNamespace + `">`)
	_ = xml.EscapeText(&b, []byte(line))
	b.WriteString(`</lcs:line>`)
	return &csta.CSTACommonArguments{PrivateData: &csta.PrivateData{Private: b.String()}}
}
