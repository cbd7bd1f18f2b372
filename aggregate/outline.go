package aggregate

// Point is a corner in level-0 pixels.
type Point struct{ X, Y int }

// Ring is closed (its last point is its first), rectilinear along cell edges, has
// no three points on a line and visits no point twice.
type Ring []Point

// Polygon is one outer ring and then its holes. By the shoelace formula on the
// pixel coordinates, as GeoJSON readers compute it, the outer ring runs
// counter-clockwise (positive area) and holes clockwise. A hole may touch another
// ring in single points, as the simple-features standard allows.
type Polygon []Ring

// Area returns the area enclosed, in square pixels: the outer ring less its holes.
func (p Polygon) Area() float64 {
	var twice int64
	for _, r := range p {
		twice += r.twiceArea()
	}
	return float64(twice) / 2
}

func (r Ring) twiceArea() int64 {
	var sum int64
	for i := 1; i < len(r); i++ {
		a, b := r[i-1], r[i]
		sum += int64(a.X)*int64(b.Y) - int64(b.X)*int64(a.Y)
	}
	return sum
}

// outline traces the region (cells in grid order). Each part connected by sides
// becomes a polygon of its own, so that parts that touch at a corner do not make
// a ring that touches itself.
func outline(h *Heatmap, region []int32) []Polygon {
	x0, y0, x1, y1 := h.Cols, h.Rows, 0, 0
	for _, i := range region {
		x, y := int(i)%h.Cols, int(i)/h.Cols
		x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
	}
	// The region's own small board with a border of empty cells; 0 is outside.
	t := &tracer{cols: x1 - x0 + 3, part: make([]int32, (x1-x0+3)*(y1-y0+3))}
	for _, i := range region {
		t.part[(int(i)/h.Cols-y0+1)*t.cols+int(i)%h.Cols-x0+1] = -1
	}
	n := t.label()
	t.walked = make([]bool, len(t.part))

	polygons := make([]Polygon, n)
	for i, part := range t.part {
		// A cell with nothing of its part above has a top edge; rings start there.
		// The first of a part in grid order lies on its outer ring.
		if part > 0 && t.part[i-t.cols] != part && !t.walked[i] {
			ring := t.ring(i, func(x, y int) Point { return corner(h, x+x0-1, y+y0-1) })
			polygons[part-1] = append(polygons[part-1], ring)
		}
	}
	return polygons
}

// corner returns the top left corner of cell (col, row), which may be one beyond
// the last, cut off at the slide's edge.
func corner(h *Heatmap, col, row int) Point {
	r := h.grid.CellRect(col, row)
	return Point{min(r.X, h.grid.Slide.W), min(r.Y, h.grid.Slide.H)}
}

type tracer struct {
	cols   int
	part   []int32 // which part a cell belongs to, from 1; 0 outside, -1 not yet known
	walked []bool  // the cell's top edge is in a ring
}

// label numbers the parts connected by sides and returns how many there are.
func (t *tracer) label() int {
	n := int32(0)
	var queue []int
	for i := range t.part {
		if t.part[i] >= 0 {
			continue
		}
		n++
		t.part[i] = n
		queue = append(queue[:0], i)
		for len(queue) > 0 {
			at := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, j := range [4]int{at - t.cols, at - 1, at + 1, at + t.cols} {
				if t.part[j] < 0 {
					t.part[j] = n
					queue = append(queue, j)
				}
			}
		}
	}
	return int(n)
}

// ring walks along the edges with the part on the right hand on the screen, which
// is counter-clockwise by the shoelace formula as y points down, from the top
// edge of cell start until it is back.
//
// At a corner where only the two cells across belong to the part, it turns left,
// around the empty cell. Both cells are connected by sides elsewhere, so that way
// encloses one of the two empty cells: the walk around that one is another ring,
// and no ring passes the corner twice.
func (t *tracer) ring(start int, at func(x, y int) Point) Ring {
	const (
		east = iota
		south
		west
		north
	)
	part := t.part[start]
	in := func(x, y int) bool { return t.part[y*t.cols+x] == part }
	sx, sy := start%t.cols, start/t.cols
	x, y, dir := sx, sy, east // standing on a corner, named by the cell to its lower right
	var ring Ring
	for {
		if dir == east {
			t.walked[y*t.cols+x] = true
		}
		var left, right bool // the two cells ahead of the next corner
		switch dir {
		case east:
			x++
			left, right = in(x, y-1), in(x, y)
		case south:
			y++
			left, right = in(x, y), in(x-1, y)
		case west:
			x--
			left, right = in(x-1, y), in(x-1, y-1)
		case north:
			y--
			left, right = in(x-1, y-1), in(x, y-1)
		}
		turn := dir
		switch {
		case left:
			turn = (dir + 3) % 4
		case !right:
			turn = (dir + 1) % 4
		}
		if turn != dir {
			ring = append(ring, at(x, y))
		}
		dir = turn
		if x == sx && y == sy && dir == east {
			return append(ring, ring[0])
		}
	}
}
