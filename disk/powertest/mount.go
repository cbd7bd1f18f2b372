//go:build linux

package powertest

import (
	"bytes"
	"errors"
	"io"
	"log"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// mount mounts d at dir, in this process.
func (d *Disk) mount(dir string) (unmount func() error, err error) {
	if os.Getuid() != 0 {
		return nil, os.ErrPermission
	}
	server, err := fuse.NewServer(&mounted{fuse.NewDefaultRawFileSystem(), d}, dir, &fuse.MountOptions{
		FsName: "powertest", Name: "powertest",
		DirectMountStrict:  true, // no helper programs
		DisableXAttrs:      true,
		DisableReadDirPlus: true,
		MaxWrite:           1 << 20,
		Logger:             log.New(io.Discard, "", 0),
	})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, err
	}
	return func() error {
		err := syscall.Unmount(dir, 0)
		if errors.Is(err, syscall.EBUSY) { // a failed test left something open
			err = syscall.Unmount(dir, syscall.MNT_DETACH)
		} else if err == nil {
			server.Wait()
		}
		return err
	}, nil
}

// mounted answers the kernel. Nodes are never forgotten: a test's disk is small, and
// the record needs them.
type mounted struct {
	fuse.RawFileSystem
	disk *Disk
}

func (m *mounted) String() string { return "powertest" }

// valid is how long the kernel may remember names and attributes, in seconds: all
// changes come through it.
const valid = 3600

func (m *mounted) attr(id uint64, a *fuse.Attr) {
	n := m.disk.live.nodes[id]
	*a = fuse.Attr{Ino: id, Mode: n.mode | syscall.S_IFREG, Nlink: uint32(n.links), Size: uint64(len(n.data)), Blksize: 4096, Blocks: uint64(len(n.data)+511) / 512}
	if n.folder {
		a.Mode, a.Nlink = n.mode|syscall.S_IFDIR, 2
		if id == rootNode {
			a.Mode = 0o755 | syscall.S_IFDIR
		}
	}
	a.SetTimes(&n.changed, &n.changed, &n.changed)
}

func (m *mounted) entry(id uint64, out *fuse.EntryOut) {
	out.NodeId, out.Generation, out.EntryValid, out.AttrValid = id, 1, valid, valid
	m.attr(id, &out.Attr)
}

// lock takes the disk for one operation.
func (m *mounted) lock() func() {
	m.disk.mu.Lock()
	return m.disk.mu.Unlock
}

// child returns the node of that name, 0 where there is none.
func (m *mounted) child(dir uint64, name string) uint64 { return m.disk.live.nodes[dir].entries[name] }

func (m *mounted) pathOf(dir uint64, name string) string {
	return path.Join(m.disk.live.path(dir), name)
}

func (m *mounted) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer m.lock()()
	id := m.child(h.NodeId, name)
	if id == 0 {
		return fuse.ENOENT
	}
	m.entry(id, out)
	return fuse.OK
}

func (m *mounted) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer m.lock()()
	out.AttrValid = valid
	m.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

func (m *mounted) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer m.lock()()
	n := m.disk.live.nodes[in.NodeId]
	if size, ok := in.GetSize(); ok {
		m.disk.do(Op{Kind: Truncate, Path: m.disk.live.path(in.NodeId), node: in.NodeId, at: int64(size)})
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = mode & 0o7777
	}
	if at, ok := in.GetMTime(); ok {
		n.changed = at
	}
	out.AttrValid = valid
	m.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

// add makes a file or folder.
func (m *mounted) add(kind Kind, dir uint64, name string, mode uint32, out *fuse.EntryOut) fuse.Status {
	if m.child(dir, name) != 0 {
		return fuse.Status(syscall.EEXIST)
	}
	id := uint64(len(m.disk.live.nodes)) + rootNode
	m.disk.do(Op{Kind: kind, Path: m.pathOf(dir, name), node: id, dir: dir, name: name})
	m.disk.live.nodes[id].mode = mode & 0o7777
	m.entry(id, out)
	return fuse.OK
}

func (m *mounted) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer m.lock()()
	return m.add(Mkdir, in.NodeId, name, in.Mode, out)
}

func (m *mounted) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer m.lock()()
	return m.add(Create, in.NodeId, name, in.Mode, &out.EntryOut)
}

func (m *mounted) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer m.lock()()
	if m.child(in.NodeId, name) != 0 {
		return fuse.Status(syscall.EEXIST)
	}
	m.disk.do(Op{Kind: Link, Path: m.pathOf(in.NodeId, name), node: in.Oldnodeid, dir: in.NodeId, name: name})
	m.entry(in.Oldnodeid, out)
	return fuse.OK
}

func (m *mounted) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	defer m.lock()()
	id := m.child(h.NodeId, name)
	if id == 0 {
		return fuse.ENOENT
	}
	if len(m.disk.live.nodes[id].entries) > 0 {
		return fuse.Status(syscall.ENOTEMPTY)
	}
	m.disk.do(Op{Kind: Unlink, Path: m.pathOf(h.NodeId, name), node: id, dir: h.NodeId, name: name})
	return fuse.OK
}

func (m *mounted) Rmdir(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return m.Unlink(c, h, name)
}

func (m *mounted) Rename(_ <-chan struct{}, in *fuse.RenameIn, name, to string) fuse.Status {
	defer m.lock()()
	id, there := m.child(in.NodeId, name), m.child(in.Newdir, to)
	const noReplace = 1 // RENAME_NOREPLACE
	switch {
	case id == 0:
		return fuse.ENOENT
	case in.Flags&^noReplace != 0:
		return fuse.EINVAL
	case there != 0 && in.Flags&noReplace != 0:
		return fuse.Status(syscall.EEXIST)
	case there != 0 && len(m.disk.live.nodes[there].entries) > 0:
		return fuse.Status(syscall.ENOTEMPTY)
	case id == there:
		return fuse.OK
	}
	m.disk.do(Op{Kind: Rename, Path: m.pathOf(in.Newdir, to), node: id, dir: in.NodeId, name: name, to: in.Newdir, new: to})
	return fuse.OK
}

func (m *mounted) Open(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if in.Flags&syscall.O_TRUNC == 0 {
		return fuse.OK
	}
	defer m.lock()()
	m.disk.do(Op{Kind: Truncate, Path: m.disk.live.path(in.NodeId), node: in.NodeId})
	return fuse.OK
}

func (m *mounted) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	defer m.lock()()
	data := m.disk.live.nodes[in.NodeId].data
	from := min(in.Offset, uint64(len(data)))
	n := copy(buf, data[from:])
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (m *mounted) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	defer m.lock()()
	at := m.disk.live.path(in.NodeId)
	m.disk.do(Op{Kind: Write, Path: at, node: in.NodeId, at: int64(in.Offset), data: bytes.Clone(data)})
	if in.Flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0 {
		m.disk.do(Op{Kind: Sync, Path: at, node: in.NodeId})
	}
	return uint32(len(data)), fuse.OK
}

func (m *mounted) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (m *mounted) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	defer m.lock()()
	m.disk.do(Op{Kind: Sync, Path: m.disk.live.path(in.NodeId), node: in.NodeId})
	return fuse.OK
}

func (m *mounted) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	defer m.lock()()
	m.disk.do(Op{Kind: SyncDir, Path: m.disk.live.path(in.NodeId), node: in.NodeId})
	return fuse.OK
}

func (m *mounted) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer m.lock()()
	dir := m.disk.live.nodes[in.NodeId]
	// A place is a node's number: it stays where it is while others come and go.
	type entry struct {
		id   uint64
		name string
	}
	var list []entry
	for name, id := range dir.entries {
		if id > in.Offset {
			list = append(list, entry{id, name})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return int(a.id) - int(b.id) })
	for _, e := range list {
		mode := uint32(syscall.S_IFREG)
		if m.disk.live.nodes[e.id].folder {
			mode = syscall.S_IFDIR
		}
		if !out.AddDirEntry(fuse.DirEntry{Mode: mode, Name: e.name, Ino: e.id, Off: e.id}) {
			break
		}
	}
	return fuse.OK
}

func (m *mounted) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const blocks = 1 << 20 // of 4 KiB: NATS asks how much room there is
	*out = fuse.StatfsOut{Blocks: blocks, Bfree: blocks, Bavail: blocks, Bsize: 4096, Frsize: 4096, NameLen: 255}
	return fuse.OK
}

func (m *mounted) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }
