package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"bcc/auth"
)

// call is one request on its way, and its answer.
type call struct {
	*http.Request

	s      *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	body   *steadyBody // nil: the request has none
	held   int64       // bytes of a body in memory, counted
	id     string      // of the request
	who    auth.Principal
	route  *route
	err    error // what the handler returned
	begun  time.Time
	status int
	bytes  int64
	armed  time.Time  // when the deadline of the answer was set last
	span   trace.Span // nil: nobody follows it
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, s: s, w: w, begun: time.Now(), rc: http.NewResponseController(w), route: noRoute}
	if r.ContentLength != 0 {
		c.steady()
	}
	c.id = s.requestID(r)
	crowd := s.open.Add(1)
	defer c.end()
	h := w.Header()
	h["X-Request-Id"] = []string{c.id}
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
	h["Cache-Control"] = noStore
	h["Content-Security-Policy"] = noContent
	if s.secure(r) {
		h["Strict-Transport-Security"] = strict
	}
	if crowd > int64(s.cfg.MaxConns) { // HTTP/2 has many requests on a connection
		s.metrics.refused.WithLabelValues("requests").Inc()
		c.route, c.err = missing, errCrowd
	} else {
		s.mux.ServeHTTP(writer{c}, c.Request) // comes back to route.ServeHTTP
	}
	if c.route == noRoute {
		c.err = c.missed()
	}
	if c.err != nil {
		c.fail(c.err)
	}
}

var errCrowd = later(time.Second, "", "too many requests at once")

// Headers that every answer carries, unless its handler says otherwise.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	strict     = []string{"max-age=2592000"} // 30 days; only where the client's side is encrypted
)

// serve finds out who asks and calls the handler.
func (c *call) serve() error {
	if len(c.URL.RawQuery) > maxQuery {
		return refuse(http.StatusBadRequest, "", "a query of %d bytes", len(c.URL.RawQuery))
	}
	if !c.route.open {
		if err := c.identify(); err != nil {
			return err
		}
	}
	if c.route.work {
		c.follow()
	}
	return c.route.handle(c)
}

// missed says what is wrong with a request that no route takes. The mux has left
// its own answer in status and headers.
func (c *call) missed() error {
	status := c.status
	c.status, c.route = 0, missing
	if status == http.StatusMethodNotAllowed {
		return refuse(status, "allowed: "+c.w.Header().Get("Allow"), "%s is not possible here", c.Method)
	}
	return notFound("page")
}

const maxQuery = 4096

// steady bounds how slowly the body may come, in a copy of the request: net/http has
// to find its own body in the original, to know how much of it was read. The answer
// begins without a deadline: that of the request before on this connection may have
// passed, and "100 Continue" is written when the body is first read.
func (c *call) steady() {
	_ = c.rc.SetWriteDeadline(time.Time{})
	r := *c.Request
	c.body = newSteadyBody(r.Body, c.rc, c.s.cfg.BodyWindow, c.s.cfg.MinRate)
	r.Body = c.body
	c.Request = &r
}

// end closes the books on a request; a panic becomes a 500 where nothing has been
// sent yet. What broke off breaks off for net/http too.
func (c *call) end() {
	p := recover()
	if p == http.ErrAbortHandler {
		defer panic(p)
	} else if p != nil {
		c.s.log.Error("panic in a request", "request_id", c.id, "route", c.route.pattern, "panic", p, "stack", string(debug.Stack()))
		if c.status == 0 {
			c.sendError(http.StatusInternalServerError, 0, "an error inside the server", "the log has it under this request_id")
		} else {
			defer panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	took := time.Since(c.begun)
	c.s.open.Add(-1)
	c.s.bodies.give(c.held)
	c.s.metrics.observe(c.route, c.Method, c.status, took)
	c.followed()
	c.s.log.request(c, took)
}

// writer is the call as a http.ResponseWriter. Until a route is found it notes the
// status only: the mux answers what it does not know by itself, in plain text.
type writer struct{ *call }

func (w writer) Header() http.Header { return w.w.Header() }

func (w writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	if w.route == noRoute {
		return
	}
	w.arm()
	w.w.WriteHeader(status)
}

// Write writes a part of the answer. A client that reads nothing for BodyWindow
// loses its connection.
func (w writer) Write(p []byte) (int, error) {
	if w.route == noRoute {
		return len(p), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.arm()
	n, err := w.w.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w writer) Unwrap() http.ResponseWriter { return w.w }

func (c *call) arm() {
	if now := time.Now(); now.Sub(c.armed) > c.s.cfg.BodyWindow/16 {
		c.armed = now
		_ = c.rc.SetWriteDeadline(now.Add(c.s.cfg.BodyWindow))
	}
}

// fail answers with an error.
func (c *call) fail(err error) {
	status, after, message, details := answerTo(err)
	if status >= 500 && c.Context().Err() != nil { // what ended with the client is not ours
		status = statusGone
	}
	if status >= 500 && !errors.Is(err, errDraining) {
		c.s.log.Error("a request failed", "request_id", c.id, "route", c.route.pattern, "status", status, "error", err)
	}
	if c.status != 0 || status == statusGone { // half an answer is out, or nobody is there
		c.status = status
		panic(http.ErrAbortHandler)
	}
	c.leave(status)
	if notBegun(err) {
		c.w.Header().Set("Bcc-Begun", "no") // a balancer may ask another one, whatever was asked for
	}
	c.sendError(status, after, message, details)
}

// leave prepares for what of the body was not read. net/http reads on for a while
// before it answers, to keep the connection: that is worth it for a small body, and
// must be over before the answer's own deadline.
func (c *call) leave(status int) {
	const small = 256 << 10 // bytes; net/http's own bound
	if c.body == nil {
		return
	}
	if status == http.StatusRequestTimeout || c.ContentLength < 0 || c.ContentLength > small {
		c.w.Header().Set("Connection", "close")
	}
	if !c.body.over {
		c.armed = time.Now()
		_ = c.rc.SetReadDeadline(c.armed.Add(c.s.cfg.BodyWindow / 2))
		_ = c.rc.SetWriteDeadline(c.armed.Add(2 * c.s.cfg.BodyWindow))
	}
}

func (c *call) sendError(status int, after time.Duration, message, details string) {
	h := c.w.Header()
	for _, k := range [...]string{"Content-Type", "Etag", "Last-Modified", "Content-Disposition", "Content-Length", "Content-Encoding", "Location"} {
		h.Del(k)
	}
	h["Cache-Control"] = noStore
	h["Content-Security-Policy"] = noContent
	if after > 0 {
		h.Set("Retry-After", seconds(after))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="bcc"`)
	}
	c.sendJSON(status, errorBody{errorJSON{status, short(message), short(details), c.id}})
}

// short bounds what is quoted back from a request.
func short(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// requestID takes over the id that a trusted proxy gave, else it makes one.
func (s *Server) requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && plainID(id) && s.fromProxy(r) {
		return id
	}
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func plainID(id string) bool {
	if len(id) > 64 {
		return false
	}
	for _, b := range []byte(id) {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.') {
			return false
		}
	}
	return true
}
