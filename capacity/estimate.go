package capacity

import (
	"fmt"
	"math"
	"strings"
)

// Speed is how fast one machine of a type is, and how sure that is.
type Speed struct {
	PatchesPerS float64
	SlideS      float64 // seconds that a slide takes besides its patches
	Deviation   float64 // standard deviation, as a part of PatchesPerS
	Measured    bool    // on such a machine
	Given       bool    // by whoever asks; neither: it is an estimate
	Basis       string  // in words: measured when, or estimated from what
}

// How far a rate may be off, as a part of it. These are assumptions, not measurements:
// wide enough to be worth a measurement.
const (
	measuredDeviation = 0.05 // between machines of a type, and from one hour to the next
	familyDeviation   = 0.10 // scaled within a family, whose processors are alike
	vendorDeviation   = 0.30 // scaled to other processors of the same maker
	otherDeviation    = 0.40 // scaled to another maker's
	doublingDeviation = 0.03 // more for each doubling of the cores: memory and caches do not grow with them
	mostTimes         = 16   // as many cores as were measured: what lies farther is not estimated
)

// nineInTen is how many standard deviations lie on each side of nine in ten.
const nineInTen = 1.645

// SpeedOf says how fast a machine of the type is: measured, else an estimate from the
// nearest processor that was measured, by cores, up to sixteen times as many. False, with the reason: there is nothing
// to reckon from. No rate is carried over to GPUs or to another architecture: they share
// too little with what was measured.
func (rs Rates) SpeedOf(t Type) (Speed, string, bool) {
	if r, is := rs.of(t.Name); is {
		return r.speed(), "", true
	}
	if t.GPUs > 0 {
		return Speed{}, "GPUs were not measured with this network", false
	}
	var best Speed
	why := "no processor was measured with this network"
	for _, r := range rs {
		switch {
		case r.GPUs > 0 || r.Cores < 1:
			continue
		case r.Arch != t.Arch:
			if best.PatchesPerS == 0 {
				why = fmt.Sprintf("nothing with %s was measured with this network", t.Arch)
			}
			continue
		}
		if times := r.times(t); times > mostTimes || times < 1./mostTimes {
			if best.PatchesPerS == 0 {
				why = fmt.Sprintf("over %d times as many or as few cores as were measured", mostTimes)
			}
			continue
		}
		if s := r.scaled(t); best.PatchesPerS == 0 || s.Deviation <= best.Deviation {
			best = s
		}
	}
	return best, why, best.PatchesPerS > 0
}

// speed is that of the machine that was measured.
func (r Rate) speed() Speed {
	s := Speed{PatchesPerS: r.PatchesPerS, SlideS: r.SlideS, Measured: !r.Given, Given: r.Given, Deviation: measuredDeviation, Basis: "measured"}
	if r.Given {
		s.Basis = "given"
	}
	if r.Low > 0 && r.High > 0 {
		s.Deviation = max(s.Deviation, (r.High-r.Low)/(2*nineInTen*r.PatchesPerS))
	}
	if r.Date != "" {
		s.Basis += " " + r.Date
	}
	return s
}

// scaled is an estimate for the type, by cores.
func (r Rate) scaled(t Type) Speed {
	times := r.times(t)
	own := r.speed().Deviation
	far := otherDeviation
	switch {
	case family(r.Type) == family(t.Name):
		far = familyDeviation
	case maker(r) != "" && maker(r) == makerOf(t):
		far = vendorDeviation
	}
	far += doublingDeviation * math.Abs(math.Log2(times))
	return Speed{
		PatchesPerS: r.PatchesPerS * times, SlideS: r.SlideS / times, Deviation: math.Hypot(own, far),
		Basis: fmt.Sprintf("estimated from %.0f patches/s on %d cores of %s", r.PatchesPerS, int(math.Round(r.realCores())), r.machine()),
	}
}

// realCores is how many cores worked.
func (r Rate) realCores() float64 { return float64(r.Cores) / float64(max(r.ThreadsPerCore, 1)) }

// times is how many times as many cores the type has.
func (r Rate) times(t Type) float64 { return t.Cores() / r.realCores() }

func (r Rate) machine() string {
	if r.CPU == "" {
		return r.Type
	}
	return fmt.Sprintf("%s (%s)", r.Type, r.CPU)
}

// maker names who made the processor of a measured machine, empty where that is not known.
func maker(r Rate) string {
	for _, name := range []string{"AMD", "Intel"} {
		if strings.Contains(r.CPU, name) {
			return name
		}
	}
	return makerOf(Type{Name: r.Type})
}

// makerOf names who makes the processor of an instance type, by Amazon's names: the letter
// after the generation's number is i for Intel's, a for AMD's, g for Graviton.
func makerOf(t Type) string {
	f := strings.TrimLeft(family(t.Name), "abcdefghijklmnopqrstuvwxyz")
	switch f = strings.TrimLeft(f, "0123456789"); {
	case strings.HasPrefix(f, "a"):
		return "AMD"
	case strings.HasPrefix(f, "i"):
		return "Intel"
	case strings.HasPrefix(f, "g"):
		return "Graviton"
	}
	return ""
}
