package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bcc/fault"
)

func TestAFileOfAPackage(t *testing.T) {
	t.Parallel()
	triplet := onDebian(t)
	d := &debs{ctx: t.Context(), known: map[string]*deb{}}
	at, err := find("libc.so.6", []string{"/usr/lib/" + triplet, "/lib/" + triplet})
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.owner(at)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "libc6" || p.Source != "glibc" || p.Version == "" || !bytes.Contains(p.Status, []byte("Package: libc6\n")) || len(p.Copyright) == 0 {
		t.Errorf("%s is of %+v", at, p)
	}
	if all := d.all(); len(all) != 1 || all[0] != p {
		t.Errorf("asked for were %v", all)
	}

	mine := filepath.Join(t.TempDir(), "libc.so.6")
	if _, err := d.owner(mine); fault.Of(err) != fault.NotFound {
		t.Errorf("a file of no package: %v", err)
	}
	if err := os.WriteFile(mine, []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name := range p.sums {
		if filepath.Base(name) == "libc.so.6" {
			if err := p.check(name, mine); fault.Of(err) != fault.Corrupt {
				t.Errorf("a file with other bytes: %v", err)
			}
			return
		}
	}
	t.Error("the package's checksums do not name libc.so.6")
}
