package synth

import "math"

// field is a distance field on a lattice whose nodes lie at multiples of step on
// the slide (µm); the renderer interpolates on the same nodes, so that outlines
// found here and pixels drawn there agree.
type field struct {
	i0, j0 int // the first node's place on the slide, in steps
	nx, ny int
	step   float64
	v      []float32 // row by row
}

const farAway = 1e6

func newField(b box, step float64) *field {
	f := &field{i0: int(math.Floor(b.x0/step)) - 1, j0: int(math.Floor(b.y0/step)) - 1, step: step}
	f.nx = int(math.Ceil(b.x1/step)) + 2 - f.i0
	f.ny = int(math.Ceil(b.y1/step)) + 2 - f.j0
	f.v = make([]float32, f.nx*f.ny)
	for i := range f.v {
		f.v[i] = farAway
	}
	return f
}

// add unites the field with a structure.
func (f *field) add(s *structure) {
	i0, i1 := max(int(s.box.x0/f.step)-f.i0, 0), min(int(s.box.x1/f.step)+2-f.i0, f.nx)
	j0, j1 := max(int(s.box.y0/f.step)-f.j0, 0), min(int(s.box.y1/f.step)+2-f.j0, f.ny)
	for j := j0; j < j1; j++ {
		for i := i0; i < i1; i++ {
			d := s.dist(float64(f.i0+i)*f.step, float64(f.j0+j)*f.step)
			f.v[j*f.nx+i] = min(f.v[j*f.nx+i], float32(d))
		}
	}
}

// at interpolates the field.
func (f *field) at(x, y float64) float64 {
	x, y = x/f.step-float64(f.i0), y/f.step-float64(f.j0)
	i, j := int(math.Floor(x)), int(math.Floor(y))
	if i < 0 || j < 0 || i+1 >= f.nx || j+1 >= f.ny {
		return farAway
	}
	tx, ty := x-float64(i), y-float64(j)
	v := f.v[j*f.nx+i:]
	w := f.v[(j+1)*f.nx+i:]
	a := float64(v[0]) + (float64(v[1])-float64(v[0]))*tx
	b := float64(w[0]) + (float64(w[1])-float64(w[0]))*tx
	return a + (b-a)*ty
}

// normal returns the angle in which the field grows fastest: outwards.
func (f *field) normal(x, y float64) float64 {
	h := f.step
	return math.Atan2(f.at(x, y+h)-f.at(x, y-h), f.at(x+h, y)-f.at(x-h, y))
}

// Point is a place on the slide.
type Point struct{ X, Y float64 }

// rings returns the closed outlines of {field < iso} by marching squares, outer
// ones and holes wound in opposite senses. Saddles keep their corners apart.
func (f *field) rings(iso float64) [][]Point {
	next := make([]int32, 2*len(f.v)) // edge → next edge + 1; edges: 2n runs across from node n, 2n+1 down
	var starts []int32
	in := func(i, j int) bool { return float64(f.v[j*f.nx+i]) < iso }
	for j := range f.ny - 1 {
		for i := range f.nx - 1 {
			c := [4]bool{in(i, j), in(i+1, j), in(i+1, j+1), in(i, j+1)} // clockwise
			n := int32(j*f.nx + i)
			edge := [4]int32{2 * n, 2*(n+1) + 1, 2 * (n + int32(f.nx)), 2*n + 1}
			for k := range 4 {
				if !c[k] || c[(k+1)&3] {
					continue
				}
				m := (k + 1) & 3 // leave inside at edge k; come back at the next edge that enters
				for c[m] || !c[(m+1)&3] {
					m = (m + 1) & 3
				}
				next[edge[k]] = edge[m] + 1
				starts = append(starts, edge[k])
			}
		}
	}
	var out [][]Point
	for _, e := range starts {
		var ring []Point
		for next[e] != 0 {
			ring = append(ring, f.cross(e, iso))
			e, next[e] = next[e]-1, 0
		}
		if len(ring) > 2 {
			out = append(out, ring)
		}
	}
	return out
}

// cross returns where the outline crosses an edge.
func (f *field) cross(e int32, iso float64) Point {
	n := int(e / 2)
	m := n + 1
	if e&1 == 1 {
		m = n + f.nx
	}
	a, b := math.Min(float64(f.v[n]), 1e3), math.Min(float64(f.v[m]), 1e3)
	t := clamp((iso-a)/(b-a), 0, 1)
	x, y := float64(f.i0+n%f.nx), float64(f.j0+n/f.nx)
	if e&1 == 1 {
		return Point{x * f.step, (y + t) * f.step}
	}
	return Point{(x + t) * f.step, y * f.step}
}

// area returns the signed area of a ring: one sign for outer rings, the other for holes.
func area(ring []Point) float64 {
	var sum float64
	for i, p := range ring {
		q := ring[(i+1)%len(ring)]
		sum += p.X*q.Y - q.X*p.Y
	}
	return sum / 2
}
