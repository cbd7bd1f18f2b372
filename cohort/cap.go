package cohort

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bcc/capacity"
	"bcc/fault"
)

// A cohort may have a cap: what its slides may cost. Where what was spent, with what slides
// in hand are expected to cost in all, reaches it, slides that wait are not begun any more,
// until it is raised or taken away; those that are begun come to their end. Where they cost
// so much less that all workers could begin another, the same cap is set again.
//
//	cohorts/<id>/manifest.json           the first cap, number 0
//	cohorts/<id>/caps/<n>.json           created once: the cap from now on, or none
//	cohorts/<id>/caps/<n>.reached.json   created once: that cap is reached, or will be
//
// Of two servers the first that sees it writes that a cap is reached; that holds for
// both until there is another cap. A server with an old cap in mind can only say that
// the old one is reached, which means nothing any more.

// ErrCapped says that the slide's cohort has spent what it may: the job is to be taken
// off the queue. The ledger puts another when the cap is raised.
var ErrCapped = errors.New("the cohort's cap is reached")

// capped is where a cohort's cap stands.
type capped struct {
	number  int      // of the last one
	usd     *float64 // nil: there is none
	reached bool
}

// capRecord is the content of caps/<n>.json, n from 1.
type capRecord struct {
	FormatVersion int       `json:"format_version"`
	CapUSD        *float64  `json:"cap_usd"` // null: none from now on
	At            time.Time `json:"at"`
}

// reachedRecord is the content of caps/<n>.reached.json.
type reachedRecord struct {
	FormatVersion int       `json:"format_version"`
	CapUSD        float64   `json:"cap_usd"`
	SpentUSD      float64   `json:"spent_usd"`
	At            time.Time `json:"at"`
}

func capsPrefix(id string) string        { return "cohorts/" + id + "/caps/" }
func capKey(id string, n int) string     { return capsPrefix(id) + strconv.Itoa(n) + ".json" }
func reachedKey(id string, n int) string { return capsPrefix(id) + strconv.Itoa(n) + ".reached.json" }
func capNumber(name string) (n int, reached, ok bool) {
	name, ok = strings.CutSuffix(name, ".json")
	name, reached = strings.CutSuffix(name, ".reached")
	n, err := strconv.Atoi(name)
	return n, reached, ok && err == nil && n >= 0 && strconv.Itoa(n) == name
}

// cap returns the number of the last cap of a cohort and whether it is reached, from
// the names of what lies there.
func (s shelf) cap(ctx context.Context, id string) (number int, reached bool, err error) {
	full := map[int]bool{}
	prefix := capsPrefix(id)
	for info, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return 0, false, err
		}
		if n, is, ok := capNumber(strings.TrimPrefix(info.Key, prefix)); ok {
			full[n] = full[n] || is
			if !is {
				number = max(number, n)
			}
		}
	}
	return number, full[number], nil
}

// caps returns where the cap of a cohort stands, with known as it was known before.
// Where the record of a cap is damaged the one before it goes on: it is lower, most
// likely, and nothing is spent that nobody asked for.
func (s shelf) caps(ctx context.Context, m *Manifest, known capped) (capped, error) {
	n, reached, err := s.cap(ctx, m.ID)
	if err != nil {
		return known, err
	}
	now := capped{n, known.usd, reached}
	if n == known.number && n > 0 {
		return now, nil
	}
	for ; n > 0; n-- {
		var r capRecord
		err := s.read(ctx, capKey(m.ID, n), maxEndBytes, &r)
		if err == nil {
			now.usd = r.CapUSD
			return now, nil
		}
		if !damaged(err) && !foreign(err) && !missing(err) {
			return known, err
		}
		s.tell("cap", capKey(m.ID, n), err)
	}
	now.usd = m.CapUSD
	return now, nil
}

// held reports whether no slide of it is begun any more: its cap is reached.
func (b *book) held() bool { return b.cap.reached && b.cap.usd != nil && !b.over() }

// exceeds reports whether the cap is reached, or will be by what is in hand while slides
// wait, and nobody has said so yet. The caller holds mu.
func (l *Ledger) exceeds(b *book, like func() *usual) bool {
	if b.cap.usd == nil || b.cap.reached || b.over() {
		return false
	}
	if b.usd >= *b.cap.usd {
		return true
	}
	if len(b.running) == 0 || b.counts.Pending == 0 {
		return false
	}
	h := l.inHand(b, like)
	return b.usd+h.usd+h.rest >= *b.cap.usd
}

// heldWords says that a cohort is held, what it cost, and what to do. The caller holds the
// ledger's mu.
func (b *book) heldWords(cost *float64) []string {
	words := []string{}
	if b.held() {
		spent := b.usd
		if cost != nil {
			spent = *cost
		}
		begun := ""
		if n := len(b.running); n > 0 {
			begun = fmt.Sprintf(", %d slides are yet to come to their end", n)
		}
		words = append(words, fmt.Sprintf("nothing more is begun: %s of the cap of %s is spent%s, %d slides wait; raise it (bcc cap %s USD) or cancel the cohort", capacity.Dollars(spent), capacity.Dollars(*b.cap.usd), begun, b.counts.Pending, b.ID))
	}
	return words
}

var errNoPrice = fault.Hint(fault.New(fault.Invalid, "a cap in USD, and the server does not know what a worker costs"),
	"start bcc serve with --price-per-hour, or --price for each kind of worker")

// checkCap returns what is wrong with a cap.
func (l *Ledger) checkCap(usd *float64) error {
	switch {
	case usd == nil:
		return nil
	case !(*usd > 0) || math.IsInf(*usd, 0): // true for NaN
		return fault.New(fault.Invalid, "cap_usd %v: want more than 0, or none", *usd)
	case !l.cfg.prices():
		return errNoPrice
	}
	return nil
}

// maxCaps is how many others may set a cap while one tries.
const maxCaps = 100

// SetCap gives a cohort another cap, or none. What waits because of the old one goes on
// within seconds. Invalid: no price is known, or the cohort is over.
func (l *Ledger) SetCap(ctx context.Context, id string, usd *float64) error {
	if err := l.checkCap(usd); err != nil {
		return err
	}
	b, err := l.find(ctx, id)
	if err != nil {
		return err
	}
	for range maxCaps {
		if err := l.catchUp(ctx, b); err != nil {
			return err
		}
		l.mu.Lock()
		over, now := b.over(), b.cap
		l.mu.Unlock()
		if over {
			return fault.New(fault.Invalid, "cohort %s is over: a cap would change nothing", id)
		}
		if !now.reached && (usd == nil) == (now.usd == nil) && (usd == nil || *usd == *now.usd) {
			return nil
		}
		err := l.nextCap(ctx, b, now.number+1, usd)
		if exists(err) {
			continue // another has set one in this moment: ours comes after it
		}
		if err != nil {
			return err
		}
		return l.settle(ctx, b)
	}
	return fault.New(fault.Busy, "cap of cohort %s: others always set one at the same time", id)
}

// nextCap sets the cap of that number, where nobody has.
func (l *Ledger) nextCap(ctx context.Context, b *book, number int, usd *float64) error {
	if err := l.shelf.create(ctx, capKey(b.ID, number), capRecord{FormatVersion, usd, time.Now().UTC()}); err != nil {
		return err
	}
	l.mu.Lock()
	b.setCap(capped{number: number, usd: usd})
	l.mu.Unlock()
	l.log.Info("the cap of a cohort is set", "cohort_id", b.ID, "number", number)
	l.sayCap(b.ID)
	return nil
}

// sayCap tells other ledgers and the desks of workers that the cap stands elsewhere.
func (l *Ledger) sayCap(id string) {
	l.say(cohortTopic(id, wordCap), nil)
	l.say(cappedTopic(id), nil)
}

// setCap takes down where the cap stands, and tells those who follow. The caller holds mu.
func (b *book) setCap(c capped) {
	before := b.held()
	b.cap = c
	if b.held() != before {
		for f := range b.followers {
			f.renew()
		}
	}
}

// settle does what follows from where the cap stands: it says that it is reached, sets it
// again where it was not after all, or puts the jobs that were taken off the queue because
// of it.
func (l *Ledger) settle(ctx context.Context, b *book) error {
	if held, err := l.hold(ctx, b); held || err != nil {
		return err
	}
	if err := l.resume(ctx, b); err != nil {
		return err
	}
	return l.putDropped(ctx, b)
}

// hold says that the cap is reached, where it is and nobody has.
func (l *Ledger) hold(ctx context.Context, b *book) (held bool, err error) {
	l.mu.Lock()
	held = l.exceeds(b, l.like())
	c, usd := b.cap, b.usd
	l.mu.Unlock()
	if !held {
		return false, nil
	}
	err = l.shelf.create(ctx, reachedKey(b.ID, c.number), reachedRecord{FormatVersion, *c.usd, usd, time.Now().UTC()})
	if err != nil && !exists(err) {
		return false, err
	}
	l.mu.Lock()
	if b.cap.number == c.number {
		c.reached = true
		b.setCap(c)
	}
	l.mu.Unlock()
	l.log.Warn("the cap of a cohort is reached: nothing more of it is begun", "cohort_id", b.ID, "cap_usd", *c.usd, "spent_usd", usd)
	l.sayCap(b.ID)
	return true, nil
}

// resume sets the same cap again where the cohort was held because of what was in hand, all
// of which has ended, and what is left of the cap is enough for a slide in each slot: less
// would be spent before anybody hears that it is reached.
func (l *Ledger) resume(ctx context.Context, b *book) error {
	l.mu.Lock()
	c := b.cap
	is := b.held() && l.cfg.prices() && len(b.running) == 0 && time.Since(l.opened) >= l.cfg.Silence && // who walks what is heard by then
		b.usd+float64(l.slots())*b.mean() < *c.usd
	l.mu.Unlock()
	if !is {
		return nil
	}
	// Another server, to which workers cost more, may have seen it spent.
	var r reachedRecord
	if err := l.shelf.read(ctx, reachedKey(b.ID, c.number), maxEndBytes, &r); err != nil || r.SpentUSD >= r.CapUSD {
		return err
	}
	if err := l.nextCap(ctx, b, c.number+1, c.usd); !exists(err) {
		return err
	}
	return nil
}

// slots is how many slides the workers that are there can have in hand.
func (l *Ledger) slots() (n int) {
	for _, w := range l.workers {
		n += max(w.Jobs, 0)
	}
	return n
}

// mean is what a slide of the cohort cost that has an end, USD.
func (b *book) mean() float64 {
	c := b.counts
	return b.usd / float64(max(c.Done+c.Failed+c.Quarantined, 1))
}

// putDropped puts jobs of slides whose jobs were taken off the queue while the cohort
// was held, where it is not any more.
func (l *Ledger) putDropped(ctx context.Context, b *book) error {
	l.mu.Lock()
	var which []int
	if !b.held() {
		for i := range b.dropped {
			which = append(which, i)
		}
		clear(b.dropped)
	}
	l.mu.Unlock()
	for some := range slices.Chunk(which, jobsAtOnce) {
		if err := l.putThese(ctx, b, some); err != nil {
			l.mu.Lock()
			for _, i := range which { // the queue drops those that it has
				b.dropped[i] = struct{}{}
			}
			l.mu.Unlock()
			return err
		}
	}
	return nil
}
