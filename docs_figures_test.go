package main

import (
	"path"
	"regexp"
	"strings"
)

// figure is a number with a unit that somebody measured: a time, an amount of memory,
// a rate or a share. What a flag is set to stands in code and is none. In documents
// whose numbers are mostly settings, rates and bold numbers are what was measured.
var (
	figure = regexp.MustCompile(`\*\*[+−]?\d|` + tabled.String() + `|\d ?(?:ms|µs|ns|s|min|h|kB|MB|GB|KiB|MiB|GiB|%|Mpx/s|patches/s|images/s|requests/s|slides/h)(?:[^\pL\d]|$)`)
	tabled = regexp.MustCompile(`\| *(?:\*\*)?[+−]?\d[^|]*\|`) // a cell that begins with a number
	rate   = regexp.MustCompile(`\d ?(?:ms|µs|ns|Mpx/s|patches/s|images/s|requests/s|slides/h)(?:[^\pL\d]|$)|\*\*[+−]?\d`)
)

// checkFigures wants the command that made them in each section of the page of results
// that has figures, and in each part of a section that has a table of them: a part
// begins with bold words. Other documents may have figures if their section names the
// command, too, or leads to that page.
func checkFigures(_ *repository, d document) []complaint {
	if d.path == "CHANGELOG.md" || path.Base(d.path) == "DESIGN.md" { // whose numbers are mostly of what was built
		return nil
	}
	is, results := rate, strings.HasSuffix(d.path, "results.md")
	if results {
		is = figure
	}
	var found []complaint
	for _, s := range d.sections {
		if results && s.line == 1 { // the page's own heading: the machine
			continue
		}
		wanting := firstFigure(s.lines, is)
		if wanting > 0 && (s.namesCommand() || !results && s.leadsToResults()) {
			wanting = 0
			if results {
				wanting = s.bareTable()
			}
		}
		if wanting > 0 {
			found = append(found, complaint{d.path, wanting, "figures under “" + s.title + "” without the command that made them"})
		}
	}
	return found
}

// firstFigure returns the number of the first line with a figure, 0 without one.
func firstFigure(lines []textLine, is *regexp.Regexp) int {
	for _, l := range lines {
		if is.MatchString(l.prose()) {
			return l.number
		}
	}
	return 0
}

// bareTable returns the line of a table of figures in a part of the section that names
// no command, 0 without one.
func (s section) bareTable() int {
	from := s.line
	for i, l := range s.lines {
		if i+1 < len(s.lines) && !strings.HasPrefix(s.lines[i+1].text, "**") {
			continue
		}
		part := s.between(from, l.number)
		var rows []textLine
		for _, row := range part.lines {
			if strings.HasPrefix(row.text, "|") {
				rows = append(rows, row)
			}
		}
		if at := firstFigure(rows, tabled); at > 0 && !part.namesCommand() {
			return at
		}
		from = l.number + 1
	}
	return 0
}

// between is the part of a section from one line to another.
func (s section) between(from, to int) section {
	part := section{title: s.title, line: from}
	for _, l := range s.lines {
		if l.number >= from && l.number <= to {
			part.lines = append(part.lines, l)
		}
	}
	for _, b := range s.blocks {
		if b.line >= from && b.line <= to {
			part.blocks = append(part.blocks, b)
		}
	}
	return part
}

// unrepeated are the words under which a figure may stand that no command makes.
const unrepeated = "o command here repeats"

// namesCommand tells whether one stands in the section that can be run, or the words
// that there is none.
func (s section) namesCommand() bool {
	for _, l := range s.lines {
		if strings.Contains(l.text, unrepeated) {
			return true
		}
		for _, span := range l.spans() {
			if runs(span) {
				return true
			}
		}
	}
	for _, b := range s.blocks {
		if runs(b.script()) {
			return true
		}
	}
	return false
}

func runs(script string) bool {
	for _, words := range simpleCommands(script) {
		name, args := program(words)
		if len(args) > 0 && (isBCC(name) || name == "make" || name == "go" && args[0] == "test") || strings.HasPrefix(name, "scripts/") {
			return true
		}
	}
	return false
}

func (s section) leadsToResults() bool {
	for _, l := range s.lines {
		if strings.Contains(l.text, "results.md") {
			return true
		}
	}
	return false
}
