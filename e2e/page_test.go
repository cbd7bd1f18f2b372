//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	cdpnetwork "github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// serve starts bcc serve on a free port and returns its address. It ends with the test.
func serve(t *testing.T, data string, args ...string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "address")
	var logs bytes.Buffer
	cmd := exec.Command(binary, append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", data, "--device", "cpu"}, args...)...)
	cmd.Stdout, cmd.Stderr = &logs, &logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			t.Errorf("bcc serve did not end within 30 s of SIGTERM")
		}
		if t.Failed() {
			t.Logf("bcc serve said:\n%.4000s", logs.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b, err := os.ReadFile(at)
		if err != nil {
			continue
		}
		base := "http://" + strings.TrimSpace(string(b))
		if res, err := http.Get(base + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return base
			}
		}
	}
	t.Fatalf("bcc serve is not ready after 30 s:\n%s", logs.String())
	return ""
}

const seed, slideW, slideH = "7", 4000, 3000

// slides makes what the page is given: one slide with BCC and one without, one that
// does not say its scale, one that is broken; and the first as a PNG, to compare with.
func slides(t *testing.T) (files []string, truth string) {
	t.Helper()
	dir := t.TempDir()
	size := fmt.Sprintf("%dx%d", slideW, slideH)
	must(t, "synth", "--out", dir, "--count", "2", "--seed", seed, "--size", size)
	must(t, "synth", "--out", dir+"/truth", "--count", "2", "--seed", seed, "--size", size, "--variant", "png")
	must(t, "synth", "--out", dir+"/nompp", "--count", "1", "--seed", "8", "--size", "1500x1200", "--variant", "no-mpp")
	rename := func(from, to string) {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(dir, to))
	}
	rename("synth-00000.tif", "left-cheek.tif")
	rename("synth-00001.tif", "nose.tif")
	rename("nompp/synth-00000.tif", "no-scale.tif")
	broken := filepath.Join(dir, "broken.tif")
	if err := os.WriteFile(broken, []byte("II*\x00\xff\xff\xff\xffno slide"), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(files, broken), filepath.Join(dir, "truth", "synth-00001.png")
}

// TestPage walks through the page as a person does: from slides on a desk to their
// outlines on a screen.
func TestPage(t *testing.T) {
	b := newBrowser(t, 1280, 860)
	base := serve(t, t.TempDir())
	files, truth := slides(t)
	b.scheme("light")
	b.do(chromedp.Navigate(base + "/"))
	b.until(`document.querySelector("#cohorts-head")`, 10*time.Second)

	// Sent, the broken one refused with its reason, the scale asked for.
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), files))
	b.until(`document.querySelectorAll(".item").length === 4 && document.querySelector(".item.failed .bad") && document.querySelector(".scale-ask input")`, 30*time.Second)
	if !eval[bool](b, `document.querySelector(".staged [type=submit]").disabled`) {
		t.Error("a slide without a scale can be submitted")
	}
	b.barriers("slides being sent")
	b.do(chromedp.SendKeys(chromedp.CSS(".scale-ask input"), "0.5"),
		chromedp.SendKeys(chromedp.CSS(".staged input[type=text]"), "Tray 4"))
	b.until(`!document.querySelector(".staged [type=submit]").disabled`, 10*time.Second)
	for _, s := range b.heard() { // the refusal of the broken slide is told by the browser too
		if !strings.Contains(s, "status of 4") {
			t.Errorf("the console says: %s", s)
		}
	}
	b.do(chromedp.Click(chromedp.CSS(".staged [type=submit]")))
	b.until(`document.querySelector(".cohort h3")?.textContent === "Tray 4"`, 10*time.Second)
	b.until(`document.querySelector(".cohort .progress-words").textContent.startsWith("3 done")`, 60*time.Second)
	if kinds := eval[string](b, `(async () => {
		const { follow } = await import("/assets/lib/events.js"), kinds = [], id = document.querySelector(".cohort h3 a").hash.split("/").pop();
		await follow("/cohorts/" + id + "/events", new AbortController().signal, (kind) => kinds.push(kind));
		return kinds.join(" ");
	})()`); !strings.HasPrefix(kinds, "cohort") || !strings.HasSuffix(kinds, "end") {
		t.Errorf("the events of a cohort that is done are: %s", kinds)
	}
	b.inBothSchemes("queue")
	b.walk("queue")
	b.quiet("queue")

	cohortView(b)
	open := eval[string](b, `[...document.querySelectorAll("table.slides a")].find((a) => a.textContent === "nose.tif").click(), location.hash`)
	viewerView(b, truth)
	b.do(chromedp.Navigate(base + "/#/machine"))
	b.until(`document.querySelectorAll(".plot canvas").length === 4 && document.querySelector("tbody th")`, 10*time.Second)
	b.inBothSchemes("machine")
	b.walk("machine")
	b.quiet("machine")
	b.do(chromedp.Navigate(base + "/#/about"))
	b.until(`document.querySelector(".card-words")`, 10*time.Second)
	b.do(chromedp.Click(chromedp.CSS("details:last-of-type summary")))
	b.until(`document.querySelector("details[open] pre").textContent.includes("Copyright")`, 10*time.Second)
	b.inBothSchemes("about")
	b.quiet("about")

	b.size(820, 1180) // a tablet
	for _, hash := range []string{"#/", "#/machine", "#/cohorts/" + strings.TrimPrefix(open[:strings.LastIndex(open, "-")], "#/slides/"), open} {
		b.do(chromedp.Navigate(base + "/" + hash))
		b.until(`document.querySelector("main h1, main h2") && document.querySelector("main .view").children.length > 1`, 10*time.Second)
		time.Sleep(500 * time.Millisecond)
		if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > 820 {
			t.Errorf("%s is %d pixels wide on a tablet of 820", hash, wide)
		}
	}
	b.quiet("tablet")
}

// cohortView opens the cohort, gives it labels, saves it.
func cohortView(b *browser) {
	t := b.t
	t.Helper()
	b.do(chromedp.Click(chromedp.CSS(".cohort h3 a")))
	b.until(`document.querySelectorAll("table.slides tbody tr").length === 3 && document.querySelector(".charts svg rect")`, 10*time.Second)
	b.do(chromedp.Click(chromedp.CSS(`thead th:nth-child(4) button`)))
	scores := eval[[]float64](b, `[...document.querySelectorAll("tbody td:nth-child(4)")].map((d) => Number(d.textContent))`)
	if len(scores) != 3 || scores[0] < scores[1] || scores[1] < scores[2] || scores[0] == 0 {
		t.Errorf("sorted by score: %v", scores)
	}
	labels := filepath.Join(t.TempDir(), "labels.csv")
	if err := os.WriteFile(labels, []byte("name,label\nleft-cheek,0\nnose.tif,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#labels"), []string{labels}))
	b.until(`document.querySelector(".curve") && document.querySelector(".charts").textContent.includes("AUROC1.000")`, 10*time.Second)
	dir := t.TempDir()
	if _, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir}); err != nil {
		t.Fatal(err)
	}
	eval[int](b, `[...document.querySelectorAll("button")].find((x) => x.textContent === "Save as CSV").click(), 1`)
	csv := awaitFile(t, filepath.Join(dir, "Tray-4.csv"))
	if lines := strings.Split(strings.TrimSpace(csv), "\r\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "id,name,state,prediction,score") || !strings.Contains(csv, ",nose.tif,done,BCC,") {
		t.Errorf("the CSV holds:\n%s", csv)
	}
	b.inBothSchemes("cohort")
	b.walk("cohort")
	b.quiet("cohort")
}

// viewerView looks at the slide that is open: lesions, patches, files, and whether
// what is drawn lies where it belongs.
func viewerView(b *browser, truth string) {
	t := b.t
	t.Helper()
	b.until(`document.querySelector(".stage")?.osd?.world.getItemCount() === 2`, 20*time.Second)
	b.settled()
	b.inBothSchemes("viewer")
	b.walk("viewer")
	eval[int](b, `document.querySelector(".lesion").click(), 1`)
	b.settled()
	if v := eval[string](b, `(async () => {
		const osd = document.querySelector(".stage").osd, v = osd.world.getItemAt(0).viewportToImageRectangle(osd.viewport.getBounds());
		const [x, y, w, h] = (await (await fetch(location.hash.slice(1) + "/result")).json()).lesions[0].bounds_px;
		const inside = v.x < x && v.y < y && v.x + v.width > x + w && v.y + v.height > y + h, large = Math.max(w / v.width, h / v.height) > 0.3;
		return inside && large && document.querySelector(".lesion").getAttribute("aria-pressed") === "true" ? "" : v + " of lesion " + [x, y, w, h];
	})()`); v != "" {
		t.Errorf("the list of lesions does not fly to the first: %s", v)
	}
	b.until(`/probability of BCC/.test(document.querySelector(".reading").textContent)`, 5*time.Second)
	reads(b)
	aligned(b, truth)
	dir := t.TempDir()
	if _, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir}); err != nil {
		t.Fatal(err)
	}
	names := eval[[]string](b, `[...document.querySelectorAll(".file")].map((f) => (f.click(), f.querySelector("strong").textContent))`)
	if len(names) != 6 {
		t.Errorf("files to save: %v", names)
	}
	for _, name := range names {
		if s := awaitFile(t, filepath.Join(dir, "nose-"+name)); name == "result.json" && !json.Valid([]byte(s)) {
			t.Errorf("%s is no JSON: %.100s", name, s)
		}
	}
	eval[int](b, `document.querySelector("button.link").click(), 1`)
	b.until(`document.querySelector("dialog[open] .card-words").textContent.includes("synthetic slides")`, 5*time.Second)
	b.barriers("the model's card")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.quiet("viewer")
}

// reads points at a patch and compares what the page says of it with the table, then
// moves the view with the keyboard.
func reads(b *browser) {
	t := b.t
	t.Helper()
	type patch struct{ X, Y, W, H, P float64 }
	p := eval[patch](b, `fetch(location.hash.slice(1) + "/patches.csv").then((r) => r.text()).then((text) => {
		const rows = text.trim().split("\n").slice(1).map((l) => l.split(",").map(Number)).sort((a, b) => b[4] - a[4]), [X, Y, W, H, P] = rows[0];
		return {X, Y, W, H, P};
	})`)
	s := b.look(p.X+p.W/2, p.Y+p.H/2, 0.5)
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, s.X+s.K*(p.X+p.W/2)+20, s.Y+s.K*(p.Y+p.H/2)))
	want := fmt.Sprintf("%.2f probability of BCC, under the pointer (patch at %.0f, %.0f;", p.P, p.X, p.Y)
	b.until(`document.querySelector(".reading").textContent.startsWith("`+want+`")`, 5*time.Second)
	const centre = `document.querySelector(".stage").osd.viewport.getCenter(true).x`
	before := eval[float64](b, `document.querySelector(".openseadragon-canvas").focus(), `+centre)
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until(fmt.Sprintf(`%s > %v && document.querySelector(".reading").textContent.includes("the middle of the view")`, centre, before), 5*time.Second)
}

// TestPageAsksForAKey signs in: nothing is shown before, a wrong key is told. Then it
// drops a folder, and cancels.
func TestPageAsksForAKey(t *testing.T) {
	b := newBrowser(t, 1280, 860)
	data, folder := t.TempDir(), t.TempDir()
	must(t, "synth", "--out", filepath.Join(folder, "tray"), "--count", "2", "--size", "2500x2000")
	out := must(t, "serve", "keys", "make", "--name", "reading room", "--data", data, "--json")
	var key struct{ Token string }
	if err := json.Unmarshal([]byte(out.out), &key); err != nil {
		t.Fatalf("%v in %s", err, out.out)
	}
	base := serve(t, data, "--jobs", "1")
	b.do(chromedp.Navigate(base + "/"))
	b.until(`document.querySelector("dialog[open] input[type=password]")`, 10*time.Second)
	b.barriers("the key's dialog")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("dialog") && document.querySelector("#cohorts-head + p .bad")`, 10*time.Second)
	time.Sleep(time.Second)
	if eval[bool](b, `document.querySelector("dialog")`+" !== null") {
		t.Error("who has said no is asked for a key again")
	}
	b.do(chromedp.Click(chromedp.CSS("#key")))
	b.until(`document.querySelector("dialog[open] input[type=password]")`, 10*time.Second)
	b.do(chromedp.SendKeys(chromedp.CSS("dialog input"), "bcc_wrong\r"))
	b.until(`document.querySelector("dialog[open] [role=alert]")`, 10*time.Second)
	b.do(chromedp.SendKeys(chromedp.CSS("dialog input"), key.Token+"\r"))
	const none = `!document.querySelector("dialog") && document.querySelector("#cohorts-head + p")?.textContent.startsWith("Nothing yet")`
	b.until(none, 10*time.Second)
	b.do(chromedp.Reload())
	b.until(none+` && !document.querySelector("#key").hidden`, 10*time.Second)

	for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		drag := input.DispatchDragEventParams{Type: kind, X: 600, Y: 150, Data: &input.DragData{Items: []*input.DragDataItem{}, Files: []string{folder}, DragOperationsMask: 1}}
		if _, err := chromedp.Call(b.ctx, input.DispatchDragEvent, drag); err != nil {
			t.Fatal(err)
		}
	}
	b.until(`document.querySelector(".staged [type=submit]")?.textContent === "Analyse 4 slides"`, 30*time.Second) // masks are TIFFs too
	if note := eval[string](b, `document.querySelector(".staged [role=status]").textContent`); !strings.Contains(note, "left out") {
		t.Errorf("of a folder with other files the page says %q", note)
	}
	b.do(chromedp.Click(chromedp.CSS(".staged [type=submit]")))
	b.until(`document.querySelector(".cohort .progress-words")?.textContent.startsWith("4 done")`, 30*time.Second)
	// The same slide sixty times, each a little different, so that there is something left to cancel.
	eval[string](b, `(async () => {
		const { get, post } = await import("/assets/lib/api.js"), id = document.querySelector(".cohort h3 a").hash.split("/").pop();
		const { slides } = await get("/cohorts/" + id), one = slides.find((s) => s.patches > 0);
		return (await post("/cohorts", {name: "Much", parameters: {overlap: 0.75}, slides: Array.from({length: 60}, (_, i) => ({upload: one.sha256, name: "copy " + i, mpp_um: 0.5 + i / 1000}))})).id;
	})()`)
	b.until(`document.querySelector(".cohort h3").textContent === "Much"`, 15*time.Second)
	b.do(chromedp.Click(chromedp.CSS(".cohort button.quiet")))
	b.until(`document.querySelector("dialog[open] button.strong")`, 5*time.Second)
	b.barriers("the question")
	b.do(chromedp.Click(chromedp.CSS("dialog button.strong")))
	b.until(`document.querySelector(".cohort .progress-words").textContent.includes(" cancelled")`, 15*time.Second)
	for _, s := range b.heard() {
		if !strings.Contains(s, "status of 401") {
			t.Errorf("the console says: %s", s)
		}
	}
}

// TestPageWithoutItsLibraries is a program that was built without make setup: the
// answer is there, and what is missing is said.
func TestPageWithoutItsLibraries(t *testing.T) {
	b := newBrowser(t, 1280, 860)
	base := serve(t, t.TempDir())
	dir := t.TempDir()
	must(t, "synth", "--out", dir, "--size", "1500x1200")
	if _, err := chromedp.Call(b.ctx, cdpnetwork.Enable, cdpnetwork.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, cdpnetwork.SetBlockedURLs, cdpnetwork.SetBlockedURLsParams{URLPatterns: []*cdpnetwork.BlockPattern{{URLPattern: "*://*:*/assets/thirdparty/*", Block: true}}}); err != nil {
		t.Fatal(err)
	}
	busyOnce(b)
	b.do(chromedp.Navigate(base+"/"), chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "synth-00000.tif")}))
	b.until(`document.querySelector(".item").textContent.includes("again in 2.0 s")`, 10*time.Second)
	b.until(`document.querySelector(".staged [type=submit]")?.textContent === "Analyse 1 slide"`, 30*time.Second)
	b.do(chromedp.Click(chromedp.CSS(".staged [type=submit]")))
	b.until(`document.querySelector(".cohort .progress-words a")`, 30*time.Second)
	b.do(chromedp.Click(chromedp.CSS(".cohort .progress-words a")))
	b.until(`document.querySelector(".stage [role=alert]")?.textContent.includes("make setup") && document.querySelector(".prediction").textContent && document.querySelectorAll(".file").length === 6`, 20*time.Second)
	b.do(chromedp.Navigate(base + "/#/machine"))
	b.until(`document.querySelector(".plots .bad")?.textContent.includes("without uPlot") && document.querySelector(".figures dd")`, 20*time.Second)
}

// busyOnce answers the first upload with 429 instead of the server.
func busyOnce(b *browser) {
	b.t.Helper()
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	if _, err := chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/slides"}}}); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		for ev, err := range paused {
			if err == nil {
				chromedp.Call(b.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: ev.RequestID, ResponseCode: 429, ResponseHeaders: []*fetch.HeaderEntry{{Name: "Retry-After", Value: "2"}}})
				chromedp.Call(b.ctx, fetch.Disable, cdp.Empty{})
			}
			return
		}
	}()
}

// inBothSchemes looks for barriers in light and in dark.
func (b *browser) inBothSchemes(where string) {
	b.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		b.scheme(scheme)
		time.Sleep(150 * time.Millisecond) // colours change over time
		b.barriers(where + ", " + scheme)
	}
}

// walk presses Tab through a view: everything that can be used must be reached, and
// show that it has the focus.
func (b *browser) walk(where string) {
	b.t.Helper()
	eval[int](b, `document.activeElement.blur(), window.scrollTo(0, 0), window.walked = new Set(), window.unseen = [], 1`)
	for range 200 { // from wherever it begins, over the end, and round to where it began
		b.do(chromedp.KeyEvent(kb.Tab))
		if eval[bool](b, `(() => {
			const e = document.activeElement;
			if (walked.has(e)) return true;
			if (e === document.body) return false;
			walked.add(e);
			const s = getComputedStyle(e);
			if (!e.matches(":focus-visible") || s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2) unseen.push(e.outerHTML.slice(0, 120));
			return false;
		})()`) {
			break
		}
	}
	type found struct {
		Walked         int
		Unseen, Missed []string
	}
	f := eval[found](b, `({Walked: walked.size, Unseen: unseen, Missed: [...document.querySelectorAll('a[href], button:enabled, input:enabled, select:enabled, summary, [tabindex="0"]')]
		.filter((e) => e.checkVisibility() && !walked.has(e)).map((e) => e.outerHTML.slice(0, 120))})`)
	if f.Walked < 5 {
		b.t.Errorf("%s: Tab reaches only %d places", where, f.Walked)
	}
	for _, e := range f.Unseen {
		b.t.Errorf("%s: has the focus and does not show it: %s", where, e)
	}
	for _, e := range f.Missed {
		b.t.Errorf("%s: Tab never reaches %s", where, e)
	}
}

func awaitFile(t *testing.T, path string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return string(b)
		}
		if time.Now().After(end) {
			t.Fatalf("%s was not saved", filepath.Base(path))
		}
	}
}
