package dataset

import (
	"fmt"
	"strings"

	"bcc/fault"
)

// shown is how many problems a message names; the rest are counted.
const shown = 10

// problems gathers what is wrong with a data set, so that a person mends all of
// it at once and not one row a run.
type problems struct {
	kinds map[fault.Kind]bool
	lines []string // the first ones
	count int
}

func (p *problems) add(kind fault.Kind, format string, args ...any) {
	if p.kinds == nil {
		p.kinds = map[fault.Kind]bool{}
	}
	p.kinds[kind] = true
	p.count++
	if len(p.lines) < shown {
		p.lines = append(p.lines, fmt.Sprintf(format, args...))
	}
}

// err returns all of them as one error about name, or nil. Its kind is that of
// the problems where they agree, else Invalid.
func (p *problems) err(name string) error {
	if p.count == 0 {
		return nil
	}
	kind := fault.Invalid
	if len(p.kinds) == 1 {
		for k := range p.kinds {
			kind = k
		}
	}
	lines := p.lines
	if rest := p.count - len(lines); rest > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", rest))
	}
	if len(lines) == 1 {
		return fault.New(kind, "%s: %s", name, lines[0])
	}
	return fault.New(kind, "%s: %d problems\n  %s", name, p.count, strings.Join(lines, "\n  "))
}
