package cli

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/fault"
	"bcc/queue"
)

// queueFlags say which queue elsewhere is joined, and how.
type queueFlags struct {
	queue    string
	patience time.Duration
	roots    string
}

// registerQueue registers them; usage says what --queue is for.
func (f *queueFlags) registerQueue(fs *pflag.FlagSet, usage string) {
	fs.StringVar(&f.queue, "queue", "", usage)
	fs.DurationVar(&f.patience, "queue-patience", queue.DefaultConfig().Patience, "how long to try to reach the queue elsewhere before this ends")
	fs.StringVar(&f.roots, "queue-ca", "", "file with the roots that a queue elsewhere is trusted by, PEM: it has to encrypt then; empty: this computer's, for tls://host:port")
}

// joining returns how the queue elsewhere is opened.
func (f *queueFlags) joining(log *slog.Logger, r prometheus.Registerer) (queue.Config, error) {
	cfg := queue.Config{URL: f.queue, Token: queueToken(), Patience: f.patience, Logger: log, Registerer: r}
	if f.roots == "" {
		return cfg, nil
	}
	if f.queue == "" {
		return cfg, fault.Hint(fault.New(fault.Invalid, "--queue-ca without --queue"), "it is for a queue elsewhere, that --queue names")
	}
	var err error
	cfg.Roots, err = readRoots("--queue-ca", f.roots)
	return cfg, err
}
