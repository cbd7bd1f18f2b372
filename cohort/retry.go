package cohort

import (
	"context"
	"slices"
	"strings"

	"bcc/fault"
)

// Retry submits a new cohort of those slides of another that ended in one of the
// states: Failed, Quarantined, Cancelled; none given: Failed and Quarantined. Owner,
// name, priority and cap are the same, RetryOf names the other; its deadline is not taken
// over. NotFound: there is no such cohort. Invalid: none of its slides ended so.
func (l *Ledger) Retry(ctx context.Context, id string, states ...State) (Manifest, error) {
	if len(states) == 0 {
		states = []State{Failed, Quarantined}
	}
	for _, s := range states {
		if s != Failed && s != Quarantined && s != Cancelled {
			return Manifest{}, fault.New(fault.Invalid, "retry slides that are %.40q: want %s, %s or %s", s, Failed, Quarantined, Cancelled)
		}
	}
	b, err := l.find(ctx, id)
	if err != nil {
		return Manifest{}, err
	}
	if err := l.catchUp(ctx, b); err != nil {
		return Manifest{}, err
	}
	m := Manifest{Owner: b.Owner, Name: b.Name, Priority: b.Priority, Model: b.Model, PatchUM: b.PatchUM, RetryOf: id}
	l.mu.Lock()
	if l.cfg.prices() { // else nobody could try again what had a cap once
		m.CapUSD = b.cap.usd
	}
	for i, line := range b.lines {
		if slices.Contains(states, line.state) {
			m.Slides = append(m.Slides, b.Slides[i])
		}
	}
	l.mu.Unlock()
	if len(m.Slides) == 0 {
		return Manifest{}, fault.Hint(fault.New(fault.Invalid, "retry cohort %s: no slide of it is %s", id, either(states)),
			"what is done, waits or is being walked needs no retry")
	}
	return l.Submit(ctx, m)
}

// either is how a person says a list of states.
func either(states []State) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}
