package dataset_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bcc/dataset"
	"bcc/fault"
	"bcc/slide/tiff"
	"bcc/synth"
	"bcc/wsi"
)

// cobra is a synthetic set of eight small slides in the form of COBRA; tests copy it.
var cobra = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "cobra")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := synth.DefaultConfig()
	c.Seed, c.Size, c.Variant = 3, wsi.Size{W: 480, H: 420}, synth.Cobra
	if err := synth.WriteSet(context.Background(), dir, synth.SetConfig{Slide: c, Count: 8, BCC: 0.5}); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
})

// cobraFiles returns the files of the set, with both labels in train only: eight
// slides are too few for three splits.
func cobraFiles(t *testing.T) map[string][]byte {
	t.Helper()
	all, err := cobra()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, b := range all {
		files[name] = bytes.Clone(b)
	}
	files["bcc_bcc.csv"] = []byte("filename,label,split\n" +
		"synth-00000,1,train\nsynth-00001,0,train\nsynth-00002,1,train\nsynth-00003,0,train\n" +
		"synth-00004,1,val\nsynth-00005,0,val\nsynth-00006,1,test\nsynth-00007,0,test\n")
	files["bcc_patient.csv"] = []byte("filename,stainingname,block,specimennumber,specimenmethod,patientgender,patient_id,patient_age\n" +
		"synth-00000,HE,1,1,biopsy,F,anna,60\nsynth-00001,HE,1,1,biopsy,F,anna,60\nsynth-00002,HE,1,1,biopsy,M,b,60\nsynth-00003,HE,1,1,biopsy,M,b,60\n" +
		"synth-00004,HE,1,1,biopsy,F,c,60\nsynth-00005,HE,1,1,biopsy,F,d,60\nsynth-00006,HE,1,1,biopsy,M,e,60\nsynth-00007,HE,1,1,biopsy,M,f,60\n")
	return files
}

// headSize reads a slide's size from its first directory.
func headSize(path string) (wsi.Size, error) {
	f, err := os.Open(path)
	if err != nil {
		return wsi.Size{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return wsi.Size{}, err
	}
	parsed, err := tiff.Parse(f, info.Size())
	if err != nil {
		return wsi.Size{}, err
	}
	w, err := parsed.Directories[0].Uint(tiff.ImageWidth, 0)
	if err != nil {
		return wsi.Size{}, err
	}
	h, err := parsed.Directories[0].Uint(tiff.ImageLength, 0)
	return wsi.Size{W: int(w), H: int(h)}, err
}

func TestItReadsCOBRA(t *testing.T) {
	t.Parallel()
	files := cobraFiles(t)
	files["bcc_patient.csv"] = append(files["bcc_patient.csv"], "elsewhere,HE,1,1,biopsy,M,g,60\n"...)
	dir := folder(t, files)
	set, err := dataset.Cobra(t.Context(), dir, dataset.SlidesConfig{Size: headSize})
	if err != nil {
		t.Fatal(err)
	}
	want := "train: 2 BCC, 2 Non-malignant in 2 groups; val: 1 BCC, 1 Non-malignant in 2 groups; test: 1 BCC, 1 Non-malignant in 2 groups"
	if got := set.Summary(); got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	s := set.Split(dataset.Train)[1]
	if s.Name != "images/synth-00001.tif" || s.Positive() || s.Group != "anna" || s.Bytes < 1000 ||
		s.Mask != filepath.Join(dir, "tissue_masks", "synth-00001.tif") {
		t.Errorf("second of train: %+v", s)
	}
	if !set.Slides[0].Positive() || set.Classes[set.Slides[0].Class] != "BCC" {
		t.Errorf("label 1 is class %d", set.Slides[0].Class)
	}
	if len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "1 slides have no label") {
		t.Errorf("notes %q", set.Notes)
	}
	files["labels/bcc_bcc.csv"] = files["bcc_bcc.csv"]
	delete(files, "bcc_bcc.csv")
	again, err := dataset.Cobra(t.Context(), folder(t, files), dataset.SlidesConfig{})
	if err != nil || again.Digest() != set.Digest() {
		t.Errorf("the same set elsewhere has another digest, or %v", err)
	}
}

func TestItReadsTheSetAsSlidesToo(t *testing.T) {
	t.Parallel()
	files := cobraFiles(t)
	files["labels.csv"] = bytes.ReplaceAll(files["labels.csv"], []byte(",test,"), []byte(",train,"))
	files["labels.csv"] = bytes.ReplaceAll(files["labels.csv"], []byte(",val,"), []byte(",train,"))
	set, err := dataset.Slides(t.Context(), folder(t, files), dataset.SlidesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(set.Classes, []string{"BCC", "Non-malignant"}) || len(set.Split(dataset.Train)) != 8 {
		t.Errorf("%q, %s", set.Classes, set.Summary())
	}
	for _, s := range set.Slides {
		if s.Beside(".mask.tif") == "" || s.Beside(".svg") != "" || set.Value(s, "seed") == "" || (set.Value(s, "growth") != "") != s.Positive() {
			t.Errorf("%s: positive %v, growth %q", s.Name, s.Positive(), set.Value(s, "growth"))
		}
	}
	delete(files, set.Slides[2].Name)
	_, err = dataset.Slides(t.Context(), folder(t, files), dataset.SlidesConfig{})
	if fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "line 4: "+set.Slides[2].Name) {
		t.Errorf("a slide that is not there: %v", err)
	}
}

func TestItNamesEveryFaultOfCOBRA(t *testing.T) {
	t.Parallel()
	edit := func(name, old, with string) func(map[string][]byte) {
		return func(f map[string][]byte) {
			if !bytes.Contains(f[name], []byte(old)) {
				t.Errorf("%s does not hold %q", name, old)
			}
			f[name] = bytes.Replace(f[name], []byte(old), []byte(with), 1)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(map[string][]byte)
		kind  fault.Kind
		want  []string
	}{
		{"a patient in two splits", edit("bcc_patient.csv", "F,c,60", "F,anna,60"), fault.Invalid,
			[]string{"patient anna crosses splits", "synth-00000 in train", "synth-00004 in val"}},
		{"a slide missing", func(f map[string][]byte) { delete(f, "images/synth-00003.tif") }, fault.NotFound, []string{"images/synth-00003.tif", "no such file"}},
		{"a slide cut short", func(f map[string][]byte) {
			f["images/synth-00003.tif"] = f["images/synth-00003.tif"][:5000]
		}, fault.Corrupt, []string{"images/synth-00003.tif", "beyond the end"}},
		{"another slide", edit("bcc_images.csv", ",480,420,", ",481,420,"), fault.Corrupt, []string{"synth-00000.tif", "480x420", "481x420"}},
		{"no slide at all", func(f map[string][]byte) {
			f["images/synth-00003.tif"] = bytes.Repeat([]byte("x"), len(f["images/synth-00003.tif"]))
		}, fault.Unsupported, []string{"synth-00003.tif", "TIFF"}},
		{"a label", edit("bcc_bcc.csv", "00001,0", "00001,2"), fault.Invalid, []string{"bcc_bcc.csv line 3", `label "2"`, "want 1 (BCC) or 0"}},
		{"a split", edit("bcc_bcc.csv", "0,val", "0,valid"), fault.Invalid, []string{"bcc_bcc.csv line 7", `"valid"`}},
		{"a row twice", edit("bcc_bcc.csv", "00001", "00000"), fault.Invalid, []string{"bcc_bcc.csv line 3", "line 2 already"}},
		{"a way out", edit("bcc_bcc.csv", "synth-00001", "../synth-00001"), fault.Invalid, []string{"no file name"}},
		{"no patient row", edit("bcc_patient.csv", "synth-00005", "synth-00009"), fault.Invalid, []string{"bcc_patient.csv: no row for synth-00005"}},
		{"no patient", edit("bcc_patient.csv", ",d,", ",,"), fault.Invalid, []string{"line 7: synth-00005 has no patient"}},
		{"no image row", edit("bcc_images.csv", "synth-00005", "synth-00009"), fault.Invalid, []string{"bcc_images.csv: no row for synth-00005"}},
		{"a width", edit("bcc_images.csv", ",480,", ",wide,"), fault.Invalid, []string{"bcc_images.csv line 2", `"wide"`}},
		{"one class in test", edit("bcc_bcc.csv", "00007,0", "00007,1"), fault.Invalid, []string{"split test: all 2"}},
		{"no column", edit("bcc_patient.csv", "patient_id", "patient"), fault.Invalid, []string{"bcc_patient.csv", `"patient_id"`}},
		{"no table", func(f map[string][]byte) { delete(f, "bcc_images.csv") }, fault.NotFound, []string{"no bcc_images.csv"}},
		{"no rows", func(f map[string][]byte) { f["bcc_bcc.csv"] = []byte("filename,label,split\n") }, fault.Invalid, []string{"bcc_bcc.csv: no rows"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := cobraFiles(t)
			c.spoil(files)
			_, err := dataset.Cobra(t.Context(), folder(t, files), dataset.SlidesConfig{Size: headSize})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\nwants to say %q", err, w)
				}
			}
			if got := fault.Of(err); got != c.kind {
				t.Errorf("kind %v, want %v: %v", got, c.kind, err)
			}
			if !strings.Contains(fault.HintOf(err), "docs/cobra.md") {
				t.Errorf("hint %q", fault.HintOf(err))
			}
		})
	}
}

func TestItComparesSizesWithTheTable(t *testing.T) {
	t.Parallel()
	files := cobraFiles(t)
	n := len(files["images/synth-00003.tif"])
	files["images/synth-00003.tif"] = files["images/synth-00003.tif"][:n*9/10]
	_, err := dataset.Cobra(t.Context(), folder(t, files), dataset.SlidesConfig{})
	if fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), "images/synth-00003.tif") || !strings.Contains(err.Error(), "bcc_images.csv says") {
		t.Errorf("a tenth cut off: %v", err)
	}
}
