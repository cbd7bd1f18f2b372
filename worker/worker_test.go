package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
	"bcc/report"
	"bcc/worker"
)

func TestASlideIsWalkedAndItsResultKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(t)
	m := w.submit(t, queue.Routine, w.upload(t, "Jane Doe.png", paint(t, 0)))
	s := w.wait(t, m, 0)
	e := s.End
	if s.State != cohort.Done || e.Prediction != "BCC" || e.Lesions != 1 || e.Patches != 72 || e.Cached || e.Attempts != 1 || e.ComputeS <= 0 {
		t.Fatalf("%s: %+v", s.State, e)
	}
	for _, name := range []string{report.ResultFile, report.PatchesFile, report.LesionsFile, report.HeatmapFile, report.PageFile, report.TimingFile, "sums.json"} {
		b, err := blob.Read(t.Context(), w.store, "results/"+e.Result+"/"+name, 1<<24)
		if err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		if bytes.Contains(b, []byte("Jane")) {
			t.Errorf("%s names the file", name)
		}
	}
}

func TestAResultIsMadeOnceAndCheckedBeforeItIsGivenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(t)
	var scored atomic.Int64
	w.before = func(_ context.Context, n int) error { scored.Add(int64(n)); return nil }
	s := w.upload(t, "a.png", paint(t, 0))
	m := w.submit(t, queue.Routine, s, s, s)
	cached := 0
	var key string
	for i := range 3 {
		st := w.wait(t, m, i)
		if st.State != cohort.Done {
			t.Fatalf("%+v", st.End)
		}
		if key = st.End.Result; st.End.Cached {
			cached++
		}
	}
	if cached != 2 || scored.Load() != 72 {
		t.Errorf("%d of 3 were known already, %d patches scored: want 2 and 72", cached, scored.Load())
	}
	// Damaged: it is made again, and whole afterwards.
	if err := w.store.Put(t.Context(), "results/"+key+"/"+report.ResultFile, strings.NewReader(`{"score": 1}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if st := w.wait(t, w.submit(t, queue.Routine, s), 0); st.End.Cached != want || st.End.Lesions != 1 {
			t.Errorf("%+v: want cached %v", st.End, want)
		}
	}
	// Asked for otherwise, it is another.
	other := s
	p := 0.99
	other.Parameters.Threshold = &p
	if st := w.wait(t, w.submit(t, queue.Routine, other), 0); st.End.Cached || st.End.Result == key {
		t.Errorf("%+v: a result for another threshold", st.End)
	}
}

func TestBadSlidesFailWithTheirReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(t)
	whole := paint(t, 0)
	noScale := w.upload(t, "noscale", whole)
	noScale.Parameters.MPPUM = 0
	m := w.submit(t, queue.Routine,
		w.upload(t, "cut", whole[:len(whole)/2]),
		w.upload(t, "text", []byte("this is no slide at all")),
		noScale,
		cohort.Slide{SHA256: strings.Repeat("0", 64)},
		cohort.Slide{URL: "https://example.org/x.svs"},
		w.upload(t, "good", whole))
	for i, want := range []struct {
		kind fault.Kind
		hint string
	}{{fault.Corrupt, ""}, {fault.Unsupported, ""}, {fault.Invalid, "mpp_um"}, {fault.NotFound, "again"}, {fault.Unsupported, ""}} {
		s := w.wait(t, m, i)
		if s.State != cohort.Failed || s.End.Problem == nil || s.End.Problem.Kind != want.kind.String() ||
			s.End.Problem.Code != want.kind.Meaning().Status || !strings.Contains(s.End.Problem.Hint, want.hint) {
			t.Errorf("slide %d: %s %+v, want %v", i, s.State, s.End.Problem, want.kind)
		}
		if s.End.Attempts != 1 {
			t.Errorf("slide %d: %d attempts at what cannot succeed", i, s.End.Attempts)
		}
	}
	if s := w.wait(t, m, 5); s.State != cohort.Done {
		t.Errorf("the good one: %+v", s.End)
	}
}

func TestWhatMaySucceedLaterIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var fails atomic.Int64
	fails.Store(2)
	w.before = func(context.Context, int) error {
		if fails.Add(-1) >= 0 {
			return fault.New(fault.Internal, "the engine stumbled")
		}
		return nil
	}
	w.start(t, func(c *worker.Config) { c.Attempts = 3 })
	s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0))), 0)
	if s.State != cohort.Done || s.End.Attempts < 2 || s.End.Attempts > 3 {
		t.Errorf("%+v", s.End)
	}

	fails.Store(1 << 30)
	s = w.wait(t, w.submit(t, queue.Routine, w.upload(t, "b", paint(t, 1))), 0)
	if s.State != cohort.Quarantined || s.End.Attempts != 3 || s.End.Problem.Code != 500 || !strings.Contains(s.End.Problem.Message, "stumbled") {
		t.Errorf("%+v with %+v", s.End, s.End.Problem)
	}
}

func TestAPanicQuarantinesItsSlideAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model.Detect.Probability = func(row []float32) float32 {
		if row[0] > 0.85 { // a lesion
			panic("broken promise")
		}
		return row[0]
	}
	w.start(t, func(c *worker.Config) { c.Kills = 2 })
	plain := paint(t, 0)
	s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", plain)), 0)
	if s.State != cohort.Quarantined || s.End.Attempts != 2 || s.End.Problem.Kind != fault.Internal.String() || !strings.Contains(s.End.Problem.Message, "broken promise") {
		t.Errorf("%+v with %+v", s.End, s.End.Problem)
	}
}

func TestStoppingHandsSlidesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	started, gate := make(chan struct{}, 100), make(chan struct{})
	w.before = func(context.Context, int) error {
		started <- struct{}{}
		<-gate
		return nil
	}
	stop := w.start(t)
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	<-started
	time.AfterFunc(50*time.Millisecond, func() { close(gate) }) // batches that run come to their end
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	until := time.Now().Add(5 * time.Second)
	for {
		s, err := w.ledger.Summary(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if s.Counts.Pending == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%+v", s.Counts)
		}
		time.Sleep(5 * time.Millisecond)
	}
	// Another takes it, and that attempt is the first.
	w.start(t)
	if s := w.wait(t, m, 0); s.State != cohort.Done || s.End.Attempts != 1 {
		t.Errorf("%+v", s.End)
	}
}

func TestCancellingStopsTheWalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	started := make(chan struct{}, 100)
	gate := make(chan struct{})
	w.before = func(ctx context.Context, _ int) error {
		started <- struct{}{}
		<-gate
		return nil
	}
	w.start(t, func(c *worker.Config) { c.Jobs = 1 })
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)), w.upload(t, "b", paint(t, 1)))
	<-started
	if err := w.ledger.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	close(gate)
	after := w.submit(t, queue.Routine, w.upload(t, "c", paint(t, 2)))
	if s := w.wait(t, after, 0); s.State != cohort.Done {
		t.Errorf("the next cohort: %+v", s.End)
	}
	s, err := w.ledger.Summary(t.Context(), m.ID)
	if err != nil || s.Counts.Cancelled != 2 || s.State != cohort.Cancelled {
		t.Errorf("%+v, %v", s, err)
	}
	for info, err := range w.store.List(t.Context(), "cohorts/"+m.ID+"/ends/") {
		t.Errorf("a cancelled slide has an end: %v, %v", info.Key, err)
	}
}

// addresses is a fetcher of what lies in memory.
type addresses map[string][]byte

func (a addresses) Fetch(_ context.Context, address string, w io.Writer) (int64, error) {
	data, ok := a[address]
	if !ok {
		return 0, fault.New(fault.NotFound, "nothing lies there")
	}
	n, err := w.Write(data)
	return int64(n), err
}

func TestSlidesAtAddressesAreBroughtIntoTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := addresses{"https://h/a.png": paint(t, 0), "s3://b/b.png": paint(t, 1)}
	var scratch string
	w.startWith(t, a, func(c *worker.Config) { scratch = c.Scratch })
	p := cohort.Parameters{MPPUM: scaleUM}
	m := w.submit(t, queue.Routine,
		cohort.Slide{URL: "https://h/a.png", Parameters: p}, cohort.Slide{URL: "s3://b/b.png", Parameters: p},
		cohort.Slide{URL: "https://h/none.png", Parameters: p})
	for i, data := range [][]byte{paint(t, 0), paint(t, 1)} {
		s := w.wait(t, m, i)
		if s.State != cohort.Done || s.End.SHA256 != digest(data) {
			t.Fatalf("slide %d: %+v %+v", i, s.End, s.End.Problem)
		}
		if got, err := blob.Read(t.Context(), w.store, "slides/"+s.End.SHA256, 1<<20); err != nil || !bytes.Equal(got, data) {
			t.Errorf("slide %d in the store: %v", i, err)
		}
	}
	if s := w.wait(t, m, 2); s.State != cohort.Failed || s.End.Problem.Code != 404 {
		t.Errorf("nothing at its address: %+v", s.End.Problem)
	}
	if left, _ := filepath.Glob(filepath.Join(scratch, "*", "*")); len(left) > 0 { // in the worker's own folder
		t.Errorf("%d files are left in the scratch folder", len(left))
	}
}

func TestOverloadIsToldAndUrgentSlidesAreSpared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model.Detect.Patch.Overlap = 0.5
	var backlog atomic.Int64
	backlog.Store(int64(3 * time.Hour))
	w.start(t, func(c *worker.Config) {
		c.Degrade.Sustained = 0
		c.Pressure = func() time.Duration { return time.Duration(backlog.Load()) }
	})
	slide := w.upload(t, "a", paint(t, 0))
	routine := w.wait(t, w.submit(t, queue.Routine, slide), 0)
	if words := strings.Join(routine.End.Degraded, "; "); !strings.Contains(words, "overlap") || !strings.Contains(words, "coarse") {
		t.Errorf("a routine slide says %q", words)
	}
	urgent := w.wait(t, w.submit(t, queue.Urgent, slide), 0)
	if len(urgent.End.Degraded) != 0 || urgent.End.Cached || urgent.End.Patches <= routine.End.Patches {
		t.Errorf("an urgent slide: %+v, the routine one %+v", urgent.End, routine.End)
	}
	// The whole result answers for the lesser one from now on.
	if again := w.wait(t, w.submit(t, queue.Routine, slide), 0); !again.End.Cached || again.End.Result != urgent.End.Result {
		t.Errorf("%+v", again.End)
	}
	// The lesser one never for the whole.
	other := w.upload(t, "b", paint(t, 1))
	lesser := w.wait(t, w.submit(t, queue.Routine, other), 0)
	backlog.Store(0)
	if whole := w.wait(t, w.submit(t, queue.Routine, other), 0); whole.End.Cached || len(whole.End.Degraded) != 0 || whole.End.Result == lesser.End.Result {
		t.Errorf("%+v", whole.End)
	}
	b, err := blob.Read(t.Context(), w.store, "results/"+lesser.End.Result+"/"+report.ResultFile, 1<<20)
	var r report.Result
	if err := errors.Join(err, json.Unmarshal(b, &r)); err != nil || len(r.Degraded) < 2 {
		t.Errorf("the files say %v, %v", r.Degraded, err)
	}
}
