package cli

import (
	"html/template"
	"net/http"
	"time"

	"bcc/balance"
)

// serversPage answers with how the servers are, for operators. It has no script: it is
// loaded anew every few seconds.
func serversPage(b *balance.Balancer) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
		all, ready := b.Members(), 0
		for _, m := range all {
			if m.State == "ready" {
				ready++
			}
		}
		_ = serversTemplate.Execute(w, map[string]any{"Members": all, "Ready": ready, "Waiting": b.Waiting(), "Now": time.Now()})
	}
}

var serversTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"ms":  func(s float64) float64 { return 1000 * s },
	"ago": func(t time.Time) time.Duration { return time.Since(t).Truncate(time.Second) },
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="2"><title>{{.Ready}} of {{len .Members}} servers ready · bcc balance</title>
<style>
:root { color-scheme: light dark; --faint: #666; --line: #ddd; --good: #17692f; --bad: #a4262c; --warn: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa; --line: #444; --good: #6cc785; --bad: #f1707b; --warn: #e0a84c } body { background: #181818; color: #ddd } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; font-variant-numeric: tabular-nums }
h1 { font-size: 1.5rem; margin: 0 } p { color: var(--faint); margin: .3rem 0 1.2rem }
table { border-collapse: collapse } th, td { padding: .4rem .9rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line) }
th { font-weight: 600; vertical-align: bottom } th.left, td.left { text-align: left } th:first-child, td:first-child { padding-left: 0 }
small { color: var(--faint); display: block; max-width: 24rem; overflow-wrap: anywhere }
.ready { color: var(--good) } .ejected { color: var(--bad) } .draining, .joining, .slow { color: var(--warn) }
button { font: inherit; padding: 0 .7rem }
@media (max-width: 56rem) {
  body { margin: 1rem } thead { display: none } table, tbody, tr, td, td.left { display: block; text-align: left; padding: 0 }
  tr { border-bottom: 1px solid var(--line); padding: .6rem 0 } td { border: 0; padding: .1rem 0 } td:first-child { font-weight: 600 }
  td[data-of]::before { content: attr(data-of) ": "; color: var(--faint) }
}
</style></head><body>
<h1>Servers</h1>
<p>{{.Ready}} of {{len .Members}} take requests. {{if eq .Waiting 1}}1 request waits{{else}}{{.Waiting}} requests wait{{end}} for a turn. {{.Now.UTC.Format "15:04:05"}} UTC</p>
<table><thead><tr><th class="left">server</th><th class="left">state</th><th>in hand</th><th>from others</th><th>streams</th><th>answers begin after</th><th>of the usual</th><th>requests</th><th>failures</th><th></th></tr></thead><tbody>
{{range .Members}}<tr><td class="left">{{.Server}}</td><td class="left"><span class="{{.State}}">{{.State}}</span>{{if .Slow}}, <span class="slow">slow</span>{{end}}{{if .Since.Unix | lt 0}} for {{ago .Since}}{{end}}{{if .Why}}<small>{{.Why}}</small>{{end}}</td><td data-of="in hand">{{.InFlight}}</td><td data-of="from others">{{.Others}}</td><td data-of="streams">{{.Streams}}</td><td data-of="answers begin after">{{if .LatencyS}}{{printf "%.1f" (ms .LatencyS)}} ms{{else}}–{{end}}</td><td data-of="of the usual">{{if .Pace}}{{printf "%.1f" .Pace}} ×{{else}}–{{end}}</td><td data-of="requests">{{.Requests}}</td><td data-of="failures">{{.Failures}}</td><td>{{if ne .State "gone"}}<form method="post" action="{{if .Held}}release{{else}}hold{{end}}?server={{.URL}}"><button>{{if .Held}}release{{else}}hold{{end}}</button></form>{{end}}</td></tr>
{{else}}<tr><td class="left" colspan="10">none is known</td></tr>{{end}}
</tbody></table>
</body></html>
`))
