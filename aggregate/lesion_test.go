package aggregate_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/aggregate"
	"bcc/wsi"
)

// lax finds every cell above ½ after a vote among patches of 0 and 1 only.
var lax = aggregate.Config{Threshold: 0.5, Abstain: [2]float64{0.5, 0.5}, LesionThreshold: 0.4}

func TestItFindsLesionsLargeEnough(t *testing.T) {
	t.Parallel()
	g, probs := draw(
		"00000000000",
		"09900000000",
		"09900009000", // a lone patch is outvoted
		"00000000000",
		"00000000999",
		"00000000999",
		"00000000999",
	)
	cfg := aggregate.DefaultConfig()
	a := answer(t, g, probs, cfg)
	if len(a.Lesions) != 2 {
		t.Fatalf("%d lesions, want 2:\n%s", len(a.Lesions), picture(g, a.Lesions))
	}
	first, second := a.Lesions[0], a.Lesions[1]
	if want := (wsi.Rect{X: 1600, Y: 800, W: 600, H: 600}); first.Bounds != want || first.Cells != 9 || first.Score != 1 {
		t.Errorf("first lesion %v with %d cells and score %v, want %v with 9 and 1", first.Bounds, first.Cells, first.Score, want)
	}
	if want := (wsi.Rect{X: 200, Y: 200, W: 400, H: 400}); second.Bounds != want || math.Abs(second.AreaMM2-0.04) > 1e-12 {
		t.Errorf("second lesion %v of %v mm², want %v of 0.04", second.Bounds, second.AreaMM2, want)
	}
	if first.Peak.Intersect(first.Bounds) != first.Peak {
		t.Errorf("peak %v lies outside %v", first.Peak, first.Bounds)
	}
	cfg.MinLesionMM2 = 0.05
	if n := len(answer(t, g, probs, cfg).Lesions); n != 1 {
		t.Errorf("%d lesions of 0.05 mm², want 1", n)
	}
}

func TestItOrdersEqualLesionsByPosition(t *testing.T) {
	t.Parallel()
	g, probs := draw("99.99", ".....", "99.99")
	var got []wsi.Rect
	for _, l := range answer(t, g, probs, lax).Lesions {
		got = append(got, wsi.Rect{X: l.Bounds.X, Y: l.Bounds.Y})
	}
	if diff := cmp.Diff([]wsi.Rect{{}, {X: 600}, {Y: 400}, {X: 600, Y: 400}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestItOutlinesARectangleWithItsFourCorners(t *testing.T) {
	t.Parallel()
	g, probs := draw("999", "999")
	l := answer(t, g, probs, lax).Lesions[0]
	want := []aggregate.Polygon{{{{600, 0}, {600, 400}, {0, 400}, {0, 0}, {600, 0}}}}
	if diff := cmp.Diff(want, l.Outline); diff != "" {
		t.Error(diff)
	}
}

func TestItOutlinesHolesAndTouchingCorners(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows  []string
		rings []int // of each polygon
	}{
		"a hole":                        {[]string{"999", "9.9", "999"}, []int{2}},
		"two cells across":              {[]string{"9.", ".9"}, []int{1, 1}},
		"two cells across, other way":   {[]string{".9", "9."}, []int{1, 1}},
		"holes that touch":              {[]string{"9999", "9.99", "99.9", "9999"}, []int{3}},
		"a hole that touches the rim":   {[]string{"99.", "9.9", "999"}, []int{2}},
		"the rim, other way":            {[]string{".99", "9.9", "999"}, []int{2}},
		"an island in a hole, touching": {[]string{"99999", "9...9", "9.9.9", "9..99", "99999"}, []int{2, 1}},
		"a chessboard":                  {[]string{"9.9", ".9.", "9.9"}, []int{1, 1, 1, 1, 1}},
	} {
		g, probs := draw(c.rows...)
		a := answer(t, g, probs, lax)
		if got, want := picture(g, a.Lesions), strings.ReplaceAll(strings.Join(c.rows, "\n"), "9", "#")+"\n"; got != want {
			t.Errorf("%s: the outline encloses\n%swant\n%s", name, got, want)
		}
		if len(a.Lesions) != 1 {
			t.Errorf("%s: %d lesions, want 1", name, len(a.Lesions))
			continue
		}
		var rings []int
		for _, p := range a.Lesions[0].Outline {
			rings = append(rings, len(p))
		}
		if diff := cmp.Diff(c.rings, rings); diff != "" {
			t.Errorf("%s: rings of the polygons: %s", name, diff)
		}
		for _, p := range a.Lesions[0].Outline {
			checkRings(t, p)
		}
	}
}

// On random slides the outlines enclose the cells that were counted, no more and
// no less, and keep GeoJSON's rules.
func TestItOutlinesExactlyTheCellsItCounts(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 200 {
		g, probs := random(rng, 1+n%4)
		cfg := lax
		cfg.LesionThreshold = 0.45 + 0.1*rng.Float64()
		for _, l := range answer(t, g, probs, cfg).Lesions {
			var px float64
			for _, p := range l.Outline {
				checkRings(t, p)
				px += p.Area()
			}
			if got := g.MPP.AreaMM2(px); math.Abs(got-l.AreaMM2) > 1e-9 {
				t.Fatalf("slide %d: outline of %v mm² around a lesion of %v", n, got, l.AreaMM2)
			}
		}
	}
}

// checkRings: closed, rectilinear, corners only, no point twice, the outer ring
// counter-clockwise and the holes clockwise.
func checkRings(t *testing.T, p aggregate.Polygon) {
	t.Helper()
	for i, r := range p {
		if len(r) < 5 || r[0] != r[len(r)-1] {
			t.Fatalf("ring %v is not closed", r)
		}
		seen := map[aggregate.Point]bool{}
		for k := 1; k < len(r); k++ {
			a, b := r[k-1], r[k]
			next := r[1]
			if k+1 < len(r) {
				next = r[k+1]
			}
			if (a.X == b.X) == (a.Y == b.Y) || (a.X == b.X) == (b.X == next.X) {
				t.Fatalf("ring %v: %v, %v, %v make no corner", r, a, b, next)
			}
			if seen[b] {
				t.Fatalf("ring %v passes %v twice", r, b)
			}
			seen[b] = true
		}
		if area := (aggregate.Polygon{r}).Area(); (area > 0) != (i == 0) {
			t.Fatalf("ring %d has the area %v", i, area)
		}
	}
}
