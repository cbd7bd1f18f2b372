package worker

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/cohort"
	"bcc/detect"
	"bcc/model"
	"bcc/wsi"
)

// Model is what slides are looked at with. Workers and Lookers share one, so that
// patches of slides and of pictures fill the same batches.
type Model struct {
	Detect detect.Config // as the model's card and the server's settings have it
	Scorer detect.Scorer // infer.Batcher
	// Urgent scores the patches of urgent slides: infer.Batcher.Urgent. Default nil:
	// Scorer does.
	Urgent detect.Scorer
	// Examine returns the way of looking at slides that a configuration says. Default
	// nil: detect.New over Scorer or Urgent.
	Examine func(cfg detect.Config) (Examiner, error)

	// Rows says what the scorer's rows follow from: the digest of the network that runs,
	// and which of its outputs is taken. Rows in the store are found by it. Default:
	// Detect.Model.SHA256, that of the whole bundle.
	Rows string

	// Reference is what drift is measured against, for metrics only. Default nil: nothing.
	Reference *model.Reference

	Runners int      // patches of Detect.Patch.SizePx are scored by so many at once
	Devices []string // where, for people
	// Degraded says in words what of it is not as it should be now: a lost device.
	// Default nil: nothing ever.
	Degraded func() []string
}

// words returns what is not as it should be now.
func (m Model) words() []string {
	if m.Degraded == nil {
		return nil
	}
	return m.Degraded()
}

// rows is what the scorer's rows follow from.
func (m Model) rows() string {
	if m.Rows != "" {
		return m.Rows
	}
	return m.Detect.Model.SHA256
}

// open returns a detector of the model whose steps are measured.
func (m *Model) open(r prometheus.Registerer) (*detect.Detector, *metrics, error) {
	met, err := newMetrics(r, m.Reference)
	if err != nil {
		return nil, nil, err
	}
	met.hear(&m.Detect)
	d, err := detect.New(m.Detect, m.Scorer)
	return d, met, err
}

// asked puts what a client asks for in place of the server's settings.
func asked(c *detect.Config, p cohort.Parameters) {
	if p.Threshold != nil {
		c.Aggregate = c.Aggregate.WithThreshold(*p.Threshold)
	}
	if p.Overlap != nil {
		c.Patch.Overlap = *p.Overlap
	}
	if p.MinTissue != nil {
		c.Patch.MinTissue = *p.MinTissue
	}
}

// scale is the scale that a client gives; zero: as the file says.
func scale(p cohort.Parameters) wsi.MPP { return wsi.MPP{X: p.MPPUM, Y: p.MPPUM} }

// say adds words to those said in every result.
func say(c *detect.Config, words ...string) {
	c.Degraded = append(slices.Clip(c.Degraded), words...)
}
