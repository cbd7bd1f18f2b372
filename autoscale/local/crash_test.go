//go:build unix

package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"bcc/autoscale/local"
	"bcc/fault"
)

// shared is a folder that another autoscaler may be changing.
func shared(c *local.Config) { c.Lock = func() (func(), error) { return func() {}, nil } }

func (p place) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p place) has(name string) bool {
	_, err := os.Stat(filepath.Join(p.dir, name))
	return err == nil
}

// Who looks on reads the folder while the leader changes it: between the note that a
// worker is about to be started and its number there is nobody to be found.
func TestWhoLooksOnForgetsNobody(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	scale(t, p.open(shared), 1)
	p.up(1)
	p.write("coming.json", `{"format_version":1,"id":"coming","kind":"here","pid":0,"begun":"2026-01-01T00:00:00Z"}`)
	p.write("ended.json", `{"format_version":1,"id":"ended","kind":"here","pid":1,"birth":"long ago","begun":"2026-01-01T00:00:00Z"}`)
	p.write("broken.json", `{`)
	next := p.open(shared)
	if n := present(t, next); n != 1 {
		t.Errorf("it sees %d, want 1", n)
	}
	if !p.has("coming.json") || !p.has("ended.json") || !p.has("broken.json") {
		t.Error("who looks on has changed the folder")
	}
	scale(t, next, 1) // leads now, and nobody else is at it
	if p.has("coming.json") || p.has("ended.json") || p.has("broken.json") {
		t.Error("who leads has not cleared the folder")
	}
}

// A worker is asked before that is noted: noted first, one whose autoscaler is killed
// in between would stay for good, and nobody would count it.
func TestOneThatWasAskedAndNotNotedIsAskedOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	target := p.open(nil)
	scale(t, target, 1)
	id := p.up(1)[0]
	p.put(id + ".busy")
	if err := os.MkdirAll(filepath.Join(p.dir, id+".json.new", "full"), 0o700); err != nil { // the disk is full
		t.Fatal(err)
	}
	if _, err := target.Scale(t.Context(), "here", 0, []string{id}); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	until(t, func() bool { return len(p.files(id+".asked")) == 1 })
	if n := present(t, target); n != 0 {
		t.Error("it is counted by who asked it")
	}
	if left := scale(t, target, 0, id); left != 0 {
		t.Errorf("%d left", left)
	}
	if n := present(t, p.open(nil)); n != 1 {
		t.Errorf("the next autoscaler sees %d, want the one that goes", n)
	}
	os.Remove(filepath.Join(p.work, id+".busy"))
	until(t, func() bool { return len(p.files("*.done")) == 1 })
	os.RemoveAll(filepath.Join(p.dir, id+".json.new"))
	until(t, func() bool { return present(t, target) == 0 && !p.has(id+".json") })
}

func TestWorkersOfAnotherKindAreEndedWhenTheyAreIdle(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	scale(t, p.open(nil), 2)
	ids := p.up(2)
	target := p.open(func(c *local.Config) { c.Kind.Name = "there" })
	groups, err := target.Groups(t.Context())
	if err != nil || len(groups) != 2 || groups[0].Name != "there" || groups[0].Present() != 0 ||
		groups[1].Name != "here" || groups[1].Present() != 2 || groups[1].Max != 0 {
		t.Fatalf("%+v, %v", groups, err)
	}
	if left, err := target.Scale(t.Context(), "here", 5, nil); left != 2 || err != nil {
		t.Errorf("%d left, %v: want none to be started", left, err)
	}
	if left, err := target.Scale(t.Context(), "there", 1, ids); left != 1 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	p.up(3)
	if left, err := target.Scale(t.Context(), "here", 0, ids[:1]); left != 1 || err != nil {
		t.Errorf("%d left, %v: want the one that is not idle", left, err)
	}
	until(t, func() bool { return len(p.files("*.done")) == 1 })
	if left, err := target.Scale(t.Context(), "here", 0, ids); left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	if left, err := target.Scale(t.Context(), "here", 0, nil); left != 0 || err != nil {
		t.Errorf("%d left, %v: nobody is there any more", left, err)
	}
	groups, err = target.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Present() != 1 {
		t.Errorf("%+v, %v", groups, err)
	}
}

func TestAFolderThatIsGoneMakesNoMoreWorkers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	target := p.open(nil)
	scale(t, target, 2)
	ids := p.up(2)
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if left := scale(t, target, 2); left != 2 || !p.has(ids[0]+".json") || !p.has(ids[1]+".json") {
		t.Errorf("%d left, who are not those that were there", left)
	}
	if n := present(t, p.open(nil)); n != 2 {
		t.Errorf("the next autoscaler sees %d, want 2", n)
	}
}
