package balance

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// wire is one inside the process; while it is cut nobody hears anything.
type wire struct {
	mu    sync.Mutex
	cut   bool
	hears map[string][]func(string, []byte)
}

func (w *wire) Tell(topic string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		for _, f := range w.hears[topic] {
			f(topic, data)
		}
	}
	return nil
}

func (w *wire) Listen(topic string, f func(string, []byte)) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hears == nil {
		w.hears = map[string][]func(string, []byte){}
	}
	w.hears[topic] = append(w.hears[topic], f)
	return func() {}, nil
}

func (w *wire) listening() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hears) == 2
}

func TestWhoGreetsIsAMemberUntilItLeavesOrFallsSilent(t *testing.T) {
	t.Parallel()
	w := &wire{}
	var mu sync.Mutex
	var there []string
	source := Greeted(w, "x", func(error) {}).(*greeted)
	source.every = time.Hour // the test echoes itself
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = source.Members(ctx, func(urls []*url.URL) {
			mu.Lock()
			defer mu.Unlock()
			there = nil
			for _, u := range urls {
				there = append(there, u.Host)
			}
		})
	}()
	for !w.listening() {
		time.Sleep(time.Millisecond)
	}
	is := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(there, want) {
			t.Fatalf("%v, want %v", there, want)
		}
	}
	greet := func(words ...string) {
		for _, word := range words {
			_ = w.Tell(serversTopic, []byte(word))
		}
	}
	echo := func(n int, words ...string) {
		for range n {
			greet(words...)
			_ = w.Tell(echoTopic+"x", nil)
		}
	}
	a, b := `{"url":"http://a:1"}`, `{"url":"http://b:1/"}`
	greet(a, b, `{"url":"ftp://c:1"}`, `nonsense`)
	is("a:1", "b:1")
	echo(20, a, b)
	is("a:1", "b:1")
	greet(`{"url":"http://b:1","leaving":true}`)
	is("a:1")
	greet(b)
	is("a:1", "b:1")

	w.mu.Lock()
	w.cut = true
	w.mu.Unlock()
	echo(20)
	is("a:1", "b:1") // nobody is gone because nobody is heard
	w.mu.Lock()
	w.cut = false
	w.mu.Unlock()

	echo(fadeAfter, a)
	is("a:1", "b:1")
	echo(1, a)
	is("a:1") // b died
	echo(20)
	is("a:1") // whoever is heard last stays
	greet(b)
	echo(1, b)
	is("b:1")
	cancel()
	<-over
}

func TestAServerGreetsAndSaysThatItLeaves(t *testing.T) {
	t.Parallel()
	w := &wire{}
	heard := make(chan string, 16)
	if _, err := w.Listen(serversTopic, func(_ string, data []byte) { heard <- string(data) }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- Greet(ctx, w, "10.0.0.1:8000/") }()
	if got := <-heard; got != `{"url":"http://10.0.0.1:8000"}` {
		t.Errorf("%s", got)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	last := ""
	for len(heard) > 0 {
		last = <-heard
	}
	if last != `{"url":"http://10.0.0.1:8000","leaving":true}` {
		t.Errorf("%s", last)
	}
	if err := Greet(ctx, w, "ftp://a"); err == nil {
		t.Error("greets from nowhere")
	}
}
