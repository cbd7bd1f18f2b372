package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"bcc/aggregate"
	"bcc/fault"
)

// maxResultBytes bounds what Load reads; 100,000 lesions take about 10 MB.
const maxResultBytes = 64 << 20

// Complete reports whether dir holds every file of a set, each a regular file. It
// reads none of them.
func Complete(dir string) bool {
	for _, name := range setFiles {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Load reads dir's result.json. Its presence means that the whole set was
// written; whether somebody took files away since is for Complete. NotFound: there is none. Corrupt: it is not one. Unsupported: another
// version of the program wrote it.
func Load(dir string) (Result, error) {
	name := filepath.Join(dir, ResultFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{}, fault.New(fault.NotFound, "load result: %w", err)
	}
	if err != nil {
		return Result{}, fmt.Errorf("load result: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxResultBytes+1))
	if err != nil {
		return Result{}, fmt.Errorf("load result %s: %w", name, err)
	}
	r, err := parse(b)
	if err != nil {
		return Result{}, fmt.Errorf("load result %s: %w", name, err)
	}
	return r, nil
}

func parse(b []byte) (Result, error) {
	var r Result
	if len(b) > maxResultBytes {
		return r, fault.New(fault.Corrupt, "larger than %d bytes", maxResultBytes)
	}
	var version struct {
		FormatVersion *int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return r, fault.New(fault.Corrupt, "%w", err)
	}
	if version.FormatVersion == nil {
		return r, fault.New(fault.Corrupt, "no format_version")
	}
	if v := *version.FormatVersion; v != FormatVersion {
		return r, fault.New(fault.Unsupported, "format version %d, this program reads %d", v, FormatVersion)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return Result{}, fault.New(fault.Corrupt, "%w", err)
	}
	if err := r.validate(); err != nil {
		return Result{}, err
	}
	return r, nil
}

// validate refuses what no run of this program can have given.
func (r Result) validate() error {
	var errs []error
	switch r.Prediction {
	case aggregate.BCC, aggregate.NonMalignant, aggregate.Indeterminate:
	default:
		errs = append(errs, fmt.Errorf("prediction %q", r.Prediction))
	}
	unit := func(name string, v float64) {
		if !(v >= 0 && v <= 1) {
			errs = append(errs, fmt.Errorf("%s %v", name, v))
		}
	}
	unit("score", r.Score)
	unit("confidence", r.Confidence)
	unit("threshold", r.Parameters.Threshold)
	area := func(name string, v float64) {
		if !(v >= 0) || math.IsInf(v, 0) {
			errs = append(errs, fmt.Errorf("%s %v mm²", name, v))
		}
	}
	area("tissue area", r.Tissue.AreaMM2)
	for i, l := range r.Lesions {
		unit(fmt.Sprintf("score of lesion %d", i), l.Score)
		area(fmt.Sprintf("area of lesion %d", i), l.AreaMM2)
	}
	if len(errs) > 0 {
		return fault.New(fault.Corrupt, "result: %w", errors.Join(errs...))
	}
	return nil
}

// Canonical returns r as result.json holds it: the version and the notice of this
// program, numbers rounded (probabilities and areas to four decimals), lists never
// nil. Whoever shows a result elsewhere shows this one.
func (r Result) Canonical() Result {
	r.FormatVersion, r.Notice = FormatVersion, Notice
	r.Slide.MPPUM, r.Model.MPPUM = roundTo(r.Slide.MPPUM, 6), roundTo(r.Model.MPPUM, 6)
	r.Score, r.Confidence = roundTo(r.Score, 4), roundTo(r.Confidence, 4)
	r.Tissue.AreaMM2 = roundTo(r.Tissue.AreaMM2, 4)
	lesions := make([]Lesion, len(r.Lesions))
	for i, l := range r.Lesions {
		lesions[i] = Lesion{roundTo(l.AreaMM2, 4), roundTo(l.Score, 4), l.BoundsPx}
	}
	r.Lesions = lesions
	r.Degraded = append([]string{}, r.Degraded...)
	return r
}

// encode returns the bytes of result.json: keys in the order of the types.
func (r Result) encode() ([]byte, error) {
	r = r.Canonical()
	if err := r.validate(); err != nil {
		return nil, err
	}
	return indented(r)
}

// indented is the form of every JSON file we write: two spaces, a last line end,
// and <, > and & as they are.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b.Bytes(), nil
}

func roundTo(v float64, decimals int) float64 {
	s := math.Pow10(decimals)
	if math.Abs(v) > 1<<53/s {
		return v // has no such decimals, and v*s may overflow
	}
	return math.Round(v*s) / s
}
