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
