package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// triplets are Debian's names of processors, as in the folders of their libraries.
var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// library is a shared library that something in the image needs.
type library struct {
	name string // as it is asked for: libjpeg.so.62
	path string // on this machine
}

// needs walks the libraries that the files need, and those that they need, in the
// order of their names. Those in folders come before the system's; those that are
// nowhere are in missing. interpreter is what the kernel starts programs with.
func needs(files, folders []string, triplet string) (found []library, missing []string, interpreter string, err error) {
	places := append(slices.Clone(folders), "/usr/lib/"+triplet, "/lib/"+triplet)
	seen := map[string]bool{}
	for _, f := range files {
		seen[filepath.Base(f)] = true // beside each other in the image
	}
	for queue := slices.Clone(files); len(queue) > 0; queue = queue[1:] {
		wanted, starts, err := asks(queue[0])
		if err != nil {
			return nil, nil, "", err
		}
		if starts != "" {
			interpreter = starts
			wanted = append(wanted, path.Base(starts))
		}
		for _, name := range wanted {
			if seen[name] {
				continue
			}
			seen[name] = true
			at, err := find(name, places)
			if err != nil {
				return nil, nil, "", err
			}
			if at == "" {
				missing = append(missing, name)
				continue
			}
			found = append(found, library{name, at})
			queue = append(queue, at)
		}
	}
	slices.SortFunc(found, func(a, b library) int { return strings.Compare(a.name, b.name) })
	slices.Sort(missing)
	return found, missing, interpreter, nil
}

// asks reads what one file names: DT_NEEDED, and PT_INTERP of a program.
func asks(name string) (wanted []string, interpreter string, err error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "%s: %w", name, err)
	}
	defer f.Close()
	if wanted, err = f.ImportedLibraries(); err != nil {
		return nil, "", fault.New(fault.Invalid, "libraries of %s: %w", name, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return nil, "", fault.New(fault.Invalid, "interpreter of %s: %w", name, err)
			}
			interpreter = string(bytes.TrimRight(b, "\x00"))
		}
	}
	return wanted, interpreter, nil
}

// find returns the file itself, behind all links; empty: it is in none of the places.
func find(name string, places []string) (string, error) {
	for _, p := range places {
		at, err := filepath.EvalSymlinks(filepath.Join(p, name))
		if err == nil {
			return at, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fault.New(fault.Unavailable, "%s: %w", name, err)
		}
	}
	return "", nil
}

// exists says whether there is something at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
