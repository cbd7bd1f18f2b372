package worker

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"bcc/cohort"
	"bcc/queue"
	"bcc/telemetry"
)

// Spans of a slide, as they stand in each other. They hold ids and counts, no names.
//
//	request ─ submit ─┬ queue wait
//	                  └ slide ─┬ open ─ store open …
//	                           ├ survey
//	                           ├ shard … ─ store create
//	                           ├ part …   of a shard that another worker makes
//	                           ├ report
//	                           └ store put set, store create (its end)
//
// A slide of a large cohort has a trace of its own: slide is its root, which names the
// submission as a link, and the wait stands in it, though it was before.
const (
	spanWait   = "queue wait"
	spanSlide  = "slide"
	spanOpen   = "open"
	spanSurvey = "survey"
	spanShard  = "shard"
	spanPart   = "part"
	spanReport = "report"
)

// follow begins the span of a slide, below that of its submission where that is known.
func (w *Worker) follow(ctx context.Context, l *queue.Lease, t cohort.Task) (context.Context, trace.Span) {
	ctx = telemetry.Under(ctx, t.Trace)
	facts := []attribute.KeyValue{
		attribute.String("bcc.slide_id", t.SlideID), attribute.String("bcc.cohort_id", t.Cohort),
		attribute.String("bcc.lane", string(l.Lane)), attribute.Int("bcc.attempt", l.Attempt),
	}
	begun := time.Now()
	took := max(begun.Sub(l.Put), 0)            // the queue's clock may be ahead
	waited := l.Attempt == 1 && !l.Put.IsZero() // later it was waited for for other reasons
	if waited {
		facts = append(facts, attribute.Float64("bcc.queue_wait_s", took.Seconds()))
	}
	below, span := w.spans.Start(ctx, spanSlide, telemetry.LinkTo(t.TraceLink), trace.WithAttributes(facts...), trace.WithSpanKind(trace.SpanKindConsumer))
	if waited {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = below
		}
		_, wait := w.spans.Start(ctx, spanWait, trace.WithTimestamp(begun.Add(-took)), trace.WithAttributes(facts[:2]...))
		wait.End(trace.WithTimestamp(begun))
	}
	return below, span
}

// followed ends the span of a slide.
func followed(span trace.Span, end cohort.End, err error) {
	span.SetAttributes(attribute.String("bcc.state", string(end.State)), attribute.Bool("bcc.cached", end.Cached),
		attribute.Int("bcc.patches", end.Patches), attribute.Int("bcc.patches_known", end.Known))
	telemetry.EndSpan(span, err)
}

// step does f inside a span of its own.
func (w *Worker) step(ctx context.Context, name string, f func(context.Context) error, facts ...attribute.KeyValue) error {
	ctx, span := w.spans.Start(ctx, name, trace.WithAttributes(facts...))
	err := f(ctx)
	telemetry.EndSpan(span, err)
	return err
}

func patchCount(n int) attribute.KeyValue { return attribute.Int("bcc.patches", n) }
