package infer_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/infer"
	"bcc/wsi"
)

// placed is a runner that says where it runs.
type placed struct {
	infer.Runner
	device string
}

func (p placed) Device() string { return p.device }

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	cfg := config(4, time.Minute) // no batch goes short before the loss
	cfg.Registerer = r
	cfg.Spare = func() ([]infer.Runner, error) {
		return []infer.Runner{placed{fake(4), "cpu"}, placed{fake(4), "cpu"}}, nil
	}
	b, stop := start(t, cfg, placed{failing(4, 2), "cuda:0"})
	s := newSlide(t, 16)
	if err := b.Score(t.Context(), s.channelClosed(), s.out); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.check()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	patches, runners := map[string]float64{}, map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			device := m.GetLabel()[0].GetValue()
			switch f.GetName() {
			case "bcc_batch_patches":
				patches[device] = m.GetHistogram().GetSampleSum()
			case "bcc_runners":
				runners[device] = m.GetGauge().GetValue()
			case "bcc_batch_seconds":
				if n := m.GetHistogram().GetSampleCount(); n < 2 {
					t.Errorf("%d batches on %s, want 2 or more", n, device)
				}
			}
		}
	}
	if patches["cuda:0"] != 8 || patches["cpu"] != 8 {
		t.Errorf("patches by device: %v, want 8 each", patches)
	}
	if runners["cuda:0"] != 0 || runners["cpu"] != 2 {
		t.Errorf("runners by device: %v, want the GPU's lost and two in its place", runners)
	}
	if _, err := infer.New(cfg, []infer.Runner{fake(4)}); fault.Of(err) != fault.Internal || err == nil {
		t.Errorf("%v, want that two batchers in one registry are refused", err)
	}
}

// channelClosed returns a closed channel that holds every patch.
func (s *slide) channelClosed() chan wsi.Patch {
	c := s.channel(0, len(s.out))
	close(c)
	return c
}
