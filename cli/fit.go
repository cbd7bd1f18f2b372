package cli

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// columnsOf returns how wide the terminal is that w writes to; 0: none, or one too narrow
// for anything, and nothing is fitted to it.
func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width >= 40 {
		return width
	}
	return 0
}

// fitted breaks lines between words so that none is longer than width; 0: none is broken.
// What goes on stands below the last column of its line; of one that is indented, two
// further in.
func fitted(text string, width int) string {
	if width == 0 {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		in := strings.Repeat(" ", hanging(line, width/2))
		for utf8.RuneCountInString(line) > width {
			at := breakAt(line, width, len(in))
			if at == 0 {
				break // a word longer than the line, the last one
			}
			b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
			line = in + strings.TrimLeft(line[at:], " ")
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// hanging returns where the last column that begins before most begins: behind two
// spaces or more.
func hanging(line string, most int) int {
	in := len(line) - len(strings.TrimLeft(line, " "))
	begin := in + 2
	if in > 0 {
		in = begin
	}
	for i := begin; i < min(len(line)-1, most); i++ {
		if line[i-1] == ' ' && line[i-2] == ' ' && line[i] != ' ' {
			in = utf8.RuneCountInString(line[:i])
		}
	}
	return in
}

// breakAt returns the byte of the last space of line within width characters, behind the
// first from; where there is none the first one after them; 0: there is none at all.
func breakAt(line string, width, from int) (at int) {
	n := 0
	for i, r := range line {
		if n > width && at > 0 {
			break
		}
		if r == ' ' && n > from {
			at = i
		}
		n++
	}
	return at
}

// fitHelp has help fill the terminal's lines: paragraphs are joined first, examples stay
// as they are.
func fitHelp(root *cobra.Command, out io.Writer) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		var b strings.Builder
		cmd.SetOut(&b)
		help(cmd, args)
		cmd.SetOut(out)
		_, _ = io.WriteString(out, fittedHelp(b.String(), columnsOf(out)))
	})
}

func fittedHelp(text string, width int) string {
	if width == 0 {
		return text
	}
	about, rest, _ := strings.Cut(text, "\nUsage:")
	use, flags, _ := strings.Cut(rest, "\nFlags:")
	if !strings.Contains(use, "\nExamples:") { // commands, where there are any
		use = fitted(use, width)
	}
	return fitted(joined(about), width) + "\nUsage:" + use + "\nFlags:" + fitted(flags, width)
}

// joined makes one line of each paragraph that is not indented.
func joined(text string) string {
	var b strings.Builder
	prose := false // the line before is of a paragraph
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		is := line != "" && line[0] != ' '
		switch {
		case is && prose:
			b.WriteByte(' ')
		case prose:
			b.WriteByte('\n')
		}
		b.WriteString(line)
		if !is {
			b.WriteByte('\n')
		}
		prose = is
	}
	if prose {
		b.WriteByte('\n')
	}
	return b.String()
}
