package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// live is a block of lines at the end of a terminal that is drawn anew in place, with
// words that pass above it. Where w is no terminal nothing is drawn.
type live struct {
	mu    sync.Mutex
	w     io.Writer
	term  *os.File // nil: no terminal
	lines []string // as they stand
}

func newLive(w io.Writer) *live {
	l := &live{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.term = f
	}
	return l
}

// is reports whether there is a terminal to draw on.
func (l *live) is() bool { return l.term != nil }

// draw puts lines in place of those that stand there.
func (l *live) draw(lines ...string) {
	if l.term == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	erase := l.erased()
	l.lines = l.fitted(lines)
	fmt.Fprint(l.w, erase+l.block())
}

// note prints a line that stays, above the block.
func (l *live) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%sbcc: %s\n%s", l.erased(), printable(line), l.block())
}

// close takes the block away.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.w, l.erased())
	l.lines = nil
}

// erased takes the cursor to the beginning of the block and clears to the end.
func (l *live) erased() string {
	if len(l.lines) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", len(l.lines))
}

func (l *live) block() string {
	if len(l.lines) == 0 {
		return ""
	}
	return strings.Join(l.lines, "\n") + "\n"
}

// fitted cuts lines to the terminal: one that wraps would count as one and leave its
// rest behind.
func (l *live) fitted(lines []string) []string {
	width, height, err := term.GetSize(int(l.term.Fd()))
	if err != nil || width < 20 || height < 3 {
		width, height = 80, 24
	}
	fit := make([]string, 0, min(len(lines), height-1))
	for _, line := range lines[:min(len(lines), height-1)] {
		if r := []rune(line); len(r) > width-1 {
			line = string(r[:width-2]) + "…"
		}
		fit = append(fit, line)
	}
	return fit
}
