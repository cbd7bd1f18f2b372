package model

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"bcc/fault"
)

// Bounds of what a card may say.
const (
	maxClasses   = 1 << 16 // the widest embeddings in use have a few thousand
	maxPatchPx   = 4096
	minSpacingUM = 0.01 // as wsi.MPP: what a microscope can give
	maxSpacingUM = 100
	maxNameBytes = 200

	// Temperatures beyond make every score 0.5, or 0 or 1.
	minTemperature, maxTemperature = 0.01, 100
)

// problems returns all that is wrong with the card, in the order of its fields.
func (c *Card) problems() []error {
	p := &problemList{}
	p.format(c)
	p.classes(c)
	p.geometry(c)
	p.transform(c)
	p.files(c)
	p.numbers(c)
	return p.all
}

type problemList struct{ all []error }

func (p *problemList) addf(field, format string, args ...any) {
	p.add(fault.Invalid, field, format, args...)
}

func (p *problemList) add(k fault.Kind, field, format string, args ...any) {
	p.all = append(p.all, fault.New(k, "card: %s: %w", field, fmt.Errorf(format, args...)))
}

// within adds a problem where v is outside [lo, hi] or not a number.
func (p *problemList) within(field string, v, lo, hi float64) {
	if !(v >= lo && v <= hi) {
		p.addf(field, "%v is outside %v to %v", v, lo, hi)
	}
}

func (p *problemList) oneOf(field, v string, want ...string) {
	if !slices.Contains(want, v) {
		p.addf(field, "%.40q is none of %s", v, strings.Join(want, ", "))
	}
}

func (p *problemList) format(c *Card) {
	if c.FormatVersion != formatVersion {
		p.add(fault.Unsupported, "format_version", "%d, this program reads %d", c.FormatVersion, formatVersion)
	}
	if c.Name == "" || len(c.Name) > maxNameBytes || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }) {
		p.addf("name", "%.40q is empty, longer than %d bytes or not one line", c.Name, maxNameBytes)
	}
	if len(c.Version) > maxNameBytes {
		p.addf("version", "longer than %d bytes", maxNameBytes)
	}
	p.oneOf("kind", string(c.Kind), string(PatchClassifier), string(Encoder), string(SlideHead))
	p.oneOf("input.layout", c.Input.Layout, NCHW, NHWC)
	p.oneOf("output.type", c.Output.Type, Probabilities, Logits, LogitSigmoid)
}

func (p *problemList) classes(c *Card) {
	if c.Kind == Encoder && len(c.ClassNames) == 0 { // num_classes is the embedding's width, if given
		p.within("num_classes", float64(c.NumClasses), 0, maxClasses)
		return
	}
	p.within("num_classes", float64(c.NumClasses), 1, maxClasses)
	if len(c.ClassNames) != c.NumClasses {
		p.addf("class_names", "%d names for %d classes", len(c.ClassNames), c.NumClasses)
	}
	seen := map[string]bool{}
	for _, name := range c.ClassNames {
		key := strings.ToLower(strings.TrimSpace(name))
		if key == "" || seen[key] {
			p.addf("class_names", "%.40q is empty or comes twice", name)
		}
		seen[key] = true
	}
	if c.Positive() < 0 {
		p.addf("positive_class", "%.40q is not among the classes, or none of them is known to be the positive one: name it", c.PositiveClass)
	}
}

func (p *problemList) geometry(c *Card) {
	p.within("patch_size_pixels", float64(c.PatchSizePixels), 1, maxPatchPx)
	p.within("spacing_um_px", c.SpacingUMPx, minSpacingUM, maxSpacingUM)
}

func (p *problemList) transform(c *Card) {
	order := []string{"Resize", "ToTensor", "Normalize"}
	last := -1
	for i, t := range c.Transform {
		field := fmt.Sprintf("transform[%d]", i)
		at := slices.Index(order, t.Name)
		if at < 0 {
			p.add(fault.Unsupported, field, "%.40q is none of %s", t.Name, strings.Join(order, ", "))
			continue
		}
		if at <= last {
			p.addf(field, "%s stands twice or after %s", t.Name, order[last])
		}
		last = max(last, at)
		args := t.Arguments
		if args == nil {
			args = &TransformArgs{}
		}
		switch t.Name {
		case "Resize":
			p.within(field+".arguments.size", float64(args.Size), 1, maxPatchPx)
			if args.Size > 0 { // what is read from the slide
				p.within(field+": µm per pixel after it", c.SpacingUMPx*float64(c.PatchSizePixels)/float64(args.Size), minSpacingUM, maxSpacingUM)
			}
		case "Normalize":
			p.triple(field+".arguments.mean", args.Mean, -1000, 1000)
			p.triple(field+".arguments.std", args.Std, 1e-6, 1000)
		}
	}
}

func (p *problemList) triple(field string, v []float64, lo, hi float64) {
	if len(v) != 3 {
		p.addf(field, "%d values, want one each for R, G, B", len(v))
	}
	for _, x := range v {
		p.within(field, x, lo, hi)
	}
}

func (p *problemList) files(c *Card) {
	p.oneOf("default_file", c.Network(), ModelFile, Int8File)
	names := make([]string, 0, len(c.Files))
	for name := range c.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !fs.ValidPath(name) || strings.ContainsAny(name, `/\`) || name == CardFile || name == "." {
			p.addf("files", "%.40q is not the name of a file beside the card", name)
		}
		s := c.Files[name]
		if b, err := hex.DecodeString(s); s != "" && (err != nil || len(b) != 32) {
			p.addf("files", "%.40q: %.80q is no SHA-256", name, s)
		}
	}
}

func (p *problemList) numbers(c *Card) {
	if k := c.Calibration; k != nil {
		p.within("calibration.temperature", k.Temperature, minTemperature, maxTemperature)
		p.counts("calibration", k.Slides, k.Patients)
	}
	if o := c.OperatingPoint; o != nil {
		p.within("operating_point.threshold", o.Threshold, 0, 1)
		if o.WantedSensitivity != nil {
			p.within("operating_point.wanted_sensitivity", *o.WantedSensitivity, 0, 1)
		}
		p.counts("operating_point", o.Slides, o.Patients)
		p.rate("operating_point.sensitivity", o.Sensitivity)
		p.rate("operating_point.specificity", o.Specificity)
	}
	if c.LesionThreshold != nil {
		p.within("lesion_threshold", *c.LesionThreshold, 0, 1)
	}
	if a := c.Abstain; a != nil {
		if len(a) != 2 || !(0 <= a[0] && a[0] <= a[1] && a[1] <= 1) {
			p.addf("abstain", "%v is no band [lo, hi] within 0 to 1", a)
		} else if t := c.Threshold(); t < a[0] || t > a[1] {
			p.addf("abstain", "the band %v does not hold the threshold %v", a, t)
		}
	}
	if q := c.Quantization; q != nil {
		p.within("quantization.auroc", q.AUROC, 0, 1)
		p.within("quantization.auroc_int8", q.AUROCInt8, 0, 1)
	}
	for i, m := range c.Metrics {
		field := fmt.Sprintf("metrics[%d]", i)
		p.within(field+".value", m.Value, -1e9, 1e9)
		if (m.Low == nil) != (m.High == nil) {
			p.addf(field, "an interval with one end")
		}
		if m.Low != nil && m.High != nil && !(*m.Low <= m.Value && m.Value <= *m.High) {
			p.addf(field, "%v is outside its interval %v to %v", m.Value, *m.Low, *m.High)
		}
		p.counts(field, m.Slides, m.Patients)
	}
}

func (p *problemList) counts(field string, slides, patients int) {
	if slides < 0 || patients < 0 {
		p.addf(field, "a negative count")
	}
}

func (p *problemList) rate(field string, r *Rate) {
	if r == nil {
		return
	}
	p.within(field+".value", r.Value, 0, 1)
	if !(0 <= r.Low && r.Low <= r.Value && r.Value <= r.High && r.High <= 1) {
		p.addf(field, "%v with an interval of %v to %v", r.Value, r.Low, r.High)
	}
}
