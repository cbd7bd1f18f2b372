package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"bcc/fault"
	"bcc/telemetry"
)

// Name is what the image is called; its tag is the version.
const Name = "bcc-detection"

// The variants.
const (
	CPU  = "cpu"
	CUDA = "cuda"
)

// user runs the program: nobody's number on any machine, and the one that images
// without a shell use (distroless "nonroot").
const user = 65532

// Where things lie in the image.
const (
	programPath = "usr/bin/bcc"
	enginePath  = "usr/lib/bcc" // beside the program, as it looks for it
	sbomPath    = "usr/share/sbom/bcc.cdx.json"
	dataPath    = "data"
	cudaFolder  = "/usr/local/cuda/lib64"
)

// Recipe is what an image is, whoever builds it; the Dockerfile says the same.
type Recipe struct {
	Variant  string
	Platform string    // of Linux, as Go calls it: amd64 or arm64
	Version  string    // of the program
	Revision string    // commit, empty where there is none
	Created  time.Time // of the commit: nothing in the image is younger
	Setup    setup

	User       string
	Entrypoint []string
	Command    []string
	Env        []string
	Port       string
	Volumes    []string
	Folder     string // the working directory
	Health     []string
	Labels     map[string]string
}

// The health check looks this often; a server that does not answer for three looks is
// said to be unhealthy.
const (
	healthEvery   = 30 * time.Second
	healthTimeout = 10 * time.Second // of docker; bcc health gives up after 5 s
	healthStart   = 30 * time.Second // the engine and the model are loaded by then
	healthRetries = 3
)

// NewRecipe returns the recipe of the project at that commit.
func NewRecipe(variant string, s setup, revision string, created time.Time) (*Recipe, error) {
	if variant != CPU && variant != CUDA {
		return nil, fault.New(fault.Invalid, "--variant %q: want %s or %s", variant, CPU, CUDA)
	}
	r := &Recipe{
		Variant: variant, Platform: runtime.GOARCH, Version: telemetry.Version, Setup: s, Revision: revision, Created: created,
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{"/" + programPath},
		Command:    []string{"serve"},
		// In a container loopback reaches nobody. Without a key the server does not
		// start on any other address, and says so.
		Env:     []string{"PATH=/usr/bin", "HOME=/data", "BCC_ADDR=:8000", "BCC_DATA=/data"},
		Port:    "8000/tcp",
		Volumes: []string{"/data", "/tmp"},
		Folder:  "/data",
		Health:  []string{"CMD", "/" + programPath, "health"},
	}
	if variant == CUDA {
		r.Env = append(r.Env, "LD_LIBRARY_PATH="+cudaFolder, "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility")
	}
	r.Labels = map[string]string{
		"org.opencontainers.image.title":       Name,
		"org.opencontainers.image.description": "Finds basal cell carcinoma on whole-slide images. A research tool, not a medical device.",
		"org.opencontainers.image.version":     r.tag(),
		"org.opencontainers.image.created":     r.Created.Format(time.RFC3339),
	}
	if r.Revision != "" {
		r.Labels["org.opencontainers.image.revision"] = r.Revision
	}
	return r, nil
}

// tag is the version, and the variant where it is not the usual one.
func (r *Recipe) tag() string {
	if r.Variant == CPU {
		return r.Version
	}
	return r.Version + "-" + r.Variant
}

// commit returns the commit at source and its time; what was changed since is not the
// commit, and is called modified. SOURCE_DATE_EPOCH, in seconds, is the time where it is
// given (reproducible-builds.org).
func commit(ctx context.Context, source string) (revision string, at time.Time, err error) {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = source
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	out, gitErr := git("log", "-1", "--format=%H %ct")
	revision, seconds, _ := strings.Cut(out, " ")
	if changed, err := git("status", "--porcelain", "--untracked-files=no"); revision != "" && (err != nil || changed != "") {
		revision += "-modified"
	}
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		seconds, gitErr = given, nil
	}
	if gitErr != nil {
		return "", at, fault.Hint(fault.New(fault.NotFound, "the time of the commit in %s: %w", source, gitErr), "outside a checkout, set SOURCE_DATE_EPOCH")
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return "", at, fault.New(fault.Invalid, "SOURCE_DATE_EPOCH: %w", err)
	}
	return revision, time.Unix(n, 0).UTC(), nil
}

// buildProgram builds bcc as the image has it: no paths of this machine in it, and no
// IDs that differ from build to build.
func buildProgram(ctx context.Context, source, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto",
		"-ldflags", "-s -w -buildid= -extldflags=-Wl,--build-id=none", "-o", to, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "go build: %w: %s", err, out), "make setup")
	}
	return nil
}
