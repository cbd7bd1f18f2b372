package quantize

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bcc/fault"
)

// ReportFile is where a bundle says what its bytes cost and gain.
const ReportFile = "quantize.json"

// MaxLoss is the AUROC that a network in bytes may lose before it is refused as a
// bundle's default.
const MaxLoss = 0.005

// Report is what the network in bytes is worth beside the one in float32.
type Report struct {
	FormatVersion int    `json:"format_version"` // 1
	Program       string `json:"program"`
	Model         string `json:"model"` // name and version
	SHA256        string `json:"model_sha256"`
	Data          Data   `json:"data"`
	*Result
	AUROC   Pair    `json:"auroc"` // on Data's split
	Lost    Loss    `json:"auroc_lost"`
	Speed   Pair    `json:"images_per_second"`
	Gain    float64 `json:"speed_gain"`
	Device  string  `json:"device"` // that the speeds are of
	Rounds  int     `json:"rounds"` // of each network in turn; medians count
	Default bool    `json:"default"`
	Forced  bool    `json:"forced"` // the default against the verdict
}

// Data says on what ranges were learned and AUROC measured.
type Data struct {
	Name       string `json:"name"`
	SHA256     string `json:"sha256"`
	Calibrated string `json:"calibration"` // split, and how much of it
	Split      string `json:"split"`
	Unit       string `json:"unit"`    // of Samples: tiles, or patches out of slides
	Samples    int    `json:"samples"` // of the split
	Groups     int    `json:"groups"`
}

// Pair is a figure of both networks.
type Pair struct {
	Float float64 `json:"float32"`
	Int8  float64 `json:"int8"`
}

// Loss is what the bytes lose of a figure, with its 95 % interval over resamples of
// whole groups; negative where they win.
type Loss struct {
	Value    float64   `json:"value"`
	Interval []float64 `json:"interval_95,omitempty"`
}

// Verdict says why the bytes must not be a bundle's default; nil where they may.
func (r *Report) Verdict() error {
	where := fmt.Sprintf("%d %s of %s, split %s", r.Data.Samples, r.Data.Unit, r.Data.Name, r.Data.Split)
	switch {
	case !(r.Lost.Value <= MaxLoss): // not a number is no less a loss
		return fault.Hint(fault.New(fault.Invalid, "int8 loses %.4f AUROC on %s (%.4f of %.4f is left), more than %v",
			r.Lost.Value, where, r.AUROC.Int8, r.AUROC.Float, MaxLoss), "calibrate on more %s, or train the model longer; --force makes it the default all the same", r.Data.Unit)
	case !(r.Gain > 1):
		return fault.Hint(fault.New(fault.Invalid, "int8 runs %.1f images/s on %s where float32 runs %.1f",
			r.Speed.Int8, r.Device, r.Speed.Float), "networks of depthwise convolutions gain nothing from it; --force makes it the default all the same")
	}
	return nil
}

// Lines says the same to a person.
func (r *Report) Lines() string {
	interval := ""
	if len(r.Lost.Interval) == 2 {
		interval = fmt.Sprintf(", 95 %% %.4f to %.4f", r.Lost.Interval[0], r.Lost.Interval[1])
	}
	return fmt.Sprintf("float32 %8.1f images/s  AUROC %.4f\nint8    %8.1f images/s  AUROC %.4f\n%.2f times as fast on %s; AUROC lost %.4f%s on %d %s in %d groups of split %s\n",
		r.Speed.Float, r.AUROC.Float, r.Speed.Int8, r.AUROC.Int8, r.Gain, r.Device, r.Lost.Value, interval, r.Data.Samples, r.Data.Unit, r.Data.Groups, r.Data.Split)
}

// Race runs the functions in turn, round after round, and returns the median time of
// a call of each: what disturbs the machine disturbs all alike. A turn lasts about as
// long as leg, many calls where one is short, after two turns to warm up.
func Race(ctx context.Context, rounds int, leg time.Duration, runs ...func(context.Context) error) ([]time.Duration, error) {
	times, calls := make([][]time.Duration, len(runs)), make([]int, len(runs))
	for round := range rounds + 2 {
		for i, run := range runs {
			calls[i] = max(calls[i], 1)
			began := time.Now()
			for range calls[i] {
				if err := run(ctx); err != nil {
					return nil, err
				}
			}
			took := time.Since(began) / time.Duration(calls[i])
			if round >= 2 {
				times[i] = append(times[i], took)
			} else {
				calls[i] = int(leg / max(took, time.Microsecond))
			}
		}
	}
	medians := make([]time.Duration, len(runs))
	for i, t := range times {
		slices.Sort(t)
		medians[i] = t[len(t)/2]
	}
	return medians, nil
}
