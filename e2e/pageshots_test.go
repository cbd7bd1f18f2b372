//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestShots makes the pictures of the documents, of a server that has something to do.
func TestShots(t *testing.T) {
	if os.Getenv("BCC_SHOTS") == "" {
		t.Skip("make page-shots")
	}
	b := newBrowser(t, 1200, 820)
	base := serve(t, t.TempDir(), "--overlap", "0.6")
	dir := t.TempDir()
	must(t, "synth", "--out", dir, "--count", "24", "--seed", "12", "--size", "6000x4500")
	tray := slidesOf(t, dir)
	// One that lost a part on its way: its tables are whole, its pixels are not.
	damage(t, tray[5])

	b.scheme("light")
	b.do(chromedp.Navigate(base + "/#/"))
	b.submit("Monday, tray 2", tray)
	b.until(`/^[4-9] done|^1[0-9] done/.test(document.querySelector(".cohort .progress-words").textContent)`, 60*time.Second)
	second := filepath.Join(t.TempDir(), "more")
	must(t, "synth", "--out", second, "--count", "3", "--seed", "40", "--size", "5000x3600")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), slidesOf(t, second)))
	b.until(`document.querySelector(".staged [type=submit]").textContent === "Analyse 3 slides"`, 30*time.Second)
	b.shot("page-slides")
	b.do(chromedp.Navigate(base + "/#/machine"))
	b.until(`document.querySelectorAll(".plot canvas").length === 4`, 20*time.Second)
	time.Sleep(8 * time.Second)
	b.shot("page-machine")

	b.do(chromedp.Navigate(base + "/#/"))
	b.until(`document.querySelector(".cohort .bar")?.getAttribute("aria-valuetext").startsWith("23 of 24") && document.querySelector(".cohort button.quiet").hidden`, 90*time.Second)
	b.do(chromedp.Click(chromedp.CSS(".cohort h3 a")))
	b.until(`document.querySelectorAll("table.slides tbody tr").length === 24`, 20*time.Second)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#labels"), []string{filepath.Join(dir, "labels.csv")}))
	b.until(`document.querySelector(".curve")`, 10*time.Second)
	b.do(chromedp.Click(chromedp.CSS(`thead th:nth-child(4) button`)))
	b.size(1200, 1120)
	eval[int](b, `window.scrollTo(0, 0), 1`)
	b.shot("page-cohort")

	b.size(1200, 820)
	eval[int](b, `document.querySelector("table.slides a").click(), 1`)
	b.until(`document.querySelector(".stage")?.osd?.world.getItemCount() === 2`, 20*time.Second)
	b.settled()
	eval[int](b, `document.querySelector(".lesion").click(), 1`)
	b.settled()
	b.shot("page-viewer")
	b.scheme("dark")
	time.Sleep(300 * time.Millisecond)
	b.shot("page-viewer-dark")
}

// submit sends files and makes a cohort of them.
func (b *browser) submit(name string, files []string) {
	b.t.Helper()
	b.until(`document.querySelector("#files")`, 10*time.Second)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), files))
	b.until(fmt.Sprintf(`document.querySelector(".staged [type=submit]").textContent === "Analyse %d slides" && !document.querySelector(".staged [type=submit]").disabled`, len(files)), 60*time.Second)
	b.do(chromedp.SendKeys(chromedp.CSS(".staged input[type=text]"), name), chromedp.Click(chromedp.CSS(".staged [type=submit]")))
	b.until(`document.querySelector(".cohort h3")?.textContent === "`+name+`"`, 10*time.Second)
}

// slidesOf lists the slides of a synthetic set, without their masks.
func slidesOf(t *testing.T, dir string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.tif"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no slides in %s: %v", dir, err)
	}
	for _, f := range all {
		if !strings.HasSuffix(f, ".mask.tif") {
			files = append(files, f)
		}
	}
	return files
}

// damage overwrites a piece in the middle of the pixels.
func damage(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 4; i < len(b)/2; i++ {
		b[i] = 0xff
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
