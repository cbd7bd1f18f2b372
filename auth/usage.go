package auth

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"bcc/disk"
	"bcc/fault"
)

// usageFile is the form of the file: principals' IDs, which name nobody, and counts.
type usageFile struct {
	FormatVersion int               `json:"format_version"`
	Used          map[string]*usage `json:"used"`
}

const usageVersion = 1

// flushEvery is what a power cut forgets at most.
const flushEvery = 10 * time.Second

// Run writes what was counted to the file until ctx ends, and then once more.
func (l *Limiter) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.Flush()
		case <-tick.C:
			// A full disk is told by those who lose something by it; the next tick tries again.
			_ = l.Flush()
		}
	}
}

// Flush writes what was counted to the file, where it has changed.
func (l *Limiter) Flush() error {
	data, err := l.snapshot()
	if data == nil || err != nil {
		return err
	}
	if err := disk.WriteSecret(l.path, data); err != nil {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
		return fault.New(fault.Unavailable, "usage: %w", err)
	}
	return nil
}

// snapshot returns what the file shall hold, nil where it holds it.
func (l *Limiter) snapshot() ([]byte, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" || !l.dirty {
		return nil, nil
	}
	for id, u := range l.used {
		u.Minute.prune(minute, now)
		u.Day.prune(day, now)
		u.Patches.prune(day, now)
		if u.Minute == nil && u.Day == nil && u.Patches == nil {
			delete(l.used, id) // the same as unknown
		}
	}
	data, err := json.Marshal(usageFile{FormatVersion: usageVersion, Used: l.used})
	if err != nil {
		return nil, fault.New(fault.Internal, "usage: %w", err)
	}
	l.dirty = false
	return data, nil
}

func (l *Limiter) load() error {
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	var f usageFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fault.New(fault.Corrupt, "not a file of usage: %w", err)
	}
	if f.FormatVersion != usageVersion {
		return fault.New(fault.Unsupported, "format version %d: this program reads %d", f.FormatVersion, usageVersion)
	}
	for id, u := range f.Used {
		if u != nil {
			l.used[id] = u
		}
	}
	return nil
}
