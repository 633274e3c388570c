package pbxtest

import (
	"io"
	"net"
	"testing"
	"time"
)

// An echo answers what it is sent by the same, and says what came.
func echo(t *testing.T) (address string, came chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	came = make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					came <- string(b[:n])
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), came
}

func TestWay(t *testing.T) {
	address, came := echo(t)
	w := NewWay(t, func() string { return address }, nil)
	connect := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", w.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	send := func(c net.Conn, text string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	// reads waits for the text, or for nothing.
	reads := func(c net.Conn, text string) {
		t.Helper()
		wait := 5 * time.Second
		if text == "" {
			wait = 20 * time.Millisecond
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		b := make([]byte, 64)
		if n, _ := c.Read(b); string(b[:n]) != text {
			t.Errorf("%q is read, not %q", b[:n], text)
		}
	}
	ends := func(c net.Conn) {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errIsTimeout(err) {
			t.Errorf("the connection stands: %d, %v", n, err)
		}
	}
	c := connect()
	send(c, "a")
	reads(c, "a")
	w.Cut()
	ends(c)
	ends(connect())
	w.Mend()
	c = connect()
	send(c, "b")
	reads(c, "b")
	w.Forget()
	send(c, "c")
	reads(c, "")
	c = connect()
	send(c, "d")
	reads(c, "d")
	for range 3 {
		<-came // a, b, d
	}
	for _, passes := range []bool{false, true} {
		for _, goes := range []bool{false, true} {
			h := w.Stop("stop", passes)
			c := connect()
			send(c, "go")
			reads(c, "go")
			<-came
			send(c, "stop")
			<-h.Reached()
			reads(c, "")
			if goes {
				h.Pass()
				reads(c, "stop")
				send(c, "more")
				reads(c, "more")
			} else {
				h.Drop()
				ends(c)
			}
			var want []string
			if passes || goes {
				want = append(want, "stop")
			}
			if goes {
				want = append(want, "more")
			}
			for _, text := range want {
				if got := <-came; got != text {
					t.Errorf("%q came, not %q", got, text)
				}
			}
			if len(came) > 0 {
				t.Errorf("%q came as well", <-came)
			}
		}
	}
}

func errIsTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}
