package cohort

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/blob"
	"bcc/fault"
)

// FormatVersion is the version of the files that this program writes and reads.
const FormatVersion = 1

// Limits of what is read back, in bytes.
const (
	maxManifestBytes = 256 << 20
	maxEndBytes      = 1 << 20
	maxEndsBytes     = 256 << 20
)

// readers is how many small objects are read at once: a folder does not need it,
// object storage answers each after tens of milliseconds.
const readers = 16

// shelf is where cohorts lie in the store.
//
//	cohorts/<id>/manifest.json      truth, created once
//	cohorts/<id>/ends/<index>.json  truth, created once
//	cohorts/<id>/cancelled.json     truth, created once
//	cohorts/<id>/ends.json          all ends in one, once there is nothing to come
//	ledger/open/<id>                it may have slides without an end
//	ledger/closed/<id>.json         its summary, once all have
type shelf struct{ store blob.Store }

const (
	openPrefix   = "ledger/open/"
	closedPrefix = "ledger/closed/"
)

func openKey(id string) string      { return openPrefix + id }
func closedKey(id string) string    { return closedPrefix + id + ".json" }
func manifestKey(id string) string  { return "cohorts/" + id + "/manifest.json" }
func cancelledKey(id string) string { return "cohorts/" + id + "/cancelled.json" }
func allEndsKey(id string) string   { return "cohorts/" + id + "/ends.json" }
func endsPrefix(id string) string   { return "cohorts/" + id + "/ends/" }
func endKey(id string, i int) string {
	return endsPrefix(id) + strconv.Itoa(i) + ".json"
}

// cancelled is the content of cancelled.json: which slides had an end when the
// cohort was cancelled. An end that comes later does not count, so that a slide
// which was called cancelled stays so.
type cancelled struct {
	FormatVersion int       `json:"format_version"`
	At            time.Time `json:"at"`
	Ended         []int     `json:"ended"`
}

// closed is the content of ledger/closed/<id>.json.
type closed struct {
	FormatVersion int     `json:"format_version"`
	Owner         string  `json:"owner"`
	Summary       Summary `json:"summary"`
}

// create writes v where nothing lies yet; blob.ErrExists.
func (s shelf) create(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.store.Create(ctx, key, bytes.NewReader(b))
}

func (s shelf) put(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.store.Put(ctx, key, bytes.NewReader(b))
}

func (s shelf) read(ctx context.Context, key string, limit int64, v any) error {
	b, err := blob.Read(ctx, s.store, key, limit)
	if err != nil {
		return err
	}
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return fault.New(fault.Corrupt, "object %s: %w", key, err)
	}
	if version.FormatVersion != FormatVersion {
		return fault.New(fault.Unsupported, "object %s: format version %d, this program reads %d", key, version.FormatVersion, FormatVersion)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.New(fault.Corrupt, "object %s: %w", key, err)
	}
	return nil
}

// has reports whether there is such an object.
func (s shelf) has(ctx context.Context, key string) (bool, error) {
	return blob.Exists(ctx, s.store, key)
}

// missing reports whether err says that there is no such object.
func missing(err error) bool { return err != nil && fault.Of(err) == fault.NotFound }

// cancelled returns nil where the cohort has not been cancelled.
func (s shelf) cancelled(ctx context.Context, id string) (*cancelled, error) {
	var c cancelled
	err := s.read(ctx, cancelledKey(id), maxEndsBytes, &c)
	if missing(err) {
		return nil, nil
	}
	return &c, err
}

// end returns nil where the slide has none.
func (s shelf) end(ctx context.Context, id string, i int) (*End, error) {
	var e End
	err := s.read(ctx, endKey(id, i), maxEndBytes, &e)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// ends reads the ends that lie in the store and are not known.
func (s shelf) ends(ctx context.Context, id string, known func(i int) bool) (map[int]*End, error) {
	var fresh []int
	for info, err := range s.store.List(ctx, endsPrefix(id)) {
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(info.Key, endsPrefix(id)), ".json")
		if i, err := strconv.Atoi(name); err == nil && endKey(id, i) == info.Key && !known(i) {
			fresh = append(fresh, i)
		}
	}
	found := make([]*End, len(fresh))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for k, i := range fresh {
		eg.Go(func() (err error) {
			found[k], err = s.end(ctx, id, i)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	ends := make(map[int]*End, len(fresh))
	for k, i := range fresh {
		if found[k] != nil {
			ends[i] = found[k]
		}
	}
	return ends, nil
}

// allEnds is the content of cohorts/<id>/ends.json: null for cancelled slides.
type allEnds struct {
	FormatVersion int    `json:"format_version"`
	Ends          []*End `json:"ends"`
}

// every returns the ends of a cohort, from one object where it is there.
func (s shelf) every(ctx context.Context, id string, slides int) (map[int]*End, error) {
	var all allEnds
	err := s.read(ctx, allEndsKey(id), maxEndsBytes, &all)
	if err != nil || len(all.Ends) != slides {
		if err != nil && fault.Of(err) == fault.Unavailable {
			return nil, err
		}
		return s.ends(ctx, id, func(int) bool { return false }) // the truth
	}
	ends := map[int]*End{}
	for i, e := range all.Ends {
		if e != nil {
			ends[i] = e
		}
	}
	return ends, nil
}

// ids yields the identities of the objects under a prefix.
func (s shelf) ids(ctx context.Context, prefix string) (map[string]time.Time, error) {
	ids := map[string]time.Time{}
	for info, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		id := strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), ".json")
		if ValidID(id) {
			ids[id] = info.Modified
		}
	}
	return ids, nil
}

func exists(err error) bool { return errors.Is(err, blob.ErrExists) }
