package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// rereadInMemory is how much of a stream is held in memory, in bytes, so that it can
// be written again when the store does not take it; more goes to a file.
const rereadInMemory = 1 << 20

// SpoolConfig says how often a store that does not answer is tried again.
type SpoolConfig struct {
	Pause   time.Duration // after the first failure; doubles with each; default 1 s
	Longest time.Duration // pause; default 1 min: by then the store's people want to see that it works

	Logger     *slog.Logger          // default: none
	Registerer prometheus.Registerer // may be nil
}

// DefaultSpoolConfig returns what holds where nothing else is said.
func DefaultSpoolConfig() SpoolConfig {
	return SpoolConfig{Pause: time.Second, Longest: time.Minute, Logger: slog.New(slog.DiscardHandler)}
}

// Validate returns all problems at once.
func (c SpoolConfig) Validate() error {
	if c.Pause <= 0 || c.Longest < c.Pause {
		return fault.New(fault.Invalid, "pauses of the spool: %v to %v, want the first above 0 and at most the longest", c.Pause, c.Longest)
	}
	return nil
}

// Spool is a store that goes on when the one behind it does not: what cannot be
// written there is kept in a folder here and sent later, in the order in which it was
// written. While something waits, whatever is written waits behind it: nobody sees a
// slide's end before its results.
//
//	remote takes it ──► written
//	Unavailable ──► kept here ──► read from here ──► Run sends it ──► gone from here
//
// An object that was created here may turn out to be a loser when it is sent: then
// it is dropped and counted, and the first one holds. Lists need the store behind.
// The folder is one process's own.
type Spool struct {
	remote  Store
	local   *FolderStore
	cfg     SpoolConfig
	metrics spoolMetrics

	keeping sync.Mutex // one write after the other is kept, so that they stand in order
	wake    chan struct{}

	mu      sync.Mutex
	next    int64
	queue   []kept          // in order
	latest  map[string]kept // by key, those that are refused too
	bytes   int64           // of the queue
	failing bool            // the last that was sent did not arrive
}

var _ Store = (*Spool)(nil)

// kept is a write or deletion that waits.
type kept struct {
	seq      int64
	op       string
	key      string
	size     int64 // bytes
	modified time.Time
}

// The operations, as they stand in the names of kept files.
const (
	opPut    = "put"
	opCreate = "create"
	opDelete = "delete"
)

// name is where it lies in the folder: order, operation and key in one.
func (k kept) name() string { return fmt.Sprintf("%s/%s/%s", k.dir(), k.op, k.key) }

func (k kept) dir() string { return fmt.Sprintf("%016d", k.seq) }

// NewSpool returns the store in front of remote, with what an earlier run kept in dir.
func NewSpool(remote Store, dir string, cfg SpoolConfig) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	local, err := Folder(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{remote: remote, local: local, cfg: cfg, wake: make(chan struct{}, 1), next: 1, latest: map[string]kept{}}
	if err := s.recall(); err != nil {
		return nil, errors.Join(fmt.Errorf("read what is kept for the store: %w", err), local.Close())
	}
	s.metrics = newSpoolMetrics(cfg.Registerer, s.Waiting)
	return s, nil
}

// recall reads what an earlier run left.
func (s *Spool) recall() error {
	for info, err := range s.local.List(context.Background(), "") {
		if err != nil {
			return err
		}
		dir, rest, _ := strings.Cut(info.Key, "/")
		op, key, _ := strings.Cut(rest, "/")
		seq, err := strconv.ParseInt(dir, 10, 64)
		k := kept{seq, op, key, info.Size, info.Modified}
		if err != nil || k.name() != info.Key || op != opPut && op != opCreate && op != opDelete || CheckKey(key) != nil {
			return fault.Hint(fault.New(fault.Corrupt, "%s does not belong there", info.Key), "this folder is for the program alone: move the file away")
		}
		s.add(k)
	}
	return nil
}

// add puts k at the end of the queue.
func (s *Spool) add(k kept) {
	s.queue = append(s.queue, k)
	s.latest[k.key] = k
	s.bytes += k.size
	s.next = max(s.next, k.seq+1)
}

// Close gives the folder back. What waits, waits for the next run.
func (s *Spool) Close() error { return s.local.Close() }

// Waiting returns how much has yet to be sent.
func (s *Spool) Waiting() (objects int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue), s.bytes
}

// Degraded says in words that something waits; nothing where all is well.
func (s *Spool) Degraded() []string {
	n, bytes := s.Waiting()
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("object storage does not answer: %d writes (%.1f MB) are kept on this machine and sent later", n, float64(bytes)/1e6)}
}

// Put writes the object, or keeps it.
func (s *Spool) Put(ctx context.Context, key string, r io.Reader) error {
	return s.write(ctx, opPut, key, r, s.remote.Put)
}

// Create writes the object where there is none, or keeps it where none is known.
func (s *Spool) Create(ctx context.Context, key string, r io.Reader) error {
	return s.write(ctx, opCreate, key, r, s.remote.Create)
}

func (s *Spool) write(ctx context.Context, op, key string, r io.Reader, send func(context.Context, string, io.Reader) error) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	body, done, err := s.rereadable(ctx, r)
	if err != nil {
		return fmt.Errorf("write object %s: %w", key, err)
	}
	defer done()
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("write object %s: %w", key, err)
	}
	if s.idle() {
		if err := send(ctx, key, body); !later(err) {
			return err
		}
		if _, err := body.Seek(start, io.SeekStart); err != nil {
			return fmt.Errorf("write object %s: %w", key, err)
		}
	} else if op == opCreate && s.takes() {
		// The store answers again and this waits its turn only: it can say who was first.
		if there, err := Exists(ctx, s.remote, key); err == nil && there {
			return fmt.Errorf("create object %s: %w", key, ErrExists)
		}
	}
	return s.keep(op, key, func(name string) error { return s.local.Put(ctx, name, body) })
}

// later reports whether what failed so may be done later.
func later(err error) bool {
	return err != nil && fault.Of(err) == fault.Unavailable && !errors.Is(err, ErrExists)
}

// idle reports whether nothing waits, so that a write may overtake nothing.
func (s *Spool) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0
}

// takes reports whether the last that was sent arrived.
func (s *Spool) takes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.failing
}

// rereadable returns r as something that can be read twice, and what ends its use.
func (s *Spool) rereadable(ctx context.Context, r io.Reader) (io.ReadSeeker, func(), error) {
	if again, ok := r.(io.ReadSeeker); ok {
		if _, err := again.Seek(0, io.SeekCurrent); err == nil { // a pipe has the method, too
			return again, func() {}, nil
		}
	}
	src := &source{ctx: ctx, r: r}
	head, err := io.ReadAll(io.LimitReader(src, rereadInMemory))
	if err != nil {
		return nil, nil, err
	}
	if len(head) < rereadInMemory {
		return bytes.NewReader(head), func() {}, nil
	}
	file, err := os.CreateTemp(filepath.Join(s.local.Dir(), stagedDir), "stream.*")
	if err != nil {
		return nil, nil, folderError(err)
	}
	os.Remove(file.Name()) // it lives as long as it is open
	_, err = io.Copy(file, io.MultiReader(bytes.NewReader(head), src))
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		if src.err == nil {
			err = folderError(err)
		}
		return nil, nil, err
	}
	return file, func() { file.Close() }, nil
}

// Adopt gives the file to the store, or keeps it.
func (s *Spool) Adopt(ctx context.Context, key, from string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if s.idle() {
		if err := s.remote.Adopt(ctx, key, from); !later(err) {
			return err
		}
	}
	return s.keep(opPut, key, func(name string) error { return s.local.Adopt(ctx, name, from) })
}

// Delete takes the object away, or keeps in mind to do so.
func (s *Spool) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if s.idle() {
		if err := s.remote.Delete(ctx, key); !later(err) {
			return err
		}
	}
	return s.keep(opDelete, key, func(name string) error { return s.local.Put(ctx, name, strings.NewReader("")) })
}

// keep writes into the folder, after all that is there.
func (s *Spool) keep(op, key string, write func(name string) error) error {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.mu.Lock()
	k := kept{seq: s.next, op: op, key: key}
	s.next++
	older, there := s.latest[key]
	s.mu.Unlock()
	if op == opCreate && there && older.op != opDelete {
		return fmt.Errorf("create object %s: %w", key, ErrExists)
	}
	err := write(k.name())
	var info fs.FileInfo
	if err == nil {
		info, err = s.local.root.Stat(k.name())
	}
	if err != nil {
		s.local.root.RemoveAll(k.dir())
		return fmt.Errorf("keep object for a store that does not answer: %w", err)
	}
	k.size, k.modified = info.Size(), info.ModTime().UTC()
	s.mu.Lock()
	s.add(k)
	s.mu.Unlock()
	s.metrics.kept.Inc()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
	return nil
}

// Open opens what waits here, else what the store has.
func (s *Spool) Open(ctx context.Context, key string) (*Object, error) {
	s.mu.Lock()
	k, ok := s.latest[key]
	s.mu.Unlock()
	if ok && k.op == opDelete {
		return nil, fault.New(fault.NotFound, "open object %s: it was deleted", key)
	}
	if ok {
		o, err := s.local.Open(ctx, k.name())
		if err == nil || fault.Of(err) != fault.NotFound {
			return o, err
		} // it was sent this moment
	}
	return s.remote.Open(ctx, key)
}

// List merges what the store has with what waits here.
func (s *Spool) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		s.mu.Lock()
		here := maps.Clone(s.latest)
		s.mu.Unlock()
		maps.DeleteFunc(here, func(key string, _ kept) bool { return !strings.HasPrefix(key, prefix) })
		keys := slices.Sorted(maps.Keys(here))
		before := func(key string, all bool) bool { // yields what is here and comes before key
			for len(keys) > 0 && (all || keys[0] < key) {
				k := here[keys[0]]
				keys = keys[1:]
				if k.op != opDelete && !yield(Info{k.key, k.size, k.modified}, nil) {
					return false
				}
			}
			return true
		}
		for info, err := range s.remote.List(ctx, prefix) {
			if err != nil {
				yield(Info{}, err)
				return
			}
			if !before(info.Key, false) {
				return
			}
			if _, ok := here[info.Key]; !ok && !yield(info, nil) {
				return
			}
		}
		before("", true)
	}
}
