package balance_test

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestMembersLearnWhoTheClientIs(t *testing.T) {
	t.Parallel()
	var got http.Header
	a := newServer(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	for _, c := range []struct {
		name, trusted string
		want          map[string]string
	}{
		{"what a stranger says is replaced", "", map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "bcc.test",
			"Forwarded": `for=127.0.0.1;proto=http;host="bcc.test"`, "X-Real-Ip": "", "X-Forwarded-Port": "",
		}},
		{"what a proxy of ours says is added to", "127.0.0.0/8", map[string]string{
			"X-Forwarded-For": "9.9.9.9, 8.8.8.8, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "bcc.example.org",
			"Forwarded": `for=6.6.6.6, for=127.0.0.1;proto=http;host="bcc.test"`, "X-Real-Ip": "",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := quick()
			if c.trusted != "" {
				cfg.Trusted = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			}
			front := start(t, cfg, 1, a.URL)
			r, _ := http.NewRequest(http.MethodGet, front.URL+"/x?a=b;c", nil)
			r.Host = "bcc.test"
			for k, v := range map[string]string{
				"X-Forwarded-Proto": "https", "X-Forwarded-Host": "bcc.example.org", "Forwarded": "for=6.6.6.6", "X-Real-Ip": "1.1.1.1",
				"X-Forwarded-Port": "1", "Connection": "X-Secret, close", "X-Secret": "hop", "Keep-Alive": "7", "Proxy-Authorization": "Basic x",
			} {
				r.Header.Set(k, v)
			}
			r.Header["X-Forwarded-For"] = []string{"9.9.9.9", "8.8.8.8"}
			answer, err := front.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			for k, want := range c.want {
				if v := got.Get(k); v != want {
					t.Errorf("%s: %q, want %q", k, v, want)
				}
			}
			for _, k := range []string{"X-Secret", "Keep-Alive", "Proxy-Authorization", "Connection"} {
				if v := got.Get(k); v != "" {
					t.Errorf("%s: %q came through: it is for one hop", k, v)
				}
			}
		})
	}
}
