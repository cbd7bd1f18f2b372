//go:build e2e

package chaos

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// share is how many slides of a size there are.
type share struct {
	slides int
	size   string // as bcc synth takes it
}

// Each size has a few pictures, which are drawn once and kept; a slide is a picture
// with a line of its own behind it, which no reader of TIFF looks at: another content,
// so that nothing of one slide answers for another.
const pictures = 3

// condition is what a slide is like.
type condition string

const (
	sound   condition = "sound"
	poison  condition = "poison"
	damaged condition = "damaged"
)

// item is a slide of a run.
type item struct {
	path   string
	name   string
	sha256 string
	bytes  int64
	is     condition
}

// set is all slides of a run.
type set struct{ items []item }

// poisons are the ways to die, as isolate's file with the tag poison reads them: at
// once, or at a later reading of the file. The quick ones come first: of the slow ones
// each of three attempts takes a minute of waiting.
var poisons = []string{"segfault", "exit@3", "abort@5", "eat", "panic@2", "hang", "segfault@9", "spin@4", "exit", "connect@3"}

// make draws and writes the slides of a run. Poison and damage go to slides of the
// sizes in between: they have to be found in the middle of work.
func (s scenario) make(t *testing.T, d *diary, tools tools, seed uint64) *set {
	t.Helper()
	dice := rand.New(rand.NewPCG(seed, 2))
	var sizes []string
	for _, sh := range s.sizes {
		for range sh.slides {
			sizes = append(sizes, sh.size)
		}
	}
	if len(sizes) != s.slides {
		t.Fatalf("sizes for %d slides, want %d", len(sizes), s.slides)
	}
	bad := map[int]condition{}
	for n := 0; n < s.poison+s.damaged; {
		i := dice.IntN(len(sizes))
		if sizes[i] == s.sizes[0].size || sizes[i] == s.sizes[len(s.sizes)-1].size || bad[i] != "" {
			continue
		}
		bad[i] = poison
		if n >= s.poison {
			bad[i] = damaged
		}
		n++
	}
	var all set
	poisoned := 0
	for i, size := range sizes {
		b, err := os.ReadFile(draw(t, d, tools, size, dice.IntN(pictures)))
		if err != nil {
			t.Fatal(err)
		}
		is := sound
		if bad[i] == damaged {
			is = damaged
			b = damage(b)
		}
		b = fmt.Appendf(b, "\nslide %d of seed %d\n", i, seed)
		if bad[i] == poison {
			is = poison
			b = fmt.Appendf(b, "BCC-POISON:%s\n", poisons[poisoned%len(poisons)]) // isolate.PoisonMark
			poisoned++
		}
		sum := sha256.Sum256(b)
		it := item{d.path("slides", fmt.Sprintf("s%03d.tif", i)), fmt.Sprintf("s%03d", i), hex.EncodeToString(sum[:]), int64(len(b)), is}
		if err := os.WriteFile(it.path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		all.items = append(all.items, it)
	}
	dice.Shuffle(len(all.items), func(i, k int) { all.items[i], all.items[k] = all.items[k], all.items[i] })
	d.note("%d slides: %d poison, %d damaged", len(all.items), s.poison, s.damaged)
	return &all
}

// draw returns the file of a picture, drawn at its first use.
func draw(t *testing.T, d *diary, tools tools, size string, n int) string {
	t.Helper()
	kept, err := filepath.Abs("../../.deps/chaos")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(kept, fmt.Sprintf("%s-%d", size, n))
	path := filepath.Join(dir, "synth-00000.tif")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	d.note("draw a picture of %s", size)
	out, err := exec.CommandContext(t.Context(), tools.bcc, "synth", "--out", dir, "--count", "1", "--bcc", fmt.Sprint(n%2), "--seed", fmt.Sprint(50+n), "--size", size).CombinedOutput()
	if err != nil {
		t.Fatalf("bcc synth: %v\n%s", err, out)
	}
	return path
}

// damage overwrites the pixels of a JPEG in the middle of the file: the slide opens.
func damage(b []byte) []byte {
	b = bytes.Clone(b)
	middle := b[len(b)/4 : 3*len(b)/4]
	for i := range middle {
		middle[i] = 0xFF
	}
	return b
}

// order is a cohort that is going to be submitted.
type order struct {
	name     string
	priority string
	turn     int // after so many parts of the faults
	cancel   bool
	items    []item
}

// orders divides the slides into cohorts. One is urgent; one more asks for slides of
// the first again, and one more is cancelled on its way.
func (s *set) orders(cohorts int) []order {
	var all []order
	n := len(s.items)
	for k := range cohorts {
		o := order{name: fmt.Sprint("cohort-", k), priority: "routine", turn: k, items: s.items[k*n/cohorts : (k+1)*n/cohorts]}
		if k == 1 {
			o.priority = "urgent"
		}
		all = append(all, o)
	}
	some := all[0].items[:max(1, len(all[0].items)/4)]
	all = append(all,
		order{name: "again", priority: "routine", turn: cohorts - 1, items: some},
		order{name: "cancelled", priority: "routine", turn: cohorts - 1, items: some, cancel: true})
	return all
}

// byName returns the slides by their names.
func (s *set) byName() map[string]item {
	all := map[string]item{}
	for _, it := range s.items {
		all[it.name] = it
	}
	return all
}

// count returns how many are so.
func (s *set) count(is condition) (n int) {
	for _, it := range s.items {
		if it.is == is {
			n++
		}
	}
	return n
}

var errNoName = errors.New("an answer names a slide that nobody sent")
