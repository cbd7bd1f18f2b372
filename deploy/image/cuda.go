package main

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// cuDNN is loaded by the provider when it starts, and loads its parts and the compiler
// of kernels when it wants them: no file names these as needed.
const cuDNN = "libcudnn.so.9"

var loadedLater = []string{"libcudnn*.so.9", "libnvrtc.so.13", "libnvrtc-builtins.so.13.[0-9]"}

// nvidia returns the libraries in the folders that are loaded at work only.
func nvidia(folders []string) ([]library, error) {
	if len(folders) == 0 {
		return nil, nil
	}
	var all []library
	for _, folder := range folders {
		for _, pattern := range loadedLater {
			found, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil {
				return nil, fault.New(fault.Invalid, "--cuda %s: %w", folder, err)
			}
			for _, at := range found {
				if slices.ContainsFunc(all, func(l library) bool { return l.name == path.Base(at) }) {
					continue // the first folder's counts
				}
				real, err := filepath.EvalSymlinks(at)
				if err != nil {
					return nil, fault.New(fault.NotFound, "--cuda: %w", err)
				}
				all = append(all, library{path.Base(at), real})
			}
		}
	}
	if !slices.ContainsFunc(all, func(l library) bool { return l.name == cuDNN }) {
		return nil, fault.Hint(fault.New(fault.NotFound, "%s is in none of the folders %q", cuDNN, folders), "--cuda names the folder of cuDNN 9 beside that of CUDA 13")
	}
	return all, nil
}

// absent sorts out libraries that are nowhere: the driver's, which the container's
// runtime brings; NVIDIA's, which are mounted where no folders are given; any other is
// an error.
func absent(r *Recipe, missing, folders []string) (toMount []string, err error) {
	mounted := r.Variant == CUDA && len(folders) == 0
	for _, name := range missing {
		switch {
		case name == "libcuda.so.1":
		case mounted && (strings.HasPrefix(name, "libcu") || strings.HasPrefix(name, "libnv")):
			toMount = append(toMount, name)
		default:
			return nil, fault.Hint(fault.New(fault.NotFound, "a library that the image needs is nowhere: %s", name), "make setup; --cuda names where NVIDIA's lie")
		}
	}
	if mounted {
		toMount = append(toMount, cuDNN)
	}
	return toMount, nil
}
