package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"rccgw/bus"
	"rccgw/digitmod"
)

func document(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // of whatever host
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// Every route is described, and every description is served.
func TestAPIDocument(t *testing.T) {
	doc, _ := document(t)
	described, served := map[string]bool{}, map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, r := range apiRoutes {
		served[r.method+" "+r.path] = true
	}
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-) and described (+) differ:\n%s", diff)
	}
}

// A caller is a program that uses the API of a process.
type caller struct {
	t       *testing.T
	base    string // of the PBX's digits
	router  routers.Router
	headers map[string]string
	etag    string // of the last answer with one
}

func newCaller(t *testing.T, base string) *caller {
	_, router := document(t)
	return &caller{t: t, base: base, router: router, headers: map[string]string{}}
}

// do makes a request against the last ETag and returns the answer, which is as
// the document says.
func (c *caller) do(method, path, body string) (status int, answer string) {
	c.t.Helper()
	media := "application/json"
	if strings.HasSuffix(path, "format=csv") {
		media = "text/csv"
	} else if strings.HasSuffix(path, "format=yaml") {
		media = "application/yaml"
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", media)
	}
	if c.etag != "" && method != http.MethodGet {
		req.Header.Set("If-Match", c.etag)
	}
	for name, value := range c.headers {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if tag := resp.Header.Get("ETag"); tag != "" {
		c.etag = tag
	}
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		c.t.Fatalf("%s %s is not described: %v", method, path, err)
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options}
	if resp.StatusCode == http.StatusOK {
		in.Request.Body = io.NopCloser(strings.NewReader(body))
		if err := openapi3filter.ValidateRequest(c.t.Context(), in); err != nil {
			c.t.Errorf("%s %s was accepted and is not as the document says: %v", method, path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(text)), Options: options}
	if err := openapi3filter.ValidateResponse(c.t.Context(), out); err != nil {
		c.t.Errorf("the answer to %s %s is not as the document says: %v\n%s", method, path, err, text)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// expect makes a request that is answered with the status, and returns the
// answer.
func (c *caller) expect(status int, method, path, body string, contains ...string) string {
	c.t.Helper()
	got, answer := c.do(method, path, body)
	if got != status {
		c.t.Errorf("%s %s: %d, want %d\n%s", method, path, got, status, answer)
	}
	for _, want := range contains {
		if !strings.Contains(answer, want) {
			c.t.Errorf("%s %s: no %s in\n%s", method, path, want, answer)
		}
	}
	return answer
}

func (c *caller) state() (s digitsBody) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.expect(http.StatusOK, http.MethodGet, "", "")), &s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// The whole life of a plan over the API of a running gateway.
func TestAPIDigits(t *testing.T) {
	g := startGateway(t, "RCC_PBX_SIM_LINES=1001-1005", `RCC_PBX_SIM_DIGITS={"ars": "9", "internal": {"maxLength": 5}}`)
	c := newCaller(t, "http://"+g.http+"/api/v1/pbx/sim/digits")
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	if s := c.state(); s.Source != bus.FromBucket || s.Revision == 0 || s.By != "environment" || s.Stale || s.Plan.ARS != "9" || s.Newest != s.Revision {
		t.Errorf("%+v", s)
	}
	c.headers["Rcc-User"] = "ada"
	golden := `{"leading": "1613592", "ignoreARS": true}`
	c.expect(200, post, "/rules/outgoing", golden, `"by":"ada"`, `"what":"outgoing rule 1 was added"`)
	c.expect(200, post, "/rules/outgoing", `{"leading":"00","replacement":"0"}`)
	c.expect(200, post, "/rules/incoming", `{"from":"internal","length":4,"replacement":"1613592","addPlus":true}`)
	before := c.state()
	c.expect(200, post, "/test", `{"direction":"outgoing","number":"tel:+16135921001"}`, `"number":"1001"`, `"rule":1`, `"ars":false`, fmt.Sprint(`"revision":`, before.Revision))
	c.expect(200, post, "/test", `{"direction":"outgoing","number":"0044123"}`, `"number":"9044123"`, `"rule":2`, `"ars":true`)
	c.expect(200, post, "/test", `{"direction":"outgoing","role":"identity","number":"0044123"}`, `"number":"044123"`)
	c.expect(200, post, "/test", `{"direction":"incoming","number":"1001","from":"internal"}`, `"number":"+16135921001"`)
	c.expect(200, post, "/test", `{"direction":"incoming","number":"anonymous"}`, `"kind":"restricted"`, `"number":""`)
	c.expect(200, post, "/test", `{"direction":"incoming","role":"forward","number":"94165551234"}`, `"number":"4165551234"`, `"ars":true`)
	draft := `{"outgoing":[{"leading":"1","replacement":"2"}]}`
	if answer := c.expect(200, post, "/test", `{"direction":"outgoing","number":"123","plan":`+draft+`}`, `"number":"223"`); strings.Contains(answer, "revision") {
		t.Errorf("a draft has a revision: %s", answer)
	}
	c.expect(200, post, "/test", `{"direction":"outgoing","number":"123","plan":"outgoing: [{leading: '1', replacement: '3'}] # a comment"}`, `"number":"323"`)
	c.expect(422, post, "/test", `{"direction":"outgoing","number":"+"}`, "no number")
	c.expect(422, post, "/test", `{"direction":"outgoing","number":"1","plan":{"ars":"x"}}`, `"place":"ars"`)
	for _, bad := range []string{`{"direction":"sideways","number":"1"}`, `{"direction":"outgoing","role":"forward","number":"1"}`,
		`{"direction":"outgoing","number":"1","from":"internal"}`, `{"direction":"incoming","number":"1","from":"space"}`, `{"numbr":"1"}`, `{}{}`, `[]`, ``} {
		c.expect(400, post, "/test", bad)
	}

	// Told step by step.
	c.expect(200, post, "/explain", `{"direction":"outgoing","number":"tel:+16135921001"}`, `"text":"tel:+16135921001 is dialled as 1001.`, `"do":"matched","table":"outgoing","rule":1`,
		`"number":"1001"`, `"same":true`, fmt.Sprint(`"revision":`, before.Revision))
	c.expect(200, post, "/explain", `{"direction":"incoming","role":"redirecting","from":"internal","number":"1001"}`, `"role":"redirecting"`, `"from":"internal"`, `"number":"+16135921001"`)
	c.expect(200, post, "/explain", `{"direction":"incoming","role":"forward","number":"94165551234"}`, `"do":"forward","why":"ars","was":"9"`)
	c.expect(200, post, "/explain", `{"direction":"outgoing","number":"+"}`, `"error":"no number"`)
	if answer := c.expect(200, post, "/explain", `{"direction":"outgoing","number":"123","plan":`+draft+`}`, `"with":"2","is":"223"`); strings.Contains(answer, "revision") {
		t.Errorf("a draft has a revision: %s", answer)
	}
	c.expect(422, post, "/explain", `{"direction":"outgoing","number":"1","plan":{"ars":"x"}}`, `"place":"ars"`)
	c.expect(400, post, "/explain", `{"direction":"outgoing","role":"forward","number":"1"}`)
	c.expect(400, post, "/explain", `{"direction":"incoming","role":"forward","number":"1","from":"internal"}`, "from")

	// Findings: what the plan in force does, and what a draft would.
	c.expect(200, get, "/check", "", `"valid":true`, `"mistakes":[]`, fmt.Sprint(`"revision":`, before.Revision))
	c.expect(200, post, "/check", `{"outgoing":[{"leading":"2"},{"leading":"23"}]}`, `"valid":true`,
		`{"severity":"warning","kind":"shadowed","table":"outgoing","rule":2,"witness":"23","reason":"never fires: `)
	c.expect(200, post, "/check", `{"outgoing":[{"leading":"1","replacement":"2"}]}`, `"valid":false`, `"severity":"error","kind":"emergency","table":"outgoing","rule":1,"witness":"112"`)
	c.expect(200, post, "/check", `{"forward":[],"redirecting":[{"leading":"1"}],"restricted":"anonymous","notKnown":"unknown","emergency":{"numbers":["999"],"mayAlter":true},
		"examples":[{"forward":"123","is":"123"},{"redirecting":"123","is":"23"}]}`, `"valid":true`)

	// The two notifications of a call.
	c.expect(200, post, "/merge-check", `{"invite":"sip:+16135921001@trunk.example.com;user=phone","presented":"1001","from":"internal"}`, `"equal":true`, fmt.Sprint(`"revision":`, before.Revision))
	c.expect(200, post, "/merge-check", `{"invite":"sip:+14165551234@trunk.example.com","presented":"4165551234","from":"external"}`, `"shown":"4165551234"`, `"equal":false`,
		`"edits":[{"replace":false,"table":"incoming","rule":2,"with":{"replacement":"1","addPlus":true,"length":10,"from":"external"}}]`)
	c.expect(200, post, "/merge-check", `{"invite":"+14165551234","shown":"tel:4165551234"}`, `"presented":"4165551234"`, `"rule":2`)
	c.expect(200, post, "/merge-check", `{"invite":"+14165551234","presented":"4165551234","plan":{"incoming":[{"length":10,"replacement":"1","addPlus":true}]}}`, `"equal":true`)
	c.expect(200, post, "/merge-check", `{"invite":"alice","presented":"4165551234"}`, `"reason":"alice is a name`)
	c.expect(422, post, "/merge-check", `{"invite":"+","presented":"1"}`, "no number")
	c.expect(422, post, "/merge-check", `{"invite":"1","shown":"+16135921001","from":"internal"}`, "does not follow from the plan")
	for _, bad := range []string{`{"invite":"1"}`, `{"invite":"1","presented":"1","shown":"1"}`, `{"invite":"1","presented":"1","from":"space"}`, `{`} {
		c.expect(400, post, "/merge-check", bad)
	}

	// Checked, not applied: all mistakes, each with its rule and field.
	c.expect(200, post, "/check", `{"ars":"9x","outgoing":[{"leading":"1"},{"leading":"+1","replacement":"x"}]}`, `"valid":false`,
		`"place":"ars"`, `"table":"outgoing","rule":2,"field":"leading"`, `"field":"replacement"`)
	c.expect(200, post, "/check", `{"incoming":[{"length":4,"replacement":"1","addPlus":true}]}`, `"valid":false`, `"table":"incoming","rule":1,"reason":"line 1001: `)
	c.expect(200, post, "/check", `{"ars":"0"}`, `"valid":true`, `- ars: \"9\"`)
	if after := c.state(); after.Revision != before.Revision || !after.Plan.Equal(before.Plan) {
		t.Errorf("questions changed the plan: %+v", after)
	}

	c.expect(200, post, "/rules/outgoing?at=1", `{"leading":"000","replacement":"0"}`, `"what":"outgoing rule 1 was added"`, `"outgoing":[{"leading":"000"`)
	c.expect(404, post, "/rules/outgoing?at=5", golden, "the table has 3")
	c.expect(400, post, "/rules/outgoing?at=0", golden)
	c.expect(200, del, "/rules/outgoing/1", "")
	c.expect(200, post, "/rules/outgoing/2/move", `{"direction":"up"}`, "moved up")
	c.expect(200, post, "/rules/outgoing/1/move", `{"direction":"down"}`, "moved down")
	c.expect(200, put, "/rules/outgoing/2", `{"leading":"00","replacement":"00"}`, "outgoing rule 2 was modified")
	c.expect(200, del, "/rules/outgoing/2", "", "outgoing rule 2 was removed")
	c.expect(404, del, "/rules/outgoing/2", "", "the table has 1")
	c.expect(404, post, "/rules/outgoing/1/move", `{"direction":"up"}`)
	c.expect(400, post, "/rules/outgoing/1/move", `{"direction":"left"}`)
	c.expect(404, put, "/rules/outgoing/x", golden)
	c.expect(404, post, "/rules/sideways", golden)
	c.expect(422, post, "/rules/outgoing", `{"leading":"+1","length":0,"ignoreARS":true}`, `"rule":2,"field":"leading"`, `"field":"length"`)
	c.expect(422, put, "/rules/outgoing/1", `{"leding":"1"}`, "unknown key")
	c.expect(422, put, "/rules/incoming/1", `{"length":4,"replacement":"7","addPlus":true}`, "line 1001")

	// Of a revision that is not in force nothing is changed.
	now := c.etag
	c.etag = `"1"`
	c.expect(409, del, "/rules/outgoing/1", "", "changed meanwhile")
	c.etag = ""
	c.expect(428, del, "/rules/outgoing/1", "", "If-Match")
	c.etag = "*"
	c.expect(400, del, "/rules/outgoing/1", "")
	c.etag = now
	c.headers["Rcc-User"] = strings.Repeat("a", 65)
	c.expect(400, del, "/rules/outgoing/1", "")
	c.headers["Rcc-User"] = "grace"

	// Out and in again.
	yaml := c.expect(200, get, "/export?format=yaml", "", `leading: "1613592"`)
	csv := c.expect(200, get, "/export?format=csv", "", "outgoing,leading,1613592,,true")
	c.expect(400, get, "/export?format=xls", "")
	kept := c.state()
	c.expect(200, put, "", `{}`, `"what":"the plan was replaced"`)
	c.expect(200, post, "/import?format=csv", csv, "imported")
	if s := c.state(); !cmp.Equal(s.Plan.Outgoing, kept.Plan.Outgoing) || s.Plan.ARS != "" {
		t.Errorf("after CSV: %+v", s.Plan)
	}
	c.expect(200, post, "/import?format=yaml", yaml)
	if s := c.state(); !s.Plan.Equal(kept.Plan) {
		t.Errorf("after YAML: %+v", s.Plan)
	}
	c.expect(422, post, "/import?format=csv", "table,colour\n", "unknown column")
	c.expect(422, put, "", ``, "empty")
	c.expect(413, put, "", strings.Repeat(" ", maxAPIBody+1))
	c.expect(400, post, "/import?format=xls", "x")

	// The history, and back.
	history := c.expect(200, get, "/history", "", `"by":"ada"`, `"by":"grace"`, `+ outgoing 1: {\"leading\":\"1613592\",\"ignoreARS\":true}`)
	if strings.Index(history, `"grace"`) > strings.Index(history, `"ada"`) {
		t.Error("the newest is not the first")
	}
	c.expect(200, get, fmt.Sprint("/history/", before.Revision), "", `"plan":{"ars":"9"`)
	c.expect(404, get, "/history/99999", "", "no such revision")
	c.expect(404, get, "/history/x", "")
	last := c.state().Revision
	c.expect(200, post, "/rollback", fmt.Sprintf(`{"revision":%d}`, before.Revision), fmt.Sprint("back to revision ", before.Revision))
	if s := c.state(); s.Revision <= last || !s.Plan.Equal(before.Plan) {
		t.Errorf("rolled back to %+v", s)
	}
	c.expect(404, post, "/rollback", `{"revision":99999}`)
	c.expect(400, post, "/rollback", `{}`)
	c.base = strings.Replace(c.base, "/sim/", "/other/", 1)
	c.expect(404, get, "", "", "it has sim")

	for _, want := range []string{`msg="digit plan changed" audit=true pbx=sim by=ada peer=127.0.0.1:`, `what="outgoing rule 1 was added"`, "old=1 new=2", `what="back to revision`} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	metrics := g.get("/metrics")
	for _, want := range []string{fmt.Sprintf("rccgw_digits_revision{pbx=\"sim\",source=\"bucket\"} %d\n", last+1), "rccgw_digits_refused{pbx=\"sim\"} 0\n", "rccgw_digits_stale{pbx=\"sim\"} 0\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if text := g.get("/api/v1/nothing"); !strings.Contains(text, "there is no GET") {
		t.Error(text)
	}
}

func (g *gatewayUnderTest) get(path string) string {
	g.t.Helper()
	resp, err := http.Get("http://" + g.http + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// A plan that comes from a file is shown, with what is wrong with the file, and
// edited there.
func TestAPIDigitsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`ars: "9"`)
	g := startGateway(t, "RCC_PBX_SIM_DIGITS_FILE="+path)
	c := newCaller(t, "http://"+g.http+"/api/v1/pbx/sim/digits")
	if s := c.state(); s.Source != bus.FromFile || s.File != path || s.Revision != 1 || s.Plan.ARS != "9" {
		t.Errorf("%+v", s)
	}
	c.expect(409, http.MethodPost, "/rules/outgoing", `{"leading":"1"}`, path)
	c.expect(200, http.MethodGet, "/history", "", `"by":"file"`)
	write(`ars: "0"`)
	eventually(t, "the file is read again", func() bool { return c.state().Plan.ARS == "0" })
	write(`ars: zero`)
	eventually(t, "the mistake is seen", func() bool { return strings.Contains(c.state().Problem, "ars") })
	if s := c.state(); s.Plan.ARS != "0" || s.Revision != 2 {
		t.Errorf("%+v", s)
	}
	if text := g.get("/metrics"); !strings.Contains(text, "rccgw_digits_refused{pbx=\"sim\"} 1\n") {
		t.Error("the metrics do not tell")
	}
	if !strings.Contains(g.log.String(), "the old one goes on") {
		t.Error("the log does not tell")
	}
}

// Who is let in.
func TestAPIAdmits(t *testing.T) {
	log := &safeBuffer{}
	for _, tt := range []struct {
		name     string
		api      api
		peer     string
		host     string
		headers  map[string]string
		want     int
		contains string
	}{
		{name: "token", api: api{token: "secret"}, peer: "192.0.2.1:1", headers: map[string]string{"Authorization": "Bearer secret"}, want: 200},
		{name: "scheme in small letters", api: api{token: "secret"}, headers: map[string]string{"Authorization": "bearer secret"}, want: 200},
		{name: "wrong token", api: api{token: "secret", loopback: true}, headers: map[string]string{"Authorization": "Bearer secre"}, want: 401},
		{name: "no token", api: api{token: "secret", loopback: true}, want: 401, contains: "RCC_API_TOKEN"},
		{name: "password", api: api{token: "secret"}, headers: map[string]string{"Authorization": "Basic secret"}, want: 401},
		{name: "loopback", api: api{loopback: true}, want: 200},
		{name: "loopback, IPv6", api: api{loopback: true}, peer: "[::1]:1", host: "[::1]:8080", want: 200},
		{name: "localhost", api: api{loopback: true}, host: "localhost:8080", want: 200},
		{name: "listener beyond loopback", api: api{}, want: 403, contains: "RCC_HTTP_LISTEN"},
		{name: "peer beyond loopback", api: api{loopback: true}, peer: "192.0.2.1:1", want: 403, contains: "RCC_API_TOKEN"},
		{name: "name of elsewhere", api: api{loopback: true}, host: "evil.example:8080", want: 403, contains: "evil.example"},
		{name: "behind a proxy", api: api{loopback: true}, headers: map[string]string{"X-Forwarded-For": "192.0.2.1"}, want: 403, contains: "proxy"},
		{name: "page of another origin", api: api{loopback: true}, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: 403, contains: "origin"},
	} {
		lines, err := digitmod.ParseLines("*")
		if err != nil {
			t.Fatal(err)
		}
		tt.api.log = slog.New(slog.NewTextHandler(log, nil))
		d, err := bus.NewDigits(bus.DigitsConfig{PBX: "sim", Lines: lines, File: "/nowhere", Log: tt.api.log})
		if err != nil {
			t.Fatal(err)
		}
		tt.api.digits = map[string]*bus.Digits{"sim": d}
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/api/v1/pbx/sim/digits/test", strings.NewReader(`{"direction":"outgoing","number":"1"}`))
		r.RemoteAddr = "127.0.0.1:1"
		if tt.peer != "" {
			r.RemoteAddr = tt.peer
		}
		if tt.host != "" {
			r.Host = tt.host
		}
		for name, value := range tt.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		tt.api.handler().ServeHTTP(w, r)
		if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.contains) {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
		if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate is %q", tt.name, w.Header().Get("WWW-Authenticate"))
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("the log shows a token")
	}
}
