package server

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
)

// Pages of slides, and of cohorts.
const (
	defaultPage = 1000
	maxPage     = 10_000
	maxCohorts  = 1000
)

// orderJSON is what a client sends to POST /cohorts.
type orderJSON struct {
	Name       string            `json:"name"`
	Priority   string            `json:"priority"`
	Deadline   *time.Time        `json:"deadline"`
	CapUSD     *float64          `json:"cap_usd"`
	Parameters cohort.Parameters `json:"parameters"` // where a slide says nothing else
	Slides     []orderSlide      `json:"slides"`
}

// orderSlide is one slide of it. Its own parameters go before those of the cohort.
type orderSlide struct {
	URL    string `json:"url"`
	Upload string `json:"upload"` // SHA-256, as POST /slides answers
	Name   string `json:"name"`
	Label  *int   `json:"label"`
	cohort.Parameters
}

// postCohort answers POST /cohorts, of JSON or CSV.
func (s *Server) postCohort(c *call) error {
	var o orderJSON
	kind, _, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		if err := s.admitSlides(0); err != nil {
			return err
		}
		err = c.readJSON(&o)
	case err == nil && kind == "text/csv":
		if err := s.admitSlides(0); err != nil {
			return err
		}
		err = c.readCSV(&o)
	default:
		err = refuse(http.StatusUnsupportedMediaType, "send application/json or text/csv", "unsupported content type")
	}
	if err != nil {
		return err
	}
	return s.order(c, o, http.StatusCreated)
}

// order submits what a client has sent, once for each Idempotency-Key.
func (s *Server) order(c *call, o orderJSON, status int) error {
	m, err := s.manifest(c, o)
	if err != nil {
		return err
	}
	return s.once(c, m, status, func() (cohort.Manifest, error) { return s.submit(c, m) })
}

// once makes the cohort that is asked for and answers with it, or with the one that was
// made under the same Idempotency-Key.
func (s *Server) once(c *call, what any, status int, submit func() (cohort.Manifest, error)) error {
	key, err := repeatKey(c)
	if err != nil {
		return err
	}
	id, again, err := s.repeat.do(c.Context(), key, what, func() (string, error) {
		m, err := submit()
		return m.ID, err
	})
	if err != nil {
		return err
	}
	if again {
		c.w.Header().Set("Idempotent-Replayed", "true")
	}
	return s.sendCohort(c, id, status)
}

// manifest turns an order into a manifest: every upload is the caller's, every
// address on the lists.
func (s *Server) manifest(c *call, o orderJSON) (m cohort.Manifest, err error) {
	if n := len(o.Slides); n == 0 || n > s.cfg.MaxSlides {
		return m, fault.New(fault.Invalid, "%d slides: want 1 to %d", n, s.cfg.MaxSlides)
	}
	m = cohort.Manifest{Name: plainText(o.Name), Deadline: o.Deadline, CapUSD: o.CapUSD, Slides: make([]cohort.Slide, len(o.Slides))}
	if m.Priority, err = lane(o.Priority, queue.Routine); err != nil {
		return m, err
	}
	checked := hosts{}
	var uploads []int
	for i, sl := range o.Slides {
		out := cohort.Slide{Name: plainText(sl.Name), URL: sl.URL, SHA256: sl.Upload, Label: sl.Label, Parameters: over(sl.Parameters, o.Parameters)}
		switch {
		case (sl.URL == "") == (sl.Upload == ""):
			return m, fault.New(fault.Invalid, "slide %d: want either url or upload", i)
		case sl.Upload != "":
			uploads = append(uploads, i)
		default:
			if err := s.useAddress(c.Context(), checked, i, &out); err != nil {
				return m, err
			}
		}
		m.Slides[i] = out
	}
	return m, s.useUploads(c, m.Slides, uploads)
}

// useUploads looks for the uploads that a manifest names: many at once, because in a
// bucket each look takes its time.
func (s *Server) useUploads(c *call, slides []cohort.Slide, which []int) error {
	eg, ctx := errgroup.WithContext(c.Context())
	eg.SetLimit(32)
	for _, i := range which {
		eg.Go(func() error { return s.useUpload(ctx, c.who.ID, i, &slides[i]) })
	}
	return eg.Wait()
}

func (s *Server) useUpload(ctx context.Context, owner string, i int, sl *cohort.Slide) error {
	if !isDigest(sl.SHA256) {
		return fault.New(fault.Invalid, "slide %d: upload is no SHA-256 in lower-case hex", i)
	}
	u, err := s.uploaded(ctx, owner, sl.SHA256)
	if err != nil && fault.Of(err) == fault.NotFound {
		return fault.Hint(fault.New(fault.Invalid, "slide %d: no such upload", i), "POST /slides first")
	}
	if err != nil {
		return err
	}
	if sl.Bytes = u.Bytes; sl.Name == "" {
		sl.Name = sl.SHA256[:12]
	}
	return nil
}

// hosts are the places that were checked for a manifest: thirty thousand slides of
// one host need one look at its name.
type hosts map[string]error

func (s *Server) useAddress(ctx context.Context, checked hosts, i int, sl *cohort.Slide) error {
	if s.cfg.Fetcher == nil {
		return refuse(http.StatusForbidden, "upload the slides, or have addresses allowed on this server", "slide %d: addresses are not taken here", i)
	}
	place := placeOf(sl.URL)
	err, known := checked[place]
	if !known || place == "" {
		err = s.cfg.Fetcher.Check(ctx, sl.URL)
		checked[place] = err
	}
	if err != nil {
		return addressError(i, err)
	}
	if sl.Name == "" {
		sl.Name = nameOf(sl.URL)
	}
	return nil
}

// getCohorts answers GET /cohorts, the newest first.
func (s *Server) getCohorts(c *call) error {
	all, err := s.cfg.Ledger.Summaries(c.Context(), c.who.ID, c.who.Admin)
	if err != nil {
		return err
	}
	all = all[:min(len(all), maxCohorts)]
	out := make([]cohortJSON, len(all))
	for i, sum := range all {
		out[i] = newCohort(sum)
	}
	c.sendJSON(http.StatusOK, struct {
		Cohorts []cohortJSON `json:"cohorts"`
	}{out})
	return nil
}

// getCohort answers GET /cohorts/{id}.
func (s *Server) getCohort(c *call) error {
	id, err := c.cohortID()
	if err != nil {
		return err
	}
	offset, err := c.whole("offset", 0, 1<<31-1)
	if err != nil {
		return err
	}
	limit, err := c.whole("limit", defaultPage, maxPage)
	if err != nil {
		return err
	}
	out, err := s.cohortPage(c.Context(), id, offset, limit)
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}

// cohortPage returns a cohort with some of its slides.
func (s *Server) cohortPage(ctx context.Context, id string, offset, limit int) (out cohortJSON, err error) {
	sum, err := s.cfg.Ledger.Summary(ctx, id)
	if err != nil {
		return out, err
	}
	out = newCohort(sum)
	slides := []slideJSON{}
	if limit > 0 && offset < sum.Counts.Submitted {
		page, err := s.cfg.Ledger.Slides(ctx, id, offset, limit)
		if err != nil {
			return out, err
		}
		for _, st := range page {
			slides = append(slides, newSlide(st))
		}
		if next := offset + len(page); next < sum.Counts.Submitted {
			out.Next = &next
		}
	}
	out.Slides = &slides
	return out, nil
}

// deleteCohort answers DELETE /cohorts/{id}: what has not ended is cancelled.
func (s *Server) deleteCohort(c *call) error {
	id, err := c.cohortID()
	if err != nil {
		return err
	}
	if err := s.cfg.Ledger.Cancel(c.Context(), id); err != nil {
		return err
	}
	return s.sendCohort(c, id, http.StatusOK)
}

// changeJSON is what a client may change of a cohort.
type changeJSON struct {
	CapUSD json.RawMessage `json:"cap_usd"` // a number, or null: no cap
}

// patchCohort answers PATCH /cohorts/{id}: another cap, or none.
func (s *Server) patchCohort(c *call) error {
	id, err := c.cohortID()
	if err != nil {
		return err
	}
	if !isJSON(c.Request) {
		return refuse(http.StatusUnsupportedMediaType, "send application/json", "unsupported content type")
	}
	var ask changeJSON
	if err := c.readJSON(&ask); err != nil {
		return err
	}
	if ask.CapUSD == nil {
		return fault.New(fault.Invalid, "nothing to change: want cap_usd, a number or null")
	}
	var usd *float64
	if err := json.Unmarshal(ask.CapUSD, &usd); err != nil {
		return fault.New(fault.Invalid, "the JSON of the body: %s", plainly(err))
	}
	if err := s.cfg.Ledger.SetCap(c.Context(), id, usd); err != nil {
		return err
	}
	return s.sendCohort(c, id, http.StatusOK)
}

// retryJSON is what a client may send to POST /cohorts/{id}/retry.
type retryJSON struct {
	States []cohort.State `json:"states"` // none: failed and quarantined
}

// retryCohort answers POST /cohorts/{id}/retry: a new cohort of the slides that ended in
// one of the states.
func (s *Server) retryCohort(c *call) error {
	id, err := c.cohortID()
	if err != nil {
		return err
	}
	if err := s.admitSlides(0); err != nil {
		return err
	}
	var ask retryJSON
	if c.body != nil {
		if !isJSON(c.Request) {
			return refuse(http.StatusUnsupportedMediaType, "send application/json, or nothing", "unsupported content type")
		}
		if err := c.readJSON(&ask); err != nil {
			return err
		}
	}
	return s.once(c, []any{id, ask}, http.StatusCreated, func() (cohort.Manifest, error) {
		m, err := s.cfg.Ledger.Retry(c.Context(), id, ask.States...)
		if err == nil {
			s.follow.watch(m.ID, c.id, c.who)
		}
		return m, err
	})
}

// whole reads a number from the query.
func (c *call) whole(name string, fallback, most int) (int, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fault.New(fault.Invalid, "%s %q: want 0 to %d", name, short(text), most)
	}
	return n, nil
}

// over returns a, with b where a says nothing.
func over(a, b cohort.Parameters) cohort.Parameters {
	if a.Threshold == nil {
		a.Threshold = b.Threshold
	}
	if a.Overlap == nil {
		a.Overlap = b.Overlap
	}
	if a.MinTissue == nil {
		a.MinTissue = b.MinTissue
	}
	if a.MPPUM == 0 {
		a.MPPUM = b.MPPUM
	}
	return a
}
