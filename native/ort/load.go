//go:build cgo

package ort

/*
#cgo CFLAGS: -std=c11 -O3 -Wall -Wextra -Werror=implicit-function-declaration
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "probe.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	engine "github.com/yalue/onnxruntime_go"

	"bcc/fault"
)

// library is the one that this process runs on: the engine keeps its state in
// globals, so there can be no second.
var library struct {
	sync.Mutex
	path    string
	version string
}

// Load opens the first of the paths that is ONNX Runtime 1.24 or newer and keeps
// it for the life of the process; once it has succeeded it does nothing. A path
// without a slash is looked for where the system's loader looks. The error is
// fault.Unavailable and names every path with what is wrong with it.
func Load(paths ...string) error {
	library.Lock()
	defer library.Unlock()
	if library.path != "" {
		return nil
	}
	if len(paths) == 0 {
		return unavailable("no path was given")
	}
	if err := silence(); err != nil {
		return err
	}
	tried := make([]string, 0, len(paths))
	for _, path := range paths {
		version, err := probe(path)
		if err == nil {
			err = start(path)
		}
		if err == nil {
			library.path, library.version = path, version
			return nil
		}
		tried = append(tried, path+": "+err.Error())
	}
	return unavailable("tried " + strings.Join(tried, "; "))
}

func unavailable(why string) error {
	err := fault.New(fault.Unavailable, "load ONNX Runtime %s or newer (libonnxruntime.so.1): %s", MinVersion, why)
	return fault.Hint(err, "scripts/setup.sh puts the library in place")
}

// Version returns the version of the library that was loaded, "" before.
func Version() string {
	library.Lock()
	defer library.Unlock()
	return library.version
}

// probe opens the library and returns its version. It asks for nothing that an
// older library could not answer.
func probe(path string) (string, error) {
	if strings.ContainsRune(path, '/') {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", errors.New("not found")
		}
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var version [64]C.char
	var reason [C.BCC_REASON]C.char
	if C.bcc_probe_ort(name, &version[0], &reason[0]) != 0 {
		return "", errors.New(C.GoString(&reason[0]))
	}
	found := C.GoString(&version[0])
	if !newEnough(found, MinVersion) {
		return "", fmt.Errorf("it is version %s", found)
	}
	return found, nil
}

// newEnough compares the first two numbers of two versions.
func newEnough(found, least string) bool {
	f, l := numbers(found), numbers(least)
	return f[0] > l[0] || f[0] == l[0] && f[1] >= l[1]
}

func numbers(version string) (n [2]int) {
	for i, s := range strings.SplitN(version, ".", 3) {
		if v, err := strconv.Atoi(s); err == nil && i < len(n) {
			n[i] = v
		}
	}
	return n
}

// silence keeps the engine from sending word to its maker: from 1.29 on its own builds
// write an ID of the machine below the user's cache and a log into TMPDIR as soon as there
// is an environment, and send what they run on, with the ID, to
// mobile.events.data.microsoft.com. DisableTelemetry comes too late for that; these keep
// all of it from beginning (microsoft/onnxruntime, pull request 29843): the name that
// 1.29 and 1.30 know, and the one in their source.
func silence() error {
	for _, name := range []string{"ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"} {
		if err := os.Setenv(name, "1"); err != nil {
			return fault.New(fault.Unavailable, "load ONNX Runtime: switch its telemetry off: %w", err)
		}
	}
	return nil
}

func start(path string) error {
	engine.SetSharedLibraryPath(path)
	// The engine writes its errors to standard error as well as returning them,
	// even for a run that we ended: we keep what it returns.
	if err := engine.InitializeEnvironment(engine.WithLogLevelFatal()); err != nil {
		return err
	}
	return engine.DisableTelemetry()
}

// loaded says why nothing can be run yet.
func loaded() error {
	if Version() == "" {
		return unavailable("it was not loaded")
	}
	return nil
}
