package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An image is what the final stage of the Dockerfile says.
type image struct {
	builds     map[string]string // output → package
	copies     [][2]string       // from, to
	owners     map[string]string // to → user
	env        []string
	user       string
	volume     string
	entrypoint string
	base       string
}

// readImage reads the Dockerfile, which keeps to what this understands.
func readImage(t *testing.T) image {
	f, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im := image{builds: map[string]string{}, owners: map[string]string{}}
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "FROM":
			im.base, im.env = words[1], nil
		case "RUN":
			for i, w := range words {
				if w == "-o" {
					im.builds[words[i+1]] = words[i+2]
				}
			}
		case "COPY":
			owner := ""
			args := words[1:]
			for strings.HasPrefix(args[0], "--") {
				if o, ok := strings.CutPrefix(args[0], "--chown="); ok {
					owner = o
				}
				args = args[1:]
			}
			if im.base == "scratch" {
				im.copies = append(im.copies, [2]string{args[0], args[1]})
				im.owners[args[1]] = owner
			}
		case "ENV":
			im.env = append(im.env, words[1])
		case "USER":
			im.user = words[1]
		case "VOLUME":
			im.volume = words[1]
		case "ENTRYPOINT":
			im.entrypoint = strings.Trim(words[1], `["]`)
		}
	}
	return im
}

// The image's root file system, assembled as the Dockerfile says, runs the
// service as the image's user, with everything but the data folder read-only.
func TestImage(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("to change the root folder and the user takes root")
	}
	im := readImage(t)
	if im.base != "scratch" || im.user != "65532:65532" || im.entrypoint != "/rccgw" || im.volume != "/var/lib/rccgw" {
		t.Errorf("the image is %+v", im)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for p := root; p != "/"; p = filepath.Dir(p) { // the user of the image must get there
		if info, err := os.Stat(p); err == nil {
			_ = os.Chmod(p, info.Mode().Perm()|0o055)
		}
	}
	for _, c := range im.copies {
		to := filepath.Join(root, c[1])
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if pkg, ok := im.builds[c[0]]; ok {
			build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg)
			build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := exec.Command("ldd", to).CombinedOutput(); err == nil {
				t.Errorf("%s is not static:\n%s", to, out)
			}
			continue
		}
		switch {
		case strings.HasSuffix(c[0], "/data"):
			if err := os.MkdirAll(to, 0o755); err != nil {
				t.Fatal(err)
			}
		case strings.HasSuffix(c[0], ".crt"):
			if err := os.WriteFile(to, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("where does %s come from?", c[0])
		}
	}
	_, port, _ := net.SplitHostPort(freeAddress(t))
	env := append([]string{"RCC_SIP_LISTEN=tcp://127.0.0.1:0", "RCC_HTTP_LISTEN=127.0.0.1:" + port}, im.env...)
	for i, e := range env { // the test's own address wins over the image's
		if strings.HasPrefix(e, "RCC_HTTP_LISTEN=:") {
			env = append(env[:i], env[i+1:]...)
			break
		}
	}
	// The mounts are gone with the process that makes them.
	script := fmt.Sprintf(`mount --bind %[1]s %[1]s && mount -o remount,ro,bind %[1]s && mount -t tmpfs -o uid=65532,gid=65532,mode=700 none %[1]s%[2]s && exec chroot --userspec=%[3]s %[1]s %[4]s`,
		root, im.volume, im.user, im.entrypoint)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", script)
	var log bytes.Buffer
	cmd.Env, cmd.Stderr, cmd.Stdout = env, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	url := "http://127.0.0.1:" + port + "/readyz"
	for ready := false; !ready; {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, log.String())
		case <-time.After(20 * time.Millisecond):
			if resp, err := http.Get(url); err == nil {
				ready = resp.StatusCode == http.StatusOK
				resp.Body.Close()
			}
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Uid:\t65532\t65532") {
		t.Errorf("the process is not the image's user: %v\n%s", err, status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
}
