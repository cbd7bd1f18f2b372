package slide_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

// tryAll opens a file and reads from it what a walk would: an overview, and a
// region at the start and at the end of every level.
func tryAll(t *testing.T, b []byte) error {
	t.Helper()
	s, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{Codecs: codecs(), MPP: wsi.MPP{X: 0.5, Y: 0.5}})
	if err != nil {
		return err
	}
	defer s.Close()
	for i, l := range s.Levels() {
		dst := make([]byte, 3*224*224)
		for _, r := range []wsi.Rect{{W: 224, H: 224}, {X: l.Size.W - 100, Y: l.Size.H - 100, W: 224, H: 224}} {
			if err := s.Read(t.Context(), i, r, dst); err != nil {
				return err
			}
		}
	}
	_, err = s.Overview(t.Context(), 16)
	return err
}

// readable are the files of the collection that are valid by the rules, however
// odd: the flaw is in a page or a tag that we do not need, or in nothing at all.
var readable = map[string]bool{}

func TestItSurvivesHostileFiles(t *testing.T) {
	dir := filepath.Dir(shared(t, "hostile/tifftools-bad_datatype.tif"))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&before)
		start := time.Now()
		err = tryAll(t, b)
		took := time.Since(start)
		runtime.ReadMemStats(&after)

		if took > 2*time.Second {
			t.Errorf("%s: took %v", f.Name(), took)
		}
		// All that was ever allocated, garbage included, bounds the peak.
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 512 {
			t.Errorf("%s: allocated %d MB", f.Name(), used)
		}
		if err == nil {
			t.Logf("%s: readable", f.Name())
			continue
		}
		t.Logf("%s: %v: %v (%d MB, %v)", f.Name(), fault.Of(err), err, (after.TotalAlloc-before.TotalAlloc)>>20, took)
		switch fault.Of(err) {
		case fault.Corrupt, fault.Unsupported:
		case fault.Unavailable: // no cgo
		default:
			t.Errorf("%s: kind %v: %v", f.Name(), fault.Of(err), err)
		}
		if !strings.Contains(err.Error(), ":") {
			t.Errorf("%s: the message gives no reason: %v", f.Name(), err)
		}
	}
}
