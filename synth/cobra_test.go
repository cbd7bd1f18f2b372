package synth_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"bcc/synth"
)

func TestItWritesTheTablesOfCOBRA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := config(5, 700, 500)
	c.Variant = synth.Cobra
	if err := synth.WriteSet(t.Context(), dir, synth.SetConfig{Slide: c, Count: 6, BCC: 0.5}); err != nil {
		t.Fatal(err)
	}
	read := func(name string, head ...string) [][]string {
		t.Helper()
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil || len(rows) != 7 || !slices.Equal(rows[0], head) {
			t.Fatalf("%s: %d rows under %q, %v", name, len(rows), rows[0], err)
		}
		return rows[1:]
	}
	labels := read("bcc_bcc.csv", "filename", "label", "split")
	images := read("bcc_images.csv", "filename", "File Size (MB)", "Width (px)", "Height (px)", "Levels", "Spacings (mu)", "Downsamples", "Scanner")
	patients := read("bcc_patient.csv", "filename", "stainingname", "block", "specimennumber", "specimenmethod", "patientgender", "patient_id", "patient_age")
	plain := read("labels.csv", "path", "label", "group", "split", "growth", "seed")

	split, people := map[string]string{}, map[string]int{}
	for i, l := range labels {
		name, patient := l[0], patients[i][6]
		people[patient]++
		if was := split[patient]; was != "" && was != l[2] {
			t.Errorf("patient %s stands in %s and %s", patient, was, l[2])
		}
		split[patient] = l[2]
		if got := plain[i][:4]; !slices.Equal(got, []string{"images/" + name + ".tif", l[1], patient, l[2]}) {
			t.Errorf("labels.csv says %q of slide %q of patient %s", got, l, patient)
		}
		info, err := os.Stat(filepath.Join(dir, "images", images[i][0]))
		if err != nil {
			t.Fatal(err)
		}
		mb, err := strconv.ParseFloat(images[i][1], 64)
		if d := mb*1e6 - float64(info.Size()); err != nil || d > 500 || d < -500 {
			t.Errorf("%s: %s MB of %d bytes", name, images[i][1], info.Size())
		}
		if got := images[i][2:7]; !slices.Equal(got, []string{"700", "500", "2", "0.5, 1", "1.0, 2.0"}) {
			t.Errorf("%s: %q", name, got)
		}
		classes, tissue := pixelsOf(t, dir, "images/"+name+".mask.tif"), pixelsOf(t, dir, "tissue_masks/"+name+".tif")
		for k, class := range classes {
			classes[k] = min(class, 1)
		}
		if !bytes.Equal(classes, tissue) || slices.Max(tissue) != 1 {
			t.Errorf("%s: the tissue mask is not where the classes are", name)
		}
	}
	if len(people) == 6 || len(people) < 3 {
		t.Errorf("%d patients of 6 slides: none has two", len(people))
	}
}

// pixelsOf returns a mask's pixels.
func pixelsOf(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, b)[0].pixels(t, b, 1)
}
