package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"bcc/dataset"
	"bcc/grad/net"
	"bcc/harvest"
	"bcc/model"
	"bcc/train"
)

// harvestFlags say which patches of slides are learned from.
type harvestFlags struct {
	cutFlags
	px        int
	negatives []string
	perGiven  int
}

func (h *harvestFlags) add(fs *pflag.FlagSet) {
	d := harvest.DefaultConfig(224, harvestMPP)
	fs.IntVar(&h.px, "patch-px", d.SizePx, "side of a patch in pixels, where patches are cut out of slides")
	h.cutFlags.add(fs)
	fs.StringArrayVar(&h.negatives, "negatives", nil, "slide without a lesion, FILE or FILE@x,y,width,height: all its patches are negative; may be given again")
	fs.IntVar(&h.perGiven, "per-negative", d.PerNegative, "patches that each of --negatives gives at most")
}

// check refuses what makes no sense at any scale.
func (h *harvestFlags) check() error {
	cfg := h.config(h.px, harvestMPP)
	cfg.PerNegative = h.perGiven
	return cfg.Validate()
}

// harvestMPP is the scale of patches that are cut out of slides where nobody says
// another, µm per pixel: twentyfold, at which most scanners have a level. Tiles have
// been cut already, and nobody but their maker knows at which scale.
const harvestMPP = 0.5

// openHarvest prepares the training of a patch classifier on slides whose lesions are
// outlined.
func (f *trainFlags) openHarvest(ctx context.Context, template model.Card, n *net.Net, changes dataset.Augment, notes io.Writer) (*trainTask, error) {
	if template.SpacingUMPx == 0 {
		template.SpacingUMPx = harvestMPP // --mpp goes before it
	}
	mpp, err := f.scale(template)
	if err != nil {
		return nil, err
	}
	cfg := f.harvest.config(f.harvest.px, mpp)
	cfg.PerNegative, cfg.Seed = f.harvest.perGiven, f.seed
	cfg.Mean, cfg.Std, cfg.Augment = n.Mean, n.Std, changes
	var given []string
	for _, text := range f.harvest.negatives {
		negative, err := harvest.ParseNegative(text)
		if err != nil {
			return nil, err
		}
		cfg.Negatives = append(cfg.Negatives, negative)
		negative.Path = filepath.Base(negative.Path)
		given = append(given, negative.String())
	}
	patches, odd, err := cut(ctx, f.data, f.positive, cfg, notes) // closed with the process
	if err != nil {
		return nil, err
	}
	card, err := f.patchCard(template, patches.Classes(), patches.Px(), n)
	if err != nil {
		return nil, err
	}
	data := trainData{
		Name: nameOf(f.data), Kind: kindSlides, Classes: patches.Classes(), Digest: patches.Digest(), Summary: patches.Summary(),
		Notes: odd, Splits: map[string]splitCount{},
	}
	if len(given) > 0 {
		said := "as negatives, patches of " + strings.Join(given, ", ")
		card.Training.Data += "; " + said
		data.Notes = append(data.Notes, said)
	}
	for _, name := range []string{dataset.Train, dataset.Val, dataset.Test} {
		data.Splits[name] = count(patches.Split(name), patches.Classes())
	}
	t, err := f.patchTask(card, n, patches.Px(), patches.Split(dataset.Train), patches.Split(dataset.Val), data)
	if err != nil {
		return nil, err
	}
	t.facts = append(t.facts, train.Fact{Name: "patches", Value: fmt.Sprintf("%d px of %g µm/px", patches.Px(), mpp)})
	return t, nil
}
