package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"bcc/fault"
)

// deb is an installed package that files of the image came from.
type deb struct {
	Name, Version, Arch string
	Source              string
	Status              []byte            // its paragraph in dpkg's book
	Copyright           []byte            // its licences
	sums                map[string]string // MD5 of its files, by path without the first slash
}

// debs finds packages of this machine.
type debs struct {
	ctx   context.Context
	known map[string]*deb
}

// owner returns the package that file at, which lies on this machine behind no link,
// came from, once its bytes are those that the package brought.
func (d *debs) owner(at string) (*deb, error) {
	// dpkg knows a file as the package spelled it, from before /lib was a link to /usr/lib.
	for _, name := range []string{at, strings.TrimPrefix(at, "/usr")} {
		out, err := exec.CommandContext(d.ctx, "dpkg-query", "--search", name).Output()
		if err != nil {
			continue
		}
		pkg, _, _ := strings.Cut(string(out), ": ")
		p, err := d.named(pkg)
		if err != nil {
			return nil, err
		}
		return p, p.check(strings.TrimPrefix(name, "/"), at)
	}
	return nil, fault.Hint(fault.New(fault.NotFound, "%s belongs to no Debian package", at), "the image is made of packages only, on Debian 12")
}

// named returns an installed package.
func (d *debs) named(name string) (*deb, error) {
	if p := d.known[name]; p != nil {
		return p, nil
	}
	query := func(args ...string) ([]byte, error) {
		out, err := exec.CommandContext(d.ctx, "dpkg-query", append(args, name)...).Output()
		if err != nil {
			return nil, fault.Hint(fault.New(fault.NotFound, "Debian package %s: %w", name, err), "apt-get install %s", name)
		}
		return out, nil
	}
	out, err := query("--show", "--showformat", "${Package}\t${Version}\t${Architecture}\t${source:Package}")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(string(out), "\t")
	if len(fields) != 4 {
		return nil, fault.New(fault.Invalid, "dpkg-query of %s: %q", name, out)
	}
	p := &deb{Name: fields[0], Version: fields[1], Arch: fields[2], Source: fields[3], sums: map[string]string{}}
	if p.Status, err = query("--status"); err != nil {
		return nil, err
	}
	sums, err := exec.CommandContext(d.ctx, "dpkg-query", "--control-show", name, "md5sums").Output()
	if err != nil {
		return nil, fault.New(fault.NotFound, "checksums of Debian package %s: %w", name, err)
	}
	for s := bufio.NewScanner(bytes.NewReader(sums)); s.Scan(); {
		if sum, path, ok := strings.Cut(s.Text(), "  "); ok {
			p.sums[path] = sum
		}
	}
	// Licences travel with what they are of.
	if p.Copyright, err = os.ReadFile("/usr/share/doc/" + p.Name + "/copyright"); err != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "licence of Debian package %s: %w", name, err), "reinstall it without path-exclude=/usr/share/doc")
	}
	d.known[name] = p
	return p, nil
}

// check says whether the file at is the one that the package brought as name.
func (p *deb) check(name, at string) error {
	b, err := os.ReadFile(at)
	if err != nil {
		return fault.New(fault.NotFound, "%w", err)
	}
	got := md5.Sum(b) // what dpkg keeps; against accidents and what was put there by hand
	want, ok := p.sums[name]
	if !ok || want != hex.EncodeToString(got[:]) {
		return fault.Hint(fault.New(fault.Corrupt, "%s is not as Debian package %s brought it", at, p.Name), "apt-get install --reinstall %s", p.Name)
	}
	return nil
}

// under returns the package's files below a folder, in order.
func (p *deb) under(folder string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(p.sums)) {
		if strings.HasPrefix(name, folder+"/") {
			all = append(all, name)
		}
	}
	return all
}

// all returns the packages that were asked for, in the order of their names.
func (d *debs) all() []*deb {
	var list []*deb
	for _, p := range d.known {
		if !slices.ContainsFunc(list, func(q *deb) bool { return q.Name == p.Name }) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *deb) int { return strings.Compare(a.Name, b.Name) })
	return list
}
