package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"bcc/cohort"
	"bcc/report"
	"bcc/telemetry"
)

// Looker looks at small pictures at once, in memory; nothing of it lasts.
type Looker interface {
	// Full reports whether a picture would be refused now, and when to come again.
	Full() (retryAfter time.Duration, full bool)
	// Look walks the picture. It does not keep Data. When ctx ends, so does the work.
	// Where there is no room it returns a *Full.
	Look(ctx context.Context, p Picture) (Look, error)
}

// Picture is a small picture as it came.
type Picture struct {
	Data       []byte
	SHA256     string
	Name       string
	Parameters cohort.Parameters
}

// Look is what is to be said about a picture.
type Look struct {
	Result  report.Result
	Patches []Patch
	Cached  bool
}

// Patch is one patch of a picture, in level-0 pixels.
type Patch struct {
	X, Y, W, H  int
	Probability float32
	Tissue      float32 // share inside the tissue, 0 to 1; negative: not known
}

// Full says that there is no room for a picture now.
type Full struct{ RetryAfter time.Duration }

func (f *Full) Error() string { return "no room for another picture now" }

// admit refuses a small picture before its body is read where there would be no
// room for it.
func (s *Server) admit() error {
	after, full := s.cfg.Looker.Full()
	if !full {
		return nil
	}
	s.metrics.refused.WithLabelValues("looker").Inc()
	return &refusal{http.StatusTooManyRequests, max(after, time.Second), &Full{after}}
}

// look answers with what the Looker says.
func (s *Server) look(c *call, f *received, a ask) error {
	ctx, span := s.spans.Start(c.Context(), "look")
	begun := time.Now()
	look, err := s.cfg.Looker.Look(ctx, Picture{f.data(), f.sha256, f.name, a.parameters})
	span.SetAttributes(attribute.Int("bcc.patches", look.Result.Tissue.Patches), attribute.Bool("bcc.cached", look.Cached))
	telemetry.EndSpan(span, err)
	if err != nil {
		if _, full := errors.AsType[*Full](err); full {
			s.metrics.refused.WithLabelValues("looker").Inc()
		}
		return err
	}
	if now := time.Now(); !look.Cached {
		s.lately.note(now, now.Sub(begun))
	}
	if l := s.cfg.Limiter; l != nil && !look.Cached {
		l.Spend(c.who, look.Result.Tissue.Patches)
	}
	r := &look.Result
	s.audit.add(decision{
		request: c.id, key: c.who.ID, lane: "direct", digest: f.sha256, model: r.Model.SHA256,
		prediction: string(r.Prediction), score: r.Score, confidence: r.Confidence, degraded: r.Degraded, cached: look.Cached,
	})
	out := newPrediction(c, r)
	out.Cached = look.Cached
	if a.patches {
		out.Patches = newPatches(look.Patches)
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}
