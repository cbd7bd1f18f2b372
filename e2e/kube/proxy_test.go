//go:build e2e

package kube

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// trouble stands in front of the API server.
type trouble struct {
	*httptest.Server
	mode     atomic.Value // string: what goes wrong; "" nothing
	happened atomic.Int64 // requests with which it did
}

// startTrouble starts one; conflict writes what is about to be written.
func startTrouble(t *testing.T, p *plane, conflict func()) *trouble {
	to, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(to)
	through.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 32}
	through.ErrorLog = log.New(io.Discard, "", 0)
	w := &trouble{}
	w.mode.Store("")
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mode := w.mode.Load().(string)
		if mode != "" && (mode != "conflict" || r.Method == http.MethodPut) {
			w.happened.Add(1)
		}
		switch mode {
		case "busy": // as priority and fairness refuses
			out.Header().Set("Retry-After", "1")
			http.Error(out, "Too many requests, please try again later.", http.StatusTooManyRequests)
		case "broken":
			http.Error(out, "planted", http.StatusInternalServerError)
		case "gone":
			panic(http.ErrAbortHandler)
		case "unheard": // done, and the answer is lost
			through.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case "expired": // the real server refuses the token
			r.Header.Set("Authorization", "Bearer over")
			through.ServeHTTP(out, r)
		case "conflict":
			if r.Method == http.MethodPut {
				conflict()
			}
			through.ServeHTTP(out, r)
		default:
			through.ServeHTTP(out, r)
		}
	}))
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}
