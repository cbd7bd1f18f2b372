package worker

import (
	"context"
	"slices"
	"time"

	"bcc/cohort"
	"bcc/detect"
	"bcc/queue"
	"bcc/report"
)

// walk brings a slide to its end. Where it fails, the end holds what is known of the
// slide.
func (w *Worker) walk(ctx context.Context, job *walk) (end cohort.End, err error) {
	t := job.task
	var src *source
	err = w.step(ctx, spanOpen, func(ctx context.Context) (err error) {
		src, err = w.open(ctx, t)
		return err
	})
	if err != nil {
		return end, err
	}
	defer src.close()
	end.SHA256 = src.sha256

	full, err := w.plan(src, t, levelFull, nil)
	if err != nil {
		return end, err
	}
	level := levelFull
	if t.Priority != queue.Urgent {
		level = w.level(time.Now())
	}
	now, err := w.plan(src, t, level, w.model.words())
	if err != nil {
		return end, err
	}
	// A result that nothing was left out of answers also for one where it would be.
	if now.key != full.key {
		if r, ok := w.kept(ctx, full.key); ok {
			return found(end, full.key, r, true), nil
		}
	}
	leave, err := w.once.enter(ctx, string(t.Priority)+now.key) // an urgent one does not wait for a routine one
	if err != nil {
		return end, err
	}
	defer leave()
	if r, ok := w.kept(ctx, now.key); ok {
		return found(end, now.key, r, true), nil
	}
	for _, what := range now.gaveUp {
		w.metrics.degraded.WithLabelValues(what).Inc()
	}
	r, err := w.compute(ctx, now, src, job)
	if err != nil {
		return end, err
	}
	end.Known = job.known
	return found(end, now.key, r, false), nil
}

// plan is how a slide will be looked at, and where the result will lie.
type plan struct {
	examiner Examiner
	key      string
	override float64 // the scale that a person gave, µm per pixel; 0: the file's own
	whole    bool    // it cannot be divided into shards
	gaveUp   []string
}

func (w *Worker) plan(src *source, t cohort.Task, level int, words []string) (plan, error) {
	var out plan
	cfg := w.model.Detect
	asked(&cfg, t.Slide.Parameters)
	what, why := giveUp(&cfg, level)
	all := slices.Concat(words, why)
	say(&cfg, all...)
	x, err := w.model.examiner(cfg, t.Priority == queue.Urgent)
	if err != nil {
		return plan{}, err
	}
	set := x.Parameters(src.MPP)
	out.examiner, out.gaveUp, out.override, out.whole = x, what, set.MPPOverrideUM, cfg.Coarse.On
	out.key = keyed{
		Slide: src.sha256, Model: w.model.Detect.Model.SHA256, Version: w.model.Detect.Program.Version,
		Parameters: set, Degraded: slices.Concat(w.model.Detect.Degraded, all),
	}.key()
	return out, nil
}

// found fills in what a result says.
func found(end cohort.End, key string, r report.Result, cached bool) cohort.End {
	end.State, end.Result, end.Cached = cohort.Done, key, cached
	end.Prediction, end.Score, end.Confidence = string(r.Prediction), r.Score, r.Confidence
	end.Lesions, end.Patches, end.Degraded = len(r.Lesions), r.Tissue.Patches, r.Degraded
	return end
}

// watcher tells the desk how far a slide is that is walked as a whole.
type watcher struct {
	w *Worker
	t cohort.Task
}

func (v watcher) Planned(_ string, patches int) { v.w.desk.Planned(v.t, patches) }

func (v watcher) Scored(_ string, patches int) {
	v.w.scored(patches)
	v.w.desk.Scored(v.t, patches)
}

// scored counts patches that this worker has scored.
func (w *Worker) scored(patches int) {
	w.patches.Add(int64(patches))
	w.metrics.patches.WithLabelValues(durable).Add(float64(patches))
}

func (watcher) Ended(detect.End) {}
