package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/disk"
	"bcc/fault"
	"bcc/grad"
	"bcc/grad/net"
	"bcc/model"
	"bcc/native/ort"
	"bcc/telemetry"
	"bcc/train"
)

// scale returns the µm per pixel of the patches that the model sees.
func (f *trainFlags) scale(template model.Card) (float64, error) {
	switch {
	case f.mpp != 0:
		return f.mpp, nil
	case template.SpacingUMPx != 0:
		return template.SpacingUMPx, nil
	}
	return 0, fault.Hint(fault.New(fault.Invalid, "the scale of the patches is not known"),
		`give it: --mpp 0.5, or "spacing_um_px" in the file of --card, in µm per pixel`)
}

// patchCard returns the card of a patch classifier: the template, and what is known
// here.
func (f *trainFlags) patchCard(c model.Card, classes []string, px int, n *net.Net) (model.Card, error) {
	var err error
	if c.SpacingUMPx, err = f.scale(c); err != nil {
		return c, err
	}
	if err := nameClasses(&c, classes); err != nil {
		return c, err
	}
	c.Kind, c.PatchSizePixels = model.PatchClassifier, px
	c.Transform = []model.Transform{
		{Name: "ToTensor"},
		{Name: "Normalize", Arguments: &model.TransformArgs{Mean: wide(n.Mean), Std: wide(n.Std)}},
	}
	c.Input = model.Layout{Name: net.Input, Layout: model.NCHW}
	c.Output = model.Output{Name: net.Output, Type: model.Logits}
	f.describe(&c)
	return c, wellFormed(c)
}

// wide returns the values as a person would write them.
func wide(v [3]float32) []float64 {
	out := make([]float64, 3)
	for i, x := range v {
		out[i], _ = strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	}
	return out
}

// describe fills in what the template leaves open and is true of every model that
// comes from here.
func (f *trainFlags) describe(c *model.Card) {
	set := func(s *string, text string) {
		if *s == "" {
			*s = text
		}
	}
	set(&c.Name, nameOf(f.out))
	set(&c.Version, "1.0.0")
	set(&c.Description, fmt.Sprintf("%s, trained by bcc train on %s.", f.arch, nameOf(f.data)))
	c.FormatVersion, c.IntendedUse = 1, noDiagnosis
	if c.Training == nil {
		c.Training = &model.Training{}
	}
	set(&c.Training.Data, fmt.Sprintf("the split train of %s; its makers said no more about it", nameOf(f.data)))
	set(&c.Training.Split, "epoch chosen on the split val")
	c.Training.Seed = f.seed
	if len(c.KnownFailures) == 0 {
		c.KnownFailures = []string{"Nothing is known of what it does on slides other than those of its data set."}
	}
}

// keep writes the trained model in place of an older one.
func (f *trainFlags) keep(cmd *cobra.Command, t *trainTask, w grad.Weights, e train.Epoch) error {
	card, files, err := t.bundle(w)
	if err != nil {
		return err
	}
	training := *card.Training
	training.Command = commandLine(cmd)
	card.Training = &training
	if m := e.Validation; !math.IsNaN(m.AUROC) {
		card.Metrics = []model.Metric{{
			Name: "AUROC", Value: m.AUROC,
			DataSet: t.data.Name + ", split val, which chose the epoch: too good by that",
		}}
	}
	b, err := model.Make(card, files)
	if err != nil {
		return err
	}
	return b.Save(filepath.Join(f.out, trainedDir))
}

// keepMissing is keep where these very networks do not lie there already: a card that
// has got its operating point and its figures meanwhile stays as it is. The task then
// knows that they are there.
func (f *trainFlags) keepMissing(cmd *cobra.Command, t *trainTask, w grad.Weights, e train.Epoch) error {
	_, files, err := t.bundle(w)
	if err != nil {
		return err
	}
	if b := standing(filepath.Join(f.out, trainedDir), files); b != nil {
		t.measured = b.Card.OperatingPoint != nil
		return nil
	}
	return f.keep(cmd, t, w, e)
}

// standing returns the bundle in dir where it is whole and has these files, by the
// digests of its card, which opening it compares with what lies there; else nil.
func standing(dir string, files map[string][]byte) *model.Bundle {
	b, err := model.Open(os.DirFS(dir))
	if err != nil {
		return nil
	}
	for name, data := range files {
		sum := sha256.Sum256(data)
		if !strings.EqualFold(b.Card.Files[name], hex.EncodeToString(sum[:])) {
			return nil
		}
	}
	return b
}

// commandLine is the command that makes a model again: what was given, but for where
// it was written to and what changes nothing.
func commandLine(cmd *cobra.Command) string {
	line := []string{cmd.CommandPath()}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch f.Name {
		case "out", "resume", "engine-library", "checkpoint-steps", "workers", "card", "bags", "no-evaluate", "cpuprofile":
			return
		}
		if !f.Changed {
			return
		}
		if f.Value.Type() == "bool" { // behind a space its value would be an argument
			line = append(line, "--"+f.Name+"="+f.Value.String())
			return
		}
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			line = append(line, "--"+f.Name, quoted(v))
		}
	})
	return strings.Join(line, " ")
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\"'$\\*?") {
		return strconv.Quote(s)
	}
	return s
}

// trainData is what is known of the data set, for run.json and the checkpoint.
type trainData struct {
	Name    string                `json:"name"`
	Kind    string                `json:"kind"`
	Classes []string              `json:"classes"` // the positive one first
	Digest  string                `json:"sha256"`
	Summary string                `json:"summary"`
	Splits  map[string]splitCount `json:"splits"`
	Notes   []string              `json:"notes,omitempty"`
}

// splitCount is how many samples a split has.
type splitCount struct {
	Samples int            `json:"samples"`
	Groups  int            `json:"groups"`
	Classes map[string]int `json:"classes"`
}

func count(s train.Samples, classes []string) splitCount {
	c := splitCount{Samples: s.Len(), Classes: map[string]int{}}
	groups := map[string]bool{}
	for i := range s.Len() {
		c.Classes[classes[s.Class(i)]]++
		groups[s.Group(i)] = true
	}
	c.Groups = len(groups)
	return c
}

// facts are what a checkpoint must agree with. The order of the classes is one: the
// same weights mean the contrary under another.
func (f *trainFlags) facts(data trainData, card model.Card) []train.Fact {
	return []train.Fact{
		{Name: "task", Value: f.task},
		{Name: "architecture", Value: f.arch},
		{Name: "data", Value: data.Digest},
		{Name: "classes", Value: fmt.Sprintf("%q", data.Classes)},
		{Name: "class names", Value: fmt.Sprintf("%q", card.ClassNames)},
		{Name: "scale", Value: fmt.Sprintf("%g µm/px", card.SpacingUMPx)},
		{Name: "dropout", Value: strconv.FormatFloat(f.dropout, 'g', -1, 64)},
	}
}

// runJSON is run.json: what was run, on what, with what.
type runJSON struct {
	Format     int               `json:"format_version"`
	Command    string            `json:"command"`
	Parameters map[string]string `json:"parameters"`
	Seed       uint64            `json:"seed"`
	Data       trainData         `json:"data"`
	Network    networkJSON       `json:"network"`
	Ranks      int               `json:"ranks"`
	Versions   map[string]string `json:"versions"`
}

type networkJSON struct {
	Name       string `json:"name"`
	Parameters int    `json:"parameters"`
	State      int    `json:"state"`
	Stages     int    `json:"stages"`
}

// writeRun writes run.json.
func (f *trainFlags) writeRun(cmd *cobra.Command, t *trainTask, ranks int) error {
	r := runJSON{
		Format: 1, Command: commandLine(cmd), Parameters: map[string]string{}, Seed: f.seed, Data: t.data,
		Network: networkJSON{f.arch, flat(t.program.Params), flat(t.program.State), len(t.program.Stages)},
		Ranks:   ranks, Versions: map[string]string{
			"bcc": telemetry.Version, "engine": "ONNX Runtime " + ort.Version(), "go": runtime.Version(),
		},
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" && flag.Name != "cpuprofile" {
			r.Parameters[flag.Name] = flag.Value.String()
		}
	})
	for name, v := range map[string]any{"arch": f.arch, "batch": f.batch, "micro-batch": f.micro, "lr": f.rate, "bags": f.bags} {
		r.Parameters[name] = fmt.Sprint(v) // what the task's default is
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(f.out, runFile)
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	if err := disk.Write(path, append(text, '\n')); err != nil {
		return fault.New(fault.Unavailable, "write %s: %w", path, err)
	}
	return nil
}

// share prints a figure from 0 to 1, or what stands for none.
func share(v float64) string {
	if math.IsNaN(v) {
		return "none"
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}
