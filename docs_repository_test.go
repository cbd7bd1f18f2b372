package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// repository is what documents may speak of.
type repository struct {
	files     map[string]bool     // slash paths from the root, folders too
	targets   map[string]bool     // of the Makefile
	tests     map[string][]string // folder → Test, Benchmark and Fuzz functions in it
	variables map[string]bool     // BCC_* in code and scripts
	asked     map[string]bool     // BCC_* that cli asks the environment for by name
	documents map[string]document
}

// unseen are folders that hold nothing of the repository's.
var unseen = []string{"node_modules", "bin", "out", "testdata"}

var (
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	testName   = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`)
	variable   = regexp.MustCompile(`BCC_[A-Z][A-Z0-9_]*`)
	askedFor   = regexp.MustCompile(`(?:Getenv|LookupEnv)\("(BCC_[A-Z0-9_]+)"\)`)
)

var theRepository = sync.OnceValues(readRepository)

func readDocuments(t *testing.T) *repository {
	t.Helper()
	r, err := theRepository()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readRepository() (*repository, error) {
	r := &repository{
		files: map[string]bool{".": true}, targets: map[string]bool{}, tests: map[string][]string{},
		variables: map[string]bool{}, asked: map[string]bool{}, documents: map[string]document{},
	}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch {
		case err != nil && os.IsNotExist(err): // somebody works here
			return nil
		case err != nil || name == ".":
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".ci" || slices.Contains(unseen, entry.Name()) && path.Dir(name) == "." || entry.Name() == "node_modules"):
			return fs.SkipDir
		}
		r.files[name] = true
		if entry.IsDir() || !isText(name) {
			return nil
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil
		}
		r.take(name, string(text))
		return err
	})
	return r, err
}

func isText(name string) bool {
	return slices.Contains([]string{".go", ".md", ".sh", ".yaml", ".yml", ".py"}, path.Ext(name)) || path.Base(name) == "Makefile" || path.Base(name) == "Dockerfile"
}

func (r *repository) take(name, text string) {
	if path.Ext(name) == ".md" {
		if isDocument(name) {
			r.documents[name] = parseDocument(name, text)
		}
		return
	}
	if strings.HasPrefix(name, "docs_") { // the tests of the documents, with faults planted in them
		return
	}
	for _, v := range variable.FindAllString(text, -1) {
		r.variables[v] = true
	}
	switch {
	case name == "Makefile":
		for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
			r.targets[m[1]] = true
		}
	case strings.HasSuffix(name, "_test.go"):
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			r.tests[path.Dir(name)] = append(r.tests[path.Dir(name)], m[1])
		}
	case strings.HasPrefix(name, "cli/"):
		for _, m := range askedFor.FindAllStringSubmatch(text, -1) {
			r.asked[m[1]] = true
		}
	}
}

// isDocument tells whether a file is one that users or developers are sent to.
func isDocument(name string) bool {
	dir, base := path.Split(name)
	return dir == "docs/" || name == "README.md" || name == "CHANGELOG.md" ||
		base == "DESIGN.md" || base == "README.md" && (strings.HasPrefix(name, "deploy/") || strings.HasPrefix(name, "bench/peers/"))
}

// hasTest tells whether a test of that name is anywhere.
func (r *repository) hasTest(name string) bool {
	for _, all := range r.tests {
		if slices.Contains(all, name) {
			return true
		}
	}
	return false
}

// testsUnder returns the tests of a package of go's command line (./cli, ./grad/...).
func (r *repository) testsUnder(pattern string) []string {
	dir, deep := strings.CutSuffix(path.Clean(pattern), "/...")
	var all []string
	for d, names := range r.tests {
		if d == dir || deep && (strings.HasPrefix(d, dir+"/") || dir == ".") {
			all = append(all, names...)
		}
	}
	return all
}
