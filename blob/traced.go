package blob

import (
	"context"
	"errors"
	"io"
	"iter"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"bcc/fault"
	"bcc/telemetry"
)

// Traced returns the store with a span around each operation that is part of a trace;
// a nil provider: the store as it is. Spans hold no keys: some are made of identities.
func Traced(s Store, p trace.TracerProvider) Store {
	if p == nil {
		return s
	}
	return &traced{s, telemetry.Spans(p, "blob")}
}

type traced struct {
	store Store
	spans trace.Tracer
}

// do does f inside a span, unless nobody follows what ctx belongs to.
func (t *traced) do(ctx context.Context, operation string, f func(context.Context) error) error {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return f(ctx)
	}
	ctx, span := t.spans.Start(ctx, "store "+operation, trace.WithSpanKind(trace.SpanKindClient))
	err := f(ctx)
	switch { // two errors are answers, no faults
	case errors.Is(err, ErrExists):
		span.SetAttributes(attribute.String("bcc.answer", "exists"))
		span.End()
	case err != nil && fault.Of(err) == fault.NotFound:
		span.SetAttributes(attribute.String("bcc.answer", "not found"))
		span.End()
	default:
		telemetry.EndSpan(span, err)
	}
	return err
}

func (t *traced) Put(ctx context.Context, key string, r io.Reader) error {
	return t.do(ctx, "put", func(ctx context.Context) error { return t.store.Put(ctx, key, r) })
}

func (t *traced) Create(ctx context.Context, key string, r io.Reader) error {
	return t.do(ctx, "create", func(ctx context.Context) error { return t.store.Create(ctx, key, r) })
}

func (t *traced) Adopt(ctx context.Context, key, path string) error {
	return t.do(ctx, "adopt", func(ctx context.Context) error { return t.store.Adopt(ctx, key, path) })
}

// Open's span ends when the object is open: what is read of it later is its reader's.
func (t *traced) Open(ctx context.Context, key string) (o *Object, err error) {
	err = t.do(ctx, "open", func(ctx context.Context) error {
		o, err = t.store.Open(ctx, key)
		return err
	})
	return o, err
}

func (t *traced) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return t.store.List(ctx, prefix)
}

func (t *traced) Delete(ctx context.Context, key string) error {
	return t.do(ctx, "delete", func(ctx context.Context) error { return t.store.Delete(ctx, key) })
}

func (t *traced) putSet(ctx context.Context, prefix, dir string, sums Sums, text []byte) error {
	return t.do(ctx, "put set", func(ctx context.Context) error {
		if faster, ok := t.store.(setPutter); ok {
			return faster.putSet(ctx, prefix, dir, sums, text)
		}
		return putEach(ctx, t, prefix, dir, sums, text)
	})
}

// Close closes the store, where it can be closed.
func (t *traced) Close() error {
	if c, ok := t.store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
