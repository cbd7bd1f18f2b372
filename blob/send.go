package blob

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"bcc/disk"
	"bcc/fault"
)

// Run sends what waits until ctx ends.
func (s *Spool) Run(ctx context.Context) error {
	pause := s.cfg.Pause
	for {
		k, ok := s.first()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-s.wake:
			}
			continue
		}
		err := s.send(ctx, k)
		if ctx.Err() != nil {
			return nil
		}
		s.setFailing(err != nil)
		if err == nil {
			pause = s.cfg.Pause
			continue
		}
		n, size := s.Waiting()
		s.cfg.Logger.Warn("object storage does not take what is kept for it", "error", err, "waiting", n, "bytes", size, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause)/2): // machines that lost it together do not come back together
		}
		pause = min(2*pause, s.cfg.Longest)
	}
}

// first returns what was kept first.
func (s *Spool) first() (kept, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return kept{}, false
	}
	return s.queue[0], true
}

func (s *Spool) setFailing(failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = failing
}

// send sends k and forgets it. An error means: try it again later.
func (s *Spool) send(ctx context.Context, k kept) error {
	err := s.hand(ctx, k)
	log := s.cfg.Logger.With(slog.String("key", k.key), slog.Int64("bytes", k.size))
	switch {
	case err == nil:
		s.metrics.sent.Inc()
	case errors.Is(err, ErrExists) && s.same(ctx, k):
		// Its first sending arrived, only its answer did not.
		s.metrics.sent.Inc()
	case errors.Is(err, ErrExists):
		s.metrics.lost.Inc()
		log.Warn("an object that was kept is dropped: another writer's came first")
	case fault.Of(err) == fault.Invalid || fault.Of(err) == fault.Unsupported:
		// It must not hold up what stands behind it. The file stays and can be read; the
		// next run tries it again.
		s.metrics.refused.Inc()
		log.Error("object storage will not take an object", "error", err)
		s.pop(k)
		return nil
	default:
		return err
	}
	s.pop(k)
	s.mu.Lock()
	if s.latest[k.key] == k {
		delete(s.latest, k.key)
	}
	s.mu.Unlock()
	// Were it there again after a power cut, the next run would send it over what was
	// written since.
	if err := errors.Join(s.local.root.RemoveAll(k.dir()), disk.Sync(s.local.Dir())); err != nil {
		log.Warn("an object that was sent is still kept", "error", err) // and is sent again by the next run
	}
	return nil
}

// hand does k at the store behind.
func (s *Spool) hand(ctx context.Context, k kept) error {
	if k.op == opDelete {
		return s.remote.Delete(ctx, k.key)
	}
	o, err := s.local.Open(ctx, k.name())
	if err != nil && fault.Of(err) == fault.NotFound {
		return fault.New(fault.Invalid, "its file is gone: %w", err)
	}
	if err != nil {
		return err
	}
	defer o.Close()
	if k.op == opCreate {
		return s.remote.Create(ctx, k.key, o.Reader())
	}
	return s.remote.Put(ctx, k.key, o.Reader())
}

// same reports whether the store has the bytes of k.
func (s *Spool) same(ctx context.Context, k kept) bool {
	const most = 16 << 20 // what is created is small
	here, err := Read(ctx, s.local, k.name(), most)
	if err != nil {
		return false
	}
	there, err := Read(ctx, s.remote, k.key, most)
	return err == nil && bytes.Equal(here, there)
}

// pop takes the first off the queue.
func (s *Spool) pop(k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = s.queue[1:]
	s.bytes -= k.size
	if len(s.queue) == 0 {
		s.queue = nil // the array goes, too
		s.cfg.Logger.Info("object storage has taken all that was kept for it")
	}
}
