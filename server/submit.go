package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
	"bcc/slide"
	"bcc/telemetry"
)

// admitSlides refuses slides while the queue is full, and a body that the disk has
// no room for, before a byte of it is read.
func (s *Server) admitSlides(bytes int64) error {
	if s.isDraining() {
		return errDraining
	}
	if l := s.cfg.Ledger.Load(); l.SlidesWaiting >= s.cfg.MaxWaiting || l.Drain >= s.cfg.MaxBacklog {
		s.metrics.refused.WithLabelValues("queue").Inc()
		return later(comeBack(l, s.cfg), "", "%d slides wait already", l.SlidesWaiting)
	}
	return s.roomOnDisk(bytes)
}

// comeBack says when a full queue will have room: when a tenth of its bound is
// through at the measured rate. Nothing measured: a minute.
func comeBack(l cohort.Load, cfg Config) time.Duration {
	const least, most, unknown = 5 * time.Second, time.Hour, time.Minute
	if l.Drain <= 0 || l.SlidesWaiting == 0 {
		return unknown
	}
	slide := l.Drain / time.Duration(max(l.SlidesWaiting+l.SlidesRunning, 1))
	wait := slide * time.Duration(max(l.SlidesWaiting-cfg.MaxWaiting, 0)+cfg.MaxWaiting/10)
	if over := l.Drain - cfg.MaxBacklog; over > wait {
		wait = over
	}
	return min(max(wait, least), most)
}

// upload is the marker of an upload: who may refer to the slide, and what its file
// says of itself. It holds no name.
type upload struct {
	FormatVersion int     `json:"format_version"`
	Bytes         int64   `json:"bytes"`
	Format        string  `json:"format"`
	WidthPx       int     `json:"width_px"`
	HeightPx      int     `json:"height_px"`
	MPPUM         float64 `json:"mpp_um,omitempty"` // 0: not known
}

const maxMarker = 64 << 10

func slideKey(sha string) string { return "slides/" + sha }

// uploadKey names an owner by a digest: identities are not for file systems.
func uploadKey(owner, sha string) string {
	sum := sha256.Sum256([]byte(owner))
	return "uploads/" + hex.EncodeToString(sum[:]) + "/" + sha
}

// keep hands a received file over to the store and notes that owner may refer to
// it. What is there already is not written again.
func (s *Server) keep(ctx context.Context, owner string, f *received, h slide.Header) error {
	there, err := s.holds(ctx, f.sha256, f.bytes)
	if err != nil {
		return err
	}
	if !there {
		if err := f.toDisk(); err != nil {
			return err
		}
		if err := s.cfg.Store.Adopt(ctx, slideKey(f.sha256), f.path); err != nil {
			return err
		}
	}
	u := upload{1, f.bytes, h.Format, h.Size.W, h.Size.H, 0}
	if h.MPP.Valid() {
		u.MPPUM = h.MPP.Mean()
	}
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return s.cfg.Store.Put(ctx, uploadKey(owner, f.sha256), bytes.NewReader(data))
}

// holds reports whether the store has the slide, whole as far as its size tells.
func (s *Server) holds(ctx context.Context, sha string, bytes int64) (bool, error) {
	o, err := s.cfg.Store.Open(ctx, slideKey(sha))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = nil
		}
		return false, err
	}
	defer o.Close()
	return o.Size == bytes, nil
}

// uploaded returns the marker of an upload of owner's; NotFound where there is none.
func (s *Server) uploaded(ctx context.Context, owner, sha string) (u upload, err error) {
	data, err := blob.Read(ctx, s.cfg.Store, uploadKey(owner, sha), maxMarker)
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(data, &u); err != nil {
		return u, fault.New(fault.Corrupt, "the note of an upload: %w", err)
	}
	return u, nil
}

// submit hands a cohort to the ledger, in the caller's name.
func (s *Server) submit(c *call, m cohort.Manifest) (cohort.Manifest, error) {
	order, err := orderOf(c, m)
	if err != nil {
		return m, err
	}
	card := &s.cfg.Model.Card
	m.Owner, m.Model, m.Order = c.who.ID, s.cfg.Model.SHA256, order
	m.PatchUM = card.SpacingUMPx * float64(card.PatchSizePixels)
	for i := range m.Slides {
		m.Slides[i].Parameters = over(m.Slides[i].Parameters, s.cfg.Settings)
	}
	ctx, span := s.spans.Start(c.Context(), "submit", trace.WithAttributes(attribute.Int("bcc.slides", len(m.Slides)), attribute.String("bcc.lane", string(m.Priority))))
	m, err = s.cfg.Ledger.Submit(ctx, m)
	span.SetAttributes(attribute.String("bcc.cohort_id", m.ID))
	telemetry.EndSpan(span, err)
	if errors.Is(err, cohort.ErrOtherOrder) {
		return m, errOtherOrder
	}
	if err != nil {
		return m, err
	}
	s.follow.watch(m.ID, c.id, c.who)
	return m, nil
}

// sendCohort answers with a cohort and where it is.
func (s *Server) sendCohort(c *call, id string, status int) error {
	out, err := s.cohortPage(c.Context(), id, 0, defaultPage)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/cohorts/"+id)
	c.sendJSON(status, out)
	return nil
}

// uploadSlide answers POST /slides: a slide for a cohort that comes later, as a form
// or as it is.
func (s *Server) uploadSlide(c *call) error {
	if c.ContentLength > s.cfg.MaxUpload+formRoom {
		return tooLarge(s.cfg.MaxUpload)
	}
	if err := s.admitSlides(max(c.ContentLength, 0)); err != nil {
		return err
	}
	f, err := s.receiveSlide(c)
	if err != nil {
		return err
	}
	defer f.drop()
	h, err := s.header(f)
	if err != nil {
		return err
	}
	if err := s.keep(c.Context(), c.who.ID, f, h); err != nil {
		return err
	}
	out := uploadJSON{f.sha256, f.bytes, f.name, h.Size.W, h.Size.H, nil, h.Format}
	if h.MPP.Valid() {
		mpp := h.MPP.Mean()
		out.MPPUM = &mpp
	}
	c.sendJSON(http.StatusCreated, out)
	return nil
}

// getUpload answers GET /uploads/{sha256}: what is known of a slide that the caller has
// sent, so that nobody need send it again.
func (s *Server) getUpload(c *call) error {
	sha := c.PathValue("sha256")
	if !isDigest(sha) {
		return notFound("upload")
	}
	u, err := s.uploaded(c.Context(), c.who.ID, sha)
	if err == nil {
		// The note may have outlived the slide.
		var is bool
		if is, err = s.holds(c.Context(), sha, u.Bytes); err == nil && !is {
			return notFound("upload")
		}
	}
	if err != nil && fault.Of(err) == fault.NotFound {
		return notFound("upload")
	}
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, uploadJSON{sha, u.Bytes, sha[:12], u.WidthPx, u.HeightPx, set(u.MPPUM), u.Format})
	return nil
}

type uploadJSON struct {
	Upload   string   `json:"upload"`
	Bytes    int64    `json:"bytes"`
	Name     string   `json:"name"`
	WidthPx  int      `json:"width_px"`
	HeightPx int      `json:"height_px"`
	MPPUM    *float64 `json:"mpp_um"`
	Format   string   `json:"format"`
}

// receiveSlide takes the slide out of a form, or the body as the slide.
func (s *Server) receiveSlide(c *call) (*received, error) {
	kind, _, _ := strings.Cut(c.Request.Header.Get("Content-Type"), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case kind == "multipart/form-data":
		f, _, err := s.receiveForm(c, nil, 0)
		return f, err
	case strings.HasPrefix(kind, "image/"), kind == "application/octet-stream":
		f, err := s.receive(plainName(c.URL.Query().Get("name")), http.MaxBytesReader(c.w, c.Body, s.cfg.MaxUpload), 0)
		if err == nil {
			s.metrics.received.Add(float64(f.bytes))
		}
		return f, err
	}
	return nil, refuse(http.StatusUnsupportedMediaType, "send multipart/form-data with the field file, or the slide itself as application/octet-stream", "unsupported content type")
}
