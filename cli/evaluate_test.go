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
	if got := c.PatchThreshold(); got != want || got != c.Threshold() {
		t.Errorf("threshold in the card %v, want %v", got, want)
	}
}

// tiles writes 48 pictures of two colours with noise and their table.
func tiles(t *testing.T, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var table strings.Builder
	table.WriteString("path,label,group,split,scanner\n")
	for i := range 48 {
		m := image.NewNRGBA(image.Rect(0, 0, 224, 224))
		yes := i % 2
		for y := range 224 {
			for x := range 224 {
				m.SetNRGBA(x, y, color.NRGBA{uint8(180 + 20*yes + rng.IntN(40)), uint8(120 + rng.IntN(40)), uint8(160 + rng.IntN(40)), 255})
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
