package blob_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"bcc/blob"
	"bcc/blob/blobtest"
)

func TestATracedStoreIsAStore(t *testing.T) {
	t.Parallel()
	p := sdk.NewTracerProvider()
	blobtest.Exercise(t, 3<<20, func(t *testing.T) blob.Store { return blob.Traced(folder(t), p) })
	if f := folder(t); blob.Traced(f, nil) != blob.Store(f) {
		t.Error("a store without traces is wrapped")
	}
}

func TestAStoresSpansBelongToATraceAndHoldNoKeys(t *testing.T) {
	t.Parallel()
	out := tracetest.NewInMemoryExporter()
	p := sdk.NewTracerProvider(sdk.WithSyncer(out))
	s := blob.Traced(folder(t), p)
	put := func(key string) error { return s.Put(t.Context(), key, strings.NewReader("x")) }
	if err := put("a/miller"); err != nil { // of no trace
		t.Fatal(err)
	}
	if n := len(out.GetSpans()); n != 0 {
		t.Errorf("%d spans of no trace", n)
	}

	ctx, root := p.Tracer("t").Start(t.Context(), "slide")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "result.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := blob.WriteSet(ctx, s, "results/miller", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ctx, "b/miller"); err == nil {
		t.Fatal("there is one")
	}
	if err := s.Create(ctx, "a/miller", strings.NewReader("y")); !errors.Is(err, blob.ErrExists) {
		t.Fatal(err)
	}
	root.End()
	var names []string
	for _, span := range out.GetSpans() {
		names = append(names, span.Name)
		if span.Name != "slide" && span.Parent.SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s stands below nothing", span.Name)
		}
		for _, a := range span.Attributes {
			if strings.Contains(a.Value.Emit(), "miller") {
				t.Errorf("%s: %v names a key", span.Name, a)
			}
		}
		if span.Status.Description != "" {
			t.Errorf("%s is a failure: %s", span.Name, span.Status.Description)
		}
	}
	if got := strings.Join(names, ", "); got != "store put set, store open, store create, slide" {
		t.Errorf("spans %s", got)
	}
}
