package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// grid is a table whose columns have an order in which they may go where the terminal is
// too narrow for all.
type grid struct {
	head  []string
	rows  [][]string
	right bool     // cells stand at the right
	less  []string // columns that may go, the first one first
	quiet bool     // they go without a word
}

func (g *grid) row(cells ...string) { g.rows = append(g.rows, cells) }

// print prints the table, as many columns of it as there is room for, and says which
// there was none for.
func (g *grid) print(w io.Writer) error { return g.write(w, columnsOf(w)) }

// write is print for a terminal that is width wide; 0: there is none.
func (g *grid) write(w io.Writer, width int) error {
	wide := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	total := -gap
	for _, n := range wide {
		total += n + gap
	}
	gone := map[int]bool{}
	var names []string
	for _, name := range g.less {
		if width == 0 || total <= width {
			break
		}
		for i, h := range g.head {
			if h == name {
				gone[i], total, names = true, total-wide[i]-gap, append(names, name)
			}
		}
	}
	for _, row := range append([][]string{g.head}, g.rows...) {
		var line strings.Builder
		for i, cell := range row {
			if gone[i] {
				continue
			}
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if g.right {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString(cell + strings.Repeat(" ", gap))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return unwritten(err)
		}
	}
	if len(names) > 0 && !g.quiet {
		if _, err := fmt.Fprint(w, fitted("(no room for "+strings.Join(names, ", ")+"; a wider terminal, a file or --json has them)\n", width)); err != nil {
			return unwritten(err)
		}
	}
	return nil
}

const gap = 2 // spaces between columns
