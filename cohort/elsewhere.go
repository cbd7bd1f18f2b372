package cohort

import (
	"context"
	"errors"

	"bcc/fault"
)

// ErrElsewhere says that a job's cohort is not kept in this store: the worker was given
// another store than the server, or what is mounted there elsewhere is not mounted here.
// Every slide would fail, for it is not there either, and its end would be written where
// nobody looks.
var ErrElsewhere = errors.New("the cohort is not in this store")

// ErrTakenAway says that a job's cohort is not in this store, but others are: somebody
// took it away before it was over. It may also be the store of another queue, so the job
// is left alone, not dropped.
var ErrTakenAway = errors.New("the cohort was taken out of the store")

// maxAtHome bounds what a desk remembers: cohorts of one slide each go on for ever.
const maxAtHome = 4096

// atHome reports, as nil, that the cohort's manifest lies in this desk's store: it was
// written before any of its jobs. That is asked once a cohort.
func (d *Desk) atHome(ctx context.Context, id string) error {
	d.mu.Lock()
	known := d.home[id]
	d.mu.Unlock()
	if known {
		return nil
	}
	is, err := d.shelf.has(ctx, manifestKey(id))
	if err != nil {
		return err
	}
	if !is {
		if others, err := d.shelf.hasCohorts(ctx); err != nil {
			return err
		} else if others {
			return fault.New(fault.Unavailable, "cohort %s: %w", id, ErrTakenAway)
		}
		return fault.Hint(fault.New(fault.Unavailable, "cohort %s: %w", id, ErrElsewhere),
			"give --store as the server of this queue has it, and see that it is mounted")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.home) >= maxAtHome {
		clear(d.home)
	}
	d.home[id] = true
	return nil
}

// Home asks the store anew whether the task's cohort is kept there; what is mounted may
// have gone since Begin. ErrElsewhere, ErrTakenAway: it is not.
func (d *Desk) Home(ctx context.Context, t Task) error {
	d.mu.Lock()
	delete(d.home, t.Cohort)
	d.mu.Unlock()
	return d.atHome(ctx, t.Cohort)
}

// hasCohorts reports whether any cohort is kept here.
func (s shelf) hasCohorts(ctx context.Context) (bool, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, err := range s.store.List(ctx, cohortsPrefix) {
		return err == nil, err
	}
	return false, nil
}
