package detect_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func touch(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func names(items []detect.Item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.Name)
	}
	return out
}

func TestItSearchesAFolderAndLeavesOutWhatIsNoSlide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "b.tif", "a.SVS", "deep/er/c.tiff", "labels.csv", ".hidden.tif", "a.mask.tif", "masks/b.tif", "tissue_masks/b.tif", ".git/x.tif")
	items, err := detect.Find(t.Context(), []string{dir}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(items), []string{"a.SVS", "b.tif", "deep/er/c.tiff"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestItFindsByPatternAndCountsAFileOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "s1.tif", "s2.tif", "t.tif")
	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "s*.tif"), filepath.Join(dir, "s1.tif")}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(items), []string{"s1.tif", "s2.tif"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestItKeepsFilesOfOneNameApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a/s.tif", "b/s.tif")
	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "a/s.tif"), filepath.Join(dir, "b/s.tif")}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := names(items)
	if len(got) != 2 || got[0] != "a/s.tif" || got[1] != "b/s.tif" {
		t.Errorf("names %q do not tell the two files apart", got)
	}
}

func TestAWrongNameDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "s.tif")
	missing := filepath.Join(dir, "none.tif")
	items, err := detect.Find(t.Context(), []string{missing, filepath.Join(dir, "s.tif")}, "")
	if got := names(items); !slices.Equal(got, []string{"s.tif"}) {
		t.Errorf("found %q, want s.tif", got)
	}
	if err == nil || !strings.Contains(err.Error(), missing) || fault.Of(err) != fault.NotFound {
		t.Errorf("error = %v, want not found naming %s", err, missing)
	}
}

func TestItReadsManifests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		names []string
		mpp   float64 // of the last
		wrong string
	}{
		"plain lines":          {text: "a.tif\n\n# a comment\nsub/b.tif\n", names: []string{"a.tif", "sub/b.tif"}},
		"a header":             {text: "label,path,mpp_um\nBCC,a.tif,0.25\n", names: []string{"a.tif"}, mpp: 0.25},
		"a byte order mark":    {text: "\ufeffpath\na.tif\n", names: []string{"a.tif"}},
		"a comma in a name":    {text: "\"a,b.tif\"\n", names: []string{"a,b.tif"}},
		"a way out":            {text: "../../etc/x.tif\n", names: []string{"x.tif"}},
		"a way out inside":     {text: "a/../../x.tif\n", names: []string{"x.tif"}},
		"a wrong scale":        {text: "path,mpp_um\na.tif,NaN\n", wrong: `line 2: mpp_um "NaN"`},
		"no slide":             {text: "# nothing\n", wrong: "names no slide"},
		"an empty path":        {text: "path,x\n ,1\n", wrong: "line 2: the path is empty"},
		"a missing field":      {text: "x,path\n1\n", wrong: "line 2: 1 fields"},
		"a quote left open":    {text: "\"a.tif\n", wrong: "line 1"},
		"the root":             {text: "/\n", wrong: `"/" names no file`},
		"the folder itself":    {text: "a/..\n", wrong: `"a/.." names no file`},
		"a zero byte":          {text: "a\x00b.tif\n", wrong: "zero byte"},
		"a path without limit": {text: strings.Repeat("a", 5000) + "\n", wrong: "5000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var items []detect.Item
			err := detect.ReadManifest(strings.NewReader(c.text), func(it detect.Item) error {
				items = append(items, it)
				return nil
			})
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) || fault.Of(err) != fault.Invalid {
					t.Fatalf("error = %v, want an invalid one with %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := names(items); !slices.Equal(got, c.names) {
				t.Errorf("names %q, want %q", got, c.names)
			}
			if got := items[len(items)-1].MPP.X; got != c.mpp {
				t.Errorf("mpp %v, want %v", got, c.mpp)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{"a.tif\n", "path,mpp_um\na.tif,0.5\n", "\"a", "../x\n", "#\n\n", "x,path\n1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(io.Reader, func(detect.Item) error) error{detect.ReadManifest, detect.ReadPaths} {
			err := read(strings.NewReader(text), func(it detect.Item) error {
				if it.Path == "" || it.Name == "" || strings.HasPrefix(it.Name, "/") || strings.HasPrefix(it.Name, "../") || it.Name == ".." {
					t.Errorf("item %+v leads out of the results folder", it)
				}
				return nil
			})
			if err != nil && fault.Of(err) != fault.Invalid {
				t.Errorf("error %v is %v, want invalid", err, fault.Of(err))
			}
		}
	})
}
