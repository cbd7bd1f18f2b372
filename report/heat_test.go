package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAttentionIsNeverCalledProbability(t *testing.T) {
	t.Parallel()
	dir, in := t.TempDir(), sample(t)
	in.Result.Model.HeatMap = Attention
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if s := text(ResultFile); !strings.Contains(s, `"heat_map": "attention"`) {
		t.Errorf("%s does not say what the heat map is:\n%s", ResultFile, s)
	}
	if s := text(PatchesFile); !strings.HasPrefix(s, "minx,miny,width,height,attention\n") {
		t.Errorf("%s begins %.60q", PatchesFile, s)
	}
	page := text(PageFile)
	for _, want := range []string{"attention × slide score", "attention, not probability", "looked at a place"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "probability of BCC") || strings.Contains(page, "highest probability") {
		t.Error("the page calls attention a probability")
	}
	plain := t.TempDir()
	if err := Write(plain, sample(t)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(plain, HeatmapFile))
	if err != nil {
		t.Fatal(err)
	}
	if string(b) == text(HeatmapFile) {
		t.Errorf("the legend of %s is the same for both", HeatmapFile)
	}
}
