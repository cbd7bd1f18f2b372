package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// engineLicence is that of ONNX Runtime; npm's package has none in it.
//
//go:embed onnxruntime.LICENSE.txt
var engineLicence []byte

// part is one library of the engine, and the package of npm it is out of.
type part struct {
	npm
	Member string // in the package
	SHA256 string
	path   string // on this machine
}

// gpuParts are ONNX Runtime with its CUDA provider: the core of one package, and the
// providers that another publishes for the same version (CUDA 13, cuDNN 9; x86_64 only).
// Built, never run on a GPU.
var gpuParts = []part{
	{npm: npm{"onnxruntime-node", "1.29.0"}, Member: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		SHA256: "89688f5cf51c7e31befbb7b9101bc027799009b18d1baa9a5b1146a72e69538d"},
	{npm: npm{"com.github.asus4.onnxruntime.linux-x64-gpu", "0.4.9"}, Member: "package/Plugins/Linux/x64/libonnxruntime_providers_cuda.so",
		SHA256: "56cf3254b118ad837ccc4ed8f6d1b23504bbf7ef91b34cbc0b289cb7f10b3037"},
	{npm: npm{"com.github.asus4.onnxruntime.linux-x64-gpu", "0.4.9"}, Member: "package/Plugins/Linux/x64/libonnxruntime_providers_shared.so",
		SHA256: "c6a12593396095f5670160e284c35d1700b7708cf3037b7042e2a5200ccae772"},
}

// engine returns the libraries of the engine, as they were published.
func (r *Recipe) engine(ctx context.Context, source string) ([]part, error) {
	if r.Variant == CPU {
		arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[r.Platform]
		p := part{npm: npm{"onnxruntime-node", r.Setup.Engine}, SHA256: r.Setup.EngineSHA256[arch],
			Member: "package/bin/napi-v6/linux/" + arch + "/libonnxruntime.so.1",
			path:   filepath.Join(source, ".deps", "onnxruntime", "libonnxruntime.so.1")}
		return []part{p}, p.check()
	}
	if r.Platform != "amd64" {
		return nil, fault.New(fault.Unsupported, "--variant %s: ONNX Runtime's CUDA provider is published for amd64 only", CUDA)
	}
	parts := slices.Clone(gpuParts)
	for i := range parts {
		p := &parts[i]
		folder := filepath.Join(source, ".deps", "onnxruntime-gpu")
		p.path = filepath.Join(folder, path.Base(p.Member))
		if p.check() == nil {
			continue
		}
		if err := p.fetch(ctx, folder); err != nil {
			return nil, err
		}
		if err := p.check(); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// check says whether the library is the one that was published.
func (p *part) check() error {
	got, err := digestOf(p.path)
	if err != nil {
		return fault.Hint(fault.New(fault.NotFound, "%w", err), "make setup")
	}
	if got != p.SHA256 {
		return fault.Hint(fault.New(fault.Corrupt, "%s has SHA-256 %s, want %s", p.path, got, p.SHA256), "remove it, and make setup")
	}
	return nil
}

// digestOf returns a file's SHA-256.
func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fetch takes the library out of npm's package.
func (p *part) fetch(ctx context.Context, folder string) error {
	tmp, err := os.MkdirTemp("", "bcc-image-npm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", p.Name+"@"+p.Version)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fault.New(fault.Unavailable, "npm pack %s@%s: %w: %s", p.Name, p.Version, err, strings.TrimSpace(string(out)))
	}
	packed, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return fault.New(fault.Unavailable, "npm pack %s@%s left %d packages", p.Name, p.Version, len(packed))
	}
	f, err := os.Open(packed[0])
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fault.New(fault.Corrupt, "%s@%s: %w", p.Name, p.Version, err)
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fault.New(fault.NotFound, "%s@%s: no %s in it", p.Name, p.Version, p.Member)
		}
		if err != nil {
			return fault.New(fault.Corrupt, "%s@%s: %w", p.Name, p.Version, err)
		}
		if h.Name == p.Member {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			return writeFrom(p.path, t)
		}
	}
}

// writeFrom writes all of r to path; there is no half of it.
func writeFrom(path string, r io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".part.")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
