package cli

import (
	"strings"
	"testing"
)

func TestLinesFitBetweenWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"short\n", "short\n"},
		{"words that go on and on and on\n", "words that go on and\non and on\n"},
		{"  · device: the only one there is\n", "  · device: the only\n    one there is\n"},
		{"GPUs   none: there is none\n", "GPUs   none: there\n       is none\n"},
		{"ß×→ß×→ß×→ß×→ß×→ß×→ 12\n", "ß×→ß×→ß×→ß×→ß×→ß×→\n12\n"},
		{"onewordthatislongerthanaline\n", "onewordthatislongerthanaline\n"},
		{"oneword,thatislongerthanaline and what follows it\n", "oneword,thatislongerthanaline\nand what follows it\n"},
		{"\n  a\n\n", "\n  a\n\n"},
	} {
		if got := fitted(c.text, 20); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
		if got := fitted(c.text, 0); got != c.text {
			t.Errorf("%q becomes %q without a terminal", c.text, got)
		}
	}
}

func TestColumnsOfAGridGoWhereThereIsNoRoom(t *testing.T) {
	t.Parallel()
	g := grid{head: []string{"", "NAME", "HOURS", "NOTE"}, less: []string{"NOTE", "HOURS"}}
	g.row("→", "worker", "1.5", "a note")
	g.row("", "×", "12.25", "")
	for _, c := range []struct {
		width int
		right bool
		want  string
	}{
		{0, false, "   NAME    HOURS  NOTE\n→  worker  1.5    a note\n   ×       12.25\n"},
		{24, true, "     NAME  HOURS    NOTE\n→  worker    1.5  a note\n        ×  12.25\n"},
		{20, false, "   NAME    HOURS\n→  worker  1.5\n   ×       12.25\n(no room for NOTE; a\n"},
		{10, false, "   NAME\n→  worker\n   ×\n(no room"},
	} {
		g.right = c.right
		var b strings.Builder
		if err := g.write(&b, c.width); err != nil || !strings.HasPrefix(b.String(), c.want) {
			t.Errorf("%d columns: %v\n%s\nwant\n%s", c.width, err, b.String(), c.want)
		}
	}
}

func TestHelpFillsLinesAndLeavesExamplesAlone(t *testing.T) {
	t.Parallel()
	const text = `Says what
it does, in words.

  a  one
  b  two

Then more.

Usage:
  bcc it [flags]

Examples:
  bcc it --with a --long example

Flags:
      --with string   what to do it with, and how
`
	const want = `Says what it does, in words.

  a  one
  b  two

Then more.

Usage:
  bcc it [flags]

Examples:
  bcc it --with a --long example

Flags:
      --with string   what to do it with, and
                      how
`
	if got := fittedHelp(text, 46); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := fittedHelp(text, 0); got != text {
		t.Errorf("without a terminal:\n%s", got)
	}
}
