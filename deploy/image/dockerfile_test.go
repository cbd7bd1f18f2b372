package main

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// TestTheDockerfileIsTheRecipe holds what the Dockerfile says of a container against
// what make image writes into its image.
func TestTheDockerfileIsTheRecipe(t *testing.T) {
	t.Parallel()
	stages := readDockerfile(t, "Dockerfile")
	for _, variant := range []string{CPU, CUDA} {
		want := recipe(t, variant).config()
		for name := range want.Labels { // of a commit, which Docker does not know
			if !strings.HasSuffix(name, ".title") && !strings.HasSuffix(name, ".description") {
				delete(want.Labels, name)
			}
		}
		if diff := cmp.Diff(want, stages[variant]); diff != "" {
			t.Errorf("%s: recipe.go (-) and Dockerfile (+):\n%s", variant, diff)
		}
	}
}

// recipe is one of a commit long ago.
func recipe(t *testing.T, variant string) *Recipe {
	t.Helper()
	s, err := readSetup("../../scripts/setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRecipe(variant, s, "0123456789abcdef", time.Unix(1_600_000_000, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readDockerfile returns what each named stage says of its container. A word that it
// does not know fails the test.
func readDockerfile(t *testing.T, path string) map[string]v1.Config {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("%s: %s", path, w.Short)
	}
	stages := map[string]v1.Config{}
	var name string
	for _, line := range parsed.AST.Children {
		var words []string
		for n := line.Next; n != nil; n = n.Next {
			words = append(words, n.Value)
		}
		c := stages[name]
		switch word := strings.ToUpper(line.Value); word {
		case "FROM":
			name = words[2]          // FROM base AS name
			base := stages[words[0]] // nothing, for those that are not of this file
			c = *base.DeepCopy()
		case "ARG", "RUN", "COPY":
		case "USER":
			c.User = words[0]
		case "WORKDIR":
			c.WorkingDir = words[0]
		case "STOPSIGNAL":
			c.StopSignal = words[0]
		case "ENTRYPOINT":
			c.Entrypoint = words
		case "CMD":
			c.Cmd = words
		case "VOLUME":
			c.Volumes = set(words)
		case "EXPOSE":
			c.ExposedPorts = set(words)
		case "ENV": // name, value, "=" and the next
			for i := 0; i+1 < len(words); i += 3 {
				c.Env = append(c.Env, words[i]+"="+words[i+1])
			}
		case "LABEL":
			c.Labels = map[string]string{}
			for i := 0; i+1 < len(words); i += 3 {
				c.Labels[words[i]] = strings.Trim(words[i+1], `"`)
			}
		case "HEALTHCHECK":
			c.Healthcheck = healthcheck(t, line.Flags, words)
		default:
			t.Errorf("%s:%d: %s is not known to this test", path, line.StartLine, word)
		}
		stages[name] = c
	}
	if name != CPU {
		t.Errorf("%s makes %s where nothing is asked for", path, name)
	}
	if got := slices.Sorted(maps.Keys(stages)); !slices.Equal(got, []string{"", CPU, CUDA, "files", "files-cuda", "settings", "source"}) {
		t.Errorf("%s has the stages %q", path, got)
	}
	return stages
}

func healthcheck(t *testing.T, flags, test []string) *v1.HealthConfig {
	t.Helper()
	h := &v1.HealthConfig{Test: test}
	for _, f := range flags {
		name, value, _ := strings.Cut(f, "=")
		var err error
		switch name {
		case "--interval":
			h.Interval, err = time.ParseDuration(value)
		case "--timeout":
			h.Timeout, err = time.ParseDuration(value)
		case "--start-period":
			h.StartPeriod, err = time.ParseDuration(value)
		case "--retries":
			h.Retries, err = strconv.Atoi(value)
		default:
			t.Errorf("HEALTHCHECK %s is not known to this test", f)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return h
}

func set(names []string) map[string]struct{} {
	all := map[string]struct{}{}
	for _, n := range names {
		all[n] = struct{}{}
	}
	return all
}

// A folder that git knows and Docker does not get would make another program, or none.
func TestDockerIgnoresOnlyWhatGitIgnores(t *testing.T) {
	t.Parallel()
	git, err := os.ReadFile("../../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	docker, err := os.ReadFile("Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(docker)) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !strings.Contains(string(git), "/"+line+"/\n") {
			t.Errorf("%s is ignored by Docker and not by git", line)
		}
	}
}
