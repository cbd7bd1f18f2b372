package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bcc/capacity"
	"bcc/client"
	"bcc/detect"
	"bcc/fault"
	"bcc/model"
	"bcc/models"
)

// planFlags are the flags of bcc plan.
type planFlags struct {
	slides            string
	model             string
	mpp, overlap      float64
	minTissue, tissue float64
	look              int
	deadline          string
	budget            float64
	catalogue, rates  string
	rate, price       []string
	types             []string
	max               int
	startUp           time.Duration
	spot, json        bool
	plot              string
	server            string
	patience          time.Duration
}

func newPlan(std Streams) *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "What slides take: how long, how much, how many machines of which type",
		Long: `Reckons what a list of slides takes on machines of each type of a catalogue: time from
now until the last slide is through, and what it costs. Nothing is started.

--slides is one of
  a number           of biopsies as COBRA's: 0.163 Gpx in the median, 40 % of it tissue
  slides             a folder, a list: sizes are read, and of some (--look) the tissue
  a table in .csv    with the column patches, or width_px, height_px and mpp_um, or as COBRA's
  nothing            with --server: what waits there

Rates are measured (bcc bench engine --write FILE), by network and type. What was not is
estimated by cores from the nearest processor that was, and marked so; GPUs and other
architectures are left out until they are measured or --rate names one. Prices come with
the program, with their date; --catalogue reads others (docs/capacity.md).

Intervals hold in nine of ten cases, as far as what was assumed is right. Without a
deadline or a budget the advice is the fastest that costs at most a tenth more than the
cheapest.`,
		Example: `  bcc plan --slides 5000 --deadline 8h
  bcc plan --slides bcc_images.csv --budget 40 --type 'c7a.*' --plot plan.svg
  bcc plan --slides tray/ --rates rates.csv --price local=0.35 --type local --start-up 0s --max 1`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	d := capacity.DefaultConfig()
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.slides, "slides", "", "how many, or which: a number, a slide, a folder, a manifest, a table of sizes")
	fs.StringVar(&f.deadline, "deadline", "", "when it is wanted: 2026-01-31T18:00:00Z, or 2h from now")
	fs.Float64Var(&f.budget, "budget", 0, "USD that it may cost; 0: no matter")
	fs.StringVar(&f.model, "model", models.Default, "model, by name or folder: how it cuts slides, and whose rates count")
	fs.Float64Var(&f.tissue, "tissue", 0, "part of the slides that is tissue, 0 to 1; 0: what --look finds, else 0.4 ± a fifth")
	fs.IntVar(&f.look, "look", 20, "slides whose tissue is found, of those named; -1: all")
	fs.Float64Var(&f.mpp, "mpp", 0, "scale of level 0 in µm per pixel; 0: as the files say")
	fs.Float64Var(&f.overlap, "overlap", 0, "part of a patch that it shares with the next, 0 to 0.75")
	fs.Float64Var(&f.minTissue, "min-tissue", defaultMinTissue, "part of a patch that must be tissue, 0 to 1")
	fs.StringSliceVar(&f.types, "type", nil, "types to plan with: c7a.2xlarge, 'c7*.*'; not given: all of the catalogue")
	fs.IntVar(&f.max, "max", d.Max, "machines of a type at most")
	fs.DurationVar(&f.startUp, "start-up", d.StartUp, "from asking for a machine until it takes work; paid for")
	fs.BoolVar(&f.spot, "spot", false, "at spot prices, where the catalogue has them; that such machines are taken away is not reckoned with")
	fs.StringVar(&f.catalogue, "catalogue", "", "types and prices, CSV: type, vcpu, usd_per_hour and more; not given: the program's")
	fs.StringVar(&f.rates, "rates", "", "measured rates, as bcc bench engine --write has them; they go before the program's")
	fs.StringVar(&f.server, "server", "", "bcc serve whose workers' rates count, by kind, before those of files; a key comes from BCC_KEY")
	fs.DurationVar(&f.patience, "patience", 10*time.Second, "how long a server that does not answer is asked again")
	fs.StringArrayVar(&f.rate, "rate", nil, "TYPE=PATCHES_PER_S: a rate as you know it, before all others")
	fs.StringArrayVar(&f.price, "price", nil, "TYPE=USD an hour, before the catalogue; adds a type that it does not have")
	fs.BoolVar(&f.json, "json", false, "print a JSON object")
	fs.StringVar(&f.plot, "plot", "", "draw cost against time into this file, .svg or .png")
	return cmd
}

func (f *planFlags) run(ctx context.Context, std Streams) error {
	cfg, err := f.config(time.Now())
	if err != nil {
		return err
	}
	b, err := benchBundle(f.model)
	if err != nil {
		return err
	}
	digest, err := b.RowsDigest()
	if err != nil {
		return err
	}
	fleet, err := f.fleet(ctx, std)
	if err != nil {
		return err
	}
	rates, err := f.readRates(digest, fleet)
	if err != nil {
		return err
	}
	catalogue, err := f.readCatalogue(rates, fleet, std)
	if err != nil {
		return err
	}
	work, left, err := f.work(ctx, b, fleet, std)
	if err != nil {
		return err
	}
	plan, err := capacity.New(work, catalogue, rates, cfg)
	if err != nil {
		return err
	}
	if f.plot != "" {
		if err := drawPlan(f.plot, plan, cfg); err != nil {
			return err
		}
	}
	if err := showPlan(std.Out, f.json, plan, cfg, b); err != nil {
		return err
	}
	if plan.Advised == nil {
		return fault.Hint(fault.New(fault.Invalid, "%s", plan.Why), "give more time or money, more machines (--max %d now), other types, or fewer slides at a time", cfg.Max)
	}
	return left
}

// config reads what is asked of the plan.
func (f *planFlags) config(now time.Time) (capacity.Config, error) {
	cfg := capacity.DefaultConfig()
	cfg.Max, cfg.StartUp, cfg.Spot, cfg.Budget = f.max, f.startUp, f.spot, f.budget
	if f.slides == "" && f.server == "" {
		return cfg, fault.Hint(fault.New(fault.Invalid, "no --slides given"), "bcc plan --slides 5000")
	}
	if f.deadline != "" {
		at, err := deadline(f.deadline, now)
		if err != nil {
			return cfg, err
		}
		cfg.Deadline = at.Sub(now)
	}
	if !(f.tissue >= 0 && f.tissue <= 1) {
		return cfg, fault.New(fault.Invalid, "--tissue %v: want a part, 0 to 1", f.tissue)
	}
	return cfg, cfg.Validate()
}

// readRates joins the program's rates of the network, those of the file, those of a server's
// workers and those given, the last of which count.
func (f *planFlags) readRates(digest string, fleet client.Fleet) (capacity.Rates, error) {
	rates := capacity.DefaultRates()
	if f.rates != "" {
		file, err := openTable(f.rates)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		own, err := capacity.ReadRates(file, f.rates)
		if err != nil {
			return nil, err
		}
		rates = append(rates[:len(rates):len(rates)], own...)
	}
	rates = append(rates.Of(digest), fleetRates(fleet)...)
	for _, text := range f.rate {
		name, rate, err := nameNumber("--rate", text, "c7a.2xlarge=400")
		if err != nil {
			return nil, err
		}
		if rate == 0 {
			return nil, fault.New(fault.Invalid, "--rate %s: want more than 0 patches a second", text)
		}
		rates = append(rates, capacity.Rate{Type: name, PatchesPerS: rate, Given: true})
	}
	return rates, nil
}

// readCatalogue reads the types to plan with.
func (f *planFlags) readCatalogue(rates capacity.Rates, fleet client.Fleet, std Streams) (*capacity.Catalogue, error) {
	c := capacity.DefaultCatalogue()
	if f.catalogue != "" {
		file, err := openTable(f.catalogue)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if c, err = capacity.ReadCatalogue(file, f.catalogue); err != nil {
			return nil, err
		}
	}
	for _, text := range f.price {
		name, usd, err := nameNumber("--price", text, "local=0.35")
		if err != nil {
			return nil, err
		}
		t, err := rates.Priced(c, name, usd)
		if err != nil {
			return nil, fmt.Errorf("--price: %w", err)
		}
		c = c.With(t)
	}
	for _, r := range rates {
		if _, is := c.Type(r.Type); r.Given && !is {
			return nil, fault.Hint(fault.New(fault.NotFound, "--rate: no type %.80q in the catalogue", r.Type), "look at the spelling, or say what it costs: --price %.80s=USD", r.Type)
		}
	}
	unpriced(fleetRates(fleet), c, std)
	return c.Only(f.types)
}

// nameNumber reads NAME=NUMBER.
func nameNumber(flag, text, like string) (string, float64, error) {
	name, number, is := strings.Cut(text, "=")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if name = strings.TrimSpace(name); !is || name == "" || err != nil || !(v >= 0 && v <= 1e9) {
		return "", 0, fault.Hint(fault.New(fault.Invalid, "%s %q: want TYPE=NUMBER, 0 or more", flag, text), "%s %s", flag, like)
	}
	return name, v, nil
}

// openTable opens a file that a person wrote.
func openTable(path string) (*os.File, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.NotFound, "%s: no such file", path)
	case err != nil:
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fault.New(fault.Invalid, "%s is a folder: want a table in CSV", path)
	}
	return file, nil
}

// walkOf is how the model cuts slides under the flags.
func (f *planFlags) walkOf(b *model.Bundle) (detect.Walk, error) {
	cfg := detectorConfig(b)
	cfg.Outputs = 1 // what the engine finds out
	w := walkFlags{mpp: f.mpp, overlap: f.overlap, minTissue: f.minTissue, jobs: 1}
	if err := w.apply(&cfg.Walk); err != nil {
		return cfg.Walk, err
	}
	return cfg.Walk, cfg.Walk.Validate()
}
