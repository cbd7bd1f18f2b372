package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// lastWord is how long a fresh connection has for its first request at the end.
const lastWord = 200 * time.Millisecond

// Run answers requests that come in on l until ctx ends. Then readiness goes first and
// event streams say good-bye; after Config.Linger nobody is let in any more, requests
// on their way may finish for Config.Drain, and what is left is cut off. Run closes the server. TLS is the listener's business.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	if err := s.follow.resume(ctx); err != nil {
		return errors.Join(fmt.Errorf("look for cohorts on their way: %w", err), l.Close(), s.Close())
	}
	conns := newConns(s.cfg.MaxConns, s.metrics)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ConnState:         conns.state,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 64},
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug), // handshakes and panics of strangers
	}
	h.RegisterOnShutdown(func() { // else Shutdown waits five seconds for those who have said nothing yet
		time.Sleep(lastWord)
		conns.closeIdle()
	})
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		err = s.shutdown(h)
		<-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, s.Close())
}

func (s *Server) shutdown(h *http.Server) error {
	s.beginDrain()
	time.Sleep(s.cfg.Linger)
	ctx, stop := context.WithTimeout(context.Background(), s.cfg.Drain)
	defer stop()
	if err := h.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off at the end", "in_flight", s.open.Load())
		return h.Close()
	}
	return nil
}
