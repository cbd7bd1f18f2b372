package server

import (
	"bytes"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"bcc/fault"
)

const maxCSV = 32 << 20 // bytes

// readCSV reads a manifest as a table: path or url, and if wanted name, mpp_um and
// label. Priority, deadline and name of the cohort stand in the query.
func (c *call) readCSV(o *orderJSON) error {
	data, err := c.readBody(maxCSV)
	if err != nil {
		return err
	}
	q := c.URL.Query()
	o.Name, o.Priority = q.Get("name"), q.Get("priority")
	if err := o.setDeadline(q.Get("deadline")); err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.ReuseRecord, r.TrimLeadingSpace = true, true
	head, err := r.Read()
	if err != nil {
		return csvError(err)
	}
	set, err := columns(head)
	if err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvError(err)
		}
		if len(o.Slides) == c.s.cfg.MaxSlides { // before memory is spent on what is refused
			return fault.New(fault.Invalid, "more than %d slides", c.s.cfg.MaxSlides)
		}
		var s orderSlide
		for i, v := range row {
			if v = strings.TrimSpace(v); v == "" {
				continue
			}
			if err := set[i](&s, v); err != nil {
				line, _ := r.FieldPos(i)
				return fault.New(fault.Invalid, "line %d: %w", line, err)
			}
		}
		o.Slides = append(o.Slides, s)
	}
}

// columns returns what each column sets.
func columns(head []string) ([]func(*orderSlide, string) error, error) {
	known := map[string]func(*orderSlide, string) error{
		"path":   func(s *orderSlide, v string) error { s.URL = v; return nil },
		"url":    func(s *orderSlide, v string) error { s.URL = v; return nil },
		"upload": func(s *orderSlide, v string) error { s.Upload = v; return nil },
		"name":   func(s *orderSlide, v string) error { s.Name = v; return nil },
		"mpp_um": func(s *orderSlide, v string) (err error) {
			if s.MPPUM, err = strconv.ParseFloat(v, 64); err != nil {
				err = fault.New(fault.Invalid, "mpp_um %q is no number", v)
			}
			return err
		},
		"label": func(s *orderSlide, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				return fault.New(fault.Invalid, "label %q: want 1 (BCC) or 0", v)
			}
			s.Label = &n
			return nil
		},
	}
	seen := map[string]bool{}
	out := make([]func(*orderSlide, string) error, len(head))
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if out[i] = known[name]; out[i] == nil {
			hint := "known: path (or url), upload, name, mpp_um, label"
			if strings.ContainsAny(name, ";\t") {
				hint = "separate columns with commas; " + hint
			}
			return nil, fault.Hint(fault.New(fault.Invalid, "unknown column %q", short(name)), "%s", hint)
		}
		if name == "path" {
			name = "url" // the same column
		}
		if seen[name] {
			return nil, fault.New(fault.Invalid, "the column %s stands there twice", name)
		}
		seen[name] = true
	}
	return out, nil
}

func csvError(err error) error {
	if err == io.EOF {
		return fault.New(fault.Invalid, "the table is empty")
	}
	return fault.New(fault.Invalid, "the table: %w", err)
}

func (o *orderJSON) setDeadline(text string) error {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fault.New(fault.Invalid, "deadline %q: want a time as in RFC 3339, 2026-01-31T18:00:00Z", short(text))
	}
	o.Deadline = &t
	return nil
}
