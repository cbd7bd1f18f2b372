package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/cli"
	"bcc/evaluate"
	"bcc/model"
)

// Tiles that differ in colour only, as pink as the labels say: the baseline must
// tell them apart, and the card must take what the evaluation found.
func TestItEvaluatesTilesBesideTheirColours(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(engineLibrary()); err != nil || !cgo {
		t.Skip("the engine library is not here: scripts/setup.sh")
	}
	dir, bundle := t.TempDir(), t.TempDir()
	tiles(t, dir)
	copyModel(t, bundle)
	args := []string{"evaluate", "--data", dir, "--model", bundle, "--out", filepath.Join(dir, "out"), "--by", "scanner",
		"--split", "test", "--sensitivity", "0.8", "--write-card", "--json", "--device", "cpu", "--engine-library", engineLibrary()}
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var e evaluate.Evaluation
	if err := json.Unmarshal(out.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	if e.Samples != 12 || e.Unit != "tile" || len(e.Parts) != 2 || e.Chosen == nil || e.Chosen.Samples != 12 {
		t.Fatalf("%d %ss in %d parts, chosen %+v", e.Samples, e.Unit, len(e.Parts), e.Chosen)
	}
	if e.Colour == nil || e.Colour.AUROC.Value != 1 || e.Parts[0].Colour.AUROC.Value != 1 || e.Colour.TrainedOn != 24 {
		t.Errorf("colour alone %+v", e.Colour)
	}
	b, err := model.Open(os.DirFS(bundle))
	if err != nil {
		t.Fatal(err)
	}
	c := &b.Card
	temperature := e.Calibration.Temperature.Value
	if c.Temperature() != temperature || *c.OperatingPoint.WantedSensitivity != 0.8 || c.OperatingPoint.Slides != 12 || len(c.Metrics) == 0 {
		t.Errorf("card: calibration %+v, operating point %+v, %d metrics", c.Calibration, c.OperatingPoint, len(c.Metrics))
	}
	// The tempered threshold makes the same calls of tempered scores.
	want := evaluate.Scale(e.Chosen.Threshold, temperature)
	if got := c.PatchThreshold(); got > want || got < want-3e-6 || got != c.Threshold() { // a little below, for float32
		t.Errorf("threshold in the card %v, want %v", got, want)
	}
	var again evaluate.Evaluation
	out.Reset()
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--sensitivity" || a == "0.8" || a == "--write-card" })
	if code := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if again.Figures["sensitivity"].Value != e.Figures["sensitivity"].Value || again.Figures["specificity"].Value != e.Figures["specificity"].Value {
		t.Errorf("at the card's threshold: sensitivity %v and specificity %v, before %v and %v", again.Figures["sensitivity"], again.Figures["specificity"], e.Figures["sensitivity"], e.Figures["specificity"])
	}
}

// tiles writes 48 pictures of two colours in noisy stripes and their table.
func tiles(t *testing.T, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var table strings.Builder
	table.WriteString("path,label,group,split,scanner\n")
	for i := range 48 {
		m := image.NewNRGBA(image.Rect(0, 0, 224, 224))
		yes, dark := i%2, rng.IntN(60) // the model sees how dark a tile is
		for y := range 224 {
			c := color.NRGBA{uint8(120 + 70*yes - dark + rng.IntN(40)), uint8(120 - dark + rng.IntN(40)), uint8(180 - dark + rng.IntN(40)), 255}
			for x := range 224 {
				m.SetNRGBA(x, y, c)
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("t%02d.png", i)
		write(t, filepath.Join(dir, name), b.Bytes())
		split := []string{"train", "train", "val", "test"}[i/12]
		fmt.Fprintf(&table, "%s,%d,%s-%d,%s,%s\n", name, yes, split, i/2, split, []string{"a", "b"}[i/6%2])
	}
	write(t, filepath.Join(dir, "labels.csv"), []byte(table.String()))
}

// copyModel puts the bundle that comes with the program into a folder.
func copyModel(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{model.CardFile, model.ModelFile} {
		b, err := os.ReadFile(filepath.Join("../models/bcc-baseline", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), b)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
