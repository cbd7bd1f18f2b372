package main

import (
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
