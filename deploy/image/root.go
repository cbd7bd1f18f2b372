package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// file is one entry of the image: a folder, a link, bytes, or a file of this machine.
type file struct {
	path string // from the root of the image, without the first slash
	mode os.FileMode
	uid  int // and gid
	dir  bool
	link string // where it points to
	body []byte
	from string // a file of this machine, in place of body
}

// Root is every file of the image, in its layers: what changes seldom comes first, so
// that an update of the program moves the last one alone.
type Root struct {
	System  []file // libraries, certificates, users
	Engine  []file // ONNX Runtime
	Program []file

	Debs    []*deb
	Parts   []part
	Modules []module
	NVIDIA  []library // out of folders
	Missing []string  // of NVIDIA's, to be mounted
}

const (
	certificates = "etc/ssl/certs/ca-certificates.crt"
	passwd       = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/data:/sbin/nologin\n"
	group        = "root:x:0:\nnonroot:x:65532:\n"
	nsswitch     = "passwd: files\ngroup: files\nhosts: files dns\n"
)

// NewRoot gathers the image's files: of the program, built out of source, and of the
// engine's parts. Folders are those in which NVIDIA's libraries lie.
func NewRoot(ctx context.Context, r *Recipe, source, program string, parts []part, folders []string) (*Root, error) {
	root := &Root{Parts: parts}
	if err := root.system(ctx, r, program, folders); err != nil {
		return nil, err
	}
	for _, p := range parts {
		root.Engine = append(root.Engine, file{path: enginePath + "/" + path.Base(p.Member), mode: 0o644, from: p.path})
	}
	root.Engine = append(root.Engine, file{path: "usr/share/doc/onnxruntime/copyright", mode: 0o644, body: engineLicence})

	built, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fault.New(fault.Invalid, "what %s was built of: %w", program, err)
	}
	if root.Modules, err = modules(ctx, source, built); err != nil {
		return nil, err
	}
	root.Program = append(root.Program, file{path: programPath, mode: 0o755, from: program})
	for _, m := range root.Modules {
		for _, l := range m.Licences {
			root.Program = append(root.Program, file{path: path.Join("usr/share/doc/bcc/modules", m.Path+"@"+m.Version, l.Name), mode: 0o644, body: l.Text})
		}
	}
	return root, nil
}

// system gathers what is under the program: the libraries that it and the engine need,
// out of the Debian packages of this machine, and what programs expect of a machine.
func (root *Root) system(ctx context.Context, r *Recipe, program string, folders []string) error {
	triplet := triplets[r.Platform]
	if triplet == "" {
		return fault.New(fault.Unsupported, "no image is made for %s", r.Platform)
	}
	files := []string{program}
	for _, p := range root.Parts {
		files = append(files, p.path)
	}
	later, err := nvidia(folders)
	if err != nil {
		return err
	}
	for _, l := range later {
		files = append(files, l.path)
	}
	libraries, missing, interpreter, err := needs(files, folders, triplet)
	if err != nil {
		return err
	}
	libraries = append(libraries, slices.DeleteFunc(later, func(l library) bool { return slices.Contains(libraries, l) })...)
	if root.Missing, err = absent(r, missing, folders); err != nil {
		return err
	}

	add := func(f ...file) { root.System = append(root.System, f...) }
	// Debian's folders since 12: /bin and /lib are links.
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		add(file{path: name, link: "usr/" + name}, file{path: "usr/" + name, mode: 0o755, dir: true})
	}
	add(
		file{path: dataPath, mode: 0o750, uid: user, dir: true},
		file{path: "tmp", mode: 0o777 | os.ModeSticky, dir: true},
		// Empty; whoever runs containers mounts something there.
		file{path: "dev", mode: 0o755, dir: true}, file{path: "proc", mode: 0o555, dir: true}, file{path: "sys", mode: 0o555, dir: true},
		file{path: "etc/passwd", mode: 0o644, body: []byte(passwd)},
		file{path: "etc/group", mode: 0o644, body: []byte(group)},
		file{path: "etc/nsswitch.conf", mode: 0o644, body: []byte(nsswitch)},
	)

	if r.Variant == CUDA { // to mount them at, where they are not in it
		add(file{path: cudaFolder[1:], mode: 0o755, dir: true})
	}

	packages := &debs{ctx: ctx, known: map[string]*deb{}}
	for _, l := range libraries {
		if inside(l.path, folders) {
			root.NVIDIA = append(root.NVIDIA, l)
			add(file{path: path.Join(strings.TrimPrefix(cudaFolder, "/"), l.name), mode: 0o755, from: l.path})
			continue
		}
		if _, err := packages.owner(l.path); err != nil {
			return err
		}
		add(file{path: path.Join("usr/lib", triplet, l.name), mode: 0o755, from: l.path})
	}
	// What the kernel starts the program with is a library too, under another name.
	if interpreter != "" {
		at := "usr" + interpreter // /lib64 is a link to it
		to, err := filepath.Rel(path.Dir(at), path.Join("usr/lib", triplet, path.Base(interpreter)))
		if err != nil {
			return err
		}
		add(file{path: at, link: to})
	}
	if err := root.trust(packages); err != nil {
		return err
	}
	// Scanners of images know Debian by this file, and its packages by dpkg's book.
	const release = "/usr/lib/os-release"
	if _, err := packages.owner(release); err != nil {
		return err
	}
	add(file{path: release[1:], mode: 0o644, from: release}, file{path: "etc/os-release", link: "../usr/lib/os-release"})
	root.Debs = packages.all()
	for _, p := range root.Debs {
		add(
			file{path: "var/lib/dpkg/status.d/" + p.Name, mode: 0o644, body: p.Status},
			file{path: "usr/share/doc/" + p.Name + "/copyright", mode: 0o644, body: p.Copyright},
		)
	}
	return nil
}

// trust puts the certificates of Debian's package together. Those that this machine
// trusts besides are its own affair, and do not travel.
func (root *Root) trust(packages *debs) error {
	p, err := packages.named("ca-certificates")
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, name := range p.under("usr/share/ca-certificates/mozilla") {
		if err := p.check(name, "/"+name); err != nil {
			return err
		}
		pem, err := os.ReadFile("/" + name)
		if err != nil {
			return err
		}
		all.Write(bytes.TrimSpace(pem))
		all.WriteByte('\n')
	}
	if all.Len() == 0 {
		return fault.New(fault.NotFound, "Debian package ca-certificates has no certificates")
	}
	root.System = append(root.System, file{path: certificates, mode: 0o644, body: all.Bytes()})
	return nil
}

// inside says whether the file lies in one of the folders.
func inside(at string, folders []string) bool {
	for _, f := range folders {
		if real, err := filepath.EvalSymlinks(f); err == nil && strings.HasPrefix(at, real+"/") {
			return true
		}
	}
	return false
}

// Write writes all files below a folder, which may not be there yet.
func (root *Root) Write(folder string) error {
	if exists(folder) {
		return fault.New(fault.Invalid, "--root %s is there already", folder)
	}
	for _, layer := range [][]file{root.System, root.Engine, root.Program} {
		for _, f := range withFolders(layer) {
			if err := f.write(filepath.Join(folder, f.path)); err != nil {
				return fault.New(fault.Unavailable, "write the image's files: %w", err)
			}
		}
	}
	return nil
}

func (f *file) write(to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	switch {
	case f.link != "":
		return os.Symlink(f.link, to)
	case f.dir:
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	default:
		in, _, err := f.open()
		if err != nil {
			return err
		}
		defer in.Close()
		if err := writeFrom(to, in); err != nil {
			return err
		}
	}
	if err := os.Chmod(to, f.mode); err != nil {
		return err
	}
	if f.uid == 0 {
		return nil
	}
	return os.Chown(to, f.uid, f.uid)
}
