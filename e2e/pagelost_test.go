//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bcc/blob"
	"bcc/cohort"
	"bcc/queue"
)

// lostSlides fills a data folder with a cohort of which one slide is quarantined, one
// failed and one waits in vain: nobody walks it before it is cancelled.
func lostSlides(t *testing.T, data string) (id string) {
	t.Helper()
	store, err := blob.Folder(filepath.Join(data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(data, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = store, q
	ledger, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	m, err := ledger.Submit(t.Context(), cohort.Manifest{Name: "Tray 9", Slides: []cohort.Slide{
		{Name: "ear.tif", SHA256: strings.Repeat("a", 64)}, {Name: "lip.tif", SHA256: strings.Repeat("b", 64)}, {Name: "brow.tif", SHA256: strings.Repeat("c", 64)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	desk := cohort.NewDesk(store, q)
	for i, e := range []cohort.End{
		{State: cohort.Quarantined, Attempts: 3, Problem: &cohort.Problem{Kind: "corrupt", Code: 422, Message: "the decoder was ended by SIGSEGV"}},
		{State: cohort.Failed, Attempts: 1, Problem: &cohort.Problem{Kind: "unsupported", Code: 415, Message: "a TIFF of 17 channels", Hint: "save it as RGB"}},
	} {
		if err := desk.End(t.Context(), cohort.Task{Cohort: m.ID, Index: i, SlideID: cohort.SlideID(m.ID, i)}, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := ledger.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// TestPageTellsQuarantinedFromFailed looks at slides that came to no result, and has
// them tried again.
func TestPageTellsQuarantinedFromFailed(t *testing.T) {
	data := t.TempDir()
	id := lostSlides(t, data)
	b := newBrowser(t, 1280, 860)
	base := serve(t, data)
	b.scheme("light")
	b.do(chromedp.Navigate(base + "/"))
	b.until(`document.querySelector(".cohort details.quarantined")?.textContent.includes("ear.tif: the file is damaged: the decoder was ended by SIGSEGV")`, 10*time.Second)
	b.until(`document.querySelector(".cohort details.quarantined").textContent.includes("try it again when the cause is mended")`, 5*time.Second)
	b.until(`document.querySelector(".cohort details.failed").textContent.includes("lip.tif: a TIFF of 17 channels (save it as RGB)")`, 5*time.Second)
	if words := eval[string](b, `document.querySelector(".cohort .progress-words").textContent`); !strings.Contains(words, "1 failed · 1 quarantined · 1 cancelled") {
		t.Errorf("the cohort is told as %q", words)
	}
	if looks := eval[[]string](b, `["failed", "quarantined"].map((c) => document.querySelector(".cohort .bar ." + c)).map((i) => getComputedStyle(i).backgroundImage + i.offsetWidth)`); looks[0] == looks[1] || strings.HasSuffix(looks[1], ")0") {
		t.Errorf("both look alike: %q", looks)
	}
	b.shot("page-quarantined")
	b.inBothSchemes("queue, quarantined")
	b.walk("queue, quarantined")

	b.do(chromedp.Navigate(base + "/#/cohorts/" + id))
	b.until(`document.querySelectorAll("table.slides tbody tr").length === 3`, 10*time.Second)
	b.inBothSchemes("cohort, quarantined")
	b.do(chromedp.Navigate(base + "/#/slides/" + id + "-0"))
	b.until(`document.querySelector("main [role=status]")?.textContent.startsWith("This slide is quarantined: ")`, 10*time.Second)
	b.barriers("a quarantined slide")

	b.do(chromedp.Navigate(base + "/#/"))
	b.until(`[...document.querySelectorAll(".cohort button")].find((x) => x.textContent === "Try again" && x.offsetWidth > 0)`, 10*time.Second)
	eval[int](b, `[...document.querySelectorAll(".cohort button")].find((x) => x.textContent === "Try again").click(), 1`)
	b.until(`document.querySelectorAll(".cohort").length === 2 && document.querySelector(".cohort .facts a")?.hash.endsWith("`+id+`")`, 15*time.Second)
	b.quiet("quarantined")
}
