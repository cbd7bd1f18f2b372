package local

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bcc/fault"
)

// record is what is known of a worker: ID.json in the folder.
type record struct {
	FormatVersion int       `json:"format_version"`
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`
	PID           int       `json:"pid"`   // 0: it is about to be started
	Birth         string    `json:"birth"` // tells it from a later process of the same number
	Begun         time.Time `json:"begun"` // when it was started
	Asked         time.Time `json:"asked"` // when it was asked to end; zero: it was not
}

const ending = ".json"

// staying are those who were not asked to end, the oldest first.
func (t *Target) staying(all []record) []record {
	there := slices.DeleteFunc(slices.Clone(all), func(r record) bool { return !r.Asked.IsZero() || t.asked[r.ID] })
	slices.SortFunc(there, func(a, b record) int { return a.Begun.Compare(b.Begun) })
	return there
}

// look returns who is there. Where mine, nobody else changes the folder meanwhile: then
// it forgets who is not there. Else it changes nothing but what it knows of its own
// children, for another may be in the middle of starting one.
func (t *Target) look(mine bool) ([]record, error) {
	names, err := filepath.Glob(filepath.Join(t.cfg.Dir, "*"+ending))
	if err != nil {
		return nil, fault.New(fault.Internal, "list the workers: %w", err)
	}
	var there []record
	for _, name := range names {
		r, err := read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another autoscaler saw it end
		}
		if err != nil && !mine {
			continue
		}
		if err != nil {
			t.log.Warn("a worker's record cannot be read; put aside", "id", idOf(name), "err", err)
			_ = os.Rename(name, name+".bad") // tried again at the next look
			continue
		}
		if r.PID == 0 {
			if r = t.found(r, mine); r.PID == 0 {
				if mine {
					t.forget(r)
				}
				continue
			}
		}
		child, ours := t.children[r.PID]
		ours = ours && child.ID == r.ID
		how, runs := t.runs(r)
		if runs {
			there = append(there, r)
			if mine || ours {
				t.bound(r.ID)
			}
			if t.failed > 0 && r.Begun.After(t.last) && t.cfg.Now().Sub(r.Begun) >= t.cfg.Soon {
				t.failed = 0 // starts work again
			}
			continue
		}
		if mine || ours {
			t.gone(r, how)
		}
	}
	for pid, r := range t.children { // whose record somebody took away
		if slices.ContainsFunc(there, func(is record) bool { return is.ID == r.ID }) {
			continue
		}
		if how, ended := reap(pid); ended {
			delete(t.children, pid)
			t.gone(r, how)
			continue
		}
		there = append(there, r)
		if err := errors.Join(makeDir(t.cfg.Dir), t.write(r)); err != nil {
			t.log.Warn("a worker cannot be noted", "id", r.ID, "err", err)
		}
	}
	return there, nil
}

// runs reports whether the worker is there, or else how it ended, as far as is known.
// A child is there until it was waited for: its number is nobody else's so long, and
// what the system lists of it is over before all of its threads are.
func (t *Target) runs(r record) (how string, runs bool) {
	if child, ours := t.children[r.PID]; ours && child.ID == r.ID {
		how, ended := reap(r.PID)
		if ended {
			delete(t.children, r.PID)
		}
		return how, !ended
	}
	birth, runs := birthOf(r.PID)
	return "", runs && birth == r.Birth
}

// found looks for a worker whose starter was killed before it could note its number,
// and notes that, where asked.
func (t *Target) found(r record, note bool) record {
	if r.PID = byID(r.ID); r.PID == 0 {
		return r
	}
	r.Birth, _ = birthOf(r.PID)
	if !note {
		return r
	}
	if err := t.write(r); err != nil {
		t.log.Warn("a worker that was found cannot be noted", "id", r.ID, "err", err)
	}
	return r
}

// gone forgets a worker that has ended. how is the exit status in words, as far as known.
func (t *Target) gone(r record, how string) {
	t.forget(r)
	if t.asked[r.ID] && r.Asked.IsZero() {
		r.Asked = t.cfg.Now()
	}
	delete(t.asked, r.ID)
	lived := t.cfg.Now().Sub(r.Begun)
	switch {
	case !r.Asked.IsZero():
		t.log.Info("worker ended", "id", r.ID, "after_asking", t.cfg.Now().Sub(r.Asked).Round(time.Second))
		return
	case lived >= t.cfg.Soon:
		t.log.Warn("worker ended by itself", "id", r.ID, "how", how, "lived", lived.Round(time.Second))
		t.failed = 0
		return
	}
	t.fail(r, how, lived)
}

func (t *Target) forget(r record) {
	if err := os.Remove(t.path(r.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.log.Warn("a worker that is gone cannot be forgotten", "id", r.ID, "err", err)
	}
}

func (t *Target) path(id string) string { return filepath.Join(t.cfg.Dir, id+ending) }

func idOf(path string) string { return strings.TrimSuffix(filepath.Base(path), ending) }

func read(path string) (r record, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	if r.ID != idOf(path) || r.PID < 0 || r.FormatVersion != 1 {
		return r, errors.New("it is none of this version's")
	}
	return r, nil
}

// write replaces the record as a whole. It need not outlive a power cut: no process does.
func (t *Target) write(r record) error {
	r.FormatVersion = 1
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp := t.path(r.ID) + ".new"
	err = os.WriteFile(temp, data, 0o600)
	if err == nil {
		err = os.Rename(temp, t.path(r.ID))
	}
	if err != nil {
		_ = os.Remove(temp) // a full disk holds what was written of it
		return folder(err)
	}
	return nil
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folder(err)
	}
	return nil
}

func folder(err error) error {
	return fault.Hint(fault.New(fault.Unavailable, "folder of the workers: %w", err), "name one that can be written, with --dir")
}
