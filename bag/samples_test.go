package bag_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/bag"
	"bcc/fault"
)

const dims = 3

// set writes a bag for each length; the first number of each row is its place.
func set(t *testing.T, lengths ...int) []bag.Labelled {
	t.Helper()
	dir := t.TempDir()
	var all []bag.Labelled
	for i, n := range lengths {
		places, rows := content(n, dims)
		for k := range n {
			rows[k*dims] = float32(k)
		}
		l := bag.Labelled{Path: filepath.Join(dir, fmt.Sprint(i)), Name: fmt.Sprintf("s%d", i), Class: i % 2, Group: fmt.Sprintf("g%d", i/2)}
		if err := bag.Write(l.Path, info(dims), places, rows); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// read returns the places of the rows that a sample's row holds.
func read(t *testing.T, s *bag.Samples, i int, rng *rand.Rand) []int {
	t.Helper()
	rows, mask := make([]float32, s.Patches()*s.Dims()), make([]float32, s.Patches())
	for k := range rows {
		rows[k] = 99 // of the sample before
	}
	for k := range mask {
		mask[k] = 99
	}
	err := s.Read(t.Context(), i, rng, func(input string) []float32 {
		return map[string][]float32{bag.InputEmbeddings: rows, bag.InputMask: mask}[input]
	})
	if err != nil {
		t.Fatal(err)
	}
	var picked []int
	for k, m := range mask {
		row := rows[k*dims : (k+1)*dims]
		switch {
		case m == 1 && len(picked) == k:
			picked = append(picked, int(row[0]))
		case m != 0 || !slices.Equal(row, make([]float32, dims)):
			t.Fatalf("row %d: mask %v, %v", k, m, row)
		}
	}
	return picked
}

func TestASampleIsCutOrFilledUp(t *testing.T) {
	t.Parallel()
	s, err := bag.NewSamples(set(t, 4, 10, 0, 25), 10)
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 3 || !slices.Equal(s.Empty(), []string{"s2"}) || s.Class(2) != 1 || s.Group(2) != "g1" || s.Name(2) != "s3" {
		t.Fatalf("%d samples, empty %v", s.Len(), s.Empty())
	}
	if got := read(t, s, 0, nil); !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("a small bag: %v", got)
	}
	if got := read(t, s, 1, rand.New(rand.NewPCG(1, 1))); len(got) != 10 || got[9] != 9 {
		t.Errorf("a bag that fits: %v", got)
	}
	if got := read(t, s, 2, nil); !slices.Equal(got, []int{0, 2, 5, 7, 10, 12, 15, 17, 20, 22}) {
		t.Errorf("a large bag without draws: %v, want it spread evenly", got)
	}
	seen := map[int]int{}
	for seed := range uint64(400) {
		got := read(t, s, 2, rand.New(rand.NewPCG(seed, 7)))
		if len(got) != 10 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != 10 {
			t.Fatalf("drawn %v", got)
		}
		for _, k := range got {
			seen[k]++
		}
	}
	for k := range 25 { // 160 expected, deviation 10
		if seen[k] < 110 || seen[k] > 210 {
			t.Errorf("patch %d was drawn %d times of 400, want about 160", k, seen[k])
		}
	}
}

func TestADamagedBagIsNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	bags := set(t, 4, 10)
	s, err := bag.NewSamples(bags, 10)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(bags[1].Path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(bags[1].Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	rows := map[string][]float32{bag.InputEmbeddings: make([]float32, 10*s.Dims()), bag.InputMask: make([]float32, 10)}
	err = s.Read(t.Context(), 1, nil, func(name string) []float32 { return rows[name] })
	if fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), "slide s1") || !strings.Contains(fault.HintOf(err), bags[1].Path) {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}

func TestASetKnowsItself(t *testing.T) {
	t.Parallel()
	bags := set(t, 4, 10)
	digest := func(bags []bag.Labelled) string {
		s, err := bag.NewSamples(bags, 8)
		if err != nil {
			t.Fatal(err)
		}
		return s.Digest()
	}
	one := digest(bags)
	if digest(bags) != one {
		t.Error("the digest changes by itself")
	}
	bags[1].Class = 0
	if digest(bags) == one {
		t.Error("the digest does not see a label")
	}
	s, _ := bag.NewSamples(bags, 8)
	if s.Encoder() != info(dims).Encoder || s.Dims() != dims {
		t.Errorf("encoder %s, %d numbers", s.Encoder(), s.Dims())
	}
}

func TestASetNamesItsBadBags(t *testing.T) {
	t.Parallel()
	bags := set(t, 4, 10)
	other := info(dims)
	other.Encoder = strings.Repeat("ff", 32)
	if err := bag.Write(bags[1].Path, other, nil, nil); err != nil {
		t.Fatal(err)
	}
	bags = append(bags, bag.Labelled{Path: "nowhere", Name: "s9"})
	_, err := bag.NewSamples(bags, 8)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "slide s1") || !strings.Contains(err.Error(), "slide s9") {
		t.Errorf("%v, want both named", err)
	}
	if _, err := bag.NewSamples(set(t, 0), 8); fault.Of(err) != fault.Invalid {
		t.Errorf("only an empty bag: %v", err)
	}
}

// About the median biopsy of COBRA: 6.2 mm square, a third of it tissue.
func BenchmarkSamplesRead(b *testing.B) {
	const patches, width, take = 1000, 576, 512
	path := filepath.Join(b.TempDir(), "s")
	places, rows := content(patches, width)
	if err := bag.Write(path, info(width), places, rows); err != nil {
		b.Fatal(err)
	}
	s, err := bag.NewSamples([]bag.Labelled{{Path: path}}, take)
	if err != nil {
		b.Fatal(err)
	}
	dst := map[string][]float32{bag.InputEmbeddings: make([]float32, take*width), bag.InputMask: make([]float32, take)}
	rng := rand.New(rand.NewPCG(1, 2))
	b.SetBytes(take * width * 4)
	for b.Loop() {
		if err := s.Read(b.Context(), 0, rng, func(input string) []float32 { return dst[input] }); err != nil {
			b.Fatal(err)
		}
	}
}
