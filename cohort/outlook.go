package cohort

import (
	"cmp"
	"slices"
	"time"

	"bcc/queue"
)

// outlook is what forecasts are made of, as of one moment.
type outlook struct {
	now    time.Time
	rate   float64 // patches a second
	sure   precision
	all    *tally
	usual  *usual
	queue  []*book // with slides to come
	urgent amount  // of the whole lane
	rows   map[queue.Lane]*[queue.Rows]amount
	ahead  map[*book]amount // of each, what goes first in its row; nil: not summed up
}

func (o *outlook) like() *usual { return o.usual }

// amount is so many slides, a guess of their patches left, and its variance.
type amount struct{ slides, patches, variance float64 }

func (a amount) plus(b amount) amount {
	return amount{a.slides + b.slides, a.patches + b.patches, a.variance + b.variance}
}

// share returns the part of a that has gone when so many slides of each row have.
func (a amount) share(slides float64) amount {
	if slides >= a.slides {
		return a
	}
	f := slides / a.slides
	return amount{slides, a.patches * f, a.variance * f * f}
}

// amount is what is left of t's slides.
func (t *tally) amount(like *tally) amount {
	p, d := t.remaining(like)
	return amount{float64(t.counts.Pending + t.counts.Running - t.foreign), p, d * d}
}

// amount is what is left of b's slides: of one that is held, of those that are begun.
func (b *book) amount(like *tally) amount {
	if !b.held() {
		return b.tally.amount(like)
	}
	a := amount{slides: float64(b.counts.Running)}
	for i := range b.running {
		a.patches += float64(max(b.lines[i].planned-b.lines[i].scored, 0))
	}
	return a
}

// outlook gathers it. Asked for all cohorts it sums up what goes before each once,
// for there may be ten thousand of one slide. The caller holds mu.
func (l *Ledger) outlook(now time.Time, each bool) *outlook {
	o := &outlook{now: now, all: l.all()}
	o.usual = l.usual(o.all)
	if o.rate, o.sure = l.rate(); o.rate == 0 {
		return o
	}
	o.rows = map[queue.Lane]*[queue.Rows]amount{queue.Urgent: {}, queue.Routine: {}}
	for _, b := range l.open {
		if rows := o.rows[b.Priority]; rows != nil && !b.over() {
			o.queue = append(o.queue, b)
			rows[b.row()] = rows[b.row()].plus(b.amount(o.all))
		}
	}
	for _, row := range o.rows[queue.Urgent] {
		o.urgent = o.urgent.plus(row)
	}
	if !each {
		return o
	}
	slices.SortFunc(o.queue, order)
	o.ahead = make(map[*book]amount, len(o.queue))
	type place struct {
		lane queue.Lane
		row  int
	}
	before := map[place]amount{}
	for _, b := range o.queue {
		at := place{b.Priority, b.row()}
		o.ahead[b] = before[at]
		before[at] = before[at].plus(b.amount(o.all))
	}
	return o
}

// order is that in which slides of cohorts in the same row are taken. It goes by
// when we saw them, for the clocks of other servers may be wrong.
func order(a, b *book) int {
	if a.Priority != b.Priority {
		if a.Priority == queue.Urgent {
			return -1
		}
		return 1
	}
	return cmp.Or(a.seen.Compare(b.seen), cmp.Compare(a.ID, b.ID))
}

// until returns what goes until b is over: all that is urgent where it is not, what
// came before it in its row, itself, and of each other row as many slides, because
// takers go round the rows.
func (o *outlook) until(b *book) amount {
	var own amount
	if o.ahead != nil {
		own = o.ahead[b]
	} else {
		for _, other := range o.queue {
			if other.Priority == b.Priority && other.row() == b.row() && order(other, b) < 0 {
				own = own.plus(other.amount(o.all))
			}
		}
	}
	own = own.plus(b.amount(o.all))
	sum := own
	for r, row := range o.rows[b.Priority] {
		if r != b.row() {
			sum = sum.plus(row.share(own.slides))
		}
	}
	if b.Priority != queue.Urgent {
		sum = sum.plus(o.urgent)
	}
	return sum
}
