package evaluate

import (
	"cmp"
	"slices"

	"bcc/fault"
)

// Overlap compares found and true lesions in pixels of a raster. Several slides
// add up: see Add.
type Overlap struct{ Found, True, Both int64 }

// Compare counts pixels of two rasters of one slide.
func Compare(found, truth *Label) (Overlap, error) {
	var o Overlap
	if found.Size != truth.Size {
		return o, fault.New(fault.Invalid, "compare a raster of %v with one of %v", found.Size, truth.Size)
	}
	for i, f := range found.ID {
		t := truth.ID[i]
		if f != 0 {
			o.Found++
		}
		if t != 0 {
			o.True++
		}
		if f != 0 && t != 0 {
			o.Both++
		}
	}
	return o, nil
}

// Add returns the counts of both.
func (o Overlap) Add(p Overlap) Overlap {
	return Overlap{o.Found + p.Found, o.True + p.True, o.Both + p.Both}
}

// Dice is twice what both have over the sum of each; NaN where neither has any.
func (o Overlap) Dice() float64 { return 2 * float64(o.Both) / float64(o.Found+o.True) }

// IoU is what both have over what either has; NaN where neither has any.
func (o Overlap) IoU() float64 { return float64(o.Both) / float64(o.Found+o.True-o.Both) }

// Precision is the share of the found area that is true; NaN where none was found.
func (o Overlap) Precision() float64 { return float64(o.Both) / float64(o.Found) }

// Recall is the share of the true area that was found; NaN where there is none.
func (o Overlap) Recall() float64 { return float64(o.Both) / float64(o.True) }

// Hit is one found lesion: its score and the true lesions of its slide that it
// touches, by their places, from 1.
type Hit struct {
	Score float64
	True  []int32
}

// SlideHits is what was found on one slide, and how many true lesions it has.
type SlideHits struct {
	Hits []Hit
	True int
}

// Hits matches the regions of one slide, drawn on rasters of one size: a found
// lesion hits every true one that it shares a pixel with.
func Hits(regions []Region, found, truth *Label, trueLesions int) (SlideHits, error) {
	s := SlideHits{True: trueLesions, Hits: make([]Hit, len(regions))}
	if found.Size != truth.Size {
		return s, fault.New(fault.Invalid, "match a raster of %v with one of %v", found.Size, truth.Size)
	}
	for i, r := range regions {
		s.Hits[i].Score = r.Score
	}
	for i, f := range found.ID {
		t := truth.ID[i]
		if f == 0 || t == 0 {
			continue
		}
		if int(f) > len(regions) || int(t) > trueLesions {
			return s, fault.New(fault.Invalid, "raster pixel of lesion %d of %d found, %d of %d true", f, len(regions), t, trueLesions)
		}
		if h := &s.Hits[f-1]; !slices.Contains(h.True, t) {
			h.True = append(h.True, t)
		}
	}
	return s, nil
}

// FROCPoint is one point of the free-response curve: at the threshold, the share
// of true lesions that are hit, and how many found lesions a slide hit none.
type FROCPoint struct {
	Threshold     float64 `json:"threshold"`
	Sensitivity   float64 `json:"sensitivity"`
	FalsePerSlide float64 `json:"false_per_slide"`
}

// FROC returns the points of all slides, the highest threshold first.
func FROC(slides []SlideHits) ([]FROCPoint, error) {
	type mark struct {
		slide int
		hit   Hit
	}
	var marks []mark
	total := 0
	for i, s := range slides {
		total += s.True
		for _, h := range s.Hits {
			marks = append(marks, mark{i, h})
		}
	}
	if total == 0 {
		return nil, fault.New(fault.Invalid, "free-response curve without a true lesion")
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(b.hit.Score, a.hit.Score) })
	type lesion struct {
		slide int
		id    int32
	}
	hit := map[lesion]bool{}
	misses := 0
	var points []FROCPoint
	for i, m := range marks {
		for _, t := range m.hit.True {
			hit[lesion{m.slide, t}] = true
		}
		if len(m.hit.True) == 0 {
			misses++
		}
		if i+1 < len(marks) && marks[i+1].hit.Score == m.hit.Score {
			continue // equal scores come in together
		}
		points = append(points, FROCPoint{m.hit.Score, float64(len(hit)) / float64(total), float64(misses) / float64(len(slides))})
	}
	return points, nil
}
