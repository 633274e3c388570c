package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// EmbedConfig says how the embedded server runs.
type EmbedConfig struct {
	Dir    string // where JetStream keeps its files
	Listen string // host:port for other clients; empty: none but this process
	Token  string // what other clients must present; required with Listen
	Log    *slog.Logger
}

// Embed starts a nats-server with JetStream in this process and returns when
// it is ready. The caller shuts it down and waits: Stop does both.
func Embed(c EmbedConfig) (*server.Server, error) {
	opts := &server.Options{
		ServerName: "rccgw", DontListen: c.Listen == "", NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: c.Dir, Authorization: c.Token,
		// The store holds small key-value buckets.
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 30,
	}
	if c.Listen != "" {
		if c.Token == "" {
			return nil, errors.New("an embedded server that listens needs a token")
		}
		host, port, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", c.Listen, err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("port %q of %q is not a number", port, c.Listen)
		}
		if n == 0 {
			n = server.RANDOM_PORT
		}
		opts.Host, opts.Port = host, n
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(&natsLog{c.Log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		Stop(s)
		return nil, errors.New("the embedded server was not ready within 10 s")
	}
	return s, nil
}

// Stop shuts an embedded server down and waits for it.
func Stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// ConnectConfig says which server to connect to: the embedded one, or a URL.
type ConnectConfig struct {
	Server *server.Server // embedded; nil: URL
	URL    string
	Token  string
	Creds  string // path of a credentials file
	Name   string // shown by the server
	Log    *slog.Logger
}

// Connect connects, or fails after the context ends. A connection that is lost
// later comes back by itself, for as long as it takes; nothing is buffered
// meanwhile, so that no command is executed late.
func Connect(ctx context.Context, c ConnectConfig) (*nats.Conn, error) {
	log := c.Log
	opts := []nats.Option{
		nats.Name(c.Name), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		nats.Timeout(2 * time.Second),
		// A connection that is half open is given up after three seconds.
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.DrainTimeout(10 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("bus connection back", "server", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("bus", "subject", subject, "error", err)
		}),
	}
	if c.Token != "" {
		opts = append(opts, nats.Token(c.Token))
	}
	if c.Creds != "" {
		opts = append(opts, nats.UserCredentials(c.Creds))
	}
	url := c.URL
	if c.Server != nil {
		opts = append(opts, nats.InProcessServer(c.Server))
		url = ""
	}
	for {
		nc, err := nats.Connect(url, opts...)
		if err == nil {
			return nc, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no connection to NATS: %w", err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// natsLog passes what the embedded server logs to slog.
type natsLog struct{ log *slog.Logger }

func (l *natsLog) Noticef(f string, v ...any) { l.log.Debug("nats", "message", fmt.Sprintf(f, v...)) }
func (l *natsLog) Warnf(f string, v ...any)   { l.log.Warn("nats", "message", fmt.Sprintf(f, v...)) }
func (l *natsLog) Fatalf(f string, v ...any)  { l.log.Error("nats", "message", fmt.Sprintf(f, v...)) }
func (l *natsLog) Errorf(f string, v ...any)  { l.log.Error("nats", "message", fmt.Sprintf(f, v...)) }
func (l *natsLog) Debugf(string, ...any)      {}
func (l *natsLog) Tracef(string, ...any)      {}
