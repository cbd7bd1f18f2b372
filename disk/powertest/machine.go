package powertest

import (
	"path"
	"slices"
	"time"
)

// Rules are what a sync keeps.
type Rules int

const (
	// Strict is POSIX to the letter: a file's sync keeps its bytes, a folder's its names.
	Strict Rules = iota
	// Kinder is Strict, and a file's sync keeps the names by which it is reached, too,
	// where they are new. ext4, XFS and btrfs do so.
	Kinder
)

const rootNode = 1

// machine is a disk: what stands in its cache and what is on its plates.
type machine struct {
	rules Rules
	nodes map[uint64]*node
}

// node is a file or folder.
type node struct {
	folder  bool
	parent  uint64 // where it was named last, and how; for people
	name    string
	links   int
	mode    uint32
	changed time.Time

	entries map[string]uint64 // now
	data    []byte            // now

	// On the plates: what was when it was synced last. What was done since is pending,
	// in order.
	keptEntries map[string]uint64
	keptData    []byte
	pending     []Op
}

func newMachine(rules Rules) *machine {
	m := &machine{rules, map[uint64]*node{}}
	m.make(rootNode, true)
	return m
}

func (m *machine) make(id uint64, folder bool) *node {
	n := &node{folder: folder, changed: time.Now()}
	if folder {
		n.entries, n.keptEntries = map[string]uint64{}, map[string]uint64{}
	}
	m.nodes[id] = n
	return n
}

// apply does op, which was found to be possible. A sync that is suppressed does nothing.
func (m *machine) apply(op Op, suppressed bool) {
	switch op.Kind {
	case Mkdir, Create, Link:
		if op.Kind != Link {
			m.make(op.node, op.Kind == Mkdir)
		}
		m.nodes[op.node].links++
		m.rename(op.node, op.dir, op.name)
		m.change(op.dir, op)
	case Unlink:
		m.nodes[op.node].links--
		m.change(op.dir, op)
	case Rename:
		if old, ok := m.nodes[op.to].entries[op.new]; ok {
			m.nodes[old].links--
		}
		m.rename(op.node, op.to, op.new)
		if op.dir != op.to { // two folders, two syncs
			m.change(op.to, Op{Kind: Link, node: op.node, dir: op.to, name: op.new})
			m.change(op.dir, Op{Kind: Unlink, node: op.node, dir: op.dir, name: op.name})
		} else {
			m.change(op.dir, op)
		}
	case Write, Truncate:
		n := m.nodes[op.node]
		n.data = written(n.data, op)
		n.pending = append(n.pending, op)
		n.changed = time.Now()
	case Sync, SyncDir:
		if !suppressed {
			m.sync(op.node)
		}
	}
}

func (m *machine) rename(id, dir uint64, name string) {
	m.nodes[id].parent, m.nodes[id].name = dir, name
}

func (m *machine) change(dir uint64, op Op) {
	n := m.nodes[dir]
	named(n.entries, op)
	n.pending = append(n.pending, op)
	n.changed = time.Now()
}

// sync makes what is pending last.
func (m *machine) sync(id uint64) {
	n := m.nodes[id]
	for _, op := range n.pending {
		if n.folder {
			named(n.keptEntries, op)
		} else {
			n.keptData = written(n.keptData, op)
		}
	}
	n.pending = nil
	if m.rules == Kinder {
		m.syncNames(id)
	}
}

// syncNames makes the names last by which a file is reached.
func (m *machine) syncNames(id uint64) {
	for dir, n := range m.nodes {
		if !n.folder {
			continue
		}
		var names []string
		for _, op := range n.pending {
			if op.node == id && op.Kind != Unlink {
				names = append(names, op.name, op.new)
			}
		}
		if names == nil {
			continue
		}
		n.pending = slices.DeleteFunc(n.pending, func(op Op) bool {
			hit := slices.Contains(names, op.name) || op.Kind == Rename && slices.Contains(names, op.new)
			if hit {
				named(n.keptEntries, op)
			}
			return hit
		})
		m.syncNames(dir)
	}
}

// named does op to the entries of a folder.
func named(entries map[string]uint64, op Op) {
	switch op.Kind {
	case Unlink:
		delete(entries, op.name)
	case Rename:
		delete(entries, op.name)
		entries[op.new] = op.node
	default:
		entries[op.name] = op.node
	}
}

// written does op to the bytes of a file.
func written(data []byte, op Op) []byte {
	end := op.at
	if op.Kind == Write {
		end = max(int64(len(data)), op.at+int64(len(op.data)))
	}
	if end <= int64(len(data)) {
		data = data[:end]
	} else {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	if op.Kind == Write {
		copy(data[op.at:], op.data)
	}
	return data
}

// path returns where a file or folder stands.
func (m *machine) path(id uint64) string {
	if id == rootNode {
		return "."
	}
	n := m.nodes[id]
	return path.Join(m.path(n.parent), n.name)
}
