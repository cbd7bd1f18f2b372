package server_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"bcc/server"
)

func TestABalancerLearnsWhatIsOnItsWayHere(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(c *server.Config) {
		c.Linger = 200 * time.Millisecond
		c.Looker = looker{look: func(ctx context.Context, p server.Picture) (server.Look, error) {
			close(begun)
			<-release
			return looker{}.Look(ctx, p)
		}}
	})
	a := s.get(t, "/readyz").wants(t, 200)
	if n, l := a.header.Get("Bcc-In-Flight"), a.header.Get("Bcc-Latency"); n != "0" || l != "" {
		t.Errorf("idle: %q in flight, latency %q", n, l)
	}
	done := make(chan answer, 1)
	go func() { done <- s.predict(t, patchPicture(t), "p.png", nil) }()
	<-begun
	if n := s.get(t, "/readyz").header.Get("Bcc-In-Flight"); n != "1" {
		t.Errorf("%q in flight, want 1", n)
	}
	close(release)
	(<-done).wants(t, 200)
	a = s.get(t, "/readyz")
	if l, err := strconv.ParseFloat(a.header.Get("Bcc-Latency"), 64); err != nil || l <= 0 || l > 60 {
		t.Errorf("latency %q: %v", a.header.Get("Bcc-Latency"), err)
	}
}

func TestWhatWasNotBegunSaysSo(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Looker = looker{look: func(context.Context, server.Picture) (server.Look, error) {
			return server.Look{}, &server.Full{RetryAfter: time.Second}
		}}
	})
	if v := s.predict(t, patchPicture(t), "p.png", nil).wants(t, 429).header.Get("Bcc-Begun"); v != "no" {
		t.Errorf("full: Bcc-Begun %q", v)
	}
	if v := s.get(t, "/cohorts/none").wants(t, 404).header.Get("Bcc-Begun"); v != "" {
		t.Errorf("not there: Bcc-Begun %q", v)
	}
	if err := s.Close(); err != nil { // drains
		t.Fatal(err)
	}
	if v := s.post(t, "/cohorts", "application/json", `{}`).wants(t, 503).header.Get("Bcc-Begun"); v != "no" {
		t.Errorf("draining: Bcc-Begun %q", v)
	}
}
