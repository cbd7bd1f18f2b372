package wsi_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"bcc/wsi"
)

func bitsOf(picture string) ([]byte, wsi.Size) {
	rows := strings.Fields(picture)
	var bits []byte
	for _, r := range rows {
		for _, c := range r {
			bits = append(bits, map[rune]byte{'.': 0, '#': 1}[c])
		}
	}
	return bits, wsi.Size{W: len(rows[0]), H: len(rows)}
}

func TestPiecesAreConnectedParts(t *testing.T) {
	t.Parallel()
	bits, size := bitsOf(`
		#.#..#
		#.#.#.
		###...
		.....#
		##..##`)
	got := wsi.Pieces(bits, size, 1, true)
	want := []struct {
		pixels int
		bounds wsi.Rect
	}{
		{7, wsi.Rect{X: 0, Y: 0, W: 3, H: 3}}, // the arms of the U meet below
		{2, wsi.Rect{X: 4, Y: 0, W: 2, H: 2}}, // at a corner
		{3, wsi.Rect{X: 4, Y: 3, W: 2, H: 2}},
		{2, wsi.Rect{X: 0, Y: 4, W: 2, H: 1}},
	}
	if len(got) != len(want) {
		t.Fatalf("%d pieces, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if got[i].Pixels != w.pixels || got[i].Bounds != w.bounds {
			t.Errorf("piece %d: %d pixels in %v, want %d in %v", i, got[i].Pixels, got[i].Bounds, w.pixels, w.bounds)
		}
	}
	if n := len(wsi.Pieces(bits, size, 1, false)); n != 5 {
		t.Errorf("%d pieces without corners, want 5", n)
	}
}

func TestPiecesAgreeWithAFlood(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		size := wsi.Size{W: 1 + rng.IntN(24), H: 1 + rng.IntN(24)}
		bits := make([]byte, size.W*size.H)
		for i := range bits {
			bits[i] = byte(rng.IntN(2))
		}
		for _, corners := range []bool{true, false} {
			for v := range byte(2) {
				label := flood(bits, size, v, corners)
				seen := 0
				for i, p := range wsi.Pieces(bits, size, v, corners) {
					pixels := 0
					for _, r := range p.Runs {
						for x := r.X0; x < r.X1; x++ {
							if label[int(r.Y)*size.W+int(x)] != i+1 {
								t.Fatalf("pixel (%d,%d) is in piece %d, the flood says %d", x, r.Y, i+1, label[int(r.Y)*size.W+int(x)])
							}
							pixels++
						}
					}
					if pixels != p.Pixels {
						t.Fatalf("piece %d says %d pixels and has %d", i, p.Pixels, pixels)
					}
					seen += pixels
				}
				for _, l := range label {
					if l > 0 {
						seen--
					}
				}
				if seen != 0 {
					t.Fatalf("pieces and flood differ by %d pixels", seen)
				}
			}
		}
	}
}

// flood numbers the connected parts from 1 in the order of their first pixel.
func flood(bits []byte, size wsi.Size, v byte, corners bool) []int {
	label := make([]int, len(bits))
	n := 0
	for i := range bits {
		if bits[i] != v || label[i] != 0 {
			continue
		}
		n++
		label[i] = n
		for stack := []int{i}; len(stack) > 0; {
			k := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					x, y := k%size.W+dx, k/size.W+dy
					if x < 0 || y < 0 || x >= size.W || y >= size.H || (!corners && dx != 0 && dy != 0) {
						continue
					}
					if j := y*size.W + x; bits[j] == v && label[j] == 0 {
						label[j] = n
						stack = append(stack, j)
					}
				}
			}
		}
	}
	return label
}
