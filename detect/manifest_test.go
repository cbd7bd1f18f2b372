package detect_test

import (
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func collect(into *[]detect.Item) func(detect.Item) error {
	return func(it detect.Item) error {
		*into = append(*into, it)
		return nil
	}
}

func TestItTakesTextManifestsAsTheyStand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "list.TXT")
	write(t, list, "\ufeff# mine\r\na, b.tif\r\n\r\n  \"c\".tif \n #x\npath\n")
	items, err := detect.Find(t.Context(), []string{list}, "")
	if got, want := names(items), []string{"a, b.tif", `"c".tif`, "path"}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("names %q, %v, want %q", got, err, want)
	}
	if want := filepath.Join(dir, "a, b.tif"); items[0].Path != want {
		t.Errorf("path %s, want %s", items[0].Path, want)
	}
}

func TestABadLineDoesNotDropTheRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "list.csv")
	write(t, list, "path,mpp_um\na.tif,\nb.tif,fast\n\"c.tif,1\n# note\nd.tif,0.5\n")
	items, err := detect.Find(t.Context(), []string{list}, "")
	if got, want := names(items), []string{"a.tif", "d.tif"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "line 3: mpp_um") || !strings.Contains(err.Error(), "line 4: column") {
		t.Errorf("error = %v, want invalid naming lines 3 and 4", err)
	}
}

func TestItTellsTheFirstTwentyBadLines(t *testing.T) {
	t.Parallel()
	var items []detect.Item
	err := detect.ReadManifest(strings.NewReader(strings.Repeat("a\x00\n", 25)+"good.tif\n"), collect(&items))
	if got := names(items); !slices.Equal(got, []string{"good.tif"}) {
		t.Errorf("names %q, want good.tif", got)
	}
	if err == nil || !strings.Contains(err.Error(), "line 20:") || strings.Contains(err.Error(), "line 21:") || !strings.HasSuffix(err.Error(), "and 5 more") {
		t.Errorf("error = %v, want lines 1 to 20 and 5 more", err)
	}
}

func TestItHintsAtCommas(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"path;mpp_um", "\ufeff\"Label\";\"Path\"", "path\tlabel"} {
		var items []detect.Item
		err := detect.ReadManifest(strings.NewReader(head+"\na.tif;0.5\n"), collect(&items))
		if fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "commas") || len(items) != 0 {
			t.Errorf("%q: items %q, error %v with hint %q, want a hint at commas", head, names(items), err, fault.HintOf(err))
		}
	}
}

// endless gives one byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// Not parallel: it counts what is allocated.
func TestAnEndlessLineCostsLittleMemory(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"zeros":        io.MultiReader(strings.NewReader("a.tif\n"), endless(0)),
		"inside quote": io.MultiReader(strings.NewReader("a.tif\n\""), endless('x')),
	} {
		for kind, read := range map[string]func(io.Reader, func(detect.Item) error) error{"csv": detect.ReadManifest, "txt": detect.ReadPaths} {
			var before, after runtime.MemStats
			var items []detect.Item
			runtime.ReadMemStats(&before)
			err := read(r, collect(&items))
			runtime.ReadMemStats(&after)
			if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "longer than 65536 bytes") {
				t.Errorf("%s as %s: error = %v, want invalid naming the line", name, kind, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Errorf("%s as %s: %d bytes allocated, want at most 1 MiB", name, kind, took)
			}
		}
	}
}

func TestItNamesTheLineThatIsTooLong(t *testing.T) {
	t.Parallel()
	var items []detect.Item
	err := detect.ReadManifest(strings.NewReader("a.tif\nb\x00\n"+strings.Repeat("x", 70_000)+"\n"), collect(&items))
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "line 2:") || !strings.Contains(err.Error(), "line 3 is longer") || len(items) != 1 {
		t.Errorf("items %q, error %v, want a.tif and lines 2 and 3 named", names(items), err)
	}
}
