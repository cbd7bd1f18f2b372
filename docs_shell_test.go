package main

import (
	"regexp"
	"slices"
	"strings"
)

// simpleCommands returns the commands of a shell script, each as its words without
// quotes: what pipes, lists, $(…) and remarks are made of, as far as documents use
// them. A placeholder in angle brackets is a word like another.
func simpleCommands(script string) [][]string {
	l := lexer{rest: strings.ReplaceAll(script, "\\\n", " ")}
	l.read(false)
	return l.all
}

type lexer struct {
	rest string
	all  [][]string
}

var anglePlaceholder = regexp.MustCompile(`^<[\pL\pN][\pL\pN _.-]*>`)

// read goes on to the end, or to the bracket that closes what it stands in.
func (l *lexer) read(inside bool) {
	var words []string
	var word strings.Builder
	started, drop, quoted := false, false, false
	endWord := func() {
		if started && !drop {
			words = append(words, word.String())
		}
		if started {
			drop = false
		}
		word.Reset()
		started = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			l.all = append(l.all, words)
		}
		words, drop = nil, false
	}
	for l.rest != "" {
		c := l.rest[0]
		take := 1
		switch {
		case c == '\'' && !quoted:
			text, _, _ := strings.Cut(l.rest[1:], "'")
			word.WriteString(text)
			started, take = true, min(len(text)+2, len(l.rest))
		case c == '"':
			quoted = !quoted
			started = true
		case quoted && !strings.HasPrefix(l.rest, "$("):
			if c == '\\' && len(l.rest) > 1 {
				take = 2
			}
			word.WriteString(l.rest[take-1 : take])
		case c == '\\' && len(l.rest) > 1:
			word.WriteByte(l.rest[1])
			started, take = true, 2
		case strings.HasPrefix(l.rest, "$("):
			l.rest = l.rest[2:]
			l.read(true)
			word.WriteString("…")
			started, take = true, 0
		case c == ')' && inside:
			l.rest = l.rest[1:]
			endCommand()
			return
		case c == '#' && !started:
			comment, _, _ := strings.Cut(l.rest, "\n")
			take = len(comment)
		case c == '<' && anglePlaceholder.MatchString(l.rest):
			word.WriteString("…")
			started, take = true, len(anglePlaceholder.FindString(l.rest))
		case c == '>' || c == '<':
			if w := word.String(); w != "1" && w != "2" { // 2>file
				endWord()
			}
			word.Reset()
			started, drop = false, true
			take = len(l.rest) - len(strings.TrimLeft(l.rest, "<>&"))
		case c == ' ' || c == '\t':
			endWord()
		case c == '\n' || c == ';' || c == '&' || c == '(' || c == ')':
			endCommand()
		case c == '|' && (!started || len(l.rest) > 1 && strings.ContainsRune(" |", rune(l.rest[1]))):
			endCommand()
		default:
			word.WriteByte(c)
			started = true
		}
		l.rest = l.rest[take:]
	}
	endCommand()
}

// wrappers start another program, named behind their own flags.
var wrappers = []string{"sudo", "time", "nohup", "taskset", "mpirun", "mpiexec", "srun", "torchrun", "nice", "timeout", "env", "xargs"}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// program returns what a command runs and its arguments, past variables that are set
// for it and programs that start others.
func program(words []string) (string, []string) {
	for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "export") {
		words = words[1:]
	}
	if len(words) == 0 {
		return "", nil
	}
	if slices.Contains(wrappers, words[0]) {
		for i, w := range words[1:] {
			if isBCC(w) || w == "make" || w == "go" {
				return w, words[i+2:]
			}
		}
	}
	// A container's command stands behind the name of its image.
	if words[0] == "docker" || words[0] == "podman" {
		for i, w := range words[1:] {
			if strings.HasPrefix(w, "bcc-detection:") && slices.Contains(words, "run") {
				return "bcc", words[i+2:]
			}
		}
	}
	return words[0], words[1:]
}

func isBCC(word string) bool {
	return word == "bcc" || word == "bin/bcc" || strings.HasSuffix(word, "/bin/bcc")
}

var placeholder = regexp.MustCompile(`^[A-Z][A-Z0-9_.,=/:%*-]*$|…|\.\.\.|\$`)

// isBlank tells whether a word of a document stands for a reader's own.
func isBlank(word string) bool { return word == "" || placeholder.MatchString(word) }

// bccArgs prepares the arguments of bcc for a check: dots that leave something out go,
// and so do brackets around what need not be said.
func bccArgs(args []string) []string {
	var kept []string
	for _, a := range args {
		a = strings.TrimSuffix(strings.TrimPrefix(a, "["), "]")
		if a != "…" && a != "..." && a != "" {
			kept = append(kept, a)
		}
	}
	return kept
}
