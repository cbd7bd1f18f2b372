package cli

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/fault"
	"bcc/telemetry"
	"bcc/worker"
)

// workerFlags are the flags of bcc worker.
type workerFlags struct {
	detectFlags
	sources sourceFlags

	queueFlags
	store   string
	slots   int
	id      string
	kind    string
	scratch string
	finish  time.Duration
	drain   time.Duration
	metrics string
	traces  traceFlags

	maxUpload           byteSize
	logLevel, logFormat string
}

func newWorker(std Streams) *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use:   "worker --queue URL --store URL [flags]",
		Short: "Take slides from a queue that other machines share, and walk them",
		Long: `Takes work from a queue and keeps results in a store that it shares with bcc serve
and with other workers, as many as there are. It takes what it has room for: fast
and slow machines, with and without a GPU, share one queue without being weighed.

The first Ctrl-C or SIGTERM makes it drain: it takes nothing new, goes on with what it
has begun for --finish, and hands back the rest; what is finished of a slide stays
finished. The second ends it. It may be killed at any moment: others go on where it
stopped when its leases end, within half a minute.`,
		Example: `  bcc worker --queue nats://queue.example.org:4222 --store s3://slides/bcc
  BCC_QUEUE_TOKEN=… bcc worker --queue nats://10.0.0.5:4222 --store /mnt/shared/bcc/store --jobs 4`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.Flags(), std) },
	}
	f.registerWorker(cmd.Flags())
	return cmd
}

func (f *workerFlags) registerWorker(fs *pflag.FlagSet) {
	fs.SortFlags = false
	f.registerQueue(fs, "nats://host:port of the queue, several servers with commas; the token that it asks for: BCC_QUEUE_TOKEN")
	fs.StringVar(&f.store, "store", "", "where slides and results lie: s3://bucket/prefix, or a folder that all share")
	f.register(fs)
	f.isolate.register(fs, true)
	fs.IntVar(&f.slots, "jobs", 0, "slides in flight; 0: as many as keep the devices busy and fit into memory")
	d := worker.DefaultConfig()
	fs.StringVar(&f.id, "id", "", "name of this worker in lists, one of its own; empty: a random one")
	fs.StringVar(&f.kind, "kind", d.Kind, "what its machine is one of, all alike: bcc autoscale and prices (bcc serve --price) go by it")
	fs.StringVar(&f.scratch, "scratch", os.TempDir(), "folder for what is being written")
	fs.DurationVar(&f.finish, "finish", d.Finish, "when it is told to end, how long it goes on with what it has begun; 0: hands it back at once")
	fs.DurationVar(&f.drain, "drain", d.Drain, "how long stopping may take after that")
	fs.StringVar(&f.metrics, "metrics-addr", "", "host:port on which /metrics, /livez and /readyz answer; empty: none")
	f.traces.register(fs)
	f.maxUpload = 16 << 30
	fs.Var(&f.maxUpload, "max-upload", "largest slide that is fetched from an address")
	f.sources.register(fs)
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", strings.Join(telemetry.LogFormats, " or "))
}

// check returns every problem of the flags that no room finds by itself.
func (f *workerFlags) check() error {
	var errs []error
	if f.queue == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--queue is empty"), "name the queue that bcc serve puts its work on, as nats://host:port"))
	}
	if f.store == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--store is empty"), "name the store of bcc serve: s3://bucket/prefix, or a folder that both reach"))
	}
	if f.slots < 0 {
		errs = append(errs, fault.New(fault.Invalid, "--jobs %d: want 0 or more", f.slots))
	}
	if f.finish < 0 {
		errs = append(errs, fault.New(fault.Invalid, "--finish %v: want 0 or more", f.finish))
	}
	if f.drain <= 0 {
		errs = append(errs, fault.New(fault.Invalid, "--drain %v: want more than 0", f.drain))
	}
	return errors.Join(errs...)
}
