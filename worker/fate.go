package worker

import (
	"context"
	"errors"
	"log/slog"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// maxDeliveries is how often a slide is given to workers that are not heard of again.
// Workers are killed for many reasons, so one of them says nothing about the slide.
const maxDeliveries = 20

var errSilent = broken{fault.New(fault.Internal, "begun %d times and never came to its end", maxDeliveries)}

// broken is an error that the slide itself caused: it brought the program down.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// Blames reports that it is the slide's doing.
func (broken) Blames() bool { return true }

// blamed reports whether the slide killed, hung or broke what read it: a panic, or a
// child process that had to be ended.
func blamed(err error) bool {
	b, ok := errors.AsType[interface {
		error
		Blames() bool
	}](err)
	return ok && b.Blames()
}

// fate tells the queue and the desk what follows from an attempt that failed; over:
// the slide has come to its end.
//
//	lost, cancelled, drained      nothing is said of the slide
//	store away, machine full      it waits, and may go elsewhere
//	killed or broke its reader    noted; quarantined at Config.Kills
//	may succeed later             noted; quarantined at Config.Attempts
//	corrupt, unsupported, …       failed at once
func (w *Worker) fate(ctx, after context.Context, log *slog.Logger, l *queue.Lease, t cohort.Task, err error) (end cohort.End, over bool) {
	switch {
	case errors.Is(err, errLost):
		w.desk.Leave(t)
		return end, false
	case errors.Is(err, errCancelled):
		w.desk.Leave(t)
		w.metrics.slides.WithLabelValues(string(cohort.Cancelled)).Inc()
		w.told(log, l.Done(after))
		return end, false
	case ctx.Err() != nil:
		w.desk.Back(t)
		w.told(log, l.Return(after))
		return end, false
	case errors.Is(err, errAway):
		w.desk.Back(t)
		w.await(ctx, log, err)
		w.told(log, l.Return(after))
		return end, false
	case errors.Is(err, errHere): // another may have it at once
		w.desk.Back(t)
		w.told(log, l.Return(after))
		w.rest(ctx, log, err)
		return end, false
	}
	p := problem(err)
	end = cohort.End{State: cohort.Failed, Problem: &p}
	switch {
	case errors.Is(err, errSilent):
		end.State = cohort.Quarantined
		return end, true
	case !retries(err) && !blamed(err):
		return end, true
	}
	times, noted := w.desk.Tried(after, t, p)
	if noted != nil {
		w.desk.Back(t)
		w.await(ctx, log, noted)
		w.told(log, l.Return(after))
		return end, false
	}
	most := w.cfg.Attempts
	if blamed(err) && fault.Of(err) != fault.Unavailable { // then it may have been somebody else's
		most = min(most, w.cfg.Kills)
	}
	if times >= most {
		end.State = cohort.Quarantined
		return end, true
	}
	wait := pause(w.cfg.Pause, times)
	log.Warn("a slide is tried again", "kind", p.Kind, "times", times, "wait", wait, "error", err)
	w.metrics.retries.WithLabelValues(p.Kind).Inc()
	w.desk.Back(t)
	w.told(log, l.Again(after, wait))
	return end, false
}

// rest takes nothing for a while, because something of this machine is full or gone.
func (w *Worker) rest(ctx context.Context, log *slog.Logger, err error) {
	log.Warn("this machine cannot walk slides now", "error", err)
	w.metrics.retries.WithLabelValues("machine").Inc()
	sleep(ctx, pause(w.cfg.Pause, 3))
}
