package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"bcc/fault"
)

// Made is a trace that is made up, to be hard in one way.
type Made struct {
	Name  string
	About string
	jobs  func(m *maker)
}

// Mades are all that can be made.
var Mades = []Made{
	{"single", "one slide", func(m *maker) { m.slide(time.Minute, 0) }},
	{"tiny", "a slide every ten minutes or so, six hours", func(m *maker) { m.poisson(0, 6*time.Hour, 6, 0) }},
	{"sparse", "a slide every forty minutes or so, a day", func(m *maker) { m.poisson(0, 24*time.Hour, 1.5, 0) }},
	{"steady", "300 slides an hour, eight hours", func(m *maker) { m.poisson(0, 8*time.Hour, 300, 0) }},
	{"heavy", "steady in number, sizes without a mean (Pareto, 1.1)", heavy},
	{"bursts", "a cohort of 20 to 400 slides every hour or so", bursts(0)},
	{"burst-deadlines", "the same, each wanted within 10 to 40 minutes", bursts(10 * time.Minute)},
	{"on-off", "twenty minutes of 3,000 slides an hour, twenty of none", onOff(20*time.Minute, 3000)},
	{"flicker", "three minutes of 2,000 slides an hour, three of none", onOff(3*time.Minute, 2000)},
	{"long-on-off", "two hours of 500 slides an hour, two of none", onOff(2*time.Hour, 500)},
	{"diurnal", "two days whose load goes up and down as a sine", func(m *maker) {
		m.varying(48*time.Hour, 600, func(t time.Duration) float64 { return (1 - math.Cos(2*math.Pi*t.Hours()/24)) / 2 })
	}},
	{"ramp", "a load that grows from nothing for six hours and is cut off", func(m *maker) {
		m.varying(6*time.Hour, 2000, func(t time.Duration) float64 { return t.Hours() / 6 })
	}},
	{"flood", "10,000 slides at once", func(m *maker) {
		for range 10_000 {
			m.slide(0, 0)
		}
	}},
	{"tight", "a slide every five minutes, wanted within four to ten", func(m *maker) { m.poissonWithin(6*time.Hour, 12, 4*time.Minute, 10*time.Minute) }},
	{"too-tight", "a slide a minute, wanted in 20 to 150 s: sooner than a start-up", func(m *maker) { m.poissonWithin(3*time.Hour, 60, 20*time.Second, 150*time.Second) }},
	{"mixed", "200 slides an hour, wanted within a minute to eight hours", func(m *maker) { m.poissonWithin(8*time.Hour, 200, time.Minute, 8*time.Hour) }},
	{"urgent", "an urgent slide every six minutes beside a flood of routine ones", func(m *maker) {
		m.poisson(0, 8*time.Hour, 400, 0)
		m.urgent(8*time.Hour, 10)
	}},
	{"urgent-only", "three urgent slides an hour and nothing else, ten hours", func(m *maker) { m.urgent(10*time.Hour, 3) }},
	{"spikes", "50 slides an hour and six times 300 at once, wanted within half an hour", spikes},
	{"far", "cohorts wanted overnight, within 10 hours", func(m *maker) {
		for h := range 8 {
			for range 100 {
				m.slide(time.Duration(h)*time.Hour, 10*time.Hour)
			}
		}
	}},
}

// MadeOf returns the jobs of a made trace: the same ones for the same seed.
func MadeOf(name string, seed uint64) ([]Job, error) {
	for i, made := range Mades {
		if made.Name != name {
			continue
		}
		m := maker{Rand: rand.New(rand.NewPCG(seed, uint64(100+i)))}
		made.jobs(&m)
		slices.SortStableFunc(m.jobs, func(a, b Job) int { return cmp.Compare(a.Arrival, b.Arrival) })
		return m.jobs, nil
	}
	return nil, fault.New(fault.NotFound, "no made trace is called %q", name)
}

// maker collects jobs.
type maker struct {
	*rand.Rand
	jobs []Job
}

// slide adds one, wanted within a time of its arrival; 0: no deadline.
func (m *maker) slide(at, within time.Duration) {
	j := Job{Arrival: at, Patches: slidePatches(m.Rand)}
	if within > 0 {
		j.Deadline = at + within
	}
	m.jobs = append(m.jobs, j)
}

// poisson adds so many an hour on average.
func (m *maker) poisson(from, to time.Duration, perHour float64, within time.Duration) {
	for at := from + m.gap(perHour); at < to; at += m.gap(perHour) {
		m.slide(at, within)
	}
}

func (m *maker) poissonWithin(to time.Duration, perHour float64, least, most time.Duration) {
	for at := m.gap(perHour); at < to; at += m.gap(perHour) {
		m.slide(at, m.between(least, most))
	}
}

func (m *maker) gap(perHour float64) time.Duration {
	return exponential(m.Rand, time.Duration(float64(time.Hour)/perHour))
}

func (m *maker) between(least, most time.Duration) time.Duration {
	return least + time.Duration(m.Float64()*float64(most-least))
}

// varying adds up to most an hour, times a share that changes with time.
func (m *maker) varying(to time.Duration, most float64, share func(time.Duration) float64) {
	for at := m.gap(most); at < to; at += m.gap(most) {
		if m.Float64() < share(at) {
			m.slide(at, 0)
		}
	}
}

func (m *maker) urgent(to time.Duration, perHour float64) {
	for at := m.gap(perHour); at < to; at += m.gap(perHour) {
		m.slide(at, 0)
		m.jobs[len(m.jobs)-1].Urgent = true
	}
}

func onOff(each time.Duration, perHour float64) func(*maker) {
	return func(m *maker) {
		for from := time.Duration(0); from < 6*time.Hour; from += 2 * each {
			m.poisson(from, from+each, perHour, 0)
		}
	}
}

func bursts(least time.Duration) func(*maker) {
	return func(m *maker) {
		for at := m.gap(1); at < 10*time.Hour; at += m.gap(1) {
			var within time.Duration
			if least > 0 {
				within = m.between(least, 4*least)
			}
			for range 20 + m.IntN(380) {
				m.slide(at, within)
			}
		}
	}
}

func spikes(m *maker) {
	m.poisson(0, 9*time.Hour, 50, 0)
	for h := range 6 {
		at := time.Duration(h)*90*time.Minute + m.between(0, time.Hour)
		for range 300 {
			m.slide(at, 30*time.Minute)
		}
	}
}

func heavy(m *maker) {
	for at := m.gap(100); at < 8*time.Hour; at += m.gap(100) {
		size := 200 * math.Pow(1-m.Float64(), -1/1.1)
		m.jobs = append(m.jobs, Job{Arrival: at, Patches: int(min(size, 2e6))})
	}
}
