package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"bcc/balance"
	"bcc/fault"
	"bcc/telemetry"
)

// balanceFlags are the flags of bcc balance.
type balanceFlags struct {
	listen listenFlags
	cfg    balance.Config

	from sourcesOfServers
	ca   string

	proxies []string
	replay  byteSize
	data    string
	linger  time.Duration
	drain   time.Duration
	header  time.Duration
	admin   string

	logLevel, logFormat string
}

func newBalance(std Streams) *cobra.Command {
	f := balanceFlags{cfg: balance.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "balance --to URL[,URL…] [flags]",
		Short: "Hand requests out to several bcc serve",
		Long: `A reverse proxy in front of several bcc serve that share a queue and a store. Each
request goes to the quicker one of two that are drawn; a server that is slow, fails or
says that it is not ready gets none, and gets ever more when it is well again. What a
server did not begin, or may be done twice, is sent to another one when it goes away.

--admin-addr answers with a page of the servers, /metrics, /livez and /readyz; a server
can be held there before it is stopped. The first Ctrl-C or SIGTERM lets running
requests end.`,
		Example: `  bcc balance --addr :8000 --to http://10.0.0.1:8000,http://10.0.0.2:8000
  bcc balance --addr :443 --acme-domain bcc.example.org --dns http://bcc-serve.clinic.internal:8000
  curl -X POST '127.0.0.1:9200/hold?server=10.0.0.1:8000'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *balanceFlags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	f.listen.register(fs)
	f.from.register(fs)
	fs.StringVar(&f.ca, "to-ca", "", "file with the roots that servers with https are trusted by, PEM; empty: this computer's")
	c := &f.cfg
	fs.IntVar(&c.PerMember, "per-server", c.PerMember, "requests that a server has in hand at most; more wait, a turn for each key")
	fs.IntVar(&c.Waiting, "waiting", c.Waiting, "requests that wait at most; more are told to come later")
	fs.DurationVar(&c.Patience, "patience", c.Patience, "how long a request waits")
	fs.DurationVar(&c.Probe, "probe", c.Probe, "how often each server is asked whether it is ready; twice as long is a good bcc serve --linger")
	fs.DurationVar(&c.ProbeTimeout, "probe-timeout", c.ProbeTimeout, "how long it has to answer")
	fs.IntVar(&c.Failures, "failures", c.Failures, "failures in a row after which a server is left out")
	fs.DurationVar(&c.Ejection, "ejection", c.Ejection, "for how long, at first; twice as long each time")
	fs.DurationVar(&c.Return, "return", c.Return, "time in which a server that came back gets its full share again")
	fs.DurationVar(&c.Answer, "answer-timeout", c.Answer, "how long a server may take until its answer begins")
	f.replay = byteSize(c.Replay)
	fs.Var(&f.replay, "replay", "how much of a body is kept to send it again")
	fs.Float64Var(&c.RetryShare, "retry-share", c.RetryShare, "share of requests that may be sent again on top")
	fs.Float64Var(&c.HedgeShare, "hedge-share", c.HedgeShare, "share of reads of which a second server may be asked when the first takes long; 0: none")
	fs.IntVar(&c.Streams, "streams", c.Streams, "event streams and WebSockets that are open at most")
	fs.StringSliceVar(&f.proxies, "trusted-proxy", nil, "network of proxies in front whose X-Forwarded headers count, as 10.0.0.0/8; may be given again")
	f.listen.registerTLS(fs)
	fs.StringVar(&f.data, "data", "bcc-balance", "folder for certificates got by ACME")
	fs.DurationVar(&f.header, "header-timeout", 10*time.Second, "how long a client may take to send its headers")
	fs.DurationVar(&f.linger, "linger", 0, "at the end, how long /readyz says no before connections are refused: with another balancer in front")
	fs.DurationVar(&f.drain, "drain", time.Minute, "at the end, how long running requests may take")
	fs.StringVar(&f.admin, "admin-addr", "", "host:port of the page of servers and of /metrics, /livez, /readyz, /hold and /release, for operators only; empty: none")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", strings.Join(telemetry.LogFormats, " or "))
}

// refuse says what is wrong with the flags that are this command's own.
func (f *balanceFlags) refuse() error {
	var errs []error
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	add(f.header <= 0, "--header-timeout %v: want more than 0", f.header)
	add(f.linger < 0, "--linger %v: want 0 or more", f.linger)
	add(f.drain < 0, "--drain %v: want 0 or more", f.drain)
	if f.admin != "" {
		_, _, err := net.SplitHostPort(f.admin)
		add(err != nil, "--admin-addr %.100q: want host:port, as 127.0.0.1:9200", f.admin)
	}
	return errors.Join(errs...)
}

// run balances until ctx ends and running requests have ended.
func (f *balanceFlags) run(ctx context.Context, std Streams) error {
	log, err := telemetry.NewLogger(std.Err, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	if err := f.refuse(); err != nil {
		return err
	}
	registry := telemetry.NewRegistry()
	f.cfg.Logger, f.cfg.Registerer, f.cfg.Replay = log, registry, int(f.replay)
	source, leave, err := f.from.open(ctx, log)
	if err != nil {
		return err
	}
	defer leave()
	f.cfg.Source = source
	if f.cfg.Trusted, err = networks("--trusted-proxy", f.proxies); err != nil {
		return err
	}
	if f.ca != "" {
		roots, err := readRoots("--to-ca", f.ca)
		if err != nil {
			return err
		}
		f.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	b, err := balance.New(f.cfg)
	if err != nil {
		return fault.Hint(err, "bcc balance --help says what each flag is")
	}
	addr, err := f.listen.address()
	if err != nil {
		return err
	}
	secure, err := f.listen.encryption(f.data, log, registry)
	if err != nil {
		return err
	}
	admin, err := listenAdmin(f.admin, b, registry)
	if err != nil {
		return err
	}
	ln, err := f.listen.listen(ctx, addr)
	if err != nil {
		return errors.Join(err, admin.Close())
	}
	scheme := "http"
	if secure.config != nil {
		scheme = "https"
	}
	fmt.Fprintf(std.Out, "balancing at %s://%s\n", scheme, ln.Addr())
	if admin != nil {
		fmt.Fprintf(std.Out, "servers and metrics at http://%s\n", admin.listener.Addr())
	}
	return f.serve(ctx, b, secure, ln, admin, log)
}

func (f *balanceFlags) serve(ctx context.Context, b *balance.Balancer, secure *encryption, ln net.Listener, admin *adminPage, log *slog.Logger) error {
	side, stopSide := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSide()
	var sides errgroup.Group
	sides.Go(func() error {
		if err := b.Run(side); side.Err() == nil {
			return err
		}
		return nil
	})
	sides.Go(func() error { return admin.Run(side) })
	if secure.keeper != nil {
		sides.Go(func() error { return secure.keeper.Run(side) })
	}
	if secure.config != nil {
		ln = tls.NewListener(ln, secure.config)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	h := &http.Server{
		Handler: probed(b), Protocols: protocols,
		ReadHeaderTimeout: f.header, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		awaitFirst(ctx, b)
		served <- h.Serve(ln)
	}()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		b.Drain()
		time.Sleep(f.linger)
		b.End()
		last, stop := context.WithTimeout(context.Background(), f.drain)
		if err = h.Shutdown(last); err != nil {
			log.Warn("requests were cut off at the end")
			err = h.Close()
		}
		stop()
		<-served
	}
	stopSide()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, sides.Wait())
}

// Who comes before the first server is found waits to be accepted, for this long at most.
const firstWithin = 5 * time.Second

// awaitFirst returns when a server can be asked, when none was found in time, or at the end.
func awaitFirst(ctx context.Context, b *balance.Balancer) {
	ctx, stop := context.WithTimeout(ctx, firstWithin)
	defer stop()
	for look := time.NewTicker(10 * time.Millisecond); b.Ready() != nil && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
}

// probed answers /livez and /readyz for the balancer itself: whoever stands in front of
// it asks about it, not about a server.
func probed(b *balance.Balancer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", b)
	mux.HandleFunc("GET /livez", alive)
	mux.HandleFunc("GET /readyz", readiness(b))
	return mux
}

func alive(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") }

func readiness(b *balance.Balancer) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := b.Ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintln(w, err)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}
