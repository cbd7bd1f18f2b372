package detect

import (
	"errors"
	"fmt"
)

// maxProblems is how many mistakes of one list are told one by one: a person
// who has read twenty knows what is wrong.
const maxProblems = 20

// problems collects mistakes in bounded memory. The zero value is ready.
type problems struct {
	errs []error
	more int
}

func (p *problems) add(err error) {
	if len(p.errs) == maxProblems {
		p.more++
		return
	}
	p.errs = append(p.errs, err)
}

func (p *problems) none() bool { return len(p.errs) == 0 }

// err returns all as one, of the kind of the first; nil where there is none.
func (p *problems) err() error {
	if p.more == 0 {
		return errors.Join(p.errs...)
	}
	return errors.Join(append(p.errs[:maxProblems:maxProblems], fmt.Errorf("and %d more", p.more))...)
}
