package cli

import (
	"context"
	"fmt"

	"bcc/dataset"
	"bcc/fault"
	"bcc/harvest"
	"bcc/model"
)

// labelled is what a network is quantized on.
type labelled struct {
	unit   string // what its samples are: tiles or patches
	sha256 string
	split  func(name string) pictures
}

// quantizeSeed chooses among the patches of slides: that of bcc train, where no other
// was given there, so that ranges are learned from what the network was.
const quantizeSeed = 1

// open reads the tiles, or finds patches on the slides as the model would see them.
func (f *quantizeFlags) open(ctx context.Context, c *model.Card, std Streams) (*labelled, error) {
	kind, err := kindOf(f.data, f.dataset)
	if err != nil {
		return nil, err
	}
	mean, deviation := c.Normalization()
	switch kind {
	case kindCobra:
		return nil, fault.Hint(noOutlines(f.data), "--dataset slides reads a labels.csv in the same folder")
	case kindTiles:
		tiles, err := dataset.OpenTiles(ctx, f.data, dataset.TilesConfig{Positive: f.positive, SizePx: c.InputPx(), Mean: mean, Std: deviation})
		if err != nil {
			return nil, err
		}
		return &labelled{unit: "tiles", sha256: tiles.Digest(), split: func(name string) pictures { return tiles.Split(name) }}, nil
	}
	cfg := f.cut.config(c.InputPx(), c.InputMPP())
	cfg.Seed, cfg.Mean, cfg.Std = quantizeSeed, mean, deviation
	patches, odd, err := cut(ctx, f.data, f.positive, cfg, std.Err) // closed with the process
	if err != nil {
		return nil, err
	}
	for _, n := range odd {
		fmt.Fprintf(std.Err, "bcc: note: %s\n", n)
	}
	return &labelled{unit: "patches", sha256: patches.Digest(), split: func(name string) pictures { return byPatient{patches.Split(name)} }}, nil
}

// byPatient are patches in groups of a patient each: training mixes them by kind of
// tissue, but what is drawn again for an interval is whole patients.
type byPatient struct{ *harvest.Patches }

func (p byPatient) Group(i int) string { return p.Patient(i) }
