//go:build e2e

package autoscale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bcc/blob"
)

// picture is what a slide shows, and what bcc detect says of its patches. A slide is a
// picture with a line of its own behind it, which no reader of TIFF looks at.
type picture struct {
	file    []byte
	patches string
}

// draw draws the pictures and looks at them without a fleet.
func (h *house) draw(t *testing.T) {
	t.Helper()
	dir, quiet := filepath.Join(h.dir, "pictures"), filepath.Join(h.dir, "quiet")
	run(t, "synth", "--out", dir, "--count", "3", "--bcc", "0.5", "--seed", "50", "--size", "4000x4000")
	patches, begun := 0, time.Now()
	t.Setenv("GOMAXPROCS", fmt.Sprint(max(runtime.NumCPU()/most, 1))) // as a worker has it
	for i := range 3 {
		path := filepath.Join(dir, fmt.Sprintf("synth-%05d.tif", i))
		run(t, "detect", "--model", h.net, "--out", quiet, path)
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said, err := os.ReadFile(filepath.Join(quiet, filepath.Base(path), "patches.csv"))
		n := strings.Count(string(said), "\n")
		if err != nil || n < 50 {
			t.Fatalf("picture %d has %d patches, %v", i, n, err)
		}
		patches += n
		h.pictures = append(h.pictures, picture{file, string(said)})
	}
	// On any machine a wave keeps one worker busy for longer than work may wait.
	each := time.Since(begun) / time.Duration(len(h.pictures))
	h.wave = max(int(30*time.Second/each), 10)
	t.Logf("a picture has %d patches and takes a worker's cores %.1f s; a wave is %d slides", patches/len(h.pictures), each.Seconds(), h.wave)
	t.Setenv("GOMAXPROCS", "")
}

// submit submits so many slides that nobody has seen before. The picture stands in the
// name.
func (h *house) submit(t *testing.T, name, priority string, slides int) {
	t.Helper()
	dir := filepath.Join(h.dir, "slides", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for range slides {
		h.slides++
		k := h.slides % len(h.pictures)
		file := fmt.Appendf(nil, "%s\nslide %d\n", h.pictures[k].file, h.slides)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("picture-%d-slide-%03d.tif", k, h.slides)), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	id := strings.TrimSpace(string(run(t, "submit", "--server", h.base, "--priority", priority, dir)))
	h.mu.Lock()
	h.cohorts = append(h.cohorts, id)
	h.mu.Unlock()
}

// cohort is what the server says of one.
type cohort struct {
	ID, State string
	Counts    struct{ Submitted, Pending, Running, Done, Failed, Quarantined, Cancelled int }
	Slides    []struct{ ID, Name, State string }
}

// all returns the cohorts, and checks that each slide is somewhere.
func (h *house) all(t *testing.T) []cohort {
	h.mu.Lock()
	ids := append([]string(nil), h.cohorts...)
	h.mu.Unlock()
	var all []cohort
	for _, id := range ids {
		var c cohort
		if err := h.get("/cohorts/"+id, &c); err != nil {
			t.Error(err)
			continue
		}
		if n := c.Counts; n.Pending+n.Running+n.Done != n.Submitted || len(c.Slides) != n.Submitted {
			t.Errorf("cohort %s does not add up, or slides failed: %+v, %d slides", id, n, len(c.Slides))
		}
		all = append(all, c)
	}
	return all
}

// wait waits until every slide is done.
func (h *house) wait(t *testing.T) {
	t.Helper()
	until(t, "every slide is done", func() bool {
		for _, c := range h.all(t) {
			if c.Counts.Done != c.Counts.Submitted {
				return false
			}
		}
		return !t.Failed()
	})
}

// check looks whether everything came to its result, at once and as it would have
// without a fleet.
func (h *house) check(t *testing.T) {
	t.Helper()
	done := 0
	for _, c := range h.all(t) {
		for _, s := range c.Slides {
			var k int
			if _, err := fmt.Sscanf(s.Name, "picture-%d", &k); err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			if got := h.text(t, "/slides/"+s.ID+"/patches.csv"); got != h.pictures[k].patches {
				t.Errorf("slide %s: its patches are not what bcc detect says", s.Name)
			}
			done++
		}
	}
	if done != h.slides {
		t.Errorf("%d slides are done, %d were submitted", done, h.slides)
	}
	store, err := blob.Folder(h.store)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ends := 0
	for info, err := range store.List(t.Context(), "cohorts/") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info.Key, "/ends/") {
			continue
		}
		ends++
		data, err := blob.Read(t.Context(), store, info.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Attempts int }
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&e); err != nil { // a checksum stands behind it
			t.Fatalf("%s: %v", data, err)
		}
		if e.Attempts != 1 {
			t.Errorf("a slide took %d attempts: a worker was ended that had it", e.Attempts)
		}
	}
	if ends != h.slides {
		t.Errorf("%d ends in the store, want %d", ends, h.slides)
	}
	h.checkQueue(t)
}

// join joins the queue and counts, from now on, what workers tell of slides: that one
// is begun, and that one was begun and waits again.
func (h *house) join(t *testing.T) {
	t.Helper()
	conn, err := nats.Connect(h.queue, nats.Token("open-sesame"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	h.conn = conn
	for word, n := range map[string]*atomic.Int64{"begun": &h.begun, "back": &h.back} {
		if _, err := conn.Subscribe("bcc.tell.cohort.*."+word, func(*nats.Msg) { n.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

// checkQueue looks whether a slide was begun twice, or given up: a walk that was
// interrupted. A job may be handed back that reached a worker which had just been asked
// to end, and had not begun it.
func (h *house) checkQueue(t *testing.T) {
	t.Helper()
	js, err := jetstream.New(h.conn)
	if err != nil {
		t.Fatal(err)
	}
	put, given, back := uint64(0), uint64(0), uint64(0)
	for name := range js.StreamNames(t.Context()).Name() {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("bcc.returned.>"))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case name == "BCC_RETURNED": // bcc.returned.ROW.NUMBER.ID
			for subject := range info.State.Subjects {
				if strings.Contains(subject, "part.") {
					continue
				}
				m, err := s.GetLastMsgForSubject(t.Context(), subject)
				if err != nil {
					t.Fatal(err)
				}
				times, err := strconv.ParseUint(string(m.Data), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				back += times
			}
		case strings.HasSuffix(name, "_PART"): // hints; nobody has to take them
		case strings.HasPrefix(name, "BCC_ROUTINE_") || strings.HasPrefix(name, "BCC_URGENT_"):
			c, err := s.Consumer(t.Context(), "workers")
			if err != nil {
				t.Fatal(err)
			}
			put += info.State.LastSeq
			given += c.CachedInfo().Delivered.Consumer
		}
	}
	if put != uint64(h.slides) || given != put+back {
		t.Errorf("%d slides were put on the queue %d times and given out %d times, of which %d were handed back unbegun", h.slides, put, given, back)
	}
	if begun, again := h.begun.Load(), h.back.Load(); begun != int64(h.slides) || again != 0 {
		t.Errorf("%d slides were begun %d times and %d of them handed back: a walk was interrupted", h.slides, begun, again)
	}
	t.Logf("%d jobs reached a worker in the moment in which it was ended, and went to another", back)
}

func (h *house) text(t *testing.T, path string) string {
	t.Helper()
	res, err := httpGet(h.base + path)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
