package main

import (
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"bcc/fault"
)

// module is a Go module that is compiled into the program, with its licences.
type module struct {
	Path, Version, Sum string
	Licences           []licence
}

// licence is a file of a module that says what may be done with it.
type licence struct {
	Name string
	Text []byte
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|unlicense)([-._].*)?$`)

// modules returns the modules that the program was built of out of source, and Go's own
// library. It asks for no network: what was compiled lies in Go's module cache.
func modules(ctx context.Context, source string, build *buildinfo.BuildInfo) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", `{{with .Module}}{{.Path}}@{{.Version}}={{.Dir}}{{end}}`, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Unavailable, "go list: %w", err), "make setup")
	}
	folders := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, folder, _ := strings.Cut(strings.TrimSpace(line), "=")
		folders[name] = folder
	}
	var all []module
	for _, d := range build.Deps {
		m := module{Path: d.Path, Version: d.Version, Sum: d.Sum}
		folder := folders[d.Path+"@"+d.Version]
		if folder == "" || d.Replace != nil {
			return nil, fault.Hint(fault.New(fault.Invalid, "the program was built of %s %s, which %s is not", d.Path, d.Version, source), "build it of this checkout")
		}
		if m.Licences, err = licencesIn(folder); err != nil {
			return nil, fault.New(fault.NotFound, "licence of %s: %w", d.Path, err)
		}
		all = append(all, m)
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "go env: %w", err)
	}
	std := module{Path: "std", Version: strings.TrimPrefix(build.GoVersion, "go")}
	if std.Licences, err = licencesIn(strings.TrimSpace(string(goroot))); err != nil {
		return nil, fault.New(fault.NotFound, "licence of Go: %w", err)
	}
	return append(all, std), nil
}

// licencesIn returns the licence files at the top of a module.
func licencesIn(folder string) ([]licence, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []licence
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, licence{e.Name(), text})
	}
	return all, nil
}

// known are words that stand in one licence each, and its SPDX name; the first that is
// found counts.
var known = []struct{ name, words string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"MIT", "permission is hereby granted, free of charge"},
	{"ISC", "permission to use, copy, modify, and/or distribute"},
	{"ISC", "permission to use, copy, modify, and distribute"},
	{"Unlicense", "this is free and unencumbered software released into the public domain"},
	{"BSD-3-Clause", "neither the name"},
	{"BSD-3-Clause", "the names of its contributors may not be used"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms"},
	{"CC0-1.0", "creative commons legal code cc0"},
}

// spdx guesses the licence's name from its words; empty: it is not one that is known.
func spdx(text []byte) string {
	plain := strings.ToLower(strings.Join(strings.Fields(string(text)), " "))
	plain = strings.ReplaceAll(plain, "license, version", "license version")
	for _, k := range known {
		if strings.Contains(plain, k.words) {
			return k.name
		}
	}
	return ""
}
