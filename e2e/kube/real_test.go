//go:build e2e

package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// program is a bcc that runs on.
type program struct {
	cmd   *exec.Cmd
	log   string
	ready string // where it answers when it is; empty: nowhere
	ended chan struct{}
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/bcc")
	if set := os.Getenv("BCC_BIN"); set != "" {
		path = set
	}
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make e2e-kube builds it", err)
	}
	return path
}

// begin starts bcc with a log of its own.
func begin(t *testing.T, dir, name string, args ...string) *program {
	t.Helper()
	p := &program{log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(binary(t), args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	p.cmd.Env = append(os.Environ(), "BCC_QUEUE_TOKEN=open-sesame", "BCC_DEVICE=cpu")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if text, _ := os.ReadFile(p.log); t.Failed() {
			t.Logf("%s said:\n%s", name, text[max(len(text)-3000, 0):])
		}
	})
	return p
}

// Ready, Stop and Ended make it what runs in a pod.
func (p *program) Ready() bool {
	answer, err := http.Get(p.ready)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (p *program) Stop() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

func (p *program) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Env = append(os.Environ(), "BCC_DEVICE=cpu")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bcc %s: %v\n%s", args[0], err, &said)
	}
	return strings.TrimSpace(string(out))
}

var joins = regexp.MustCompile(`joins it at (nats://\S+)`)

// A real server, real workers in the pods, and bcc autoscale as a person starts it:
// killed in the middle and started again. Work is wanted soon, and not sooner than a
// worker starts: for such work the policy would keep some. Nothing is lost, and no walk is interrupted.
func TestKubeRunsARealFleet(t *testing.T) {
	dir := t.TempDir()
	net := filepath.Join(dir, "net")
	run(t, "bench", "bundle", "resnet18", "--out", net) // slow enough that a wave takes a while
	p := startPlane(t)
	at, store := filepath.Join(dir, "at"), filepath.Join(dir, "store")
	server := begin(t, dir, "server", "serve", "--addr", "127.0.0.1:0", "--addr-file", at, "--data", filepath.Join(dir, "data"), "--store", store,
		"--queue-listen", "127.0.0.1:-1", "--workers", "0", "--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0", "--model", net)
	var base, queue string
	p.until(t, "the server is there", time.Minute, func() bool {
		address, _ := os.ReadFile(at)
		said, _ := os.ReadFile(server.log)
		if found := joins.FindSubmatch(said); found != nil && len(address) > 0 {
			base, queue = "http://"+strings.TrimSpace(string(address)), string(found[1])
		}
		return base != ""
	})

	t.Cleanup(func() {
		if answer, err := http.Get(base + "/autoscale"); t.Failed() && err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			t.Logf("the server says of its fleet: %s", text)
		}
	})

	deploy(t, p, "cpu", 0)
	kubelet := startKubelet(t, p, func(pod *corev1.Pod) process {
		probe := freePort(t)
		w := begin(t, dir, pod.Name, "worker", "--id", pod.Name, "--kind", "cpu", "--queue", queue, "--store", store, "--model", net, "--jobs", "1",
			"--finish", "2m", "--metrics-addr", probe, "--scratch", filepath.Join(dir, "scratch-"+pod.Name))
		w.ready = "http://" + probe + "/readyz"
		return w
	})
	autoscaler := func(name string) *program {
		return begin(t, dir, name, "autoscale", "--server", base, "--target", "kube", "--kubeconfig", p.config,
			"--kind", "name=cpu,start=4s,min=0,max=3", "--drain", "40s", "--interval", "1s", "--queue", queue, "--lease", "3s")
	}
	count := func() int { return replicas(t, p, "cpu") }

	first := autoscaler("autoscaler-1")
	pictures := filepath.Join(dir, "pictures")
	run(t, "synth", "--out", pictures, "--count", "3", "--bcc", "0.5", "--seed", "70", "--size", "4000x4000")
	submitted := 0
	wave := func(slides int) { // each is a picture with a line of its own behind it: content that nobody has seen
		folder := filepath.Join(dir, fmt.Sprint("slides-", submitted))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for range slides {
			picture, err := os.ReadFile(filepath.Join(pictures, fmt.Sprintf("synth-%05d.tif", submitted%3)))
			if err == nil {
				submitted++
				err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("slide-%03d.tif", submitted)), fmt.Appendf(picture, "\nslide %d\n", submitted), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		run(t, "submit", "--server", base, folder)
	}
	done := func() bool { return len(ends(t, store)) == submitted }

	// However fast the machine is: it grows until one worker is too few.
	p.until(t, "the first wave brings workers", 2*time.Minute, func() bool {
		if 3*len(ends(t, store)) >= submitted-20 {
			wave(10)
		}
		return count() >= 2
	})
	_ = first.cmd.Process.Kill()
	p.until(t, "somebody has begun", time.Minute, func() bool { return len(ends(t, store)) > 0 })
	autoscaler("autoscaler-2")
	autoscaler("autoscaler-3") // one of the two leads
	p.until(t, "the first wave is done", 3*time.Minute, done)
	p.until(t, "and the workers are gone", 2*time.Minute, func() bool { return count() == 0 })
	wave(6)
	p.until(t, "the second wave brings workers", time.Minute, func() bool { return count() >= 1 })
	p.until(t, "the second wave is done", 3*time.Minute, done)
	p.until(t, "and they are gone too", 2*time.Minute, func() bool { return count() == 0 })

	for _, e := range ends(t, store) {
		if e.Attempts != 1 || e.State != "done" {
			t.Errorf("a slide ended %s after %d attempts: a worker was ended that had it", e.State, e.Attempts)
		}
	}
	t.Logf("%d slides done at the first attempt, %d pods came and went", submitted, len(kubelet.ended()))
}

type end struct {
	State    string
	Attempts int
}

// ends are what is in the store of slides that came to an end.
func ends(t *testing.T, store string) (all []end) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(store, "cohorts", "*", "ends", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(slices.Values(files)) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var e end
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&e); err != nil { // its checksum follows
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, e)
	}
	return all
}
