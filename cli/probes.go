package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bcc/fault"
)

// probes answers those who look after a worker: /metrics, /livez and /readyz. A nil
// one answers nobody.
type probes struct {
	listener net.Listener
	server   *http.Server
	is       atomic.Bool // ready
}

// listenProbes opens the address; empty: nobody asks.
func listenProbes(addr string, registry *prometheus.Registry) (*probes, error) {
	if addr == "" {
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fault.Hint(fault.New(fault.Invalid, "--metrics-addr %q: want host:port", addr), "127.0.0.1:9100")
	}
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.Hint(fault.New(fault.Unavailable, "--metrics-addr %s: something else listens there", addr), "name another port; each server, worker and autoscaler of a machine wants one of its own")
	case err != nil:
		return nil, fault.Hint(fault.New(fault.Unavailable, "--metrics-addr %s: %w", addr, err), "want an address of this machine, and a port that this user may open")
	}
	p := &probes{listener: ln}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !p.is.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "not ready\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	return p, nil
}

// ready says whether work can be taken.
func (p *probes) ready(is bool) {
	if p != nil {
		p.is.Store(is)
	}
}

// Run answers until ctx ends.
func (p *probes) Run(ctx context.Context) error {
	if p == nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { p.server.Close() })()
	if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fault.New(fault.Unavailable, "answer probes: %w", err)
	}
	return nil
}

// Close gives the address back.
func (p *probes) Close() error {
	if p == nil {
		return nil
	}
	p.listener.Close() // closed already where it ran
	return nil
}
