package autoscale

import "time"

// Hasty returns how soon the first worker of the kinds starts, and whether work that is
// wanted within a drain has to be waited for by workers that are there already: it is
// over before one that starts had much time for it. After such work the policy work
// keeps workers for Work.Keep, so a drain that is set too short costs that each time.
func (c Config) Hasty(groups []Group) (start time.Duration, routine, urgent bool) {
	for _, g := range groups {
		if g.Max > 0 && (start == 0 || g.StartUp < start) {
			start = g.StartUp
		}
	}
	hasty := func(drain time.Duration) bool {
		return start > 0 && tooSoon((1-c.Work.Slack)*drain.Seconds(), start.Seconds())
	}
	return start, hasty(c.Drain), hasty(c.UrgentDrain)
}
