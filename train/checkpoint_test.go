package train

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
)

// small returns a trainer of n weights after an epoch, as far as a checkpoint sees it.
func small(dir string, n int) *trainer {
	p := []grad.Param{{Name: "w", Shape: grad.Shape{n, 1}}}
	t := &trainer{
		cfg: Config{Checkpoint: dir}, job: Job{World: Alone{}}, facts: []Fact{{"data", "d"}},
		opt: newAdamW(p, []span{{0, 0, n}}, 0),
	}
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(i)
	}
	t.state = firstState(grad.Weights{Params: w, State: []float32{5}}, make([]float32, n), t.opt)
	t.state.end(Epoch{Loss: 1, Validation: Metrics{math.NaN(), 0.25}}, true)
	t.state.Steps = 3
	return t
}

func TestACheckpointComesBackAsItWas(t *testing.T) {
	t.Parallel()
	a := small(t.TempDir(), 100000)
	a.state.weights.Params[7], a.opt.m[1], a.opt.v[2] = float32(math.Copysign(0, -1)), 1e-40, math.MaxFloat32
	if err := a.checkpoint(); err != nil {
		t.Fatal(err)
	}
	data, err := a.cfg.readCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	b := small("", 100000)
	b.state = firstState(grad.Weights{Params: make([]float32, 100000), State: []float32{0}}, make([]float32, 100000), b.opt)
	if err := b.restore(data); err != nil {
		t.Fatal(err)
	}
	lists := b.state.floats()
	for k, want := range a.state.floats() {
		for i := range want {
			if math.Float32bits(want[i]) != math.Float32bits(lists[k][i]) {
				t.Fatalf("list %d, element %d: %v, want %v", k, i, lists[k][i], want[i])
			}
		}
	}
	m := b.state.History[0].Validation
	if b.state.Epoch != 1 || b.opt.steps != 3 || !math.IsNaN(m.Loss) || m.AUROC != 0.25 || !b.state.History[0].Best {
		t.Errorf("state %+v, optimiser at step %d", b.state, b.opt.steps)
	}
}

// A real full disk: a file system of 256 kB in memory, which only root can mount.
func TestAFullDiskLeavesTheOlderCheckpointWhole(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root on Linux")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=256k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	tr := small(dir, 5000) // 5 lists of 20 kB
	if err := tr.checkpoint(); err != nil {
		t.Fatal(err)
	}
	big := small(dir, 20000)
	err := big.checkpoint()
	if fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("%v, want unavailable with a hint", err)
	}
	if strings.Count(err.Error(), "no space left") != 1 { // the buffer says it again when it is flushed
		t.Errorf("not told once: %v", err)
	}
	stillWhole(t, tr)
	if err := tr.checkpoint(); err != nil {
		t.Errorf("the failed one left no room: %v", err)
	}
}

func stillWhole(t *testing.T, tr *trainer) {
	t.Helper()
	data, err := tr.cfg.readCheckpoint()
	if err == nil {
		err = tr.restore(data)
	}
	if err != nil {
		t.Errorf("the older checkpoint: %v", err)
	}
}

// A header may say anything: the checksum does not keep a stranger from writing one.
func FuzzCheckpoint(f *testing.F) {
	seal := func(body []byte) []byte {
		sum := sha256.Sum256(body)
		return append(body, sum[:]...)
	}
	head := func(text string, floats int) []byte {
		b := append([]byte(checkpointMagic), 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		return append(append(b, text...), make([]byte, 4*floats)...)
	}
	f.Add(head(`{"params":1,"states":0,"best":-1}`, 3))
	f.Add(head(`{"params":1,"states":1,"epoch":1,"best":0,"history":[{"validation":{"loss":null,"auroc":1}}]}`, 6))
	f.Add(head(`{"params":9223372036854775807,"states":-1}`, 1))
	f.Add(head(`{"params":0,"best":5}`, 0))
	f.Fuzz(func(t *testing.T, body []byte) {
		tr := small("", 2)
		h, floats, err := parseCheckpoint(seal(body))
		if err == nil && len(floats) < 4*3*h.Params {
			t.Errorf("%d bytes for %d parameters", len(floats), h.Params)
		}
		_ = tr.restore(seal(body))
	})
}
