package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestALayerIsItsFiles: neither their order nor anything that this machine says of them
// changes a bit of it.
func TestALayerIsItsFiles(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_600_000_000, 0)
	layer := func(when time.Time, mode os.FileMode, reverse bool) []byte {
		on := filepath.Join(t.TempDir(), "on-this-machine")
		if err := os.WriteFile(on, []byte("bytes"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(on, when, when); err != nil {
			t.Fatal(err)
		}
		files := []file{
			{path: "usr/lib/x/a.so", mode: 0o644, from: on},
			{path: "usr/bin/program", mode: 0o755, body: []byte("more bytes")},
			{path: "data", mode: 0o750, uid: user, dir: true},
			{path: "tmp", mode: 0o777 | os.ModeSticky, dir: true},
			{path: "lib", link: "usr/lib"},
		}
		if reverse {
			slices.Reverse(files)
		}
		var b bytes.Buffer
		if err := writeLayer(&b, files, at); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	a := layer(time.Now(), 0o600, false)
	if b := layer(time.Unix(1, 0), 0o755, true); !bytes.Equal(a, b) {
		t.Error("the same files, another layer")
	}

	var got []string
	for r := tar.NewReader(bytes.NewReader(a)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(at) || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s is of %v and %q:%q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
		got = append(got, fmt.Sprintf("%c %o %d:%d %s %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name, h.Linkname))
	}
	want := []string{
		"5 750 65532:65532 data/ ",
		"2 777 0:0 lib usr/lib",
		"5 1777 0:0 tmp/ ",
		"5 755 0:0 usr/ ", // folders that nobody named come before what lies in them
		"5 755 0:0 usr/bin/ ",
		"0 755 0:0 usr/bin/program ",
		"5 755 0:0 usr/lib/ ",
		"5 755 0:0 usr/lib/x/ ",
		"0 644 0:0 usr/lib/x/a.so ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatIsGone(t *testing.T) {
	t.Parallel()
	err := writeLayer(io.Discard, []file{{path: "usr/bin/bcc", from: filepath.Join(t.TempDir(), "bcc")}}, time.Now())
	if err == nil {
		t.Error("a layer without one of its files")
	}
}
