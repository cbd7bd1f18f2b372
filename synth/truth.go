package synth

import (
	"encoding/json"
	"math"

	"bcc/wsi"
)

// Lesion is one region of carcinoma: nests that lie close together.
type Lesion struct {
	Growth  Growth
	AreaUM2 float64   // of the nests alone, without the stroma between them
	Rings   [][]Point // outlines, micrometres; positive area: outer, negative: hole

	box box
}

// Truth is what is known about a slide.
type Truth struct {
	FormatVersion int           `json:"format_version"`
	Generator     int           `json:"generator_version"`
	Seed          uint64        `json:"seed"`
	Label         int           `json:"label"` // 1: BCC
	Growth        Growth        `json:"growth,omitempty"`
	Variant       Variant       `json:"variant"`
	WidthPx       int           `json:"width_px"`
	HeightPx      int           `json:"height_px"`
	MPP           float64       `json:"mpp_um"`
	AreaMM2       float64       `json:"bcc_area_mm2"`
	Lesions       []TruthLesion `json:"lesions"`
	Classes       []string      `json:"mask_classes"` // by pixel value of the mask
}

// TruthLesion is one lesion; Rings are level-0 pixels.
type TruthLesion struct {
	AreaMM2  float64   `json:"area_mm2"`
	BoundsPx [4]int    `json:"bounds_px"` // x, y, width, height
	Rings    [][]Point `json:"-"`
}

// Truth returns the slide's truth.
func (s *Scene) Truth() *Truth {
	t := &Truth{
		FormatVersion: 1, Generator: Version, Seed: s.cfg.Seed, Growth: s.growth, Variant: s.cfg.Variant,
		WidthPx: s.cfg.Size.W, HeightPx: s.cfg.Size.H, MPP: s.cfg.MPP, Lesions: []TruthLesion{},
		Classes: []string{"background", "tissue", "bcc", "mimic", "epidermis", "fat"},
	}
	if s.cfg.BCC {
		t.Label = 1
	}
	for _, l := range s.lesions {
		m := s.cfg.MPP
		x0, y0 := int(math.Floor(l.box.x0/m)), int(math.Floor(l.box.y0/m))
		tl := TruthLesion{
			AreaMM2:  round(l.AreaUM2/1e6, 6),
			BoundsPx: [4]int{x0, y0, int(math.Ceil(l.box.x1/m)) - x0, int(math.Ceil(l.box.y1/m)) - y0},
		}
		for _, ring := range l.Rings {
			r := make([]Point, len(ring))
			for i, p := range ring {
				r[i] = Point{round(p.X/m, 1), round(p.Y/m, 1)}
			}
			tl.Rings = append(tl.Rings, r)
		}
		t.Lesions = append(t.Lesions, tl)
		t.AreaMM2 += tl.AreaMM2
	}
	t.AreaMM2 = round(t.AreaMM2, 6)
	return t
}

func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}

// JSON returns the truth as a JSON document.
func (t *Truth) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", " ")
	return append(b, '\n'), err
}

type geoFeature struct {
	Type       string         `json:"type"`
	ID         int            `json:"id"`
	Geometry   geoGeometry    `json:"geometry"`
	Properties map[string]any `json:"properties"`
}

type geoGeometry struct {
	Type        string           `json:"type"`
	Coordinates [][][][2]float64 `json:"coordinates"`
}

// GeoJSON returns the lesions as a feature collection that QuPath opens: one
// MultiPolygon a lesion, level-0 pixels, holes with the outline they lie in.
func (t *Truth) GeoJSON() ([]byte, error) {
	features := []geoFeature{}
	for i, l := range t.Lesions {
		features = append(features, geoFeature{
			Type: "Feature", ID: i + 1,
			Geometry: geoGeometry{Type: "MultiPolygon", Coordinates: polygons(l.Rings)},
			Properties: map[string]any{"objectType": "annotation", "name": "BCC",
				"classification": map[string]any{"name": "BCC", "color": [3]int{200, 0, 0}},
				"measurements":   map[string]float64{"area_mm2": l.AreaMM2}},
		})
	}
	b, err := json.Marshal(map[string]any{"type": "FeatureCollection", "features": features})
	return append(b, '\n'), err
}

// polygons gathers rings into polygons: an outer ring and the holes inside it.
func polygons(rings [][]Point) [][][][2]float64 {
	var outer, out = [][]Point{}, [][][][2]float64{}
	for _, r := range rings {
		if area(r) > 0 {
			outer = append(outer, r)
			out = append(out, [][][2]float64{closed(r)})
		}
	}
	for _, r := range rings {
		if area(r) > 0 {
			continue
		}
		best, size := -1, math.Inf(1) // the smallest outline around it
		for i, o := range outer {
			if a := area(o); a < size && within(o, r[0]) {
				best, size = i, a
			}
		}
		if best >= 0 {
			out[best] = append(out[best], closed(r))
		}
	}
	return out
}

func closed(ring []Point) [][2]float64 {
	out := make([][2]float64, 0, len(ring)+1)
	for _, p := range ring {
		out = append(out, [2]float64{p.X, p.Y})
	}
	return append(out, out[0])
}

// within reports whether p lies in the ring (even-odd rule).
func within(ring []Point, p Point) bool {
	in := false
	for i, a := range ring {
		b := ring[(i+1)%len(ring)]
		if (a.Y > p.Y) != (b.Y > p.Y) && p.X < a.X+(p.Y-a.Y)*(b.X-a.X)/(b.Y-a.Y) {
			in = !in
		}
	}
	return in
}

// mpp returns the scene's scale as the rest of the house says it.
func (s *Scene) mpp() wsi.MPP { return wsi.MPP{X: s.cfg.MPP, Y: s.cfg.MPP} }
