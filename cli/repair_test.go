package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/blob"
	"bcc/cohort"
	"bcc/queue"
)

// kept fills a data folder with a cohort of two slides, one of them done, and returns
// the folder and that of its result.
func kept(t *testing.T) (data, result string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	store, err := blob.Folder(filepath.Join(data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(data, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = store, q
	ledger, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	sha := strings.Repeat("ab", 32)
	slides := []cohort.Slide{{Name: "a", SHA256: sha}, {Name: "b", SHA256: sha}}
	if _, err := ledger.Submit(t.Context(), cohort.Manifest{Slides: slides}); err != nil {
		t.Fatal(err)
	}
	set := t.TempDir()
	if err := os.WriteFile(filepath.Join(set, "result.json"), []byte(`{"prediction": "BCC"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	key := strings.Repeat("cd", 32)
	if err := blob.WriteSet(t.Context(), store, "results/"+key, set); err != nil {
		t.Fatal(err)
	}
	l, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	desk := cohort.NewDesk(store, q)
	task, err := desk.Begin(t.Context(), l.Data)
	if err != nil {
		t.Fatal(err)
	}
	e := isDone
	e.Result, e.SHA256 = key, sha
	if err := desk.End(t.Context(), task, e); err != nil {
		t.Fatal(err)
	}
	if err := l.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	return data, filepath.Join(data, "store", "results", key, "result.json")
}

// repaired runs bcc repair --json.
func repaired(t *testing.T, code int, args ...string) repairJSON {
	t.Helper()
	got, out, log := typedUntil(t.Context(), append([]string{"repair", "--json"}, args...)...)
	if got != code {
		t.Fatalf("exit code %d, want %d: %s%s", got, code, out, log)
	}
	var r repairJSON
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}

func TestRepairFindsWhatIsDamagedAndMendsIt(t *testing.T) {
	t.Parallel()
	data, result := kept(t)
	if r := repaired(t, 0, "--data", data); r.Results.Checked != 1 || r.Manifests.Checked != 1 || r.Results.Damaged != 0 || r.Waiting != 1 {
		t.Errorf("of what is whole: %+v", r)
	}
	if err := os.WriteFile(result, []byte(`{"prediction": "non"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := repaired(t, 5, "--data", data, "--check"); r.Results.Damaged != 1 || r.Results.Mended != 0 || r.Waiting != 1 {
		t.Errorf("--check: %+v", r)
	}
	if r := repaired(t, 0, "--data", data); r.Results.Mended != 1 || r.Slides != 1 || r.Waiting != 2 {
		t.Errorf("mended: %+v", r)
	}
	if r := repaired(t, 0, "--data", data, "--check"); r.Results.Damaged != 0 || r.Waiting != 2 {
		t.Errorf("afterwards: %+v", r)
	}
	code, out, _ := typedUntil(t.Context(), "repair", "--data", data)
	if holds(t, out, "KEPT", "cohorts ", "outputs of patches", "2 slides are on the queue"); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestRepairMakesAQueueThatIsLostOrDamaged(t *testing.T) {
	t.Parallel()
	data, _ := kept(t)
	if err := os.RemoveAll(filepath.Join(data, "queue")); err != nil {
		t.Fatal(err)
	}
	if r := repaired(t, 0, "--data", data); r.Waiting != 1 {
		t.Errorf("lost: %+v", r)
	}
	damaged := 0
	err := filepath.WalkDir(filepath.Join(data, "queue"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "meta.inf" {
			damaged++
			err = os.WriteFile(path, []byte("{"), 0o600)
		}
		return err
	})
	if err != nil || damaged == 0 {
		t.Fatalf("%d descriptions: %v", damaged, err)
	}
	if code, _, log := typedUntil(t.Context(), "repair", "--check", "--data", data); code != 5 {
		t.Errorf("--check: exit code %d: %s", code, log)
	}
	if r := repaired(t, 0, "--data", data); !r.QueueRemade || r.Waiting != 1 {
		t.Errorf("damaged: %+v", r)
	}
	if aside, err := filepath.Glob(filepath.Join(data, "queue.damaged-*")); err != nil || len(aside) != 1 {
		t.Errorf("the damaged one is not kept: %v, %v", aside, err)
	}
}

func TestRepairIsForOneAtATime(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	code, _, log := typedUntil(t.Context(), "repair", "--data", s.data)
	if holds(t, log, "another server runs on this folder"); code != 6 {
		t.Errorf("exit code %d", code)
	}
	// With queue and store elsewhere it runs beside the server.
	elsewhere := []string{"--queue", "nats://" + s.queue.Addr(), "--store", filepath.Join(s.data, "store")}
	code, _, log = typedUntil(t.Context(), append([]string{"repair"}, elsewhere...)...)
	if holds(t, log, "no cohort was ever kept there"); code != 3 {
		t.Errorf("an empty store, as a misspelt one is: exit code %d", code)
	}
	data, _ := kept(t)
	if r := repaired(t, 0, append(elsewhere[:2:2], "--store", filepath.Join(data, "store"))...); r.Manifests.Checked != 1 {
		t.Errorf("%+v", r)
	}
	if code, _, log := typedUntil(t.Context(), "repair", "--data", filepath.Join(t.TempDir(), "none")); code != 3 || !strings.Contains(log, "no such folder") {
		t.Errorf("exit code %d: %s", code, log)
	}
	code, _, log = typedUntil(t.Context(), "repair", "--queue", "nats://127.0.0.1:1", "--queue-patience", "1ms", "--store", t.TempDir())
	if code != 7 {
		t.Errorf("exit code %d: %s", code, log)
	}
}
