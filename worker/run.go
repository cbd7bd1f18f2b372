package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
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
}

// Run takes jobs and does them until ctx ends. Then it takes no more, stops what it
// walks and hands it back to the queue: nothing is lost but the time. It returns when
// all has stopped, or, with an error, when Config.Drain is over.
func (w *Worker) Run(ctx context.Context) error {
	if err := os.MkdirAll(w.cfg.Scratch, 0o777); err != nil {
		return fault.New(fault.Unavailable, "make scratch folder: %w", err)
	}
	w.clearScratch()
	deaf, err := w.desk.OnCancel(w.cancel)
	if err != nil {
		return err
	}
	defer deaf()

	var wg sync.WaitGroup
	for range w.cfg.Jobs {
		wg.Go(func() { w.serve(ctx) })
	}
	wg.Go(func() { w.greet(ctx) })
	stopped := make(chan struct{})
	go func() { defer close(stopped); wg.Wait() }()
	select {
	case <-stopped: // ctx has ended
		return nil
	case <-ctx.Done():
	}
	select {
	case <-stopped:
		return nil
	case <-time.After(w.cfg.Drain):
		return fault.New(fault.Unavailable, "worker: slides were still being walked %v after it was told to stop; others take them when their leases end", w.cfg.Drain)
	}
}

// serve does one job after the other.
func (w *Worker) serve(ctx context.Context) {
	for ctx.Err() == nil {
		lease, err := w.queue.Take(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.log.Warn("take a job", "error", err)
				sleep(ctx, time.Second)
			}
			continue
		}
		w.job(ctx, lease)
	}
}

// job does one job and tells the queue and the desk how it went. What has to be told
// is told also when ctx has ended.
func (w *Worker) job(ctx context.Context, l *queue.Lease) {
	begun := time.Now()
	after, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	defer context.AfterFunc(ctx, func() { // bounds what is told after the end
		time.AfterFunc(w.cfg.Drain, release)
	})()

	t, err := w.desk.Begin(ctx, l.Data)
	log := w.log.With("job_id", l.ID, "attempt", l.Attempt)
	if err == nil || errors.Is(err, cohort.ErrOver) {
		w.away.Store(0) // the store was asked, and answered
	}
	switch {
	case err == nil:
	case errors.Is(err, cohort.ErrOver):
		w.told(log, l.Done(after))
		return
	case ctx.Err() != nil:
		w.told(log, l.Return(after))
		return
	case retries(err): // only the store was asked
		w.awaitStore(ctx, log, err)
		w.told(log, l.Return(after))
		return
	default:
		log.Error("a job that cannot be read is dropped", "error", err)
		w.told(log, l.Done(after))
		return
	}

	end, err := w.attempt(ctx, l, t)
	cause := err
	switch {
	case err == nil:
	case errors.Is(err, errLost):
		w.desk.Leave(t)
		return
	case errors.Is(err, errCancelled):
		w.desk.Leave(t)
		w.metrics.slides.WithLabelValues(string(cohort.Cancelled)).Inc()
		w.told(log, l.Done(after))
		return
	case ctx.Err() != nil:
		w.desk.Back(t)
		w.told(log, l.Return(after))
		return
	case errors.Is(err, errAway):
		w.desk.Back(t)
		w.awaitStore(ctx, log, err)
		w.told(log, l.Return(after))
		return
	case retries(err) && l.Attempt < w.cfg.Attempts:
		wait := pause(w.cfg.Pause, l.Attempt)
		log.Warn("a slide is tried again", "kind", fault.Of(err).String(), "wait", wait, "error", err)
		w.metrics.retries.WithLabelValues(fault.Of(err).String()).Inc()
		w.desk.Back(t)
		w.told(log, l.Again(after, wait))
		return
	default:
		sha := end.SHA256
		end = failed(err)
		end.SHA256 = sha
	}

	end.Attempts, end.Worker = l.Attempt, w.cfg.ID
	end.TookS = time.Since(begun).Seconds()
	if err := w.desk.End(after, t, end); err != nil { // the result stays; the next attempt finds it
		w.desk.Back(t)
		w.awaitStore(ctx, log, err)
		w.told(log, l.Return(after))
		return
	}
	w.metrics.slides.WithLabelValues(string(end.State)).Inc()
	w.metrics.took.WithLabelValues(string(end.State)).Observe(end.TookS)
	if cause != nil {
		log = log.With("error", cause)
	}
	log.Info("slide ended", "state", end.State, "cached", end.Cached, "patches", end.Patches, "took", time.Since(begun))
	w.told(log, l.Done(after))
}

// awaitStore lets some time go by, less than the lease, because the store is away.
func (w *Worker) awaitStore(ctx context.Context, log *slog.Logger, err error) {
	log.Warn("the store is away, a slide waits", "error", err)
	w.away.Store(time.Now().UnixNano())
	w.metrics.retries.WithLabelValues("store_away").Inc()
	sleep(ctx, min(pause(w.cfg.Pause, 2), w.cfg.Lease/3))
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
func (w *Worker) attempt(ctx context.Context, l *queue.Lease, t cohort.Task) (end cohort.End, err error) {
	if l.Attempt > w.cfg.Attempts {
		// Each time it went without a word: it takes the process with it.
		return end, fault.New(fault.Internal, "begun %d times and never came to its end", l.Attempt-1)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	me := &walk{t, stop}
	w.mu.Lock()
	w.walks[me] = struct{}{}
	w.mu.Unlock()
	w.metrics.walking.Inc()
	share := w.share.begin()
	beaten := make(chan struct{})
	over, finish := context.WithCancel(ctx)
	go func() {
		defer close(beaten)
		w.beat(over, l, stop)
	}()
	defer func() {
		finish()
		<-beaten
		w.metrics.walking.Dec()
		end.ComputeS = share().Seconds()
		w.mu.Lock()
		delete(w.walks, me)
		w.mu.Unlock()
		if c := context.Cause(ctx); err != nil && (errors.Is(c, errLost) || errors.Is(c, errCancelled)) {
			err = c
		}
	}()
	end, err = w.walk(ctx, t)
	return end, inWords(err)
}

// beat keeps the lease until ctx ends, and stops the walk where it is lost.
func (w *Worker) beat(ctx context.Context, l *queue.Lease, stop context.CancelCauseFunc) {
	tick := time.NewTicker(w.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch err := l.Beat(ctx); {
		case err == nil || ctx.Err() != nil:
		case fault.Of(err) == fault.NotFound:
			w.log.Warn("the lease of a job is lost", "job_id", l.ID)
			stop(errLost)
			return
		default: // it may be kept yet: the lease knows when it is over
			w.log.Warn("keep the lease of a job", "job_id", l.ID, "error", err)
		}
	}
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

// Names of what lies in the scratch folder while it is needed. What is older than
// scratchLeft was left by a worker that was killed.
const (
	scratchMark = "bcc-worker-"
	scratchLeft = 24 * time.Hour
)

func (w *Worker) clearScratch() {
	left, err := filepath.Glob(filepath.Join(w.cfg.Scratch, scratchMark+"*"))
	if err != nil {
		return // nothing is lost but room
	}
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > scratchLeft {
			os.RemoveAll(path)
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
