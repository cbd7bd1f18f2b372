package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlidesAreAsLargeAsCOBRAs(t *testing.T) {
	t.Parallel()
	from := rand.New(rand.NewPCG(7, 7))
	patches := make([]int, 20_000)
	for i := range patches {
		patches[i] = slidePatches(from)
	}
	slices.Sort(patches)
	// 0.163 Gpx, of which 40 % is tissue, in patches of 231 pixels; the spread of the
	// tissue's share widens both ends by some percent.
	for _, c := range []struct {
		at   float64
		gpx  float64
		most float64
	}{{0.05, 0.059, 0.2}, {0.5, 0.163, 0.06}, {0.95, 0.517, 0.2}} {
		got := float64(patches[int(c.at*float64(len(patches)))])
		want := c.gpx * 1e9 * 0.4 / patchPx
		if math.Abs(got/want-1) > c.most {
			t.Errorf("%.0f %%: %.0f patches, want about %.0f", 100*c.at, got, want)
		}
	}
}

func TestALaboratoryWorksOnWeekdays(t *testing.T) {
	t.Parallel()
	lab := Labs["medium"]
	lab.Days, lab.Seed = 7, 3
	jobs := lab.Jobs()
	var perDay [7]int
	night, urgent := 0, 0
	for i, j := range jobs {
		day := int(j.Arrival / (24 * time.Hour))
		perDay[min(day, 6)]++
		if hour := j.Arrival % (24 * time.Hour) / time.Hour; hour < 7 {
			night++
		}
		if j.Urgent {
			urgent++
			if j.Deadline-j.Arrival != mohsDeadline || day >= 5 {
				t.Errorf("urgent slide %d: %+v", i, j)
			}
		}
	}
	for day, n := range perDay {
		if weekend := day >= 5; (weekend && n > perDay[0]/4) || (!weekend && n < 1200) {
			t.Errorf("day %d: %d slides of %v", day, n, perDay)
		}
	}
	if urgent < 100 || night > len(jobs)/50 {
		t.Errorf("%d urgent slides, %d at night, of %d", urgent, night, len(jobs))
	}
	if again := lab.Jobs(); !slices.Equal(again, jobs) {
		t.Error("the same seed made another week")
	}
	if lab.Seed++; slices.Equal(lab.Jobs(), jobs) {
		t.Error("another seed made the same week")
	}
}

func TestEveryMadeTraceCanBeRun(t *testing.T) {
	t.Parallel()
	for _, m := range Mades {
		jobs, err := MadeOf(m.Name, 9)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkJobs(DefaultConfig(), jobs); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}
