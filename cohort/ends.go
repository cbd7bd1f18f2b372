package cohort

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// maxGenerations bounds how many ends of one slide are made void.
const maxGenerations = 100

// endRef names an end in its cohort. A slide has a second one only where the first
// is void: damaged, or of a result that is gone.
type endRef struct{ index, generation int }

// name is 7.json, and of a second generation 7.1.json.
func (r endRef) name() string {
	if r.generation == 0 {
		return strconv.Itoa(r.index) + ".json"
	}
	return fmt.Sprintf("%d.%d.json", r.index, r.generation)
}

func (r endRef) key(id string) string  { return endsPrefix(id) + r.name() }
func (r endRef) void(id string) string { return voidsPrefix(id) + r.name() }

func parseEnd(name string) (r endRef, ok bool) {
	index, generation, _ := strings.Cut(strings.TrimSuffix(name, ".json"), ".")
	r.index, _ = strconv.Atoi(index)
	r.generation, _ = strconv.Atoi(generation)
	return r, r.index >= 0 && r.generation >= 0 && r.name() == name
}

// void is the content of cohorts/<id>/voids/<end>.json: that end does not count. To
// take it away instead would take its successor away where two do so at once.
type void struct {
	FormatVersion int       `json:"format_version"`
	Reason        string    `json:"reason"`
	At            time.Time `json:"at"`
}

func (s shelf) makeVoid(ctx context.Context, id string, r endRef, reason string) error {
	err := s.create(ctx, r.void(id), void{FormatVersion, reason, time.Now().UTC()})
	if exists(err) {
		return nil
	}
	return err
}

// voids returns the ends that do not count.
func (s shelf) voids(ctx context.Context, id string) (map[endRef]bool, error) {
	refs, err := s.refs(ctx, voidsPrefix(id))
	all := make(map[endRef]bool, len(refs))
	for _, r := range refs {
		all[r] = true
	}
	return all, err
}

// refs lists what lies under a prefix by the names of ends.
func (s shelf) refs(ctx context.Context, prefix string) (refs []endRef, err error) {
	for info, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if r, ok := parseEnd(strings.TrimPrefix(info.Key, prefix)); ok {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// readEnd returns nil where the end is damaged; then it is void from now on. NotFound:
// it is not there. Of an end of another version it returns what can be read, its
// state too where this program knows it; else that is empty.
func (s shelf) readEnd(ctx context.Context, id string, r endRef) (*End, error) {
	var e End
	err := s.read(ctx, r.key(id), maxEndBytes, &e)
	switch {
	case damaged(err):
		s.tell("end", r.key(id), err)
		return nil, s.makeVoid(ctx, id, r, "damaged")
	case foreign(err) || err == nil && !e.State.Final():
		if !e.State.Final() {
			e.State = ""
		}
		e.Degraded = append(slices.Clone(e.Degraded), foreignWords)
	case err != nil:
		return nil, err
	}
	e.generation = r.generation
	return &e, nil
}

const foreignWords = "the end of a slide was written by another version of the program"

// end returns how the slide ended, nil where it has no end.
func (s shelf) end(ctx context.Context, id string, i int) (*End, error) {
	for g := range maxGenerations {
		r := endRef{i, g}
		e, err := s.readEnd(ctx, id, r)
		if missing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		if is, err := s.has(ctx, r.void(id)); err != nil || !is {
			return e, err
		}
	}
	return nil, tooOften(id, i)
}

// createEnd writes the end where the slide has none. Else it returns the one that
// it has.
func (s shelf) createEnd(ctx context.Context, id string, i int, e End) (End, error) {
	for g := range maxGenerations {
		r := endRef{i, g}
		err := s.create(ctx, r.key(id), e)
		if err == nil {
			e.generation = g
			return e, nil
		}
		if !exists(err) {
			return e, err
		}
		first, err := s.readEnd(ctx, id, r)
		if err != nil {
			return e, err
		}
		if first == nil {
			continue
		}
		if is, err := s.has(ctx, r.void(id)); err != nil || !is {
			return *first, err
		}
	}
	return e, tooOften(id, i)
}

func tooOften(id string, i int) error {
	return fault.New(fault.Corrupt, "slide %s: %d ends of it are void", SlideID(id, i), maxGenerations)
}

// ends reads the ends that count and are not known yet. fresh are those that are
// void from now on.
func (s shelf) ends(ctx context.Context, id string, voids map[endRef]bool, known func(endRef) bool) (found map[int]*End, fresh []endRef, err error) {
	refs, err := s.refs(ctx, endsPrefix(id))
	if err != nil {
		return nil, nil, err
	}
	refs = slices.DeleteFunc(refs, func(r endRef) bool { return voids[r] || known(r) })
	read, gone := make([]*End, len(refs)), make([]bool, len(refs))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for k, r := range refs {
		eg.Go(func() (err error) {
			if read[k], err = s.readEnd(ctx, id, r); missing(err) {
				gone[k], err = true, nil // taken away by hand
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, nil, err
	}
	found = make(map[int]*End, len(refs))
	for k, r := range refs {
		if gone[k] {
			continue
		}
		if e := read[k]; e == nil {
			fresh = append(fresh, r)
		} else if first := found[r.index]; first == nil || e.generation < first.generation {
			found[r.index] = e
		}
	}
	return found, fresh, nil
}

// allEnds is the content of cohorts/<id>/ends.json: null for cancelled slides.
type allEnds struct {
	FormatVersion int         `json:"format_version"`
	Ends          []*End      `json:"ends"`
	Generations   map[int]int `json:"generations,omitempty"` // of those that are not the first
}

// every returns the ends of a cohort, from one object where it is there and says
// nothing that is void. What is found void goes into voids.
func (s shelf) every(ctx context.Context, id string, slides int, voids map[endRef]bool) (map[int]*End, error) {
	var all allEnds
	err := s.read(ctx, allEndsKey(id), maxEndsBytes, &all)
	if err != nil && fault.Of(err) == fault.Unavailable {
		return nil, err
	}
	if err != nil || len(all.Ends) != slides {
		return s.truth(ctx, id, voids)
	}
	ends := map[int]*End{}
	for i, e := range all.Ends {
		if e == nil {
			continue
		}
		if e.generation = all.Generations[i]; voids[endRef{i, e.generation}] || !e.State.Final() {
			return s.truth(ctx, id, voids)
		}
		ends[i] = e
	}
	return ends, nil
}

func (s shelf) truth(ctx context.Context, id string, voids map[endRef]bool) (map[int]*End, error) {
	ends, fresh, err := s.ends(ctx, id, voids, func(endRef) bool { return false })
	for _, r := range fresh {
		voids[r] = true
	}
	return ends, err
}
