package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/autoscale"
	"bcc/cohort"
	"bcc/fault"
	"bcc/telemetry"
	"bcc/worker"
)

// autoscaleFlags are the flags of bcc autoscale.
type autoscaleFlags struct {
	ask      askFlags
	policy   string
	target   string
	kinds    kindsFlag
	min, max int

	interval, drain, urgent, keep time.Duration
	gather, gatherUrgent          float64
	dryRun, once, json            bool

	queueFlags
	term    time.Duration
	metrics string

	local localFlags
	kube  kubeFlags
	aws   awsFlags

	logLevel, logFormat string
}

// localFlags are those of --target local.
type localFlags struct {
	dir    string
	finish time.Duration
	stop   bool
	worker []string // flags of bcc worker, after --
}

// targets are the names of what moves workers.
var targets = []string{"local", "kube", "aws", "print"}

// loneKind is the kind where none is named: what bcc worker is by itself.
var loneKind = worker.DefaultConfig().Kind

func newAutoscale(std Streams) *cobra.Command {
	var f autoscaleFlags
	cmd := &cobra.Command{
		Use:   "autoscale --target local|kube|aws|print [flags] [-- FLAGS OF bcc worker]",
		Short: "Keep as many workers as the work needs, and say why",
		Long: `Asks bcc serve what is to be done by when, who is there and how fast they are, decides
how many workers of each kind there should be, and has the target make it so: processes
of this machine (local), Deployments (kube), Auto Scaling groups (aws), or a person or a
script that reads the number (print). A worker that is busy is never ended.

Policies: work (the fewest and cheapest workers that finish everything in time), cpu (more
above 80 %, fewer below 20 %), target (the algorithm of Kubernetes' HPA).

Several may run for one fleet: with --queue one of them leads, and another takes over when
it is gone. While the server does not answer, the last decision holds. When it ends,
workers stay.`,
		Example: `  bcc autoscale --target local --max 4 -- --queue nats://127.0.0.1:4222 --store /srv/bcc/store
  bcc autoscale --target kube --queue nats://n1:4222 --kind name=cpu,usd=0.36,max=50 --kind name=gpu,usd=1.0,max=4
  bcc autoscale --target print --dry-run --once`,
		Args: f.args,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.Flags(), std) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *autoscaleFlags) register(fs *pflag.FlagSet) {
	d := autoscale.DefaultConfig()
	fs.SortFlags = false
	fs.StringVar(&f.policy, "policy", autoscale.Names()[0], strings.Join(autoscale.Names(), ", "))
	fs.StringVar(&f.target, "target", "", strings.Join(targets, ", ")+": who moves workers")
	fs.Var(&f.kinds, "kind", kindUsage+"; what is not said is measured, or that of the target")
	fs.IntVar(&f.min, "min", 0, "fewest workers, of a kind that does not say so itself")
	fs.IntVar(&f.max, "max", 0, "most workers, of a kind that does not say so itself; 0: with local one a core, else 10")
	fs.DurationVar(&f.drain, "drain", d.Drain, "how soon routine work without a deadline is wanted")
	fs.DurationVar(&f.urgent, "urgent-drain", d.UrgentDrain, "how soon urgent work without a deadline is wanted")
	fs.DurationVar(&f.keep, "keep", d.Work.Keep, "how long idle workers are kept after work that was wanted sooner than one that starts could have done it, as all work is with a --drain shorter than a start (policy work); 0: not at all")
	fs.Float64Var(&f.gather, "gather", unsaid, fmt.Sprintf("share of its time that routine work, too little to be worth a start, waits for more (policy work); 0: nothing waits; below 0: with local 0, for this machine is paid for anyway, else %g", d.Work.Gather))
	fs.Float64Var(&f.gatherUrgent, "gather-urgent", unsaid, fmt.Sprintf("the same of urgent work; below 0: with local 0, else %g", d.Work.GatherUrgent))
	fs.DurationVar(&f.interval, "interval", d.Interval, "time between decisions")
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, of each policy, and do nothing")
	fs.BoolVar(&f.once, "once", false, "decide once and end")
	fs.BoolVar(&f.json, "json", false, "with print and --dry-run: JSON, an object a line")
	f.ask.register(fs)
	f.registerQueue(fs, "nats://host:port of the queue, over which one of several autoscalers is elected; the token: BCC_QUEUE_TOKEN. Empty: this is the only one")
	fs.DurationVar(&f.term, "lease", 15*time.Second, "how long a leader who has vanished is waited for")
	fs.StringVar(&f.metrics, "metrics-addr", "", "host:port on which /metrics, /livez and /readyz answer; empty: none")
	fs.StringVar(&f.local.dir, "dir", "bcc-workers", "local: folder for the logs of the workers and what is known of them")
	fs.DurationVar(&f.local.finish, "finish", 10*time.Minute, "local: how long a worker that took work in the moment it was ended goes on with it")
	fs.BoolVar(&f.local.stop, "stop-workers", false, "local: end the workers too when this ends, when they have finished what they are at")
	f.kube.register(fs)
	f.aws.register(fs)
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", strings.Join(telemetry.LogFormats, " or "))
}

// args takes flags of bcc worker after --, and no other argument.
func (f *autoscaleFlags) args(cmd *cobra.Command, args []string) error {
	at := cmd.ArgsLenAtDash()
	if at < 0 {
		at = len(args)
	}
	if err := none(cmd, args[:at]); err != nil {
		return err
	}
	f.local.worker = args[at:]
	return nil
}

// check returns every problem of the flags that no room finds by itself.
func (f *autoscaleFlags) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if !slices.Contains(targets, f.target) {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--target %q: want %s", f.target, strings.Join(targets, ", ")),
			"local starts workers on this machine; print only says how many there should be"))
	}
	if f.min < 0 || f.max < 0 || f.max > 0 && f.max < f.min || f.max > maxOfKind {
		bad("--min %d, --max %d: want 0 or more, and --min no larger than --max", f.min, f.max)
	}
	if f.target != "local" && len(f.local.worker) > 0 {
		bad("%q after --: only --target local starts workers by itself", f.local.worker[0])
	}
	if f.target == "local" && len(f.kinds.said) > 1 {
		bad("%d kinds with --target local: the workers of one machine are alike", len(f.kinds.said))
	}
	if f.target == "local" {
		errs = append(errs, f.local.checkWorker())
	}
	for _, g := range f.aws.groups {
		if !cohort.ValidKind(g) {
			bad("--aws-group %.80q: its workers say it as their --kind, which has up to 63 letters, digits, dots and lines", g)
		}
	}
	if f.local.finish < 0 {
		bad("--finish %v: want 0 or more", f.local.finish)
	}
	if !(f.gather <= 1 && f.gatherUrgent <= 1) {
		bad("--gather %g, --gather-urgent %g: want a share, 0 to 1", f.gather, f.gatherUrgent)
	}
	if f.json && !f.dryRun && f.target != "print" {
		bad("--json without --target print or --dry-run")
	}
	return errors.Join(errs...)
}

// checkWorker reads the flags of bcc worker as it would: else each worker is started to
// say that one is wrong.
func (f *localFlags) checkWorker() error {
	var w workerFlags
	fs := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	fs.Usage = func() {}
	w.registerWorker(fs)
	err := fs.Parse(f.worker)
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("%q is no flag", fs.Arg(0))
	}
	if err == nil {
		return nil
	}
	return fault.Hint(fault.New(fault.Invalid, "after --: %w", err), "bcc worker --help lists its flags")
}

// Start-up times until they are measured: estimates.
const (
	startLocal = 15 * time.Second
	startElse  = 3 * time.Minute
)

// unsaid is a share that the target decides about.
const unsaid = -1

// work is how the policy of that name weighs.
func (f *autoscaleFlags) work() autoscale.Work {
	w := autoscale.DefaultWork()
	w.Keep = f.keep
	if f.target == "local" {
		w.Gather, w.GatherUrgent = 0, 0
	}
	if f.gather >= 0 {
		w.Gather = f.gather
	}
	if f.gatherUrgent >= 0 {
		w.GatherUrgent = f.gatherUrgent
	}
	return w
}

// base is what is not said of a kind.
func (f *autoscaleFlags) base() autoscale.Kind {
	k := autoscale.Kind{Name: loneKind, Min: f.min, Max: f.max, StartUp: startElse}
	if f.target == "local" {
		k.StartUp = startLocal
	}
	if k.Max == 0 {
		k.Max = 10
		if f.target == "local" {
			k.Max = cores
		}
		k.Max = max(k.Max, k.Min)
	}
	return k
}

// workerCommand is what the local target starts: this program, with the flags that were
// given, and ours after them, which count.
func (f *localFlags) workerCommand(kind string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "find this program: %w", err)
	}
	return append(append([]string{self, "worker"}, f.worker...), "--kind", kind, "--finish", f.finish.String()), nil
}

// workerEnvironment is ours without what means something else to a worker: flags of
// both that are given by environment are those of bcc autoscale.
func workerEnvironment(threads string) []string {
	mine := []string{"GOMAXPROCS", "BCC_KIND", "BCC_DRAIN", "BCC_FINISH", "BCC_METRICS_ADDR", "BCC_ID", "BCC_CPUPROFILE", "BCC_KEY"}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(mine, name)
	})
	return append(env, "GOMAXPROCS="+threads)
}

// absolute is the folder of the workers, whose processes outlive this one's folder.
func (f *localFlags) absolute() (string, error) {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return "", fault.New(fault.Unavailable, "--dir %s: %w", f.dir, err)
	}
	return dir, nil
}
