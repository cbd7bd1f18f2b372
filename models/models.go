// Package models holds the bundles that the program ships with, inside the binary.
//
// In: a name. Out: the bundle's folder as an fs.FS, for model.Open. What each can
// and cannot do stands in its card.json. Command make, below, writes them again.
package models

import (
	"embed"
	"io/fs"
	"strings"

	"bcc/fault"
)

// The bundles.
const (
	Baseline = "bcc-baseline" // a small fixed network: the thing to beat
	Demo     = "bcc-demo"     // a small network trained on synthetic slides
)

// Default is the bundle used where the caller names none.
const Default = Demo

//go:embed bcc-*/card.json bcc-*/*.onnx bcc-*/reference.json
var files embed.FS

// Names returns the names of the bundles, in alphabetical order.
func Names() []string {
	entries, _ := files.ReadDir(".") // an embedded folder cannot fail
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// FS returns the folder of the bundle called name.
func FS(name string) (fs.FS, error) {
	for _, n := range Names() {
		if n == name {
			return fs.Sub(files, name)
		}
	}
	return nil, fault.Hint(fault.New(fault.NotFound, "model %q: no such bundle in the program", name),
		"the program holds %s; any other model is given as a folder", strings.Join(Names(), ", "))
}
