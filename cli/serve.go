package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/balance"
	"bcc/fault"
	"bcc/server"
	"bcc/telemetry"
)

// serveFlags are the flags of bcc serve.
type serveFlags struct {
	detectFlags
	listen  listenFlags
	access  accessFlags
	sources sourceFlags

	data string
	queueFlags
	queueListen         string // where workers elsewhere join the queue of this process
	queueCert, queueKey string

	store   string
	workers int

	maxUpload byteSize
	maxPixels int64
	reserve   byteSize
	linger    time.Duration
	announce  string // our address, for balancers that listen to the queue

	traces      traceFlags
	metricsAddr string

	price               float64
	prices              []string
	logLevel, logFormat string
}

func newServe(std Streams) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve the API and the web page, with a queue and workers inside",
		Long: `Runs the whole system in one process: the HTTP API, the web page, a durable queue,
workers. Everything it keeps lies in the folder --data; started again on the same
folder it goes on where it stopped. The first Ctrl-C or SIGTERM lets running
requests end and hands unfinished slides back to the queue, the second ends it at
once.

On an address that others can reach it asks for a key or token (bcc serve keys).
It is a research tool: nothing it answers is a diagnosis.`,
		Example: `  bcc serve
  bcc serve keys make --name "reading room"
  bcc serve --addr :8443 --tls-cert cert.pem --tls-key key.pem --data /srv/bcc
  curl -F file=@slide.tif http://127.0.0.1:8000/predict`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.Flags(), std) },
	}
	cmd.PersistentFlags().StringVar(&f.data, "data", "bcc-data", "folder for slides, results, the queue and the keys")
	f.registerServe(cmd.Flags())
	cmd.AddCommand(newKeys(&f.data, std))
	return cmd
}

func (f *serveFlags) registerServe(fs *pflag.FlagSet) {
	fs.SortFlags = false
	f.listen.register(fs)
	f.register(fs)
	f.registerThreshold(fs)
	f.registerPatches(fs)
	f.isolate.register(fs, true)
	fs.IntVar(&f.workers, "workers", 1, "workers in this process, each with --jobs slides at a time; 0: none, others take the work")
	f.registerQueue(fs, "nats://host:port of a cluster elsewhere; empty: a queue in --data")
	fs.StringVar(&f.queueListen, "queue-listen", "", "host:port on which bcc worker on other machines joins the queue in --data; BCC_QUEUE_TOKEN is asked of them. Empty: nobody joins")
	fs.StringVar(&f.queueCert, "queue-tls-cert", "", "file with the certificate and its chain that encrypts what comes by --queue-listen, PEM; read again when it changes")
	fs.StringVar(&f.queueKey, "queue-tls-key", "", "file with that certificate's key, PEM")
	fs.StringVar(&f.store, "store", "", "where slides and results lie: a folder, or s3://bucket/prefix; empty: in --data")

	d := server.DefaultConfig()
	f.maxUpload, f.reserve = byteSize(d.MaxUpload), byteSize(d.ReserveDisk)
	fs.Var(&f.maxUpload, "max-upload", "largest slide that may be sent")
	fs.Int64Var(&f.maxPixels, "max-pixels", d.MaxPixels, "largest slide that is opened, in pixels of its full size")
	fs.DurationVar(&f.linger, "linger", d.Linger, "at the end, how long /readyz says no before connections are refused: behind a balancer, twice as long as it takes to look")
	fs.StringVar(&f.announce, "announce", "", "address of this server, http://host:port, for bcc balance --queue; empty: it does not greet")
	fs.Var(&f.reserve, "reserve-disk", "with less than this free on the disk of --data, slides are refused for the time being")
	f.sources.register(fs)
	fs.StringVar(&f.metricsAddr, "metrics-addr", "", "host:port on which /metrics, /livez and /readyz answer too, to anybody who reaches it; empty: only the API's /metrics, which may want a key")
	f.traces.register(fs)

	f.listen.registerTLS(fs)
	f.access.register(fs)
	fs.Float64Var(&f.price, "price-per-hour", 0, "what an hour of a worker costs in USD, for the cost of cohorts; 0: not known")
	fs.StringArrayVar(&f.prices, "price", nil, "KIND=USD: what an hour of a worker of a kind costs (bcc worker --kind), before --price-per-hour; may be repeated")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", strings.Join(telemetry.LogFormats, " or "))
}

// check returns every problem of the flags that no room finds by itself.
func (f *serveFlags) check() error {
	var errs []error
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	add(f.data == "", "--data is empty")
	add(f.workers < 0 || f.workers > 64, "--workers %d: want 0 to 64", f.workers)
	add(f.maxUpload < 1, "--max-upload %s: want more than 0", &f.maxUpload)
	add(f.maxPixels < 1, "--max-pixels %d: want more than 0", f.maxPixels)
	add(f.linger < 0, "--linger %v: want 0 or more", f.linger)
	add(!(f.price >= 0), "--price-per-hour %v: want 0 or more", f.price)
	if f.announce != "" {
		_, err := balance.Address(f.announce)
		errs = append(errs, err)
		add(!f.shared(), "--announce %s without --queue or --queue-listen: nobody would hear it", f.announce)
	}
	_, err := readPrices(f.prices)
	errs = append(errs, err)
	if f.queueListen != "" && f.queue != "" {
		errs = append(errs, fault.New(fault.Invalid, "--queue-listen %s with --queue: the queue is elsewhere, and so is who listens", f.queueListen))
	}
	if f.queueCert != "" && f.queueListen == "" {
		errs = append(errs, fault.New(fault.Invalid, "--queue-tls-cert without --queue-listen: nobody joins the queue of this server"))
	}
	if f.workers == 0 && !f.shared() {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--workers 0 with a queue of its own: nobody would ever take the work"),
			"--queue names one that workers elsewhere listen to, --queue-listen lets them join this one"))
	}
	return errors.Join(errs...)
}

// shared reports whether workers in other processes take work too. Then all must see
// one store: nothing may be kept in a folder of this server first.
func (f *serveFlags) shared() bool { return f.queue != "" || f.queueListen != "" }
