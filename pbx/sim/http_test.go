package sim

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHTTP(t *testing.T) {
	r := newRig(t, Config{Devices: DefaultDevices()[:3]})
	h := r.HTTP()
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // is in the answer
	}{
		{"GET", "/phones", "", 200, `[{"device":"1001","name":"Ada Lovelace","doNotDisturb":false,"calls":[]},{"device":"1002",`},
		{"POST", "/phones/1001/dial", `{"number":"1002"}`, 200, `"state":"connected","parties":[{"number":"1002","state":"alerting"}]`},
		{"POST", "/phones/1002/answer", "", 200, `"state":"connected","parties":[{"number":"1001","state":"connected"}]`},
		{"POST", "/phones/1002/hold", "", 200, `"state":"hold"`},
		{"POST", "/phones/1002/retrieve", "", 200, `"state":"connected"`},
		{"POST", "/phones/1001/consult", `{"number":"1003"}`, 200, `"state":"hold"`},
		{"POST", "/phones/1003/lift", "", 200, `"state":"connected"`},
		{"POST", "/phones/1001/transfer", "", 200, `"calls":[]`},
		{"GET", "/phones/1003", "", 200, `{"number":"1002","state":"connected"}`},
		{"POST", "/phones/1002/consult", `{"number":"1001"}`, 200, `"state":"hold"`},
		{"POST", "/phones/1001/answer", "", 200, `"state":"connected"`},
		{"POST", "/phones/1002/conference", "", 200, `"parties":[{"number":"1003","state":"connected"},{"number":"1001","state":"connected"}]`},
		{"POST", "/phones/1003/hangup", "", 200, `"calls":[]`},
		{"POST", "/phones/1002/hangup", "", 200, `"calls":[]`},
		{"POST", "/phones/1002/hangup", "", 409, `hangup: stateIncompatibility/invalidDeviceState: phone 1002: is idle`},
		{"POST", "/phones/1002/dnd", `{"on":true}`, 200, `"doNotDisturb":true`},
		{"POST", "/phones/1002/dnd", `{"on":false}`, 200, `"doNotDisturb":false`},
		{"POST", "/phones/1002/message", `{"on":true}`, 200, `"message":true`},
		{"POST", "/phones/1002/message", `{"on":false}`, 200, `"doNotDisturb":false,"calls"`},
		{"POST", "/phones/1002/message", ``, 400, `\"on\" is missing`},
		{"POST", "/phones/1002/dial", `{"number":"1001"}`, 200, `"alerting"`},
		{"POST", "/phones/1003/pickup", "", 200, `"state":"connected"`},
		{"POST", "/phones/1003/press", `{"number":"12#"}`, 200, `"connected"`},
		{"GET", "/phones/1002", "", 200, `"heard":"12#"`},
		{"POST", "/phones/1003/park", `{"number":"#901"}`, 200, `"calls":[]`},
		{"GET", "/phones/1002", "", 200, `{"number":"#901","state":"queued"}`},
		{"POST", "/phones/1002/hangup", "", 200, `"calls":[]`},
		{"POST", "/phones/1002/press", `{"number":"1"}`, 409, `is not in a call`},
		{"POST", "/phones/1002/dnd", ``, 400, `\"on\" is missing`},
		{"POST", "/phones/1002/forward", `{"type":"forwardBusy","on":true,"number":"1003"}`, 200, `"forwarding":[{"type":"forwardBusy","to":"1003"}]`},
		{"POST", "/phones/1002/forward", `{"type":"forwardBusy","on":false}`, 200, `"doNotDisturb":false,"calls":[]`},
		{"POST", "/phones/1002/forward", `{"type":"forwardNever","on":true,"number":"1003"}`, 409, `invalidForwardingType`},
		{"POST", "/phones/1002/dial", ``, 400, `\"number\" is missing`},
		{"POST", "/phones/1002/dial", `{"number":5}`, 400, `number`},
		{"POST", "/phones/1002/dial", `{"numer":"5"}`, 400, `numer`},
		{"POST", "/phones/1002/dial", `{"number":"1003"} {}`, 400, `more than one`},
		{"POST", "/phones/1002/dial", `{"number":"` + strings.Repeat("1", maxBody) + `"}`, 400, `too large`},
		{"POST", "/phones/1002/explode", "", 404, `there is no action \"explode\", only answer, `},
		{"POST", "/phones/1099/dial", "", 404, `there is no phone \"1099\"`},
		{"GET", "/phones/1099", "", 404, `there is no phone \"1099\"`},
		{"POST", "/outside/6135550100/call", `{"number":"1001"}`, 200, `{}`},
		{"GET", "/phones/1001", "", 200, `{"number":"6135550100","state":"connected"}`},
		{"POST", "/outside/6135550100/hangup", "", 200, `{}`},
		{"POST", "/outside/6135550100/call", `{"number":"1001","withheld":true}`, 200, `{}`},
		{"GET", "/phones/1001", "", 200, `{"number":"restricted","state":"connected"}`},
		{"POST", "/phones/1001/hangup", "", 200, `"calls":[]`},
		{"POST", "/phones/1001/dial", `{"number":"96135550100"}`, 200, `{"number":"6135550100","state":"alerting"}`},
		{"POST", "/outside/6135550100/answer", "", 200, `{}`},
		{"POST", "/outside/6135550100/busy", `{"on":true}`, 200, `{}`},
		{"POST", "/outside/6135550100/busy", `{"on":false}`, 200, `{}`},
		{"POST", "/outside/6135550100/hangup", "", 200, `{}`},
		{"POST", "/outside/6135550100/answer", "", 409, `is not called`},
		{"POST", "/outside/nobody/answer", "", 400, `nobody`},
		{"POST", "/link/cut", "", 200, `{}`},
		{"POST", "/link/restore", "", 200, `{}`},
		{"POST", "/link/break", "", 404, `only cut, restore`},
		{"DELETE", "/phones/1001", "", 405, ``},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d and %s", test.method, test.path, test.body, w.Code, w.Body, test.status, test.want)
		}
	}
	r.empty()
}

func TestHTTPRefusesOtherSites(t *testing.T) {
	s := newRig(t, Config{})
	server := httptest.NewServer(s.HTTP())
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/phones/1001/lift", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://elsewhere.example")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site makes calls: %s", resp.Status)
	}
}
