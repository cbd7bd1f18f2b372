package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/queue"
	"bcc/report"
	"bcc/slide"
	"bcc/wsi"
)

// ask is what the fields of a form ask for.
type ask struct {
	parameters cohort.Parameters
	priority   queue.Lane
	patches    bool // return_patches
}

var predictFields = []string{"confidence_threshold", "return_patches", "mpp_um", "overlap", "min_tissue", "priority"}

// formRoom is what a form may hold beside its file.
const formRoom = 64 << 10

// predict answers POST /predict. Where the picture is small it is looked at here;
// else it becomes a cohort of one slide, whose end the client waits for, unless it
// prefers not to.
func (s *Server) predict(c *call) error {
	async, direct := prefersAsync(c.Request), s.cfg.Looker != nil
	direct = direct && !async
	announced := c.ContentLength // -1: not
	switch {
	case announced > s.cfg.MaxUpload+formRoom:
		return tooLarge(s.cfg.MaxUpload)
	case direct && announced >= 0 && announced <= s.cfg.SmallBytes+formRoom:
		if err := s.admit(); err != nil {
			return err
		}
	default:
		if err := s.admitSlides(max(announced, 0)); err != nil {
			return err
		}
	}

	var small int64
	if direct && announced <= s.cfg.SmallBytes+formRoom { // else straight to the disk
		small = s.cfg.SmallBytes
	}
	f, fields, err := s.receiveForm(c, predictFields, small)
	if err != nil {
		return err
	}
	defer f.drop()
	a, err := parseAsk(fields)
	if err != nil {
		return err
	}
	h, err := s.header(f)
	if err != nil {
		return err
	}
	if f.path == "" && h.Size.Area() <= s.cfg.SmallPixels {
		return s.look(c, f, a)
	}
	if err := s.scaled(h, a.parameters); err != nil {
		return err
	}
	return s.predictLarge(c, f, h, a, async)
}

// predictLarge submits a slide on its own and, where the client waits, waits.
func (s *Server) predictLarge(c *call, f *received, h slide.Header, a ask, async bool) error {
	if a.priority == "" {
		a.priority = queue.Routine
		if !async {
			a.priority = queue.Urgent // a person waits for it
		}
	}
	if wait := waitOf(s.cfg.Ledger.Load(), a.priority); !async && wait > s.cfg.MaxWait {
		s.metrics.refused.WithLabelValues("wait").Inc()
		return later(wait-s.cfg.MaxWait, "send Prefer: respond-async and follow the cohort", "the slide would wait for about %v", wait.Round(time.Second))
	}
	if err := s.keep(c.Context(), c.who.ID, f, h); err != nil {
		return err
	}
	m, err := s.submit(c, cohort.Manifest{
		Priority: a.priority,
		Slides:   []cohort.Slide{{Name: f.name, SHA256: f.sha256, Bytes: f.bytes, Parameters: a.parameters}},
	})
	if err != nil {
		return err
	}
	if async {
		c.w.Header().Set("Preference-Applied", "respond-async")
		return s.sendCohort(c, m.ID, http.StatusAccepted)
	}
	st, err := s.await(c, m)
	if err != nil {
		return err
	}
	if st.State != cohort.Done {
		return endError(st)
	}
	r, err := s.results.result(c.Context(), st.End.Result)
	if err != nil {
		return err
	}
	out := newPrediction(c, r)
	out.ID, out.Cached, out.Files = &st.ID, st.End.Cached, filesOf(st.ID)
	out.Slide.Name = f.name
	if a.patches {
		patches, err := s.patchesOf(c.Context(), st.End, r)
		if err != nil {
			return err
		}
		out.Patches = newPatches(patches)
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}

// waitOf guesses how long a slide waits for those before it, as far as it is known:
// an urgent one for the urgent ones only.
func waitOf(l cohort.Load, lane queue.Lane) time.Duration {
	if lane != queue.Urgent {
		return l.Drain
	}
	return time.Duration(float64(l.Drain) * float64(l.UrgentWaiting) / float64(max(l.SlidesWaiting+l.SlidesRunning, 1)))
}

// patchesOf returns a slide's patches, with their shares of tissue where those can be
// found anew: files keep them in WSInfer's form, which has no place for it.
func (s *Server) patchesOf(ctx context.Context, e *cohort.End, r *report.Result) ([]Patch, error) {
	patches, err := s.results.patches(ctx, e.Result)
	if err != nil || s.cfg.Plan == nil {
		return patches, err
	}
	o, err := s.cfg.Store.Open(ctx, slideKey(e.SHA256))
	if err != nil {
		return nil, err
	}
	defer o.Close()
	g, err := s.cfg.Plan(ctx, o, o.Size, r.Parameters)
	if err != nil {
		return nil, err
	}
	share := make(map[wsi.Rect]float32, g.Len())
	for i, cell := range g.Cells {
		share[g.Rect(i)] = cell.Tissue
	}
	for i, p := range patches {
		if t, ok := share[wsi.Rect{X: p.X, Y: p.Y, W: p.W, H: p.H}]; ok {
			patches[i].Tissue = t
		}
	}
	return patches, nil
}

// await waits for the end of a cohort's only slide. A client that goes away takes
// its work with it; a server that shuts down does not, because the queue is durable.
func (s *Server) await(c *call, m cohort.Manifest) (cohort.Status, error) {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	go func() {
		select {
		case <-s.draining:
			stop()
		case <-ctx.Done():
		}
	}()
	st, err := s.cfg.Ledger.Wait(ctx, cohort.SlideID(m.ID, 0))
	switch {
	case err == nil:
		return st, nil
	case c.Context().Err() != nil && !s.isDraining():
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer stop()
		if err := s.cfg.Ledger.Cancel(ctx, m.ID); err != nil {
			s.log.Error("cancel the work of a client that went away", "cohort", m.ID, "error", err)
		}
		return st, errGone
	case s.isDraining():
		return st, fault.Hint(errDraining, "the slide is not lost: GET /cohorts/%s tells how it goes on", m.ID)
	}
	return st, err
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// endError is how a slide's failure leaves as the answer to the request for it.
func endError(st cohort.Status) error {
	if st.End == nil || st.End.Problem == nil {
		return fault.New(fault.Unavailable, "slide %s was cancelled", st.ID)
	}
	p := st.End.Problem
	if p.Code < 400 || p.Code > 599 {
		p.Code = http.StatusInternalServerError
	}
	return refuse(p.Code, p.Hint, "%s", p.Message)
}

// receiveForm reads a form and the file in it.
func (s *Server) receiveForm(c *call, fields []string, small int64) (f *received, values map[string]string, err error) {
	c.Body = http.MaxBytesReader(c.w, c.Body, s.cfg.MaxUpload+formRoom)
	values, err = c.form(fields, func(name string, part io.Reader) (err error) {
		f, err = s.receive(name, part, small)
		return err
	})
	if err != nil {
		if f != nil {
			f.drop()
		}
		return nil, nil, err
	}
	s.metrics.received.Add(float64(f.bytes))
	return f, values, nil
}

// header looks at what the file says of itself and refuses what is too large.
func (s *Server) header(f *received) (h slide.Header, err error) {
	if f.path == "" {
		h, err = slide.Probe(bytes.NewReader(f.data()), f.bytes, s.cfg.Slide)
	} else {
		file, err := os.Open(f.path)
		if err != nil {
			return h, diskError(err)
		}
		defer file.Close()
		if h, err = slide.Probe(file, f.bytes, s.cfg.Slide); err != nil {
			return h, err
		}
	}
	if err == nil && h.Size.Area() > s.cfg.MaxPixels {
		return h, refuse(http.StatusRequestEntityTooLarge, "", "%v pixels: at most %d are taken", h.Size, s.cfg.MaxPixels)
	}
	return h, err
}

// scaled refuses what nobody can give a scale to: neither the file, nor the client,
// nor its size, which for a single patch is the model's own.
func (s *Server) scaled(h slide.Header, p cohort.Parameters) error {
	px := s.cfg.Model.Card.PatchSizePixels
	if h.MPP.Valid() || p.MPPUM != 0 || h.Size == (wsi.Size{W: px, H: px}) {
		return nil
	}
	return slide.ErrNoMPP
}

// parseAsk reads the fields of a form.
func parseAsk(fields map[string]string) (a ask, err error) {
	number := func(name string) *float64 {
		text, given := fields[name]
		if !given || text == "" || err != nil {
			return nil
		}
		v, wrong := strconv.ParseFloat(text, 64)
		if wrong != nil {
			err = fault.New(fault.Invalid, "%s: %q is no number", name, text)
		}
		return &v
	}
	a.parameters.Threshold = number("confidence_threshold")
	a.parameters.Overlap = number("overlap")
	a.parameters.MinTissue = number("min_tissue")
	if mpp := number("mpp_um"); mpp != nil {
		if a.parameters.MPPUM = *mpp; *mpp == 0 {
			err = fault.New(fault.Invalid, "mpp_um 0: want 0.01 to 100 µm per pixel")
		}
	}
	if text := fields["return_patches"]; text != "" && err == nil {
		if a.patches, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
			err = fault.New(fault.Invalid, "return_patches: %q is neither true nor false", text)
		}
	}
	if err != nil {
		return a, err
	}
	if a.priority, err = lane(fields["priority"], ""); err != nil {
		return a, err
	}
	return a, a.parameters.Validate()
}

// lane reads a priority; where none is given it is fallback.
func lane(text string, fallback queue.Lane) (queue.Lane, error) {
	switch l := queue.Lane(text); l {
	case "":
		return fallback, nil
	case queue.Routine, queue.Urgent:
		return l, nil
	}
	return "", fault.New(fault.Invalid, "priority %q: want %s or %s", short(text), queue.Routine, queue.Urgent)
}

// prefersAsync reads RFC 7240's preference.
func prefersAsync(r *http.Request) bool {
	for _, line := range r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(p, ";")
			if strings.EqualFold(strings.TrimSpace(name), "respond-async") {
				return true
			}
		}
	}
	return false
}
