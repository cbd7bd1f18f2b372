package cli

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
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
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_ = serversPage.Execute(w, map[string]any{"Members": b.Members(), "Waiting": b.Waiting(), "Now": time.Now()})
	})
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

var serversPage = template.Must(template.New("").Funcs(template.FuncMap{
	"ms":  func(s float64) float64 { return 1000 * s },
	"ago": func(t time.Time) time.Duration { return time.Since(t).Truncate(time.Second) },
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>bcc balance</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222 }
table { border-collapse: collapse } th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child, td:nth-child(2), th:nth-child(2), td:last-child, th:last-child { text-align: left }
.ready { color: #17692f } .ejected { color: #a4262c } .draining, .joining { color: #8a5a00 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } td, th { border-color: #444 } .ready { color: #6cc785 } .ejected { color: #f1707b } .draining, .joining { color: #e0a84c } }
</style></head><body>
<h1>Servers</h1>
<table><thead><tr><th>server</th><th>state</th><th>in flight</th><th>latency, ms</th><th>requests</th><th>failures</th><th>why</th></tr></thead><tbody>
{{range .Members}}<tr><td>{{.Server}}</td><td class="{{.State}}">{{.State}}{{if .Slow}}, slow{{end}}{{if .Since.Unix | lt 0}} for {{ago .Since}}{{end}}</td><td>{{.InFlight}}</td><td>{{if .LatencyS}}{{printf "%.1f" (ms .LatencyS)}}{{else}}–{{end}}</td><td>{{.Requests}}</td><td>{{.Failures}}</td><td>{{.Why}}</td></tr>
{{else}}<tr><td colspan="7">none is known</td></tr>{{end}}
</tbody></table>
<p>{{.Waiting}} requests wait for their turn. {{.Now.UTC.Format "15:04:05"}} UTC</p>
</body></html>
`))
