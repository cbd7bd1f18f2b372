package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Lab is a pathology laboratory whose days can be made up. All figures but the sizes of
// slides are estimates of what is usual, not measured anywhere.
type Lab struct {
	Days     int // from a Monday
	Scanners int // each takes a rack of slides at a time
	Theatres int // in which Mohs surgery is done: somebody lies on the table and waits
	Seed     uint64
}

// Labs are laboratories by size: about 350, 1,800, 18,000 and 410,000 slides on a weekday.
var Labs = map[string]Lab{
	"small":  {Scanners: 1, Theatres: 1},
	"medium": {Scanners: 4, Theatres: 2},
	"large":  {Scanners: 40, Theatres: 12},
	"centre": {Scanners: 900, Theatres: 120}, // a country's archive being scanned
}

// How a laboratory works.
const (
	rack          = 40               // slides a scanner is loaded with
	perSlide      = 75 * time.Second // scanning and loading, 20×
	upload        = 2 * time.Second  // a slide, when the rack is through
	weekendShare  = 0.08             // of a weekday's racks
	rackFilled    = 0.5              // the least share of a rack that is loaded
	mohsEvery     = 35 * time.Minute // mean, a theatre
	mohsDeadline  = 20 * time.Minute
	scannerBreak  = 12 * time.Minute // mean time until a rack that is through is changed
	nightlyLoaded = 0.7              // share of scanners that get a last rack for the night
)

// shifts in which scanners are loaded; theatres work in the first.
var shifts = []struct{ from, to time.Duration }{{7 * time.Hour, 15 * time.Hour}, {15 * time.Hour, 21 * time.Hour}}

// lateShift is the share of scanners that the second shift loads.
const lateShift = 0.5

// Jobs makes the laboratory's days up: the same ones for the same seed.
func (l Lab) Jobs() []Job {
	from := rand.New(rand.NewPCG(l.Seed, 3))
	var jobs []Job
	for day := range l.Days {
		midnight := time.Duration(day) * 24 * time.Hour
		weekend := day%7 >= 5
		for range l.Scanners {
			jobs = scannerDay(from, midnight, weekend, jobs)
		}
		if weekend {
			continue
		}
		for range l.Theatres {
			jobs = theatreDay(from, midnight, jobs)
		}
	}
	slices.SortStableFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Arrival, b.Arrival) })
	return jobs
}

// scannerDay is rack after rack: a rack's slides arrive together, when it is through.
func scannerDay(from *rand.Rand, midnight time.Duration, weekend bool, jobs []Job) []Job {
	for i, s := range shifts {
		if i > 0 && from.Float64() > lateShift {
			continue
		}
		for at := s.from + exponential(from, scannerBreak); at < s.to; {
			n := rack - int(from.Float64()*rackFilled*rack)
			at += time.Duration(n) * perSlide
			if !weekend || from.Float64() < weekendShare {
				jobs = rackThrough(from, midnight+at, n, jobs)
			}
			at += exponential(from, scannerBreak)
		}
	}
	if !weekend && from.Float64() < nightlyLoaded {
		at := 22*time.Hour + time.Duration(from.Float64()*float64(time.Hour))
		jobs = rackThrough(from, midnight+at, rack, jobs)
	}
	return jobs
}

func rackThrough(from *rand.Rand, at time.Duration, n int, jobs []Job) []Job {
	for i := range n {
		jobs = append(jobs, Job{Arrival: at + time.Duration(i)*upload, Patches: slidePatches(from)})
	}
	return jobs
}

// theatreDay is one case after another, each with a few slides that are wanted while
// the wound is open.
func theatreDay(from *rand.Rand, midnight time.Duration, jobs []Job) []Job {
	s := shifts[0]
	for at := s.from + time.Hour + exponential(from, mohsEvery); at < s.to; at += exponential(from, mohsEvery) {
		for range 1 + from.IntN(5) {
			arrival := midnight + at
			jobs = append(jobs, Job{Arrival: arrival, Deadline: arrival + mohsDeadline, Urgent: true, Patches: slidePatches(from)})
		}
	}
	return jobs
}

// Sizes of COBRA's 5,147 slides: 0.059, 0.163 and 0.517 Gpx at 5, 50 and 95 percent, the
// largest 2.96. Each half is a lognormal through these.
const (
	medianPx  = 0.163e9
	lowSigma  = 0.618 // ln(0.163/0.059) / 1.645
	highSigma = 0.702 // ln(0.517/0.163) / 1.645
	mostPx    = 2.96e9
)

// patchPx is the area of a patch: 112 µm at COBRA's 0.48507 µm a pixel.
const patchPx = (112 / 0.48507) * (112 / 0.48507)

// slidePatches draws the patches of a slide: about 40 % of it is tissue.
func slidePatches(from *rand.Rand) int {
	z := from.NormFloat64()
	sigma := lowSigma
	if z > 0 {
		sigma = highSigma
	}
	px := min(medianPx*math.Exp(z*sigma), mostPx)
	tissue := 0.2 + 0.4*from.Float64()
	return max(1, int(px*tissue/patchPx))
}

// exponential draws a time with that mean.
func exponential(from *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(from.ExpFloat64() * float64(mean))
}
