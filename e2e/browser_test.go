//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is one tab of Chromium. What its console says against the page is kept.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string
}

// newBrowser starts Chromium with a window of w×h, or skips the test without it.
func newBrowser(t *testing.T, w, h int) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here: make setup-chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(w, h), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, stopAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, stop := chromedp.NewContext(ctx)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(int64(w), int64(h))); err != nil { // starts the browser: no limit here, it would end with it
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" || m.Type == "assert" {
				b.mu.Lock()
				b.troubles = append(b.troubles, m.String()+" "+m.URL)
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		stopAllocator()
		<-done
	})
	return b
}

// quiet fails the test for what the console has said since it was last asked.
func (b *browser) quiet(where string) {
	b.t.Helper()
	for _, s := range b.heard() {
		b.t.Errorf("%s: the console says: %s", where, s)
	}
}

// heard returns what the console has said against the page since it was last asked.
func (b *browser) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.troubles
	b.troubles = nil
	return said
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v\n%s", err, strings.Join(b.heard(), "\n"))
	}
}

// eval runs JavaScript, waits for its promise if it is one, and returns its value.
func eval[T any](b *browser, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("browser: %s: %v\n%s", js, err, strings.Join(b.heard(), "\n"))
	}
	return v
}

// until waits for JavaScript to be true.
func (b *browser) until(js string, limit time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(limit); !eval[bool](b, "!!("+js+")"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not within %v: %s\nthe page says:\n%.3000s\n%s", limit, js, eval[string](b, "document.body.innerText"), strings.Join(b.heard(), "\n"))
		}
	}
}

// size gives the page another window.
func (b *browser) size(w, h int) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(int64(w), int64(h)))
}

// scheme chooses what the page is told the person prefers.
func (b *browser) scheme(name string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		b.t.Fatal(err)
	}
}

// screenshot returns the window as a PNG.
func (b *browser) screenshot() []byte {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// barriers fails the test for each serious or critical finding of axe-core.
func (b *browser) barriers(where string) {
	b.t.Helper()
	axe, err := os.ReadFile("../.deps/axe/axe.min.js")
	if err != nil {
		b.t.Fatalf("axe-core is not here: make setup: %v", err)
	}
	eval[int](b, string(axe)+"\n;1")
	raw := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? ""))}))))`)
	var found []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		words := fmt.Sprintf("%s: %s (%s): %s\n\t%s", where, f.ID, f.Impact, f.Help, strings.Join(f.Nodes, "\n\t"))
		if f.Impact == "serious" || f.Impact == "critical" {
			b.t.Error(words)
		} else {
			b.t.Log(words)
		}
	}
}
