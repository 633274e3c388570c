// Package asterisktest runs a real, private Asterisk for tests, and phones that make and take calls on it.
//
//	a := asterisktest.Start(t, asterisktest.Options{})
//	alice, bob := a.Baresip(t, "1001"), a.Deskphone(t, "1002")
//	alice.Dial("1002")
//	bob.Wait("incoming 1001")
//
// The programs come from the folder in the environment variable RCC_TEST_ASTERISK, which .ci/asterisk fills. Without the
// variable, Start and StartBaresip skip the test; with it, whatever does not work is a failure.
//
// The configuration in the folder config is the one that the driver documents: rccgw.conf is the dialplan, manager.conf the AMI user,
// with the privileges it needs and no more.
//
// All waiting is for something that is heard of, with a deadline. When the test ends, all processes are killed, and when the test
// program dies the kernel kills them. After a failure their logs are in the test's output.
package asterisktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"rccgw/pbx/asterisk/ami"
	"rccgw/pbx/pbxtest"
)

// Timeout is how long anything in this package is waited for.
const Timeout = 10 * time.Second

//go:embed config
var config embed.FS

// Options are what a test wants to be different. The zero value gives the phones 1001, 1002 and 1003.
type Options struct {
	Extensions []string          // the phones, 10XX
	PJSIP      map[string]string // further lines of the endpoint of an extension, and sections behind it
	Dialplan   string            // further lines of the context in which the phones dial
	Queues     string            // further sections of queues.conf
	Contacts   int               // phones that may register for one extension; 0: one
	NoSystem   bool              // the AMI user lacks the class system: no DBPut, no PJSIPNotify
}

// An Asterisk is a running instance of its own. Its methods must be called by the test's goroutine.
type Asterisk struct {
	User, Secret string // of the AMI

	home  string // what .ci/asterisk made
	dir   string // of the instance
	conf  conf
	child *process
}

// conf is what the templates in config are filled with.
type conf struct {
	Dir, Root, Modules          string
	Load                        []string
	SIPPort, TrunkPort, AMIPort int
	SoftphonePort, Contacts     int
	User, Secret                string
	Dialplan, Queues            string
	System                      bool
	Phones                      []phone
}

type phone struct{ Extension, Password, Options string }

// Start starts an instance and waits until it is fully booted.
func Start(t testing.TB, o Options) *Asterisk {
	t.Helper()
	home := home(t)
	// Not t.TempDir: the path of a Unix socket is short.
	dir, err := os.MkdirTemp("", "rcc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &Asterisk{User: "rccgw", Secret: rand.Text(), home: home, dir: dir}
	a.conf = conf{
		Dir: dir, Root: filepath.Join(home, "root"),
		SIPPort: freePort(t, "127.0.0.1"), TrunkPort: freePort(t, "127.0.0.2"), AMIPort: freePort(t, "127.0.0.1"),
		SoftphonePort: freePort(t, "127.0.0.3"),
		User:          a.User, Secret: a.Secret, Dialplan: o.Dialplan, Queues: o.Queues, Contacts: max(o.Contacts, 1),
		System: !o.NoSystem,
	}
	if o.Extensions == nil {
		o.Extensions = []string{"1001", "1002", "1003"}
	}
	for _, e := range o.Extensions {
		a.conf.Phones = append(a.conf.Phones, phone{e, "pw" + e, o.PJSIP[e]})
	}
	a.configure(t)
	a.Start(t)
	return a
}

// home returns the folder with the programs.
func home(t testing.TB) string {
	t.Helper()
	home := os.Getenv("RCC_TEST_ASTERISK")
	if home == "" {
		t.Skip("RCC_TEST_ASTERISK is not set: it names the folder that .ci/asterisk fills")
	}
	return home
}

func (a *Asterisk) configure(t testing.TB) {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(a.conf.Root, "usr/lib/*/asterisk/modules"))
	older, _ := filepath.Glob(filepath.Join(a.conf.Root, "usr/lib/asterisk/modules"))
	if found = append(found, older...); len(found) == 0 {
		t.Fatalf("RCC_TEST_ASTERISK=%s is not what .ci/asterisk makes: no modules", a.home)
	}
	a.conf.Modules = found[0]
	for m := range strings.FieldsSeq(modules) {
		if _, err := os.Stat(filepath.Join(a.conf.Modules, m+".so")); err == nil {
			a.conf.Load = append(a.conf.Load, m+".so")
		}
	}
	for _, d := range []string{"etc", "lib/keys", "log", "run", "spool", "cache", "moh"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	all, err := template.ParseFS(config, "config/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tm := range all.Templates() {
		var b bytes.Buffer
		if err := tm.Execute(&b, a.conf); err != nil {
			t.Fatal(err)
		}
		a.write(t, "etc/"+tm.Name(), b.Bytes())
	}
	for _, name := range []string{"acl", "ccss", "cdr", "cel", "pjproject", "pjsip_notify", "stasis", "udptl", "websocket_client"} {
		a.write(t, "etc/"+name+".conf", nil)
	}
	a.write(t, "moh/silence.ulaw", bytes.Repeat([]byte{0xff}, 80000))
}

func (a *Asterisk) write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start starts the instance again after Stop or Kill: on the same ports, with the same AstDB, without calls and registrations.
func (a *Asterisk) Start(t testing.TB) {
	t.Helper()
	ready := newReady(t, filepath.Join(a.dir, "run/notify"))
	cmd := exec.Command(filepath.Join(a.home, "bin/asterisk"), "-f", "-C", filepath.Join(a.dir, "etc/asterisk.conf"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+ready.path)
	a.child = spawn(t, cmd, filepath.Join(a.dir, "log/full"))
	ready.wait(t, a.child)
	t.Logf("asterisk: SIP port %d, AMI port %d, %s", a.conf.SIPPort, a.conf.AMIPort, a.dir)
}

// Stop ends the instance in good order.
func (a *Asterisk) Stop(t testing.TB) {
	t.Helper()
	a.child.signal(syscall.SIGTERM)
	a.child.wait(t)
}

// Kill ends the instance as a crash does.
func (a *Asterisk) Kill(t testing.TB) {
	t.Helper()
	a.child.signal(syscall.SIGKILL)
	a.child.wait(t)
}

// Restart is Stop and Start.
func (a *Asterisk) Restart(t testing.TB) {
	t.Helper()
	a.Stop(t)
	a.Start(t)
}

// Address is where the AMI listens, host:port.
func (a *Asterisk) Address() string { return fmt.Sprintf("127.0.0.1:%d", a.conf.AMIPort) }

// Link returns a way to the AMI that can fail.
func (a *Asterisk) Link(t testing.TB) *pbxtest.Way {
	t.Helper()
	return pbxtest.NewWay(t, a.Address, nil)
}

// SIPAddress is where phones register, host:port, by UDP and TCP.
func (a *Asterisk) SIPAddress() string { return fmt.Sprintf("127.0.0.1:%d", a.conf.SIPPort) }

// CLI performs a command of Asterisk's console and returns what it prints.
func (a *Asterisk) CLI(t testing.TB, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(a.home, "bin/asterisk"),
		"-C", filepath.Join(a.dir, "etc/asterisk.conf"), "-rx", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// AMI logs in on the AMI and runs the connection until the test ends. The events are the test's to consume.
func (a *Asterisk) AMI(t testing.TB) *ami.Conn {
	t.Helper()
	c, err := ami.Dial(t.Context(), ami.Config{Address: a.Address(), User: a.User, Secret: a.Secret})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.Run(context.Background()); !errors.Is(err, ami.ErrClosed) {
			t.Logf("AMI: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-ended
	})
	return c
}

// A process is a child, leader of a process group of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after its end
	err  error
}

// spawn starts cmd, kills its group at the end of the test, and then, if the test has failed, shows what it printed and what is in
// the file log.
func spawn(t testing.TB, cmd *exec.Cmd, log string) *process {
	t.Helper()
	var out bytes.Buffer
	cmd.Stderr = &out
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig is about the death of the thread that starts the child.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			l, _ := os.ReadFile(log)
			t.Logf("%s: %s%s", cmd.Path, out.Bytes(), l)
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *process) wait(t testing.TB) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Timeout):
		t.Fatalf("%s does not end", p.cmd.Path)
	}
}

// A ready is where a process that was told so by NOTIFY_SOCKET (sd_notify) says that it is up.
type ready struct {
	path string
	conn *net.UnixConn
}

func newReady(t testing.TB, path string) ready {
	t.Helper()
	_ = os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	return ready{path, c}
}

func (r ready) wait(t testing.TB, p *process) {
	t.Helper()
	up := make(chan error, 1)
	go func() {
		b := make([]byte, 512)
		for {
			n, err := r.conn.Read(b)
			if err != nil || bytes.Contains(b[:n], []byte("READY=1")) {
				up <- err
				return
			}
		}
	}()
	defer r.conn.Close()
	select {
	case err := <-up:
		if err != nil {
			t.Fatal(err)
		}
	case <-p.done:
		t.Fatalf("%s has ended: %v", p.cmd.Path, p.err)
	case <-time.After(Timeout):
		t.Fatalf("%s does not start", p.cmd.Path)
	}
}

// freePort returns a port that nobody listens on, neither by UDP nor by TCP, out of a range from which the kernel takes none by itself.
// It is the test's own: packages are tested side by side, and a port is bound some time after it was found free.
func freePort(t testing.TB, host string) int {
	t.Helper()
	for range 100 {
		port := 30000 + mathrand.N(2768)
		if !reserve(t, port) {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		_ = l.Close()
		if err == nil {
			_ = u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// reserve reports whether the port is no other test's, which it is until the test is over.
func reserve(t testing.TB, port int) bool {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("rcc-port-%d", port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return false
	}
	t.Cleanup(func() {
		_ = os.Remove(lock.Name())
		_ = lock.Close()
	})
	return true
}

// modules are those that are loaded; a build that lacks some does without.
const modules = `
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject res_pjsip res_pjsip_session
res_pjsip_sdp_rtp res_pjsip_registrar res_pjsip_outbound_registration res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest
res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_caller_id res_pjsip_diversion
res_pjsip_dtmf_info res_pjsip_empty_info res_pjsip_header_funcs res_pjsip_nat res_pjsip_notify res_pjsip_path
res_pjsip_pubsub res_pjsip_outbound_publish res_pjsip_mwi res_pjsip_mwi_body_generator res_pjsip_refer
res_pjsip_rfc3326 res_pjsip_acl res_pjsip_logger chan_pjsip func_pjsip_endpoint func_pjsip_aor func_pjsip_contact res_rtp_asterisk
res_musiconhold res_parking res_convert res_crypto res_http_websocket res_websocket_client res_stasis
res_manager_devicestate bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp
bridge_simple bridge_softmix codec_alaw codec_ulaw codec_gsm codec_resample codec_a_mu format_pcm format_wav format_gsm
format_sln app_dial app_confbridge app_bridgewait app_playback app_echo app_stack app_verbose app_userevent app_db
app_senddtmf app_read app_queue app_directed_pickup app_voicemail app_minivm func_callerid func_channel func_db func_devstate func_logic func_math func_strings func_global func_timeout
func_cut func_dialplan func_extstate func_hangupcause func_module pbx_config`
