package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"bcc/cohort"
	"bcc/fault"
	"bcc/fetch"
)

// batchJSON is what a client sends to POST /predict/batch.
type batchJSON struct {
	Files []batchFile `json:"files"`
}

type batchFile struct {
	URL       string   `json:"url"`
	Threshold *float64 `json:"confidence_threshold"`
}

// predictBatch answers POST /predict/batch: a cohort of addresses.
func (s *Server) predictBatch(c *call) error {
	if !isJSON(c.Request) {
		return refuse(http.StatusUnsupportedMediaType, "send application/json", "unsupported content type")
	}
	if err := s.admitSlides(0); err != nil {
		return err
	}
	var b batchJSON
	if err := c.readJSON(&b); err != nil {
		return err
	}
	o := orderJSON{Slides: make([]orderSlide, len(b.Files))}
	for i, f := range b.Files {
		if f.URL == "" {
			return fault.New(fault.Invalid, "file %d: no url", i)
		}
		o.Slides[i] = orderSlide{URL: f.URL, Parameters: cohort.Parameters{Threshold: f.Threshold}}
	}
	return s.order(c, o, http.StatusAccepted)
}

// addressError says why an address is not taken, without repeating it: it may hold a
// secret.
func addressError(i int, err error) error {
	if errors.Is(err, fetch.ErrRefused) {
		return refuse(http.StatusForbidden, fault.HintOf(err), "slide %d: %w", i, err)
	}
	return fault.Hint(fault.New(fault.Of(err), "slide %d: %w", i, err), "%s", fault.HintOf(err))
}

// placeOf returns scheme and host of an address on the web, where the lists are about
// no more than that. Empty: the address is checked by itself.
func placeOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// nameOf returns the last part of an address's path.
func nameOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "slide"
	}
	return plainName(u.Path)
}

// plainText returns a text of a client without control characters.
func plainText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "_")))
}

// isDigest reports whether s is a SHA-256 in lower-case hex.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}
