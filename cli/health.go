package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/fault"
)

// healthFlags are those of bcc serve and bcc worker that say where it answers: set in
// the environment of a container, they hold for the check of its health too.
type healthFlags struct {
	listenFlags
	metricsAddr string
	timeout     time.Duration
}

func newHealth(std Streams) *cobra.Command {
	var f healthFlags
	cmd := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a server or worker whether it is ready; exit code 7 when it is not",
		Long: `Asks /readyz of a server or worker on this machine, or of the one at URL, and ends with
exit code 0 when it can take work, else with 7. For the health check of a container,
in which there is no curl. Without a URL it asks where the settings of bcc serve in
the environment say that it listens: BCC_METRICS_ADDR, else BCC_ADDR or PORT.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := f.where()
			if len(args) == 1 {
				at, err = readyAt(args[0])
			}
			if err != nil {
				return err
			}
			if err := askReady(cmd.Context(), at, f.timeout); err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.Out, "ready")
			return unwrittenIf(err)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.addr, "addr", "", "as of bcc serve: host:port it listens on")
	fs.StringVar(&f.port, "port", defaultPort, "as of bcc serve: port on "+defaultHost+", where --addr is not given")
	fs.StringVar(&f.cert, "tls-cert", "", "as of bcc serve: given, it is asked over HTTPS")
	fs.StringSliceVar(&f.domains, "acme-domain", nil, "as of bcc serve: given, it is asked over HTTPS")
	fs.StringVar(&f.metricsAddr, "metrics-addr", "", "as of bcc serve and bcc worker: given, it is asked there")
	fs.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long an answer may take")
	return cmd
}

// where is the address at which what the flags describe answers /readyz.
func (f *healthFlags) where() (*url.URL, error) {
	scheme, addr := "http", f.metricsAddr // metrics are never behind a certificate
	if addr == "" {
		var err error
		if addr, err = f.address(); err != nil {
			return nil, err
		}
		if f.cert != "" || len(f.domains) > 0 {
			scheme = "https"
		}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Invalid, "--metrics-addr %q: want host:port", addr), "127.0.0.1:9100")
	}
	// Who listens on every address is asked on this machine's own.
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = defaultHost
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port), Path: "/readyz"}, nil
}

// readyAt is /readyz below an address that a person typed.
func readyAt(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.Hint(fault.New(fault.Invalid, "%q: want the address of a server", printable(address)), "http://127.0.0.1:8000")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/readyz"
	}
	return u, nil
}

// askReady asks once; nil: the answer was 200.
func askReady(ctx context.Context, at *url.URL, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the question is to that machine, not to a proxy
	transport.DisableKeepAlives = true
	if ip := net.ParseIP(at.Hostname()); ip != nil && ip.IsLoopback() {
		// A certificate names the machine as others call it, and nobody is between
		// this process and its own loopback.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return fault.New(fault.Invalid, "ask %s: %w", at.Redacted(), err)
	}
	resp, err := transport.RoundTrip(req) // not followed: readiness is no redirect
	if err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "ask %s: %w", at.Redacted(), err), "is it running, and does it listen there?")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // what there is of it
		return fault.New(fault.Unavailable, "%s answers %s: %s", at.Redacted(), resp.Status, strings.TrimSpace(string(said)))
	}
	return nil
}
