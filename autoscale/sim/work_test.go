package sim

import (
	"os"
	"path/filepath"
	"testing"

	"bcc/autoscale"
)

// TestWorkIsInTimeSteadyAndNearTheBound is what the default policy is for: on real
// traces and on a laboratory's day it is late no more often than any other, turns no
// more often, and pays at most a tenth more than somebody who knew what comes.
func TestWorkIsInTimeSteadyAndNearTheBound(t *testing.T) {
	t.Parallel()
	lab := Labs["medium"]
	lab.Days, lab.Seed = 1, 1
	traces := map[string][]Job{"a laboratory's day": lab.Jobs()}
	for _, made := range []string{"bursts", "on-off"} {
		traces[made], _ = MadeOf(made, 11)
	}
	for file, format := range map[string]Format{"azure-llm-2023-code.csv": azureLLM, "azure-functions-2021-200.csv": azureFunctions} {
		from, err := os.Open(filepath.Join(shared(), "traces", file))
		if err != nil {
			t.Logf("without the real traces, which lie in %s: %v", shared(), err)
			continue
		}
		traces[file], err = format.Read(from, ReadOptions{Reference: 100})
		if from.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, jobs := range traces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			runs := map[string]Figures{}
			for _, p := range autoscale.Names() {
				policy, err := autoscale.New(p, autoscale.DefaultConfig())
				if err != nil {
					t.Fatal(err)
				}
				runs[p] = simulate(t, cfg, policy, jobs)
			}
			work, bound := runs["work"], BoundOf(cfg, jobs)
			work.Compare(bound)
			if work.RatioHours > 1.10 {
				t.Errorf("%.2f worker-hours, %.3f times the bound", work.Hours, work.RatioHours)
			}
			for p, f := range runs {
				if work.Misses > f.Misses {
					t.Errorf("late %d times, %s %d times", work.Misses, p, f.Misses)
				}
				if work.Reversals > f.Reversals {
					t.Errorf("turned %d times, %s %d times", work.Reversals, p, f.Reversals)
				}
			}
		})
	}
}
