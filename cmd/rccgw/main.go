// Command rccgw is the remote call control gateway: CTI clients control the
// desk phones of PBXs through it, by CSTA in SIP dialogs (ECMA TR/87).
//
// Everything is configured by environment variables; rccgw -help lists them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
)

// version is set by the linker; without it the build's own information serves.
var version string

func main() {
	ballast := newBallast(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// newBallast returns memory that is never touched, and so costs the machine none. The collector, which runs when the heap has doubled, counts it: a
// small heap is left alone for longer, a large one as long as ever. There is none for whoever sets the collector by Go's own variables.
func newBallast(getenv func(string) string) []byte {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, 16<<20)
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the service could not start or go on
	exitUsage  = 2 // flags or configuration are wrong
)

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("rccgw", flag.ContinueOnError)
	flags.SetOutput(stderr)
	help := flags.Bool("help", false, "list the environment variables")
	check := flags.Bool("check", false, "check the configuration, print it without secrets, and end")
	showVersion := flags.Bool("version", false, "print the version")
	flags.Usage = func() { usage(stderr) }
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	switch {
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "rccgw: %q is not expected: everything is configured by environment variables; see rccgw -help\n", flags.Arg(0))
		return exitUsage
	case *help:
		usage(stdout)
		return exitOK
	case *showVersion:
		fmt.Fprintln(stdout, "rccgw", buildVersion())
		return exitOK
	}
	c, err := load(environ)
	if err != nil {
		lines := strings.Split(err.Error(), "\n")
		fmt.Fprintf(stderr, "rccgw: the configuration has mistakes:\n")
		for _, l := range lines {
			fmt.Fprintln(stderr, "  "+l)
		}
		return exitUsage
	}
	if *check {
		for _, line := range c.effective {
			fmt.Fprintln(stdout, line)
		}
		for _, w := range append(c.warnings, c.findings...) {
			fmt.Fprintln(stderr, "warning:", w)
		}
		return exitOK
	}
	options := &slog.HandlerOptions{Level: c.logLevel}
	var handler slog.Handler = slog.NewTextHandler(stderr, options)
	if c.logJSON {
		handler = slog.NewJSONHandler(stderr, options)
	}
	log := slog.New(handler)
	for _, w := range c.warnings {
		log.Warn(w)
	}
	if err := serve(ctx, c, log); err != nil && !errors.Is(err, context.Canceled) {
		log.Error("stopped", "error", err)
		return exitFailed
	}
	return exitOK
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// usage lists the variables.
func usage(w io.Writer) {
	fmt.Fprintf(w, "rccgw %s, remote call control gateway\n\nusage: rccgw [-check | -help | -version]\n\n"+
		"Everything is configured by environment variables.\n\n", buildVersion())
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	section := func(title, prefix string, settings any) {
		fmt.Fprintf(t, "%s\n", title)
		for _, d := range describe(prefix, settings) {
			def := d.def
			if def == "" {
				def = "–"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\n", d.name, def, d.text)
		}
		fmt.Fprintln(t)
	}
	section("The service:", prefix, &settings{})
	section("Each PBX that RCC_PBX names:", prefix+"_PBX_<NAME>", &pbxSettings{})
	for _, name := range kindNames() {
		if s := kinds[name].settings(); len(describe(prefix, s)) > 0 {
			section("With RCC_PBX_<NAME>_DRIVER="+name+":", prefix+"_PBX_<NAME>", s)
		}
	}
	_ = t.Flush() // to a terminal or a pipe: there is nobody to tell
}
