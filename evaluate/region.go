package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"bcc/fault"
	"bcc/wsi"
)

// Region is one lesion: the rings of all its polygons in level-0 pixels, holes
// among them. A point is inside where a ray from it crosses an odd number of edges.
type Region struct {
	Score float64 // of a found lesion, from its measurement "Score"; 0 for a true one
	Rings [][][2]float64
}

// maxGeoJSON bounds what ReadRegions takes in.
const maxGeoJSON = 256 << 20

// ReadRegions reads the polygons of a GeoJSON feature collection: lesions.geojson
// as written by package report, the truth of a synthetic slide, or what a
// pathologist drew in QuPath.
func ReadRegions(r io.Reader) ([]Region, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxGeoJSON+1))
	if err != nil {
		return nil, fmt.Errorf("read regions: %w", err)
	}
	if len(b) > maxGeoJSON {
		return nil, fault.New(fault.Invalid, "read regions: more than %d bytes", maxGeoJSON)
	}
	var c struct {
		Type     string `json:"type"`
		Features []struct {
			Geometry struct {
				Type        string          `json:"type"`
				Coordinates json.RawMessage `json:"coordinates"`
			} `json:"geometry"`
			Properties struct {
				Measurements map[string]any `json:"measurements"`
			} `json:"properties"`
		} `json:"features"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fault.New(fault.Corrupt, "read regions: %w", err)
	}
	if c.Type != "FeatureCollection" {
		return nil, fault.New(fault.Corrupt, "read regions: a %q, want a FeatureCollection", c.Type)
	}
	regions := make([]Region, len(c.Features))
	for i, f := range c.Features {
		var polygons [][][][2]float64
		switch f.Geometry.Type {
		case "Polygon":
			polygons = make([][][][2]float64, 1)
			err = json.Unmarshal(f.Geometry.Coordinates, &polygons[0])
		case "MultiPolygon":
			err = json.Unmarshal(f.Geometry.Coordinates, &polygons)
		default:
			err = fmt.Errorf("a %q is no region", f.Geometry.Type)
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "read regions: feature %d: %w", i, err)
		}
		regions[i].Rings = slices.Concat(polygons...)
		regions[i].Score, _ = f.Properties.Measurements["Score"].(float64)
	}
	return regions, nil
}

// Label is a raster of regions: 0 outside, otherwise the region's place in its
// list, from 1; where regions overlap the last one.
type Label struct {
	wsi.Size
	ID []int32
}

// maxRaster bounds a raster's memory: 4 bytes a pixel.
const maxRaster = 1 << 28

// Raster draws the regions of a slide on a raster whose pixel is down level-0
// pixels wide. A raster pixel is inside where its centre is.
func Raster(regions []Region, slide wsi.Size, down float64) (*Label, error) {
	w, h := math.Ceil(float64(slide.W)/down), math.Ceil(float64(slide.H)/down)
	if !(w >= 1 && h >= 1 && w*h <= maxRaster) {
		return nil, fault.New(fault.Invalid, "raster of a slide of %v at %v pixels a pixel", slide, down)
	}
	l := &Label{wsi.Size{W: int(w), H: int(h)}, make([]int32, int(w)*int(h))}
	for i, r := range regions {
		l.fill(r.Rings, down, int32(i+1))
	}
	return l, nil
}

// fill paints one region row by row between the crossings of its edges.
func (l *Label) fill(rings [][][2]float64, down float64, id int32) {
	rows := map[int][]float64{} // crossings of each row's centre line, raster pixels
	for _, ring := range rings {
		for i := range ring {
			a, b := ring[i], ring[(i+1)%len(ring)] // a closed ring's last edge has no length
			if a[1] > b[1] {
				a, b = b, a
			}
			// Rows whose centre y+½ lies in [a, b): no corner is counted twice.
			from := max(int(math.Ceil(clampRaster(a[1]/down-0.5))), 0)
			to := min(int(math.Ceil(clampRaster(b[1]/down-0.5))), l.H)
			for y := from; y < to; y++ {
				t := ((float64(y)+0.5)*down - a[1]) / (b[1] - a[1])
				rows[y] = append(rows[y], (a[0]+t*(b[0]-a[0]))/down)
			}
		}
	}
	for y, xs := range rows {
		slices.Sort(xs)
		for i := 0; i+1 < len(xs); i += 2 {
			from := max(int(math.Ceil(clampRaster(xs[i]-0.5))), 0)
			to := min(int(math.Ceil(clampRaster(xs[i+1]-0.5))), l.W)
			for x := from; x < to; x++ {
				l.ID[y*l.W+x] = id
			}
		}
	}
}

// clampRaster keeps far-away coordinates within what int holds.
func clampRaster(v float64) float64 { return min(max(v, -1), maxRaster) }
