package dataset

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// The tables and folders of COBRA.
const (
	cobraLabels   = "bcc_bcc.csv"
	cobraImages   = "bcc_images.csv"
	cobraPatients = "bcc_patient.csv"
	cobraSlides   = "images"
	cobraMasks    = "tissue_masks"
)

// Cobra reads the COBRA data set in dir: its three tables, joined by file name, and
// whether each slide is there and as large as the table says. It proves that no
// patient stands in two splits. All that is wrong comes back as one error.
func Cobra(ctx context.Context, dir string, cfg SlidesConfig) (*SlideSet, error) {
	set, err := readCobra(ctx, dir, cfg)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("COBRA in %s: %w", dir, err),
			"the folder holds %s, %s, %s and %s/; docs/cobra.md says how it comes there", cobraLabels, cobraImages, cobraPatients, cobraSlides)
	}
	return set, nil
}

func readCobra(ctx context.Context, dir string, cfg SlidesConfig) (*SlideSet, error) {
	labels, err := readCobraTable(dir, cobraLabels, "filename", "label", "split")
	if err != nil {
		return nil, err
	}
	images, err := readCobraTable(dir, cobraImages, "filename", "File Size (MB)", "Width (px)", "Height (px)")
	if err != nil {
		return nil, err
	}
	patients, err := readCobraTable(dir, cobraPatients, "filename", "patient_id")
	if err != nil {
		return nil, err
	}
	var bad problems
	image, patient := byFile(images, &bad), byFile(patients, &bad)
	set := &SlideSet{Dir: dir, Classes: []string{"BCC", "Non-malignant"}, head: labels.head,
		digest: labels.sha256 + " " + images.sha256 + " " + patients.sha256}
	var samples []sample
	var rows []row // of images, one a sample
	patientID := patients.column("patient_id")
	for name, r := range inOrder(labels, &bad) {
		s := sample{line: r.line, path: name, label: r.cells[labels.column("label")], split: r.cells[labels.column("split")]}
		switch {
		case !namesFile(name) || strings.ContainsAny(name, `/\`):
			bad.add(fault.Invalid, "%s line %d: %q is no file name", cobraLabels, r.line, name)
			continue
		case s.label != "0" && s.label != "1":
			bad.add(fault.Invalid, "%s line %d: label %q of %s: want 1 (BCC) or 0", cobraLabels, r.line, s.label, name)
			continue
		}
		s.class = slices.Index([]string{"1", "0"}, s.label)
		if !slices.Contains(splits, s.split) {
			bad.add(fault.Invalid, "%s line %d: unknown split %q: want %s", cobraLabels, r.line, s.split, strings.Join(splits, ", "))
		}
		if p, ok := patient[name]; !ok {
			bad.add(fault.Invalid, "%s: no row for %s, which %s has", cobraPatients, name, cobraLabels)
		} else if s.group = p.cells[patientID]; s.group == "" {
			bad.add(fault.Invalid, "%s line %d: %s has no patient", cobraPatients, p.line, name)
		}
		if _, ok := image[name]; !ok {
			bad.add(fault.Invalid, "%s: no row for %s, which %s has", cobraImages, name, cobraLabels)
		}
		samples, rows = append(samples, s), append(rows, image[name])
		set.Slides = append(set.Slides, Slide{
			Name: cobraSlides + "/" + name + ".tif", Path: filepath.Join(dir, cobraSlides, name+".tif"),
			Class: s.class, Group: s.group, Split: s.split, cells: r.cells,
		})
	}
	checkGroups(samples, "patient", &bad)
	checkClasses(samples, []string{"1", "0"}, &bad)
	files, err := look(ctx, set.Slides, cfg.Size)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		s := &set.Slides[i]
		s.Bytes = f.bytes
		if f.err != nil {
			bad.add(fault.Of(f.err), "%s: %v", s.Name, f.err)
		} else if rows[i].cells != nil {
			images.compare(s.Name, rows[i], f, &bad)
		}
		mask := Slide{Path: filepath.Join(dir, cobraMasks, filepath.Base(s.Path))}
		s.Mask = mask.Beside(".tif")
	}
	if err := bad.err("tables"); err != nil {
		return nil, err
	}
	if more := max(len(image), len(patient)) - len(set.Slides); more > 0 {
		set.Notes = append(set.Notes, fmt.Sprintf("%d slides have no label in %s and are left out", more, cobraLabels))
	}
	return set, nil
}

// readCobraTable reads a table of dir or, where it is not there, of a folder in it:
// copies of the data set keep labels and metadata in folders of their own.
func readCobraTable(dir, name string, needed ...string) (*table, error) {
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		if found, err := filepath.Glob(filepath.Join(dir, "*", name)); err == nil && len(found) == 1 {
			dir = filepath.Dir(found[0])
		}
	}
	return readTable(dir, name, needed...)
}

// cobraName returns the name by which the tables are joined: some give the ending.
func cobraName(cell string) string { return strings.TrimSuffix(cell, ".tif") }

// inOrder yields the rows of a table by file name; one that came before is a problem.
func inOrder(t *table, bad *problems) func(yield func(string, row) bool) {
	return func(yield func(string, row) bool) {
		at := t.column("filename")
		first := map[string]int{}
		for _, r := range t.rows {
			name := cobraName(r.cells[at])
			if line := first[name]; line > 0 {
				bad.add(fault.Invalid, "%s line %d: %s stands in line %d already", t.name, r.line, name, line)
				continue
			}
			first[name] = r.line
			if !yield(name, r) {
				return
			}
		}
	}
}

func byFile(t *table, bad *problems) map[string]row {
	out := map[string]row{}
	for name, r := range inOrder(t, bad) {
		out[name] = r
	}
	return out
}

// compare holds a file against its row of bcc_images.csv.
func (t *table) compare(name string, r row, f seen, bad *problems) {
	cell := func(column string) string { return r.cells[t.column(column)] }
	text := cell("File Size (MB)")
	if mb, err := strconv.ParseFloat(text, 64); err != nil || !(mb > 0) {
		bad.add(fault.Invalid, "%s line %d: file size %q", t.name, r.line, text)
	} else if !sizeFits(f.bytes, mb, text) {
		bad.add(fault.Corrupt, "%s: %.3f MB, and %s says %s: cut short or another file", name, float64(f.bytes)/1e6, t.name, text)
		return // the size in pixels would be told a second time
	}
	var px [2]int
	for i, column := range []string{"Width (px)", "Height (px)"} {
		v, err := strconv.ParseFloat(cell(column), 64) // pandas writes 12800.0 where a cell was empty
		if err != nil || v != math.Trunc(v) || v < 1 || v > 1<<30 {
			bad.add(fault.Invalid, "%s line %d: %s %q", t.name, r.line, column, cell(column))
			return
		}
		px[i] = int(v)
	}
	if want := (wsi.Size{W: px[0], H: px[1]}); f.size != (wsi.Size{}) && f.size != want {
		bad.add(fault.Corrupt, "%s: %v pixels, and %s says %v: another file", name, f.size, t.name, want)
	}
}

// sizeFits reports whether a file of some bytes is what a table calls mb megabytes:
// a million bytes or 2²⁰, rounded as the text is, and two in a hundred for file
// systems and copies that pad.
func sizeFits(bytes int64, mb float64, text string) bool {
	decimals := 0
	if _, after, ok := strings.Cut(text, "."); ok {
		decimals = len(after)
	}
	rounded := 0.5 * math.Pow10(-decimals)
	low, high := 0.98*(mb-rounded)*1e6, 1.02*(mb+rounded)*(1<<20)
	return float64(bytes) >= low && float64(bytes) <= high
}
