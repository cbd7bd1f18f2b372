package resources

import (
	"context"
	"sync"
	"time"
)

// Sampler keeps a snapshot at hand that is a few seconds old at most. Latest may be
// called by any number of goroutines.
type Sampler struct {
	cfg    Config
	before counted

	mu     sync.Mutex
	latest Snapshot
}

const (
	sampleEvery = 2 * time.Second
	firstWindow = 100 * time.Millisecond
)

// NewSampler returns a Sampler that has its first reading, for which it waits a
// tenth of a second.
func NewSampler(ctx context.Context, cfg Config) (*Sampler, error) {
	s := &Sampler{cfg: cfg}
	var err error
	if s.latest, err = Read(ctx, cfg, firstWindow); err != nil {
		return nil, err
	}
	s.before, err = count(ctx)
	return s, err
}

// Run reads every two seconds until ctx ends. A reading that fails leaves the one
// before it, whose Time tells how old it is.
func (s *Sampler) Run(ctx context.Context) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.sample(ctx)
		}
	}
}

func (s *Sampler) sample(ctx context.Context) {
	latest, now, err := since(ctx, s.cfg, s.before)
	if err != nil {
		return
	}
	s.before = now
	s.mu.Lock()
	s.latest = latest
	s.mu.Unlock()
}

// Latest returns the newest snapshot.
func (s *Sampler) Latest() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}
