package main

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rccgw/bus"
)

// web serves what operators and orchestrators ask, the API, and below
// /pbx/<name>/ what a driver serves itself: the simulated PBX its phones.
// loopback says whether the listener has a loopback address.
func (s *service) web(drivers []http.Handler, loopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), metrics{s})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	api := &api{token: s.c.apiToken, loopback: loopback, digits: map[string]*bus.Digits{}, lines: s.client.Lines, log: s.log}
	for _, a := range s.adapters {
		api.digits[a.PBX] = a.Digits
	}
	mux.Handle("/api/", api.handler())
	for i, h := range drivers {
		if h != nil {
			mux.Handle("/pbx/"+s.adapters[i].PBX+"/", h)
		}
	}
	return mux
}

// readyz answers 200 when the SIP side listens and is not draining, the bus is
// up, and every adapter's PBX is linked and its first snapshot taken, by this
// process or by the one that this one stands by for; else 503, with what is missing.
func (s *service) readyz(w http.ResponseWriter, _ *http.Request) {
	state := struct {
		Ready   bool            `json:"ready"`
		Serving bool            `json:"serving"`
		Bus     bool            `json:"bus"`
		PBX     map[string]bool `json:"pbx"`
	}{Serving: s.serving.Load(), Bus: s.conn.IsConnected(), PBX: map[string]bool{}}
	state.Ready = state.Bus && state.Serving
	for _, a := range s.adapters {
		ready := (a.Ready() || a.StandsBy()) && s.client.Up(a.PBX)
		state.PBX[a.PBX] = ready
		state.Ready = state.Ready && ready
	}
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(state) // the asker may be gone
}

// metrics is what the service counts, read when asked.
type metrics struct{ s *service }

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rccgw_"+name, help, labels, nil)
}

var (
	descReady      = metric("pbx_ready", "1 when the PBX is linked and its snapshot taken.", "pbx")
	descLease      = metric("pbx_lease", "1 when this process acts for the PBX, 0 when it stands by or waits.", "pbx")
	descRevision   = metric("digits_revision", "Revision of the digit plan that is in force.", "pbx", "source")
	descRefused    = metric("digits_refused", "1 when the source has a newer digit plan that cannot be put in force.", "pbx")
	descStale      = metric("digits_stale", "1 when the bus is away and a newer digit plan may be stored.", "pbx")
	descBus        = metric("bus_up", "1 when the bus is connected.")
	descDialogs    = metric("sip_dialogs", "Dialogs that are open or opening.")
	descMonitors   = metric("monitors", "Monitors that the dialogs have.")
	descConns      = metric("sip_connections", "TCP and TLS connections that are open.")
	descOpened     = metric("sip_dialogs_opened_total", "Dialogs that were opened.")
	descEnded      = metric("sip_dialogs_ended_total", "Dialogs that ended.")
	descRequests   = metric("sip_requests_total", "Requests by method and status of the answer.", "method", "status")
	descRepeated   = metric("sip_requests_repeated_total", "Requests that came again and got the stored answer.")
	descMalformed  = metric("sip_malformed_total", "Messages that could not be read.")
	descTurnedAway = metric("sip_refused_peers_total", "Packets and connections of peers that were turned away.")
	descLimited    = metric("sip_limited_total", "What was refused for a limit of its peer.", "what")
	descBindings   = metric("sip_registrations", "Contacts that are registered.")
	descChallenges = metric("sip_challenges_total", "Requests that were asked for a password, or for a new answer because the nonce was used up.")
	descAuthFailed = metric("sip_auth_failures_total", "Requests with a wrong user name or password.")
	descPanics     = metric("panics_total", "Panics that cost one request each.")
	descEvents     = metric("sip_events_total", "Events sent to clients, by what became of them.", "result")
)

// Describe implements prometheus.Collector.
func (metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReady, descRevision, descRefused, descStale, descBus, descDialogs, descMonitors, descConns, descOpened, descEnded, descRequests, descRepeated,
		descMalformed, descTurnedAway, descLimited, descBindings, descChallenges, descAuthFailed, descPanics, descEvents} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	number := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descBus, number(m.s.conn.IsConnected()))
	for _, a := range m.s.adapters {
		gauge(descReady, number(a.Ready()), a.PBX)
		gauge(descLease, number(a.HoldsLease()), a.PBX)
		d := a.Digits.State()
		gauge(descRevision, float64(d.Revision), a.PBX, string(d.Source))
		gauge(descRefused, number(d.Problem != ""), a.PBX)
		gauge(descStale, number(d.Stale), a.PBX)
	}
	if m.s.sip == nil {
		return
	}
	st := m.s.sip.Stats()
	gauge(descDialogs, float64(st.Dialogs))
	gauge(descMonitors, float64(m.s.gateway.Monitors()))
	gauge(descConns, float64(st.Connections))
	count(descOpened, st.Opened)
	count(descEnded, st.Ended)
	for o, n := range st.Requests {
		count(descRequests, n, o.Method, strconv.Itoa(o.Status))
	}
	count(descRepeated, st.Repeated)
	count(descMalformed, st.Malformed)
	count(descTurnedAway, st.Refused)
	for what, n := range map[string]uint64{"dialog": st.LimitedDialogs, "connection": st.LimitedConnections, "request": st.LimitedRequests} {
		count(descLimited, n, what)
	}
	gauge(descBindings, float64(st.Registrations))
	count(descChallenges, st.Challenges)
	count(descAuthFailed, st.AuthFailures)
	count(descPanics, st.Panics)
	for result, n := range map[string]uint64{"sent": st.EventsSent, "answered": st.EventsAnswered, "refused": st.EventsRefused,
		"unanswered": st.EventsUnanswered, "dropped": st.EventsDropped} {
		count(descEvents, n, result)
	}
}
