package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/client"
	"bcc/fault"
)

// submitFlags are the flags of bcc submit.
type submitFlags struct {
	ask askFlags

	name     string
	priority string
	deadline string
	upload   string
	cap      float64

	threshold, overlap, minTissue, mpp float64

	strict, wait, json bool
}

func newSubmit(std Streams) *cobra.Command {
	var f submitFlags
	cmd := &cobra.Command{
		Use:   "submit [flags] MANIFEST|DIR|SLIDE|URL…",
		Short: "Give slides to a server's fleet",
		Long: `Sends slides to bcc serve, for its workers to look at: files, folders, patterns,
manifests in .csv or .txt of any length, as bcc detect takes them, and addresses
(https://, s3://, file:// as the server sees it) named or in manifests. The ids of the cohorts
made of them are printed, one a line; a list of more than ` + fmt.Sprint(perCohort) + ` slides becomes several.

Files that the server has already are not sent again. A slide named twice is submitted
once; one that is not there is left out and told, and the exit code says so.`,
		Example: `  bcc submit slides/
  bcc submit --priority urgent --deadline 2h --wait tray.csv
  BCC_KEY=bcc_… bcc submit --server https://bcc.example.org:8443 s3://slides/2026/a.tif more.csv`,
		Args: wants("slide, folder, manifest or address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return asked(f.run(cmd.Context(), cmd.Flags(), args, std))
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.priority, "priority", "routine", "routine, or urgent: before all that is routine")
	fs.StringVar(&f.deadline, "deadline", "", "when it is wanted: 2026-01-31T18:00:00Z, or 2h from now")
	fs.Float64Var(&f.cap, "cap", 0, "what each cohort may cost, USD: where that is spent nothing more is begun (bcc cap); not given: whatever it costs")
	fs.StringVar(&f.name, "name", "", "what to call it in lists; not a patient's name")
	fs.Float64Var(&f.threshold, "threshold", 0, "slide score from which a slide is called BCC, 0 to 1; not given: the model card's operating point")
	fs.Float64Var(&f.overlap, "overlap", 0, "share by which neighbouring patches overlap, 0 to 0.75; not given: the server's")
	fs.Float64Var(&f.minTissue, "min-tissue", 0, "share of a patch that has to be tissue, 0 to 1; not given: the server's")
	fs.Float64Var(&f.mpp, "mpp", 0, "micrometres a pixel of the slides spans, where neither they nor the manifest say it")
	f.ask.register(fs)
	fs.StringVar(&f.upload, "upload", "auto", "auto: send what the server does not have; always: send all; never: name files as file://, which the server has to see and allow (--allow-root)")
	fs.BoolVar(&f.strict, "strict", false, "submit nothing where a slide is missing or a line cannot be read")
	fs.BoolVar(&f.wait, "wait", false, "wait until all is done, as bcc status --wait")
	fs.BoolVar(&f.json, "json", false, "print a JSON object a cohort")
	return cmd
}

// order returns what all cohorts have in common.
func (f *submitFlags) order(set *pflag.FlagSet, now time.Time) (o client.Order, err error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if f.priority != "routine" && f.priority != "urgent" {
		bad("--priority %q: want routine or urgent", f.priority)
	}
	if f.upload != "auto" && f.upload != "always" && f.upload != "never" {
		bad("--upload %q: want auto, always or never", f.upload)
	}
	o = client.Order{Name: f.name, Priority: f.priority, Parameters: &client.Parameters{}}
	for name, p := range map[string]struct {
		value, most float64
		to          **float64
	}{"threshold": {f.threshold, 1, &o.Parameters.Threshold}, "overlap": {f.overlap, 0.75, &o.Parameters.Overlap}, "min-tissue": {f.minTissue, 1, &o.Parameters.MinTissue}} {
		if !set.Changed(name) {
			continue
		}
		if !(p.value >= 0 && p.value <= p.most) {
			bad("--%s %v: want 0 to %v", name, p.value, p.most)
		}
		*p.to = &p.value
	}
	if set.Changed("mpp") {
		if !(f.mpp >= 0.01 && f.mpp <= 100) {
			bad("--mpp %v: want 0.01 to 100 µm per pixel", f.mpp)
		}
		o.Parameters.MPPUM = f.mpp
	}
	if set.Changed("cap") {
		if !(f.cap > 0) {
			bad("--cap %v: want more than 0 USD", f.cap)
		}
		o.CapUSD = &f.cap
	}
	if f.deadline != "" {
		at, err := deadline(f.deadline, now)
		errs = append(errs, err)
		o.Deadline = &at
	}
	return o, errors.Join(errs...)
}

// deadline reads a time, or how long from now it is.
func deadline(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if d, from := time.ParseDuration(text); from == nil {
		at, err = now.Add(d).UTC().Truncate(time.Second), nil
	}
	if err != nil {
		return at, fault.Hint(fault.New(fault.Invalid, "--deadline %q: no time", text), "write 2026-01-31T18:00:00Z, or 2h")
	}
	if !at.After(now) {
		return at, fault.New(fault.Invalid, "--deadline %s has passed", at.Format(time.RFC3339))
	}
	return at, nil
}

func (f *submitFlags) run(ctx context.Context, set *pflag.FlagSet, args []string, std Streams) error {
	o, err := f.order(set, time.Now())
	if err != nil {
		return err
	}
	show := newLive(std.Err)
	defer show.close()
	c, err := f.ask.open(show.note)
	if err != nil {
		return err
	}
	defer c.Close()
	first := newSieve(args, show.note)
	wrong := first.count(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if first.slides == 0 {
		if wrong == nil {
			wrong = fault.New(fault.Invalid, "no slide to submit")
		}
		return wrong
	}
	if wrong != nil && f.strict {
		return fault.Hint(wrong, "nothing was submitted; without --strict %s would be", slides(first.slides))
	}
	// A server that is not there is told before gigabytes are read for their digests.
	if err := c.Health(ctx); err != nil {
		return err
	}
	s := &sender{flags: f, client: c, order: o, plan: first, show: show, out: std.Out}
	err = s.all(ctx, args)
	show.close()
	if err != nil {
		return errors.Join(err, wrong)
	}
	if f.wait {
		for _, id := range s.ids {
			err = errors.Join(err, (&watching{client: c, json: f.json, std: std, show: show}).wait(ctx, id))
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return errors.Join(wrong, s.left.err(), err)
}

// nameOf is what the i-th of n cohorts is called.
func (f *submitFlags) nameOf(i, n int) string {
	if n == 1 {
		return f.name
	}
	return strings.TrimSpace(fmt.Sprintf("%s (%d/%d)", f.name, i+1, n))
}
