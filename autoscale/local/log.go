package local

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxLog  = 8 << 20 // bytes of a log before it is put aside; one older one is kept
	oldLogs = 20      // logs that are kept of workers that are gone
	logEnd  = ".log"
)

// openLog makes the log of a new worker, and removes the oldest of those who are gone.
func (t *Target) openLog(id string) (*os.File, error) {
	t.clearLogs()
	f, err := os.OpenFile(t.logPath(id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, folder(err)
	}
	return f, nil
}

func (t *Target) logPath(id string) string { return filepath.Join(t.cfg.Dir, id+logEnd) }

// bound puts a log that has grown too large aside and lets it begin anew. Its writer
// appends to a file that it has open, so the file is emptied, not moved; a line that
// comes in between is lost.
func (t *Target) bound(id string) {
	path := t.logPath(id)
	info, err := os.Stat(path)
	if err != nil || info.Size() < maxLog {
		return
	}
	err = func() error {
		from, err := os.Open(path)
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := os.OpenFile(path+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.CopyN(to, from, info.Size())
		return errors.Join(err, to.Close(), os.Truncate(path, 0))
	}()
	if err != nil {
		t.log.Warn("a worker's log cannot be put aside", "id", id, "err", err)
	}
}

// clearLogs removes the oldest logs of workers that are gone.
func (t *Target) clearLogs() {
	type old struct {
		path string
		at   int64
	}
	var gone []old
	logs, _ := filepath.Glob(filepath.Join(t.cfg.Dir, "*"+logEnd))
	for _, path := range logs {
		id := strings.TrimSuffix(filepath.Base(path), logEnd)
		if _, err := os.Stat(t.path(id)); err == nil {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			gone = append(gone, old{path, info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(gone, func(a, b old) int { return cmp.Compare(b.at, a.at) })
	for _, o := range gone[min(len(gone), oldLogs):] {
		_ = os.Remove(o.path) // left overs cost room only, and are tried again
		_ = os.Remove(o.path + ".1")
	}
}

// lastError is what a worker said was wrong, or else its last line; without its name.
func (t *Target) lastError(id string) string {
	f, err := os.Open(t.logPath(id))
	if err != nil {
		return ""
	}
	defer f.Close()
	const tail = 8 << 10
	if info, err := f.Stat(); err == nil && info.Size() > tail {
		_, _ = f.Seek(-tail, io.SeekEnd)
	}
	data, _ := io.ReadAll(io.LimitReader(f, tail))
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	said := lines[len(lines)-1]
	for _, line := range slices.Backward(lines) {
		if rest, ok := bytes.CutPrefix(line, []byte("bcc: error: ")); ok {
			said = rest
			break
		}
	}
	return string(said[:min(len(said), 300)])
}
