package autoscale

import "time"
type work struct{ cfg Config }
type Work struct{}
func DefaultWork() Work { return Work{} }
func (Work) check(p *problems) {}
func (work) Name() string { return "work" }
func (work) Window() time.Duration { return time.Hour }
func (w work) Decide(s Signals, past []Record) (Decision, map[string]int) { return Decision{}, nil }
