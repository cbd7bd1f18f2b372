package cohort

import "time"

// RememberCaps says how long a desk goes by what it saw of a cap.
func (d *Desk) RememberCaps(t time.Duration) { d.below.memory = t }

// Age makes the ledger older than it is.
func (l *Ledger) Age(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = l.opened.Add(-by)
}
