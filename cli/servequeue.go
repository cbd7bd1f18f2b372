package cli

import (
	"context"
	"path/filepath"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

// openQueue opens the queue in the data folder, or joins one elsewhere.
func (s *service) openQueue(ctx context.Context, f *serveFlags) (err error) {
	in, err := f.joining(s.log, s.registry)
	if err != nil {
		return err
	}
	if f.queue == "" {
		in.Dir, in.Listen = s.queueDir(), f.queueListen
		if in.TLS, err = certificateOf("--queue-tls-cert", f.queueCert, "--queue-tls-key", f.queueKey, s.log); err != nil {
			return err
		}
	}
	s.queue, err = queue.Open(ctx, in)
	return err
}

func (s *service) queueDir() string { return filepath.Join(s.data, "queue") }

// openLedger opens the account over store and queue.
func (s *service) openLedger(ctx context.Context, f *serveFlags) (err error) {
	book := cohort.DefaultConfig()
	book.Store, book.Queue, book.PricePerHour = s.store, s.queue, f.price
	book.Prices, _ = readPrices(f.prices) // check has read them
	book.Check = func(ctx context.Context, key string) error { return worker.CheckRows(ctx, s.store, key) }
	book.Logger, book.Registerer = s.log, s.registry
	s.ledger, err = cohort.Open(ctx, book)
	return err
}
