// Package server is the HTTP API, its events, deep-zoom tiles and the web page. It
// runs no model: slides go through the ledger and its queue, and small pictures to a
// Looker, which answers at once or says that it is full.
//
// In: requests that are trusted in nothing. Out: JSON, files of results, tiles,
// events, one audit line a decision. Nothing that could name a patient is logged.
//
//	routes.go      every route, a line each
//	call.go        one request from its first to its last byte: the edge
//	identity.go    who asks, and how often
//	trace.go       the span of a request for work
//	form.go        multipart, part by part; receive.go the file in it
//	predict.go     a small picture now, a large slide with a cohort behind it
//	cohorts.go     submit, list, follow (events.go), cancel
//	autoscale.go   what is to be done by when and who is there; what is wanted
//	slides.go      what is known of a slide, the files of its result; tiles.go
//	openapi.json   the description that all of this is tested against
package server

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"bcc/fault"
	"bcc/telemetry"
)

// Server answers requests. Run serves a listener; ServeHTTP answers one request.
type Server struct {
	cfg     Config
	log     *slogger
	metrics *metrics
	spans   trace.Tracer
	mux     *http.ServeMux
	table   []string // method and path of every route
	audit   *audit
	memory  budget // of pictures held in memory
	bodies  budget // of other bodies held in memory
	streams budget // of open event streams
	tiles   *tiles
	results *results
	repeat  *repeats
	follow  *followers
	wish    wish // of an autoscaler
	lately  lately

	open     atomic.Int64 // requests being answered
	ready    atomic.Bool
	draining chan struct{} // closed when Run is told to end
	drain    sync.Once
}

// New returns a server. What an earlier one left in Config.Incoming goes away.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "server: %w", err)
	}
	if err := clearIncoming(cfg.Incoming); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: &slogger{cfg.Logger}, draining: make(chan struct{})}
	s.memory.most, s.streams.most = cfg.SmallMemory, int64(cfg.MaxStreams)
	s.bodies.most = allBodies
	s.spans = telemetry.Spans(cfg.Tracer, "server")
	s.audit = newAudit(cfg.Audit, s.log)
	s.results = newResults(cfg.Store)
	s.repeat = newRepeats()
	s.follow = newFollowers(s)
	var err error
	if s.metrics, err = newMetrics(cfg.Registry, s); err != nil {
		return nil, err
	}
	s.tiles = newTiles(cfg, s.results, s.metrics)
	s.routes()
	s.ready.Store(true)
	return s, nil
}

// Close ends what works behind the requests and writes the last audit lines. Run
// calls it.
func (s *Server) Close() error {
	s.beginDrain()
	s.follow.close()
	s.tiles.close()
	return s.audit.close()
}

func (s *Server) beginDrain() {
	s.drain.Do(func() {
		s.ready.Store(false)
		close(s.draining)
	})
}

var errDraining = fault.Hint(fault.New(fault.Unavailable, "the server is shutting down"), "try again in a moment")

// errGone stands for a client that went away: nobody reads the answer.
var errGone = errors.New("the client went away")
