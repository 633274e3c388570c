// Command rccctl is the operator's tool: an honest CTI client that speaks
// uaCSTA (ECMA TR/87) to a gateway, and the hand at a simulated phone.
//
// Most commands open a dialog for one line, do one thing, print the answer and
// end the dialog; calls live on.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"rccgw/csta"
	"rccgw/csta/cstasip"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitOK      = 0
	exitRefused = 1 // the gateway refused, or could not be reached
	exitUsage   = 2
)

// errUsage is wrapped by errors of the command line.
var errUsage = errors.New("see rccctl -help")

// A tool is one run of the command.
type tool struct {
	server   string
	http     string
	pbx      string
	user     string
	pass     string
	ca       string
	cert     string
	key      string
	token    string // of the API
	revision uint64
	json     bool

	presented, shown *string // merge-check: the caller as the PBX or as an event has it; nil: not given

	prompt  bool
	count   int
	timeout time.Duration

	mu  sync.Mutex // events and answers are printed by different goroutines
	out io.Writer
}

// A command is a word of the command line.
type command struct {
	name, args, text string
	min, max         int // arguments
	run              func(ctx context.Context, t *tool, args []string) error
}

var commands []command

func init() { // not a literal: help lists the commands, and is one of what they call
	commands = []command{
		{"monitor", "LINE", "print what happens at the line, until interrupted or -count events", 1, 1, monitor},
		{"call", "LINE NUMBER", "make a call; with -prompt the own phone rings first", 2, 2, call},
		{"answer", "LINE [CALL]", "answer the alerting call", 1, 2, on(answer)},
		{"clear", "LINE [CALL]", "leave the call", 1, 2, on(clearCall)},
		{"hold", "LINE [CALL]", "hold the active call", 1, 2, on(hold)},
		{"retrieve", "LINE [CALL]", "take the held call back", 1, 2, on(retrieve)},
		{"deflect", "LINE NUMBER [CALL]", "send the alerting call elsewhere", 2, 3, on(deflect)},
		{"transfer", "LINE [NUMBER [CALL]]", "join the held and the active call; with NUMBER, transfer the call there", 1, 3, on(transfer)},
		{"consult", "LINE NUMBER [CALL]", "hold the active call and call another", 2, 3, on(consult)},
		{"alternate", "LINE", "swap the held and the active call", 1, 1, on(alternate)},
		{"reconnect", "LINE", "clear the active call and take the held one back", 1, 1, on(reconnect)},
		{"forward", "LINE [immediate|busy|noanswer NUMBER|off]", "show or change the forwarding", 1, 3, on(forward)},
		{"dnd", "LINE [on|off]", "show or change do-not-disturb", 1, 2, on(dnd)},
		{"snapshot", "LINE", "list the calls of the line", 1, 1, on(snapshot)},
		{"features", "LINE", "list what the line's PBX can do", 1, 1, on(features)},
		{"lines", "[PBX]", "list what all lines are doing, or those of one PBX", 0, 1, lines},
		{"digits", "WORD [arguments]", "show, edit and test the digit plan of -pbx; digits help lists the words", 1, 20, digits},
		{"sim", "[PHONE [ACTION [NUMBER]]]", "list the phones of the simulated PBX, or be the hand at one", 0, 5, sim},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := &tool{out: stdout, pass: os.Getenv("RCCCTL_PASSWORD"), token: os.Getenv("RCC_API_TOKEN")} // no flags: other users see those
	flags := flag.NewFlagSet("rccctl", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&t.server, "server", fromEnv("RCCCTL_SERVER", "tcp://127.0.0.1:5060"), "the gateway: udp://, tcp:// or tls://host:port; default from RCCCTL_SERVER")
	flags.StringVar(&t.http, "gateway", fromEnv("RCCCTL_HTTP", "http://127.0.0.1:8080"), "the gateway's HTTP address, for digits, lines and sim; default from RCCCTL_HTTP")
	flags.StringVar(&t.http, "http", t.http, "the same as -gateway")
	flags.StringVar(&t.pbx, "pbx", "sim", "name of the PBX, for digits and sim")
	flags.StringVar(&t.user, "user", "rccctl", "who we are: the user of the From address and of the password in RCCCTL_PASSWORD, and who edits a digit plan")
	flags.Uint64Var(&t.revision, "revision", 0, "digits: the revision that was looked at; an edit of another is refused; 0: whichever is in force")
	flags.StringVar(&t.ca, "ca", "", "PEM file of the authority of a tls:// gateway; empty: the system's")
	flags.StringVar(&t.cert, "cert", "", "PEM file of our certificate, where the gateway requires one")
	flags.StringVar(&t.key, "key", "", "PEM file of its key")
	text := func(into **string) func(string) error {
		return func(s string) error { *into = &s; return nil }
	}
	flags.Func("presented", "digits merge-check: the `number` that the PBX presents; empty: none", text(&t.presented))
	flags.Func("shown", "digits merge-check: the `number` that an event shows", text(&t.shown))
	flags.BoolVar(&t.json, "json", false, "print JSON, one message a line")
	flags.BoolVar(&t.prompt, "prompt", false, "call: let the own phone ring first")
	flags.IntVar(&t.count, "count", 0, "monitor: end after so many events")
	flags.DurationVar(&t.timeout, "timeout", 15*time.Second, "how long to wait for an answer")
	usage := func(w io.Writer) {
		fmt.Fprint(w, "usage: rccctl [flags] COMMAND [arguments]\n\n")
		for _, c := range commands {
			fmt.Fprintf(w, "  %-50s %s\n", c.name+" "+c.args, c.text)
		}
		fmt.Fprint(w, "\nLINE and NUMBER are written as a client would: 1001, +16135925660, tel:1001;phone-context=x.\n"+
			"CALL is a callID; without it the one call that fits is meant.\n"+
			"digits and lines present the token in RCC_API_TOKEN, where that is set.\n\n")
		flags.SetOutput(w)
		flags.PrintDefaults()
		flags.SetOutput(io.Discard)
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return exitOK
	}
	if err == nil {
		err = t.dispatch(ctx, flags.Args())
	} else {
		err = fmt.Errorf("%w: %w", err, errUsage)
	}
	if errors.Is(err, errUsage) {
		fmt.Fprintln(stderr, "rccctl:", err)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, "rccctl:", err)
		return exitRefused
	}
	return exitOK
}

func fromEnv(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

func (t *tool) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command: %w", errUsage)
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return fmt.Errorf("unknown command %q: %w", args[0], errUsage)
	}
	c := commands[i]
	if n := len(args) - 1; n < c.min || n > c.max {
		return fmt.Errorf("usage: rccctl %s %s: %w", c.name, c.args, errUsage)
	}
	return c.run(ctx, t, args[1:])
}

// dial opens a dialog for the line.
func (t *tool) dial(ctx context.Context, line string, onEvent func(csta.Event)) (*cstasip.Client, error) {
	cfg := cstasip.ClientConfig{Server: t.server, Line: line, UserAgent: "rccctl", OnEvent: onEvent}
	if !strings.Contains(line, ":") {
		cfg.Line = "tel:" + line
	}
	_, host, _ := strings.Cut(t.server, "://")
	cfg.From = "sip:" + t.user + "@" + host
	if t.pass != "" {
		cfg.User, cfg.Password = t.user, t.pass
	}
	if strings.HasPrefix(t.server, "tls://") {
		config, err := t.tls()
		if err != nil {
			return nil, err
		}
		cfg.TLS = config
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return cstasip.Dial(ctx, cfg)
}

func (t *tool) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-ca %s: no certificate in it", t.ca)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fmt.Errorf("-cert and -key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
