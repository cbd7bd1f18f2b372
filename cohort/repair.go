package cohort

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/blob"
	"bcc/fault"
)

// What lies where in the store beside the ledger's own.
const (
	resultsPrefix = "results/"
	patchesPrefix = "patches/"
	cohortsPrefix = "cohorts/"
)

// repairs is one run of Repair. Results go first: what they say of ends is needed.
type repairs struct {
	l    *Ledger
	mend bool

	mu    sync.Mutex
	out   Repaired
	whole map[string]struct{} // results that were read
	jobs  int                 // put for slides whose end was made void
}

func (l *Ledger) repair(ctx context.Context, mend bool) (Repaired, error) {
	begun := time.Now()
	r := &repairs{l: l, mend: mend, whole: map[string]struct{}{}, out: Repaired{Lost: []string{}}}
	for _, step := range []func(context.Context) error{r.results, r.patches, r.cohorts, r.summaries, r.queue} {
		if err := step(ctx); err != nil {
			return r.out, err
		}
	}
	out := r.out
	l.log.Info("the store was read through", "mend", mend, "took", time.Since(begun),
		"cohorts", out.Manifests.Checked, "records", out.Records.Checked, "results", out.Results.Checked, "patches", out.Patches.Checked,
		"damaged", out.Manifests.Damaged+out.Records.Damaged+out.Results.Damaged+out.Patches.Damaged,
		"slides", out.Slides, "jobs", out.Jobs, "lost", len(out.Lost))
	return out, nil
}

// note counts an object that was read with err, and mends it where it is damaged;
// err is returned where it says nothing of the object.
func (r *repairs) note(to *Checked, err error, mend func() error) error {
	if err != nil && !damaged(err) && !foreign(err) {
		return err
	}
	r.mu.Lock()
	to.Checked++
	if foreign(err) {
		r.out.Foreign++
	}
	if damaged(err) {
		to.Damaged++
	}
	r.mu.Unlock()
	if !damaged(err) || !r.mend || mend == nil {
		return nil
	}
	if err := mend(); err != nil {
		return err
	}
	r.mu.Lock()
	to.Mended++
	r.mu.Unlock()
	return nil
}

// results reads all sets of results.
func (r *repairs) results(ctx context.Context) error {
	eg, within := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	last := ""
	for info, err := range r.l.cfg.Store.List(ctx, resultsPrefix) {
		if err != nil {
			_ = eg.Wait()
			return err
		}
		name, _, inside := strings.Cut(strings.TrimPrefix(info.Key, resultsPrefix), "/")
		if !inside || name == last {
			continue
		}
		last = name
		eg.Go(func() error {
			err := r.checkResult(within, name)
			if missing(err) {
				return nil // not complete: being written, or what a worker left that was killed
			}
			return r.note(&r.out.Results, err, func() error { return r.dropResult(within, name) })
		})
	}
	return eg.Wait()
}

// checkResult reads a set, and remembers it where it is whole.
func (r *repairs) checkResult(ctx context.Context, name string) error {
	err := blob.CheckSet(ctx, r.l.cfg.Store, resultsPrefix+name)
	if err == nil || foreign(err) {
		r.mu.Lock()
		r.whole[name] = struct{}{}
		r.mu.Unlock()
	}
	return err
}

// dropResult takes a damaged set away, unless a worker has just written it anew.
func (r *repairs) dropResult(ctx context.Context, name string) error {
	err := r.checkResult(ctx, name)
	if !damaged(err) {
		return err
	}
	r.l.log.Error("a damaged result is dropped", "result", name, "error", err)
	return blob.DropSet(ctx, r.l.cfg.Store, resultsPrefix+name)
}

// patches reads the outputs of patches by what the worker knows of them.
func (r *repairs) patches(ctx context.Context) error {
	check := r.l.cfg.Check
	if check == nil {
		return nil
	}
	eg, within := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for info, err := range r.l.cfg.Store.List(ctx, patchesPrefix) {
		if err != nil {
			_ = eg.Wait()
			return err
		}
		eg.Go(func() error {
			err := check(within, info.Key)
			if missing(err) {
				return nil // a worker has dropped it
			}
			return r.note(&r.out.Patches, err, func() error {
				r.l.log.Error("damaged outputs of patches are dropped", "key", info.Key, "error", err)
				return r.l.cfg.Store.Delete(within, info.Key)
			})
		})
	}
	return eg.Wait()
}

// summaries reads those of the cohorts that are over. They are copies: one that is
// damaged goes, and the truth is read again.
func (r *repairs) summaries(ctx context.Context) error {
	ids, err := r.l.shelf.ids(ctx, closedPrefix)
	if err != nil {
		return err
	}
	for id := range ids {
		var c closed
		err := r.l.shelf.read(ctx, closedKey(id), maxEndBytes, &c)
		if missing(err) {
			continue // opened again
		}
		if err := r.note(&r.out.Records, err, func() error { return r.reopen(ctx, id) }); err != nil {
			return err
		}
	}
	return nil
}

// queue looks at what was opened again, and puts the jobs that are missing.
func (r *repairs) queue(ctx context.Context) error {
	if !r.mend {
		return nil
	}
	r.l.mu.Lock()
	clear(r.l.unread)
	r.l.mu.Unlock()
	if err := r.l.scan(ctx); err != nil {
		return err
	}
	lacking, err := r.l.requeue(ctx, true)
	r.out.Jobs = r.jobs + lacking
	return err
}

// reopen has a cohort looked at anew by this ledger and by those of other servers.
func (r *repairs) reopen(ctx context.Context, id string) error {
	was, err := r.l.shelf.has(ctx, closedKey(id))
	if err != nil {
		return err
	}
	if err := r.l.reopen(ctx, id); err != nil {
		return err
	}
	if was {
		r.mu.Lock()
		r.out.Reopened++
		r.mu.Unlock()
		r.l.forget(id)
	}
	err = r.l.look(ctx, id)
	r.l.say(cohortTopic(id, wordNew), nil)
	if damaged(err) || foreign(err) {
		r.l.cannotRead(id, time.Now(), err)
		return nil
	}
	return err
}

// gone reports whether an end names a result that is not there any more.
func (r *repairs) gone(ctx context.Context, e *End) (bool, error) {
	if e.State != Done || e.Result == "" {
		return false, nil
	}
	r.mu.Lock()
	_, is := r.whole[e.Result]
	r.mu.Unlock()
	if is {
		return false, nil
	}
	switch err := r.checkResult(ctx, e.Result); {
	case err == nil || foreign(err): // written since
		return false, nil
	case missing(err) || damaged(err) || fault.Of(err) == fault.Invalid:
		return true, nil
	default:
		return false, err
	}
}
