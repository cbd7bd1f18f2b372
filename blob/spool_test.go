package blob_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/fault"
)

// spooled is a spool in front of a store that fails on request.
type spooled struct {
	*blob.Spool
	remote  *blobtest.Faulty
	dir     string
	metrics *prometheus.Registry
}

func newSpool(t *testing.T, remote *blobtest.Faulty, dir string) *spooled {
	t.Helper()
	cfg := blob.DefaultSpoolConfig()
	cfg.Pause, cfg.Longest = time.Millisecond, 4*time.Millisecond
	metrics := prometheus.NewRegistry()
	cfg.Registerer = metrics
	s, err := blob.NewSpool(remote, dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &spooled{s, remote, dir, metrics}
}

func newSpooled(t *testing.T) *spooled {
	t.Helper()
	return newSpool(t, blobtest.NewFaulty(folder(t)), t.TempDir())
}

func (s *spooled) put(t *testing.T, key, text string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// waits fails the test unless so many writes wait.
func (s *spooled) waits(t *testing.T, want int) {
	t.Helper()
	if n, _ := s.Waiting(); n != want {
		t.Errorf("%d writes wait, want %d", n, want)
	}
}

// drain runs the spool until nothing waits.
func (s *spooled) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for n, _ := s.Waiting(); n > 0 && ctx.Err() == nil; n, _ = s.Waiting() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.waits(t, 0)
}

// count returns a metric's value.
func (s *spooled) count(t *testing.T, name string) float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func text(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	b, err := blob.Read(t.Context(), s, key, 1<<20)
	if err != nil {
		return fault.Of(err).String()
	}
	return string(b)
}

func TestASpoolKeepsObjects(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, 3<<20, func(t *testing.T) blob.Store { return newSpooled(t) })
}

func TestASpoolKeepsObjectsWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, 3<<20, func(t *testing.T) blob.Store {
		s := newSpooled(t)
		s.remote.Fail(func(op, key string) error {
			if op == blobtest.Open || op == blobtest.List {
				return nil
			}
			return fault.New(fault.Unavailable, "%s %s: no answer", op, key)
		})
		return s
	})
}

func TestWhatWasKeptIsSentInOrder(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.put(t, "old", "1")
	s.waits(t, 0)
	if s.Degraded() != nil {
		t.Errorf("degraded %q while all is well", s.Degraded())
	}

	s.remote.Down()
	var want []string
	for i := range 12 {
		key := fmt.Sprintf("results/%d", 11-i)
		s.put(t, key, strings.Repeat("x", i))
		want = append(want, "put "+key)
	}
	if err := s.Create(t.Context(), "ends/0.json", strings.NewReader("end")); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	want = append(want, "create ends/0.json", "delete old")
	if n, bytes := s.Waiting(); n != 14 || bytes != 66+3 {
		t.Errorf("%d writes of %d bytes wait", n, bytes)
	}
	if d := s.Degraded(); len(d) != 1 || !strings.Contains(d[0], "14 writes") {
		t.Errorf("degraded %q", d)
	}
	if got := text(t, s, "results/3"); got != "xxxxxxxx" {
		t.Errorf("what waits reads %q", got)
	}
	if s.remote.Calls(blobtest.Put) != 2 {
		t.Errorf("the store that does not answer was asked %d times to write", s.remote.Calls(blobtest.Put))
	}

	// The store answers again, but not at once.
	var mu sync.Mutex
	var got []string
	refusals := 3
	s.remote.Fail(func(op, key string) error {
		mu.Lock()
		defer mu.Unlock()
		if refusals--; refusals >= 0 {
			return fault.New(fault.Unavailable, "not yet")
		}
		if op != blobtest.Open {
			got = append(got, op+" "+key)
		}
		return nil
	})
	s.drain(t)
	if !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if s.Degraded() != nil {
		t.Errorf("degraded %q when all was sent", s.Degraded())
	}
	if got := text(t, s.remote, "results/3"); got != "xxxxxxxx" {
		t.Errorf("what was sent reads %q", got)
	}
	if entries, _ := os.ReadDir(s.dir); len(entries) != 1 { // .staged
		t.Errorf("still kept: %v", entries)
	}
	if s.count(t, "bcc_blob_sent_total") != 14 || s.count(t, "bcc_blob_waiting_objects") != 0 {
		t.Error("the metrics do not say so")
	}
}

func TestNothingOvertakesWhatWaits(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.remote.Down()
	s.put(t, "results/k", "x")
	s.remote.Up()
	if err := s.Create(t.Context(), "ends/0.json", strings.NewReader("end")); err != nil {
		t.Fatal(err)
	}
	if got := text(t, s.remote, "ends/0.json"); got != "not_found" {
		t.Errorf("the end is there before the result: %q", got)
	}
	s.drain(t)
	if got := text(t, s.remote, "ends/0.json"); got != "end" {
		t.Errorf("the end: %q", got)
	}
}

func TestWhatWaitsSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.remote.Down()
	s.put(t, "a", "older")
	s.put(t, "a", "newer")
	file := filepath.Join(t.TempDir(), "slide")
	if err := os.WriteFile(file, []byte("slide"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(t.Context(), "slides/x", file); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	s.Close()

	again := newSpool(t, s.remote, s.dir)
	if n, bytes := again.Waiting(); n != 4 || bytes != 15 {
		t.Errorf("%d writes of %d bytes wait", n, bytes)
	}
	again.put(t, "z", "last") // stands behind the others
	if a, x, gone := text(t, again, "a"), text(t, again, "slides/x"), text(t, again, "gone"); a != "newer" || x != "slide" || gone != "not_found" {
		t.Errorf("a %q, slide %q, gone %q", a, x, gone)
	}
	again.remote.Up()
	again.drain(t)
	if a, x, z := text(t, s.remote, "a"), text(t, s.remote, "slides/x"), text(t, s.remote, "z"); a != "newer" || x != "slide" || z != "last" {
		t.Errorf("sent: a %q, slide %q, z %q", a, x, z)
	}
}

func TestOfTwoEndsTheFirstAtTheStoreWins(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.remote.Down()
	for _, key := range []string{"ends/0.json", "ends/1.json"} {
		if err := s.Create(t.Context(), key, strings.NewReader("mine")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Create(t.Context(), "ends/0.json", strings.NewReader("mine again")); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second one here: %v, want ErrExists", err)
	}
	s.remote.Up()
	// Another machine was first with one of them; of the other our own arrived, only
	// the answer did not.
	for key, text := range map[string]string{"ends/0.json": "theirs", "ends/1.json": "mine"} {
		if err := s.remote.Create(t.Context(), key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	s.drain(t)
	if got := text(t, s, "ends/0.json"); got != "theirs" {
		t.Errorf("the end is %q", got)
	}
	if s.count(t, "bcc_blob_lost_races_total") != 1 || s.count(t, "bcc_blob_sent_total") != 1 {
		t.Error("want one lost race and one sent")
	}
}

func TestACreatorLearnsOfTheFirstWhileOthersWait(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	if err := s.Create(t.Context(), "end", strings.NewReader("first")); err != nil {
		t.Fatal(err)
	}
	s.remote.Down()
	s.put(t, "x", "x")
	s.remote.Up()
	if err := s.Create(t.Context(), "end", strings.NewReader("second")); !errors.Is(err, blob.ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}
}

func TestAnObjectThatIsRefusedHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.remote.Down()
	s.put(t, "bad", "bad")
	s.put(t, "good", "good")
	s.remote.Fail(func(_, key string) error {
		if key == "bad" {
			return fault.New(fault.Invalid, "never")
		}
		return nil
	})
	s.drain(t)
	if got := text(t, s.remote, "good"); got != "good" {
		t.Errorf("what stood behind it: %q", got)
	}
	if s.count(t, "bcc_blob_refused_total") != 1 {
		t.Error("it was not counted")
	}
	s.Close()
	s.remote.Up()
	again := newSpool(t, s.remote, s.dir)
	again.drain(t)
	if got := text(t, s.remote, "bad"); got != "bad" {
		t.Errorf("the next run did not send it: %q", got)
	}
}

func TestOnlyAStoreThatDoesNotAnswerIsDoneWithout(t *testing.T) {
	t.Parallel()
	s := newSpooled(t)
	s.remote.Fail(func(string, string) error { return fault.New(fault.Invalid, "wrong") })
	if err := s.Put(t.Context(), "x", strings.NewReader("x")); fault.Of(err) != fault.Invalid {
		t.Errorf("%v, want the store's error", err)
	}
	s.waits(t, 0)
}

func TestAForeignFileInTheSpoolIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.NewSpool(folder(t), dir, blob.DefaultSpoolConfig()); fault.Of(err) != fault.Corrupt || fault.HintOf(err) == "" {
		t.Errorf("%v, want corrupt with a hint", err)
	}
}
