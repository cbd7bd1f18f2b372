// Package otlptest is a collector of traces for tests: OTLP over HTTP, on loopback.
package otlptest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it came.
type Span struct {
	Process string // its resource's bcc.command and service.instance.id
	Trace   string // hexadecimal, as the others
	ID      string
	Parent  string   // empty: it is a root
	Links   []string // traces
	Name    string
	Begun   time.Time
	Ended   time.Time
	Failed  bool
	// Attributes are those of the span and of its resource, their values as text.
	Attributes map[string]string
}

// Collector keeps what it is sent.
type Collector struct {
	URL string

	mu    sync.Mutex
	spans []Span
}

// New returns a collector that listens until the test ends.
func New(t testing.TB) *Collector {
	c := &Collector{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Errorf("a request that is no OTLP: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// Spans returns what came up to now.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span{}, c.spans...)
}

// Wait returns what came, as soon as ok says that it is enough.
func (c *Collector) Wait(t testing.TB, ok func([]Span) bool) []Span {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		spans := c.Spans()
		if ok(spans) {
			return spans
		}
		if time.Now().After(end) {
			t.Fatalf("a minute later there are only %+v", spans)
		}
	}
}

func (c *Collector) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var in collector.ExportTraceServiceRequest
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		return io.ErrUnexpectedEOF
	}
	if err := proto.Unmarshal(data, &in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range in.GetResourceSpans() {
		of := map[string]string{}
		for _, a := range rs.GetResource().GetAttributes() {
			of[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				out := Span{
					Process: of["bcc.command"] + " " + of["service.instance.id"],
					Trace:   hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Name: s.GetName(), Failed: s.GetStatus().GetCode() == 2,
					Begun: time.Unix(0, int64(s.GetStartTimeUnixNano())), Ended: time.Unix(0, int64(s.GetEndTimeUnixNano())),
					Attributes: map[string]string{},
				}
				for _, l := range s.GetLinks() {
					out.Links = append(out.Links, hex.EncodeToString(l.GetTraceId()))
				}
				for k, v := range of {
					out.Attributes[k] = v
				}
				for _, a := range s.GetAttributes() {
					out.Attributes[a.GetKey()] = a.GetValue().String()
				}
				c.spans = append(c.spans, out)
			}
		}
	}
	return nil
}
