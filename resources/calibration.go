package resources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"bcc/fault"
)

// Situation is what a calibration holds for: where any of it changes, it is measured
// again.
type Situation struct {
	Model   string `json:"model_sha256"`
	Engine  string `json:"engine"`  // version
	CPU     string `json:"cpu"`     // name of the processor
	Cores   int    `json:"cores"`   // usable
	Version int    `json:"version"` // of how is measured
}

// calibrationVersion changes with what is written and how it is measured.
const calibrationVersion = 2

// NewSituation is that of this machine.
func NewSituation(ctx context.Context, modelSHA256, engine string, c Cores) Situation {
	name := runtime.GOARCH
	if infos, err := cpu.InfoWithContext(ctx); err == nil && len(infos) > 0 {
		name += " " + infos[0].ModelName
	}
	return Situation{modelSHA256, engine, name, c.Usable, calibrationVersion}
}

// Key names a situation, as a file may be called.
func (s Situation) Key() string {
	b, _ := json.Marshal(s) // strings and numbers
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

type calibrationFile struct {
	FormatVersion int       `json:"format_version"`
	Situation     Situation `json:"situation"`
	Measured      Measured  `json:"measured"`
	SHA256        string    `json:"sha256"` // of situation and measured
}

// Encode returns what is kept of a calibration.
func (s Situation) Encode(m Measured) ([]byte, error) {
	sum, err := s.sum(m)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(calibrationFile{calibrationVersion, s, m, sum}, "", " ")
}

func (s Situation) sum(m Measured) (string, error) {
	b, err := json.Marshal(struct {
		S Situation
		M Measured
	}{s, m})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// Decode reads what Encode wrote in the same situation. Anything else is an error of
// kind fault.Corrupt.
func (s Situation) Decode(data []byte) (Measured, error) {
	var f calibrationFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Measured{}, fault.New(fault.Corrupt, "calibration: %w", err)
	}
	if sum, err := s.sum(f.Measured); err != nil || f.FormatVersion != calibrationVersion || f.Situation != s || f.SHA256 != sum {
		return Measured{}, fault.New(fault.Corrupt, "calibration: it is damaged or another machine's")
	}
	if m := f.Measured; m.Batch < 1 || m.Runners < 1 || !(m.PatchesPerS > 0) {
		return Measured{}, fault.New(fault.Corrupt, "calibration: batch %d, %d runners, %v patches/s", m.Batch, m.Runners, m.PatchesPerS)
	}
	return f.Measured, nil
}

// Try measures patches a second with batches of so many on so many runners, for about
// as long as it is told.
type Try func(ctx context.Context, batch, runners int, during time.Duration) (patchesPerS float64, err error)

// Calibrate tries batches and runners around those of the plan, and returns the
// fastest. The plan's own wins unless another is clearly faster, and faster again when
// both are tried once more: neighbours come and go while it measures. It takes about
// within; what there was no time for is not tried.
func Calibrate(ctx context.Context, d Device, within time.Duration, try Try) (Measured, error) {
	const (
		clear  = 1.25 // on a machine with neighbours two short runs of the same differ by up to that
		rounds = 8
	)
	end := time.Now().Add(within)
	measure := func(batch, runners int) (Measured, error) {
		if time.Now().Add(within / rounds).After(end) {
			return Measured{}, nil // no time
		}
		perS, err := try(ctx, batch, runners, within/rounds)
		if err != nil {
			err = fmt.Errorf("try batches of %d on %d runners: %w", batch, runners, err)
		}
		return Measured{batch, runners, perS}, err
	}
	plan, err := measure(d.Batch, d.Runners)
	if err != nil {
		return plan, err
	}
	best := plan
	for _, c := range candidates(d) {
		if c.Runners != d.Runners {
			c.Batch = best.Batch
		}
		m, err := measure(c.Batch, c.Runners)
		if err != nil {
			return plan, err
		}
		if m.PatchesPerS > best.PatchesPerS {
			best = m
		}
	}
	if best.PatchesPerS <= clear*plan.PatchesPerS {
		return plan, nil
	}
	again, err := measure(d.Batch, d.Runners)
	if err != nil {
		return plan, err
	}
	confirmed, err := measure(best.Batch, best.Runners)
	if err != nil || confirmed.PatchesPerS <= clear*again.PatchesPerS {
		return plan, err
	}
	return confirmed, nil
}

// candidates are what is tried beside the plan: batches of 1 to 8, where the best lies
// on every processor that was measured, and with the best of them half as many runners,
// as two threads of a core share its units.
func candidates(d Device) []Measured {
	var all []Measured
	for _, batch := range []int{4, 8, 2, 1} {
		if batch != d.Batch {
			all = append(all, Measured{Batch: batch, Runners: d.Runners})
		}
	}
	if d.Runners >= 4 {
		all = append(all, Measured{Runners: d.Runners / 2})
	}
	return all
}
