package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"bcc/capacity"
	"bcc/model"
)

// planRows is how many options are printed.
const planRows = 12

func showPlan(w io.Writer, asJSON bool, p *capacity.Plan, cfg capacity.Config, b *model.Bundle) error {
	if asJSON {
		if err := json.NewEncoder(w).Encode(planJSON(p, cfg, b)); err != nil {
			return unwritten(err)
		}
		return nil
	}
	width := columnsOf(w)
	head := fmt.Sprintf("%s, %s patches (%s; %s), model %s\n", slidesOf(p.Work.Slides), thousands(p.Work.Total), p.Work.Basis, plusMinus(p.Work.Deviation), b.Card.Name)
	if _, err := io.WriteString(w, fitted(head, width)); err != nil {
		return unwritten(err)
	}
	if err := planGrid(p).print(w); err != nil {
		return err
	}
	if _, err := io.WriteString(w, fitted(planWords(p, cfg), width)); err != nil {
		return unwritten(err)
	}
	return nil
}

// planGrid is a row an option of the frontier.
func planGrid(p *capacity.Plan) *grid {
	g := &grid{
		head: []string{"", "MACHINES", "PATCHES/S EACH", "FINISHED IN", "9 OF 10 WITHIN", "USD", "9 OF 10 FOR", "A SLIDE", "RATE IS"},
		less: []string{"A SLIDE", "PATCHES/S EACH", "9 OF 10 FOR", "9 OF 10 WITHIN"},
	}
	for _, o := range p.Few(planRows) {
		mark, rate := "", "estimated"
		if p.Advised != nil && o.String() == p.Advised.String() {
			mark = "→"
		}
		if o.Speed.Measured {
			rate = "measured"
		}
		if o.Speed.Given {
			rate = "given"
		}
		g.row(mark, o.String(), fmt.Sprintf("%.0f", o.Speed.PatchesPerS), capacity.Words(o.Finish.Mid), withinWords(o),
			capacity.Dollars(o.USD.Mid), forWords(o), capacity.Dollars(o.USD.Mid/float64(p.Work.Slides)), rate)
	}
	return g
}

func withinWords(o capacity.Option) string {
	return capacity.Words(o.Finish.Low) + " to " + capacity.Words(o.Finish.High)
}

func forWords(o capacity.Option) string {
	return capacity.Dollars(o.USD.Low) + " to " + capacity.Dollars(o.USD.High)
}

// planWords is what stands below the table: what is advised and what was reckoned with.
func planWords(p *capacity.Plan, cfg capacity.Config) string {
	var b strings.Builder
	if o := p.Advised; o != nil {
		fmt.Fprintf(&b, "\n→ %s: %s\n", o, p.Why)
		fmt.Fprintf(&b, "  finished in %s (%s), for %s (%s), %s a slide\n", capacity.Words(o.Finish.Mid), withinWords(*o),
			capacity.Dollars(o.USD.Mid), forWords(*o), capacity.Dollars(o.USD.Mid/float64(p.Work.Slides)))
		fmt.Fprintf(&b, "  rate: %s\n", o.Speed.Basis)
		if t := o.Type; t.Source != "" || t.Date != "" {
			fmt.Fprintf(&b, "  price: $%v an hour, %s\n", p.Price(t), strings.TrimSpace(t.Source+" "+t.Date))
		}
	} else {
		fmt.Fprintf(&b, "\n%s\n", p.Why)
	}
	for _, line := range leftOutWords(p.LeftOut) {
		fmt.Fprintf(&b, "  left out: %s\n", line)
	}
	fmt.Fprintf(&b, "  reckoned with: start-up of %s (paid for), by the second and %s at least, machines of one type at a time\n",
		capacity.Words(cfg.StartUp), capacity.Words(cfg.MinBilled))
	return b.String()
}

// leftOutWords names the types that were left out, by their reasons.
func leftOutWords(left []capacity.LeftOut) (lines []string) {
	var order []string
	types := map[string][]string{}
	for _, l := range left {
		if _, is := types[l.Why]; !is {
			order = append(order, l.Why)
		}
		types[l.Why] = append(types[l.Why], l.Type.Name)
	}
	for _, why := range order {
		names := types[why]
		some := names
		if len(names) > 4 {
			some = names[:3]
		}
		line := strings.Join(some, ", ")
		if more := len(names) - len(some); more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, line+": "+why)
	}
	return lines
}

func plusMinus(deviation float64) string {
	if deviation == 0 {
		return "exact"
	}
	return fmt.Sprintf("± %.0f %%", 100*deviation)
}

// slidesOf is slides for a number that may be large.
func slidesOf(n int) string {
	if n == 1 {
		return slides(n)
	}
	return thousands(float64(n)) + " slides"
}

// thousands writes a number with a comma between thousands: 1,234,567.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

type planObject struct {
	Slides           int            `json:"slides"`
	Patches          float64        `json:"patches"`
	PatchesDeviation float64        `json:"patches_deviation"` // standard, as a part of patches
	Basis            string         `json:"basis"`
	Model            string         `json:"model"`
	DeadlineS        *float64       `json:"deadline_s,omitempty"`
	BudgetUSD        *float64       `json:"budget_usd,omitempty"`
	StartUpS         float64        `json:"start_up_s"`
	Advised          *optionObject  `json:"advised"`
	Why              string         `json:"why"`
	Fastest          optionObject   `json:"fastest"`
	Cheapest         optionObject   `json:"cheapest"`
	Frontier         []optionObject `json:"frontier"`
	LeftOut          []string       `json:"left_out"`
}

type optionObject struct {
	Type         string    `json:"type"`
	Machines     int       `json:"machines"`
	PatchesPerS  float64   `json:"patches_per_s"` // of each
	Rate         string    `json:"rate"`          // measured, estimated or given
	Basis        string    `json:"rate_basis"`
	Finish       time.Time `json:"finish"`
	RemainingS   float64   `json:"remaining_s"` // this and what follows in the words of a cohort's forecast
	LowS         float64   `json:"low_s"`
	HighS        float64   `json:"high_s"`
	USD          float64   `json:"usd"`
	CostLowUSD   float64   `json:"cost_low_usd"`
	CostHighUSD  float64   `json:"cost_high_usd"`
	MachineHours float64   `json:"machine_hours"`
	USDPerHour   float64   `json:"usd_per_hour"` // of each
	PriceSource  string    `json:"price_source,omitempty"`
	PriceDate    string    `json:"price_date,omitempty"`
}

func planJSON(p *capacity.Plan, cfg capacity.Config, b *model.Bundle) planObject {
	now := time.Now().UTC()
	object := func(o capacity.Option) optionObject {
		kind := "estimated"
		switch {
		case o.Speed.Given:
			kind = "given"
		case o.Speed.Measured:
			kind = "measured"
		}
		return optionObject{
			Type: o.Type.Name, Machines: o.N, PatchesPerS: o.Speed.PatchesPerS, Rate: kind, Basis: o.Speed.Basis,
			Finish:     now.Add(o.Finish.Mid).Truncate(time.Second),
			RemainingS: o.Finish.Mid.Seconds(), LowS: o.Finish.Low.Seconds(), HighS: o.Finish.High.Seconds(),
			USD: o.USD.Mid, CostLowUSD: o.USD.Low, CostHighUSD: o.USD.High, MachineHours: o.Hours,
			USDPerHour: p.Price(o.Type), PriceSource: o.Type.Source, PriceDate: o.Type.Date,
		}
	}
	out := planObject{
		Slides: p.Work.Slides, Patches: math.Round(p.Work.Total), PatchesDeviation: p.Work.Deviation, Basis: p.Work.Basis, Model: b.Card.Name,
		StartUpS: cfg.StartUp.Seconds(), Why: p.Why, Fastest: object(p.Fastest), Cheapest: object(p.Cheapest),
		Frontier: []optionObject{}, LeftOut: leftOutWords(p.LeftOut),
	}
	if cfg.Deadline > 0 {
		s := cfg.Deadline.Seconds()
		out.DeadlineS = &s
	}
	if cfg.Budget > 0 {
		out.BudgetUSD = &cfg.Budget
	}
	if p.Advised != nil {
		o := object(*p.Advised)
		out.Advised = &o
	}
	for _, o := range p.Few(50) {
		out.Frontier = append(out.Frontier, object(o))
	}
	return out
}
