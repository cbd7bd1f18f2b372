package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"bcc/balance"
	"bcc/fault"
)

// run serves until ctx ends and everything that was opened is closed.
func (f *serveFlags) run(ctx context.Context, set *pflag.FlagSet, std Streams) error {
	s, err := f.open(ctx, set, std.Err)
	if err != nil {
		return err
	}
	if err := s.announce(std.Out); err != nil {
		return errors.Join(unwritten(err), s.close())
	}
	return s.run(ctx)
}

// run runs what open opened, until ctx ends or a part of it cannot go on, and closes
// it.
func (s *service) run(ctx context.Context) error {
	// Ctrl-C ends what listens; all behind it ends by its own context, in the order
	// below, because requests on their way still need it.
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	behind := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancel(behind)
	defer stopWork()
	side, stopSide := context.WithCancel(behind)
	defer stopSide()

	var sides errgroup.Group
	for _, run := range s.sides {
		sides.Go(func() error { return run(side) })
	}
	var workers errgroup.Group
	for _, w := range s.workers {
		workers.Go(func() error {
			defer stopFront() // a server whose worker is gone would only fill its queue
			return w.Run(work)
		})
	}
	if s.judge.engine != nil {
		go func() {
			select {
			case <-s.judge.engine.ended: // every device is lost
				stopFront()
			case <-work.Done():
			}
		}()
	}

	s.probes.ready(true)
	defer context.AfterFunc(front, func() { s.probes.ready(false) })()

	if s.greeting != "" {
		sides.Go(func() error {
			if err := balance.Greet(front, s.queue, s.greeting); err != nil {
				s.log.Warn("balancers were not told that this server leaves", "error", err)
			}
			return nil
		})
	}

	// The order of the end, and why.
	err := s.server.Run(front, s.listener) // 1. /readyz says no, so nobody is sent here any more; requests on their way end, also those that wait for a slide
	stopWork()                             // 2. nothing new comes in: the workers hand what is not finished back to the queue, which is still there to take it
	err = errors.Join(err, workers.Wait())
	stopSide() // 3. nothing is counted any more: what was used is written down, and what object storage has not taken stays on the disk
	err = errors.Join(err, sides.Wait())
	if ctx.Err() != nil {
		s.log.Info("stopped")
	}
	return errors.Join(err, s.close())
}

// close closes what is open, those who ask before those who answer.
func (s *service) close() error {
	var errs []error
	part := func(name string, err error) {
		if err != nil {
			errs = append(errs, fault.New(fault.Of(err), "close %s: %w", name, err))
		}
	}
	if s.listener != nil {
		s.listener.Close() // the server has closed it, unless it never ran
	}
	if s.judge != nil && s.judge.engine != nil {
		part("engine", s.judge.engine.Close()) // the workers and the looker that call it have ended
	}
	part("decoders", s.decoders.Close()) // whoever looked at slides has gone
	if s.fetcher != nil {
		part("allowed folders", s.fetcher.Close()) // the workers read from them
	}
	if s.ledger != nil {
		part("ledger", s.ledger.Close()) // it listens to the queue and reads the store
	}
	if s.queue != nil {
		part("queue", s.queue.Close()) // waits until all of it is on the disk
	}
	if s.store != nil {
		if c, ok := s.store.(io.Closer); ok {
			part("store", c.Close())
		}
	}
	if s.audit != nil {
		part("audit log", s.audit.Close())
	}
	part("address of probes", s.probes.Close())
	part("traces", s.tracer.Close()) // what closed before may have had the last word of one
	if s.unlock != nil {
		s.unlock() // last: from now on another server may open the folder
	}
	return errors.Join(errs...)
}

// announce says what runs here and where to look.
func (s *service) announce(w io.Writer) error {
	b := s.judge.bundle
	on := "no worker in this process"
	if e := s.judge.engine; e != nil {
		on = "on " + e.devices()
	}
	_, err := fmt.Fprintf(w, `bcc %s serves %s/
  model   %s %s (sha256 %.12s), %s
          %s
  data    %s
  queue   %s
  access  %s
Research use only: nothing it answers is a diagnosis.
`, s.version, s.address, b.Card.Name, b.Card.Version, b.Digest, on, b.Card.Description, s.place, s.queuePlace(), s.access.state)
	return err
}

// queuePlace says where the queue is and who joins it.
func (s *service) queuePlace() string {
	at := s.queue.Addr()
	if at == "" {
		return s.queue.Place()
	}
	at = s.queue.Place() + ", bcc worker joins it at nats://" + at
	if queueToken() != "" {
		at += " with this BCC_QUEUE_TOKEN"
	}
	return at
}
