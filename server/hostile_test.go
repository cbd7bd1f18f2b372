package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/fault"
	"bcc/server"
)

// raw sends bytes as they are and returns what comes back until the server closes.
func (s *site) raw(t *testing.T, text string) string {
	t.Helper()
	c := s.dial(t)
	if _, err := io.WriteString(c, text); err != nil {
		return "" // it has hung up already
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return ""
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, _ := io.ReadAll(c)
	return string(b)
}

func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// alive fails the test where others are not served meanwhile.
func (s *site) alive(t *testing.T) {
	t.Helper()
	begun := time.Now()
	s.predict(t, patchPicture(t), "p.png", nil).wants(t, 200)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("others wait for %v", took)
	}
}

const part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.png\"\r\n\r\n"

func form(head, body string) string {
	return "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n" + head + "\r\n" + body
}

func TestABodyShorterThanAnnouncedIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, data := range []string{"\x89PNG\r\n\x1a\n and no more", "\x89PN", ""} {
		got := s.raw(t, form("Content-Length: 100000\r\n", part+data))
		if !strings.HasPrefix(got, "HTTP/1.1 400") {
			t.Errorf("after %q: %q", data, got)
		}
	}
	if got := s.raw(t, "POST /cohorts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("JSON: %q", got)
	}
	if got := s.raw(t, "POST /slides HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n\x89PNG\r\n\x1a\n"+strings.Repeat("x", 70<<10)); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("a bare slide: %q", got)
	}
	if n := len(s.incoming(t)); n > 0 {
		t.Errorf("%d files are left", n)
	}
	s.alive(t)
}

func TestABodyLongerThanAnnouncedIsNoSecondRequest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	got := s.raw(t, "POST /cohorts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}garbage that is no request\r\n\r\n")
	if strings.Count(got, "HTTP/1.1 ") != 2 || strings.Count(got, " 400 ") != 2 {
		t.Errorf("%q", got)
	}
}

func TestAnEndlessBodyEndsAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.MaxUpload = 1 << 20 })
	head := strings.NewReader(part + "\x89PNG\r\n\x1a\n")
	s.do(t, "POST", "/predict", io.MultiReader(head, endless{}), "Content-Type", "multipart/form-data; boundary=b").wants(t, 413)
	s.do(t, "POST", "/slides", io.MultiReader(strings.NewReader("\x89PNG\r\n\x1a\n"), endless{}), "Content-Type", "image/png").wants(t, 413)
	s.do(t, "POST", "/predict", endless{}, "Content-Type", "multipart/form-data; boundary=b").wants(t, 400) // before the first part
	s.do(t, "POST", "/predict", repeat("\r\n", 1<<20), "Content-Type", "multipart/form-data; boundary=b").wants(t, 413)
	if n := len(s.incoming(t)); n > 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAnAnnouncedLengthIsRefusedUnread(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/predict", "/slides"} {
		c := s.dial(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999999\r\n\r\n", path)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 413 {
			t.Errorf("%s: %v %v", path, res, err)
		}
	}
}

func TestAFormThatIsABombIsRefusedEarly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	field := "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n1\r\n"
	for name, body := range map[string]io.Reader{
		"a million parts":       repeat(strings.NewReplacer("%s", "").Replace(field), 1_000_000),
		"a million nameless":    repeat("--b\r\n\r\n\r\n", 1_000_000),
		"a header of 20 MB":     io.MultiReader(strings.NewReader("--b\r\nX: "), repeat("x", 20<<20)),
		"a million headers":     io.MultiReader(strings.NewReader("--b\r\n"), repeat("X: y\r\n", 1_000_000)),
		"a form within":         strings.NewReader(part + "--c\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--c--\r\n--b--\r\n"),
		"two files":             strings.NewReader(part + "\x89PNG\r\n\x1a\n\r\n" + part + "\x89PNG\r\n\x1a\n\r\n--b--\r\n"),
		"no file":               strings.NewReader(fmt.Sprintf(field, "overlap") + "--b--\r\n"),
		"nothing":               strings.NewReader(""),
		"an end without a part": strings.NewReader("--b--\r\n"),
		"another boundary":      strings.NewReader("--c\r\n\r\n--c--\r\n"),
	} {
		begun := time.Now()
		a := s.do(t, "POST", "/predict", body, "Content-Type", "multipart/form-data; boundary=b")
		if a.status != 400 && a.status != 415 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	for _, kind := range []string{"multipart/form-data", "multipart/form-data; boundary=" + strings.Repeat("b", 100)} {
		s.post(t, "/predict", kind, "--b--\r\n").wants(t, 400, "boundary")
	}
	s.alive(t)
}

// repeat is a text n times over.
func repeat(text string, n int) io.Reader {
	return io.LimitReader(&repeated{text: text}, int64(n)*int64(len(text)))
}

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m := copy(p[n:], r.text[r.at:])
		n, r.at = n+m, (r.at+m)%len(r.text)
	}
	return n, nil
}

func TestAnswersHoldNoLinesOfAClient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{
		"a\r\nSet-Cookie: x=1\r\n.png", `a"; filename="b.html`, "../../../etc/passwd", `..\..\x.tif`, "Müller Änne 1950 — β.tif", strings.Repeat("a", 5000), "..", "<script>alert(1)</script>.png",
	} {
		body := strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, `\"`).Replace(name) + "\"\r\n\r\n" + string(slidePicture(t)) + "\r\n--b\r\nContent-Disposition: form-data; name=\"mpp_um\"\r\n\r\n4\r\n--b--\r\n")
		a := s.do(t, "POST", "/predict", body, "Content-Type", "multipart/form-data; boundary=b").wants(t, 200)
		id := a.json(t)["id"].(string)
		for _, file := range []string{"result", "report.html", "lesions.geojson"} {
			h := s.get(t, "/slides/"+id+"/"+file).wants(t, 200).header
			d := h.Get("Content-Disposition")
			if h.Get("Set-Cookie") != "" || strings.ContainsAny(d, "\r\n\\/<>") || strings.Count(d, `"`) != 2 || len(d) > 200 {
				t.Errorf("%q: %q", name, d)
			}
			for _, r := range d {
				if r < ' ' || r > '~' {
					t.Errorf("%q: %q", name, d)
				}
			}
		}
		if page := s.get(t, "/slides/"+id+"/report.html"); strings.Contains(string(page.body), "<script>alert") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%q: the report holds a script, or may run one", name)
		}
	}
	got := s.raw(t, "GET /health HTTP/1.1\r\nHost: evil.example\r\nX-Request-Id: mine\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n")
	if strings.Contains(got, "evil") || strings.Contains(got, "mine") {
		t.Errorf("a stranger's words come back: %s", got)
	}
}

func TestNoPathLeadsOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.finished(t)
	ids := []string{
		"..", "../..", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2fcohorts", ".", "%00", "c%00", "~", "*", "C" + id[1:], id + "%2f..", id + "/..", "-1",
		strings.Replace(id, "-0", "-00", 1), strings.Replace(id, "-0", "-+0", 1), strings.Replace(id, "-0", "-1", 1), strings.Replace(id, "-0", "--1", 1),
		strings.Replace(id, "-0", "-99999999999999999999", 1), id[:10], id + "x", strings.Repeat("c", 4000), "%5c..%5c..", "c%0d%0aSet-Cookie:x",
	}
	for _, bad := range ids {
		for _, p := range []string{"/cohorts/%s", "/cohorts/%s/events", "/slides/%s", "/slides/%s/result", "/slides/%s/slide.dzi", "/slides/%s/slide_files/0/0_0.jpg", "/slides/%s/heatmap_files/0/0_0.png"} {
			if !strings.HasPrefix(p, "/slides") && bad == id {
				continue
			}
			got := s.raw(t, "GET "+fmt.Sprintf(p, bad)+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 404") && !strings.HasPrefix(got, "HTTP/1.1 400") || strings.Contains(got, "root:") || strings.Contains(got, "Set-Cookie:") {
				t.Errorf(p+": %.200q", bad, got)
			}
		}
	}
	for _, p := range []string{"slide_files/-1/0_0.jpg", "slide_files/0/1_0.jpg", "slide_files/99/0_0.jpg", "slide_files/0/0_0.png", "slide_files/0/0_0", "slide_files/0/00_0.jpg", "slide_files/0/0_0_0.jpg",
		"slide_files/99999999999999999999/0_0.jpg", "slide_files/..%2f/0_0.jpg", "heatmap_files/0/0_0.jpg", "heatmap_files/0/9_9.png", "heatmap_files/x/0_0.png", "sums.json", "manifest.json", "slide.tif"} {
		if a := s.get(t, "/slides/"+id+"/"+p); a.status != 404 {
			t.Errorf("%s: %d %s", p, a.status, a.body)
		}
	}
	for _, p := range []string{"heatmap.dzi?threshold=2", "heatmap.dzi?threshold=NaN", "heatmap_files/0/0_0.png?threshold=x"} {
		s.get(t, "/slides/"+id+"/"+p).wants(t, 400)
	}
	for _, p := range []string{"/assets/../server.go", "/assets/..%2f..%2fserver.go", "/assets/", "/assets/style", "/assets/none.js", "/index.html", "//evil.example", "/health/", "/nothing"} {
		got := s.raw(t, "GET "+p+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404") || strings.Contains(got, "\nLocation") {
			t.Errorf("%s: %.200q", p, got)
		}
	}
	for _, q := range []string{"limit=-1", "limit=x", "limit=99999999", "offset=-1", "offset=1e3", "limit=" + strings.Repeat("1", 5000)} {
		cid, _, _ := strings.Cut(id, "-")
		s.get(t, "/cohorts/"+cid+"?"+q).wants(t, 400)
	}
}

func TestMethodsThatARouteDoesNotKnowAreNamed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/predict", "POST"}, {"PUT", "/cohorts", "GET, HEAD, POST"}, {"DELETE", "/health", "GET, HEAD"}, {"OPTIONS", "/predict", "POST"}, {"TRACE", "/", "GET, HEAD"}, {"BREW", "/slides", "POST"},
	} {
		a := s.do(t, c.method, c.path, nil)
		if a.wants(t, 405); a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: allowed are %q, want %q", c.method, c.path, a.header.Get("Allow"), c.allow)
		}
	}
	head, get := s.do(t, "HEAD", "/model/info", nil), s.get(t, "/model/info")
	if head.status != 200 || len(head.body) > 0 || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("HEAD: %d, %d bytes, of %s", head.status, len(head.body), head.header.Get("Content-Length"))
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, p := range []string{"/", "/health", "/nothing", "/assets/app.js", "/metrics"} {
		h := s.get(t, p).header
		for _, k := range []string{"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "X-Request-Id", "Cache-Control"} {
			if h.Get(k) == "" {
				t.Errorf("%s: no %s", p, k)
			}
		}
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Server") != "" {
			t.Errorf("%s: %v", p, h)
		}
	}
}

func TestASlowBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.BodyWindow = 400 * time.Millisecond })
	for _, path := range []string{"/predict", "/cohorts", "/nothing"} {
		c := s.dial(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n%s\x89PNG\r\n\x1a\n", path, part)
		stop := make(chan struct{})
		go func() { // a byte now and then, for ever
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
					io.WriteString(c, "x")
				}
			}
		}()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if path == "/predict" && res.StatusCode != 408 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		io.Copy(io.Discard, res.Body)
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the connection stays open", path)
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Errorf("%s: the connection stays open", path)
		}
		close(stop)
	}
	s.alive(t)
}

func TestALargeBodyMayTakeItsTimeAsLongAsItComes(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.BodyWindow, c.MinRate = 200*time.Millisecond, 5000 })
	body, kind := formOf(t, append(patchPicture(t), make([]byte, 20<<10)...), "p.png")
	r, w := io.Pipe()
	go func() {
		for body.Len() > 0 {
			w.Write(body.Next(2 << 10))
			time.Sleep(60 * time.Millisecond) // some 600 ms in all, 30 kB a second
		}
		w.Close()
	}()
	s.do(t, "POST", "/predict", r, "Content-Type", kind).wants(t, 200)
}

func TestSlowHeadersAreGivenUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.HeaderTimeout = 150 * time.Millisecond })
	c := s.dial(t)
	io.WriteString(c, "GET /health HTTP/1.1\r\nHost: x\r\nX-A: ")
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(c); err != nil || strings.Contains(string(b), " 200 ") {
		t.Errorf("%q, %v", b, err)
	}
	if got := s.raw(t, "GET /health HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Errorf("a header of 64 KiB: %.100q", got)
	}
}

func TestIdleConnectionsMakeRoomForOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.MaxConns = 40 })
	for range 300 {
		s.dial(t)
	}
	kept := s.dial(t) // the last comers stay
	s.alive(t)
	io.WriteString(kept, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	kept.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := textproto.NewReader(bufio.NewReader(kept)).ReadLine(); err != nil || line != "HTTP/1.1 200 OK" {
		t.Errorf("%q, %v", line, err)
	}
	m := string(s.get(t, "/metrics").body)
	var open, closed float64
	for line := range strings.SplitSeq(m, "\n") {
		fmt.Sscanf(line, "bcc_http_connections %g", &open)
		fmt.Sscanf(line, "bcc_http_connections_closed_total %g", &closed)
	}
	if open > 40 || closed < 260 {
		t.Errorf("%g are open, %g were closed", open, closed)
	}
}

func TestAnAnswerThatIsNotReadIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.BodyWindow = 200 * time.Millisecond })
	id := s.finished(t)
	c := s.dial(t)
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	for range 2000 { // more than both sides' buffers hold
		if _, err := io.WriteString(c, "GET /slides/"+id+"/report.html HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return // hung up on, as it should be
		}
		c.SetWriteDeadline(time.Now().Add(3 * time.Second))
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := io.Copy(io.Discard, c); err == nil && n > 100<<20 {
		t.Errorf("all of it was sent, %d bytes", n)
	}
}

func TestOurOwnFaultsKeepTheirWords(t *testing.T) {
	t.Parallel()
	what := error(fault.New(fault.Internal, "open /srv/data/secret: boom"))
	s := newServer(t, func(c *server.Config) {
		c.Looker = looker{look: func(context.Context, server.Picture) (server.Look, error) {
			if what == nil {
				panic("/srv/data/secret")
			}
			return server.Look{}, what
		}}
	})
	for _, status := range []int{500, 503, 500} {
		a := s.predict(t, patchPicture(t), "p.png", nil).wants(t, status)
		if bytes.Contains(a.body, []byte("secret")) {
			t.Errorf("%s", a.body)
		}
		if what == nil {
			break
		}
		if status == 500 {
			what = fault.New(fault.Unavailable, "dial /srv/data/secret: refused")
		} else {
			what = nil
		}
	}
	if !strings.Contains(s.log.String(), "secret: boom") || !strings.Contains(s.log.String(), "panic in a request") {
		t.Error("the log does not say why")
	}
}

func TestAFullDiskTakesNoUploads(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Machine = func() server.Machine { return server.Machine{DiskFree: 1 << 20, DiskTotal: 1 << 40} }
	})
	s.post(t, "/slides", "image/png", "\x89PNG\r\n\x1a\n").wants(t, 503, "disk is full")
	s.get(t, "/readyz").wants(t, 503)
	s.get(t, "/health").wants(t, 200)
	s.predict(t, patchPicture(t), "p.png", nil).wants(t, 200) // needs none
}

func TestDamagedResultsDoNotLeave(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.finished(t)
	st, _, err := theWorld.ledger.Slide(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	key := "results/" + st.End.Result + "/result.json"
	data, err := blob.Read(t.Context(), theWorld.store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"BCC"`), []byte(`"BCD"`), 1)
	if err := theWorld.store.Put(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	s.get(t, "/slides/"+id+"/result").wants(t, 503, `"message":"result.json of result `+st.End.Result[:12]+` is damaged`)
	s.get(t, "/slides/"+id+"/lesions.geojson").wants(t, 200)
	if err := theWorld.store.Delete(t.Context(), "results/"+st.End.Result+"/sums.json"); err != nil {
		t.Fatal(err)
	}
	s.get(t, "/slides/"+id+"/lesions.geojson").wants(t, 404, "submit the slide again")
	if v := s.get(t, "/slides/"+id).wants(t, 200).json(t); v["files"] != nil || v["prediction"] != "BCC" {
		t.Errorf("told as %v", v)
	}
}
