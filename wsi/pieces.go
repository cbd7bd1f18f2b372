package wsi

import "bytes"

// Run is a stretch of mask pixels in one row: X0 up to but not including X1.
type Run struct{ Y, X0, X1 int32 }

// Piece is one connected part of a mask.
type Piece struct {
	Runs   []Run // in row order, from left to right
	Pixels int
	Bounds Rect // mask pixels
}

// Pieces returns the connected parts of the pixels of bits (size.W*size.H values)
// that equal v, in the order of their first pixel. corners says whether pixels
// that only touch at a corner are connected: take true for what is there and
// false for the gaps between, so that a thin diagonal wall separates.
func Pieces(bits []byte, size Size, v byte, corners bool) []Piece {
	var (
		runs   []Run
		parent []int32 // of each run: a run of the same piece, itself at the root
		reach  int32
	)
	if corners {
		reach = 1
	}
	root := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	above := 0 // first run of the row above that can still touch
	for y := range size.H {
		row := bits[y*size.W : (y+1)*size.W]
		end := len(runs) // of the row above
		for x := 0; x < len(row); {
			skip := bytes.IndexByte(row[x:], v)
			if skip < 0 {
				break
			}
			x += skip
			x0 := x
			for x < len(row) && row[x] == v {
				x++
			}
			me := int32(len(runs))
			runs = append(runs, Run{int32(y), int32(x0), int32(x)})
			parent = append(parent, me)
			for above < end && runs[above].X1+reach <= int32(x0) {
				above++
			}
			for j := above; j < end && runs[j].X0 < int32(x)+reach; j++ {
				a, b := root(int32(j)), root(me)
				parent[max(a, b)] = min(a, b) // the root is the piece's first run
			}
		}
		above = end
	}
	return gather(runs, root)
}

// gather puts the runs of one root together.
func gather(runs []Run, root func(int32) int32) []Piece {
	var pieces []Piece
	index := make([]int32, len(runs)) // of the piece, at roots
	for i, r := range runs {
		k := root(int32(i))
		if int(k) == i {
			index[i] = int32(len(pieces))
			pieces = append(pieces, Piece{})
		}
		p := &pieces[index[k]]
		p.Runs = append(p.Runs, r)
		p.Pixels += int(r.X1 - r.X0)
		p.Bounds = p.Bounds.Union(Rect{int(r.X0), int(r.Y), int(r.X1 - r.X0), 1})
	}
	return pieces
}
