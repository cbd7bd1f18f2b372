package cohort

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// laid is what lies in the store of one cohort.
type laid struct {
	id       string
	manifest bool
	records  []string // keys of other records than ends
	ends     []endRef
	voids    map[endRef]bool
}

// cohorts reads all records, a cohort at a time.
func (r *repairs) cohorts(ctx context.Context) error {
	var at *laid
	for info, err := range r.l.cfg.Store.List(ctx, cohortsPrefix) {
		if err != nil {
			return err
		}
		id, rest, _ := strings.Cut(strings.TrimPrefix(info.Key, cohortsPrefix), "/")
		if !ValidID(id) {
			continue
		}
		if at == nil || at.id != id {
			if err := r.cohort(ctx, at); err != nil {
				return err
			}
			at = &laid{id: id, voids: map[endRef]bool{}}
		}
		kind, name, _ := strings.Cut(rest, "/")
		ref, isRef := parseEnd(name)
		switch {
		case rest == "manifest.json":
			at.manifest = true
		case kind == "ends" && isRef:
			at.ends = append(at.ends, ref)
		case kind == "voids" && isRef:
			at.voids[ref] = true
		case kind == "tries" || rest == "cancelled.json" || rest == "ends.json":
			at.records = append(at.records, info.Key)
		}
	}
	return r.cohort(ctx, at)
}

// cohort reads the records of one.
func (r *repairs) cohort(ctx context.Context, at *laid) error {
	if at == nil || !at.manifest && len(at.ends) == 0 {
		return nil // what is left of a submission that broke off
	}
	known, err := r.manifest(ctx, at)
	if err != nil {
		return err
	}
	for _, key := range at.records {
		if err := r.record(ctx, at.id, key); err != nil {
			return err
		}
	}
	again, err := r.ends(ctx, at)
	if err != nil || !r.mend || !known {
		return err
	}
	if len(again) > 0 {
		return r.again(ctx, at.id, again)
	}
	closed, err := r.l.shelf.has(ctx, closedKey(at.id))
	if err != nil {
		return err
	}
	if waiting := at.waiting(); closed && len(waiting) > 0 {
		return r.again(ctx, at.id, waiting) // whoever made their ends void came no further
	}
	// Neither open nor over: its mark was lost.
	for _, key := range []string{closedKey(at.id), openKey(at.id), closedKey(at.id)} {
		if is, err := r.l.shelf.has(ctx, key); err != nil || is {
			return err
		}
	}
	return r.reopen(ctx, at.id)
}

// waiting returns the slides whose ends are all void, of a cohort that was not
// cancelled.
func (at *laid) waiting() []int {
	if slices.Contains(at.records, cancelledKey(at.id)) {
		return nil
	}
	ended := map[int]bool{}
	for _, r := range at.ends {
		if !at.voids[r] {
			ended[r.index] = true
		}
	}
	var all []int
	for r := range at.voids {
		if !ended[r.index] {
			all = append(all, r.index)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// manifest reads it; known is false where nobody knows its slides. One that is
// damaged is written anew where this ledger has it in memory.
func (r *repairs) manifest(ctx context.Context, at *laid) (known bool, err error) {
	var m Manifest
	err = r.l.shelf.read(ctx, manifestKey(at.id), maxManifestBytes, &m)
	if missing(err) {
		err = fault.New(fault.Corrupt, "object %s is missing", manifestKey(at.id))
	} else if err == nil && m.ID != at.id {
		err = fault.New(fault.Corrupt, "object %s: it is of another cohort", manifestKey(at.id))
	}
	if !damaged(err) {
		return err == nil, r.note(&r.out.Manifests, err, nil)
	}
	b := r.l.remembered(at.id)
	if b == nil {
		r.out.Lost = append(r.out.Lost, at.id)
		return false, r.note(&r.out.Manifests, err, nil)
	}
	return true, r.note(&r.out.Manifests, err, func() error {
		return r.l.shelf.put(ctx, manifestKey(at.id), b.Manifest)
	})
}

// record reads one that is neither a manifest nor an end.
func (r *repairs) record(ctx context.Context, id, key string) error {
	var content struct{}
	err := r.l.shelf.read(ctx, key, maxEndsBytes, &content)
	if missing(err) {
		return nil
	}
	return r.note(&r.out.Records, err, func() error {
		switch key {
		case allEndsKey(id): // a copy
			return r.l.cfg.Store.Delete(ctx, key)
		case cancelledKey(id):
			_, err := r.l.shelf.cancelled(ctx, id)
			return err
		}
		p := Problem{Kind: "corrupt", Code: 422, Message: "what was noted of this attempt is damaged"}
		return r.l.shelf.put(ctx, key, try{FormatVersion, p, time.Now().UTC()}) // it counts on
	})
}

// ends reads the ends that count and makes those void that are damaged or of a
// result that is gone. It returns the slides that had them.
func (r *repairs) ends(ctx context.Context, at *laid) (again []int, err error) {
	var mu sync.Mutex
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for _, ref := range at.ends {
		if at.voids[ref] {
			continue
		}
		eg.Go(func() error {
			var e End
			err := r.l.shelf.read(ctx, ref.key(at.id), maxEndBytes, &e)
			reason := "damaged"
			if err == nil {
				gone, err := r.gone(ctx, &e)
				if err != nil {
					return err
				}
				if !gone {
					return r.note(&r.out.Records, nil, nil)
				}
				reason = "its result is gone"
			} else if missing(err) {
				return nil
			}
			strange := foreign(err)
			if err := r.note(&r.out.Records, err, func() error { return nil }); err != nil || strange {
				return err
			}
			mu.Lock()
			again = append(again, ref.index)
			mu.Unlock()
			if !r.mend {
				return nil
			}
			return r.l.shelf.makeVoid(ctx, at.id, ref, reason)
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(again)
	again = slices.Compact(again)
	r.out.Slides += len(again)
	return again, nil
}

// again has slides looked at again whose ends are void now.
func (r *repairs) again(ctx context.Context, id string, slides []int) error {
	if err := r.l.cfg.Store.Delete(ctx, allEndsKey(id)); err != nil {
		return err
	}
	if err := r.reopen(ctx, id); err != nil {
		return err
	}
	r.l.mu.Lock()
	b := r.l.open[id]
	r.l.mu.Unlock()
	if b == nil {
		return nil // cancelled: it is over again
	}
	for _, i := range slides {
		if i >= len(b.lines) {
			continue
		}
		if err := r.l.putSome(ctx, b, i, i+1); err != nil {
			return err
		}
	}
	r.jobs += len(slides)
	return nil
}
