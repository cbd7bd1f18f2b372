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

	"bcc/fault"
)

// A cohort may have a cap: what its slides may cost. Where what was spent reaches it,
// slides that wait are not begun any more, until it is raised or taken away; those that
// are begun come to their end, so more is spent than the cap by what was in hand.
//
//	cohorts/<id>/manifest.json           the first cap, number 0
//	cohorts/<id>/caps/<n>.json           created once: the cap from now on, or none
//	cohorts/<id>/caps/<n>.reached.json   created once: that cap is reached
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

// exceeds reports whether the cap is reached and nobody has said so yet.
func (b *book) exceeds() bool {
	return b.cap.usd != nil && !b.cap.reached && !b.over() && b.usd >= *b.cap.usd
}

// heldWords says that a cohort is held, and what to do. The caller holds the ledger's mu.
func (b *book) heldWords() []string {
	words := []string{}
	if b.held() {
		words = append(words, fmt.Sprintf("nothing more is begun: %s of the cap of %s is spent, %d slides wait; raise it (bcc cap %s USD) or cancel the cohort", dollars(b.usd), dollars(*b.cap.usd), b.counts.Pending, b.ID))
	}
	return words
}

// dollars is an amount with two digits that count: slides cost fractions of a cent.
func dollars(usd float64) string {
	digits := 2
	for v := usd; v > 0 && v < 0.095 && digits < 6; v *= 10 {
		digits++
	}
	return fmt.Sprintf("$%.*f", digits, usd)
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
		err := l.shelf.create(ctx, capKey(id, now.number+1), capRecord{FormatVersion, usd, time.Now().UTC()})
		if exists(err) {
			continue // another has set one in this moment: ours comes after it
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		b.setCap(capped{number: now.number + 1, usd: usd})
		l.mu.Unlock()
		l.log.Info("the cap of a cohort is set", "cohort_id", id, "number", now.number+1)
		l.sayCap(id)
		return l.settle(ctx, b)
	}
	return fault.New(fault.Busy, "cap of cohort %s: others always set one at the same time", id)
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

// settle does what follows from where the cap stands: it says that it is reached, or
// puts the jobs that were taken off the queue because of it.
func (l *Ledger) settle(ctx context.Context, b *book) error {
	l.mu.Lock()
	exceeds, c, usd := b.exceeds(), b.cap, b.usd
	l.mu.Unlock()
	if exceeds {
		err := l.shelf.create(ctx, reachedKey(b.ID, c.number), reachedRecord{FormatVersion, *c.usd, usd, time.Now().UTC()})
		if err != nil && !exists(err) {
			return err
		}
		l.mu.Lock()
		if b.cap.number == c.number {
			c.reached = true
			b.setCap(c)
		}
		l.mu.Unlock()
		l.log.Warn("the cap of a cohort is reached: nothing more of it is begun", "cohort_id", b.ID, "cap_usd", *c.usd, "spent_usd", usd)
		l.sayCap(b.ID)
		return nil
	}
	return l.putDropped(ctx, b)
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
