package powertest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// State is what a disk holds after a cut: paths below it, and the bytes of files.
// Folders are there with a slash at their end.
type State map[string][]byte

// state returns what is on the plates, and what gets there of what is pending.
func (m *machine) state(loss Loss, seed uint64) State {
	s := State{}
	m.collect(s, ".", rootNode, loss, seed)
	return s
}

func (m *machine) collect(s State, at string, id uint64, loss Loss, seed uint64) {
	n := m.nodes[id]
	there := loss(rand.New(rand.NewPCG(seed, id)), n.pending)
	if !n.folder {
		data := slices.Clone(n.keptData)
		for _, op := range there {
			data = written(data, op)
		}
		s[at] = data
		return
	}
	if at != "." {
		s[at+"/"] = nil
	}
	entries := maps.Clone(n.keptEntries)
	for _, op := range there {
		named(entries, op)
	}
	for name, id := range entries {
		m.collect(s, path.Join(at, name), id, loss, seed)
	}
}

// Memory returns a folder in memory, where there is one, for looking at what a cut left:
// syncs cost nothing there.
func Memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "powertest-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// WriteTo lays the state out in a folder.
func (s State) WriteTo(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(s)) { // a folder before what is in it
		full := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(full, 0o755)
		} else {
			err = os.WriteFile(full, s[name], 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
