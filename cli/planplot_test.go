package cli

import (
	"testing"

	"bcc/capacity"
)

// The fastest of 5,000 slides costs some fifteen times what is advised, and the cheapest
// takes far longer: neither may press what matters against an axis.
func TestAPlotShowsWhatMatters(t *testing.T) {
	t.Parallel()
	work, err := capacity.Usual(5000, capacity.Patch{UM: 112}, capacity.UsualTissue())
	if err != nil {
		t.Fatal(err)
	}
	cfg := capacity.DefaultConfig()
	p, err := capacity.New(work, capacity.DefaultCatalogue(), capacity.Rates{{Type: "c7a.large", Arch: "amd64", CPU: "AMD EPYC", Cores: 2, ThreadsPerCore: 1, PatchesPerS: 1000}}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	usd := p.Advised.USD.Mid
	if p.Fastest.USD.Mid < 2*dearest*usd {
		t.Fatalf("the fastest costs %v, the advised %v: this test shows nothing", p.Fastest.USD, usd)
	}
	c := planChart(p, cfg)
	if c.Y.Max > 2.5*dearest*usd || c.X.Max*60 > 2*farthest*p.Advised.Finish.Mid.Seconds() {
		t.Errorf("axes to %v and %v, advised %v in %v", c.X, c.Y, usd, p.Advised.Finish)
	}
	dots := 0
	for _, item := range c.Items {
		for _, d := range item.Dots {
			if dots++; d.X > c.X.Max || d.Y > c.Y.Max {
				t.Errorf("%v is outside", d)
			}
		}
	}
	if dots < 5 {
		t.Errorf("%d dots", dots)
	}
}
