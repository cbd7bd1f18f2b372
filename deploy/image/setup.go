package main

import (
	"os"
	"regexp"
	"strings"

	"bcc/fault"
)

// setup is what scripts/setup.sh fetches, which alone names versions and digests.
type setup struct {
	Engine       string            // version of ONNX Runtime
	EngineSHA256 map[string]string // of its library, by npm's word for the processor
	Page         []npm             // embedded in the program
}

// npm is a package of npm that something in the program came from.
type npm struct{ Name, Version string }

var (
	engineVersion = regexp.MustCompile(`(?m)^ORT_VERSION=(\S+)$`)
	engineDigest  = regexp.MustCompile(`(?m)^\s*\[(x64|arm64)\]=([0-9a-f]{64})$`)
	pageFile      = regexp.MustCompile(`(?m)^one (\S+) (\S+) [0-9a-f]{64} \S+ \$page/\S+$`)
)

func readSetup(path string) (setup, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return setup{}, fault.Hint(fault.New(fault.NotFound, "%w", err), "run it in the root of the project")
	}
	s := setup{EngineSHA256: map[string]string{}}
	if m := engineVersion.FindSubmatch(text); m != nil {
		s.Engine = string(m[1])
	}
	for _, m := range engineDigest.FindAllSubmatch(text, -1) {
		s.EngineSHA256[string(m[1])] = string(m[2])
	}
	for _, m := range pageFile.FindAllSubmatch(text, -1) {
		if p := (npm{string(m[1]), string(m[2])}); len(s.Page) == 0 || s.Page[len(s.Page)-1] != p {
			s.Page = append(s.Page, p)
		}
	}
	var missing []string
	if s.Engine == "" {
		missing = append(missing, "ORT_VERSION")
	}
	if len(s.EngineSHA256) != 2 {
		missing = append(missing, "the digests of ONNX Runtime")
	}
	if len(s.Page) == 0 {
		missing = append(missing, "the page's libraries")
	}
	if len(missing) > 0 {
		return setup{}, fault.New(fault.Invalid, "%s: not found in it: %s", path, strings.Join(missing, ", "))
	}
	return s, nil
}
