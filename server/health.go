package server

import (
	"net/http"
	"strconv"
	"time"

	"bcc/model"
	"bcc/report"
)

// health answers GET /health: the process answers, whatever its parts do.
func (s *Server) health(c *call) error {
	status := "healthy"
	if !s.ready.Load() {
		status = "draining"
	}
	c.sendJSON(http.StatusOK, struct {
		Status    string    `json:"status"`
		Version   string    `json:"version"`
		Timestamp time.Time `json:"timestamp"`
	}{status, s.cfg.Version, time.Now().UTC().Truncate(time.Millisecond)})
	return nil
}

type stateJSON struct {
	Status string `json:"status"`
}

// live answers GET /livez.
func (s *Server) live(c *call) error {
	c.sendJSON(http.StatusOK, stateJSON{"alive"})
	return nil
}

// readiness answers GET /readyz: whether work can be taken. A full queue is ready
// all the same: it says when to come again, which a probe cannot.
func (s *Server) readiness(c *call) error {
	if !s.ready.Load() {
		return errDraining
	}
	if err := s.roomOnDisk(0); err != nil {
		return err
	}
	c.tellLoad()
	c.sendJSON(http.StatusOK, stateJSON{"ready"})
	return nil
}

// tellLoad says to a balancer how much is on its way here, from whomever, and how long
// small pictures took of late: each of several balancers sees only its own part.
func (c *call) tellLoad() {
	h := c.w.Header()
	h.Set("Bcc-In-Flight", strconv.FormatInt(max(c.s.open.Load()-c.s.streams.used.Load()-1, 0), 10)) // not this one
	if s := c.s.lately.median(time.Now()); s > 0 {
		h.Set("Bcc-Latency", strconv.FormatFloat(s, 'f', 6, 64))
	}
}

// modelInfo answers GET /model/info.
func (s *Server) modelInfo(c *call) error {
	m := s.cfg.Model
	c.sendJSON(http.StatusOK, struct {
		Name      string     `json:"model_name"`
		Version   string     `json:"model_version"`
		SHA256    string     `json:"sha256"`
		Input     [3]int     `json:"input_shape"` // height, width, channels of a patch
		Classes   []string   `json:"output_classes"`
		Threshold float64    `json:"confidence_threshold"`
		Overlap   float64    `json:"overlap"`
		MinTissue float64    `json:"min_tissue"`
		Notice    string     `json:"notice"`
		Card      model.Card `json:"card"`
	}{
		m.Card.Name, m.Card.Version, m.SHA256, [3]int{m.Card.InputPx(), m.Card.InputPx(), 3},
		[]string{"BCC", "Non-malignant"}, m.Threshold, m.Overlap, m.MinTissue, report.Notice, m.Card,
	})
	return nil
}
