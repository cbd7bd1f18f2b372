package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"bcc/capacity"
	"bcc/client"
	"bcc/fault"
)

// noFleet is where no server was named.
var noFleet client.Fleet

// fleet asks the server at --server what waits and how fast its workers are; an empty
// fleet where none was named.
func (f *planFlags) fleet(ctx context.Context, std Streams) (fleet client.Fleet, err error) {
	if f.server == "" {
		return fleet, nil
	}
	ask := askFlags{server: f.server, patience: f.patience}
	c, err := ask.open(func(line string) { fmt.Fprintln(std.Err, "bcc: "+printable(line)) })
	if err != nil {
		return fleet, err
	}
	defer c.Close()
	fleet, err = c.Fleet(ctx)
	return fleet, asked(err)
}

// fleetRates are the rates of a server's workers by kind, which is called as the type that
// it runs on. Where several are there, their mean, and what they differ by.
func fleetRates(fleet client.Fleet) (rates capacity.Rates) {
	at := map[string]int{}
	n := map[string]float64{}
	for _, w := range fleet.Workers {
		if w.CapacityPatchesPerS <= 0 || w.Kind == "" {
			continue
		}
		i, is := at[w.Kind]
		if !is {
			i = len(rates)
			at[w.Kind] = i
			rates = append(rates, capacity.Rate{Type: w.Kind, Arch: "amd64", Low: w.CapacityPatchesPerS, High: w.CapacityPatchesPerS, Date: time.Now().UTC().Format(time.DateOnly)})
		}
		r := &rates[i]
		n[w.Kind]++
		r.PatchesPerS += (w.CapacityPatchesPerS - r.PatchesPerS) / n[w.Kind]
		r.Low, r.High = min(r.Low, w.CapacityPatchesPerS), max(r.High, w.CapacityPatchesPerS)
	}
	return rates
}

// unpriced tells of kinds of workers that no price is known of.
func unpriced(rates capacity.Rates, c *capacity.Catalogue, std Streams) {
	for _, r := range rates {
		if _, is := c.Type(r.Type); !is {
			fmt.Fprintf(std.Err, "bcc: workers of the kind %s are left out: the catalogue has no such type; --price %s=USD_AN_HOUR\n", printable(r.Type), printable(r.Type))
		}
	}
}

// backlog is what waits at a server: as many slides as have no end, and the patches that
// the server guesses for them.
func backlog(fleet client.Fleet) (w capacity.Work, err error) {
	var sizes []capacity.Size
	variance := 0.0
	for _, d := range fleet.Demands {
		if d.Slides > 0 {
			sizes = append(sizes, slices.Repeat([]capacity.Size{{Patches: d.Patches / float64(d.Slides)}}, d.Slides)...)
			variance += d.Deviation * d.Deviation
		}
	}
	if len(sizes) == 0 {
		return w, fault.Hint(fault.New(fault.NotFound, "nothing waits at the server"), "--slides says what to plan for")
	}
	if w, err = capacity.Sized(sizes, capacity.Patch{UM: 1}, capacity.UsualTissue()); err != nil {
		return w, err
	}
	w.Deviation, w.Basis = math.Sqrt(variance)/max(w.Total, 1), "what waits at the server"
	return w, nil
}
