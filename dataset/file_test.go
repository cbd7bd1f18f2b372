//go:build unix

package dataset_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bcc/dataset"
	"bcc/fault"
)

// Opening a pipe waits for a writer that never comes.
func TestItDoesNotWaitForAPipe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"t/1.png", "labels.csv"} {
		files := whole(t)
		delete(files, name)
		dir := folder(t, files)
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Skip("no pipes here: ", err)
		}
		_, err := dataset.OpenTiles(t.Context(), dir, dataset.TilesConfig{})
		if fault.Of(err) != fault.Unsupported || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestItTellsTheFirstPathOfATable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\ufeffpath,label\r\na.jpg,1\r\n":        "a.jpg",
		"label, path \n1, \u00e4.jpg\n0,b.tif\n": "\u00e4.jpg",
		"path,label\n":                           "",
		"":                                       "",
		"a;b\n1;2\n":                             "",
	} {
		if got := dataset.FirstPath(folder(t, map[string][]byte{"labels.csv": []byte(text)})); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := dataset.FirstPath(t.TempDir()); got != "" {
		t.Errorf("no table: %q", got)
	}
}
