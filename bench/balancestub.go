package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"bcc/fault"
)

// StubServer stands for a bcc serve behind a balancer: each request takes its time in
// one of a few places, and waits for one where none is free. It computes nothing, so
// that three of them, the balancer and the load find room on one machine.
type StubServer struct {
	Address string
	Service time.Duration // of a request; 0: none
	Places  int           // requests at once
	Linger  time.Duration // at the end: how long /readyz says no before connections are refused
}

// stubAnswer is as large as a tile or what /predict says of a small picture.
const stubAnswer = 4 << 10

// Run serves until ctx ends, and then as bcc serve does: it says that it is not ready,
// waits, and ends what it has in hand.
func (s StubServer) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", s.Address)
	if err != nil {
		return fault.New(fault.Unavailable, "stub: %w", err)
	}
	h := &stubHandler{StubServer: s, places: make(chan struct{}, max(s.Places, 1)), answer: make([]byte, stubAnswer)}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fault.New(fault.Unavailable, "stub: %w", err)
	case <-ctx.Done():
	}
	h.draining.Store(true)
	time.Sleep(s.Linger)
	last, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	err = server.Shutdown(last)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

type stubHandler struct {
	StubServer
	places   chan struct{}
	answer   []byte
	draining atomic.Bool
}

func (s *stubHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		if s.draining.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, !s.draining.Load())
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // whoever sent it went away
	}
	if s.Service > 0 {
		select {
		case s.places <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		time.Sleep(s.Service)
		<-s.places
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(s.answer)))
	_, _ = w.Write(s.answer) // whoever asked may be gone
}
