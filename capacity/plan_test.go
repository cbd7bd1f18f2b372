package capacity

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bcc/fault"
)

// ours cuts slides as the shipped models do.
var ours = Patch{UM: 112}

func TestAListWithoutSizesIsAsCOBRA(t *testing.T) {
	t.Parallel()
	w, err := Usual(5147, ours, UsualTissue())
	if err != nil {
		t.Fatal(err)
	}
	// 1,062 Gpx, of which four tenths are tissue, in patches of 231 px.
	if want := 1062e9 * 0.4 / (230.9 * 230.9); math.Abs(w.Total/want-1) > 0.01 {
		t.Errorf("%.0f patches, want %.0f", w.Total, want)
	}
	if w.Deviation < tissueSpread || w.Deviation > tissueSpread+0.01 {
		t.Errorf("deviation %v: want that of the tissue, the slides being many", w.Deviation)
	}
	few, _ := Usual(4, ours, UsualTissue())
	if few.Deviation < 0.35 {
		t.Errorf("deviation %v of four slides", few.Deviation)
	}
	half, _ := Usual(5147, Patch{UM: 112, Overlap: 0.5}, UsualTissue())
	if math.Abs(half.Total/w.Total-4) > 1e-9 {
		t.Errorf("%.2f times as many patches with an overlap of a half, want 4", half.Total/w.Total)
	}
	for _, n := range []int{0, -1, maxSlides + 1} {
		if _, err := Usual(n, ours, UsualTissue()); fault.Of(err) != fault.Invalid {
			t.Errorf("%d slides: error %v", n, err)
		}
	}
}

func TestWhatIsKnownOfSlidesCounts(t *testing.T) {
	t.Parallel()
	area := 112.0 * 112 * 1000
	w, err := Sized([]Size{{Patches: 300}, {UM2: area, Patches: -1}}, ours, Tissue{0.5, 0.1})
	if err != nil || w.Total != 800 || math.Abs(w.Deviation-500*0.1/800) > 1e-9 {
		t.Errorf("%+v, %v; want 800 patches", w, err)
	}
	if w, _ := Sized([]Size{{Patches: 300}, {Patches: 0}}, ours, UsualTissue()); w.Total != 300 || w.Deviation != 0 || w.Basis != "patches counted" {
		t.Errorf("%+v, want 300 patches for sure", w)
	}
	if w, _ := Sized([]Size{{Patches: 300}, {Patches: -1}}, ours, UsualTissue()); w.Total < 1500 || w.Deviation < 0.5 {
		t.Errorf("%+v: half of it is not known at all", w)
	}
}

func TestTheBusiestMachineIsThatOfCounting(t *testing.T) {
	t.Parallel()
	w, err := Usual(3000, ours, UsualTissue())
	if err != nil {
		t.Fatal(err)
	}
	s := newShare(w, 512)
	for _, n := range []int{2, 7, 30} {
		free := make(minimums, n)
		for _, p := range s.shards {
			free.add(p)
		}
		most := 0.0
		for _, at := range free {
			most = max(most, at)
		}
		if got := s.busiest(n); math.Abs(got/most-1) > 0.002 {
			t.Errorf("%d machines: %.0f patches, counted %.0f", n, got, most)
		}
	}
	if got := s.busiest(1); got != w.Total {
		t.Errorf("one machine has %v of %v", got, w.Total)
	}
	// Six equal shards: four machines are no better than three, and eight no better than six.
	six := newShare(Work{Slides: 2, Patches: []float64{1536, 1536}, Total: 3072}, 512)
	for n, want := range map[int]float64{2: 1536, 3: 1024, 4: 1024, 6: 512, 8: 512} {
		if got := six.busiest(n); got != want {
			t.Errorf("%d machines: the busiest has %v, want %v", n, got, want)
		}
	}
}

// twoTypes is a catalogue of a machine of 100 patches a second and one of 400 that is dearer.
func twoTypes(t *testing.T) (*Catalogue, Rates) {
	t.Helper()
	c, err := ReadCatalogue(strings.NewReader("type,vcpu,usd_per_hour\nslow,2,0.36\nfast,8,1.8\n"), "c")
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadRates(strings.NewReader("type,patches_per_s\nslow,100\nfast,400\n"), "r")
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

func exact(patches ...float64) Work {
	sizes := make([]Size, len(patches))
	for i, p := range patches {
		sizes[i] = Size{Patches: p}
	}
	w, _ := Sized(sizes, ours, UsualTissue())
	return w
}

func TestTimeAndMoneyFollowFromPatchesRatesAndPrices(t *testing.T) {
	t.Parallel()
	c, rs := twoTypes(t)
	cfg := DefaultConfig()
	cfg.Max, cfg.Efficiency, cfg.StartUp = 1, 1, 100*time.Second
	slow, _ := c.Only([]string{"slow"})
	p, err := New(exact(10_000, 20_000), slow, rs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o := p.Frontier[0]
	if o.Finish.Mid != 400*time.Second || math.Abs(o.USD.Mid-0.04) > 1e-9 || math.Abs(o.Hours-400.0/3600) > 1e-9 {
		t.Errorf("%v, $%v, %v h: want 400 s at a hundredth of a cent each", o.Finish.Mid, o.USD.Mid, o.Hours)
	}
	if want := 100 + 300*math.Exp(1.645*0.05); math.Abs(o.Finish.High.Seconds()-want) > 1e-3 {
		t.Errorf("up to %v, want %.1f s", o.Finish.High, want)
	}
	// Ten patches are billed for a minute.
	cfg.StartUp = 0
	if p, _ = New(exact(10), slow, rs, cfg); math.Abs(p.Frontier[0].USD.Mid-0.006) > 1e-9 || p.Frontier[0].Finish.Mid != 100*time.Millisecond {
		t.Errorf("ten patches: %+v", p.Frontier[0])
	}
}

func TestTheFrontierIsOfThoseThatNothingBeats(t *testing.T) {
	t.Parallel()
	c, rs := twoTypes(t)
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		patches := make([]float64, 1+rng.IntN(50))
		for i := range patches {
			patches[i] = float64(rng.IntN(5000))
		}
		cfg := DefaultConfig()
		cfg.Max = 1 + rng.IntN(90)
		w := exact(patches...)
		p, err := New(w, c, rs, cfg)
		if err != nil {
			t.Fatal(err)
		}
		parts := newShare(w, 512)
		for _, u := range c.types {
			s, _, _ := rs.SpeedOf(u)
			for n := 1; n <= min(cfg.Max, len(parts.shards)); n++ {
				o := cfg.option(u, n, s, w, parts.busiest(n))
				beaten := false
				for _, f := range p.Frontier {
					beaten = beaten || f.Finish.seconds() <= o.Finish.seconds() && f.USD.High <= o.USD.High+1e-12
				}
				if !beaten && n <= 64 {
					t.Fatalf("%v is as good as any of the frontier and not on it", o)
				}
			}
		}
		for i := 1; i < len(p.Frontier); i++ {
			if a, b := p.Frontier[i-1], p.Frontier[i]; !(a.Finish.seconds() < b.Finish.seconds() && a.USD.High > b.USD.High) {
				t.Fatalf("%v (%v, $%v) before %v (%v, $%v)", a, a.Finish, a.USD, b, b.Finish, b.USD)
			}
		}
	}
}

func TestAdviceKeepsToDeadlineAndBudget(t *testing.T) {
	t.Parallel()
	c, rs := twoTypes(t)
	w := exact(2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000) // 200 s of one slow machine
	plan := func(deadline time.Duration, budget float64) *Plan {
		cfg := DefaultConfig()
		cfg.StartUp, cfg.Deadline, cfg.Budget = 10*time.Second, deadline, budget
		p, err := New(w, c, rs, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan(100*time.Second, 0)
	if p.Advised == nil || p.Advised.Finish.High > 100*time.Second {
		t.Fatalf("in 100 s: %v, %s", p.Advised, p.Why)
	}
	for _, o := range p.Frontier {
		if o.Finish.High <= 100*time.Second && o.USD.High < p.Advised.USD.High {
			t.Errorf("%v is in time too and cheaper than %v", o, p.Advised)
		}
	}
	if p = plan(5*time.Second, 0); p.Advised != nil || !strings.Contains(p.Why, "nothing is in time: the fastest, ") || !strings.Contains(p.Why, "machines take 10 s to start") {
		t.Errorf("in 5 s: %v, %s", p.Advised, p.Why)
	}
	if p = plan(0, 0.05); p.Advised == nil || p.Advised.USD.High > 0.05 {
		t.Errorf("for five cents: %v, %s", p.Advised, p.Why)
	}
	if p = plan(0, 0.001); p.Advised != nil || !strings.Contains(p.Why, "more than the $0.0010 allowed") {
		t.Errorf("for a tenth of a cent: %v, %s", p.Advised, p.Why)
	}
	if p = plan(30*time.Second, 0.01); p.Advised != nil || !strings.Contains(p.Why, "the cheapest in time") {
		t.Errorf("both: %v, %s", p.Advised, p.Why)
	}
	if p = plan(0, 0); p.Advised == nil || p.Advised.USD.High > 1.1*p.Cheapest.USD.High {
		t.Errorf("neither: %v, %s", p.Advised, p.Why)
	}
}

func TestItSaysWhatItCannotPlanWith(t *testing.T) {
	t.Parallel()
	c, rs := twoTypes(t)
	if _, err := New(exact(100), c, nil, DefaultConfig()); fault.Of(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "bcc bench engine") {
		t.Errorf("without rates: %v", err)
	}
	gpus, _ := DefaultCatalogue().Only([]string{"g5.*"})
	if _, err := New(exact(100), gpus, rs, DefaultConfig()); fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "g5.xlarge: GPUs were not measured") {
		t.Errorf("GPUs only: %v", err)
	}
	cfg := DefaultConfig()
	cfg.Spot = true
	if _, err := New(exact(100), c, rs, cfg); err == nil || !strings.Contains(err.Error(), "no spot price in the catalogue") {
		t.Errorf("spot without prices: %v", err)
	}
	cfg = Config{StartUp: -1, Max: 0, Efficiency: 2, Deadline: -1, Budget: math.NaN()}
	err := cfg.Validate()
	for _, word := range []string{"start-up", "machines", "efficiency", "shards", "deadline", "budget"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v does not name the %s", err, word)
		}
	}
}

func TestFewOfTheFrontierAreItsEndsAndTheAdvised(t *testing.T) {
	t.Parallel()
	c, rs := twoTypes(t)
	cfg := DefaultConfig()
	cfg.Deadline = 20 * time.Minute
	w, _ := Usual(1000, ours, UsualTissue())
	p, err := New(w, c, rs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	few := p.Few(8)
	has := func(o Option) bool {
		for _, f := range few {
			if f.String() == o.String() {
				return true
			}
		}
		return false
	}
	if len(p.Frontier) < 20 || len(few) > 10 || !has(p.Fastest) || !has(p.Cheapest) || p.Advised == nil || !has(*p.Advised) {
		t.Errorf("%v of %d, advised %v", few, len(p.Frontier), p.Advised)
	}
}

func TestSizesAreReadFromTables(t *testing.T) {
	t.Parallel()
	const table = "path,patches,width_px,height_px,mpp_um\na.tif,12,,,\nb.tif,,1000,2000,0.5\n"
	got, err := ReadSizes(strings.NewReader(table), "sizes.csv", 0)
	if err != nil || len(got) != 2 || got[0].Patches != 12 || got[1].UM2 != 500*1000 {
		t.Errorf("%+v, %v", got, err)
	}
	const cobra = "filename,File Size (MB),Width (px),Height (px),Levels,Spacings (mu),Downsamples,Scanner\nx.tif,31,10000,20000,5,\"[0.5, 1.0]\",\"[1, 2]\",P1000\n"
	if got, err = ReadSizes(strings.NewReader(cobra), "bcc_images.csv", 0); err != nil || got[0].UM2 != 5000*10000 {
		t.Errorf("%+v, %v", got, err)
	}
	for says, text := range map[string]string{
		"line 2: no scale":                    "width_px,height_px\n10,10\n",
		"line 2: neither patches nor a width": "patches,width_px,height_px\n,,5\n",
		`line 2: patches "-1"`:                "patches\n-1\n",
		`line 3: width_px "-5"`:               "width_px,height_px,mpp_um\n5,5,1\n-5,5,1\n",
		"names no slide":                      "patches\n",
	} {
		if _, err := ReadSizes(strings.NewReader(text), "sizes.csv", 0); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
	for line, want := range map[string]bool{"path,label,patches": true, "filename,\"Width (px)\",Height (px)": true, "path,mpp_um": false, "slides/a.tif": false, "width_px": false} {
		if IsSizes(line) != want {
			t.Errorf("IsSizes(%q) = %v", line, !want)
		}
	}
}
