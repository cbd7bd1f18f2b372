package cli_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bcc/cli"
	"bcc/model"
)

// crosses writes tiles of 32 px with dark crosses, upright on the positive ones and
// oblique on the others; a quarter of the groups is for validation.
func crosses(t *testing.T, dir string, n int) {
	t.Helper()
	const px = 32
	rng := rand.New(rand.NewPCG(1, 2))
	table := "path,label,group,split\n"
	for i := range n {
		m := image.NewRGBA(image.Rect(0, 0, px, px))
		for k := range px * px {
			m.Set(k%px, k/px, color.RGBA{uint8(210 + rng.IntN(30)), uint8(170 + rng.IntN(40)), uint8(200 + rng.IntN(30)), 255})
		}
		x, y, dark := 6+rng.IntN(px-12), 6+rng.IntN(px-12), color.RGBA{70, 30, 120, 255}
		label := [2]string{"bcc", "normal"}[i%2]
		for d := -5; d <= 5; d++ {
			if i%2 == 0 {
				m.Set(x+d, y, dark)
				m.Set(x, y+d, dark)
			} else {
				m.Set(x+d, y+d, dark)
				m.Set(x+d, y-d, dark)
			}
		}
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("tile%d.png", i)
		if err := os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		group := i / 4
		table += fmt.Sprintf("%s,%s,block%d,%s\n", name, label, group, [4]string{"train", "train", "train", "val"}[group%4])
	}
	if err := os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
}

func needLibrary(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(engineLibrary()); err != nil || !cgo {
		t.Skip("the engine library is not here: scripts/setup.sh")
	}
}

// trainArgs is a short training in the folder dir/run.
func trainArgs(data, dir string, more ...string) []string {
	return append([]string{"train", "--task", "patch", "--data", data, "--out", filepath.Join(dir, "run"), "--mpp", "0.5", "--arch", "resnet10-slim",
		"--epochs", "2", "--batch", "8", "--micro-batch", "4", "--checkpoint-steps", "1", "--augment", "light",
		"--device", "cpu", "--engine-library", engineLibrary()}, more...)
}

func bcc(ctx context.Context, args []string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = cli.Run(ctx, args, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestItTrainsAModelThatDetectTakes(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	data, dir := t.TempDir(), t.TempDir()
	crosses(t, data, 48)
	card := `{"name": "crosses", "licence": "none", "class_names": ["BCC", "Other"], "training": {"data": "synthetic crosses"}}`
	template := filepath.Join(dir, "card.json")
	if err := os.WriteFile(template, []byte(card), 0o666); err != nil {
		t.Fatal(err)
	}
	code, out, errs := bcc(t.Context(), trainArgs(data, dir, "--card", template))
	if code != 0 || !strings.Contains(out, "of 2 was the best") || !strings.Contains(errs, "epoch 2/2: loss ") {
		t.Fatalf("code %d, %s, %s", code, out, errs)
	}
	b, err := model.Open(os.DirFS(filepath.Join(dir, "run", "model")))
	if err != nil {
		t.Fatal(err)
	}
	c := b.Card
	if c.Name != "crosses" || c.PositiveClass != "BCC" || c.PatchSizePixels != 32 || c.SpacingUMPx != 0.5 || c.Output.Type != model.Logits ||
		c.Training.Data != "synthetic crosses" || c.Training.Seed != 1 || !strings.Contains(c.Training.Command, "--arch resnet10-slim") ||
		len(c.Metrics) != 1 || len(c.KnownFailures) == 0 {
		t.Errorf("card %+v", c)
	}
	if _, width, err := b.Embedding(); err != nil || width < 1 {
		t.Errorf("no embedding for a slide head: %v", err)
	}
	var run struct {
		Seed uint64
		Data struct {
			Splits map[string]struct{ Samples, Groups int }
		}
		Versions map[string]string
	}
	text, err := os.ReadFile(filepath.Join(dir, "run", "run.json"))
	if err == nil {
		err = json.Unmarshal(text, &run)
	}
	if err != nil || run.Seed != 1 || run.Data.Splits["train"].Samples != 36 || run.Data.Splits["val"].Groups != 3 || run.Versions["engine"] == "" {
		t.Errorf("run.json %+v (%v)", run, err)
	}

	// What bcc evaluate --write-card would have added outlives a resume at the end.
	written := strings.Replace(string(b.RawCard), `"crosses"`, `"crosses, measured"`, 1)
	path := filepath.Join(dir, "run", "model", "card.json")
	if err := os.WriteFile(path, []byte(written), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := bcc(t.Context(), trainArgs(data, dir, "--card", template, "--resume")); code != 0 {
		t.Fatal(errs)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != written {
		t.Errorf("the card was made anew: %s (%v)", got, err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "run", "run.json")); err != nil {
		t.Fatal(err)
	}

	for _, again := range []struct {
		more []string
		want string
	}{
		{nil, "--resume goes on"},
		{[]string{"--resume", "--seed", "2"}, "seed: 1 in the checkpoint, 2 in this run"},
		{[]string{"--resume", "--positive", "normal"}, `classes: ["bcc" "normal"] in the checkpoint, ["normal" "bcc"] in this run`},
		{[]string{"--resume", "--mpp", "0.25"}, "scale: 0.5 µm/px in the checkpoint, 0.25 µm/px in this run"},
		{[]string{"--resume", "--arch", "mobilenetv3-small"}, "architecture: resnet10-slim in the checkpoint, mobilenetv3-small in this run"},
	} {
		if code, _, errs := bcc(t.Context(), trainArgs(data, dir, again.more...)); code != 2 || !strings.Contains(errs, again.want) {
			t.Errorf("%v: code %d, %s, want %q", again.more, code, errs, again.want)
		}
	}
	if now, err := os.ReadFile(filepath.Join(dir, "run", "run.json")); err != nil || !bytes.Equal(now, text) {
		t.Errorf("a run that was refused is in run.json: %s (%v)", now, err)
	}
}

// Killed as by a power cut, at whatever moment, it goes on to the very bytes of a run
// that nothing happened to.
func TestATrainingThatWasKilledGoesOn(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	data, whole, cut := t.TempDir(), t.TempDir(), t.TempDir()
	crosses(t, data, 48)
	if code, _, errs := bcc(t.Context(), trainArgs(data, whole)); code != 0 {
		t.Fatal(errs)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"bcc"}, trainArgs(data, cut)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(cut, "run", "checkpoint", "checkpoint"))
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Log("it was through before it was killed")
	}
	code, _, errs := bcc(t.Context(), trainArgs(data, cut, "--resume"))
	if code != 0 || !strings.Contains(errs, "going on after epoch") {
		t.Fatalf("code %d, %s", code, errs)
	}
	var files, losses [2]string
	for i, dir := range []string{whole, cut} {
		network, err := os.ReadFile(filepath.Join(dir, "run", "model", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		history, err := os.Open(filepath.Join(dir, "run", "history.csv"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(history).ReadAll()
		history.Close()
		if err != nil || len(rows) != 3 {
			t.Fatalf("history %v %v", rows, err)
		}
		files[i] = string(network)
		for _, row := range rows[1:] {
			losses[i] += strings.Join(row[:6], " ") + "\n"
		}
	}
	if files[0] != files[1] || losses[0] != losses[1] {
		t.Errorf("the network is the same: %v; histories\n%s\n%s", files[0] == files[1], losses[0], losses[1])
	}
}
