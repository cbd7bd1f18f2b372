package detect_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/detect"
	"bcc/fault"
)

func TestEachHandsOutWhatIsNamedAsItComes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "list.csv")
	write(t, list, "path,mpp_um\nhttps://host/a.tif?key=1,\n# note\na.tif,0.5\ns3://bucket/b.tif,\na.tif,\n\x00,\n")
	write(t, filepath.Join(dir, "more", "c.png"), "x")
	var items []detect.Item
	err := detect.Each(t.Context(), []string{list, filepath.Join(dir, "more"), "file:///srv/d.tif", filepath.Join(dir, "none.tif")}, collect(&items))
	if !strings.Contains(err.Error(), "line 7:") || !strings.Contains(err.Error(), "none.tif: no such file") || fault.Of(err) != fault.Invalid {
		t.Errorf("error = %v, want line 7 and none.tif named", err)
	}
	var paths []string
	var lines []int
	for _, it := range items {
		paths, lines = append(paths, strings.TrimPrefix(it.Path, dir+string(os.PathSeparator))), append(lines, it.Line)
	}
	if want := []string{"https://host/a.tif?key=1", "a.tif", "s3://bucket/b.tif", "a.tif", filepath.Join("more", "c.png"), "file:///srv/d.tif"}; !slices.Equal(paths, want) {
		t.Errorf("paths %q, want %q", paths, want)
	}
	if want := []int{2, 4, 5, 6, 0, 0}; !slices.Equal(lines, want) || items[0].List != list || items[4].List != "" {
		t.Errorf("lines %v of %q, want %v", lines, items[0].List, want)
	}
}

func TestEachEndsWithWhoeverTakesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	write(t, list, strings.Repeat("a.tif\n", 1000))
	enough := errors.New("enough")
	n := 0
	err := detect.Each(t.Context(), []string{list, filepath.Join(dir, "none")}, func(detect.Item) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if err != enough || n != 3 {
		t.Errorf("%d items, %v, want 3 and the error itself", n, err)
	}
}

func TestAnAddressIsNoPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://host/a": true, "s3://b/k": true, "file:///a": true, "git+ssh://h/p": true,
		"a.tif": false, "/a://b": false, `C://slides/a.tif`: false, "dir/http://x": false, "://x": false,
	} {
		if got := detect.IsAddress(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
