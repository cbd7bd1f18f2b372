package cli

import (
	"fmt"
	"strings"
	"time"

	"bcc/capacity"
	"bcc/client"
)

// block is the cohort in lines: what it is, how far it is, how long it takes, what came
// to no result.
func (w *watching) block() []string {
	c := w.now.Cohort
	lines := []string{w.head(), bar(c) + " " + counted(c.Counts)}
	for _, line := range []string{w.pace(), w.price()} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if !w.now.Over() {
		for _, word := range w.unwell {
			lines = append(lines, "  of the fleet: "+printable(word))
		}
	}
	for _, word := range c.Degraded {
		lines = append(lines, "  not as asked: "+printable(word))
	}
	for _, s := range w.lostFirst() {
		lines = append(lines, "  "+lostLine(s))
	}
	if w.now.LostMore > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more without a result", w.now.LostMore))
	}
	return lines
}

func (w *watching) head() string {
	c := w.now.Cohort
	parts := []string{slides(c.Counts.Submitted)}
	if c.Name != "" {
		parts = append([]string{printable(c.Name)}, parts...)
	}
	if c.Priority == "urgent" {
		parts = append(parts, "urgent")
	}
	parts = append(parts, "submitted "+c.Submitted.Local().Format("2006-01-02 15:04"))
	if c.Deadline != nil {
		parts = append(parts, "wanted by "+c.Deadline.Local().Format("2006-01-02 15:04"))
	}
	if c.RetryOf != "" {
		parts = append(parts, "slides of "+c.RetryOf+" tried again")
	}
	return c.ID + ": " + strings.Join(parts, ", ")
}

// bar is how much of the cohort is over: = done, x without a result.
func bar(c client.Cohort) string {
	n := max(c.Counts.Submitted, 1)
	lost := c.Counts.Failed + c.Counts.Quarantined + c.Counts.Cancelled
	x := (lost*barLength + n - 1) / n // one of ten thousand is seen
	share := float64(c.Counts.Done) / float64(n)
	// The patches of slides that are looked at count, too.
	if begun := c.Counts.Submitted - c.Counts.Pending; begun > 0 && c.Patches.Planned > 0 && c.Counts.Running > 0 {
		planned := float64(c.Patches.Planned) * float64(n) / float64(begun)
		share = max(share, min(float64(c.Patches.Done)/planned, 1-float64(lost)/float64(n)))
	}
	done := min(int(share*barLength), barLength-x)
	return "[" + strings.Repeat("=", done) + strings.Repeat("x", x) + strings.Repeat(" ", barLength-done-x) + "]"
}

// counted says how many slides stand where.
func counted(n client.Counts) string {
	parts := []string{fmt.Sprintf("%d done", n.Done)}
	for _, p := range []struct {
		n    int
		word string
	}{{n.Failed, "failed"}, {n.Quarantined, "quarantined"}, {n.Cancelled, "cancelled"}, {n.Running, "running"}, {n.Pending, "waiting"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// pace is how fast it goes and when it may be over; empty where it is.
func (w *watching) pace() string {
	if w.now.Over() {
		return w.spent()
	}
	f := w.now.Forecast
	if w.now.Held { // then it is no matter who works how fast
		return ""
	}
	if w.machine && w.now.Workers == 0 {
		line := "NO WORKER: nobody takes the work"
		if n := w.wanted; n > 0 {
			line += fmt.Sprintf(" (%d wanted)", n)
		}
		if f != nil {
			line += fmt.Sprintf("; as fast as before it would take %s (%s to %s)", span(f.RemainingS), span(f.LowS), span(f.HighS))
		}
		return line
	}
	var parts []string
	if w.machine {
		on := "1 worker"
		if w.now.Workers > 1 {
			on = fmt.Sprintf("%d workers", w.now.Workers)
		}
		parts = append(parts, fmt.Sprintf("%.0f patches/s on %s", w.now.PatchesPerS, on))
	}
	if f != nil {
		at := f.Finish.Local()
		when := at.Format("15:04")
		if time.Until(at) > 20*time.Hour {
			when = at.Format("2006-01-02 15:04")
		}
		parts = append(parts, fmt.Sprintf("about %s left (%s to %s), at %s", span(f.RemainingS), span(f.LowS), span(f.HighS), when))
	}
	return strings.Join(parts, ", ")
}

// price is what a cohort costs while it runs: up to now, a slide, and in all; empty
// where no price is known or nothing was spent.
func (w *watching) price() string {
	c := w.now.Cohort
	if c.Over() || c.Cost.USD == nil || *c.Cost.USD == 0 && c.CapUSD == nil {
		return ""
	}
	line := capacity.Dollars(*c.Cost.USD) + " so far"
	if c.Counts.Done > 0 {
		line += fmt.Sprintf(", %s a slide", capacity.Dollars((*c.Cost.USD-c.Cost.InHandUSD)/float64(c.Counts.Done)))
	}
	if f := c.Forecast; f != nil && f.Cost.USD != nil {
		line += ", about " + capacity.Dollars(*f.Cost.USD) + " in all"
		if f.CostLowUSD != nil && f.CostHighUSD != nil {
			line += fmt.Sprintf(" (%s to %s)", capacity.Dollars(*f.CostLowUSD), capacity.Dollars(*f.CostHighUSD))
		}
	}
	if c.CapUSD != nil {
		line += ", capped at " + capacity.Dollars(*c.CapUSD)
	}
	return line
}

// spent is what a cohort took that is over.
func (w *watching) spent() string {
	c := w.now.Cost
	line := fmt.Sprintf("%d patches looked at, %s of workers' time", c.Patches, span(c.ComputeS))
	if kept := w.now.Patches.Done - c.Patches; kept > 0 && w.now.Counts.Done == w.now.Counts.Submitted {
		line = fmt.Sprintf("%d patches, %d of them known from before; %s of workers' time", w.now.Patches.Done, kept, span(c.ComputeS))
	}
	if c.USD != nil {
		line += ", " + capacity.Dollars(*c.USD)
		if done := w.now.Counts.Done; done > 0 && *c.USD > 0 {
			line += fmt.Sprintf(" (%s a slide)", capacity.Dollars(*c.USD/float64(done)))
		}
	}
	return line
}

// progress is the cohort in one line.
func (w *watching) progress() string {
	line := fmt.Sprintf("%s: %s of %d", w.now.ID, counted(w.now.Counts), w.now.Counts.Submitted)
	if p := w.pace(); p != "" && !w.now.Over() {
		line += "; " + p
	}
	return line
}

// lostLine says why a slide came to no result.
func lostLine(s client.Slide) string {
	why := "no reason given"
	if s.Error != nil {
		if why = s.Error.Message; s.Error.Details != "" {
			why += " (" + s.Error.Details + ")"
		}
	}
	return fmt.Sprintf("%-11s  %s: %s", s.State, printable(s.Name), printable(strings.ReplaceAll(why, "\n", "; ")))
}
