package resources

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"bcc/fault"
)

func TestACalibrationFindsWhatIsClearlyFaster(t *testing.T) {
	t.Parallel()
	type at struct{ batch, runners int }
	plan := Device{Batch: 2, Runners: 8}
	for name, c := range map[string]struct {
		speed map[at]float64 // others: 100
		opens time.Duration  // before each try
		want  at
	}{
		"nothing":            {nil, 0, at{2, 8}},
		"a larger batch":     {map[at]float64{{8, 8}: 140}, 0, at{8, 8}},
		"hardly faster":      {map[at]float64{{8, 8}: 120}, 0, at{2, 8}},
		"half the runners":   {map[at]float64{{2, 4}: 130}, 0, at{2, 4}},
		"both":               {map[at]float64{{4, 8}: 120, {4, 4}: 150}, 0, at{4, 4}},
		"one at a time":      {map[at]float64{{1, 8}: 130}, 0, at{1, 8}},
		"no time to be sure": {map[at]float64{{8, 8}: 140}, 600 * time.Millisecond, at{2, 8}},
		"no memory for it":   {map[at]float64{{8, 8}: 0, {4, 8}: 0}, 0, at{2, 8}},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			got, err := Calibrate(t.Context(), plan, 2*time.Second, func(_ context.Context, batch, runners int, during time.Duration) (float64, error) {
				time.Sleep(c.opens + during)
				if v, ok := c.speed[at{batch, runners}]; ok {
					return v, nil
				}
				return 100, nil
			})
			if err != nil || (at{got.Batch, got.Runners}) != c.want || got.PatchesPerS <= 0 {
				t.Errorf("%s: %+v, %v: want %v", name, got, err, c.want)
			}
			if took := time.Since(began); took > 2*time.Second+c.opens {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

func TestACalibrationIsNotMisledByAMoment(t *testing.T) {
	t.Parallel()
	calls := 0
	got, err := Calibrate(t.Context(), Device{Batch: 2, Runners: 2}, time.Hour, func(context.Context, int, int, time.Duration) (float64, error) {
		if calls++; calls == 1 {
			return 50, nil // a neighbour was busy
		}
		return 100, nil
	})
	if err != nil || got.Batch != 2 {
		t.Errorf("%+v, %v: want the plan's batch", got, err)
	}
	broken := errors.New("no such model")
	if _, err := Calibrate(t.Context(), Device{Batch: 2, Runners: 2}, time.Hour, func(context.Context, int, int, time.Duration) (float64, error) {
		return 0, broken
	}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestACalibrationIsKeptWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := NewSituation(t.Context(), "44b8", "1.30.0", Cores{Usable: 4})
	want := Measured{Batch: 4, Runners: 3, PatchesPerS: 812.5}
	data, err := s.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Decode(data); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range data { // any byte that is not white space
		broken := bytes.Clone(data)
		broken[i] ^= 1
		if got, err := s.Decode(broken); err == nil && got != want {
			t.Errorf("byte %d broken: %+v", i, got)
		}
	}
	if _, err := s.Decode(data[:len(data)/2]); fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), "calibration") {
		t.Errorf("half of it: %v", err)
	}
}

// Whoever looks under another key finds nothing and measures again; what lies there in
// error is not believed.
func TestACalibrationHoldsForNoOtherSituation(t *testing.T) {
	t.Parallel()
	situation := func(model, engine string, cores int) Situation {
		return NewSituation(t.Context(), model, engine, Cores{Usable: cores})
	}
	here := situation("44b8", "1.30.0", 4)
	processor, measure := here, here
	processor.CPU += " of another generation"
	measure.Version++
	kept, err := here.Encode(Measured{Batch: 4, Runners: 3, PatchesPerS: 812.5})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{here.Key(): "this one"}
	for what, other := range map[string]Situation{
		"model": situation("44b9", "1.30.0", 4), "engine": situation("44b8", "1.31.0", 4), "number of cores": situation("44b8", "1.30.0", 8),
		"processor": processor, "way of measuring": measure,
	} {
		if had, ok := keys[other.Key()]; ok {
			t.Errorf("another %s lies where %s does", what, had)
		}
		keys[other.Key()] = "another " + what
		if got, err := other.Decode(kept); fault.Of(err) != fault.Corrupt {
			t.Errorf("another %s takes %+v, %v", what, got, err)
		}
	}
	if again := situation("44b8", "1.30.0", 4); again.Key() != here.Key() {
		t.Error("the same situation has another key the next time")
	}
	if infos, err := cpu.Info(); err == nil && len(infos) > 0 && infos[0].ModelName != "" && !strings.Contains(here.CPU, infos[0].ModelName) {
		t.Errorf("processor %q, of %q", here.CPU, infos[0].ModelName)
	}
}
