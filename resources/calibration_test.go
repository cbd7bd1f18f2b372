package resources

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
	other := s
	other.Cores = 8
	if other.Key() == s.Key() {
		t.Error("another number of cores has the same name")
	}
	if _, err := other.Decode(data); fault.Of(err) != fault.Corrupt {
		t.Errorf("another machine's: %v", err)
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
