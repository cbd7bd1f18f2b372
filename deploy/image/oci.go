package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"bcc/fault"
)

// newImage makes the image of the files.
func newImage(r *Recipe, root *Root) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range []struct {
		files []file
		what  string
	}{{root.System, "Debian's libraries, certificates, users"}, {root.Engine, "ONNX Runtime"}, {root.Program, "bcc"}} {
		var archive bytes.Buffer
		if err := writeLayer(&archive, l.files, r.Created); err != nil {
			return nil, fault.New(fault.Unavailable, "layer of %s: %w", l.what, err)
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
		}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
		if err != nil {
			return nil, fault.New(fault.Internal, "layer of %s: %w", l.what, err)
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
			History: v1.History{Created: v1.Time{Time: r.Created}, CreatedBy: "deploy/image", Comment: l.what}})
		if err != nil {
			return nil, fault.New(fault.Internal, "layer of %s: %w", l.what, err)
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, fault.New(fault.Internal, "the image's configuration: %w", err)
	}
	cfg = cfg.DeepCopy()
	cfg.Created, cfg.OS, cfg.Architecture = v1.Time{Time: r.Created}, "linux", r.Platform
	cfg.Config = r.config()
	img, err = mutate.ConfigFile(img, cfg)
	if err != nil {
		return nil, fault.New(fault.Internal, "the image's configuration: %w", err)
	}
	return img, nil
}

// config is the recipe in the words of images. Health checks are Docker's, which reads
// them in OCI images too; others leave them aside.
func (r *Recipe) config() v1.Config {
	c := v1.Config{
		User: r.User, Entrypoint: r.Entrypoint, Cmd: r.Command, Env: r.Env, WorkingDir: r.Folder, Labels: r.Labels,
		ExposedPorts: map[string]struct{}{r.Port: {}}, Volumes: map[string]struct{}{}, StopSignal: "SIGTERM",
		Healthcheck: &v1.HealthConfig{Test: r.Health, Interval: healthEvery, Timeout: healthTimeout, StartPeriod: healthStart, Retries: healthRetries},
	}
	for _, v := range r.Volumes {
		c.Volumes[v] = struct{}{}
	}
	return c
}

// writeImage writes into folder an OCI layout, the archive for docker, podman and
// skopeo, the SBOM and the digest; and says what they weigh.
func writeImage(r *Recipe, img v1.Image, bom []byte, folder string, out io.Writer) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	base := filepath.Join(folder, Name+"-"+r.tag())
	if err := os.RemoveAll(base + ".oci"); err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	lay, err := layout.Write(base+".oci", empty.Index)
	if err == nil {
		err = lay.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": r.tag()}),
			layout.WithPlatform(v1.Platform{OS: "linux", Architecture: r.Platform}))
	}
	if err != nil {
		return fault.New(fault.Unavailable, "write %s.oci: %w", base, err)
	}
	tag, err := name.NewTag(Name + ":" + r.tag())
	if err == nil {
		err = tarball.WriteToFile(base+".tar", tag, img)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "write %s.tar: %w", base, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return fault.New(fault.Internal, "digest of the image: %w", err)
	}
	for path, text := range map[string][]byte{base + ".cdx.json": bom, base + ".digest": []byte(digest.String() + "\n")} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fault.New(fault.Unavailable, "%w", err)
		}
	}
	return show(r, img, base, digest, out)
}

func show(r *Recipe, img v1.Image, base string, digest v1.Hash, out io.Writer) error {
	layers, err := img.Layers()
	if err != nil {
		return fault.New(fault.Internal, "layers of the image: %w", err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return fault.New(fault.Internal, "the image's configuration: %w", err)
	}
	var packed, plain int64
	fmt.Fprintf(out, "%s:%s for linux/%s, %s\n", Name, r.tag(), r.Platform, digest)
	for i, l := range layers {
		small, err := l.Size()
		if err != nil {
			return fault.New(fault.Internal, "layers of the image: %w", err)
		}
		z, err := l.Uncompressed()
		if err != nil {
			return fault.New(fault.Internal, "layers of the image: %w", err)
		}
		large, err := io.Copy(io.Discard, z)
		z.Close()
		if err != nil {
			return fault.New(fault.Internal, "layers of the image: %w", err)
		}
		fmt.Fprintf(out, "  %6.1f MB, %6.1f unpacked  %s\n", float64(small)/1e6, float64(large)/1e6, cfg.History[i].Comment)
		packed, plain = packed+small, plain+large
	}
	_, err = fmt.Fprintf(out, "  %6.1f MB, %6.1f unpacked  in all\n%s.tar   docker load -i, podman load -i, skopeo copy docker-archive:\n%s.oci   skopeo copy oci:, crane push\n%s.cdx.json   what is in it\n",
		float64(packed)/1e6, float64(plain)/1e6, base, base, base)
	return err
}

// push sends the image to a registry; to is a name with or without a tag.
func push(ctx context.Context, r *Recipe, img v1.Image, to string, out io.Writer) error {
	ref, err := name.ParseReference(to, name.WithDefaultTag(r.tag()))
	if err != nil {
		return fault.Hint(fault.New(fault.Invalid, "--push: %w", err), "registry.example.org/lab/%s", Name)
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "send the image to %s: %w", ref, err), "docker login %s", ref.Context().RegistryStr())
	}
	digest, err := img.Digest()
	if err != nil {
		return fault.New(fault.Internal, "digest of the image: %w", err)
	}
	_, err = fmt.Fprintf(out, "sent: %s\n", ref.Context().Digest(digest.String()))
	return err
}
