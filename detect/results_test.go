package detect_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestItNeverTakesResultsForSlides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a.tif", "out/a.tif/heatmap.png", "old/a.tif/heatmap.png", "half/a.tif/heatmap.png", "other/b.tif")
	write(t, filepath.Join(dir, "old/a.tif/result.json"), "{\n  \"format_version\": 1,\n  \"notice\": \"x\"\n}\n")
	write(t, filepath.Join(dir, "half/a.tif/timing.json"), "{\n  \"format_version\": 1,\n  \"total_s\": 1\n}\n")
	write(t, filepath.Join(dir, "other/result.json"), `{"of": "another program"}`)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "out"), link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{filepath.Join(dir, "out"), filepath.Join(dir, "other", "..", "out") + "/", link} {
		items, err := detect.Find(t.Context(), []string{dir}, out)
		if got, want := names(items), []string{"a.tif", "other/b.tif"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("out %s: found %q, %v, want %q", out, got, err, want)
		}
	}

	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "*"), filepath.Join(dir, "old/*/*.png")}, link)
	if got, want := names(items), []string{"a.tif", "b.tif"}; !slices.Equal(got, want) {
		t.Errorf("by pattern it found %q, %v, want %q", got, err, want)
	}
	_, err = detect.Find(t.Context(), []string{link}, filepath.Join(dir, "out"))
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "holds results") {
		t.Errorf("the results folder itself: error = %v, want invalid", err)
	}
}

func TestItSearchesAFolderOfSlidesInsideTheResultsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // as bcc detect --out . slides
	touch(t, dir, "slides/a.tif")
	items, err := detect.Find(t.Context(), []string{filepath.Join(dir, "slides")}, dir)
	if got := names(items); err != nil || !slices.Equal(got, []string{"a.tif"}) {
		t.Errorf("found %q, %v, want a.tif", got, err)
	}
}

func TestItDoesNotMindAResultsFolderThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a.tif")
	items, err := detect.Find(t.Context(), []string{dir}, filepath.Join(dir, "not", "yet"))
	if got := names(items); err != nil || !slices.Equal(got, []string{"a.tif"}) {
		t.Errorf("found %q, %v, want a.tif", got, err)
	}
}

func TestItFollowsALinkGivenAsTheFolder(t *testing.T) {
	t.Parallel()
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	touch(t, dir, "deep/a.tif")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	items, err := detect.Find(t.Context(), []string{link, dir}, "")
	if got := names(items); err != nil || !slices.Equal(got, []string{"deep/a.tif"}) {
		t.Fatalf("found %q, %v, want deep/a.tif once", got, err)
	}
	if want := filepath.Join(link, "deep", "a.tif"); items[0].Path != want {
		t.Errorf("path %s, want %s", items[0].Path, want)
	}
}

func TestItGoesOnPastAFolderItCannotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a.tif", "z/b.tif")
	// A path longer than the system takes cannot be read by anyone, root included.
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 25 {
		name := strings.Repeat("d", 200)
		if err := root.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		below, err := root.OpenRoot(name)
		root.Close()
		if err != nil {
			t.Fatal(err)
		}
		root = below
	}
	root.Close()
	items, err := detect.Find(t.Context(), []string{dir}, "")
	if got, want := names(items), []string{"a.tif", "z/b.tif"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "search folder") {
		t.Errorf("error = %v, want unavailable", err)
	}
}

func TestItStopsSearchingWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	touch(t, dir, "a.tif")
	write(t, filepath.Join(dir, "list.csv"), "a.tif\n")
	why := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(why)
	for _, arg := range []string{dir, filepath.Join(dir, "*.tif"), filepath.Join(dir, "list.csv")} {
		if items, err := detect.Find(ctx, []string{arg}, ""); !errors.Is(err, why) || len(items) != 0 {
			t.Errorf("%s: found %q, %v, want the cause and nothing", arg, names(items), err)
		}
	}
}
