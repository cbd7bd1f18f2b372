package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"bcc/cli"
)

// complaint is what is wrong at a place of a document.
type complaint struct {
	path string
	line int
	what string
}

func (c complaint) String() string { return fmt.Sprintf("%s:%d: %s", c.path, c.line, c.what) }

// foreign are flags that documents name by themselves and that are not bcc's.
var foreign = map[string]string{
	"allow-run-as-root": "mpirun's",
	"array":             "sbatch's",
	"bind-to":           "mpirun's",
	"mca":               "mpirun's",
	"oversubscribe":     "mpirun's",
	"retry":             "curl's",
}

// checkCommands holds every command line of bcc, make, go and the scripts, and every
// flag that is named by itself, against the program and the repository.
func checkCommands(r *repository, d document) []complaint {
	var found []complaint
	for _, s := range d.sections {
		for _, l := range s.lines {
			for _, span := range l.spans() {
				if strings.HasPrefix(span, "--") {
					found = append(found, checkFlags(d, l.number, span)...)
				} else {
					found = append(found, r.checkScript(d, l.number, span)...)
				}
			}
		}
		for _, b := range s.blocks {
			found = append(found, r.checkScript(d, b.line, b.script())...)
		}
	}
	return found
}

var flagName = regexp.MustCompile(`^--([a-z][a-z0-9-]*)`)

func checkFlags(d document, line int, span string) []complaint {
	var found []complaint
	for word := range strings.FieldsSeq(span) {
		m := flagName.FindStringSubmatch(word)
		if m != nil && !cli.HasFlag(m[1]) && foreign[m[1]] == "" {
			found = append(found, complaint{d.path, line, "no command has the flag --" + m[1]})
		}
	}
	return found
}

func (r *repository) checkScript(d document, line int, script string) []complaint {
	var found []complaint
	complain := func(format string, args ...any) {
		found = append(found, complaint{d.path, line, fmt.Sprintf(format, args...)})
	}
	for _, words := range simpleCommands(script) {
		name, args := program(words)
		switch {
		case isBCC(name) && strings.Contains(script, name+"() {"): // a function of the script's own
		case isBCC(name):
			if err := cli.Check(bccArgs(args), isBlank); err != nil {
				complain("%s: %v", strings.Join(words, " "), err)
			}
		case name == "make":
			for _, a := range args {
				if !strings.HasPrefix(a, "-") && !assignment.MatchString(a) && !isBlank(a) && !r.targets[a] {
					complain("the Makefile has no target %q", a)
				}
			}
		case name == "go" && len(args) > 0 && args[0] == "test":
			for _, what := range r.checkGoTest(args[1:]) {
				complain("%s: %s", strings.Join(words, " "), what)
			}
		case name == "go" && len(args) > 1 && args[0] == "run" && strings.HasPrefix(args[1], "./"):
			for _, what := range r.checkGoRun(path.Clean(args[1]), args[2:]) {
				complain("%s: %s", strings.Join(words, " "), what)
			}
		case strings.HasPrefix(name, "scripts/") && !r.files[path.Clean(name)]:
			complain("no script %s", name)
		}
	}
	return found
}

// checkGoTest looks for the packages, and for tests that -run and -bench would find.
func (r *repository) checkGoTest(args []string) []string {
	var wrong, patterns, packages []string
	for i, a := range args {
		switch {
		case (a == "-run" || a == "-bench" || a == "-fuzz") && i+1 < len(args):
			patterns = append(patterns, args[i+1])
		case a == "." || strings.HasPrefix(a, "./"):
			packages = append(packages, a)
			if dir := path.Clean(strings.TrimSuffix(a, "/...")); !r.files[dir] {
				wrong = append(wrong, "no package "+a)
			}
		}
	}
	for _, p := range patterns {
		if p == "^$" || p == "." {
			continue
		}
		for one := range strings.SplitSeq(p, "|") {
			first, _, _ := strings.Cut(one, "/")
			re, err := regexp.Compile(first)
			if err != nil {
				wrong = append(wrong, err.Error())
				continue
			}
			if !slices.ContainsFunc(packages, func(pkg string) bool { return slices.ContainsFunc(r.testsUnder(pkg), re.MatchString) }) {
				wrong = append(wrong, "no test is called like "+first)
			}
		}
	}
	return wrong
}

// checkGoRun looks for flags where the program of that folder declares them.
func (r *repository) checkGoRun(dir string, args []string) []string {
	if !r.files[dir] {
		return []string{"no package ./" + dir}
	}
	var wrong []string
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !strings.HasPrefix(a, "-") || name == "" {
			continue
		}
		declared := false
		for file := range r.files {
			if path.Dir(file) == dir && path.Ext(file) == ".go" {
				text, _ := os.ReadFile(file)
				declared = declared || strings.Contains(string(text), `"`+name+`"`)
			}
		}
		if !declared {
			wrong = append(wrong, "it has no flag "+a)
		}
	}
	return wrong
}

var link = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)|(?:src|href)="([^"]+)"`)

// checkLinks follows each link that leads to a file, and each #anchor.
func checkLinks(r *repository, d document) []complaint {
	var found []complaint
	for _, s := range d.sections {
		for _, l := range s.lines {
			for _, m := range link.FindAllStringSubmatch(l.prose(), -1) {
				if what := r.checkLink(d, m[1]+m[2]); what != "" {
					found = append(found, complaint{d.path, l.number, what})
				}
			}
		}
	}
	return found
}

func (r *repository) checkLink(d document, target string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	to := d.path
	if file != "" {
		to = path.Join(path.Dir(d.path), file)
	}
	if file != "" && !r.files[to] {
		return "the link " + target + " leads nowhere"
	}
	if anchor == "" {
		return ""
	}
	there, ok := r.documents[to]
	if to == d.path {
		there, ok = d, true
	}
	if !ok || !slices.ContainsFunc(there.sections, func(s section) bool { return s.anchor == anchor && s.title != "" }) {
		return "the link " + target + ": no heading has that anchor"
	}
	return ""
}

var (
	testWord = regexp.MustCompile(`^(?:Test|Benchmark|Fuzz)[A-Z]\w*$`)
	pathWord = regexp.MustCompile(`^[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.{},*-]+)*/?$`)
	braces   = regexp.MustCompile(`\{([^{}]*)\}`)
)

// notHere are words of documents that look like paths of the repository and are none.
var notHere = map[string]string{
	"auth/keys.json": "in the folder of --data",
}

// checkNames looks for the tests, and the files and folders of this repository, that a
// document names as code.
func checkNames(r *repository, d document) []complaint {
	var found []complaint
	for _, s := range d.sections {
		for _, l := range s.lines {
			for _, span := range l.spans() {
				switch word := strings.TrimPrefix(span, "./"); {
				case testWord.MatchString(word):
					if !r.hasTest(word) {
						found = append(found, complaint{d.path, l.number, "no test is called " + word})
					}
				case pathWord.MatchString(word) && notHere[word] == "" && r.looksLikeOurs(word):
					for _, one := range expand(strings.TrimSuffix(word, "/")) {
						if !r.hasPath(d, one) {
							found = append(found, complaint{d.path, l.number, "no file or folder " + one})
						}
					}
				}
			}
		}
	}
	return found
}

// looksLikeOurs tells whether a path begins with a folder of ours.
func (r *repository) looksLikeOurs(word string) bool {
	first, rest, deep := strings.Cut(word, "/")
	return deep && rest != "" && r.files[first] || !deep && (path.Ext(word) == ".go" || path.Ext(word) == ".sh")
}

func (r *repository) hasPath(d document, name string) bool {
	if r.files[name] || r.files[path.Join(path.Dir(d.path), name)] {
		return true
	}
	for file := range r.files {
		if ok, _ := path.Match(name, file); ok {
			return true
		}
		if !strings.Contains(name, "/") && path.Base(file) == name { // its room has been named
			return true
		}
	}
	return false
}

// expand writes a{b,c} out.
func expand(word string) []string {
	m := braces.FindStringSubmatchIndex(word)
	if m == nil {
		return []string{word}
	}
	var all []string
	for one := range strings.SplitSeq(word[m[2]:m[3]], ",") {
		all = append(all, expand(word[:m[0]]+one+word[m[1]:])...)
	}
	return all
}

// checkVariables looks for each BCC_* of a document in code, or behind a flag.
func checkVariables(r *repository, d document) []complaint {
	var found []complaint
	for _, s := range d.sections {
		for _, l := range s.lines {
			found = append(found, r.checkVariable(d, l.number, l.text)...)
		}
		for _, b := range s.blocks {
			found = append(found, r.checkVariable(d, b.line, b.text)...)
		}
	}
	return found
}

func (r *repository) checkVariable(d document, line int, text string) []complaint {
	var found []complaint
	for _, v := range variable.FindAllString(text, -1) {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(v, "BCC_"), "_", "-"))
		if !r.variables[v] && !cli.HasFlag(flag) {
			found = append(found, complaint{d.path, line, "nothing reads " + v})
		}
	}
	return found
}
