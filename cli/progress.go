package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"bcc/detect"
)

// progress is a detect.Watcher that must be closed before anything else is printed.
type progress interface {
	detect.Watcher
	Close()
}

// newProgress returns bars where w is a terminal and a line a slide elsewhere.
func newProgress(w io.Writer, slides int) progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBars(w, slides)
	}
	return &lines{w: w, slides: slides, tally: newTally(slides)}
}

// tally is what bars and lines both count.
type tally struct {
	mu      sync.Mutex
	begun   time.Time
	slides  int
	ended   int
	patches int            // scored
	open    map[string]int // patches to come of each slide that is planned and not ended
	planned int            // slides planned so far
	sum     int            // their patches
	missed  int            // slides that ended without a plan: skipped, or bad
}

func newTally(slides int) *tally {
	return &tally{begun: time.Now(), slides: slides, open: map[string]int{}}
}

func (t *tally) plan(name string, patches int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[name] = patches
	t.planned++
	t.sum += patches
}

func (t *tally) scored(name string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.patches += n
	t.open[name] -= n
}

func (t *tally) end(name string) (ended int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended++
	if _, ok := t.open[name]; !ok {
		t.missed++
	}
	delete(t.open, name)
	return t.ended
}

// rate returns patches a second since the beginning.
func (t *tally) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.patches) / max(time.Since(t.begun).Seconds(), 1e-3)
}

// left returns the time left for the whole list at the rate so far: what is
// planned and not scored, and for each slide not yet opened as many patches as
// slides had in the mean. Zero where nothing is known yet.
func (t *tally) left() time.Duration {
	rate := t.rate()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.planned == 0 || rate == 0 {
		return 0
	}
	todo := float64(t.slides-t.planned-t.missed) * float64(t.sum) / float64(t.planned)
	for _, n := range t.open {
		todo += float64(n)
	}
	return time.Duration(todo / rate * float64(time.Second))
}

// bars draws one bar a slide in flight and one for the list.
type bars struct {
	*tally
	pool   *mpb.Progress
	list   *mpb.Bar
	mu     sync.Mutex
	slides map[string]*mpb.Bar
}

func newBars(w io.Writer, slides int) *bars {
	b := &bars{tally: newTally(slides), slides: map[string]*mpb.Bar{}}
	b.pool = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithAutoRefresh())
	b.list = b.pool.New(int64(slides), barStyle(),
		mpb.BarPriority(1<<30),
		mpb.PrependDecorators(decor.Name("all slides ", decor.WC{W: 28, C: decor.DindentRight})),
		mpb.AppendDecorators(
			decor.CountersNoUnit(" %d/%d slides "),
			decor.Any(func(decor.Statistics) string {
				if left := b.left(); left > 0 {
					return fmt.Sprintf("%.0f patches/s, %s left", b.rate(), left.Round(time.Second))
				}
				return fmt.Sprintf("%.0f patches/s", b.rate())
			}),
		))
	return b
}

func barStyle() mpb.BarFillerBuilder {
	return mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]")
}

func (b *bars) Planned(name string, patches int) {
	b.plan(name, patches)
	b.mu.Lock()
	defer b.mu.Unlock()
	if patches == 0 {
		return
	}
	begun := time.Now()
	b.slides[name] = b.pool.New(int64(patches), barStyle(),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(shorten(printable(name), 27), decor.WC{W: 28, C: decor.DindentRight})),
		mpb.AppendDecorators(
			decor.CountersNoUnit(" %d/%d patches "),
			decor.Any(func(s decor.Statistics) string {
				if s.Current == 0 {
					return ""
				}
				took := time.Since(begun).Seconds()
				rate := float64(s.Current) / took
				return fmt.Sprintf("%.0f patches/s, %s left", rate, time.Duration(float64(s.Total-s.Current)/rate*1e9).Round(time.Second))
			}),
		))
}

func (b *bars) Scored(name string, patches int) {
	b.scored(name, patches)
	b.mu.Lock()
	defer b.mu.Unlock()
	if bar := b.slides[name]; bar != nil {
		bar.IncrBy(patches)
	}
}

func (b *bars) Ended(e detect.End) {
	b.end(e.Name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if bar := b.slides[e.Name]; bar != nil {
		bar.Abort(true)
		delete(b.slides, e.Name)
	}
	b.list.Increment()
}

func (b *bars) Close() {
	b.mu.Lock()
	for _, bar := range b.slides {
		bar.Abort(true)
	}
	b.list.Abort(true)
	b.mu.Unlock()
	b.pool.Wait()
}

// lines prints a line when a slide ends.
type lines struct {
	*tally
	mu     sync.Mutex
	w      io.Writer
	slides int
}

func (l *lines) Planned(name string, patches int) { l.plan(name, patches) }

func (l *lines) Scored(name string, patches int) { l.scored(name, patches) }

func (l *lines) Ended(e detect.End) {
	ended := l.end(e.Name)
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "[%d/%d] %s: %s", ended, l.slides, printable(e.Name), e.Status)
	if e.Status == detect.Done {
		fmt.Fprintf(l.w, " in %s, %d patches", e.Took.Round(time.Millisecond), e.Patches)
	}
	if left := l.left(); left > 0 && ended < l.slides {
		fmt.Fprintf(l.w, "; %.0f patches/s, %s left for the list", l.rate(), left.Round(time.Second))
	}
	fmt.Fprintln(l.w)
}

func (l *lines) Close() {}

// shorten cuts the middle out of a name that is longer than n runes.
func shorten(name string, n int) string {
	r := []rune(name)
	if len(r) <= n {
		return name
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}
