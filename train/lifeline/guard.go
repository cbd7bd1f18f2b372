package lifeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bcc/fault"
	"bcc/train"
)

// Guarded is a collective whose calls end when a rank is lost, and when they have
// waited too long.
type Guarded struct {
	train.Collective
	line  *Line
	limit time.Duration
	calls uint64
}

var _ train.Collective = (*Guarded)(nil)

// Guard watches over the calls of c. A call that has waited for limit ends with an
// error that names the ranks that are late. Where the ranks could not be joined by a
// line, it is nil: then only the limit holds, and nobody can be named. Close leaves
// the line to whoever opened it.
func Guard(c train.Collective, line *Line, limit time.Duration) *Guarded {
	return &Guarded{Collective: c, line: line, limit: limit}
}

// AllReduce replaces data by its sum over all ranks.
func (g *Guarded) AllReduce(ctx context.Context, data []float64) error {
	return g.call(ctx, "all-reduce", func(ctx context.Context) error { return g.Collective.AllReduce(ctx, data) })
}

// Broadcast replaces data by that of rank root.
func (g *Guarded) Broadcast(ctx context.Context, data []byte, root int) error {
	return g.call(ctx, "broadcast", func(ctx context.Context) error { return g.Collective.Broadcast(ctx, data, root) })
}

// Barrier returns when every rank has called it.
func (g *Guarded) Barrier(ctx context.Context) error {
	return g.call(ctx, "barrier", g.Collective.Barrier)
}

// verdict is how long a call that broke waits for the line to say why: a dead rank
// breaks the network's connections a moment before its death is told.
const verdict = time.Second

// errLate ends a call that has waited too long.
var errLate = errors.New("waited too long")

func (g *Guarded) call(ctx context.Context, name string, f func(context.Context) error) error {
	g.calls++
	inner, cancel := context.WithTimeoutCause(ctx, g.limit, errLate)
	defer cancel()
	if g.line != nil {
		g.line.Arrive(g.calls)
		watched, unwatch := g.line.Context(inner)
		defer unwatch()
		inner = watched
	}
	err := f(inner)
	if err == nil {
		return nil
	}
	if g.line != nil {
		if !errors.Is(context.Cause(inner), errLate) {
			select {
			case <-g.line.Lost():
			case <-time.After(verdict):
			}
		}
		if lost := g.line.Err(); lost != nil {
			return lost
		}
	}
	if ctx.Err() == nil && errors.Is(context.Cause(inner), errLate) {
		return g.late(name)
	}
	return fmt.Errorf("collective call %d: %w", g.calls, err)
}

// late names whoever has not come.
func (g *Guarded) late(name string) error {
	who := "it is not known for whom"
	hint := "look at what the other ranks printed last"
	if g.line != nil {
		if late := g.line.Late(g.calls); len(late) > 0 {
			who = "for " + strings.Join(late, ", ")
		} else {
			who, hint = "and all ranks have come to it", "the network between the ranks may be cut"
		}
	}
	err := fault.New(fault.Unavailable, "collective call %d (%s): waited %v %s", g.calls, name, g.limit, who)
	return fault.Hint(err, "%s; --resume goes on from the last checkpoint", hint)
}
