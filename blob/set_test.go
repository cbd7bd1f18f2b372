package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/fault"
)

// resultFiles returns a folder with the files of a result.
func resultFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"result.json": "{}", "patches.csv": "a,b\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestASetIsThereWhenItsSumsAre(t *testing.T) {
	t.Parallel()
	s := blobtest.NewFaulty(folder(t))
	if err := blob.CheckSet(t.Context(), s, "results/k"); fault.Of(err) != fault.NotFound {
		t.Errorf("before: %v, want not found", err)
	}
	s.Fail(func(_, key string) error {
		if strings.HasSuffix(key, "result.json") {
			return fault.New(fault.Unavailable, "gone")
		}
		return nil
	})
	if err := blob.WriteSet(t.Context(), s, "results/k", resultFiles(t)); fault.Of(err) != fault.Unavailable {
		t.Fatalf("%v, want unavailable", err)
	}
	s.Up()
	if err := blob.CheckSet(t.Context(), s, "results/k"); fault.Of(err) != fault.NotFound {
		t.Errorf("half a set: %v, want not found", err)
	}
	if err := blob.WriteSet(t.Context(), s, "results/k", resultFiles(t)); err != nil {
		t.Fatal(err)
	}
	if err := blob.CheckSet(t.Context(), s, "results/k"); err != nil {
		t.Error(err)
	}
	sums, err := blob.ReadSums(t.Context(), s, "results/k")
	if err != nil || len(sums.Files) != 3 {
		t.Fatal(sums, err)
	}
	if f, ok := sums.Find("patches.csv"); !ok || f.Bytes != 4 {
		t.Errorf("patches.csv: %+v, %v", f, ok)
	}
	if _, ok := sums.Find("other"); ok {
		t.Error("a file that is not there was found")
	}
}

func TestASetWhoseFilesDoNotFitIsCorrupt(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(blob.Store) error{
		"a bit": func(s blob.Store) error {
			return s.Put(t.Context(), "results/k/patches.csv", strings.NewReader("a,c\n"))
		},
		"the end": func(s blob.Store) error {
			return s.Put(t.Context(), "results/k/patches.csv", strings.NewReader("a,b"))
		},
		"a file": func(s blob.Store) error { return s.Delete(t.Context(), "results/k/empty") },
		"the sums": func(s blob.Store) error {
			return s.Put(t.Context(), "results/k/sums.json", strings.NewReader(`{"format_version":1,"files":[`))
		},
		"the version": func(s blob.Store) error {
			return s.Put(t.Context(), "results/k/sums.json", strings.NewReader(`{}`))
		},
		"names": func(s blob.Store) error {
			return s.Put(t.Context(), "results/k/sums.json", strings.NewReader(`{"format_version":1,"files":[{"name":"../../slides/x"}]}`))
		},
	} {
		s := folder(t)
		if err := blob.WriteSet(t.Context(), s, "results/k", resultFiles(t)); err != nil {
			t.Fatal(err)
		}
		if err := harm(s); err != nil {
			t.Fatal(err)
		}
		if err := blob.CheckSet(t.Context(), s, "results/k"); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
		if err := blob.DropSet(t.Context(), s, "results/k"); err != nil {
			t.Errorf("%s: drop: %v", name, err)
		}
		for info := range s.List(t.Context(), "") {
			t.Errorf("%s: %s is left", name, info.Key)
		}
	}
}
