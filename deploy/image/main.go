// Command image builds the container image of bcc without a container engine: an OCI
// layout, and an archive that docker, podman and skopeo load. From the root of the
// project:
//
//	go run ./deploy/image                       # out/image/bcc-detection-<version>.tar and more
//	go run ./deploy/image --push registry/name  # and sends it there
//	go run ./deploy/image --root FOLDER         # only the files, for the Dockerfile
//
// In: this checkout, what scripts/setup.sh fetched, the Debian packages of this machine.
// Out: the image, its software bill of materials (SBOM), its digest. The same commit on
// a machine with the same packages and the same Go gives the same digest.
//
// recipe.go says what an image is; root.go, with elf.go, debian.go and cuda.go, which
// files are in it; sbom.go what they are made of; layer.go and oci.go write. It runs
// nothing of the image and trusts nothing that the packages' own checksums do not confirm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"bcc/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintf(os.Stderr, "image: error: %v\n", err)
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(os.Stderr, "image: hint: %s\n", hint)
	}
	os.Exit(fault.Exit(err))
}

type options struct {
	source  string // root of the project
	out     string // folder for the image
	root    string // folder for its files alone
	program string // bin/bcc as it is to be; empty: built
	variant string
	cuda    string // folders with NVIDIA's libraries
	push    string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("image", flag.ContinueOnError)
	fs.StringVar(&o.source, "source", ".", "root of the project")
	fs.StringVar(&o.out, "out", "out/image", "folder for the image, made anew")
	fs.StringVar(&o.root, "root", "", "write only the files of the image, into this folder, as root")
	fs.StringVar(&o.program, "program", "", "the program, built already; empty: it is built")
	fs.StringVar(&o.variant, "variant", CPU, CPU+" or "+CUDA)
	fs.StringVar(&o.cuda, "cuda", "", "folders with CUDA's and cuDNN's libraries, separated by commas, for --variant cuda; empty: they are mounted where it runs")
	fs.StringVar(&o.push, "push", "", "send the image to this registry and name, with the credentials of docker login")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fault.New(fault.Invalid, "unexpected %q", fs.Arg(0))
	}
	s, err := readSetup(filepath.Join(o.source, "scripts", "setup.sh"))
	if err != nil {
		return err
	}
	revision, created, err := commit(ctx, o.source)
	if err != nil {
		return err
	}
	r, err := NewRecipe(o.variant, s, revision, created)
	if err != nil {
		return err
	}
	if o.program == "" {
		tmp, err := os.MkdirTemp("", "bcc-image-")
		if err != nil {
			return fmt.Errorf("build the program: %w", err)
		}
		defer os.RemoveAll(tmp)
		o.program = filepath.Join(tmp, "bcc")
		if err := buildProgram(ctx, o.source, o.program); err != nil {
			return err
		}
	}
	engine, err := r.engine(ctx, o.source)
	if err != nil {
		return err
	}
	var folders []string
	if o.cuda != "" {
		folders = strings.Split(o.cuda, ",")
	}
	root, err := NewRoot(ctx, r, o.source, o.program, engine, folders)
	if err != nil {
		return err
	}
	if len(root.Missing) > 0 {
		fmt.Fprintf(out, "not in the image, to be mounted at %s where it runs: %s\n", cudaFolder, strings.Join(root.Missing, " "))
	}
	bom, err := newBOM(r, root)
	if err != nil {
		return err
	}
	root.Program = append(root.Program, file{path: sbomPath, mode: 0o644, body: bom})
	if o.root != "" {
		return root.Write(o.root)
	}
	img, err := newImage(r, root)
	if err != nil {
		return err
	}
	if err := writeImage(r, img, bom, o.out, out); err != nil || o.push == "" {
		return err
	}
	return push(ctx, r, img, o.push, out)
}
