package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
	"bcc/telemetry"
)

// Why a walk is stopped, where it is not because the worker stops.
var (
	errCancelled = errors.New("the cohort was cancelled")
	errLost      = errors.New("the lease of the job is lost")
)

// walk is one job in hand.
type walk struct {
	task cohort.Task
	stop context.CancelCauseFunc

	// Of whole slides only.
	id     string          // tells this attempt from others
	trace  string          // its span, for those who help with it
	slot   context.Context // of the slot that does it
	parts  []queue.Lane    // what its hands may take while they wait
	known  int             // patches whose outputs were kept when it was begun
	effort effort
	others map[string]float64 // seconds of effort by workers of other kinds; nil: none
	hands  sync.WaitGroup
}

// byKind divides what the slide took among the kinds of workers that made it; nil: all
// were of the one kind.
func (v *walk) byKind(own string, computeS float64) map[string]float64 {
	if len(v.others) == 0 {
		return nil
	}
	by := maps.Clone(v.others)
	by[own] = computeS
	for _, s := range v.others {
		by[own] -= s
	}
	by[own] = max(by[own], 0)
	return by
}

// add takes down what shards took.
func (v *walk) add(own string, spent map[string]float64) {
	for kind, s := range spent {
		v.effort.add(s)
		if kind != own && kind != "" {
			if v.others == nil {
				v.others = map[string]float64{}
			}
			v.others[kind] += s
		}
	}
}

// Run takes jobs and does them until ctx ends. Then it takes no more, goes on with what
// it has begun for Config.Finish, stops what it walks yet and hands it back to the
// queue: nothing is lost but shards that were begun. It returns when all has stopped,
// or, with an error, when Config.Drain is over after that.
func (w *Worker) Run(ctx context.Context) error {
	scratch, release, err := openScratch(w.cfg.Scratch)
	if err != nil {
		return err
	}
	defer release()
	w.scratch = scratch
	deaf, err := w.desk.Listen(w.cancel)
	if err != nil {
		return err
	}
	defer deaf()

	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var wg sync.WaitGroup
	s := &slots{w: w, ctx: work, taking: ctx, wg: &wg}
	if w.cfg.Jobs > 0 {
		s.resize(w.cfg.Jobs)
	} else {
		s.resize(firstSlots)
		wg.Go(func() { s.adapt(ctx) })
	}
	wg.Go(func() { w.serve(work, ctx, urgentOnly, 0) })
	stopped := make(chan struct{})
	go func() { defer close(stopped); wg.Wait() }()
	hello, stopHello := context.WithCancel(context.WithoutCancel(ctx))
	var greeting sync.WaitGroup
	greeting.Go(func() { w.greet(hello, ctx.Done()) }) // also while it finishes: slides that nobody speaks of count as waiting
	defer func() {
		stopHello()
		greeting.Wait()
		if err := w.desk.Bye(w.cfg.ID); err != nil {
			w.log.Debug("say that the worker is gone", "error", err)
		}
	}()

	<-ctx.Done()
	select {
	case <-stopped:
	case <-time.After(w.cfg.Finish):
	}
	stopWork()
	select {
	case <-stopped:
		return nil
	case <-time.After(w.cfg.Drain):
		return fault.New(fault.Unavailable, "worker: slides were still being walked %v after it was told to stop; others take them when their leases end", w.cfg.Drain)
	}
}

// afterwards returns a context for what has to be told also when ctx has ended: it
// ends a while later.
func (w *Worker) afterwards(ctx context.Context) (after context.Context, release func()) {
	after, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(w.cfg.Drain, cancel) })
	return after, func() { stop(); cancel() }
}

// job does the job of a slide and tells the queue and the desk how it went.
func (w *Worker) job(ctx context.Context, l *queue.Lease, parts []queue.Lane) {
	begun := time.Now()
	after, release := w.afterwards(ctx)
	defer release()
	log := w.log.With("job_id", l.ID, "attempt", l.Attempt)
	t, ok := w.take(ctx, after, log, l)
	if !ok {
		return
	}
	ctx, span := w.follow(ctx, l, t)
	after = trace.ContextWithSpan(after, span)
	if t.Priority == queue.Urgent {
		defer w.urgency.begin()()
	}
	job := &walk{task: t, trace: telemetry.Traceparent(ctx), id: fmt.Sprintf("%x-%d", w.number, w.jobs.Add(1)), slot: ctx, parts: parts, effort: effort{share: &w.share}}
	defer job.hands.Wait() // one may be at a shard of another slide yet
	end, err := w.attempt(ctx, l, job)
	defer func() { followed(span, end, err) }()
	if err != nil {
		sha := end.SHA256
		var over bool
		if end, over = w.fate(ctx, after, log, l, t, err); !over {
			return
		}
		end.SHA256 = sha
	}
	end.Attempts, end.Worker, end.Kind = l.Attempt, w.cfg.ID, w.cfg.Kind
	end.TookS, end.ComputeS = time.Since(begun).Seconds(), job.effort.seconds()
	end.ComputeBy = job.byKind(w.cfg.Kind, end.ComputeS)
	if err := w.desk.End(after, t, end); err != nil { // the result stays; the next attempt finds it
		w.desk.Back(t)
		w.await(ctx, log, err)
		w.told(log, l.Return(after))
		return
	}
	w.metrics.ended(end)
	if err != nil {
		log = log.With("error", err)
	}
	log.Info("slide ended", "state", end.State, "cached", end.Cached, "patches", end.Patches, "known", end.Known, "took", time.Since(begun))
	w.told(log, l.Done(after))
}

// take reads the job; ok is false where there is nothing to be done about it here.
func (w *Worker) take(ctx, after context.Context, log *slog.Logger, l *queue.Lease) (t cohort.Task, ok bool) {
	t, err := w.desk.Begin(ctx, l.Data)
	if err == nil || errors.Is(err, cohort.ErrOver) || errors.Is(err, cohort.ErrCapped) {
		w.away.Store(0) // the store was asked, and answered
	}
	switch {
	case err == nil && t.Model != "" && t.Model != w.model.Detect.Model.SHA256: // others may have it
		w.otherModel.Do(func() {
			log.Warn("slides that were submitted for another model are left to workers that have it", "model_sha256", t.Model)
		})
		w.desk.Back(t)
		w.told(log, l.Later(after, foreignPauses*w.cfg.Pause))
	case err == nil:
		return t, true
	case errors.Is(err, cohort.ErrOver), errors.Is(err, cohort.ErrCapped):
		w.told(log, l.Done(after))
	case ctx.Err() != nil:
		w.told(log, l.Return(after))
	case errors.Is(err, cohort.ErrElsewhere): // others may have the right store: it is theirs at once
		w.told(log, l.Return(after))
		w.elsewhere(ctx, log, err)
	case errors.Is(err, cohort.ErrTakenAway): // at once, it would be the next that is taken, for ever
		log.Error("a job is left alone", "error", err)
		w.told(log, l.Later(after, foreignPauses*w.cfg.Pause))
	case retries(err): // only the store was asked
		w.await(ctx, log, err)
		w.told(log, l.Return(after))
	case fault.Of(err) == fault.Unsupported: // others may be of its version
		w.foreign.Do(func() { log.Error("jobs of another version are left to workers that read them", "error", err) })
		w.told(log, l.Later(after, foreignPauses*w.cfg.Pause))
	default:
		log.Error("a job that cannot be read is dropped", "error", err)
		w.told(log, l.Done(after))
	}
	return t, false
}

// foreignPauses is how many of Config.Pause a job rests that a worker of another
// version or with another model took: long enough for it to get to what is its own.
const foreignPauses = 8

// await lets some time go by, less than the lease, because the store is away.
func (w *Worker) await(ctx context.Context, log *slog.Logger, err error) {
	log.Warn("the store is away, a slide waits", "error", err)
	w.away.Store(time.Now().UnixNano())
	w.metrics.retries.WithLabelValues("store_away").Inc()
	sleep(ctx, min(pause(w.cfg.Pause, 2), w.cfg.Lease/3))
}

// elsewhere takes nothing for a while, because the jobs are not of this worker's store.
func (w *Worker) elsewhere(ctx context.Context, log *slog.Logger, err error) {
	log.Error("this worker has another store than the server of the queue; slides are left to others", "error", err, "hint", fault.HintOf(err))
	w.metrics.retries.WithLabelValues("store_other").Inc()
	w.astray.Store(time.Now().UnixNano())
	sleep(ctx, pause(w.cfg.Pause, 3))
}

// told logs that the queue could not be told how a job went. It will be given to
// somebody once more, who finds how it ended.
func (w *Worker) told(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("tell the queue how a job went", "error", err)
	}
}

// attempt walks the slide while it keeps the lease. errLost, errCancelled: somebody
// else has it, nobody wants it.
func (w *Worker) attempt(ctx context.Context, l *queue.Lease, job *walk) (end cohort.End, err error) {
	if l.Attempt > maxDeliveries {
		return end, errSilent
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	job.stop = stop
	w.metrics.walking.Inc()
	defer w.metrics.walking.Dec()
	job.effort.resume()
	defer job.effort.pause()
	err = w.hold(ctx, l, job, func(ctx context.Context) error {
		return guard(w.log.With("slide_id", job.task.SlideID), func() (err error) {
			end, err = w.walk(ctx, job)
			return err
		})
	})
	return end, inWords(err)
}

// cancel stops the walks of a cohort.
func (w *Worker) cancel(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v := range w.walks {
		if v.task.Cohort == id {
			v.stop(errCancelled)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// neutral is what a slide is called in its results: by its content.
func neutral(sha256 string) string { return fmt.Sprintf("slide-%.12s", sha256) }
