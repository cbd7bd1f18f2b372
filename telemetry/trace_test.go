package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"bcc/fault"
	"bcc/telemetry"
	"bcc/telemetry/otlptest"
)

func tracer(t *testing.T, endpoint, command string, sample float64) *telemetry.Tracer {
	t.Helper()
	tr, err := telemetry.NewTracer(t.Context(), telemetry.TraceConfig{Endpoint: endpoint, Sample: sample, Command: command, Instance: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestATraceGoesOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	here, there := tracer(t, c.URL, "serve", 1), tracer(t, c.URL+"/", "worker", 1)

	ctx, request := telemetry.Spans(here.Provider(), "a").Start(t.Context(), "request")
	carried := telemetry.Traceparent(ctx)
	telemetry.EndSpan(request, nil)
	_, slide := telemetry.Spans(there.Provider(), "b").Start(telemetry.Under(t.Context(), carried), "slide", trace.WithAttributes(attribute.Int("n", 3)))
	telemetry.EndSpan(slide, fault.New(fault.Corrupt, "Mrs Miller.tif is cut off"))
	_, alone := telemetry.Spans(there.Provider(), "b").Start(t.Context(), "alone", telemetry.LinkTo(carried))
	alone.End()
	here.Close()
	there.Close()

	by := map[string]otlptest.Span{}
	for _, s := range c.Spans() {
		by[s.Name] = s
	}
	a, b, far := by["request"], by["slide"], by["alone"]
	if a.Trace == "" || b.Trace != a.Trace || b.Parent != a.ID || a.Process != "serve 1" || b.Process != "worker 1" || a.Failed || !b.Failed {
		t.Errorf("%+v and %+v: want one trace", a, b)
	}
	if far.Trace == a.Trace || len(far.Links) != 1 || far.Links[0] != a.Trace {
		t.Errorf("%+v: want a trace of its own with a link", far)
	}
	for k, v := range b.Attributes {
		if strings.Contains(v, "Miller") {
			t.Errorf("%s is %s: a name left this machine", k, v)
		}
	}
}

func TestWithoutAnEndpointThereIsNothing(t *testing.T) {
	t.Parallel()
	tr := tracer(t, "", "serve", 1)
	if tr != nil || tr.Provider() != nil || tr.Close() != nil {
		t.Errorf("%v, want nothing", tr)
	}
	ctx, span := telemetry.Spans(nil, "a").Start(t.Context(), "x")
	if span.IsRecording() || telemetry.Traceparent(ctx) != "" {
		t.Error("a span that is nothing is carried on")
	}
	for _, bad := range []string{"", "x", "00-00000000000000000000000000000000-0000000000000000-01", strings.Repeat("0", 1<<16)} {
		if at := trace.SpanContextFromContext(telemetry.Under(context.Background(), bad)); at.IsValid() {
			t.Errorf("%.60q is taken for a span", bad)
		}
	}
}

func TestTheShareHoldsForWhatAClientSays(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	tr := tracer(t, c.URL, "serve", 0)
	sampled := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx, span := telemetry.Spans(tr.Provider(), "a").Start(telemetry.Under(t.Context(), sampled), "x")
	if span.IsRecording() {
		t.Error("a client has its trace kept against the share")
	}
	if got := telemetry.Traceparent(ctx); !strings.HasPrefix(got, "00-0af7651916cd43dd8448eb211c80319c-") || !strings.HasSuffix(got, "-00") {
		t.Errorf("carried on as %q, want the same trace, not kept", got)
	}
	span.End()
	tr.Close()
	if n := len(c.Spans()); n != 0 {
		t.Errorf("%d spans came", n)
	}
}

func TestEndpointsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"collector:4318", "grpc://collector:4317", "http://", "http://a/?x=1", "http://me:secret@collector:4318", "::"} {
		_, err := telemetry.NewTracer(t.Context(), telemetry.TraceConfig{Endpoint: bad, Sample: 1})
		if fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v: want it refused with a hint", bad, err)
		}
	}
	if _, err := telemetry.NewTracer(t.Context(), telemetry.TraceConfig{Endpoint: "http://a", Sample: 1.5}); fault.Of(err) != fault.Invalid {
		t.Errorf("a share of 1.5: %v", err)
	}
}

// The library has one place for all tracers of a process to complain in, so this one
// is not parallel to others that do.
func TestACollectorThatIsAwayIsToldOfOnceAndHarmsNobody(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	var log bytes.Buffer
	cfg := telemetry.TraceConfig{Endpoint: gone.URL, Sample: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	tr, err := telemetry.NewTracer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, span := telemetry.Spans(tr.Provider(), "a").Start(t.Context(), "x")
		span.End()
	}
	if err := tr.Close(); err != nil {
		t.Errorf("%v, want no error", err)
	}
	if n := strings.Count(log.String(), "spans were not sent"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &log)
	}
}
