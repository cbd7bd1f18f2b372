package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bcc/detect"
	"bcc/fault"
)

// A list becomes cohorts of at most perCohort slides and some cohortBytes of JSON, of
// which a server takes 32 MiB.
const (
	perCohort   = 20_000
	cohortBytes = 16 << 20
)

// toldSlides is how many slides of a kind are named one by one: who has read twenty
// knows what is wrong.
const toldSlides = 20

// sieve passes on each slide of a list once, and only those that are there. The list is
// read as often as it is passed on and never held: of a slide 16 bytes are kept, to know
// it again.
type sieve struct {
	args    []string
	note    func(line string) // nil: nobody hears of what is left out
	seen    map[[16]byte]struct{}
	missing leftOut

	slides, cohorts, twice int
}

func newSieve(args []string, note func(string)) *sieve {
	return &sieve{args: args, note: note, seen: map[[16]byte]struct{}{}, missing: leftOut{note: note, why: "not there"}}
}

// count reads the list once and tells what is wrong with it.
func (s *sieve) count(ctx context.Context) error {
	err := s.each(ctx, func([]detect.Item) error { return nil })
	if s.twice > 0 {
		s.note(fmt.Sprintf("%s named more than once, each submitted once", slidesAre(s.twice)))
	}
	return errors.Join(err, s.missing.err())
}

// each hands the list to f, a cohort at a time.
func (s *sieve) each(ctx context.Context, f func([]detect.Item) error) error {
	var cohort []detect.Item
	bytes := 0
	hand := func() error {
		if len(cohort) == 0 {
			return nil
		}
		s.cohorts++
		err := f(cohort)
		cohort, bytes = cohort[:0], 0
		return err
	}
	err := detect.Each(ctx, s.args, func(it detect.Item) error {
		if !s.passes(it) {
			return nil
		}
		s.slides++
		size := len(it.Path) + 128 // the names of the fields, the digest of a file
		if !detect.IsAddress(it.Path) {
			size += len(it.Name)
		}
		if len(cohort) == perCohort || bytes+size > cohortBytes {
			if err := hand(); err != nil {
				return stopped{err}
			}
		}
		cohort, bytes = append(cohort, it), bytes+size
		return nil
	})
	if e, ok := errors.AsType[stopped](err); ok {
		return e.error
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if last := hand(); last != nil {
		return last
	}
	return err
}

// stopped tells what f said from what is wrong with the list.
type stopped struct{ error }

func (s *sieve) passes(it detect.Item) bool {
	address := detect.IsAddress(it.Path)
	at := it.Path
	if !address {
		if abs, err := filepath.Abs(at); err == nil {
			at = abs
		}
	}
	sum := sha256.Sum256([]byte(at))
	key := [16]byte(sum[:])
	if _, is := s.seen[key]; is {
		s.twice++
		return false
	}
	s.seen[key] = struct{}{}
	if address {
		return true
	}
	if info, err := os.Stat(it.Path); err != nil || !info.Mode().IsRegular() {
		why := "no such file"
		if err == nil {
			why = "it is no plain file"
		} else if !errors.Is(err, os.ErrNotExist) {
			why = "it cannot be looked at"
		}
		s.missing.add(it, why, fault.NotFound)
		return false
	}
	return true
}

// leftOut counts slides that are not submitted and names the first.
type leftOut struct {
	note func(line string)
	why  string
	n    int
	kind fault.Kind // of the first
}

func (l *leftOut) add(it detect.Item, why string, kind fault.Kind) {
	if l.n++; l.n == 1 {
		l.kind = kind
	}
	if l.note != nil && l.n <= toldSlides {
		l.note(fmt.Sprintf("left out: %s: %s", whereOf(it), why))
	} else if l.note != nil && l.n == toldSlides+1 {
		l.note("left out: and more, counted at the end")
	}
}

func (l *leftOut) err() error {
	if l.n == 0 {
		return nil
	}
	return fault.New(l.kind, "%s left out: %s", slidesAre(l.n), l.why)
}

// whereOf says which slide it is: of an address, which may hold a secret, only the line.
func whereOf(it detect.Item) string {
	at := it.Path
	if detect.IsAddress(at) {
		at = "an address"
	}
	if it.List == "" {
		return at
	}
	return fmt.Sprintf("%s, line %d: %s", it.List, it.Line, at)
}

func slidesAre(n int) string {
	if n == 1 {
		return "1 slide is"
	}
	return fmt.Sprintf("%d slides are", n)
}
