package main

import (
	"regexp"
	"strings"
)

// document is a Markdown file as the tests of the documents see it.
type document struct {
	path     string // from the repository's root
	sections []section
}

// section is a heading and what stands under it, up to the next heading of any level.
type section struct {
	title, anchor string
	line          int
	lines         []textLine // outside of fenced blocks
	blocks        []block
}

type textLine struct {
	number int
	text   string
}

// block is a fenced one.
type block struct {
	line     int // of its first line
	language string
	text     string
}

var (
	heading  = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	codeSpan = regexp.MustCompile("``(.+?)``|`([^`]+)`")
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N}\p{M}\p{Pc} -]`)
)

func parseDocument(path, text string) document {
	d := document{path: path, sections: []section{{line: 1}}}
	anchors := map[string]int{}
	var fence string
	var open block
	for i, line := range strings.Split(text, "\n") {
		here := &d.sections[len(d.sections)-1]
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "" && strings.HasPrefix(trimmed, fence):
			here.blocks = append(here.blocks, open)
			fence = ""
		case fence != "":
			open.text += line + "\n"
		case strings.HasPrefix(trimmed, "```"):
			fence = "```"
			open = block{line: i + 2, language: strings.TrimSpace(strings.TrimPrefix(trimmed, "```"))}
		case heading.MatchString(line):
			title := heading.FindStringSubmatch(line)[1]
			anchor := slug(title)
			if n := anchors[anchor]; n > 0 {
				anchors[anchor]++
				anchor += "-" + string(rune('0'+n))
			} else {
				anchors[anchor] = 1
			}
			d.sections = append(d.sections, section{title: title, anchor: anchor, line: i + 1, lines: []textLine{{i + 1, line}}})
		default:
			here.lines = append(here.lines, textLine{i + 1, line})
		}
	}
	return d
}

// slug is the anchor that GitHub gives a heading.
func slug(title string) string {
	title = linkText.ReplaceAllString(strings.ReplaceAll(title, "`", ""), "$1")
	return strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

// spans returns the code spans of a line.
func (l textLine) spans() []string {
	var all []string
	for _, m := range codeSpan.FindAllStringSubmatch(l.text, -1) {
		all = append(all, strings.TrimSpace(m[1]+m[2]))
	}
	return all
}

// prose is the line without its code.
func (l textLine) prose() string { return codeSpan.ReplaceAllString(l.text, "") }

// lineOf returns what a shell would be given of a block: all of it, or, where a
// block shows a terminal, what stands behind the prompts. Drawings and blocks of
// other languages have none.
func (b block) script() string {
	switch b.language {
	case "", "sh", "console", "bash":
	default:
		return ""
	}
	if strings.ContainsAny(b.text, "►◄┌└│") {
		return ""
	}
	if !strings.HasPrefix(b.text, "$ ") && !strings.Contains(b.text, "\n$ ") {
		return b.text
	}
	var script strings.Builder
	goesOn := false
	for line := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok || goesOn {
			if !ok {
				command = line
			}
			script.WriteString(command)
			goesOn = strings.HasSuffix(strings.TrimRight(command, " \n"), `\`)
		}
	}
	return script.String()
}
