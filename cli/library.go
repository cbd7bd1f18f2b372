package cli

import (
	"os"
	"path/filepath"
)

// libraryName is the engine's library as npm and Linux distributions name it.
const libraryName = "libonnxruntime.so.1"

// libraryPaths lists where the engine's library is looked for: where the flag
// says and nowhere else; without one beside the program, in the set-up's folder
// of the source tree, and where the system's loader looks.
func libraryPaths(flag string) []string {
	if flag != "" {
		return []string{flag}
	}
	var paths []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		paths = append(paths,
			filepath.Join(dir, libraryName),
			filepath.Join(dir, "lib", libraryName),
			filepath.Join(dir, "..", "lib", "bcc", libraryName),
			filepath.Join(dir, "..", ".deps", "onnxruntime", libraryName),
		)
	}
	return append(paths, filepath.Join(".deps", "onnxruntime", libraryName), libraryName)
}
