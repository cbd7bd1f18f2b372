package cohort

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// Limits of a manifest.
const (
	maxName   = 1024 // bytes of a cohort's or slide's name
	maxURL    = 4096 // bytes
	maxWrongs = 20   // problems told one by one
)

// validate returns the problems of a manifest at once, as one Invalid error.
func (m Manifest) validate(maxSlides int, now time.Time) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n := len(m.Slides); n < 1 || n > maxSlides {
		bad("%d slides: want 1 to %d", n, maxSlides)
	}
	if len(m.Name) > maxName {
		bad("name of %d bytes: want at most %d", len(m.Name), maxName)
	}
	if m.Priority != queue.Routine && m.Priority != queue.Urgent {
		bad("priority %q: want %s or %s", m.Priority, queue.Routine, queue.Urgent)
	}
	if m.Deadline != nil && m.Deadline.Before(now) {
		bad("deadline %s has passed", m.Deadline.UTC().Format(time.RFC3339))
	}
	for i := range m.Slides {
		if err := m.Slides[i].validate(); err != nil {
			bad("slide %d: %w", i, err)
		}
		if len(errs) > maxWrongs {
			errs = append(errs[:maxWrongs], errors.New("and more"))
			break
		}
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "cohort: %w", errors.Join(errs...))
	}
	return nil
}

func (s *Slide) validate() error {
	switch {
	case (s.SHA256 == "") == (s.URL == ""):
		return errors.New("want either an upload or an address")
	case s.SHA256 != "" && !validSHA256(s.SHA256):
		return errors.New("the upload is not named by its SHA-256 in lower-case hex")
	case len(s.URL) > maxURL:
		return fmt.Errorf("address of %d bytes: want at most %d", len(s.URL), maxURL)
	case len(s.Name) > maxName:
		return fmt.Errorf("name of %d bytes: want at most %d", len(s.Name), maxName)
	case s.Label != nil && *s.Label != 0 && *s.Label != 1:
		return fmt.Errorf("label %d: want 1 (BCC) or 0", *s.Label)
	}
	if s.URL != "" {
		if u, err := url.Parse(s.URL); err != nil || u.Scheme == "" {
			return errors.New("its address is none") // not repeated: it may hold a secret
		}
	}
	return s.Parameters.Validate()
}

// Validate returns what is outside of what the fields of p say.
func (p Parameters) Validate() error {
	var errs []error
	within := func(name string, v *float64, high float64) {
		if v != nil && !(*v >= 0 && *v <= high) { // true for NaN
			errs = append(errs, fmt.Errorf("%s %v: want 0 to %v", name, *v, high))
		}
	}
	within("confidence_threshold", p.Threshold, 1)
	within("overlap", p.Overlap, 0.75)
	within("min_tissue", p.MinTissue, 1)
	if v := p.MPPUM; v != 0 && !(v >= 0.01 && v <= 100) || math.IsNaN(v) {
		errs = append(errs, fmt.Errorf("mpp_um %v: want 0.01 to 100 µm per pixel", v))
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "%w", errors.Join(errs...))
	}
	return nil
}
