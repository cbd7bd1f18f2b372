package cli

import (
	"strings"
	"testing"

	"bcc/client"
)

func TestWhatARunningCohortCostsIsSaid(t *testing.T) {
	t.Parallel()
	usd := func(v float64) *float64 { return &v }
	w := &watching{}
	w.now.Counts = client.Counts{Submitted: 200, Done: 50, Pending: 150}
	w.now.Cost = client.Cost{USD: usd(0.25)}
	if got, want := w.price(), "$0.25 so far, $0.0050 a slide"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w.now.Forecast = &client.Forecast{Cost: client.Cost{USD: usd(1)}, CostLowUSD: usd(0.9), CostHighUSD: usd(1.25)}
	w.now.CapUSD = usd(2)
	if got, want := w.price(), "$0.25 so far, $0.0050 a slide, about $1.00 in all ($0.90 to $1.25), capped at $2.00"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if block := strings.Join(w.block(), "\n"); !strings.Contains(block, "capped at $2.00") {
		t.Errorf("bcc status does not say it:\n%s", block)
	}
	w.now.Cost.USD = nil
	if got := w.price(); got != "" {
		t.Errorf("%q of no price", got)
	}
	w.now.Counts, w.now.Cost.USD = client.Counts{Submitted: 200, Done: 200}, usd(1)
	if got := w.pace(); !strings.HasSuffix(got, ", $1.00 ($0.0050 a slide)") {
		t.Errorf("%q", got)
	}
}

func TestPricesAndCapsAreRead(t *testing.T) {
	t.Parallel()
	p, err := readPrices([]string{"gpu=1.006", "cpu=0"})
	if err != nil || len(p) != 2 || p["gpu"] != 1.006 {
		t.Errorf("%v, %v", p, err)
	}
	for _, wrong := range []string{"gpu", "gpu=", "=1", "gpu=-1", "gpu=NaN", "gpu=Inf", "g pu=1"} {
		if _, err := readPrices([]string{wrong}); err == nil {
			t.Errorf("--price %q is taken", wrong)
		}
	}
	if _, err := readPrices([]string{"a=1", "a=2"}); err == nil {
		t.Error("two prices of one kind are taken")
	}
	for text, want := range map[string]bool{"1.5": true, "none": true, "0": false, "-1": false, "x": false, "NaN": false} {
		if _, err := capAmount(text); (err == nil) != want {
			t.Errorf("cap %q: %v", text, err)
		}
	}
}
