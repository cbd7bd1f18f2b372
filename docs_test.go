package main

import (
	"fmt"
	"strings"
	"testing"

	"bcc/cli"
)

// What documents say of commands, flags, files, tests, variables and figures holds.
func TestDocuments(t *testing.T) {
	t.Parallel()
	r := readDocuments(t)
	if len(r.documents) < 20 {
		t.Fatalf("%d documents found: the tests look in the wrong place", len(r.documents))
	}
	for name, check := range map[string]func(*repository, document) []complaint{
		"commands": checkCommands, "links": checkLinks, "names": checkNames, "variables": checkVariables, "figures": checkFigures,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range r.documents {
				for _, c := range check(r, d) {
					t.Error(c)
				}
			}
		})
	}
}

// The first commands of the README are the two that scripts/e2e-fresh.sh tries on a bare
// machine.
func TestTheREADMEBeginsWithTwoCommands(t *testing.T) {
	t.Parallel()
	for _, s := range readDocuments(t).documents["README.md"].sections {
		for _, b := range s.blocks {
			if got := fmt.Sprint(simpleCommands(b.script())); got != "[[make run] [make test]]" {
				t.Errorf("the first block of README.md is %s", got)
			}
			return
		}
	}
	t.Error("README.md has no commands")
}

// Every document is in the index.
func TestDocumentsAreInTheIndex(t *testing.T) {
	t.Parallel()
	r := readDocuments(t)
	var index strings.Builder
	for _, s := range r.documents["docs/README.md"].sections {
		for _, l := range s.lines {
			index.WriteString(l.text)
		}
	}
	for name := range r.documents {
		if rest, ok := strings.CutPrefix(name, "docs/"); ok && rest != "README.md" && !strings.Contains(index.String(), "("+rest+")") {
			t.Errorf("docs/README.md does not lead to %s", rest)
		}
	}
}

// The examples of the commands' own help are held like those of documents.
func TestExamplesOfHelp(t *testing.T) {
	t.Parallel()
	r := readDocuments(t)
	examples := cli.Examples()
	if len(examples) < 20 {
		t.Fatalf("%d commands have examples; there are more", len(examples))
	}
	for command, text := range examples {
		for _, c := range r.checkScript(document{path: command + " --help"}, 1, text) {
			t.Error(c)
		}
	}
}

// What cli asks the environment for stands in a document.
func TestVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	r := readDocuments(t)
	var all strings.Builder
	for _, d := range r.documents {
		for _, s := range d.sections {
			for _, l := range s.lines {
				all.WriteString(l.text + "\n")
			}
			for _, b := range s.blocks {
				all.WriteString(b.text)
			}
		}
	}
	for v := range r.asked {
		if why := forTests[v]; why == "" && !strings.Contains(all.String(), v) {
			t.Errorf("cli reads %s and no document says so", v)
		}
	}
}

// forTests are variables that only tests set.
var forTests = map[string]string{
	"BCC_LEAK": "a program built with -tags leak loses memory on purpose",
}
