package cstatcp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rccgw/csta"
)

func withSession(s *Settings) {
	s.Session, s.User, s.Secret, s.ApplicationID = "ecma354", "gate<way", "s&cret", "console"
}

// positive is what a server answers; it declares the namespace for a prefix
// that it does not use, as OpenScape Voice does.
func positive(name, content string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><` + name + `PosResponse xmlns:aps="` + sessionNamespace + `">` + content + `</` + name + `PosResponse>`
}

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withSession)
		started := positive("StartApplicationSession", "<sessionID>007</sessionID><actualProtocolVersion>x</actualProtocolVersion><actualSessionDuration>60</actualSessionDuration>")
		s := r.connect(func(s *fake) {
			s.answerText("StartApplicationSession", started)
			s.answerText("ResetApplicationSessionTimer", positive("ResetApplicationSessionTimer", "<actualSessionDuration> 40 </actualSessionDuration>"))
			s.answerText("StopApplicationSession", positive("StopApplicationSession", ""))
		})
		r.events("normal")
		want := `<StartApplicationSession xmlns="` + sessionNamespace + `"><applicationInfo><applicationID>console</applicationID>` +
			`<applicationSpecificInfo><login:SessionLoginInfo xmlns:login="http://www.avaya.com/csta" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="login:SessionLoginInfo">` +
			`<login:userName>gate&lt;way</login:userName><login:password>s&amp;cret</login:password><login:sessionCleanupDelay>5</login:sessionCleanupDelay>` +
			`</login:SessionLoginInfo></applicationSpecificInfo></applicationInfo>` +
			`<requestedProtocolVersions><protocolVersion>http://www.ecma-international.org/standards/ecma-323/csta/ed3</protocolVersion></requestedProtocolVersions>` +
			`<requestedSessionDuration>180</requestedSessionDuration></StartApplicationSession>`
		if got := s.body("StartApplicationSession"); !strings.HasSuffix(got, want) {
			t.Errorf("sent %s\nwant %s", got, want)
		}
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		renewals := func(want int) {
			t.Helper()
			if n := s.count("ResetApplicationSessionTimer"); n != want {
				t.Errorf("%d renewals, want %d", n, want)
			}
		}
		renewals(0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		renewals(1)
		if got := s.body("ResetApplicationSessionTimer"); !strings.Contains(got, "<sessionID>007</sessionID><requestedSessionDuration>180</requestedSessionDuration>") {
			t.Errorf("renewed by %s", got)
		}
		time.Sleep(20 * time.Second) // the server says 40 now
		synctest.Wait()
		renewals(2)
		r.cancel()
		r.lost("context canceled")
		if got := s.body("StopApplicationSession"); !strings.Contains(got, "<sessionID>007</sessionID><sessionEndReason><definedEndReason>normal</definedEndReason></sessionEndReason>") {
			t.Errorf("stopped by %s", got)
		}
		if strings.Contains(r.logged(), "cret") {
			t.Error("the secret is in the log")
		}
	})
}

// A session without end is not renewed, and one without a user sends none.
func TestSessionForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(s *Settings) { s.Session, s.Protocol = "ecma354", "urn:p&q" })
		s := r.connect(func(s *fake) {
			s.answerText("StartApplicationSession", positive("StartApplicationSession", "<sessionID>1</sessionID>"))
			s.answer("StopApplicationSession", func(csta.Message) csta.Message { return nil })
		})
		r.events("normal")
		got := s.body("StartApplicationSession")
		if strings.Contains(got, "applicationSpecificInfo") || !strings.Contains(got, "<protocolVersion>urn:p&amp;q</protocolVersion>") {
			t.Errorf("sent %s", got)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := s.count("ResetApplicationSessionTimer"); n != 0 {
			t.Errorf("%d renewals", n)
		}
		// Nobody waits long for a server that does not say goodbye.
		r.cancel()
		time.Sleep(time.Second)
		r.lost("context canceled")
	})
}

func TestSessionEnds(t *testing.T) {
	started := positive("StartApplicationSession", "<sessionID>1</sessionID><actualSessionDuration>60</actualSessionDuration>")
	negative := `<StartApplicationSessionNegResponse xmlns="` + sessionNamespace + `"><errorCode><definedError>invalidApplicationInfo</definedError></errorCode></StartApplicationSessionNegResponse>`
	for _, tt := range []struct {
		name, start, renew, send, want string
	}{
		{"refused", negative, "", "", `StartApplicationSession was refused: "invalidApplicationInfo"`},
		{"refused without a reason", "<StartApplicationSessionNegResponse/>", "", "", "StartApplicationSession was refused: no reason is given"},
		{"refused by CSTA", `<CSTAErrorCode xmlns="x"><security>generic</security></CSTAErrorCode>`, "", "", `StartApplicationSession was refused: "generic"`},
		{"answered by something else", "<MakeCallResponse/>", "", "", `StartApplicationSession was answered by "MakeCallResponse"`},
		{"answered by nothing", "", "", "", "StartApplicationSession: answered by no element"},
		{"answered by garbage", "<<", "", "", "StartApplicationSession: answered by what is not XML"},
		{"without an ID", positive("StartApplicationSession", ""), "", "", "without a sessionID"},
		{"bad duration", positive("StartApplicationSession", "<sessionID>1</sessionID><actualSessionDuration>-1</actualSessionDuration>"), "", "", `actualSessionDuration "-1" is not a number of seconds`},
		{"not answered", "silent", "", "", "StartApplicationSession: no answer"},
		{"not renewed", started, strings.ReplaceAll(negative, "StartApplicationSession", "ResetApplicationSessionTimer"), "", `ResetApplicationSessionTimer was refused: "invalidApplicationInfo"`},
		{"ended by the server", started, "", "<aps:ApplicationSessionTerminated xmlns:aps='x'><aps:sessionID>1</aps:sessionID><aps:sessionTermReason><aps:definedTermReason>resourceLimit</aps:definedTermReason></aps:sessionTermReason></aps:ApplicationSessionTerminated>", `the server ended the session: "1 resourceLimit"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, withSession)
				s := r.connect(func(s *fake) {
					if tt.start != "silent" {
						s.answerText("StartApplicationSession", tt.start)
					} else {
						s.answer("StartApplicationSession", func(csta.Message) csta.Message { return nil })
					}
					s.answerText("ResetApplicationSessionTimer", tt.renew)
					s.answerText("StopApplicationSession", positive("StopApplicationSession", ""))
				})
				if tt.send != "" {
					s.send(eventID, tt.send)
				} else {
					time.Sleep(30 * time.Second)
				}
				r.lost(tt.want)
			})
		})
	}
}

// The session is renewed, and the server asked for its state, while stock is
// taken of a server that is slow to answer.
func TestSessionOutlivesStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withSession)
		for i := range 20 * atOnce {
			r.mustWatch(fmt.Sprint(i))
		}
		s := r.connect(func(s *fake) {
			s.answerText("StartApplicationSession", positive("StartApplicationSession", "<sessionID>1</sessionID><actualSessionDuration>60</actualSessionDuration>"))
			s.answerText("ResetApplicationSessionTimer", positive("ResetApplicationSessionTimer", "<actualSessionDuration>60</actualSessionDuration>"))
			s.answerText("StopApplicationSession", positive("StopApplicationSession", ""))
			s.answer("SnapshotDevice", func(req csta.Message) csta.Message {
				time.Sleep(250 * time.Millisecond)
				return s.usual(req)
			})
		})
		time.Sleep(100 * time.Second)
		r.events("normal")
		if n, m := s.count("ResetApplicationSessionTimer"), s.count("RequestSystemStatus"); n != 3 || m < 3 {
			t.Errorf("%d renewals, %d heartbeats", n, m)
		}
	})
}
