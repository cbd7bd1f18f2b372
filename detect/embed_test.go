package detect_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/bag"
	"bcc/detect"
	"bcc/fault"
	"bcc/wsi"
)

func newEmbedder(t *testing.T, runners int, change func(*detect.Walk), encoder string) *detect.Embedder {
	t.Helper()
	cfg := detect.DefaultWalk(patchPx, scaleUM)
	cfg.Slide.MPP = wsi.MPP{X: scaleUM, Y: scaleUM}
	cfg.Outputs = 1
	if change != nil {
		change(&cfg)
	}
	e, err := detect.NewEmbedder(cfg, strings.Repeat(encoder, 32), newScorer(t, runners, nil))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestItKeepsWhatTheModelSawAndWhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	var want []byte
	for _, c := range []struct{ runners, readers int }{{1, 1}, {3, 2}} {
		out := t.TempDir()
		e := newEmbedder(t, c.runners, func(w *detect.Walk) { w.Patch.Readers = c.readers }, "ab")
		end := e.List(t.Context(), []detect.Item{{Name: "a/s.png", Path: path}}, out, 1, nil)[0]
		if end.Err != nil || end.Status != detect.Done || end.Bag != filepath.Join(out, "a", "s.png.bag") {
			t.Fatalf("%s, %s: %v", end.Status, end.Bag, end.Err)
		}
		got, err := os.ReadFile(end.Bag)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%+v: other bytes", c)
		}
	}
	b, err := bag.Open(bytes.NewReader(want), int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	places, err := b.Places()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := b.All()
	if err != nil {
		t.Fatal(err)
	}
	const patches = 16 * 14 // the piece of tissue lies on the grid
	if b.Len() != patches || b.Size != (wsi.Size{W: 768, H: 640}) || b.MPP.X != scaleUM || b.MPPOverrideUM != scaleUM || b.Encoder != strings.Repeat("ab", 32) {
		t.Errorf("%d patches of %+v, want %d", b.Len(), b.Info, patches)
	}
	for i, r := range places {
		red := bag.ToHalf(float32(pink.R) / 255)
		if at := (image.Point{X: r.X, Y: r.Y}); at.In(nest) {
			red = bag.ToHalf(230.0 / 255)
		}
		if r.W != patchPx || rows[i] != red.Float32() {
			t.Errorf("patch at %v: %v, want %v", r, rows[i], red.Float32())
		}
	}
}

func TestItEmbedsOnce(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	file := bag.Path(out, "s.png")
	for _, s := range []struct {
		what    string
		change  func(*detect.Walk)
		encoder string
		before  func()
		want    detect.Status
	}{
		{what: "first", want: detect.Done},
		{what: "again", want: detect.Skipped},
		{what: "other overlap", change: func(w *detect.Walk) { w.Patch.Overlap = 0.5 }, want: detect.Done},
		{what: "that again", change: func(w *detect.Walk) { w.Patch.Overlap = 0.5 }, want: detect.Skipped},
		{what: "other share of tissue", change: func(w *detect.Walk) { w.Patch.MinTissue = 0.1 }, want: detect.Done},
		{what: "other encoder", encoder: "cd", want: detect.Done},
		{what: "first once more", want: detect.Done},
		{what: "other slide of the same name", before: func() { paint(t, path, piece, nest.Add(image.Pt(32, 0))) }, want: detect.Done},
		{what: "bag damaged at its end", before: func() { flip(t, file) }, want: detect.Done},
		{what: "mended", want: detect.Skipped},
		{what: "bag gone", before: func() { os.Remove(file) }, want: detect.Done},
	} {
		if s.before != nil {
			s.before()
		}
		if s.encoder == "" {
			s.encoder = "ab"
		}
		end := newEmbedder(t, 2, s.change, s.encoder).List(t.Context(), []detect.Item{{Name: "s.png", Path: path}}, out, 1, nil)[0]
		if end.Err != nil || end.Status != s.want || end.Patches == 0 {
			t.Errorf("%s: %s of %d patches, %v; want %s", s.what, end.Status, end.Patches, end.Err, s.want)
		}
	}
}

// flip changes the last byte of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestABadSlideDoesNotStopTheEmbedding(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	paint(t, filepath.Join(dir, "good.png"), piece, nest)
	paint(t, filepath.Join(dir, "blank.png"), image.Rectangle{}, image.Rectangle{})
	write(t, filepath.Join(dir, "text.png"), "hello, this is no slide at all")
	var items []detect.Item
	for _, name := range []string{"text.png", "blank.png", "good.png"} {
		items = append(items, detect.Item{Name: name, Path: filepath.Join(dir, name)})
	}
	ends := newEmbedder(t, 2, nil, "ab").List(t.Context(), items, out, 2, nil)
	if e := ends[0]; e.Status != detect.Failed || fault.Of(e.Err) != fault.Unsupported {
		t.Errorf("text.png: %s, %v", e.Status, e.Err)
	}
	if e := ends[1]; e.Status != detect.Done || e.Patches != 0 {
		t.Errorf("blank.png: %s with %d patches, %v, want done with none", e.Status, e.Patches, e.Err)
	}
	if e := ends[2]; e.Status != detect.Done || e.Patches == 0 {
		t.Errorf("good.png: %s, %v", e.Status, e.Err)
	}
	if left, _ := filepath.Glob(filepath.Join(out, "*")); len(left) != 2 {
		t.Errorf("left %v, want two bags", left)
	}
}
