package evaluate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/evaluate"
	"bcc/fault"
)

// samples puts each score into a group of its own.
func samples(scores []float64, positive []bool) []evaluate.Sample {
	out := make([]evaluate.Sample, len(scores))
	for i := range out {
		out[i] = evaluate.Sample{Name: fmt.Sprint("s", i), Group: fmt.Sprint("g", i), Positive: positive[i], Score: scores[i]}
	}
	return out
}

// drawn are samples of a model that is right more often than not, four to a group.
func drawn(n int, seed uint64) []evaluate.Sample {
	rng := rand.New(rand.NewPCG(seed, 9))
	out := make([]evaluate.Sample, n)
	for i := range out {
		z, yes := rng.NormFloat64()-0.7, rng.IntN(2) == 0
		if yes {
			z += 1.4
		}
		out[i] = evaluate.Sample{Name: fmt.Sprintf("s%03d", i), Group: fmt.Sprint("g", i/4), Part: []string{"fine", "coarse"}[i/8%2], Positive: yes, Score: evaluate.Sigmoid(z)}
	}
	return out
}

func quick() evaluate.Config { return evaluate.Config{Rounds: 200, Seed: 1} }

// Scores whose true logits are z are given as those of 3 z: the temperature that
// mends them is 3.
func TestItFindsTheTemperature(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	var sure []float64
	var positive []bool
	for range 20000 {
		z := rng.NormFloat64()
		positive = append(positive, rng.Float64() < evaluate.Sigmoid(z))
		sure = append(sure, evaluate.Sigmoid(3*z))
	}
	got, err := evaluate.Temperature(sure, positive)
	if err != nil || math.Abs(got-3) > 0.15 { // four standard errors of 1/T, about 0.006 each
		t.Fatalf("temperature %v, %v; want 3", got, err)
	}
	before, _ := evaluate.ECE(sure, positive)
	for i := range sure {
		sure[i] = evaluate.Scale(sure[i], got)
	}
	after, _ := evaluate.ECE(sure, positive)
	if !(after < 0.02 && before > 0.1) {
		t.Errorf("calibration error %v before, %v after", before, after)
	}
	again, err := evaluate.Temperature(sure, positive)
	if err != nil || math.Abs(again-1) > 0.01 { // scores near 0 and 1 were kept from being surer
		t.Errorf("temperature of tempered scores %v, %v; want 1", again, err)
	}
	if apart, err := evaluate.Temperature([]float64{0.1, 0.2, 0.8, 0.9}, []bool{n, n, p, p}); err != nil || apart != 0.05 {
		t.Errorf("classes apart: %v, %v", apart, err)
	}
	if apart := (&evaluate.Tempered{Value: 0.05}); apart.Found() {
		t.Error("a bound is taken for a temperature")
	}
	if upside := (&evaluate.Tempered{Value: 20}); !upside.Found() {
		t.Error("scores that say nothing have a temperature")
	}
	if upside, err := evaluate.Temperature([]float64{0.1, 0.2, 0.8, 0.9}, []bool{p, p, n, n}); err != nil || upside != 20 {
		t.Errorf("classes upside down: %v, %v", upside, err)
	}
	if _, err := evaluate.Temperature([]float64{0.1, 0.9}, []bool{p, p}); !errors.Is(err, evaluate.ErrOneClass) {
		t.Errorf("one class: %v", err)
	}
}

func TestItCallsWithinTheBandNeitherWay(t *testing.T) {
	t.Parallel()
	point := evaluate.Point{Threshold: 0.5, Abstain: [2]float64{0.4, 0.6}}
	for score, want := range map[float64]evaluate.Call{
		0.39: evaluate.Negative, 0.4: evaluate.Undecided, 0.5: evaluate.Undecided, 0.6: evaluate.Undecided, 0.61: evaluate.Positive,
	} {
		if got := point.Call(score); got != want {
			t.Errorf("score %v is called %v, want %v", score, got, want)
		}
	}
	if got := (evaluate.Point{Threshold: 0.5, Abstain: [2]float64{0.5, 0.5}}).Call(0.5); got != evaluate.Positive {
		t.Errorf("without a band the threshold is called %v", got)
	}
}

func TestItChoosesAnOperatingPoint(t *testing.T) {
	t.Parallel()
	scores, positive := []float64{0.9, 0.8, 0.6, 0.4, 0.3, 0.1}, []bool{p, p, n, p, n, n}
	groups := []string{"a", "b", "c", "d", "e", "f"}
	for _, c := range []struct {
		sensitivity, want float64
	}{
		{0, 0.7},    // Youden: 2/3 + 1, halfway down to the next score
		{0.6, 0.8},  // two of three
		{0.95, 0.4}, // all three
	} {
		got, err := evaluate.Choose(t.Context(), scores, positive, groups, evaluate.Rule{Sensitivity: c.sensitivity})
		if err != nil || math.Abs(got.Threshold-c.want) > 1e-15 || got.Abstain[0] != got.Abstain[1] {
			t.Errorf("sensitivity %v: %+v, %v; want %v without a band", c.sensitivity, got, err, c.want)
		}
	}
	if _, err := evaluate.Choose(t.Context(), scores, []bool{p, p, p, p, p, p}, groups, evaluate.DefaultRule()); !errors.Is(err, evaluate.ErrOneClass) {
		t.Errorf("one class: %v", err)
	}
}

// The band holds the threshold and leaves no more undecided than it may.
func TestItsBandIsNarrowEnough(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		all := drawn(200, seed)
		rule := evaluate.DefaultRule()
		rule.Rounds, rule.Sensitivity = 200, 0.9*float64(seed%2)
		c, err := evaluate.Tune(t.Context(), all, "the set", rule, quick())
		if err != nil {
			t.Fatal(err)
		}
		if !(c.Abstain[0] < c.Threshold && c.Threshold < c.Abstain[1]) || c.Undecided.Value > 0.1 || c.Undecided.Value == 0 {
			t.Errorf("seed %d: threshold %v, band %v, %v undecided", seed, c.Threshold, c.Abstain, c.Undecided.Value)
		}
		if rule.Sensitivity > 0 && c.Sensitivity.Value < rule.Sensitivity {
			t.Errorf("seed %d: sensitivity %v", seed, c.Sensitivity)
		}
	}
}

func TestItMeasuresWholeAndParts(t *testing.T) {
	t.Parallel()
	all := drawn(160, 1)
	base := &evaluate.Baseline{TrainedOn: map[string]int{"": 50}, Scores: map[string]map[string]float64{"": {}}}
	for i, s := range all {
		base.Scores[""][s.Name] = float64(i%7) / 7 // knows nothing
	}
	e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5, Abstain: [2]float64{0.45, 0.55}}, base, quick())
	if err != nil {
		t.Fatal(err)
	}
	c := e.Counts
	if c.TP+c.FP+c.TN+c.FN+c.IndeterminatePositive+c.IndeterminateNegative != 160 || c.IndeterminatePositive == 0 || c.TP+c.FN+c.IndeterminatePositive != e.Positives {
		t.Errorf("counts %+v of %d positives", c, e.Positives)
	}
	auroc := e.Figures["auroc"]
	if e.Groups != 40 || auroc.Resamples != 200 || len(auroc.Interval) != 2 || !(auroc.Interval[0] < auroc.Value && auroc.Value < auroc.Interval[1]) || auroc.BySample != nil {
		t.Errorf("%d groups, AUROC %+v", e.Groups, auroc)
	}
	if len(e.Parts) != 2 || e.Parts[0].Value != "coarse" || e.Parts[0].Samples+e.Parts[1].Samples != 160 || e.Parts[1].Colour != nil {
		t.Errorf("parts %+v", e.Parts)
	}
	if d := e.Colour.Difference; math.Abs(d.Value-(auroc.Value-e.Colour.AUROC.Value)) > 1e-15 || d.Interval[0] < 0 {
		t.Errorf("difference to a baseline that knows nothing: %+v", d)
	}
	counted := 0
	for _, b := range e.Calibration.Bins {
		counted += b.Count
	}
	if counted != 160 {
		t.Errorf("%d samples in the bins", counted)
	}
}

func TestItSaysWhereGroupsAreFew(t *testing.T) {
	t.Parallel()
	all := drawn(40, 1)
	for i := range all {
		all[i].Group = map[bool]string{true: "p", false: "n"}[all[i].Positive]
	}
	e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5}, nil, quick())
	if err != nil {
		t.Fatal(err)
	}
	if f := e.Figures["auroc"]; f.Interval != nil || len(f.BySample) != 2 {
		t.Errorf("one group a class: %+v, want an interval by sample only", f)
	}
	if len(e.Notes) != 2 || e.Band != nil {
		t.Errorf("notes %q, band %v", e.Notes, e.Band)
	}
}

// An interval from 1 to 1 looks like certainty and is none.
func TestItSaysThatAPerfectFigureIsNoCertainty(t *testing.T) {
	t.Parallel()
	var all []evaluate.Sample
	for i := range 60 {
		s := evaluate.Sample{Name: fmt.Sprint(i), Group: fmt.Sprintf("g%d", i), Positive: i%3 == 0, Score: 0.2}
		if s.Positive {
			s.Score = 0.9
		}
		all = append(all, s)
	}
	note := func() string {
		e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5}, nil, quick())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(e.Notes, "\n")
	}
	for _, want := range []string{"AUROC, Sensitivity, Specificity", "no fault in 20 groups leaves a sensitivity of 0.85 possible", "no fault in 40 groups leaves a specificity of 0.93"} {
		if got := note(); !strings.Contains(got, want) {
			t.Errorf("notes %q, want %q", got, want)
		}
	}
	all[0].Score = 0.1
	if got := note(); !strings.Contains(got, "resample: Specificity.") || strings.Contains(got, "sensitivity") {
		t.Errorf("one positive missed: %q", got)
	}
}

func TestItRefusesWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	one := drawn(10, 1)
	for i := range one {
		one[i].Positive = true
	}
	nan := drawn(10, 1)
	nan[3].Score = math.NaN()
	for name, all := range map[string][]evaluate.Sample{"one class": one, "NaN": nan, "nothing": nil} {
		_, err := evaluate.Run(t.Context(), all, evaluate.Point{}, nil, quick())
		if fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := evaluate.Run(t.Context(), nan, evaluate.Point{}, nil, quick()); err == nil || !strings.Contains(err.Error(), "s003") {
		t.Errorf("the message does not name the sample: %v", err)
	}
	if _, err := evaluate.FitLogistic([][]float64{{1}, {2}}, []bool{true, true}); !errors.Is(err, evaluate.ErrOneClass) {
		t.Errorf("a regression on one class: %v", err)
	}
}

// A picture half white, half of one other colour: means and deviations by hand.
func TestItSeesColourOnly(t *testing.T) {
	t.Parallel()
	pix := []byte{255, 255, 255, 55, 155, 255}
	want := []float64{(1 + 55./255) / 2, 100. / 255, (1 + 155./255) / 2, 50. / 255, 1, 0,
		math.Log10(256./56) / 2, math.Log10(256./56) / 2, math.Log10(256./156) / 2, math.Log10(256./156) / 2, 0, 0}
	got := evaluate.ColourOf(pix)
	for i := range want {
		if len(got) != len(want) || math.Abs(got[i]-want[i]) > 1e-7 { // of a difference of squares
			t.Fatalf("features %v, want %v", got, want)
		}
	}
	back := []byte{55, 155, 255, 255, 255, 255}
	if diff := cmp.Diff(got, evaluate.ColourOf(back)); diff != "" {
		t.Errorf("places matter: %s", diff)
	}
}

func TestItWritesWhatItReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := drawn(80, 2)
	e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5, Abstain: [2]float64{0.45, 0.55}}, nil, quick())
	if err != nil {
		t.Fatal(err)
	}
	e.Model = &evaluate.Model{Name: "<b>bold</b>", Version: "1", SHA256: "0123456789abcdef"}
	e.Data, e.Unit, e.Column = evaluate.Data{Name: "a set", Kind: "tiles", Split: "val"}, "tile", "size"
	rows := make([]evaluate.Prediction, len(all))
	for i, s := range all {
		rows[i] = evaluate.Prediction{Sample: s, Split: "val"}
	}
	if err := e.Write(dir, rows); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, evaluate.PredictionsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	back, err := evaluate.ReadPredictions(f, "size", "")
	if err != nil || len(back) != len(rows) {
		t.Fatalf("%d rows, %v", len(back), err)
	}
	for i := range back { // nine digits are written
		if math.Abs(back[i].Score-rows[i].Score) > 1e-8 {
			t.Errorf("score %v, written %v", back[i].Score, rows[i].Score)
		}
		back[i].Score = rows[i].Score
	}
	if diff := cmp.Diff(rows, back); diff != "" {
		t.Error(diff)
	}
	loaded, err := evaluate.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(e)
	if got, _ := json.Marshal(loaded); !bytes.Equal(got, want) {
		t.Error("what was loaded is not what was written")
	}
	page, err := os.ReadFile(filepath.Join(dir, evaluate.PageFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Not for diagnostic use", "&lt;b&gt;bold", "split “val”", "<svg", "AUROC"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, never := range []string{"<b>bold", "http://localhost", "<script", "NaN", "ZgotmplZ"} {
		if strings.Contains(string(page), never) {
			t.Errorf("the page has %s", never)
		}
	}
	for _, name := range []string{"roc", "pr", "reliability", "scores"} {
		for _, ending := range []string{".svg", ".png"} {
			if info, err := os.Stat(filepath.Join(dir, name+ending)); err != nil || info.Size() < 500 {
				t.Errorf("%s%s: %v", name, ending, err)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestItSaysWhatIsWrongWithATable(t *testing.T) {
	t.Parallel()
	const head = "path,label,group,score\n"
	for name, c := range map[string]struct{ text, want string }{
		"no column":      {"path,label,score\na,1,0.5\n", "columns path, label, group and score"},
		"nothing":        {"", "the file is empty"},
		"no rows":        {head, "no rows"},
		"NaN":            {head + "a,1,g,NaN\n", "line 2: the score"},
		"beyond":         {head + "a,1,g,0.5\nb,0,g,1.5\n", "line 3: the score"},
		"no score":       {head + "a,1,g,\n", "line 2: the score"},
		"no label":       {head + "a,,g,0.5\n", "line 2: no label"},
		"no group":       {head + "a,1,,0.5\n", "line 2: no group"},
		"twice":          {head + "a,1,g,0.5\na,1,g,0.6\n", "stands in line 2 already"},
		"three labels":   {head + "a,1,g,0.5\nb,0,g,0.5\nc,2,g,0.5\n", `3 labels, want two: ["0" "1" "2"]`},
		"two splits":     {"path,label,group,score,split\na,1,g,0.5,val\nb,0,h,0.5,test\nc,0,g,0.5,test\n", `line 4: group "g" is of split "test" here, of "val" in line 2`},
		"a torn row":     {head + "a,1\n", "wrong number of fields"},
		"no such column": {head + "a,1,g,0.5\n", `no column "by"`},
	} {
		by := ""
		if name == "no such column" {
			by = "by"
		}
		_, err := evaluate.ReadPredictions(strings.NewReader(c.text), by, "")
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	rows, err := evaluate.ReadPredictions(strings.NewReader("\ufeffscore,path,group,label\n0.25,x,g,tumour\n0.5,y,g,other\n"), "", "")
	want := []evaluate.Prediction{{Sample: evaluate.Sample{Name: "x", Group: "g", Positive: true, Score: 0.25}}, {Sample: evaluate.Sample{Name: "y", Group: "g", Score: 0.5}}}
	if diff := cmp.Diff(want, rows); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if _, err = evaluate.ReadPredictions(strings.NewReader("\ufeff\"path\",\"label\",group,score\n\"a\",1,g,0.5\n"), "", ""); err != nil {
		t.Errorf("a quoted head after a byte order mark: %v", err)
	}
	if _, err = evaluate.ReadPredictions(strings.NewReader(head+"x,yes,g,0.25\n"), "", "BCC"); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), `no label is "BCC"`) {
		t.Errorf("a label that is not there: %v", err)
	}
	rows, err = evaluate.ReadPredictions(strings.NewReader(head+"x,yes,g,0.25\n"), "", "yes")
	if err != nil || !rows[0].Positive {
		t.Errorf("a label that is named: %+v, %v", rows, err)
	}
}

// A lesion that is found on a slide with two, and one that is not there on a slide
// without: figures by hand.
func TestItMeasuresLesionsOfManySlides(t *testing.T) {
	t.Parallel()
	slides := []evaluate.SlideLesions{
		{Group: "a", Positive: true, Overlap: evaluate.Overlap{Found: 10, True: 30, Both: 10}, Hits: evaluate.SlideHits{Hits: []evaluate.Hit{{Score: 0.9, True: []int32{1}}}, True: 2}},
		{Group: "b", FoundMM2: 0.5, Overlap: evaluate.Overlap{Found: 10}, Hits: evaluate.SlideHits{Hits: []evaluate.Hit{{Score: 0.8}}}},
	}
	l, err := evaluate.MeasureLesions(t.Context(), slides, quick())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"froc_score": 0.5, "sensitivity": 0.5, "false_per_slide": 0.5, "dice": 0.4, "area_precision": 0.5, "area_recall": 1. / 3, "area_called_on_negatives_mm2": 0.5,
	} {
		if got := l.Figures[name].Value; math.Abs(got-want) > 1e-15 {
			t.Errorf("%s %v, want %v", name, got, want)
		}
	}
}
