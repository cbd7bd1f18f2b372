package detect_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func TestItTellsSlidesApartByAsFewFoldersAsItTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files, names []string
	}{
		"one folder does":            {[]string{"a/s.tif", "b/s.tif", "c/t.tif"}, []string{"a/s.tif", "b/s.tif", "t.tif"}},
		"two for some":               {[]string{"a/x/s.tif", "b/x/s.tif", "c/y/s.tif"}, []string{"a/x/s.tif", "b/x/s.tif", "y/s.tif"}},
		"a new name that is taken":   {[]string{"p/x/s.tif", "q/y/s.tif", "FOLDER:r"}, []string{"p/x/s.tif", "y/s.tif", "r/x/s.tif"}},
		"a name that is a folder":    {[]string{"p/x", "FOLDER:r"}, []string{"p/x", "r/x/s.tif"}},
		"a folder that is a name":    {[]string{"FOLDER:r", "p/x"}, []string{"r/x/s.tif", "p/x"}},
		"the same file by two roads": {[]string{"a/s.tif", "b/../a/s.tif"}, []string{"s.tif"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			touch(t, dir, "r/x/s.tif", "b/keep")
			var args []string
			for _, f := range c.files {
				if folder, is := strings.CutPrefix(f, "FOLDER:"); is {
					args = append(args, filepath.Join(dir, folder))
					continue
				}
				touch(t, dir, f)
				args = append(args, dir+"/"+f)
			}
			items, err := detect.Find(t.Context(), args, "")
			if got := names(items); err != nil || !slices.Equal(got, c.names) {
				t.Errorf("names %q, %v, want %q", got, err, c.names)
			}
		})
	}
}

func TestItRefusesASlideWhoseResultsWouldLieInAnothers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "list.txt"), "a.tif\nb.tif\na.tif/heatmap.png\n")
	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "list.txt")}, "")
	if len(items) != 2 || items[1].Name != "b.tif" {
		t.Errorf("names %q, want that of a.tif and b.tif", names(items))
	}
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "a.tif and ") || !strings.Contains(err.Error(), "heatmap.png") {
		t.Errorf("error = %v, want invalid naming both", err)
	}
}

func TestItRefusesTwoScalesForOneSlide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a.tif")
	write(t, filepath.Join(dir, "list.csv"), "path,mpp_um\na.tif,0.25\na.tif,0.25\n./a.tif,0.5\n")
	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "list.csv")}, "")
	if len(items) != 1 || items[0].MPP.X != 0.25 {
		t.Errorf("items %+v, want a.tif at 0.25", items)
	}
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "a.tif is named twice, with the scales 0.25 µm and 0.5 µm") {
		t.Errorf("error = %v, want invalid naming the file and both scales", err)
	}
}
