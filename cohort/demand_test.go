package cohort

import (
	"math"
	"testing"
	"time"

	"bcc/queue"
)

func (b *book) by(deadline time.Time) *book {
	b.Deadline = &deadline
	return b
}

func TestDemandsAreWhatIsToBeDoneByWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	noon := now.Add(24 * time.Hour)
	l.with(queue.Routine, now, 100, 300)
	l.with(queue.Routine, now.Add(-time.Hour), 2000, -1).by(noon.Add(20 * time.Second))
	l.with(queue.Routine, now, 500).by(noon)
	l.with(queue.Urgent, now, 50).by(noon.Add(time.Hour))
	over := l.with(queue.Urgent, now, -1)
	over.finish(0, &End{State: Failed})
	ds := l.Demands()
	if len(ds) != 3 {
		t.Fatalf("%d demands: %+v", len(ds), ds)
	}
	if d := ds[0]; !d.Urgent || d.Patches != 50 || d.Slides != 1 || d.Since != nil {
		t.Errorf("the urgent one first, which waits for nobody: %+v", d)
	}
	if d := ds[1]; !d.Deadline.Equal(noon) || d.Slides != 3 || d.Patches != 2000+2000+500 || d.Largest != 2000 || d.Deviation == 0 || !d.Since.Equal(now.Add(-time.Hour)) || !d.Newest.Equal(now) {
		t.Errorf("two cohorts of one minute: %+v", d)
	}
	if d := ds[2]; d.Deadline != nil || d.Patches != 400 || d.Deviation != 0 || d.Largest != 300 {
		t.Errorf("no deadline comes last: %+v", d)
	}
}

func TestWorkWithoutADeadlineIsToldByWhenItCame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := quiet(now)
	l.with(queue.Routine, now, 30)
	l.with(queue.Routine, now.Add(-40*time.Minute), 10)
	l.with(queue.Routine, now.Add(20*time.Second), 5)
	ds := l.Demands()
	if len(ds) != 2 || ds[0].Patches != 10 || ds[1].Patches != 35 || !ds[1].Newest.Equal(now.Add(20*time.Second)) {
		t.Errorf("%+v, want the older one first, then two of one minute", ds)
	}
	for i := range 1000 {
		l.with(queue.Routine, now.Add(-time.Duration(i)*time.Hour), 1)
	}
	if ds = l.Demands(); len(ds) > maxDemands {
		t.Errorf("%d demands", len(ds))
	}
}

func TestWhatIsLeftOfASlideShrinksItsDemand(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := quiet(now)
	b := l.with(queue.Routine, now, 1000)
	b.set(0, line{state: Running, planned: 1000, scored: 600})
	if d := l.Demands()[0]; d.Patches != 400 || d.Largest != 400 {
		t.Errorf("%+v, want 400 patches left", d)
	}
}

func TestCohortsOfOneSlideAreGuessedTogether(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := quiet(now)
	for range 100 {
		l.with(queue.Routine, now, -1)
	}
	d := l.Demands()[0]
	// Nothing is known of any slide: whatever one of them is, the others may be too.
	if d.Patches != 100*usualPatches || math.Abs(d.Deviation-usualPatches*math.Sqrt(100+100*100)) > 1 {
		t.Errorf("%+v", d)
	}
}

func TestManyDeadlinesAreTakenTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := quiet(now)
	for i := range 10_000 {
		l.with(queue.Routine, now, 10).by(now.Add(time.Duration(i) * 10 * time.Minute))
	}
	ds, patches := l.Demands(), 0.0
	for i, d := range ds {
		patches += d.Patches
		if i > 0 && d.Deadline.Before(*ds[i-1].Deadline) {
			t.Error("not in the order of deadlines")
		}
	}
	if len(ds) > maxDemands || patches != 100_000 || !ds[0].Deadline.Equal(now) {
		t.Errorf("%d demands of %.0f patches, the first by %v", len(ds), patches, ds[0].Deadline)
	}
}

func TestKindsAreNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"cpu": true, "g5.xlarge": true, "a_b-C9": true, "": false, "a b": false, "a\"b": false, "ä": false, "x\n": false} {
		if ValidKind(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestOfACohortThatIsHeldOnlyWhatIsBegunIsWanted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := quiet(now)
	b := l.with(queue.Routine, now, 1000, -1, -1)
	b.set(0, line{state: Running, planned: 1000, scored: 300})
	spent := 1.0
	b.cap = capped{usd: &spent, reached: true}
	if ds := l.Demands(); len(ds) != 1 || ds[0].Slides != 1 || ds[0].Patches != 700 || ds[0].Largest != 700 || ds[0].Deviation != 0 || ds[0].Since != nil {
		t.Errorf("%+v, want the 700 patches left of the slide that is begun", ds)
	}
	if load := l.Load(); load.Patches != 700 || load.SlidesWaiting != 0 {
		t.Errorf("%+v, want 700 patches", load)
	}
	b.set(1, line{state: Running, planned: -1}) // begun, and not looked at yet
	if d := l.Demands()[0]; d.Slides != 2 || d.Patches != 700+1000 || d.Deviation == 0 {
		t.Errorf("%+v, want one guessed, too", d)
	}
}
