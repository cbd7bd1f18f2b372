package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bcc/balance"
	"bcc/fault"
)

// adminPage is what operators of a balancer see and do. It is nobody else's business
// which servers there are.
type adminPage struct {
	listener net.Listener
	server   *http.Server
}

// listenAdmin opens the address; nil where there is none.
func listenAdmin(addr string, b *balance.Balancer, r *prometheus.Registry) (*adminPage, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Unavailable, "--admin-addr %s: %w", addr, err), "127.0.0.1:9200, or port 0 for any that is free")
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", alive)
	mux.HandleFunc("GET /readyz", readiness(b))
	mux.HandleFunc("GET /servers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(b.Members())
	})
	mux.HandleFunc("GET /{$}", serversPage(b))
	mux.HandleFunc("POST /hold", holding(b, true))
	mux.HandleFunc("POST /release", holding(b, false))
	return &adminPage{ln, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}}, nil
}

// holding makes a server take nothing new, or part again.
func holding(b *balance.Balancer, on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			http.Error(w, "from another page", http.StatusForbidden)
			return
		}
		server := r.URL.Query().Get("server")
		if !b.Hold(server, on) {
			http.Error(w, "no such server; /servers lists them", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (a *adminPage) Run(ctx context.Context) error {
	if a == nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { a.server.Close() })()
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fault.New(fault.Unavailable, "page of servers: %w", err)
	}
	return nil
}

func (a *adminPage) Close() error {
	if a == nil {
		return nil
	}
	return a.listener.Close()
}
