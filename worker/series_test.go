package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"bcc/blob/blobtest"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/queue"
	"bcc/queue/queuetest"
	"bcc/report"
	"bcc/telemetry"
	"bcc/telemetry/seriestest"
	"bcc/worker"
)

// moody is a blink that finds some slides bad.
type moody struct{ blink }

func (x moody) Survey(ctx context.Context, src detect.Source, watch detect.Watcher) (worker.Survey, error) {
	s, err := x.blink.Survey(ctx, src, watch)
	head := make([]byte, 64)
	n, _ := src.ReadAt(head, 0)
	var number int
	if _, scanned := fmt.Sscanf(string(head[:n]), "slide %d", &number); scanned != nil {
		return nil, scanned
	}
	switch number % 50 {
	case 7:
		return nil, fault.New(fault.Corrupt, "slide %d is cut off", number)
	case 8:
		return nil, fault.New(fault.Unsupported, "slide %d has %d channels", number, number)
	}
	return moodySurvey{s, number}, err
}

type moodySurvey struct {
	worker.Survey
	number int
}

func (s moodySurvey) Finish(ctx context.Context, rows []float32, dir string) (report.Result, error) {
	r, err := s.Survey.Finish(ctx, rows, dir)
	r.Score = float64(s.number%101) / 100
	if s.number%10 == 0 { // of another version
		r.Prediction = "maybe"
	}
	return r, err
}

// TestTheNumberOfSeriesIsBounded has many slides walked, with as many names, owners,
// cohorts, contents and complaints, and counts what a scrape holds.
func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	t.Parallel()
	const cohorts = 10
	slides := 1000
	if n, err := strconv.Atoi(os.Getenv("BCC_SLIDES")); err == nil { // make e2e-metrics: 30,000
		slides = n
	}
	begun := time.Now()
	reg := telemetry.NewRegistry()
	store, q := blobtest.NewMemory(), queuetest.NewMemory(10*time.Minute)
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.Registerer, cfg.PricePerHour, cfg.Rescan = store, q, reg, 1, time.Hour
	ledger, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	m := worker.Model{Detect: detect.DefaultConfig(32, 1), Runners: 1, Devices: []string{"none"},
		Examine: func(detect.Config) (worker.Examiner, error) { return moody{blink{1}}, nil }}
	m.Detect.Outputs, m.Detect.Program = 1, report.Program{Name: "bcc", Version: "test"}
	desk := cohort.NewDesk(store, q)
	wc := worker.DefaultConfig()
	wc.Registerer, wc.Scratch, wc.Jobs, wc.Lease, wc.Pause = reg, t.TempDir(), 4, 10*time.Minute, time.Millisecond
	w, err := worker.New(wc, m, store, q, desk, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	defer func() { stop(); <-ended }()

	var first int
	for c := range cohorts {
		one := cohort.Manifest{Owner: fmt.Sprintf("owner-%d", c), Name: fmt.Sprintf("name-%d", c), Priority: []queue.Lane{queue.Routine, queue.Urgent}[c%2]}
		for i := range slides / cohorts {
			data := fmt.Appendf(nil, "slide %d of %d", i, c)
			sum := digest(data)
			if err := store.Put(ctx, "slides/"+sum, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			one.Slides = append(one.Slides, cohort.Slide{Name: fmt.Sprintf("name-%d-%d.tif", c, i), SHA256: sum, Parameters: cohort.Parameters{MPPUM: 1}})
		}
		one, err := ledger.Submit(ctx, one)
		if err != nil {
			t.Fatal(err)
		}
		for i := range one.Slides {
			if _, err := ledger.Wait(ctx, cohort.SlideID(one.ID, i)); err != nil {
				t.Fatal(err)
			}
		}
		n, labels := seriestest.Count(t, reg)
		if c == 0 {
			first = n
		}
		if n > first || n > 400 {
			t.Fatalf("%d series after %d slides, %d after the first %d", n, (c+1)*len(one.Slides), first, len(one.Slides))
		}
		for _, secret := range []string{"owner-", "name-", "cut off", "channels", one.ID, one.Slides[0].SHA256, "maybe"} {
			if strings.Contains(labels, secret) {
				t.Fatalf("a label holds %q", secret)
			}
		}
	}
	t.Logf("%d series over %d slides in %v", first, slides, time.Since(begun))
}
