package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"bcc/queue"
)

// manifest returns the objects of a file of deploy/kubernetes.
func manifest(t *testing.T, name string) (objects []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../deploy/kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var o map[string]any
		if err := yaml.Unmarshal(part, &o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		objects = append(objects, o)
	}
	return objects
}

func TestManifestsSayFlagsThatThereAre(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	commands := 0
	for _, file := range files {
		for _, o := range manifest(t, filepath.Base(file)) {
			args := arguments(o)
			if args == nil {
				continue
			}
			commands++
			root := newRoot(Streams{Out: io.Discard, Err: io.Discard})
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root {
				t.Errorf("%s: %q is no command: %v", file, args, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: bcc %s: %v", file, cmd.Name(), err)
			}
			if left := cmd.Flags().Args(); len(left) > 0 {
				t.Errorf("%s: bcc %s is left with %q", file, cmd.Name(), left)
			}
		}
	}
	if commands < 2 {
		t.Errorf("%d containers run bcc: want the workers and the autoscaler", commands)
	}
}

// arguments are those of the container of a Deployment; nil where it is none.
func arguments(o map[string]any) (args []string) {
	at := any(o)
	for _, key := range []string{"spec", "template", "spec", "containers"} {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	containers, ok := at.([]any)
	if !ok {
		return nil
	}
	all, _ := containers[0].(map[string]any)["args"].([]any)
	for _, a := range all {
		args = append(args, a.(string))
	}
	return args
}

// KEDA asks for streams and consumers by name.
func TestKEDANamesWhatIsOnTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, err := queue.Open(t.Context(), queue.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	there := map[string]bool{} // STREAM/CONSUMER
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		part := strings.Split(filepath.ToSlash(path), "/")
		if n := len(part); n > 3 && part[n-2] == "obs" {
			there[part[n-3]+"/"+part[n-1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	spec := manifest(t, "keda.yaml")[0]["spec"].(map[string]any)
	for _, trigger := range spec["triggers"].([]any) {
		m := trigger.(map[string]any)["metadata"].(map[string]any)
		name := m["stream"].(string) + "/" + m["consumer"].(string)
		if named[name] = true; !there[name] {
			t.Errorf("there is no %s on the queue", name)
		}
	}
	for name := range there { // parts are hints, and whoever is there takes them
		if !named[name] && !strings.Contains(name, "_PART/") {
			t.Errorf("%s is on the queue and not in keda.yaml", name)
		}
	}
}

// The HPA and the adapter ask for metrics by name: the name is one of the source's.
func TestManifestsNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	source := ""
	files, err := filepath.Glob("../*/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	for _, file := range []string{"hpa.yaml", "prometheus-adapter.yaml"} {
		text, err := os.ReadFile(filepath.Join("../deploy/kubernetes", file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\bbcc_\w+`).FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range names {
			if !strings.Contains(source, `"`+name+`"`) {
				t.Errorf("%s: no metrics.go makes %s", file, name)
			}
		}
	}
}
