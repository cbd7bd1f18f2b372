package cohort

import (
	"context"
	"strconv"
	"strings"
	"time"

	"bcc/fault"
)

// try is the content of cohorts/<id>/tries/<index>/<n>.json: an attempt at a slide
// that did not come to an end, n from 1.
type try struct {
	FormatVersion int       `json:"format_version"`
	Problem       Problem   `json:"error"`
	At            time.Time `json:"at"`
}

func triesPrefix(id string, i int) string {
	return "cohorts/" + id + "/tries/" + strconv.Itoa(i) + "/"
}

// Tried notes in the store that an attempt at the slide failed with p, and returns
// how many are noted by now, this one among them; attempts noted at once each have
// a number of their own. The deliveries that the queue counts are no such measure:
// a slide whose workers were killed from outside was delivered as often.
func (d *Desk) Tried(ctx context.Context, t Task, p Problem) (times int, err error) {
	prefix := triesPrefix(t.Cohort, t.Index)
	for info, err := range d.shelf.store.List(ctx, prefix) {
		if err != nil {
			return 0, err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), ".json")
		if n, err := strconv.Atoi(name); err == nil {
			times = max(times, n)
		}
	}
	note := try{FormatVersion, p, time.Now().UTC().Truncate(time.Millisecond)}
	for range maxTries {
		times++
		err := d.shelf.create(ctx, prefix+strconv.Itoa(times)+".json", note)
		if !exists(err) {
			return times, err
		}
	}
	return times, fault.New(fault.Busy, "note an attempt at slide %s: others always do at the same time", t.SlideID)
}

// maxTries bounds how often a number is found taken: there are no more workers than
// that at one slide.
const maxTries = 1000

// Over reports whether nobody wants the slide any more: it has its end, or its
// cohort was cancelled. It asks the store. ErrElsewhere: the wrong one.
func (d *Desk) Over(ctx context.Context, t Task) (bool, error) {
	e, err := d.shelf.end(ctx, t.Cohort, t.Index)
	if err != nil || e != nil {
		return e != nil, err
	}
	if over, err := d.shelf.has(ctx, cancelledKey(t.Cohort)); err != nil || over {
		return over, err
	}
	return false, d.atHome(ctx, t.Cohort)
}
