package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

func TestTheSpansOfASlideStandBelowItsSubmission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(out))
	m := cohort.Manifest{Priority: queue.Routine, Slides: []cohort.Slide{w.upload(t, "Mrs Miller", paint(t, 0))}}
	ctx, submission := provider.Tracer("test").Start(t.Context(), "submit")
	m, err := w.ledger.Submit(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	submission.End()
	stop := w.start(t, func(c *worker.Config) { c.Tracer, c.Shard = provider, 16 })
	w.wait(t, m, 0)
	stop() // the slide's own span has ended then

	spans := map[string][]tracetest.SpanStub{}
	for _, s := range out.GetSpans() {
		spans[s.Name] = append(spans[s.Name], s)
		if s.SpanContext.TraceID() != submission.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name)
		}
		if strings.Contains(fmt.Sprint(s.Attributes, s.Status), "Miller") {
			t.Errorf("%s names the slide: %v", s.Name, s.Attributes)
		}
	}
	for name, want := range map[string]int{"queue wait": 1, "slide": 1, "open": 1, "survey": 1, "report": 1} {
		if got := len(spans[name]); got != want {
			t.Fatalf("%d spans called %s, want %d", got, name, want)
		}
	}
	if n := len(spans["shard"]) + len(spans["part"]); n < 5 { // its other slot may make some
		t.Errorf("%d spans of 5 shards", n)
	}
	slide := spans["slide"][0]
	if slide.Parent.SpanID() != submission.SpanContext().SpanID() || spans["queue wait"][0].Parent.SpanID() != submission.SpanContext().SpanID() {
		t.Error("slide and its wait do not stand below their submission")
	}
	if took := spans["queue wait"][0]; !took.EndTime.After(took.StartTime) {
		t.Errorf("it waited from %v to %v", took.StartTime, took.EndTime)
	}
	for _, name := range []string{"open", "survey", "shard", "part", "report"} {
		for _, s := range spans[name] {
			if s.Parent.SpanID() != slide.SpanContext.SpanID() {
				t.Errorf("%s does not stand in its slide", name)
			}
		}
	}
	if got := fmt.Sprint(slide.Attributes); !strings.Contains(got, "done") || !strings.Contains(got, m.ID) {
		t.Errorf("the slide says %s", got)
	}
}

func TestASlideOfALargeCohortHasATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(out))
	const slides = 17 // more than stand in one trace
	m := cohort.Manifest{Priority: queue.Routine, Slides: slices.Repeat([]cohort.Slide{w.upload(t, "x", paint(t, 0))}, slides)}
	ctx, submission := provider.Tracer("test").Start(t.Context(), "submit")
	m, err := w.ledger.Submit(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	submission.End()
	stop := w.start(t, func(c *worker.Config) { c.Tracer = provider })
	for i := range slides {
		w.wait(t, m, i)
	}
	stop()

	roots, waits := map[trace.TraceID]tracetest.SpanStub{}, 0
	for _, s := range out.GetSpans() {
		if s.Name == "slide" {
			roots[s.SpanContext.TraceID()] = s
			if s.Parent.IsValid() || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != submission.SpanContext().SpanID() {
				t.Errorf("below %v, linked to %+v; want a root with a link to its submission", s.Parent.SpanID(), s.Links)
			}
		}
	}
	for _, s := range out.GetSpans() {
		if s.Name != "queue wait" {
			continue
		}
		waits++
		slide, is := roots[s.SpanContext.TraceID()]
		if !is || s.Parent.SpanID() != slide.SpanContext.SpanID() || !s.StartTime.Before(s.EndTime) || s.EndTime.After(slide.StartTime) {
			t.Errorf("it waited from %v to %v below %v, want up to %v", s.StartTime, s.EndTime, s.Parent.SpanID(), slide.StartTime)
		}
	}
	if len(roots) != slides || waits != slides {
		t.Errorf("%d traces of slides with %d waits, want %d", len(roots), waits, slides)
	}
}

func TestAPartOfASlideStandsInItOnAnotherWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, helpers := tracetest.NewInMemoryExporter(), tracetest.NewInMemoryExporter()
	conducts, helps := sdk.NewTracerProvider(sdk.WithSyncer(out)), sdk.NewTracerProvider(sdk.WithSyncer(helpers))
	ctx, submission := conducts.Tracer("test").Start(t.Context(), "submit")
	defer submission.End()
	with := func(p *sdk.TracerProvider) func(c *worker.Config) {
		return func(c *worker.Config) { c.Tracer, c.Shard, c.Jobs = p, 4, 1 }
	}
	w.start(t, with(conducts))
	w.start(t, with(helps))
	// Who helps whom is a matter of moments: slides are sent until one was helped with.
	parts := func() []tracetest.SpanStub {
		var of []tracetest.SpanStub
		for _, s := range append(out.GetSpans(), helpers.GetSpans()...) {
			if s.Name == "part" {
				of = append(of, s)
			}
		}
		return of
	}
	for n, end := 0, time.Now().Add(time.Minute); len(parts()) == 0; n++ {
		if time.Now().After(end) {
			t.Fatal("no shard was made by another worker")
		}
		m, err := w.ledger.Submit(ctx, cohort.Manifest{Priority: queue.Routine, Slides: []cohort.Slide{w.upload(t, "x", paint(t, n))}})
		if err != nil {
			t.Fatal(err)
		}
		w.wait(t, m, 0)
	}
	if s := parts()[0]; s.SpanContext.TraceID() != submission.SpanContext().TraceID() || !s.Parent.IsRemote() {
		t.Errorf("a part is of trace %v below %v, want %v below its slide", s.SpanContext.TraceID(), s.Parent.SpanID(), submission.SpanContext().TraceID())
	}
}
