package model

import (
	"encoding/json"
	"errors"
	"fmt"

	"bcc/fault"
)

// formatVersion is the version of card.json that this program writes and reads.
const formatVersion = 1

// ParseCard reads card.json, fills in what it may leave out and checks it. Fields
// that it does not know are passed over: cards from elsewhere have more. All that
// is wrong is reported at once, field by field, as fault.Invalid; bytes that are
// no JSON object are fault.Corrupt.
func ParseCard(data []byte) (*Card, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		if err == nil {
			err = errors.New("null")
		}
		return nil, fault.New(fault.Corrupt, "read card: not a JSON object: %w", err)
	}
	c := &Card{}
	var problems []error
	for _, f := range []struct {
		name string
		dst  any
	}{
		{"num_classes", &c.NumClasses}, {"class_names", &c.ClassNames}, {"patch_size_pixels", &c.PatchSizePixels},
		{"spacing_um_px", &c.SpacingUMPx}, {"transform", &c.Transform},
		{"format_version", &c.FormatVersion}, {"name", &c.Name}, {"version", &c.Version}, {"kind", &c.Kind}, {"files", &c.Files}, {"default_file", &c.DefaultFile},
		{"input", &c.Input}, {"output", &c.Output}, {"embedding", &c.Embedding}, {"positive_class", &c.PositiveClass},
		{"intended_use", &c.IntendedUse}, {"description", &c.Description}, {"licence", &c.Licence},
		{"training", &c.Training}, {"metrics", &c.Metrics},
		{"calibration", &c.Calibration}, {"operating_point", &c.OperatingPoint},
		{"lesion_threshold", &c.LesionThreshold}, {"abstain", &c.Abstain}, {"known_failures", &c.KnownFailures},
		{"quantization", &c.Quantization},
	} {
		raw, ok := fields[f.name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, f.dst); err != nil {
			problems = append(problems, fault.New(fault.Invalid, "card: %s: %w", f.name, typeError(err)))
		}
	}
	c.setDefaults()
	if len(problems) == 0 { // a field of the wrong type would be called empty as well
		problems = c.problems()
	}
	if err := join(problems); err != nil {
		return nil, err
	}
	return c, nil
}

// typeError says in the file's words what the decoder says in Go's.
func typeError(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return err
	}
	where := ""
	if t.Field != "" {
		where = t.Field + ": "
	}
	return fmt.Errorf("%s%s does not fit (%s)", where, t.Value, t.Type)
}

func (c *Card) setDefaults() {
	set := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	if c.FormatVersion == 0 {
		c.FormatVersion = formatVersion
	}
	if c.Kind == "" {
		c.Kind = PatchClassifier
	}
	set(&c.Version, "0")
	set(&c.Input.Layout, NCHW)
	set(&c.Output.Type, Probabilities)
	set(&c.IntendedUse, "not for diagnostic use")
}
