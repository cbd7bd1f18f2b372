package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bcc/autoscale"
	"bcc/autoscale/sim"
	"bcc/fault"
)

// simulateFlags are the flags of bcc simulate.
type simulateFlags struct {
	traces, formats []string
	labs, made      []string
	days            int
	policies        []string
	kinds           kindsFlag
	cfg             sim.Config
	reference       float64
	plot            string
	json, explain   bool
}

func newSimulate(std Streams) *cobra.Command {
	f := simulateFlags{cfg: sim.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "simulate --trace FILE --format NAME",
		Short: "Try autoscaling policies on a trace of work, in virtual time",
		Long:  simulateLong(),
		Example: `  bcc simulate --trace day.csv --format csv --policy work,cpu,target
  bcc simulate --trace requests.csv --format azure-llm --kind name=c7i,rate=80,usd=0.357,start=90s --plot day.svg
  bcc simulate --lab medium --days 7 --kind name=spot,rate=100,usd=0.12,spot --kind name=safe,rate=100,usd=0.36 --spot-every 4h`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringArrayVar(&f.traces, "trace", nil, "file of a trace; may be given again")
	fs.StringArrayVar(&f.formats, "format", nil, "its format: azure-llm, azure-functions or csv; given once for all, or once for each --trace")
	fs.StringSliceVar(&f.labs, "lab", nil, "days of an invented laboratory: "+strings.Join(labNames(), ", "))
	fs.IntVar(&f.days, "days", 1, "how many days of it; the sixth and seventh are a weekend")
	fs.StringSliceVar(&f.made, "made", nil, "invented traces that are hard in one way, or all; --made help lists them")
	fs.StringSliceVar(&f.policies, "policy", autoscale.Names(), "policies to try")
	fs.Var(&f.kinds, "kind", kindUsage)
	fs.DurationVar(&f.cfg.Drain, "drain", f.cfg.Drain, "how soon work without a deadline is wanted")
	fs.DurationVar(&f.cfg.UrgentDrain, "urgent-drain", f.cfg.UrgentDrain, "the same of urgent work")
	fs.DurationVar(&f.cfg.Interval, "interval", f.cfg.Interval, "time between decisions")
	fs.DurationVar(&f.cfg.Delay, "delay", f.cfg.Delay, "age of what a decision is made on")
	fs.IntVar(&f.cfg.Shard, "shard", f.cfg.Shard, "patches a worker takes at once")
	fs.Float64Var(&f.cfg.Guess, "guess", f.cfg.Guess, "relative standard deviation of a slide's guessed patches until it is begun")
	fs.Float64Var(&f.cfg.Spread, "spread", 0, "start-ups take up to this share longer or shorter")
	fs.Float64Var(&f.cfg.FailStarts, "fail-starts", 0, "share of started workers that never take work")
	fs.DurationVar(&f.cfg.CrashEvery, "crash-every", 0, "mean time until a worker crashes; 0: never")
	fs.DurationVar(&f.cfg.SpotEvery, "spot-every", 0, "mean time until a spot worker is taken away; 0: never")
	fs.Float64Var(&f.reference, "reference", 100, "patches per second of the worker whose seconds azure-functions counts")
	fs.Uint64Var(&f.cfg.Seed, "seed", f.cfg.Seed, "of everything that is drawn")
	fs.StringVar(&f.plot, "plot", "", "draw backlog and workers over time to FILE.svg or FILE.png; with several traces their names are added")
	fs.BoolVar(&f.explain, "explain", false, "print every change of the wanted number and its reason to standard error")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a trace")
	return cmd
}

func simulateLong() string {
	var b strings.Builder
	b.WriteString(`Replays a trace of work against autoscaling policies and prints for each what was
late, what it cost, how often it turned round, and the ratio of its worker-hours to
what no schedule could do without that knew the trace beforehand. The policies are
those of bcc autoscale; workers start late, fail and are taken away as told.

Formats of traces, all CSV with a first line:

`)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range sim.Formats {
		fmt.Fprintf(tw, "  %s\t%s\n", t.Name, t.About)
	}
	_ = tw.Flush()
	b.WriteString(`
Work without a deadline is due --drain after it arrived, urgent work --urgent-drain.
A run lasts until all is due and done and no worker beyond each kind's min is left.`)
	return b.String()
}

func labNames() []string {
	names := make([]string, 0, len(sim.Labs))
	for n := range sim.Labs {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return sim.Labs[a].Scanners - sim.Labs[b].Scanners })
	return names
}

// workload is a trace with its name.
type workload struct {
	name string
	jobs []sim.Job
}

// simulation is what is printed of a trace.
type simulation struct {
	Trace    string        `json:"trace"`
	Jobs     int           `json:"jobs"`
	Patches  int           `json:"patches"`
	Hours    float64       `json:"trace_hours"` // from the beginning to the last arrival
	Bound    sim.Bound     `json:"bound"`
	Plan     *sim.Figures  `json:"clairvoyant,omitempty"` // what somebody could do who knew the trace
	Policies []sim.Figures `json:"policies"`
}

func (f *simulateFlags) run(ctx context.Context, std Streams) error {
	if slices.Contains(f.made, "help") {
		return listMade(std.Out)
	}
	if kinds, err := f.kinds.kinds(f.cfg.Kinds[0]); err != nil {
		return err
	} else if len(kinds) > 0 {
		f.cfg.Kinds = kinds
	}
	if f.explain {
		f.cfg.Logger = slog.New(decisions{std.Err})
	}
	if err := f.cfg.Validate(); err != nil {
		return err
	}
	if err := plotPath(f.plot); err != nil {
		return err
	}
	policies, err := f.choose()
	if err != nil {
		return err
	}
	loads, err := f.loads()
	if err != nil {
		return err
	}
	rows := simulationGrid(len(loads), len(f.cfg.Kinds))
	for _, load := range loads {
		s, err := f.simulate(ctx, load, policies)
		if err != nil {
			return err
		}
		if f.plot != "" {
			if err := f.draw(s, len(loads) > 1); err != nil {
				return err
			}
		}
		if f.json {
			if err := json.NewEncoder(std.Out).Encode(s); err != nil {
				return unwritten(err)
			}
			continue
		}
		s.add(rows)
	}
	if f.json {
		return nil
	}
	return rows.print(std.Out)
}

// choose makes the policies.
func (f *simulateFlags) choose() ([]autoscale.Policy, error) {
	cfg := autoscale.DefaultConfig()
	cfg.Interval, cfg.Drain, cfg.UrgentDrain = f.cfg.Interval, f.cfg.Drain, f.cfg.UrgentDrain
	var all []autoscale.Policy
	for _, name := range f.policies {
		p, err := autoscale.New(name, cfg)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "--policy: none is named"), "policies: %s", strings.Join(autoscale.Names(), ", "))
	}
	return all, nil
}

// simulate runs all policies on one trace, as many at once as there are cores.
func (f *simulateFlags) simulate(ctx context.Context, load workload, policies []autoscale.Policy) (simulation, error) {
	s := simulation{Trace: load.name, Jobs: len(load.jobs), Policies: make([]sim.Figures, len(policies))}
	for _, j := range load.jobs {
		s.Patches += j.Patches
	}
	if s.Jobs > 0 {
		s.Hours = load.jobs[s.Jobs-1].Arrival.Hours()
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	if f.explain {
		eg.SetLimit(1) // one policy's story after the other's
	}
	for i, p := range policies {
		eg.Go(func() (err error) {
			s.Policies[i], err = sim.Run(ctx, f.cfg, p, load.jobs)
			return err
		})
	}
	eg.Go(func() error {
		quiet := f.cfg
		quiet.Logger = nil // its reason is always that it knows
		plan, ok, err := sim.PlanOf(ctx, quiet, load.jobs)
		if ok {
			s.Plan = &plan
		}
		return err
	})
	eg.Go(func() error {
		s.Bound = sim.BoundOf(f.cfg, load.jobs)
		return nil
	})
	if err := eg.Wait(); err != nil {
		return s, fmt.Errorf("%s: %w", load.name, err)
	}
	if s.Plan != nil {
		s.Plan.Compare(s.Bound)
	}
	for i := range s.Policies {
		s.Policies[i].Compare(s.Bound)
	}
	return s, nil
}

// loads reads and makes all traces that were asked for.
func (f *simulateFlags) loads() ([]workload, error) {
	var all []workload
	if len(f.traces)+len(f.labs)+len(f.made) == 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "no trace given"), "bcc simulate --trace FILE --format csv, --lab medium or --made all")
	}
	if n := len(f.formats); len(f.traces) > 0 && n != 1 && n != len(f.traces) {
		err := fault.New(fault.Invalid, "%d traces and %d formats", len(f.traces), n)
		return nil, fault.Hint(err, "give --format once for all or once for each --trace: azure-llm, azure-functions or csv")
	}
	for i, path := range f.traces {
		jobs, err := f.read(path, f.formats[min(i, len(f.formats)-1)])
		if err != nil {
			return nil, err
		}
		all = append(all, workload{strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), jobs})
	}
	for _, name := range f.labs {
		lab, ok := sim.Labs[name]
		if !ok {
			return nil, fault.Hint(fault.New(fault.Invalid, "--lab %.40q: there is none of that name", name), "laboratories: %s", strings.Join(labNames(), ", "))
		}
		if f.days < 1 || f.days > 60 {
			return nil, fault.New(fault.Invalid, "--days %d: 1 to 60", f.days)
		}
		lab.Days, lab.Seed = f.days, f.cfg.Seed
		all = append(all, workload{fmt.Sprintf("lab-%s-%dd", name, f.days), lab.Jobs()})
	}
	made := f.made
	if slices.Contains(made, "all") {
		made = nil
		for _, m := range sim.Mades {
			made = append(made, m.Name)
		}
	}
	for _, name := range made {
		jobs, err := sim.MadeOf(name, f.cfg.Seed)
		if err != nil {
			return nil, fault.Hint(err, "bcc simulate --made help lists them")
		}
		all = append(all, workload{name, jobs})
	}
	return all, nil
}

func (f *simulateFlags) read(path, format string) ([]sim.Job, error) {
	form, err := sim.FormatOf(format)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "trace: %w", err)
	}
	defer file.Close()
	jobs, err := form.Read(file, sim.ReadOptions{Reference: f.reference})
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", printable(path), err)
	}
	return jobs, nil
}

func listMade(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range sim.Mades {
		fmt.Fprintf(tw, "%s\t%s\n", m.Name, m.About)
	}
	return tw.Flush()
}

// simulationGrid is the table of all traces. Without room goes first what others tell.
func simulationGrid(loads, kinds int) *grid {
	g := &grid{
		head:  []string{"TRACE", "POLICY", "MISSES", "P50", "P99", "HOURS", "USD", "REVERSALS", "STARTS", "PEAK", "BUSY", "BOUND", "RATIO", "USD RATIO"},
		right: true, less: []string{"USD RATIO", "BOUND", "PEAK", "BUSY", "STARTS", "P50", "USD"},
	}
	if kinds > 1 { // then hours of different kinds are added up, and prices say more
		g.less[0] = "RATIO"
	}
	if loads == 1 {
		g.less = append([]string{"TRACE"}, g.less...)
	}
	return g
}

// add adds a row a policy, and what somebody could do who knew the trace below them.
func (s simulation) add(g *grid) {
	rows := s.Policies
	if s.Plan != nil {
		rows = append(slices.Clone(rows), *s.Plan)
	}
	for _, p := range rows {
		g.row(s.Trace, p.Policy, fmt.Sprint(p.Misses), briefly(p.P50), briefly(p.P99), fmt.Sprintf("%.2f", p.Hours), fmt.Sprintf("%.2f", p.USD),
			fmt.Sprint(p.Reversals), fmt.Sprint(p.Starts), fmt.Sprint(p.Peak), fmt.Sprintf("%.0f%%", 100*p.Busy),
			fmt.Sprintf("%.2f", s.Bound.Hours), fmt.Sprintf("%.3f", p.RatioHours), ratioOrNone(p.RatioUSD))
	}
}

// ratioOrNone has no number where a price is not known.
func ratioOrNone(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", r)
}

func briefly(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d > time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
