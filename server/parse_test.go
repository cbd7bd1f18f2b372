package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"bcc/fault"
	"bcc/server"
)

func TestForwardedAddressesCountFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, remote, forwarded, want string
		trusted                       []string
	}{
		{"nobody is trusted", "10.0.0.1:5", "1.2.3.4", "10.0.0.1", nil},
		{"a stranger", "203.0.113.9:5", "1.2.3.4", "203.0.113.9", []string{"10.0.0.0/8"}},
		{"the proxy", "10.0.0.1:5", "1.2.3.4", "1.2.3.4", []string{"10.0.0.0/8"}},
		{"a client that lies to the proxy", "10.0.0.1:5", "9.9.9.9, 1.2.3.4", "1.2.3.4", []string{"10.0.0.0/8"}},
		{"two proxies", "10.0.0.1:5", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4", []string{"10.0.0.0/8"}},
		{"words in place of an address", "10.0.0.1:5", "x\", 1.2.3.4, nonsense", "10.0.0.1", []string{"10.0.0.0/8"}},
		{"the proxy itself", "10.0.0.1:5", "", "10.0.0.1", []string{"10.0.0.0/8"}},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", "1.2.3.4", "1.2.3.4", []string{"10.0.0.0/8"}},
		{"IPv6", "[fd00::1]:5", "2001:db8::7", "2001:db8::7", []string{"fd00::/8"}},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := server.Client(r, c.trusted...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":{"a":1},"b":[{"a":2},{"a":3}]}`, `{"a":1,"A":2}`, `{"\u0061":1,"a":2}`, `"x"`, `[]`, `{"a":"\"}","b":"{"}`, `[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]`, `nul`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := server.CheckJSON(data, 100)
		if err == nil && !json.Valid(data) {
			t.Fatal("what is no JSON passes")
		}
		if err != nil && fault.Of(err) != fault.Invalid {
			t.Fatalf("%v is %v", err, fault.Of(err))
		}
	})
}

func TestAFieldGivenTwiceIsFoundWhereverItStands(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		`{"a":1,"b":2}`:                    true,
		`{"a":{"a":{"a":[]}}}`:             true,
		`[{"a":1},{"a":2}]`:                true,
		`{"a":["a","a"],"b":"a"}`:          true,
		`{"a":"x\"y","b":"}{"}`:            true,
		`{"a":1,"a":2}`:                    false,
		`{"a":1,"A":2}`:                    false,
		`{"a":1,"\u0061":2}`:               false,
		`{"b":[{"a":1,"c":{},"a":2}]}`:     false,
		`{"b":{"x":1},"c":{"x":1},"b":{}}`: false,
	} {
		if err := server.CheckJSON([]byte(text), 4); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"s.tif", "../x", `a\b`, "\r\n", "é.svs", "", ".", strings.Repeat("ü", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		plain := server.PlainName(name)
		if plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\\r\n\x00") || !utf8.ValidString(plain) || utf8.RuneCountInString(plain) > 200 {
			t.Fatalf("%q becomes %q", name, plain)
		}
		save := server.SaveName(name)
		if save == "" || len(save) > 80 || strings.Trim(save, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			t.Fatalf("%q is saved as %q", name, save)
		}
	})
}

func FuzzForm(f *testing.F) {
	body, _ := formOf(f, []byte("data"), "x.png", "overlap", "0.5")
	f.Add(body.Bytes())
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--"))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''%2e%2e\r\n\r\n\r\n--b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := http.NewRequest("POST", "/predict", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		fields, file, err := server.ParseForm(r)
		if err == nil && len(file) > len(data) {
			t.Fatal("more comes out than went in")
		}
		for k, v := range fields {
			if len(v) > 1<<10 {
				t.Fatalf("%s has %d bytes", k, len(v))
			}
		}
	})
}
