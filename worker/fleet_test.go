package worker_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/queue"
	"bcc/report"
	"bcc/slide"
	"bcc/worker"
	"bcc/wsi"
)

// inShards has slides cut into 9 shards of 8 patches.
func inShards(c *worker.Config) { c.Shard = 8 }

func oneSlot(c *worker.Config) { c.Jobs = 1 }

// files returns the files of a slide's result but those in which times stand.
func files(t *testing.T, w *world, s cohort.Status) map[string][]byte {
	t.Helper()
	if s.State != cohort.Done {
		t.Fatalf("%s: %+v with %+v", s.State, s.End, s.End.Problem)
	}
	prefix := "results/" + s.End.Result
	sums, err := blob.ReadSums(t.Context(), w.store, prefix)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, f := range sums.Files {
		if f.Name == report.TimingFile {
			continue
		}
		if found[f.Name], err = blob.Read(t.Context(), w.store, prefix+"/"+f.Name, 1<<24); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func same(t *testing.T, name string, got, want map[string][]byte) {
	t.Helper()
	if len(got) != len(want) || len(want) < 5 {
		t.Errorf("%s: %d files, want %d", name, len(got), len(want))
	}
	for file, b := range want {
		if !bytes.Equal(got[file], b) {
			t.Errorf("%s: %s differs", name, file)
		}
	}
}

// quiet returns the files that one worker makes of the slide as one shard.
func quiet(t *testing.T, slide []byte) map[string][]byte {
	t.Helper()
	w := newWorld(t)
	w.start(t, oneSlot)
	return files(t, w, w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", slide)), 0))
}

// kept returns the keys of the rows in the store.
func (w *world) kept(t testing.TB) (keys []string) {
	t.Helper()
	for info, err := range w.store.List(t.Context(), "patches/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// until waits for a condition.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}

// count returns a counter's value, all its labels added up or those of one label.
func count(t testing.TB, r *prometheus.Registry, name, label string) (sum float64) {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestAResultIsTheSameHoweverManyMakeItAndHoweverItIsCut(t *testing.T) {
	t.Parallel()
	slide := paint(t, 0)
	want := quiet(t, slide)
	for name, c := range map[string]struct{ workers, shard int }{
		"one shard a patch": {1, 1}, "shards of 7": {2, 7}, "three workers": {3, 8}, "one worker": {1, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var scored atomic.Int64
			w.before = func(_ context.Context, n int) error { scored.Add(int64(n)); return nil }
			for range c.workers {
				w.start(t, func(cfg *worker.Config) { cfg.Shard = c.shard })
			}
			s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", slide)), 0)
			same(t, name, files(t, w, s), want)
			if s.End.ComputeS <= 0 || s.End.Patches != 72 || scored.Load() < 72 {
				t.Errorf("%+v, %d patches scored", s.End, scored.Load())
			}
			for _, key := range w.kept(t) {
				if err := worker.CheckRows(t.Context(), w.store, key); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestTheSameSlideTwiceIsMadeByTwoWorkersTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reg := prometheus.NewRegistry()
	for range 2 {
		w.start(t, inShards, oneSlot, func(c *worker.Config) { c.Registerer = reg })
	}
	slide := paint(t, 0)
	sent := w.upload(t, "a", slide)
	m := w.submit(t, queue.Routine, sent, sent, sent, sent)
	want := quiet(t, slide)
	for i := range 4 {
		same(t, "the same twice", files(t, w, w.wait(t, m, i)), want)
	}
	if n := count(t, reg, "bcc_shards_total", "made"); n != 9 {
		t.Errorf("%v shards were kept, want 9", n)
	}
}

func TestIdleWorkersTakePartInASlide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := make(chan struct{})
	var meet sync.Once
	var at [2]atomic.Bool
	wait := func(me int) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { // nobody goes on before both have begun
			at[me].Store(true)
			if at[1-me].Load() {
				meet.Do(func() { close(both) })
			}
			select {
			case <-both:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	reg := prometheus.NewRegistry()
	for me := range 2 {
		w.model = newModel(t, patchPx, 1, wait(me))
		w.start(t, inShards, oneSlot, func(c *worker.Config) { c.Registerer = reg })
	}
	slide := paint(t, 0)
	s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", slide)), 0)
	same(t, "two workers", files(t, w, s), quiet(t, slide))
	if n := count(t, reg, "bcc_part_jobs_total", "scored"); n == 0 {
		t.Error("no shard was made by another")
	}
	if n := count(t, reg, "bcc_shards_total", "made"); n != 9 {
		t.Errorf("%v shards were made, want 9", n)
	}
}

// mortal is a queue of a worker that can be killed: from then on nothing that the
// worker says arrives.
type mortal struct {
	*queue.Queue
	dead atomic.Bool

	mu   sync.Mutex
	held []*queue.Lease
}

func (m *mortal) Take(ctx context.Context, lanes ...queue.Lane) (*queue.Lease, error) {
	if m.dead.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	l, err := m.Queue.Take(ctx, lanes...)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, l)
	return queue.NewLease(l.Job, l.Attempt, mortalLease{m, l}), nil
}

type mortalLease struct {
	m *mortal
	l *queue.Lease
}

func (h mortalLease) say(f func() error) error {
	if h.m.dead.Load() {
		return fault.New(fault.Unavailable, "dead")
	}
	return f()
}

func (h mortalLease) Beat(ctx context.Context) error {
	return h.say(func() error { return h.l.Beat(ctx) })
}
func (h mortalLease) Done(ctx context.Context) error {
	return h.say(func() error { return h.l.Done(ctx) })
}
func (h mortalLease) Return(ctx context.Context, after time.Duration) error {
	return h.say(func() error { return h.l.Later(ctx, after) })
}
func (h mortalLease) Again(ctx context.Context, d time.Duration) error {
	return h.say(func() error { return h.l.Again(ctx, d) })
}

// startMortal runs a worker until kill is called, which ends its leases too.
func (w *world) startMortal(t *testing.T, change ...func(*worker.Config)) (kill func()) {
	t.Helper()
	m := &mortal{Queue: w.queue}
	cfg := worker.DefaultConfig()
	cfg.Pause, cfg.Scratch = time.Millisecond, t.TempDir()
	for _, c := range change {
		c(&cfg)
	}
	wk, err := worker.New(cfg, w.model, w.store, m, cohort.NewDesk(w.store, w.queue), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = wk.Run(ctx) }()
	kill = func() {
		m.dead.Store(true)
		cancel()
		<-done
		for _, l := range m.held {
			_ = l.Again(context.Background(), 0) // NotFound: it was done before
		}
		m.held = nil
	}
	t.Cleanup(kill)
	return kill
}

func TestAKilledWorkerLosesOnlyTheShardsInItsHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var scored atomic.Int64
	var gate atomic.Bool
	gate.Store(true)
	w.before = func(ctx context.Context, n int) error {
		for gate.Load() && len(w.kept(t)) >= 4 { // then nothing more comes through
			time.Sleep(time.Millisecond)
		}
		scored.Add(int64(n))
		return nil
	}
	slide := paint(t, 0)
	kill := w.startMortal(t, inShards, oneSlot)
	m := w.submit(t, queue.Routine, w.upload(t, "a", slide))
	until(t, "four shards are kept", func() bool { return len(w.kept(t)) >= 4 })
	kill()
	gate.Store(false)
	w.start(t, inShards, oneSlot)
	s := w.wait(t, m, 0)
	same(t, "after a kill", files(t, w, s), quiet(t, slide))
	// Two runners were at one shard, maybe; its batches, and what they did at the gate.
	if n := scored.Load(); n < 72 || n > 72+8+2*4 {
		t.Errorf("%d patches scored: want 72, and at most those of a shard again", n)
	}
}

func TestWorkersThatAreKilledLeaveASlideItsGoodName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	for range 5 { // more often than attempts that fail may be
		l, err := w.queue.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Again(t.Context(), 0); err != nil { // as if the lease had ended
			t.Fatal(err)
		}
	}
	w.start(t)
	if s := w.wait(t, m, 0); s.State != cohort.Done || s.End.Attempts != 6 {
		t.Errorf("%s %+v %+v", s.State, s.End, s.End.Problem)
	}
}

func TestWhatComesAfterTheModelInfersNothingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var scored atomic.Int64
	w.before = func(_ context.Context, n int) error { scored.Add(int64(n)); return nil }
	w.start(t, inShards)
	slide := w.upload(t, "a", paint(t, 0))
	w.wait(t, w.submit(t, queue.Routine, slide), 0)
	first := scored.Swap(0)

	p := 0.95
	slide.Parameters.Threshold = &p
	s := w.wait(t, w.submit(t, queue.Routine, slide), 0)
	if s.State != cohort.Done || s.End.Cached || scored.Load() != 0 || s.End.Looked() != 0 || s.End.Prediction != "Non-malignant" {
		t.Errorf("another threshold: %+v, %d patches scored", s.End, scored.Load())
	}
	o := 0.5
	slide.Parameters.Overlap = &o
	if s = w.wait(t, w.submit(t, queue.Routine, slide), 0); s.State != cohort.Done || s.End.Looked() <= int(first) || s.End.Looked() > int(scored.Load()) { // a shard may be scored by two at once
		t.Errorf("overlap: %+v, %d patches scored", s.End, scored.Load())
	}
}

func TestAPoisonedShardIsFoundAndMadeAgain(t *testing.T) {
	t.Parallel()
	slide := paint(t, 0)
	w := newWorld(t)
	var scored atomic.Int64
	w.before = func(_ context.Context, n int) error { scored.Add(int64(n)); return nil }
	reg := prometheus.NewRegistry()
	w.start(t, inShards, func(c *worker.Config) { c.Registerer = reg })
	sent := w.upload(t, "a", slide)
	s := w.wait(t, w.submit(t, queue.Routine, sent), 0)

	bad := w.kept(t)[4]
	b, err := blob.Read(t.Context(), w.store, bad, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-40] ^= 1 // a probability
	if err := w.store.Put(t.Context(), bad, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if err := blob.DropSet(t.Context(), w.store, "results/"+s.End.Result); err != nil {
		t.Fatal(err)
	}
	scored.Store(0)
	s = w.wait(t, w.submit(t, queue.Routine, sent), 0)
	same(t, "poisoned", files(t, w, s), quiet(t, slide))
	if n := count(t, reg, "bcc_shards_total", "poisoned"); n != 1 || scored.Load() != 8 {
		t.Errorf("%v poisoned, %d patches scored; want 1 and 8", n, scored.Load())
	}
	if err := worker.CheckRows(t.Context(), w.store, bad); err != nil {
		t.Error(err)
	}
}

func TestShardsThatAreLateAreTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var held atomic.Bool
	slow := newModel(t, patchPx, 1, func(ctx context.Context, _ int) error {
		held.Store(true)
		for len(w.kept(t)) < 9 { // it never comes to the end of its first
			if ctx.Err() != nil {
				return ctx.Err()
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	slide := paint(t, 0)
	fast := w.model
	w.model = slow
	reg := prometheus.NewRegistry()
	w.start(t, inShards, oneSlot, func(c *worker.Config) { c.Registerer = reg })
	m := w.submit(t, queue.Routine, w.upload(t, "a", slide))
	until(t, "the slow one has begun", held.Load)
	w.model = fast
	w.start(t, inShards, oneSlot)
	s := w.wait(t, m, 0)
	same(t, "a straggler", files(t, w, s), quiet(t, slide))
	if n := count(t, reg, "bcc_shard_offers_total", ""); n < 9 {
		t.Errorf("%v shards were offered, want all: the one in hand too", n)
	}
}

// lossy is a queue that loses every offer.
type lossy struct {
	*queue.Queue
	lost atomic.Int64
	err  error
}

func (q *lossy) Put(_ context.Context, jobs ...queue.Job) error {
	q.lost.Add(int64(len(jobs)))
	return q.err
}

func TestALostOfferCostsOnlyTime(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"lost": nil, "refused": fault.New(fault.Unavailable, "no answer")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			q := &lossy{Queue: w.queue, err: err}
			w.before = func(ctx context.Context, _ int) error { // nothing is over before something is offered
				for q.lost.Load() == 0 && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				return nil
			}
			cfg := worker.DefaultConfig()
			cfg.Scratch, cfg.Shard, cfg.Jobs = t.TempDir(), 8, 1
			wk, err := worker.New(cfg, w.model, w.store, q, w.desk, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- wk.Run(ctx) }()
			s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0))), 0)
			if s.State != cohort.Done || q.lost.Load() == 0 {
				t.Errorf("%s, %d offers lost", s.State, q.lost.Load())
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// gated is a scorer that lets nothing through until it is opened.
type gated struct {
	detect.Scorer
	begun chan struct{}
	once  *sync.Once
	open  chan struct{}
}

func (g gated) Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error {
	g.once.Do(func() { close(g.begun) })
	select {
	case <-g.open:
		return g.Scorer.Score(ctx, patches, out)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestAnUrgentSlideIsBegunWhileAllSlotsAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gated{w.model.Scorer, make(chan struct{}), &sync.Once{}, make(chan struct{})}
	w.model.Urgent, w.model.Scorer = w.model.Scorer, g
	w.start(t, inShards, oneSlot)
	routine := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)), w.upload(t, "b", paint(t, 1)))
	<-g.begun
	urgent := w.submit(t, queue.Urgent, w.upload(t, "c", paint(t, 2)))
	if s := w.wait(t, urgent, 0); s.State != cohort.Done {
		t.Errorf("%+v", s.End)
	}
	sum, err := w.ledger.Summary(t.Context(), routine.ID)
	if err != nil || sum.Counts.Done != 0 {
		t.Errorf("%+v, %v: nothing routine can have been done", sum.Counts, err)
	}
	close(g.open)
	for i := range 2 {
		if s := w.wait(t, routine, i); s.State != cohort.Done || s.End.Attempts != 1 {
			t.Errorf("%+v", s.End)
		}
	}
}

func TestRowsTooLargeToBeHeldAreReadAgain(t *testing.T) {
	t.Parallel()
	const outputs = 60_000 // a shard of 8 patches: 1.9 MB, of which 9 are more than is held
	w := newWorld(t)
	w.model = newModelOf(t, patchPx, 2, outputs, nil)
	w.start(t, inShards)
	slide := paint(t, 0)
	s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", slide)), 0)
	same(t, "large rows", files(t, w, s), quiet(t, slide))
}

// killer is the error of a slide that has to be ended from outside.
type killer struct{ error }

func (killer) Blames() bool { return true }

func TestASlideThatKillsItsReaderIsQuarantinedAndOthersAreNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  fault.Kind
		times int
	}{
		"by its own doing":               {fault.Corrupt, 3},
		"by a system that ran out of it": {fault.Unavailable, 5}, // maybe other slides' doing
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bad, good := paint(t, 0), paint(t, 1)
			var opened atomic.Int64
			w.model.Detect.Open = func(ctx context.Context, src detect.Source, cfg slide.Config) (detect.Slide, error) {
				if sha, _ := src.SHA256(); sha == digest(bad) {
					opened.Add(1)
					return nil, fault.New(c.kind, "open slide: %w", killer{errors.New("its reader took 9 GiB and was killed")})
				}
				return detect.OpenHere(ctx, src, cfg)
			}
			w.start(t)
			m := w.submit(t, queue.Routine, w.upload(t, "a", bad), w.upload(t, "b", good))
			s := w.wait(t, m, 0)
			if s.State != cohort.Quarantined || s.End.Attempts != c.times || opened.Load() != int64(c.times) || !strings.Contains(s.End.Problem.Message, "9 GiB") {
				t.Errorf("%s after %d: %+v %+v", s.State, opened.Load(), s.End, s.End.Problem)
			}
			if s := w.wait(t, m, 1); s.State != cohort.Done {
				t.Errorf("the healthy one: %+v", s.End)
			}
		})
	}
}

func TestAMachineWithoutRoomLeavesSlidesToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := filepath.Join(t.TempDir(), "full")
	w.start(t, func(c *worker.Config) { c.Scratch, c.Attempts, c.Kills = full, 1, 1 })
	if s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "b", paint(t, 1))), 0); s.State != cohort.Done {
		t.Fatalf("%+v", s.End)
	}
	if err := os.RemoveAll(full); err != nil { // nothing can be made in it now
		t.Fatal(err)
	}
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)))
	w.start(t)
	if s := w.wait(t, m, 0); s.State != cohort.Done {
		t.Errorf("%s: %+v", s.State, s.End.Problem)
	}
}

func TestJobsOfAnotherVersionAreLeftToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	job := queue.Job{ID: "later", Lane: queue.Routine, Data: []byte(`{"format_version": 99, "cohort": "x"}`)}
	if err := w.queue.Put(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	stop := w.start(t, oneSlot)
	if s := w.wait(t, w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0))), 0); s.State != cohort.Done {
		t.Errorf("%+v", s.End)
	}
	stop()
	b, err := w.queue.Backlog(t.Context())
	if err != nil || b.Leased != 1 || b.Routine != 0 {
		t.Errorf("%+v, %v: it must be there yet", b, err)
	}
}
