package cstasip

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	tortureTitle  = regexp.MustCompile(`(?m)^-- (\w+) --\n`)
	tortureOne    = regexp.MustCompile(`(?s)<allOneLine>\n(.*?)</allOneLine>`)
	tortureHex    = regexp.MustCompile(`<hex>([0-9A-F]*)</hex>`)
	tortureRepeat = regexp.MustCompile(`<repeat count=(\d+)>(.*?)</repeat>`)
)

// torture returns the messages of RFC 4475 by name. testdata/torture.txt has them
// in the RFC's markup (§2): <allOneLine> for lines that were folded for print, <hex>
// and <repeat count=n>.
func torture(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/torture.txt")
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	titles := tortureTitle.FindAllStringSubmatchIndex(string(text), -1)
	for i, at := range titles {
		end := len(text)
		if i+1 < len(titles) {
			end = titles[i+1][0]
		}
		m := tortureOne.ReplaceAllStringFunc(string(text[at[1]:end]), func(s string) string {
			return strings.ReplaceAll(tortureOne.FindStringSubmatch(s)[1], "\n", "")
		})
		m = strings.ReplaceAll(m, "\n", "\r\n")
		m = tortureRepeat.ReplaceAllStringFunc(m, func(s string) string {
			part := tortureRepeat.FindStringSubmatch(s)
			n, _ := strconv.Atoi(part[1])
			return strings.Repeat(part[2], n)
		})
		m = tortureHex.ReplaceAllStringFunc(m, func(s string) string {
			octets, err := hex.DecodeString(tortureHex.FindStringSubmatch(s)[1])
			if err != nil {
				t.Fatal(err)
			}
			return string(octets)
		})
		messages[string(text[at[2]:at[3]])] = m
	}
	return messages
}

// The messages are the RFC's to the octet. torture.sha256 is what sha256sum says
// of the archive in the RFC's appendix.
func TestTortureMessages(t *testing.T) {
	f, err := os.Open("testdata/torture.sha256")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	messages := torture(t)
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		m := messages[strings.TrimSuffix(name, ".dat")]
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(m))); got != want {
			t.Errorf("%s is not the RFC's: sum %s, want %s", name, got, want)
		}
	}
	if n != 49 || len(messages) != n {
		t.Errorf("%d messages and %d sums, want 49", len(messages), n)
	}
}

// What each message of RFC 4475 is answered with. The address-of-record server and
// the proxy that some are written for this is not: a REGISTER is a method that is not
// allowed here, media is not acceptable. So these are the answers of RFC 3261 §8.2,
// method before headers before body, which let see whether the message was read.
var tortureAnswers = []struct {
	name     string
	udp, tcp int // status; zero: none; -1: not tried
	closed   bool
	why      string
}{
	// §3.1.1, valid messages
	{"wsinv", 481, 481, false, "folded lines, white space around everything: To has a tag, so it is for a dialog that is not there"},
	{"intmeth", 405, 405, false, "every character that a method, a user, a token may have; the method is not one of ours"},
	{"esc01", 488, 488, false, "escapes in URIs; media"},
	{"escnull", 405, 405, false, "NUL escaped in URIs; no registrar"},
	{"esc02", 405, 405, false, "RE%47IST%45R is another method than REGISTER: % does not escape there"},
	{"lwsdisp", 200, 200, false, "no space between name and <"},
	{"longreq", 488, 488, false, "3.5 kB of headers, 34 Vias in every spelling; media"},
	{"dblreq", 405, -1, false, "what is behind the first message in a datagram is not looked at; a stream would be two requests and rubbish"},
	{"semiuri", 200, 200, false, "a semicolon in the user of the Request-URI"},
	{"transports", 200, 200, false, "Vias with transports that nobody knows"},
	{"mpart01", 405, 405, false, "NUL and line ends in a body; MESSAGE"},
	{"unreason", 0, 0, false, "a response that nobody waits for, its reason in UTF-8"},
	{"noreason", 0, 0, false, "the same, without a reason"},
	// §3.1.2, invalid messages
	{"badinv01", 400, 400, false, "empty elements in Via"},
	{"clerr", 400, 0, true, "Content-Length beyond the datagram; a stream is waited for, and closed"},
	{"ncl", 400, 0, true, "negative Content-Length; in a stream the end cannot be told"},
	{"scalar02", 400, 400, false, "CSeq of 2**65"},
	{"scalarlg", 0, 0, false, "the same in a response"},
	{"quotbal", 400, 400, false, "a quote in To that does not end"},
	{"ltgtruri", 400, 400, false, "<> around the Request-URI"},
	{"lwsruri", 400, 400, false, "a space within the Request-URI"},
	{"lwsstart", 400, 400, false, "two spaces in the request line"},
	{"trws", 400, 400, false, "spaces at its end"},
	{"escruri", 400, 400, false, "a header in the Request-URI"},
	{"baddate", 488, 488, false, "a Date in EST, which nobody reads here; media"},
	{"regbadct", 405, 405, false, "a Contact with ? that lacks <>; no registrar"},
	{"badaspec", 200, 200, false, "spaces within <>, which can be meant only so"},
	{"baddn", 400, 0, true, "a comma in a name without quotes; the message has no empty line at its end"},
	{"badvers", 505, 505, false, "SIP/7.0"},
	{"mismatch01", 400, 400, false, "OPTIONS with CSeq INVITE"},
	{"mismatch02", 400, 400, false, "NEWMETHOD with CSeq INVITE"},
	{"bigcode", 0, 0, false, "a response with status 4294967301"},
	// §3.2, transactions
	{"badbranch", 200, 200, false, "a branch that is nothing but the cookie: matched as RFC 2543 did"},
	// §3.3, semantics
	{"insuf", 400, 400, false, "no Call-ID, From, To"},
	{"unkscm", 416, 416, false, "a scheme that nobody knows"},
	{"novelsc", 416, 416, false, "a scheme that is known elsewhere, with a dot in it"},
	{"unksm2", 405, 405, false, "other schemes in From, To and Contact; no registrar"},
	{"bext01", 420, 420, false, "Require; Proxy-Require is not for us"},
	{"invut", 415, 415, false, "a body of a type that nobody knows"},
	{"regaut01", 405, 405, false, "an Authorization scheme that nobody knows; no registrar"},
	{"multi01", 400, 400, false, "two of each header that is there once"},
	{"mcl01", 400, 0, true, "two Content-Lengths; in a stream the end cannot be told"},
	{"bcast", 0, 0, false, "a response with another's Via below ours, a broadcast address"},
	{"zeromf", 200, 200, false, "Max-Forwards 0, but it has arrived"},
	{"cparam01", 405, 405, false, "no registrar"},
	{"cparam02", 405, 405, false, "no registrar"},
	{"regescrt", 405, 405, false, "no registrar"},
	{"sdp01", 488, 488, false, "media"},
	// §3.4, RFC 2543
	{"inv2543", 488, 0, true, "neither branch nor tag; media. In a stream Content-Length is required"},
}

// Each message is answered as the RFC has it, once or until its ACK, and nobody
// else is concerned.
func TestTorture(t *testing.T) {
	messages := torture(t)
	for _, test := range tortureAnswers {
		text, ok := messages[test.name]
		if !ok {
			t.Errorf("no message %s", test.name)
		}
		delete(messages, test.name)
		for network, want := range map[string]int{udpNet: test.udp, tcpNet: test.tcp} {
			if want < 0 {
				continue
			}
			t.Run(test.name+" "+network, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tortured(t, network, text, want, network == tcpNet && test.closed) })
			})
		}
	}
	for name := range messages {
		t.Errorf("%s is not tried", name)
	}
}

func tortured(t *testing.T, network, text string, want int, closed bool) {
	n := newMemNet()
	b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
	other := n.host("192.0.2.3").peer(t, b.url(network))
	var p *sipPeer
	if host := n.host("192.0.2.2"); network == udpNet {
		// The answer goes to the port of the Via.
		port := ":5060"
		if m, _ := readTorture(text); m != nil && m.via.port != 0 {
			port = fmt.Sprint(":", m.via.port)
		}
		c, err := host.listenPacket(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		p = newPeerOn(t, &memUDP{c.(*memPacket), mustAddrPort("192.0.2.1:5060")})
	} else {
		p = host.peer(t, b.url(network))
	}
	p.lenient = true
	p.send(text)
	time.Sleep(messageTimeout + time.Second)
	answers, open := 0, true
	for more := true; more; {
		select {
		case m, ok := <-p.in:
			if more, open = ok, ok; !ok {
				break
			}
			if answers++; m.status != want {
				t.Errorf("answered %d %s", m.status, m.reason)
			}
		default:
			more = false
		}
	}
	if (answers > 0) != (want > 0) || answers > 1 && (network == tcpNet || !strings.Contains(text, " INVITE\r\n")) {
		t.Errorf("%d answers, want status %d", answers, want)
	}
	if open == closed {
		t.Errorf("the connection is open: %v", open)
	}
	if open && network == tcpNet {
		p.send(p.script().write(options, 1, ""))
		if m := p.next(); m.status != 200 {
			t.Errorf("the next request is answered %d", m.status)
		}
	}
	other.send(other.script().write(options, 1, ""))
	other.response(200, options, 1)
	if st := b.Stats(); st.Panics != 0 || st.Dialogs != 0 {
		t.Errorf("%d panics, %d dialogs", st.Panics, st.Dialogs)
	}
}

func readTorture(text string) (*message, error) {
	parsed, err := newParser().ParseSIP([]byte(text))
	if err != nil {
		return nil, err
	}
	return newMessage(parsed, flow{})
}

// An answer has what it takes over of a message octet by octet, malformed or not.
func TestTortureIsEchoed(t *testing.T) {
	messages := torture(t)
	for name, want := range map[string][]string{
		"wsinv":   {`From: "J Rosenberg \\\""       <sip:jdrosen@example.com> ; tag = 98asjd8`, "To: sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n", "CSeq: 9 INVITE", "Via: SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8\r\n"},
		"intmeth": {`Call-ID: intmeth.word%ZK-!.*_+'@word` + "`" + `~)(><:\/"][?}{`, "To: \"BEL:\\\a NUL:\\\x00 DEL:\\\x7f\" <sip:1_unusual.URI~"},
		"longreq": {"Via: SIP/2.0/TCP sip29.example.com", "Via: SIP/2.0/TCP sip23.example.com", "Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very"},
		"inv2543": {"From: <sip:+13035551111@ift.client.example.net;user=phone>\r\n", "To: sip:+16505552222@ss1.example.net;user=phone;tag="},
		"bext01":  {"Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"},
		"invut":   {"Accept: application/csta+xml\r\n"},
		"esc02":   {"CSeq: 29344 RE%47IST%45R\r\n", "Allow: " + allow + "\r\n"},
		"insuf":   {"CSeq: 193942 INVITE\r\n", "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf;received=192.0.2.2\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
				raw, err := n.host("192.0.2.2").dial(t.Context(), strings.TrimPrefix(b.url(tcpNet), "tcp://"))
				network := tcpNet
				if name == "inv2543" {
					c, e := n.host("192.0.2.2").listenPacket(t.Context(), ":5060")
					network, raw, err = udpNet, &memUDP{c.(*memPacket), mustAddrPort("192.0.2.1:5060")}, e
				}
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				if _, err := raw.Write([]byte(messages[name])); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 16<<10)
				size, err := raw.Read(buf)
				if err != nil {
					t.Fatal(network, err)
				}
				for _, w := range want {
					if !strings.Contains(string(buf[:size]), w) {
						t.Errorf("lacks %q:\n%s", w, buf[:size])
					}
				}
			})
		})
	}
}

// A valid INVITE of the RFC opens a dialog where its body is CSTA, and the session
// is told who called as it was written.
func TestTortureOpensDialogs(t *testing.T) {
	for name, want := range map[string]struct{ uri, to, from string }{
		"esc01":   {"sip:sips%3Auser%40example.com@example.net", "sip:%75se%72@example.com", "sip:I%20have%20spaces@example.net"},
		"baddate": {"sip:user@example.com", "sip:user@example.com", "sip:caller@example.net"},
		"longreq": {
			"sip:user@example.com",
			"sip:user@example.com:6000;unknownparam1=very" + strings.Repeat("long", 20) + "value;longparam" + strings.Repeat("name", 25) + "=shortvalue;very" + strings.Repeat("long", 25) + "ParameterNameWithNoValue",
			"sip:" + strings.Repeat("amazinglylongcallername", 5) + "@example.net",
		},
	} {
		for _, network := range []string{udpNet, tcpNet} {
			t.Run(name+" "+network, func(t *testing.T) {
				head, _, _ := strings.Cut(torture(t)[name], "\r\n\r\n")
				var kept []string
				for line := range strings.SplitSeq(head, "\r\n") {
					if h, _, _ := strings.Cut(strings.ToLower(line), ":"); h != "content-length" && h != "l" && h != "content-type" && h != "c" {
						kept = append(kept, line)
					}
				}
				doc := body("RequestSystemStatus", "")
				text := fmt.Sprintf("%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", strings.Join(kept, "\r\n"), contentType, len(doc), doc)
				synctest.Test(t, func(t *testing.T) {
					n := newMemNet()
					b := newBenchOn(t, n.host("192.0.2.1"), nil, nil)
					p := n.host("192.0.2.2").peer(t, b.url(network))
					p.send(text)
					d := b.session().d
					if d.RequestURI != want.uri || d.To != want.to || d.From != want.from {
						t.Errorf("Request-URI %s\nTo          %s\nFrom        %s", d.RequestURI, d.To, d.From)
					}
				})
			})
		}
	}
}

// Request-URIs are read as they are written.
func TestTortureRequestURIs(t *testing.T) {
	for name, text := range torture(t) {
		m, err := readTorture(text)
		if err != nil || !m.request() {
			continue
		}
		_, want, _ := strings.Cut(text, " ")
		want, _, _ = strings.Cut(want, " ")
		if got := m.uri.String(); sipScheme(m.uri.Scheme) && got != want {
			t.Errorf("%s: %s became %s", name, want, got)
		}
	}
}

// What stands in for a start line that sipgo would not read.
func TestStartLine(t *testing.T) {
	for in, want := range map[string]string{
		"INFO sip:csta-gw@127.0.0.1:5060;transport=udp SIP/2.0": "",
		"INFO sip:[::1]:5060 SIP/2.0":                           "",
		"INFO sip:a@b SIP/7.0":                                  "",
		"INFO tel:+1;phone-context=x SIP/2.0":                   "",
		"SIP/2.0 200 OK":                                        "",
		"SIP/2.0 200 ":                                          "",
		"SIP/2.0 70000 OK":                                      "SIP/2.0 0 ",
		"INFO  sip:a@example.com  SIP/2.0":                      "INFO sip:? SIP/2.0",
		"INFO sip:a@example.com SIP/2.0 ":                       "INFO sip:? SIP/2.0",
		"INFO <sip:a@example.com> SIP/2.0":                      "INFO sip:? SIP/2.0",
		"INFO sip:a@example.com ;lr SIP/2.0":                    "INFO sip:? SIP/2.0",
		"INFO sip:a@example.com:port SIP/2.0":                   "INFO sip:? SIP/2.0",
		"INFO sip:a@[::1 SIP/2.0":                               "INFO sip:? SIP/2.0",
		"INFO * SIP/2.0":                                        "INFO * SIP/2.0", // no room
		"INFO h323+x.y-1:opaque SIP/2.0":                        "INFO x:x SIP/2.0",
		"INFO 3gpp:opaque SIP/2.0":                              "INFO sip:? SIP/2.0",
		"rubbish":                                               "",
	} {
		if want == "" {
			want = in
		}
		var l startLine
		for range 2 { // the second time it may be known
			if got := string(l.fix([]byte(in + "\r\n"))); got != want+"\r\n" {
				t.Errorf("%q became %q, want %q", in, got, want)
			}
		}
	}
}
