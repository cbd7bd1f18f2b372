package page

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

// ours yields the files of the page that were written here.
func ours(t *testing.T, yield func(name, text string)) {
	t.Helper()
	n := 0
	err := fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "assets/thirdparty/") {
			return err
		}
		b, err := fs.ReadFile(FS, name)
		n++
		yield(name, string(b))
		return err
	})
	if err != nil || n < 10 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// What the policy forbids would fail in the browser only, and quietly.
func TestItHoldsNothingInline(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+="|javascript:`)
	fromElsewhere := regexp.MustCompile(`(?i)(?:src|href|from|import)\s*=?\s*["'(](?:https?:)?//`)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`)
	ours(t, func(name, text string) {
		if m := inline.FindString(text); m != "" && path.Ext(name) == ".html" {
			t.Errorf("%s holds %q", name, m)
		}
		if m := fromElsewhere.FindString(text); m != "" {
			t.Errorf("%s asks for something from elsewhere: %q", name, m)
		}
		if m := markup.FindString(text); m != "" {
			t.Errorf("%s makes markup of text: %q", name, m)
		}
	})
}

func TestItHoldsAllThatItAsksFor(t *testing.T) {
	t.Parallel()
	asked := regexp.MustCompile(`(?:src|href)="/(assets/[^"]+)"|(?:from|import) "(\.[^"]+)"`)
	imported := map[string]bool{}
	ours(t, func(name, text string) {
		for _, m := range asked.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if m[2] != "" {
				target = path.Join(path.Dir(name), m[2])
			}
			imported[target] = true
			if _, err := fs.Stat(FS, target); err != nil {
				t.Errorf("%s asks for %s, which is not there", name, target)
			}
		}
	})
	ours(t, func(name, _ string) {
		if name != "index.html" && !imported[name] {
			t.Errorf("nothing asks for %s", name)
		}
	})
}

func TestItIsServed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(Handler())
	defer s.Close()
	get := func(path, tag string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", tag)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	for _, c := range []struct {
		path, kind, holds string
		code              int
	}{
		{"/", "text/html; charset=utf-8", `<main id="main"`, 200},
		{"/assets/app.js", "text/javascript; charset=utf-8", "import", 200},
		{"/assets/style/base.css", "text/css; charset=utf-8", ":root", 200},
		{"/assets/icon.svg", "image/svg+xml", "<svg", 200},
		{"/assets/thirdparty/README", "text/plain; charset=utf-8", "make setup", 200},
		{"/assets/", "", "", 404},
		{"/assets/../page.go", "", "", 404},
		{"/page.go", "", "", 404},
	} {
		res, body := get(c.path, "")
		if res.StatusCode != c.code || !strings.Contains(body, c.holds) {
			t.Errorf("%s: %d %.80q", c.path, res.StatusCode, body)
		}
		if c.code != 200 {
			continue
		}
		if got := res.Header.Get("Content-Type"); got != c.kind {
			t.Errorf("%s is %s, want %s", c.path, got, c.kind)
		}
		if res.Header.Get("Content-Security-Policy") != Policy {
			t.Errorf("%s comes without the policy", c.path)
		}
		if res, _ := get(c.path, res.Header.Get("ETag")); res.StatusCode != 304 {
			t.Errorf("%s: sent again though it is the same: %d", c.path, res.StatusCode)
		}
	}
}

// The parts that compute are tested by themselves, in node.
func TestItComputes(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here")
	}
	if exec.CommandContext(t.Context(), node, "-e", "[].toSorted()").Run() != nil {
		t.Skip("node is older than 20")
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), node, "--test", "testdata/")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}
