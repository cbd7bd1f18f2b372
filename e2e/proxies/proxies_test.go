//go:build e2e

// Package proxies puts the examples of deploy/nginx and deploy/haproxy in front of three
// real bcc serve that share a queue and a store. The files are those that users copy, with
// addresses, ports and paths put in. It takes a minute: make e2e-proxies.
package proxies

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNginx(t *testing.T)   { goesThrough(t, startNginx) }
func TestHAProxy(t *testing.T) { goesThrough(t, startHAProxy) }

// goesThrough has a proxy do all that it is there for, one thing after the other.
func goesThrough(t *testing.T, start func(*testing.T, *fleet) *proxy) {
	f := newFleet(t)
	p := start(t, f)
	steps := []struct {
		name string
		run  func(*testing.T, *fleet, *proxy)
	}{
		{"sends plain HTTP to where it is encrypted", redirects},
		{"hands pictures out to all servers", predicts},
		{"says who the client is, whatever that claims", forwards},
		{"lets an upload through as it comes", uploads},
		{"passes events on one by one", events},
		{"goes on without a server that was killed", kills},
		{"loses nothing when each server restarts in turn", restarts},
		{"does no order twice", orders},
	}
	for _, s := range steps {
		if !t.Run(s.name, func(t *testing.T) { s.run(t, f, p) }) {
			return
		}
	}
}

func redirects(t *testing.T, _ *fleet, p *proxy) {
	c := p.client("127.0.0.1")
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Get(p.plain + "/health")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || !strings.HasPrefix(to, "https://") {
		t.Errorf("%d to %q", res.StatusCode, to)
	}
}

func predicts(t *testing.T, f *fleet, p *proxy) {
	c := p.client("127.0.0.1")
	for i := range 12 {
		var a struct{ Prediction string }
		p.json(t, c, f.predict(t, p, uint64(i)), http.StatusOK, &a)
		if a.Prediction == "" {
			t.Fatal("an answer without a prediction")
		}
	}
	for _, s := range f.servers {
		if n := s.requests(t, "POST /predict"); n == 0 {
			t.Errorf("server %s was never asked", s.address)
		}
	}
	res := p.do(t, c, f.request(t, http.MethodGet, p.base+"/health", nil))
	res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("HTTP/%d, want 2", res.ProtoMajor)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("the server was not told that the client's side is encrypted")
	}
}

// forwards comes from an address of its own, and claims another.
func forwards(t *testing.T, f *fleet, p *proxy) {
	r := f.request(t, http.MethodGet, p.base+"/model/info", nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	r.Header.Set("X-Forwarded-Proto", "http")
	r.Header.Set("Forwarded", "for=203.0.113.7")
	res := p.do(t, p.client("127.0.0.9"), r)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d, headers %v", res.StatusCode, res.Header)
	}
	var clients []string
	for _, s := range f.servers {
		for _, l := range s.lines(t) {
			if l.Route == "GET /model/info" {
				clients = append(clients, l.Client)
			}
		}
	}
	if len(clients) != 1 || clients[0] != "127.0.0.9" {
		t.Errorf("servers saw %v, want 127.0.0.9", clients)
	}
}

// uploads sends half of a slide, waits until a server has that on its disk, and sends
// the rest.
func uploads(t *testing.T, f *fleet, p *proxy) {
	const size = 96 << 20
	slide := f.slide(t, size, "upload")
	out, in := io.Pipe()
	r := f.request(t, http.MethodPost, p.base+"/slides", out)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.ContentLength = size
	sent := make(chan error, 1)
	go func() {
		_, err := in.Write(slide[:size/2])
		sent <- err
	}()
	var answered http.Response
	done := make(chan error, 1)
	go func() {
		res, err := p.client("127.0.0.1").Do(r)
		if err == nil {
			answered = *res
		}
		done <- err
	}()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	until(t, "half of the slide lies with a server while the rest was not sent", func() bool {
		var most int64
		for _, s := range f.servers {
			most = max(most, s.incoming(t))
		}
		return most > size/2-(4<<20) // sockets and buffers hold some
	})
	if n := p.stored(t); n > 1<<20 {
		t.Errorf("the proxy keeps %d bytes on its disk", n)
	}
	if _, err := in.Write(slide[size/2:]); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	defer answered.Body.Close()
	var u struct{ Upload string }
	if text, _ := io.ReadAll(answered.Body); answered.StatusCode != http.StatusCreated || json.Unmarshal(text, &u) != nil || u.Upload != digest(slide) {
		t.Errorf("%d: %s", answered.StatusCode, text)
	}
}

// events orders a slide that nobody works on, hears that it waits, and only then starts a
// worker: what was kept back would not have come before.
func events(t *testing.T, f *fleet, p *proxy) {
	f.rest()
	slide := f.slide(t, 0, "events")
	c := p.client("127.0.0.1")
	r := f.request(t, http.MethodPost, p.base+"/slides", bytes.NewReader(slide))
	var u struct{ Upload string }
	p.json(t, c, r, http.StatusCreated, &u)
	var made struct{ ID string }
	p.json(t, c, f.order(t, p, u.Upload, ""), http.StatusCreated, &made)

	stream := p.do(t, c, f.request(t, http.MethodGet, p.base+"/cohorts/"+made.ID+"/events", nil))
	defer stream.Body.Close()
	if stream.StatusCode != http.StatusOK || !strings.HasPrefix(stream.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", stream.StatusCode, stream.Header.Get("Content-Type"))
	}
	names := make(chan string, 1000)
	go func() {
		defer close(names)
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
			if name, is := strings.CutPrefix(lines.Text(), "event: "); is {
				names <- name
			}
		}
	}()
	next := func() string {
		select {
		case n := <-names:
			return n
		case <-time.After(long):
			t.Fatal("no event")
			return ""
		}
	}
	if n := next(); n != "cohort" {
		t.Fatalf("the first event is %q", n)
	}
	f.work(t)
	heard := map[string]int{}
	for n := next(); n != "end" && n != ""; n = next() {
		heard[n]++
	}
	if heard["slide"] != 1 {
		t.Errorf("events %v, want the slide's end once", heard)
	}
	f.done = made.ID + "-0"
}

// kills kills a server under a load that may be sent again, and brings it back.
func kills(t *testing.T, f *fleet, p *proxy) {
	l := f.load(t, p)
	l.until(t, 60)
	victim := f.servers[1]
	victim.kill(t)
	l.until(t, 200)
	victim.start(t)
	before := victim.all(t)
	until(t, "the server that came back is asked again", func() bool { return victim.all(t) > before })
	if n, wrong := l.end(); len(wrong) > 0 {
		t.Errorf("%d of %d requests came to nothing: %v", len(wrong), n, wrong[:min(len(wrong), 3)])
	}
}

// restarts restarts all servers, each taken out before as the proxy has it.
func restarts(t *testing.T, f *fleet, p *proxy) {
	l := f.load(t, p)
	l.until(t, 30)
	for _, s := range f.servers {
		p.hold(t, s, true)
		s.stop(t)
		s.start(t)
		p.hold(t, s, false)
		before := s.all(t)
		until(t, "the server that came back is asked again", func() bool { return s.all(t) > before })
	}
	if n, wrong := l.end(); len(wrong) > 0 {
		t.Errorf("%d of %d requests came to nothing: %v", len(wrong), n, wrong[:min(len(wrong), 3)])
	}
}

// orders kills the server that has half of a body which must not be sent again: the
// client is told, and no other server hears of it.
func orders(t *testing.T, f *fleet, p *proxy) {
	slide := f.slide(t, 8<<20, "twice")
	out, in := io.Pipe()
	r := f.request(t, http.MethodPost, p.base+"/slides", out)
	r.ContentLength = int64(len(slide))
	type answer struct {
		status int
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		res, err := p.client("127.0.0.1").Do(r)
		if err != nil {
			done <- answer{0, err}
			return
		}
		res.Body.Close()
		done <- answer{res.StatusCode, nil}
	}()
	if _, err := in.Write(slide[:6<<20]); err != nil {
		t.Fatal(err)
	}
	var at *server
	until(t, "a server has part of the upload", func() bool {
		for _, s := range f.servers {
			if s.incoming(t) > 1<<20 {
				at = s
			}
		}
		return at != nil
	})
	var others int
	for _, s := range f.servers {
		others += s.requests(t, "POST /slides")
	}
	at.kill(t)
	go func() { _, _ = in.Write(slide[6<<20:]); in.Close() }() // which nobody may read
	a := <-done
	out.Close()
	if a.err == nil && a.status < 500 {
		t.Errorf("the answer is %d", a.status)
	}
	at.start(t)
	var after int
	for _, s := range f.servers {
		after += s.requests(t, "POST /slides")
	}
	if after != others {
		t.Errorf("%d uploads were heard of by servers after the kill", after-others)
	}
	t.Logf("the client was told %d, %v", a.status, a.err)
}

// The examples as they are, but for the certificates that this machine does not have.
func TestTheExamplesAreRead(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	nginx, haproxy := program(t, "nginx"), program(t, "haproxy")
	conf := read(t, "../../deploy/nginx/bcc.conf")
	conf = swap(t, conf, "/etc/ssl/bcc/", dir+"/")
	path := nginxAround(t, dir, conf)
	succeeds(t, nginx, "-t", "-p", dir, "-c", path)

	cfg := swap(t, read(t, "../../deploy/haproxy/haproxy.cfg"), "/etc/haproxy/bcc.pem", filepath.Join(dir, "both.pem"))
	path = filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := succeeds(t, haproxy, "-c", "-f", path); bytes.Contains(out, []byte("WARNING")) {
		t.Errorf("%s", out)
	}
}
