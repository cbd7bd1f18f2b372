package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"bcc/train"
)

// trainProgress is a train.Watcher that must be closed before anything else is
// printed; closing again does nothing.
type trainProgress interface {
	train.Watcher
	Close()
}

// newTrainProgress returns a bar and a line an epoch where w is a terminal, and lines
// alone elsewhere.
func newTrainProgress(w io.Writer) trainProgress {
	lines := &trainLines{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &trainBar{trainLines: lines, out: w}
	}
	return lines
}

// quiet is after how much time within an epoch a line tells that it goes on.
const quiet = 30 * time.Second

// trainLines prints a line when an epoch ends, and one every half minute before.
type trainLines struct {
	w       io.Writer
	begun   train.Begun
	started time.Time
	first   int // step of all steps that this process began with
	told    time.Time
	samples int // since then
}

func (l *trainLines) Begun(b train.Begun) {
	l.begun, l.started, l.told = b, time.Now(), time.Now()
	l.first = b.Epoch*b.Steps + b.Step
	if b.Resumed {
		fmt.Fprintf(l.w, "going on after epoch %d, step %d of %d\n", b.Epoch, b.Step, b.Steps)
	}
	if b.Idle > 0 {
		fmt.Fprintf(l.w, "bcc: note: a step has fewer micro-batches than there are processes, and %d of them nothing to do: take a larger --batch, a smaller --micro-batch or fewer processes\n", b.Idle)
	}
}

func (l *trainLines) Stepped(s train.Step) {
	l.samples += s.Samples
	if took := time.Since(l.told); took >= quiet {
		fmt.Fprintf(l.w, "epoch %d/%d, step %d/%d: loss %s; %.1f samples/s, %s left\n",
			s.Epoch+1, l.begun.Epochs, s.Step+1, l.begun.Steps, loss(s.Loss), float64(l.samples)/took.Seconds(), l.left(s.Epoch, s.Step+1))
		l.told, l.samples = time.Now(), 0
	}
}

func (l *trainLines) Ended(e train.Epoch) {
	fmt.Fprintf(l.w, "%s; %s left\n", epochLine(e, l.begun.Epochs), l.left(e.Epoch+1, 0))
	l.told, l.samples = time.Now(), 0
}

func (l *trainLines) Close() {}

// left is the time for the steps that are still to be taken, at the rate so far.
func (l *trainLines) left(epoch, step int) time.Duration {
	all, done := l.begun.Epochs*l.begun.Steps, epoch*l.begun.Steps+step
	if done <= l.first {
		return 0
	}
	each := float64(time.Since(l.started)) / float64(done-l.first)
	return time.Duration(each * float64(all-done)).Round(time.Second)
}

func epochLine(e train.Epoch, of int) string {
	best := ""
	if e.Best {
		best = " (best)"
	}
	return fmt.Sprintf("epoch %d/%d: loss %s, validation loss %s, AUROC %s%s; rate %.2g, %.1f samples/s",
		e.Epoch+1, of, loss(e.Loss), loss(e.Validation.Loss), share(e.Validation.AUROC), best, e.Rate, float64(e.Samples)/max(e.Seconds, 1e-9))
}

// loss prints a loss with as many digits as say something.
func loss(v float64) string {
	if math.Abs(v) < 1e4 {
		return strconv.FormatFloat(v, 'f', 4, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// trainBar draws one bar for all steps, and a line above it when an epoch ends.
type trainBar struct {
	*trainLines
	out  io.Writer
	pool *mpb.Progress
	bar  *mpb.Bar
	mu   sync.Mutex
	text string // beside the bar
}

func (b *trainBar) Begun(n train.Begun) {
	b.trainLines.Begun(n)
	b.pool = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(40), mpb.WithAutoRefresh())
	b.bar = b.pool.New(int64(n.Epochs*n.Steps), barStyle(),
		mpb.PrependDecorators(decor.Name("training ", decor.WC{W: 10, C: decor.DindentRight})),
		mpb.AppendDecorators(
			decor.CountersNoUnit(" %d/%d steps "),
			decor.Any(func(decor.Statistics) string {
				b.mu.Lock()
				defer b.mu.Unlock()
				return b.text
			}),
		))
	b.bar.SetCurrent(int64(b.first))
}

func (b *trainBar) Stepped(s train.Step) {
	rate := float64(s.Samples) / s.Took.Seconds()
	text := fmt.Sprintf("loss %s, %.1f samples/s, %s left", loss(s.Loss), rate, b.left(s.Epoch, s.Step+1))
	b.mu.Lock()
	b.text = text
	b.mu.Unlock()
	b.bar.Increment()
}

func (b *trainBar) Ended(e train.Epoch) {
	fmt.Fprintln(b.pool, epochLine(e, b.begun.Epochs)) // above the bar
}

func (b *trainBar) Close() {
	if b.pool == nil {
		return
	}
	b.bar.Abort(false)
	b.pool.Wait()
	b.pool = nil
}
