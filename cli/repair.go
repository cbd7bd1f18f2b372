package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bcc/cohort"
	"bcc/fault"
	"bcc/telemetry"
)

// repairFlags are the flags of bcc repair: those of bcc serve that say where things lie.
type repairFlags struct {
	serveFlags
	check, json bool
}

func newRepair(std Streams) *cobra.Command {
	var f repairFlags
	cmd := &cobra.Command{
		Use:   "repair [--data DIR | --queue URL --store URL] [flags]",
		Short: "Check all that is kept, mend it, and fill the queue again",
		Long: `Reads everything that bcc serve and its workers keep: what was submitted, how each slide
ended, results, outputs of patches, each against its checksum. What is damaged is taken
away, slides whose results are gone go on the queue again, and jobs that are missing are put
there: a queue that was lost or damaged is made from the store. Nothing that is whole is
looked at by a model again.

The server of a data folder has to be stopped first; with a queue and a store elsewhere it
may run beside servers and workers. It can be run again at any time.`,
		Example: `  bcc repair --data /srv/bcc
  bcc repair --queue nats://queue.example.org:4222 --store s3://slides/bcc --check`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.Flags().Changed("data"), std)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.data, "data", "bcc-data", "the server's data folder")
	f.registerQueue(fs, "nats://host:port of a queue elsewhere; empty: the one in --data")
	fs.StringVar(&f.store, "store", "", "where slides and results lie, as the server is told; empty: in --data")
	fs.BoolVar(&f.check, "check", false, "count what is damaged and leave it")
	fs.BoolVar(&f.json, "json", false, "print a JSON object")
	f.sources.registerS3(fs)
	fs.StringVar(&f.logLevel, "log-level", "error", "debug, info, warn or error")
	return cmd
}

// repairJSON is what --json prints.
type repairJSON struct {
	cohort.Repaired
	QueueRemade bool    `json:"queue_remade"` // it was damaged, and was put aside
	Waiting     int     `json:"waiting"`      // slides on the queue, waiting or in work, when it was over
	TookS       float64 `json:"took_s"`
}

// whole reports whether nothing is damaged any more.
func (r *repairJSON) whole() bool {
	bad := len(r.Lost)
	for _, c := range []cohort.Checked{r.Manifests, r.Records, r.Results, r.Patches} {
		bad += c.Damaged - c.Mended
	}
	return bad == 0
}

func (f *repairFlags) run(ctx context.Context, data bool, std Streams) (err error) {
	begun := time.Now()
	f.logFormat = "text"
	s := &service{registry: telemetry.NewRegistry(), data: f.data}
	defer func() { err = errors.Join(err, s.close()) }()
	log, err := telemetry.NewLogger(std.Err, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	// That a queue or a store is waited for is told in any case.
	if s.log = log; !log.Enabled(ctx, slog.LevelWarn) {
		if s.log, err = telemetry.NewLogger(std.Err, "warn", f.logFormat); err != nil {
			return err
		}
	}
	if data || f.queue == "" || f.store == "" {
		if _, err := os.Stat(f.data); err != nil {
			return fault.Hint(fault.New(fault.NotFound, "--data %s: no such folder", f.data), "name the server's data folder, or --queue and --store")
		}
		if err := s.lock(); err != nil {
			return err
		}
	}
	if err := s.openStore(ctx, &f.serveFlags); err != nil {
		return err
	}
	var out repairJSON
	if out.QueueRemade, err = s.openOrRemakeQueue(ctx, f); err != nil {
		return err
	}
	if err := s.cohortsKept(ctx, f); err != nil {
		return err
	}
	s.log = log
	if err := s.openLedger(ctx, &f.serveFlags); err != nil {
		return err
	}
	work := s.ledger.Repair
	if f.check {
		work = s.ledger.Check
	}
	if out.Repaired, err = work(ctx); err != nil {
		return err
	}
	left, err := s.queue.Backlog(ctx)
	if err != nil {
		return err
	}
	out.Waiting, out.TookS = left.Urgent+left.Routine+left.Leased, time.Since(begun).Seconds()
	if err := out.print(std.Out, f); err != nil {
		return err
	}
	return out.verdict(f.check)
}

// cohortsKept is nil where a cohort was ever taken into the store. One that is misspelt
// or not mounted would look whole, for nothing lies there.
func (s *service) cohortsKept(ctx context.Context, f *repairFlags) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, err := range s.store.List(ctx, "cohorts/") {
		return err
	}
	where := "the store in " + f.data
	if f.store != "" {
		where = "--store " + f.store
	}
	return fault.Hint(fault.New(fault.NotFound, "%s: no cohort was ever kept there", where),
		"name the --store that bcc serve is told; is it mounted here?")
}

// openOrRemakeQueue opens the queue. One in the data folder that is damaged is put aside
// for whoever wants to look at it: all that it held is made from the store.
func (s *service) openOrRemakeQueue(ctx context.Context, f *repairFlags) (remade bool, err error) {
	err = s.openQueue(ctx, &f.serveFlags)
	if f.queue != "" || f.check || err == nil || fault.Of(err) != fault.Corrupt {
		return false, err
	}
	aside := s.queueDir() + ".damaged-" + time.Now().UTC().Format("20060102T150405")
	if err := os.Rename(s.queueDir(), aside); err != nil {
		return false, fault.New(fault.Unavailable, "put the damaged queue aside: %w", err)
	}
	s.log.Warn("the queue was damaged and is made anew", "kept", aside, "error", err)
	return true, s.openQueue(ctx, &f.serveFlags)
}

// verdict is Corrupt where something is damaged still.
func (r *repairJSON) verdict(check bool) error {
	switch {
	case r.whole():
		return nil
	case len(r.Lost) > 0:
		return fault.Hint(fault.New(fault.Corrupt, "%d cohorts are lost: nobody knows any more which slides they were of", len(r.Lost)),
			"submit their slides again: what was looked at is known by its content")
	case check:
		return fault.Hint(fault.New(fault.Corrupt, "something is damaged"), "bcc repair without --check mends it")
	}
	return fault.New(fault.Corrupt, "something is damaged that could not be mended")
}

func (r *repairJSON) print(out io.Writer, f *repairFlags) error {
	if f.json {
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return unwritten(err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEPT\tREAD\tDAMAGED\tMENDED")
	for _, row := range []struct {
		name string
		cohort.Checked
	}{{"cohorts", r.Manifests}, {"ends and notes", r.Records}, {"results", r.Results}, {"outputs of patches", r.Patches}} {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", row.name, row.Checked.Checked, row.Damaged, row.Mended)
	}
	if err := w.Flush(); err != nil {
		return unwritten(err)
	}
	var lines []string
	add := func(is bool, format string, args ...any) {
		if is {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	add(r.QueueRemade, "The queue was damaged; it was put aside and made anew.")
	add(r.Foreign > 0, "%d objects are of another version of the program, and stay.", r.Foreign)
	if f.check {
		add(r.Slides > 0, "%s to be looked at again: the result is gone.", slidesAre(r.Slides))
	} else {
		add(r.Slides > 0, "%s looked at again: the result is gone.", slidesAre(r.Slides))
	}
	add(r.Reopened > 0, "%d cohorts were called over and are not.", r.Reopened)
	add(r.Jobs > 0, "%d jobs were missing on the queue and are there.", r.Jobs)
	for _, id := range r.Lost {
		add(true, "Lost: cohort %s.", printable(id))
	}
	add(true, "%s on the queue, waiting or in work.", slidesAre(r.Waiting))
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return unwritten(err)
		}
	}
	return nil
}
