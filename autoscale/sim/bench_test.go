package sim

import (
	"testing"
	"time"

	"bcc/autoscale"
)

// BenchmarkDay is a day of a fleet that reaches 10,000 workers; a run should take seconds.
func BenchmarkDay(b *testing.B) {
	for _, c := range []struct {
		name string
		rate float64 // patches per second: 2 is a large encoder on two cores, an estimate
		jobs func() []Job
	}{
		{"slides=700k/rate=2", 2, func() []Job {
			lab := Labs["centre"]
			lab.Days, lab.Seed = 1, 1
			return lab.Jobs()
		}},
		{"archive/rate=100", 100, archive},
	} {
		jobs := c.jobs()
		cfg := DefaultConfig()
		cfg.Kinds[0].PatchesPerS = c.rate
		for _, name := range autoscale.Names() {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				policy, err := autoscale.New(name, autoscale.DefaultConfig())
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					f, err := Run(b.Context(), cfg, policy, jobs)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(f.Peak), "workers")
					b.ReportMetric(f.Hours, "worker-hours")
				}
			})
		}
	}
}

// archive is work for 10,000 workers, of 100 patches a second, during ten hours.
func archive() []Job {
	var jobs []Job
	for at := 7 * time.Hour; at < 17*time.Hour; at += time.Second {
		for range 10 {
			jobs = append(jobs, Job{Arrival: at, Patches: 100_000})
		}
	}
	return jobs
}

func BenchmarkBound(b *testing.B) {
	lab := Labs["large"]
	lab.Days, lab.Seed = 1, 1
	jobs := lab.Jobs()
	for b.Loop() {
		BoundOf(DefaultConfig(), jobs)
	}
}
