package main

import (
	"strings"
	"testing"
)

// Faults that are planted are found, each by its check; and what stands beside them in
// these documents and is sound is not complained of.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	r := readDocuments(t)
	for _, c := range []struct {
		name, path, text string
		check            func(*repository, document) []complaint
		want             string // of the one complaint; none: nothing is wrong
	}{
		{"command", "docs/a.md", "```sh\nbin/bcc serve --port 0\nbin/bcc surf --port 0\n```", checkCommands, `no command "surf"`},
		{"command in a line", "docs/a.md", "First `bcc bench detect s.tif`, then `bcc bench nothing`.", checkCommands, `no command "nothing"`},
		{"flag", "docs/a.md", "```sh\nbin/bcc detect --out a slide.tif   # --nope\nbin/bcc detect --outt a slide.tif\n```", checkCommands, "no flag --outt"},
		{"flag of another command", "docs/a.md", "`bcc synth --workers 2`", checkCommands, "no flag --workers"},
		{"flag behind a variable, a pipe and a continued line", "docs/a.md", "```sh\nA=1 bcc detect a.tif | grep x && bcc status \\\n  --nope\n```", checkCommands, "no flag --nope"},
		{"flag in $(…)", "docs/a.md", "```sh\nkill $(bcc serve --nope)\n```", checkCommands, "no flag --nope"},
		{"flag behind quotes", "docs/a.md", "```sh\nsed \"s/\\\"it's/x/\" 'a\"b'\nbcc submit \"a b\" \"$(bcc status --nope)\"\n```", checkCommands, "no flag --nope"},
		{"flag of a function", "docs/a.md", "```sh\nbcc() { curl \"$@\"; }\nbcc -F x\n```\n`bcc --nope`", checkCommands, "no flag --nope"},
		{"flag behind a prompt", "docs/a.md", "```\n$ bcc plan --slides N\nbcc nothing, which is printed\n$ bcc plan --nope\n```", checkCommands, "no flag --nope"},
		{"flag under mpirun", "docs/a.md", "`mpirun -np 4 bin/bcc train --nope`", checkCommands, "no flag --nope"},
		{"flag of a container's command", "docs/a.md", "`docker run --rm --read-only bcc-detection:0.1.0 serve --nope`", checkCommands, "no flag --nope"},
		{"flag of an autoscaler's workers", "docs/a.md", "`bcc autoscale --target local -- --queue URL --nope`", checkCommands, "bcc worker has no flag --nope"},
		{"value", "docs/a.md", "`bcc serve --limit-day N` or `bcc serve --limit-day many`", checkCommands, "many"},
		{"one of several values", "docs/a.md", "`bcc synth --count 1|N|few`", checkCommands, "few"},
		{"too many arguments", "docs/a.md", "`bcc serve now`", checkCommands, "now"},
		{"flag by itself", "docs/a.md", "With `--queue-tls-cert`, `--array` and `--nope 3`.", checkCommands, "--nope"},
		{"target", "docs/a.md", "`make check`, `FUZZTIME=5s make fuzz`, `make nothing`", checkCommands, `no target "nothing"`},
		{"package", "docs/a.md", "`go test ./cli/... ./nowhere`", checkCommands, "no package ./nowhere"},
		{"tests by pattern", "docs/a.md", "`go test -run 'ImportsPointDown|NoSuchThing' .`", checkCommands, "called like NoSuchThing"},
		{"flag of a program in a folder", "docs/a.md", "`go run ./deploy/image --push X --nope`", checkCommands, "no flag --nope"},
		{"script", "docs/a.md", "`scripts/setup.sh` and `scripts/nothing.sh`", checkCommands, "no script scripts/nothing.sh"},
		{"link", "docs/a.md", "[a](serve.md), [b](../README.md), [c](https://example.org/x), [d](nowhere.md)", checkLinks, "nowhere.md leads nowhere"},
		{"picture", "README.md", "![a](docs/img/heatmap.png) ![b](docs/img/nothing.png)", checkLinks, "docs/img/nothing.png"},
		{"anchor elsewhere", "docs/a.md", "[a](serve.md#on-a-laptop) [b](serve.md#on-a-boat)", checkLinks, "on-a-boat"},
		{"anchor here", "docs/a.md", "# What `x` is, really\n\n## Twice\n\n## Twice\n\n[a](#what-x-is-really) [b](#twice-1) [c](#twice-2)", checkLinks, "#twice-2"},
		{"test", "docs/a.md", "`TestImportsPointDown` and `TestNothingAtAll`", checkNames, "TestNothingAtAll"},
		{"file", "docs/a.md", "`cli/serverun.go`, `native/{ort,jpeg}`, `cli/no{where,how}.go`, `result.json`", checkNames, "cli/nowhere.go"},
		{"variable", "docs/a.md", "`BCC_KEY`, `BCC_QUEUE_TLS_CERT` and `BCC_NOTHING`", checkVariables, "nothing reads BCC_NOTHING"},
		{"figure", "docs/results.md", "# Results\n\n24 GiB\n\n## A\n\n`make e2e`: 3 ms\n\n## B\n\nIt took 31 ms.", checkFigures, "under “B”"},
		{"figures of a table", "docs/results.md", "# Results\n\n## A\n\n`make e2e`:\n\n| a | 3 |\n\n**B**:\n\n| b | **3.5** times |\n", checkFigures, ":11:"},
		{"figure by no command", "docs/results.md", "# Results\n\n## A\n\n31 ms, by hand; no command here repeats it.", checkFigures, ""},
		{"figure elsewhere", "docs/a.md", "# A\n\nevery 5 s\n\n# B\n\n3 ms: `make e2e`\n\n# C\n\n3 ms, [measured](results.md)\n\n# D\n\n3 ms", checkFigures, "under “D”"},
		{"not a command", "docs/a.md", "`bcc` is a program.\n\n```\nbcc nothing ─► a drawing ►\n```\n\n```go\nbcc nothing\n```\n`--listen <address>`", checkCommands, "--listen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found := c.check(r, parseDocument(c.path, c.text))
			switch {
			case c.want == "" && len(found) > 0:
				t.Errorf("found %v in a document without a fault", found)
			case c.want != "" && len(found) == 0:
				t.Errorf("did not find %q", c.want)
			case c.want != "" && !strings.Contains(found[0].String(), c.want):
				t.Errorf("found %v, want %q", found, c.want)
			case c.want != "" && len(found) > 1 && c.name != "file":
				t.Errorf("found %v beside what was planted", found[1:])
			}
		})
	}
}

// The documents' commands are seen at all: a parser that finds none finds no fault.
func TestCommandsOfDocumentsAreSeen(t *testing.T) {
	t.Parallel()
	seen, flags := map[string]bool{}, 0
	for _, d := range readDocuments(t).documents {
		for _, s := range d.sections {
			var scripts []string
			for _, b := range s.blocks {
				scripts = append(scripts, b.script())
			}
			for _, l := range s.lines {
				scripts = append(scripts, l.spans()...)
			}
			for _, words := range simpleCommands(strings.Join(scripts, "\n")) {
				if name, args := program(words); isBCC(name) && len(args) > 0 {
					seen[args[0]] = true
					flags += strings.Count(strings.Join(args, " "), "--")
				}
			}
		}
	}
	for _, name := range []string{"detect", "serve", "worker", "submit", "status", "train", "evaluate", "balance", "autoscale", "plan", "simulate", "bench", "synth", "model", "resources", "repair", "embed"} {
		if !seen[name] {
			t.Errorf("no document has a command line with bcc %s", name)
		}
	}
	if flags < 100 {
		t.Errorf("%d flags in command lines of documents; there are more", flags)
	}
}
