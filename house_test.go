package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors is the house of docs/ARCHITECTURE.md: a room may import only rooms on
// lower floors.
var floors = map[string]int{
	"":       8,
	"cli":    7,
	"bench":  6,
	"worker": 5, "server": 5,
	"detect": 4, "train": 4, "harvest": 4,
	"infer": 3, "models/make": 4, "report": 3, "evaluate": 3, "grad/net": 3, "quantize": 3, "cohort": 3, "isolate": 3, "deploy": 3,
	"slide": 2, "tissue": 2, "patch": 2, "aggregate": 2, "model": 2, "models": 2, "grad": 2, "synth": 2, "dataset": 2, "augment": 2, "bag": 2,
	"client": 2, "queue": 2, "blob": 2, "auth": 2, "fetch": 2, "deepzoom": 2, "certificate": 2,
	"wsi": 1, "chunk": 1, "disk": 1, "fault": 1, "telemetry": 1, "onnx": 1, "resources": 1, "autoscale": 1, "capacity": 1, "balance": 1, "native": 1,
}

// words are the rooms that all others may import, those of the lowest floor too.
var words = []string{"wsi", "fault"}

type pkg struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := room(p.ImportPath)
		if _, ok := floors[from]; !ok {
			t.Errorf("%s: the room %q stands on no floor; add it to floors and to docs/ARCHITECTURE.md", p.ImportPath, from)
		}
		for _, imp := range p.Imports {
			if imp != "bcc" && !strings.HasPrefix(imp, "bcc/") {
				continue
			}
			to := room(imp)
			if to == from {
				continue
			}
			if floors[to] >= floors[from] && !(slices.Contains(words, to) && !slices.Contains(words, from)) {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floors[from], imp, floors[to])
			}
			if to == "native" && from != "cli" {
				t.Errorf("%s imports %s: only cli touches native code", p.ImportPath, imp)
			}
			if from == "native" && !slices.Contains(words, to) {
				t.Errorf("%s imports %s: native code knows the words and the error kinds only", p.ImportPath, imp)
			}
		}
	}
}

func TestNativeCodeStaysInItsRoom(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if room(p.ImportPath) == "native" {
			continue
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo in %v; that belongs under native/", p.ImportPath, p.CgoFiles)
		}
		for _, imp := range p.Imports {
			if imp == "unsafe" || strings.Contains(imp, "purego") {
				t.Errorf("%s imports %s; that belongs under native/", p.ImportPath, imp)
			}
		}
	}
}

// room returns the room a package belongs to: its first folder, but grad/net
// and the command models/make are rooms of their own.
func room(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "bcc"), "/")
	if path == "grad/net" || path == "models/make" {
		return path
	}
	first, _, _ := strings.Cut(path, "/")
	return first
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,CgoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
