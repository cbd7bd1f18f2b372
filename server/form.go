package server

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode"

	"bcc/fault"
)

// Limits of a form. A real one has a file and a handful of short fields.
const (
	maxParts      = 16
	maxFieldBytes = 1 << 10
	maxName       = 200 // characters of a file's name
)

// form reads multipart/form-data part by part as it comes: nothing is kept of a
// file but what file makes of it. The fields may stand before and behind it.
//
// Unknown fields, fields given twice and more than one file are errors.
func (c *call) form(allowed []string, file func(name string, r io.Reader) error) (map[string]string, error) {
	boundary, err := c.boundary()
	if err != nil {
		return nil, err
	}
	fields, files := map[string]string{}, 0
	parts := multipart.NewReader(c.Body, boundary)
	for n := 0; ; n++ {
		p, err := parts.NextRawPart() // raw: base64 inside of a form died out long ago
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, partError(err)
		}
		if n == maxParts {
			return nil, fault.New(fault.Invalid, "a form of more than %d parts", maxParts)
		}
		switch field := p.FormName(); {
		case field == "file":
			if files++; files > 1 {
				return nil, fault.Hint(fault.New(fault.Invalid, "more than one file"), "send one file a request; POST /cohorts takes many slides")
			}
			if err := file(plainName(p.FileName()), p); err != nil {
				return nil, err
			}
		case !slices.Contains(allowed, field):
			return nil, fault.Hint(fault.New(fault.Invalid, "unknown form field %q", short(field)), "known: file, %s", strings.Join(allowed, ", "))
		default:
			if _, twice := fields[field]; twice {
				return nil, fault.New(fault.Invalid, "the form field %s is given twice", field)
			}
			v, err := io.ReadAll(io.LimitReader(p, maxFieldBytes+1))
			if err != nil {
				return nil, partError(err)
			}
			if len(v) > maxFieldBytes {
				return nil, fault.New(fault.Invalid, "the form field %s has more than %d bytes", field, maxFieldBytes)
			}
			fields[field] = strings.TrimSpace(string(v))
		}
	}
	if files == 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "a form without a file"), "send the slide as the form field file")
	}
	return fields, nil
}

func (c *call) boundary() (string, error) {
	kind, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", refuse(http.StatusUnsupportedMediaType, "send multipart/form-data with the slide in the field file", "unsupported content type")
	}
	if b := params["boundary"]; b != "" && len(b) <= 70 { // RFC 2046
		return b, nil
	}
	return "", fault.New(fault.Invalid, "multipart/form-data without a boundary")
}

// partError keeps what went wrong with the connection apart from a form that is
// none.
func partError(err error) error {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	body := bodyError(err)
	if e, ok := errors.AsType[*refusal](body); ok && e.status == http.StatusBadRequest && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "the form: %s", strings.TrimPrefix(err.Error(), "multipart: "))
	}
	return body
}

// plainName returns a file's name as it may stand in results: without folders and
// control characters, and not endless.
func plainName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	if name = strings.TrimSpace(name); name == "" || name == "." || name == ".." || name == "/" {
		return "slide"
	}
	return name
}
