package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"bcc/fault"
)

// ReferenceFile lies beside the card, where somebody made one. The card does not name
// it and Digest does not cover it: no result depends on it, and results that there are
// stay found when a site measures its own.
const ReferenceFile = "reference.json"

const (
	// ReferenceBins is into how many bins of equal width slide scores are sorted.
	ReferenceBins = 10
	// MinReference is the fewest slides that say anything about others.
	MinReference = 20

	maxReferenceBytes = 64 << 10
)

// Reference is how slides scored and how they were stained where a model was measured,
// or where it works: what drift is a distance from.
type Reference struct {
	FormatVersion int    `json:"format_version"`
	Model         string `json:"model"` // Bundle.Digest of what scored them
	Set           string `json:"set"`   // what slides these are, in words
	Slides        int    `json:"slides"`
	Scores        []int  `json:"scores"` // slides by score, ReferenceBins bins from 0 to 1
	Stain         Stain  `json:"stain"`
}

// Stain is the mean over slides, and the standard deviation between them, of a slide's
// mean optical density in its tissue: red, green, blue.
type Stain struct {
	Mean      [3]float64 `json:"mean_od"`
	Deviation [3]float64 `json:"deviation_od"`
}

// ScoreBin returns the bin of a slide score; what is none counts to the nearest.
func ScoreBin(score float64) int {
	if !(score > 0) {
		return 0
	}
	return int(min(score*ReferenceBins, ReferenceBins-1))
}

// NewReference returns the reference of slides with those scores and densities, one of
// each a slide.
func NewReference(bundle *Bundle, set string, scores []float64, stains [][3]float64) (*Reference, error) {
	r := &Reference{FormatVersion: 1, Model: bundle.Digest, Set: set, Slides: len(scores), Scores: make([]int, ReferenceBins)}
	if len(stains) != len(scores) {
		return nil, fault.New(fault.Internal, "reference: %d scores and %d stains", len(scores), len(stains))
	}
	for _, s := range scores {
		r.Scores[ScoreBin(s)]++
	}
	for c := range 3 {
		var sum, squares float64
		for _, s := range stains {
			sum += s[c]
		}
		mean := sum / float64(len(stains))
		for _, s := range stains {
			squares += (s[c] - mean) * (s[c] - mean)
		}
		r.Stain.Mean[c], r.Stain.Deviation[c] = mean, math.Sqrt(squares/float64(max(len(stains)-1, 1)))
	}
	return r, r.validate(bundle.Digest)
}

// Reference returns the bundle's reference, nil where it has none. Corrupt: it cannot
// be read; Invalid: it makes no sense, or is another model's.
func (b *Bundle) Reference() (*Reference, error) {
	data, err := readFile(b.fsys, ReferenceFile, maxReferenceBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	r := &Reference{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fault.New(fault.Corrupt, "model %s: %s: %w", b.Card.Name, ReferenceFile, err)
	}
	if err := r.validate(b.Digest); err != nil {
		return nil, fmt.Errorf("model %s: %s: %w", b.Card.Name, ReferenceFile, err)
	}
	return r, nil
}

func (r *Reference) validate(digest string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if r.FormatVersion != 1 {
		bad("format version %d: this program reads 1", r.FormatVersion)
	}
	if r.Model != digest {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "it is of the model %.12s, this is %.12s", r.Model, digest), "measure it anew: bcc model reference"))
	}
	sum := 0
	for _, n := range r.Scores {
		if n < 0 {
			bad("scores: %d slides in a bin", n)
		}
		sum += n
	}
	if len(r.Scores) != ReferenceBins || sum != r.Slides {
		bad("scores: %d slides in %d bins, want %d in %d", sum, len(r.Scores), r.Slides, ReferenceBins)
	}
	if r.Slides < MinReference {
		bad("%d slides: want %d or more", r.Slides, MinReference)
	}
	for c := range 3 {
		if m, d := r.Stain.Mean[c], r.Stain.Deviation[c]; !(m >= 0 && m < 4 && d >= 0 && d < 4) {
			bad("stain: density %v with a deviation of %v: want 0 to 4", m, d)
		}
	}
	return join(errs)
}

// Encode returns the reference as it stands in its file.
func (r *Reference) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Internal, "write reference: %w", err)
	}
	return append(data, '\n'), nil
}
