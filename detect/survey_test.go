package detect_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func TestPartsMakeTheSameResultAsTheWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, piece, nest)
	whole, parts := t.TempDir(), t.TempDir()
	d := newDetector(t, 2, nil, nil)
	if _, err := d.Detect(t.Context(), source(t, path), whole, quiet{}); err != nil {
		t.Fatal(err)
	}
	s, err := d.Survey(t.Context(), source(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := s.Grid().Len()
	scored := 0
	var mu sync.Mutex
	count := func(n int) { mu.Lock(); defer mu.Unlock(); scored += n }
	last, err := newDetector(t, 1, nil, nil).Score(t.Context(), source(t, path), detect.Part(s.Grid(), 100, n), count) // by another
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Score(t.Context(), 0, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if scored != n-100 {
		t.Errorf("%d patches were said to be through, want %d", scored, n-100)
	}
	if _, err := s.Finish(t.Context(), first, parts); fault.Of(err) != fault.Internal {
		t.Errorf("finish without all parts: %v", err)
	}
	if _, err := s.Finish(t.Context(), append(first, last...), parts); err != nil {
		t.Fatal(err)
	}
	want, got := results(t, whole), results(t, parts)
	if len(want) != len(got) || len(want) == 0 {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
	for name, b := range want {
		if !bytes.Equal(b, got[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestASurveyOfAnotherSlideIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.png"), filepath.Join(dir, "b.png")
	paint(t, a, piece, nest)
	if err := os.WriteFile(b, []byte("no slide"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := newDetector(t, 1, nil, nil)
	s, err := d.Survey(t.Context(), source(t, a), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := d.Score(t.Context(), source(t, b), s.Grid(), nil); fault.Of(err) != fault.Unsupported {
		t.Errorf("another file: %v", err)
	}
	wrong := *s.Grid()
	wrong.Slide.W++
	if _, err := d.Score(t.Context(), source(t, a), &wrong, nil); fault.Of(err) != fault.Internal {
		t.Errorf("the plan of another slide: %v", err)
	}
	coarse := newDetector(t, 1, coarsely, nil)
	if _, err := coarse.Survey(t.Context(), source(t, a), nil); fault.Of(err) != fault.Invalid {
		t.Errorf("a coarse pass in parts: %v", err)
	}
}

// quiet is a Watcher that hears nothing.
type quiet struct{}

func (quiet) Planned(string, int) {}
func (quiet) Scored(string, int)  {}
func (quiet) Ended(detect.End)    {}
