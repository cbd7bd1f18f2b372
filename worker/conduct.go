package worker

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/queue"
	"bcc/report"
)

const (
	// keepBytes is how many bytes of a slide's rows are held until all are there. Of
	// more, those that are through are read again in the end, one slide at a time:
	// embeddings of 100,000 patches take 400 MB, probabilities 400 kB.
	keepBytes = 16 << 20
	// lookEvery is how often the conductor looks how its shards stand, if it hears
	// nothing; askEvery how often it asks the store for those that others have.
	lookEvery = time.Second
	askEvery  = 5 * time.Second
	// lookUps is how many shards are looked for in the store at once.
	lookUps = 8
)

// conductor brings the shards of one slide together, whoever makes them. One
// goroutine is its hand, which makes shards or, when there are none left to begin,
// those of others; another watches: it offers shards, hears of finished ones, and
// knows when all are there.
type conductor struct {
	w      *Worker
	job    *walk
	src    *source
	survey Survey
	log    *slog.Logger

	first  int            // the shard to begin with
	making sync.WaitGroup // what uses the survey
	quiet  time.Time      // of the watch alone: until then nothing is offered

	mu      sync.Mutex
	shards  []shard
	said    map[string]string  // what others said of shards, by key; not looked into yet
	dry     bool               // nothing was offered when a hand asked
	spent   map[string]float64 // seconds of workers' time that shards took, by their kinds
	failed  error
	closed  bool
	changed chan struct{} // closed when anything above has changed
}

// conduct returns the slide's result, written into dir. hands is waited for before
// the slot takes another job: a hand may be at somebody else's shard yet.
func (w *Worker) conduct(ctx context.Context, p plan, src *source, job *walk, dir string) (report.Result, error) {
	var survey Survey
	err := w.step(ctx, spanSurvey, func(ctx context.Context) (err error) {
		survey, err = p.examiner.Survey(ctx, src.Source, planned{w, job.task})
		return err
	})
	if err != nil {
		return report.Result{}, err
	}
	defer survey.Close()
	c := w.newConductor(survey, p.override, src, job)
	defer c.close()
	if err := c.find(ctx); err != nil {
		return report.Result{}, err
	}
	job.known = c.known()
	for {
		job.effort.pause() // what shards take is counted where they are made
		err := c.gather(ctx)
		job.effort.resume()
		job.add(w.cfg.Kind, c.take())
		if err != nil {
			return report.Result{}, err
		}
		rows, done, err := c.assemble(ctx)
		if err != nil {
			return report.Result{}, err
		}
		if rows == nil {
			continue // what was there is not any more
		}
		defer done()
		var r report.Result
		err = w.step(ctx, spanReport, func(ctx context.Context) (err error) {
			r, err = survey.Finish(ctx, rows, dir)
			return err
		}, patchCount(survey.Grid().Len()))
		return r, err
	}
}

func (w *Worker) newConductor(survey Survey, override float64, src *source, job *walk) *conductor {
	g := survey.Grid()
	ranges := cut(g.Len(), w.cfg.Shard)
	c := &conductor{
		w: w, job: job, src: src, survey: survey, log: w.log.With("slide_id", job.task.SlideID),
		shards: make([]shard, len(ranges)), said: map[string]string{}, spent: map[string]float64{}, changed: make(chan struct{}),
	}
	if len(ranges) > 0 {
		c.first = int(w.number % uint64(len(ranges)))
	}
	for i, r := range ranges {
		c.shards[i] = shard{Range: r, key: w.rowsKey(src.sha256, override, detect.Part(g, r.From, r.To))}
	}
	return c
}

// close returns when nothing uses the survey any more.
func (c *conductor) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.making.Wait()
}

// take returns the seconds that shards took since it was asked the last time, by kinds
// of workers.
func (c *conductor) take() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	spent := c.spent
	c.spent = map[string]float64{}
	return spent
}

// find learns which shards are in the store already.
func (c *conductor) find(ctx context.Context) error {
	var wg sync.WaitGroup
	room := make(chan struct{}, lookUps)
	errs := make([]error, len(c.shards))
	for i := range c.shards {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			r, err := c.w.lookUp(ctx, c.shards[i].key, c.shards[i].Len())
			c.shards[i].asked = time.Now() // nobody else has it yet
			if errs[i] = err; r != nil {
				c.w.metrics.shards.WithLabelValues(shardFound).Inc()
				c.there(i, r, false)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// known returns of how many patches the rows are in the store.
func (c *conductor) known() (patches int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.shards {
		if c.shards[i].there {
			patches += c.shards[i].Len()
		}
	}
	return patches
}

// gather returns when all shards are in the store.
func (c *conductor) gather(ctx context.Context) error {
	left := c.left()
	if left == 0 {
		return nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(errGathered)
	if left > 1 { // others may help
		deaf, err := c.w.queue.Listen(partTopic(c.job.task), c.hear)
		if err != nil {
			c.log.Warn("listen to those who help with a slide", "error", err) // the store is asked too
		} else {
			defer deaf()
		}
	}
	c.job.hands.Go(func() {
		if err := guard(c.log, func() error { return c.work(ctx) }); err != nil {
			c.fail(err)
		}
	})
	return c.watch(ctx)
}

// errGathered ends what a hand does when its slide needs it no more.
var errGathered = errors.New("all shards are there")

// work is the hand: it makes one shard after the other and, while the rest is with
// others, takes what is offered, also of other slides. It returns an error where the
// slide has one.
func (c *conductor) work(ctx context.Context) error {
	for ctx.Err() == nil {
		i, late, ok := c.begin()
		switch {
		case ok:
			if late {
				c.w.metrics.shards.WithLabelValues(shardTakenOver).Inc()
			}
			if err := c.make(ctx, i); err != nil && ctx.Err() == nil {
				return err
			}
		case c.left() == 0:
			return nil
		default:
			if err := c.help(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// begin takes the next shard to be made here, which make does. late: another is at
// it, too.
func (c *conductor) begin() (i int, late, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.standing()
	if i, ok = s.next(); !ok {
		return 0, false, false
	}
	late = c.shards[i].offers > 0
	return i, late, c.claim(i)
}

// claim makes a shard ours, where it is wanted yet. The caller holds mu.
func (c *conductor) claim(i int) bool {
	sh := &c.shards[i]
	if sh.there || sh.mine || c.closed {
		return false
	}
	c.making.Add(1)
	sh.mine, sh.since, sh.begun = true, time.Now(), time.Now()
	return true
}

// standing returns how the shards stand. The caller holds mu.
func (c *conductor) standing() standing {
	return standing{
		now: time.Now(), urgent: c.urgent(), dry: c.dry, patch: c.perPatch(), first: c.first, shards: c.shards,
	}
}

func (c *conductor) urgent() bool { return c.job.task.Priority == queue.Urgent }

// perPatch is the median time of a patch of this slide, or what this worker would need
// now where that is less; 0 where nothing is known. The caller holds mu.
func (c *conductor) perPatch() time.Duration {
	ours := c.w.perPatch()
	var known []time.Duration
	for i := range c.shards {
		if p := c.shards[i].pace; p > 0 {
			known = append(known, p)
		}
	}
	if len(known) == 0 {
		return ours
	}
	slices.Sort(known)
	median := known[len(known)/2]
	if ours == 0 {
		return median
	}
	return min(median, ours)
}

// make has a shard scored here, and its rows kept, where they are not in the store.
func (c *conductor) make(ctx context.Context, i int) error {
	defer c.making.Done()
	return c.w.step(ctx, spanShard, func(ctx context.Context) error { return c.score(ctx, i) },
		attribute.Int("bcc.shard", i), patchCount(c.shards[i].Len()))
}

func (c *conductor) score(ctx context.Context, i int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.mu.Lock()
	sh := c.shards[i]
	c.shards[i].stop = stop
	c.mu.Unlock()
	if time.Since(sh.asked) > lookEvery {
		if r, err := c.w.lookUp(ctx, sh.key, sh.Len()); err != nil || r != nil {
			c.put(i, r)
			return err
		}
	}
	end, begun := c.w.share.begin(), time.Now()
	scored := 0
	var mu sync.Mutex
	values, err := c.survey.Score(ctx, sh.From, sh.To, func(n int) {
		c.w.scored(n)
		mu.Lock()
		scored += n
		all := scored
		mu.Unlock()
		c.progress(i, all)
	})
	spent := end()
	if err != nil {
		c.put(i, nil)
		if errors.Is(context.Cause(ctx), errMade) {
			c.w.metrics.shards.WithLabelValues(shardStopped).Inc()
			return nil // the watch reads what the other made
		}
		return err
	}
	r, err := c.w.keep(ctx, c.w.made(sh.key, sh.Len(), values, time.Since(begun), spent))
	if err != nil {
		c.put(i, nil)
		return err
	}
	if sh.offers > 0 || c.offered(i) {
		c.w.tellPart(c.job.task, partDone, sh.key)
	}
	c.put(i, r)
	return nil
}

// put ends what was being made here. A nil r: it is not there for it.
func (c *conductor) put(i int, r *shardRows) {
	c.mu.Lock()
	c.shards[i].mine, c.shards[i].stop = false, nil
	c.shards[i].since = time.Now()
	c.mu.Unlock()
	if r != nil {
		c.there(i, r, true)
	} else {
		c.change()
	}
}

// there takes down that a shard is in the store. fresh: it was made meanwhile.
func (c *conductor) there(i int, r *shardRows, fresh bool) {
	c.mu.Lock()
	sh := &c.shards[i]
	if !sh.there {
		sh.there = true
		if fresh {
			sh.pace = r.perPatch()
			c.spent[r.Kind] += r.ComputeS
			c.w.desk.Spent(c.job.task, sh.Len(), r.Kind, r.ComputeS)
		} else {
			c.w.desk.Spent(c.job.task, sh.Len(), r.Kind, 0)
		}
		if len(r.values)*4*len(c.shards) <= keepBytes {
			sh.rows = r.values
		}
	}
	stop := sh.stop
	c.mu.Unlock()
	if stop != nil {
		stop(errMade)
	}
	c.progress(i, r.Patches)
	c.change()
}

// progress tells the desk that n patches of a shard are through, each once.
func (c *conductor) progress(i, n int) {
	c.mu.Lock()
	more := min(n, c.shards[i].Len()) - c.shards[i].told
	if more > 0 {
		c.shards[i].told += more
	}
	c.mu.Unlock()
	if more > 0 {
		c.w.desk.Scored(c.job.task, more)
	}
}

func (c *conductor) offered(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shards[i].offers > 0
}

func (c *conductor) left() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.shards {
		if !c.shards[i].there {
			n++
		}
	}
	return n
}

func (c *conductor) fail(err error) {
	c.mu.Lock()
	if c.failed == nil {
		c.failed = err
	}
	c.mu.Unlock()
	c.change()
}

// change wakes whoever waits for a change.
func (c *conductor) change() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// assemble returns all rows, nil where some are not there any more. done gives the
// memory back.
func (c *conductor) assemble(ctx context.Context) (rows []float32, done func(), err error) {
	outputs := c.w.model.Detect.Outputs
	n := c.survey.Grid().Len() * outputs
	done = func() {}
	if 4*n > keepBytes {
		if done, err = c.w.large.enter(ctx, ""); err != nil {
			return nil, nil, err
		}
	}
	rows = make([]float32, 0, n)
	for i := range c.shards {
		values := c.shards[i].rows
		if values == nil {
			r, err := c.w.lookUp(ctx, c.shards[i].key, c.shards[i].Len())
			if err != nil {
				done()
				return nil, nil, err
			}
			if r == nil {
				c.mu.Lock()
				c.shards[i].there, c.shards[i].offers = false, 0
				c.mu.Unlock()
				done()
				return nil, nil, nil
			}
			values = r.values
		}
		rows = append(rows, values...)
	}
	return rows, done, nil
}

// planned tells the desk how many patches a slide has; what becomes of them it hears
// from the conductor.
type planned struct {
	w *Worker
	t cohort.Task
}

func (v planned) Planned(_ string, patches int) { v.w.desk.Planned(v.t, patches) }
func (planned) Scored(string, int)              {}
func (planned) Ended(detect.End)                {}

// guard turns a panic into an error: a slide must not take the others down.
func guard(log *slog.Logger, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("a walk broke down", "panic", p, "stack", string(debug.Stack()))
			err = broken{fault.New(fault.Internal, "the program broke down on this slide: %v", p)}
		}
	}()
	return f()
}
