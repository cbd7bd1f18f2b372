package capacity

import (
	"math"
	"strings"
	"testing"

	"bcc/fault"
)

// net is a digest.
const net = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// measuredRate is a machine of two cores.
func measuredRate() Rate {
	return Rate{Type: "local", Model: net, ModelName: "m, n", PatchesPerS: 100, Low: 98, High: 102, SlideS: 0.25, EngineRate: 105,
		CPU: "AMD EPYC", Cores: 2, ThreadsPerCore: 1, Arch: "amd64", Date: "2026-11-23", Version: "0.1.0"}
}

func TestARateIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := measuredRate()
	got, err := ReadRates(strings.NewReader(RateHeader+want.Row()), "rates.csv")
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestRatesSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"negative":      {"type,patches_per_s\nlocal,-3\n", `line 2: patches_per_s "-3"`},
		"zero":          {"type,patches_per_s\nlocal,0\n", `patches_per_s "0"`},
		"empty":         {"type,patches_per_s\nlocal,\n", "patches_per_s is empty"},
		"no digest":     {"type,model,patches_per_s\nlocal,bcc-demo,3\n", `model "bcc-demo": want 12 hexadecimal digits`},
		"a short one":   {"type,model,patches_per_s\nlocal,abc,3\n", `model "abc"`},
		"outside":       {"type,patches_per_s,low,high\nlocal,3,4,5\n", "patches_per_s 3 is not between low 4 and high 5"},
		"other columns": {"type,patches_per_s,speed\n", `column "speed" is not known`},
	} {
		if _, err := ReadRates(strings.NewReader(c.text), "rates.csv"); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want Invalid with %q", name, err, c.says)
		}
	}
}

func TestTheLastRateOfANetworkCounts(t *testing.T) {
	t.Parallel()
	all, err := ReadRates(strings.NewReader("type,model,patches_per_s\nlocal,"+net[:12]+",3\nlocal,"+strings.ToUpper(net)+",4\nlocal,ffffffffffff,5\nother,,6\n"), "rates.csv")
	if err != nil {
		t.Fatal(err)
	}
	mine := all.Of(net)
	if s, _, is := mine.SpeedOf(Type{Name: "local"}); !is || s.PatchesPerS != 4 || !s.Measured {
		t.Errorf("%+v, want 4 patches a second", s)
	}
	if s, _, is := mine.SpeedOf(Type{Name: "other"}); !is || s.PatchesPerS != 6 {
		t.Errorf("%+v: a rate without a network is that of any", s)
	}
}

func TestWhatWasNotMeasuredIsEstimatedByCores(t *testing.T) {
	t.Parallel()
	rs := Rates{measuredRate()}
	speed := func(name string) Speed {
		u, is := DefaultCatalogue().Type(name)
		if !is {
			t.Fatalf("no type %s", name)
		}
		s, why, is := rs.SpeedOf(u)
		if !is {
			t.Fatalf("%s: %s", name, why)
		}
		return s
	}
	a, i := speed("c7a.2xlarge"), speed("c7i.2xlarge")
	if a.PatchesPerS != 400 || math.Abs(a.SlideS-0.0625) > 1e-9 || a.Measured || !strings.Contains(a.Basis, "estimated from 100 patches/s on 2 cores of local (AMD EPYC)") {
		t.Errorf("8 cores: %+v, want 400 patches a second", a)
	}
	if i.PatchesPerS != 200 {
		t.Errorf("8 threads of 4 cores: %+v, want 200 patches a second", i)
	}
	if !(i.Deviation > a.Deviation && a.Deviation > 0.3) {
		t.Errorf("deviations %v of the same maker, %v of another: want the latter wider", a.Deviation, i.Deviation)
	}
	// A measurement of the family is nearer.
	near := measuredRate()
	near.Type, near.PatchesPerS, near.Cores, near.CPU = "c7a.xlarge", 300, 4, "AMD EPYC 9R14"
	rs = append(rs, near)
	if s := speed("c7a.2xlarge"); s.PatchesPerS != 600 || s.Deviation > 0.2 {
		t.Errorf("%+v, want twice that of half the cores", s)
	}
	if s := speed("c7a.xlarge"); !s.Measured || s.PatchesPerS != 300 {
		t.Errorf("%+v, want what was measured", s)
	}
}

func TestNothingIsEstimatedForGPUsAndOtherArchitectures(t *testing.T) {
	t.Parallel()
	rs := Rates{measuredRate()}
	for name, says := range map[string]string{"g5.xlarge": "GPUs were not measured", "c8g.xlarge": "nothing with arm64 was measured"} {
		u, _ := DefaultCatalogue().Type(name)
		if s, why, is := rs.SpeedOf(u); is || !strings.Contains(why, says) {
			t.Errorf("%s: %+v, %q", name, s, why)
		}
	}
	if u, _ := DefaultCatalogue().Type("c7a.48xlarge"); u.VCPU != 192 {
		t.Errorf("%+v", u)
	} else if s, why, is := rs.SpeedOf(u); is || !strings.Contains(why, "over 16 times") {
		t.Errorf("192 cores out of 2: %+v, %q", s, why)
	}
	gpu := measuredRate()
	gpu.GPUs = 1
	if _, _, is := (Rates{gpu}).SpeedOf(Type{Name: "x.large", Arch: "amd64", VCPU: 2}); is {
		t.Error("a processor was estimated from a GPU")
	}
	gpu.Type = "g5.xlarge"
	if s, _, is := (Rates{gpu}).SpeedOf(Type{Name: "g5.xlarge", GPUs: 1}); !is || !s.Measured {
		t.Errorf("a GPU that was measured: %+v", s)
	}
}
