package quantize_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
	"bcc/quantize"
)

func TestItRefusesBytesThatLoseTooMuchOrGainNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lost, gain float64
		says       string // "": they may be the default
	}{
		{0, 3, ""}, {0.005, 1.01, ""}, {-0.01, 2, ""},
		{0.0051, 3, "loses 0.0051 AUROC on 7 patches of slides, split val"}, {math.NaN(), 3, "AUROC"}, {0, 1, "images/s"}, {0, math.NaN(), "images/s"},
	} {
		r := quantize.Report{Lost: quantize.Loss{Value: c.lost}, Gain: c.gain, Data: quantize.Data{Name: "slides", Split: "val", Unit: "patches", Samples: 7}}
		err := r.Verdict()
		if c.says == "" && err == nil {
			continue
		}
		if c.says == "" || fault.Exit(err) != 2 || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err), "--force") {
			t.Errorf("loss %v, gain %v: %v, want %q", c.lost, c.gain, err, c.says)
		}
	}
}

func TestARaceCountsTheMedianAfterWarmUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order string
		sleeps := func(name string, ms ...time.Duration) func(context.Context) error {
			i := -1
			return func(context.Context) error {
				i++
				order += name
				time.Sleep(ms[i] * time.Millisecond)
				return nil
			}
		}
		got, err := quantize.Race(t.Context(), 3, time.Millisecond, sleeps("a", 900, 900, 5, 1, 3), sleeps("b", 50, 50, 7, 800, 9))
		if err != nil || got[0] != 3*time.Millisecond || got[1] != 9*time.Millisecond || order != "ababababab" {
			t.Errorf("medians %v in the order %s, %v", got, order, err)
		}
		order = ""
		got, err = quantize.Race(t.Context(), 1, 4*time.Millisecond, sleeps("a", 2, 2, 2, 1, 3), sleeps("b", 9, 9, 9))
		if err != nil || got[0] != 2*time.Millisecond || got[1] != 9*time.Millisecond || order != "abaabaab" {
			t.Errorf("turns of 4 ms: %v in the order %s, %v", got, order, err)
		}
		broken := errors.New("broken")
		if _, err := quantize.Race(t.Context(), 3, 0, func(context.Context) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
}
