package autoscale

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// noon is when tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// kind is 100 patches a second after two minutes.
func kind(min, max int) Kind {
	return Kind{Name: "c7i", PatchesPerS: 100, USDPerHour: 0.357, StartUp: 2 * time.Minute, Min: min, Max: max}
}

func policy(t testing.TB, name string) Policy {
	t.Helper()
	p, err := New(name, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// replay decides one time after another, as a loop does, on signals that see makes of
// what was decided before.
func replay(p Policy, from time.Time, steps int, see func(at time.Time, wanted int) Signals) []Decision {
	var past []Record
	var all []Decision
	wanted := 0
	for i := range steps {
		at := from.Add(time.Duration(i) * 15 * time.Second)
		s := see(at, wanted)
		s.Now = at
		d, asked := p.Decide(s, past)
		past = append(Trim(past, at, p.Window()), NewRecord(s, d, asked))
		all = append(all, d)
		wanted = total(d.Wanted)
	}
	return all
}

// TestPoliciesKeepTheirBounds tries what may come, sensible or not.
func TestPoliciesKeepTheirBounds(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := policy(t, name)
			for seed := range uint64(300) {
				r := rand.New(rand.NewPCG(seed, 1))
				groups := randomGroups(r)
				replay(p, noon, 30, func(at time.Time, _ int) Signals {
					s := Signals{Now: at, Groups: groups, Shard: []float64{0, 512}[r.IntN(2)], Demands: randomDemands(r, at)}
					for i := range s.Groups {
						live(r, &s.Groups[i], at)
					}
					check(t, p, s)
					return s
				})
			}
		})
	}
}

// check asks twice, and compares the answers with the bounds and with each other.
func check(t *testing.T, p Policy, s Signals) {
	t.Helper()
	before := fmt.Sprint(s)
	d, asked := p.Decide(s, nil)
	again, askedAgain := p.Decide(s, nil)
	if !reflect.DeepEqual(d, again) || !reflect.DeepEqual(asked, askedAgain) {
		t.Fatalf("the same signals gave %v and %v", d, again)
	}
	if fmt.Sprint(s) != before {
		t.Fatalf("the signals were changed to %v, were %s", s, before)
	}
	if d.Reason == "" || strings.Contains(d.Reason, "NaN") || strings.Contains(d.Reason, "Inf") || strings.Contains(d.Reason, "%!") {
		t.Fatalf("reason %q of %v", d.Reason, s)
	}
	if len(d.Wanted) != len(s.Groups) {
		t.Fatalf("wanted %v of %d kinds", d.Wanted, len(s.Groups))
	}
	for _, g := range s.Groups {
		if n := d.Wanted[g.Name]; n < g.Min || n > g.Max {
			t.Fatalf("%d of %s, want %d to %d: %s", n, g.Name, g.Min, g.Max, d.Reason)
		}
	}
}

func randomGroups(r *rand.Rand) []Group {
	groups := make([]Group, r.IntN(4))
	for i := range groups {
		k := Kind{
			Name: fmt.Sprintf("kind%d", i), PatchesPerS: []float64{0, 0.01, 100, 5000}[r.IntN(4)],
			USDPerHour: []float64{0, 0.3, 7}[r.IntN(3)], StartUp: []time.Duration{0, time.Second, 2 * time.Minute, time.Hour}[r.IntN(4)],
			Max: []int{0, 1, 7, 10_000}[r.IntN(4)], Spot: r.IntN(2) == 0,
		}
		k.Min = min(r.IntN(3), k.Max)
		groups[i] = Group{Kind: k}
	}
	return groups
}

func live(r *rand.Rand, g *Group, at time.Time) {
	g.Ready = r.IntN(min(g.Max, 20) + 1)
	g.Busy = r.IntN(g.Ready + 1)
	g.CPUPercent = r.Float64() * 100
	g.Starting = nil
	for range r.IntN(4) {
		g.Starting = append(g.Starting, []time.Time{{}, at.Add(time.Minute), at.Add(-time.Hour)}[r.IntN(3)])
	}
}

func randomDemands(r *rand.Rand, at time.Time) []Demand {
	demands := make([]Demand, r.IntN(5))
	for i := range demands {
		d := Demand{Urgent: r.IntN(3) == 0, Slides: r.IntN(100), Patches: []float64{0, 1, 1300, 1e6, 1e12}[r.IntN(5)]}
		d.Deviation, d.Largest = d.Patches*r.Float64(), d.Patches*r.Float64()
		if r.IntN(2) == 0 {
			d.Deadline = at.Add(time.Duration(r.IntN(7200)-600) * time.Second)
		}
		if r.IntN(4) > 0 {
			d.Since = at.Add(-time.Duration(r.IntN(7200)-60) * time.Second)
		}
		demands[i] = d
	}
	return demands
}

func TestNewNamesThePoliciesThereAre(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		if p := policy(t, name); p.Name() != name || p.Window() <= 0 {
			t.Errorf("%s: named %s, looks back %v", name, p.Name(), p.Window())
		}
	}
	if _, err := New("guess", DefaultConfig()); err == nil || !strings.Contains(err.Error(), `no policy "guess"`) {
		t.Errorf("guess: %v", err)
	}
	wrong := Config{Interval: -1, Target: HPA{Tolerance: 2}, CPU: CPU{High: 10, Low: 20}, Work: Work{Slack: 1}}
	_, err := New("work", wrong)
	for _, want := range []string{"decisions every", "tolerance", "fewer below", "slack", "drain"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a wrong configuration gave %v, want it to name %q", err, want)
		}
	}
}

func TestCheckKindsNamesEverythingWrong(t *testing.T) {
	t.Parallel()
	if err := CheckKinds([]Kind{kind(0, 10), {Name: "gpu", Max: 1}}); err != nil {
		t.Errorf("two good kinds: %v", err)
	}
	err := CheckKinds([]Kind{{}, {Name: "a", Min: 3, Max: 2}, {Name: "a", Max: 1, USDPerHour: -1, StartUp: -1}})
	for _, want := range []string{`kind ""`, `kind "a": each`, "3 to 2 workers", "USD", "start-up"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to name %q", err, want)
		}
	}
}

// BenchmarkDecide is at 10,000 workers, a thousand of them starting, and 256 demands.
func BenchmarkDecide(b *testing.B) {
	for _, name := range Names() {
		b.Run("policy="+name, func(b *testing.B) {
			p := policy(b, name)
			s := Signals{Now: noon, Shard: 512, Groups: []Group{{Kind: kind(0, 10_000), Ready: 9000, Busy: 9000, CPUPercent: 70}}}
			for i := range 1000 {
				s.Groups[0].Starting = append(s.Groups[0].Starting, noon.Add(time.Duration(i%120)*time.Second))
			}
			for i := range 256 {
				at := noon.Add(time.Duration(i) * time.Minute)
				s.Demands = append(s.Demands, Demand{Deadline: at, Slides: 100, Patches: 4e7, Deviation: 1e6, Largest: 5000, Since: noon.Add(-time.Duration(i) * time.Second)})
			}
			var past []Record
			for i := range 400 {
				past = append(past, Record{At: noon.Add(time.Duration(i-400) * 15 * time.Second), Patches: 1e9, CPUPercent: 70, Present: map[string]int{"c7i": 9000 + i}, Asked: map[string]int{}, Wanted: map[string]int{"c7i": 9000 + i}})
			}
			for b.Loop() {
				p.Decide(s, past)
			}
		})
	}
}
