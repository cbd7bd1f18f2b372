package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"bcc/auth"
	"bcc/server"
)

func TestAPageElsewhereCannotUseABrowserOnThisComputer(t *testing.T) {
	t.Parallel()
	keys, tokens := withKeys(t, "lab")
	anybody := newServer(t, func(c *server.Config) { c.Local = true })
	v, err := auth.New(auth.Config{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	open := newServer(t, func(c *server.Config) { c.Verifier = v })
	keyed := newServer(t, keys, func(c *server.Config) { c.Local = true })
	for name, c := range map[string]struct {
		s            *site
		method, host string
		header       [2]string
		want         int
	}{
		"its own page":                     {anybody, "POST", "", [2]string{"Sec-Fetch-Site", "same-origin"}, 400}, // an empty body
		"a program":                        {anybody, "POST", "localhost:8000", [2]string{}, 400},
		"a form of another site":           {anybody, "POST", "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"an older browser":                 {anybody, "POST", "", [2]string{"Origin", "https://evil.example.org"}, 403},
		"a name that points here":          {anybody, "GET", "evil.example.org", [2]string{}, 403},
		"a name like ours":                 {anybody, "GET", "localhost.evil.example.org:8000", [2]string{}, 403},
		"another address":                  {anybody, "GET", "10.0.0.1:8000", [2]string{}, 403},
		"loopback by number":               {anybody, "GET", "[::1]:8000", [2]string{}, 200},
		"open to everyone, by name":        {open, "GET", "slides.example.org", [2]string{}, 200},
		"open to everyone, from elsewhere": {open, "POST", "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"with a key, by name":              {keyed, "GET", "slides.example.org", [2]string{"Authorization", "Bearer " + tokens[0]}, 200},
		"with a key, from elsewhere":       {keyed, "POST", "", [2]string{"Authorization", "Bearer " + tokens[0]}, 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.s.url+"/cohorts", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		r.Header.Set("Content-Type", "application/json")
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %s, want %d: %s", name, res.Status, c.want, body)
		}
	}
}
