package evaluate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"bcc/disk"
	"bcc/fault"
)

// Names of the files that Write makes; each chart adds a .svg and a .png.
const (
	JSONFile        = "evaluation.json"
	PredictionsFile = "predictions.csv"
	PageFile        = "evaluation.html"
)

// Write writes the evaluation into the folder dir. All files are on the disk before
// the first one gets its name: where there is no room, those of an evaluation before
// stay, and none of them stands beside one of this.
func (e *Evaluation) Write(dir string, rows []Prediction) error {
	var table bytes.Buffer
	p := Point{e.OperatingPoint.Threshold, e.OperatingPoint.Abstain}
	if err := WritePredictions(&table, rows, p, e.Column); err != nil {
		return err
	}
	html, err := e.HTML()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return fault.New(fault.Internal, "write %s: %w", JSONFile, err)
	}
	type file struct {
		name string
		data []byte
	}
	files := []file{{PredictionsFile, table.Bytes()}, {PageFile, html}}
	for _, c := range e.charts() {
		png, err := c.PNG()
		if err != nil {
			return err
		}
		files = append(files, file{c.name + ".svg", c.SVG()}, file{c.name + ".png", png})
	}
	files = append(files, file{JSONFile, append(text, '\n')})
	if err := disk.MakeDir(dir, 0o777); err != nil {
		return fault.New(fault.Unavailable, "write an evaluation: %w", err)
	}
	staged := make([]string, 0, len(files))
	defer func() {
		for _, temp := range staged {
			_ = os.Remove(temp) // those that have their name by now are not there
		}
	}()
	for _, f := range files {
		temp, err := disk.Stage(filepath.Join(dir, f.name), disk.Bytes(f.data))
		if err != nil {
			return fault.New(fault.Unavailable, "write %s: %w", f.name, err)
		}
		staged = append(staged, temp)
	}
	for i, f := range files {
		if err := os.Rename(staged[i], filepath.Join(dir, f.name)); err != nil {
			return fault.New(fault.Unavailable, "write an evaluation: %w", err)
		}
	}
	if err := disk.Sync(dir); err != nil {
		return fault.New(fault.Unavailable, "write an evaluation: %w", err)
	}
	return nil
}

// Load reads the evaluation.json of a folder.
func Load(dir string) (*Evaluation, error) {
	b, err := os.ReadFile(filepath.Join(dir, JSONFile))
	if err != nil {
		return nil, fault.New(fault.NotFound, "load an evaluation: %w", err)
	}
	e := &Evaluation{}
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fault.New(fault.Corrupt, "load %s: %w", JSONFile, err)
	}
	if e.FormatVersion != formatVersion {
		return nil, fault.New(fault.Unsupported, "load %s: format %d, this program reads %d", JSONFile, e.FormatVersion, formatVersion)
	}
	return e, nil
}

// Lines returns the evaluation in a few lines for a terminal.
func (e *Evaluation) Lines() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %ss, %d positive, %d groups; threshold %s (%s)\n", e.Samples, e.Unit, e.Positives, e.Groups, short(e.OperatingPoint.Threshold), e.OperatingPoint.Source)
	for _, m := range measures {
		if f, ok := e.Figures[m.name]; ok {
			fmt.Fprintf(&b, "  %-28s %s\n", m.title, f)
		}
	}
	all := e.Part
	all.Value = "all"
	for _, p := range append([]Part{all}, e.Parts...) {
		switch {
		case p.Missing != "":
			fmt.Fprintf(&b, "  %s: %s", p.Value, p.Missing)
			for _, name := range []string{"sensitivity", "specificity"} {
				if f, ok := p.Figures[name]; ok {
					fmt.Fprintf(&b, ", %s %s", name, f)
				}
			}
			fmt.Fprintln(&b)
		case p.Colour != nil:
			fmt.Fprintf(&b, "  %s: AUROC %s, colour alone %s, difference %s\n", p.Value, p.Figures["auroc"], p.Colour.AUROC, p.Colour.Difference)
		case p.Value != "all":
			fmt.Fprintf(&b, "  %s: AUROC %s\n", p.Value, p.Figures["auroc"])
		}
	}
	if l := e.Lesions; l != nil {
		for _, n := range lesionNames {
			if f, ok := l.Figures[n.name]; ok {
				fmt.Fprintf(&b, "  %-28s %s\n", n.title, f)
			}
		}
	}
	if c := e.Chosen; c != nil {
		band := "no band"
		if c.Abstain[0] < c.Abstain[1] {
			band = "no decision from " + interval(c.Abstain[:])
		}
		fmt.Fprintf(&b, "new operating point %s (%s), %s; on %s: sensitivity %s, specificity %s\n",
			short(c.Threshold), c.Rule, band, c.On, c.Sensitivity, c.Specificity)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}
