package blob_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/disk/powertest"
	"bcc/fault"
)

// sendAll runs a spool until nothing waits.
func sendAll(t *testing.T, s *blob.Spool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if n, _ := s.Waiting(); n == 0 || time.Now().After(until) {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func spoolOver(remote blob.Store, dir string) (*blob.Spool, error) {
	cfg := blob.DefaultSpoolConfig()
	cfg.Pause = time.Millisecond
	return blob.NewSpool(remote, dir, cfg)
}

// What a spool took while the store was away outlives a cut at any moment, and arrives;
// what arrived before the cut is not sent once more over what was written since.
func TestNoCutLosesWhatASpoolKeeps(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	remote := blobtest.NewFaulty(folder(t))
	s, err := spoolOver(remote, filepath.Join(d.Dir(), "data", "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	put := func(key, text string) {
		t.Helper()
		if err := s.Put(ctx, key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	upload := filepath.Join(d.Dir(), "data", "upload")
	remote.Down()
	put("a", "older")
	kept := d.Now()
	if err := errors.Join(s.Create(ctx, "ends/0.json", strings.NewReader("end")), os.WriteFile(upload, []byte("slide"), 0o600),
		s.Adopt(ctx, "slides/x", upload)); err != nil {
		t.Fatal(err)
	}
	all := d.Now()
	remote.Up()
	sendAll(t, s)
	put("a", "newer") // directly: nothing waits
	sent := d.Now()
	put("unrelated", "")
	run := d.Record()

	// after returns what the store has when the next run has sent what it finds.
	after := func(n int, loss powertest.Loss, without string) map[string]string {
		store := folder(t)
		if n >= sent {
			if err := store.Put(ctx, "a", strings.NewReader("newer")); err != nil {
				t.Fatal(err)
			}
		}
		dir := powertest.Memory(t)
		defer os.RemoveAll(dir)
		if err := run.Cut(n, powertest.Strict, loss, without).WriteTo(dir); err != nil {
			t.Fatal(err)
		}
		again, err := spoolOver(store, filepath.Join(dir, "data", "spool"))
		if err != nil {
			t.Fatalf("cut %d, after %s: %v", n, run.Op(n), err)
		}
		defer again.Close()
		sendAll(t, again)
		has := map[string]string{}
		for _, key := range []string{"a", "ends/0.json", "slides/x"} {
			b, err := blob.Read(ctx, store, key, 100)
			if err != nil && fault.Of(err) != fault.NotFound {
				t.Fatal(err)
			}
			has[key] = string(b)
		}
		return has
	}
	// wrong says what is not there that should be.
	wrong := func(n int, has map[string]string) string {
		switch {
		case n >= sent && has["a"] != "newer":
			return fmt.Sprintf("a is %q again", has["a"])
		case n >= kept && n < all && has["a"] != "older":
			return fmt.Sprintf("a is %q", has["a"])
		case n == all && (has["a"] != "older" || has["ends/0.json"] != "end" || has["slides/x"] != "slide"):
			return fmt.Sprintf("of all there is %q", has)
		}
		return ""
	}
	for _, loss := range []powertest.Loss{powertest.Drop, powertest.Keep, powertest.Mix(1), powertest.Mix(2)} {
		for n := range run.Len() + 1 {
			if n < kept && n%5 > 0 || n > all && n < sent { // it is being sent: some is there, some here
				continue
			}
			if what := wrong(n, after(n, loss, "")); what != "" {
				t.Fatalf("cut %d, after %s: %s", n, run.Op(n), what)
			}
		}
	}
	for _, call := range run.Calls() {
		found := false
		for _, n := range []int{kept, all, sent} {
			found = found || wrong(n, after(n, powertest.Drop, call)) != ""
		}
		if !found {
			t.Errorf("without %q nothing is lost", call)
		}
	}
}
