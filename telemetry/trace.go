package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"bcc/fault"
)

// TraceConfig says where spans go.
type TraceConfig struct {
	// Endpoint is the base address of a collector that takes OTLP over HTTP, as
	// http://host:4318; /v1/traces is added to its path. Default empty: no traces.
	Endpoint string
	// Sample is the share of traces that is kept, 0 to 1. It follows from a trace's ID,
	// so processes with the same share keep the same ones, and what a client says of its
	// own trace cannot raise it. Default 1: a slide is some twenty spans.
	Sample float64
	// Command is what this process runs, as serve or worker.
	Command string
	// Instance tells processes of a command apart: a worker's ID.
	Instance string
	Logger   *slog.Logger // default nil: nobody hears of a collector that is away
}

// DefaultTraceConfig returns the defaults.
func DefaultTraceConfig() TraceConfig { return TraceConfig{Sample: 1} }

// Validate returns every problem at once.
func (c TraceConfig) Validate() error {
	var errs []error
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
			errs = append(errs, fault.Hint(fault.New(fault.Invalid, "an OTLP endpoint of another form than http://host:port"), "a collector takes OTLP over HTTP on port 4318 by custom"))
		case u.User != nil:
			errs = append(errs, fault.Hint(fault.New(fault.Invalid, "an OTLP endpoint with a password in it"), "what a collector wants to see goes into OTEL_EXPORTER_OTLP_HEADERS"))
		}
	}
	if !(c.Sample >= 0 && c.Sample <= 1) {
		errs = append(errs, fault.New(fault.Invalid, "a share of %v of traces: want 0 to 1", c.Sample))
	}
	return errors.Join(errs...)
}

// Tracer owns the spans of this process until they are sent. A nil one has none.
type Tracer struct{ provider *sdk.TracerProvider }

// Spans wait for being sent in a queue of this length; what does not fit is dropped, so
// that a collector that is away costs memory and time of nobody.
const (
	spansWaiting = 4096
	spansAtOnce  = 512
	spansEvery   = 2 * time.Second
	spansAtEnd   = 3 * time.Second // how long the last ones may take
)

// NewTracer returns a tracer that sends spans to the endpoint, nil where there is none.
// A collector that does not answer is no error: it may come later.
func NewTracer(ctx context.Context, c TraceConfig) (*Tracer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Endpoint == "" {
		return nil, nil
	}
	complain(c.Logger) // before the library reads its part of the environment
	to, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(c.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "open the OTLP exporter: %w", err)
	}
	kept := sdk.TraceIDRatioBased(c.Sample)
	return &Tracer{sdk.NewTracerProvider(
		sdk.WithBatcher(to, sdk.WithMaxQueueSize(spansWaiting), sdk.WithMaxExportBatchSize(spansAtOnce), sdk.WithBatchTimeout(spansEvery)),
		sdk.WithSampler(sdk.ParentBased(kept, sdk.WithRemoteParentSampled(kept))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "bcc"), attribute.String("service.version", Version),
			attribute.String("service.instance.id", c.Instance), attribute.String("bcc.command", c.Command),
		)),
	)}, nil
}

// Provider is what rooms are handed: nil where there are no traces.
func (t *Tracer) Provider() trace.TracerProvider {
	if t == nil {
		return nil // not a typed nil in an interface
	}
	return t.provider
}

// Close sends what waits, for some seconds at most: that of a collector that is away is
// lost, which is no error.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), spansAtEnd)
	defer stop()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
	return nil
}

// Spans returns what a room begins its spans with; a nil provider: spans that are
// nothing.
func Spans(p trace.TracerProvider, room string) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer("bcc/" + room)
}

// EndSpan ends a span, and says of an error only its kind: its words may hold names.
func EndSpan(s trace.Span, err error) {
	if err != nil {
		s.SetStatus(codes.Error, fault.Of(err).String())
	}
	s.End()
}

const traceparent = "traceparent"

// Traceparent returns the span of ctx as W3C Trace Context writes it, for whoever goes
// on with the work elsewhere; empty where there is none.
func Traceparent(ctx context.Context) string {
	at := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, at)
	return at[traceparent]
}

// Under returns ctx below the span that Traceparent wrote. Anything else leaves it as
// it is.
func Under(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}

// LinkTo is a link to the span that Traceparent wrote, for work that is too large to
// stand below it; nothing where parent is nothing.
func LinkTo(parent string) trace.SpanStartOption {
	return trace.WithLinks(trace.Link{SpanContext: trace.SpanContextFromContext(Under(context.Background(), parent))})
}
