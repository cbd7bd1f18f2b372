package cohort

import (
	"context"
	"errors"
	"strings"
	"time"

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
//	cohorts/<id>/manifest.json           truth, created once
//	cohorts/<id>/ends/<index>.json       truth, created once
//	cohorts/<id>/voids/<index>.json      truth, created once: that end does not count,
//	cohorts/<id>/ends/<index>.1.json     but this one does, which is created then
//	cohorts/<id>/tries/<index>/<n>.json  truth, created once: an attempt that failed
//	cohorts/<id>/cancelled.json          truth, created once
//	cohorts/<id>/caps/<n>.json           truth, created once: what it may cost from then on
//	cohorts/<id>/caps/<n>.reached.json   truth, created once: that is spent
//	cohorts/<id>/ends.json               all ends in one, once there is nothing to come
//	ledger/open/<id>                     it may have slides without an end
//	ledger/closed/<id>.json              its summary, once all have
type shelf struct {
	store blob.Store
	found func(record, key string, err error) // hears of what is damaged; may be nil
}

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
func voidsPrefix(id string) string  { return "cohorts/" + id + "/voids/" }

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
	Usual         float64 `json:"usual_patches,omitempty"` // of the slides that are done (sizes.go)

	share tally // of Ledger.gone
}

// tell says that a record is damaged.
func (s shelf) tell(record, key string, err error) {
	if s.found != nil {
		s.found(record, key, err)
	}
}

// has reports whether there is such an object.
func (s shelf) has(ctx context.Context, key string) (bool, error) {
	return blob.Exists(ctx, s.store, key)
}

// missing reports whether err says that there is no such object.
func missing(err error) bool { return err != nil && fault.Of(err) == fault.NotFound }

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
