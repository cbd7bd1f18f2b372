package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/fetch"
)

func TestAnswersThatAreNoFile(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]fault.Kind{
		404: fault.NotFound, 410: fault.NotFound, 401: fault.Invalid, 403: fault.Invalid, 400: fault.Invalid, 204: fault.Invalid, 206: fault.Invalid, 304: fault.Invalid,
		408: fault.Unavailable, 429: fault.Unavailable, 500: fault.Unavailable, 503: fault.Unavailable,
	} {
		w := newWeb(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) })
		if got, err := get(t, open(t, w.cfg), w.url("/x?secret")); fault.Of(err) != want || err == nil || got != "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %q, %v (%v), want %v", code, got, err, fault.Of(err), want)
		}
	}
	packed := newWeb(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		io.WriteString(rw, "bomb")
	})
	if _, err := get(t, open(t, packed.cfg), packed.url("/x")); fault.Of(err) != fault.Unsupported {
		t.Errorf("packed: %v, want unsupported", err)
	}
}

func TestAFileThatIsTooLargeEndsAtTheLimit(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/announced":
			rw.Header().Set("Content-Length", "1001")
		case "/exact":
			io.WriteString(rw, strings.Repeat("x", 1000))
			return
		}
		for { // endless
			if _, err := rw.Write(make([]byte, 100)); err != nil {
				return
			}
			rw.(http.Flusher).Flush()
		}
	})
	w.cfg.MaxBytes = 1000
	f := open(t, w.cfg)
	for _, path := range []string{"/announced", "/endless"} {
		got, err := get(t, f, w.url(path))
		if !errors.Is(err, fetch.ErrTooLarge) || fault.Of(err) != fault.Invalid || len(got) > 1000 {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if got, err := get(t, f, w.url("/exact")); len(got) != 1000 || err != nil {
		t.Errorf("as large as allowed: %d bytes, %v", len(got), err)
	}
}

func TestAFileThatEndsEarlyIsNotWhole(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announced" {
			rw.Header().Set("Content-Length", "1000")
		}
		io.WriteString(rw, "half")
		rw.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	f := open(t, w.cfg)
	for _, path := range []string{"/announced", "/chunked"} {
		if got, err := get(t, f, w.url(path)); fault.Of(err) != fault.Unavailable || err == nil || got != "half" {
			t.Errorf("%s: %q, %v, want unavailable", path, got, err)
		}
	}
}

func TestAServerThatFallsSilentIsLeft(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/body", "/head"} {
		w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				io.WriteString(rw, "half")
				rw.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
		w.cfg.IdleTimeout = 100 * time.Millisecond
		begun := time.Now()
		_, err := get(t, open(t, w.cfg), w.url(path))
		if fault.Of(err) != fault.Unavailable || err == nil || time.Since(begun) > 5*time.Second {
			t.Errorf("%s: %v after %v, want unavailable soon", path, err, time.Since(begun))
		}
	}
}

func TestAServerThatDripsEndsWithTheTimeForAll(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(rw, "x")
			rw.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	w.cfg.Timeout = 200 * time.Millisecond
	if _, err := get(t, open(t, w.cfg), w.url("/")); fault.Of(err) != fault.Unavailable || !strings.Contains(fmt.Sprint(err), "200ms") {
		t.Errorf("%v, want unavailable with the time", err)
	}
}

func TestAFetchThatIsCancelledSaysSo(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, "half")
		rw.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := open(t, w.cfg).Fetch(ctx, w.url("/"), writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
}

func TestTheWritersErrorKeepsItsKind(t *testing.T) {
	t.Parallel()
	w := newWeb(t, func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "slide") })
	full := fault.New(fault.Busy, "no room")
	_, err := open(t, w.cfg).Fetch(t.Context(), w.url("/"), writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) || fault.Of(err) != fault.Busy {
		t.Errorf("%v, want the writer's error", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
