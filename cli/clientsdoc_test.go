package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/cli"
)

// programs are how the languages of docs/clients.md are run; every block of code there
// has to be in one of them.
var programs = map[string]struct {
	file string
	run  []string
}{
	"go":     {"main.go", []string{"go", "run"}},
	"python": {"client.py", []string{"python3"}},
	"js":     {"client.mjs", []string{"node"}},
	"sh":     {"client.sh", []string{"bash"}},
}

var codeBlock = regexp.MustCompile("(?ms)^```(\\S*)\n(.*?)^```$")

// TestClientsOfTheDocuments runs the programs of docs/clients.md against a server that is
// busy at first, ends in between, and whose events break off.
func TestClientsOfTheDocuments(t *testing.T) {
	if _, err := os.Stat(engineLibrary()); err != nil || !cgo {
		t.Skip("the engine library is not here")
	}
	if testing.Short() {
		t.Skip("a whole server and a compiler: two seconds of a core")
	}
	text, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := codeBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != len(programs) {
		t.Fatalf("%d blocks of code: want one in each of %d languages", len(blocks), len(programs))
	}
	t.Setenv("BCC_ENGINE_LIBRARY", engineLibrary())
	dir := t.TempDir()
	files := pictures(t, dir)
	at := bccServe(t, dir)
	all := map[string]*clientRun{} // at once: they mostly wait
	for _, b := range blocks {
		if _, known := programs[b[1]]; !known {
			t.Errorf("a block in %q, which nobody runs", b[1])
			continue
		}
		all[b[1]] = runClient(t, b[1], b[2], at, files)
	}
	for language, r := range all {
		t.Run(language, r.check)
	}
}

// clientRun is a program of the documents that runs.
type clientRun struct {
	room        string
	trouble     *troubled
	missing     string // what it wants and is not here
	said, cried bytes.Buffer
	err         error
	ended       chan struct{}
}

func runClient(t *testing.T, language, code string, at *url.URL, files []string) *clientRun {
	t.Helper()
	p := programs[language]
	r := &clientRun{room: t.TempDir(), ended: make(chan struct{})}
	if _, err := exec.LookPath(p.run[0]); err != nil {
		r.missing = p.run[0]
	} else if language == "sh" && !curlKnowsHeaders() {
		r.missing = "curl 7.83"
	}
	path := filepath.Join(r.room, p.file)
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	r.trouble = &troubled{to: at, gentle: language == "sh"} // curl tries again what was answered, and no more
	front := httptest.NewServer(r.trouble)
	t.Cleanup(front.Close)
	go func() {
		defer close(r.ended)
		if r.missing != "" {
			return
		}
		run := append(slices.Clone(p.run), path)
		if language == "go" { // out of the module, which is here
			run = []string{filepath.Join(r.room, "client")}
			build := exec.CommandContext(t.Context(), "go", "build", "-o", run[0], path)
			if out, err := build.CombinedOutput(); err != nil {
				r.err = fmt.Errorf("%w: %s", err, out)
				return
			}
		}
		cmd := exec.CommandContext(t.Context(), run[0], append(run[1:], files...)...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = r.room, &r.said, &r.cried
		cmd.Env = append(os.Environ(), "BCC_SERVER="+front.URL, "BCC_KEY=")
		r.err = cmd.Run()
	}()
	return r
}

// check waits for the program and looks at what it said and left.
func (r *clientRun) check(t *testing.T) {
	<-r.ended
	if r.missing != "" {
		t.Skipf("%s is not here: its example is not run (make setup-clients)", r.missing)
	}
	if r.err != nil {
		t.Fatalf("%v: %s\nhaving said %s", r.err, &r.cried, &r.said)
	}
	lines := strings.Split(strings.TrimSpace(r.said.String()), "\n")
	want := []string{"^patch: [BNI][a-zA-Z-]+ 0\\.[0-9]{2}$", "^slide-1.tif: done, BCC [01]\\.[0-9]{2}$", "^slide-2.tif: done, [BNI][a-zA-Z-]+ 0\\.[0-9]{2}$", "^2 of 2 done$"}
	if len(lines) != len(want) {
		t.Fatalf("it says %q", lines)
	}
	slices.Sort(lines[1:3]) // slides end in any order
	for i, w := range want {
		if !regexp.MustCompile(w).MatchString(lines[i]) {
			t.Errorf("it says %q, want %s", lines[i], w)
		}
	}
	for _, name := range []string{"slide-1.geojson", "slide-2.geojson"} {
		data, err := os.ReadFile(filepath.Join(r.room, name))
		var outlines struct{ Type string }
		if err != nil || json.Unmarshal(data, &outlines) != nil || outlines.Type != "FeatureCollection" {
			t.Errorf("%s: %v, %.100s", name, err, data)
		}
	}
	r.trouble.check(t)
}

func curlKnowsHeaders() bool {
	out, err := exec.Command("curl", "-s", "-o", os.DevNull, "-w", "%header{x}", "file:///dev/null").Output()
	return err == nil && len(out) == 0
}

// pictures are a patch and two slides, the first with a carcinoma.
func pictures(t *testing.T, dir string) []string {
	t.Helper()
	out := []string{filepath.Join(dir, "patch.png")}
	m := image.NewRGBA(image.Rect(0, 0, 224, 224))
	for i := range 224 * 224 {
		m.SetRGBA(i%224, i/224, color.RGBA{uint8(200 - i%23), 120, 190, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out[0], b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, share := range []string{"1", "0"} {
		set := filepath.Join(dir, "set"+share)
		std := cli.Streams{Out: &b, Err: &b}
		if code := cli.Run(t.Context(), []string{"synth", "--out", set, "--bcc", share, "--seed", "41", "--size", "1536x1024"}, std); code != 0 {
			t.Fatalf("synth: %d: %s", code, &b)
		}
		out = append(out, filepath.Join(dir, fmt.Sprintf("slide-%d.tif", i+1)))
		if err := os.Rename(filepath.Join(set, "synth-00000.tif"), out[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// bccServe is bcc serve, until the test ends.
func bccServe(t *testing.T, dir string) *url.URL {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	file := filepath.Join(dir, "addr")
	var said bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- cli.Run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--addr-file", file, "--data", filepath.Join(dir, "data")}, cli.Streams{Out: &said, Err: &said})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("bcc serve ends with %d: %s", code, &said)
		}
	})
	for {
		if addr, err := os.ReadFile(file); err == nil {
			return &url.URL{Scheme: "http", Host: strings.TrimSpace(string(addr))}
		}
		select {
		case code := <-ended:
			go func() { ended <- code }()
			t.Fatalf("bcc serve ends with %d: %s", code, &said)
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("bcc serve does not begin")
		}
	}
}

// troubled stands in front of a server: the first patch is told 429, the first cohort is
// submitted and its answer lost, the first stream of events ends after a slide.
type troubled struct {
	to     *url.URL
	gentle bool // the answer to the cohort is not lost, and nobody goes on where a stream was

	mu      sync.Mutex
	patches []time.Time
	orders  []string // their Idempotency-Keys
	streams []string // the Last-Event-IDs
}

func (p *troubled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proxy := httputil.NewSingleHostReverseProxy(p.to)
	proxy.FlushInterval = -1
	p.mu.Lock()
	to, refused := w, false
	switch {
	case r.URL.Path == "/predict":
		p.patches = append(p.patches, time.Now())
		refused = len(p.patches) == 1
	case r.URL.Path == "/cohorts" && r.Method == "POST":
		p.orders = append(p.orders, r.Header.Get("Idempotency-Key"))
		if len(p.orders) == 1 && !p.gentle {
			defer func() { http.NewResponseController(w).Flush(); panic(http.ErrAbortHandler) }()
			to = httptest.NewRecorder()
		}
	case strings.HasSuffix(r.URL.Path, "/events"):
		p.streams = append(p.streams, r.Header.Get("Last-Event-ID"))
		if len(p.streams) == 1 {
			to = cutting{w}
		}
	}
	p.mu.Unlock()
	if refused {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error": {"code": 429, "message": "too many pictures at once", "details": ""}}`)
		return
	}
	proxy.ServeHTTP(to, r)
}

// cutting breaks an answer off after its first end of a slide.
type cutting struct{ http.ResponseWriter }

func (c cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c cutting) Write(b []byte) (int, error) {
	if _, rest, found := bytes.Cut(b, []byte("event: slide\n")); found {
		if _, after, whole := bytes.Cut(rest, []byte("\n\n")); whole {
			_, _ = c.ResponseWriter.Write(b[:len(b)-len(after)])
			http.NewResponseController(c.ResponseWriter).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	return c.ResponseWriter.Write(b)
}

// check looks at what a client did about its troubles.
func (p *troubled) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.patches) != 2 || p.patches[1].Sub(p.patches[0]) < time.Second {
		t.Errorf("a patch is sent at %v: Retry-After was a second", p.patches)
	}
	if !p.gentle && len(p.orders) != 2 {
		t.Errorf("a cohort is submitted %d times", len(p.orders))
	}
	for _, k := range p.orders {
		if k == "" || k != p.orders[0] {
			t.Errorf("a cohort is submitted under the keys %q", p.orders)
		}
	}
	if len(p.streams) < 2 || !p.gentle && p.streams[1] == "" {
		t.Errorf("events are asked for after %q", p.streams)
	}
}
