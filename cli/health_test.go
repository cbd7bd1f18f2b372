package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func health(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(context.WithoutCancel(t.Context()), append([]string{"health"}, args...), Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestHealthAsksWhatIsReady(t *testing.T) {
	t.Parallel()
	answers := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(answers))
	t.Cleanup(plain.Close)
	secret := httptest.NewTLSServer(http.HandlerFunc(answers))
	t.Cleanup(secret.Close)
	addr := plain.Listener.Addr().String()
	_, port, _ := strings.Cut(addr, ":")
	for name, args := range map[string][]string{
		"an address":                {plain.URL},
		"an address with a path":    {plain.URL + "/readyz"},
		"the settings of serve":     {"--addr", addr},
		"every address":             {"--addr", ":" + port},
		"every address, in figures": {"--addr", "0.0.0.0:" + port},
		"a port":                    {"--port", port},
		"metrics before the API":    {"--addr", "127.0.0.1:1", "--metrics-addr", addr, "--tls-cert", "of-the-api.pem"},
		"behind a certificate":      {"--addr", secret.Listener.Addr().String(), "--tls-cert", "its.pem"},
		"https on this machine":     {secret.URL},
	} {
		if code, out, said := health(t, args...); code != 0 || out != "ready\n" {
			t.Errorf("%s: exit code %d, %q, %s", name, code, out, said)
		}
	}
}

func TestHealthSaysWhatIsNotReady(t *testing.T) {
	t.Parallel()
	draining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "it is being ended", http.StatusServiceUnavailable)
	}))
	t.Cleanup(draining.Close)
	elsewhere := httptest.NewServer(http.RedirectHandler("https://192.0.2.1/", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hangs.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"draining":    {[]string{draining.URL}, 7, "it is being ended"},
		"a redirect":  {[]string{elsewhere.URL}, 7, "302"},
		"hangs":       {[]string{"--timeout", "50ms", hangs.URL}, 7, "deadline"},
		"not there":   {[]string{gone.URL}, 7, "bcc: hint: is it running"},
		"no address":  {[]string{"localhost:8000"}, 2, "want the address of a server"},
		"no host":     {[]string{"--metrics-addr", "9100"}, 2, "want host:port"},
		"two of them": {[]string{gone.URL, gone.URL}, 2, ""},
	} {
		code, out, said := health(t, c.args...)
		if code != c.code || !strings.Contains(said, c.says) || out != "" {
			t.Errorf("%s: exit code %d, %q: %s", name, code, out, said)
		}
	}
}
