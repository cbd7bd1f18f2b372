package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bcc/autoscale"
)

// explainer prints what is known and what each policy would make of it. Each goes on
// from what it would have wanted before.
type explainer struct {
	out      io.Writer
	json     bool
	chosen   string
	policies []autoscale.Policy
	past     map[string][]autoscale.Record
}

func newExplainer(out io.Writer, asJSON bool, chosen autoscale.Policy, cfg autoscale.Config) (*explainer, error) {
	e := &explainer{out: out, json: asJSON, chosen: chosen.Name(), past: map[string][]autoscale.Record{}}
	for _, name := range autoscale.Names() {
		p, err := autoscale.New(name, cfg)
		if err != nil {
			return nil, err
		}
		e.policies = append(e.policies, p)
	}
	return e, nil
}

// explained is a line of --dry-run --json.
type explained struct {
	At       time.Time       `json:"at"`
	Demands  []shownDemand   `json:"demands"`
	Kinds    []shownKind     `json:"kinds"`
	Policies []shownDecision `json:"policies"`
	Held     string          `json:"held,omitempty"` // why nothing new was decided
}

type shownDemand struct {
	Urgent   bool       `json:"urgent"`
	Deadline *time.Time `json:"deadline"`
	Slides   int        `json:"slides"`
	Patches  float64    `json:"patches"`
	SinceS   float64    `json:"since_s"`
}

type shownKind struct {
	Kind        string  `json:"kind"`
	Ready       int     `json:"ready"`
	Busy        int     `json:"busy"`
	Starting    int     `json:"starting"`
	PatchesPerS float64 `json:"patches_per_s"`
	USDPerHour  float64 `json:"usd_per_hour"`
	StartS      float64 `json:"start_s"`
	Min         int     `json:"min"`
	Max         int     `json:"max"`
	CPUPercent  float64 `json:"cpu_percent"`
}

type shownDecision struct {
	Policy string         `json:"policy"`
	Chosen bool           `json:"chosen"`
	Wanted map[string]int `json:"wanted"`
	Reason string         `json:"reason"`
}

// outcome prints a round.
func (e *explainer) outcome(o autoscale.Outcome) {
	x := e.explain(o)
	if e.json {
		_ = json.NewEncoder(e.out).Encode(x) // whoever reads has gone: so does this, by its signal
		return
	}
	e.print(x)
}

func (e *explainer) explain(o autoscale.Outcome) explained {
	s := o.Signals
	x := explained{At: o.At.UTC(), Demands: []shownDemand{}, Kinds: []shownKind{}, Policies: []shownDecision{}, Held: o.Held}
	if o.Held != "" {
		return x
	}
	for _, d := range s.Demands {
		shown := shownDemand{Urgent: d.Urgent, Slides: d.Slides, Patches: d.Patches, SinceS: s.Now.Sub(d.Since).Seconds()}
		if !d.Deadline.IsZero() {
			shown.Deadline = &d.Deadline
		}
		x.Demands = append(x.Demands, shown)
	}
	for _, g := range s.Groups {
		x.Kinds = append(x.Kinds, shownKind{
			Kind: g.Name, Ready: g.Ready, Busy: g.Busy, Starting: len(g.Starting), PatchesPerS: g.PatchesPerS, USDPerHour: g.USDPerHour,
			StartS: g.StartUp.Seconds(), Min: g.Min, Max: g.Max, CPUPercent: g.CPUPercent,
		})
	}
	for _, p := range e.policies {
		d, asked := p.Decide(s, e.past[p.Name()])
		e.past[p.Name()] = append(autoscale.Trim(e.past[p.Name()], s.Now, p.Window()), autoscale.NewRecord(s, d, asked))
		x.Policies = append(x.Policies, shownDecision{p.Name(), p.Name() == e.chosen, d.Wanted, d.Reason})
	}
	return x
}

// mostDemands are printed one by one.
const mostDemands = 8

func (e *explainer) print(x explained) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", x.At.Local().Format("2006-01-02 15:04:05"))
	if x.Held != "" {
		fmt.Fprintf(&b, "  nothing new is decided: %s\n\n", x.Held)
		_, _ = io.WriteString(e.out, b.String())
		return
	}
	b.WriteString("  To be done:\n")
	if len(x.Demands) == 0 {
		b.WriteString("    nothing\n")
	}
	for _, d := range x.Demands[:min(len(x.Demands), mostDemands)] {
		fmt.Fprintf(&b, "    %s\n", describeDemand(d))
	}
	if more := len(x.Demands) - mostDemands; more > 0 {
		fmt.Fprintf(&b, "    and %d more\n", more)
	}
	b.WriteString("  There are:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, k := range x.Kinds {
		fmt.Fprintf(w, "    %s\t%d ready, %d at work, %d starting; %d to %d allowed; %s; %s to start\n",
			k.Kind, k.Ready, k.Busy, k.Starting, k.Min, k.Max, describeRate(k.PatchesPerS), span(k.StartS))
	}
	_ = w.Flush() // into a strings.Builder
	b.WriteString("  Wanted:\n")
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range x.Policies {
		mark := " "
		if p.Chosen {
			mark = "*"
		}
		fmt.Fprintf(w, "  %s %s\t%s\t%s\n", mark, p.Policy, describeWanted(p.Wanted), p.Reason)
	}
	_ = w.Flush()
	b.WriteString("\n")
	_, _ = io.WriteString(e.out, fitted(b.String(), columnsOf(e.out)))
}

func describeDemand(d shownDemand) string {
	what := "routine"
	if d.Urgent {
		what = "urgent"
	}
	when := "no deadline, waits for " + span(d.SinceS)
	if d.Deadline != nil {
		when = "by " + d.Deadline.Local().Format("2006-01-02 15:04")
	}
	return fmt.Sprintf("%s, %s: %s, about %s patches", what, when, slides(d.Slides), thousands(d.Patches))
}

func describeRate(perS float64) string {
	if perS == 0 {
		return "rate not known"
	}
	return fmt.Sprintf("%.1f patches/s", perS)
}

// describeWanted writes the numbers, those of several kinds with their names.
func describeWanted(wanted map[string]int) string {
	var parts []string
	for kind, n := range wanted {
		parts = append(parts, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
