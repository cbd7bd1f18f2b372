//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machines are network namespaces on a bridge: as far as MPI and the ranks can see,
// three machines without a common shared memory.
const machines = 3

func machine(i int) string { return fmt.Sprintf("bcc-e2e-%d", i) }
func plug(i int) string    { return fmt.Sprintf("bcc-e2e-p%d", i) } // the bridge's end of its cable
func address(i int) string { return fmt.Sprintf("10.77.19.%d", i+1) }

const (
	bridge  = "bcc-e2e-br"
	network = "10.77.19.0/24"
)

// connect builds the machines and takes them down at the end.
func connect(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces want root")
	}
	for _, tool := range []string{"ip", "mpirun.openmpi"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here (Debian: iproute2, openmpi-bin)", tool)
		}
	}
	ip := func(line string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	t.Cleanup(func() {
		for i := range machines {
			for _, pid := range residents(i) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			_ = exec.Command("ip", "netns", "del", machine(i)).Run()
			_ = exec.Command("ip", "link", "del", plug(i)).Run()
		}
		_ = exec.Command("ip", "link", "del", bridge).Run()
	})
	ip("link add " + bridge + " type bridge")
	ip("link set " + bridge + " up")
	for i := range machines {
		ip("netns add " + machine(i))
		ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %s", plug(i), machine(i)))
		ip(fmt.Sprintf("link set %s master %s up", plug(i), bridge))
		ip(fmt.Sprintf("-n %s addr add %s/24 dev eth0", machine(i), address(i)))
		ip(fmt.Sprintf("-n %s link set eth0 up", machine(i)))
		ip(fmt.Sprintf("-n %s link set lo up", machine(i)))
	}
}

// residents are the processes of a machine.
func residents(i int) []int {
	out, _ := exec.Command("ip", "netns", "pids", machine(i)).Output()
	var pids []int
	for word := range strings.FieldsSeq(string(out)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// onMachines starts bcc on each machine, as mpirun does over ssh. Each rank leaves
// its process number in dir.
func onMachines(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	tmp, err := os.MkdirTemp("", "e2e") // machines do not share /tmp; short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	for i := range machines {
		if err := os.Mkdir(filepath.Join(tmp, strconv.Itoa(i)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	agent := filepath.Join(dir, "agent") // in the place of ssh: enters the namespace of an address
	script := "#!/bin/sh\nn=$((${1##*.} - 1)); shift\nexport TMPDIR=" + tmp + "/$n\nexec ip netns exec bcc-e2e-$n sh -c \"$*\"\n"
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	bcc, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for i := range machines {
		hosts = append(hosts, address(i)+":1")
	}
	line := []string{"netns", "exec", machine(0), "mpirun.openmpi", "--allow-run-as-root", "--bind-to", "none",
		"--host", strings.Join(hosts, ","), "-np", strconv.Itoa(machines), "--mca", "plm_rsh_agent", agent,
		"--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include", network,
		"sh", "-c", `echo $$ > "$0/rank$OMPI_COMM_WORLD_RANK"; exec "$@"`, dir, bcc}
	cmd := exec.CommandContext(t.Context(), "ip", append(line, args...)...)
	said := &bytes.Buffer{}
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(tmp, "0"))
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, said, 2*time.Second
	return cmd, said
}

// pid is the process number of a rank.
func pid(t *testing.T, dir string, rank int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("rank%d", rank)))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// tiles writes a data set of two colours.
func tiles(t *testing.T, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	table := "path,label,group,split\n"
	for i := range 64 {
		m := image.NewRGBA(image.Rect(0, 0, 64, 64))
		for k := range 64 * 64 {
			noise := func(v int) uint8 { return uint8(v + rng.IntN(60)) }
			m.Set(k%64, k/64, color.RGBA{noise(180 - 60*(i%2)), noise(120 - 40*(i%2)), noise(160), 255})
		}
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("tile%d.png", i)
		if err := os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("%s,%s,block%d,%s\n", name, [2]string{"normal", "bcc"}[i%2], i/4, [4]string{"train", "train", "train", "val"}[i/4%4])
	}
	if err := os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestThreeMachinesTrainOneModel(t *testing.T) {
	connect(t)
	data := t.TempDir()
	tiles(t, data)
	train := func(out string, epochs int) []string {
		return []string{"train", "--device", "cpu", "--task", "patch", "--data", data, "--mpp", "0.5", "--arch", "resnet10-slim",
			"--epochs", strconv.Itoa(epochs), "--out", out}
	}

	t.Run("the bytes are those of one", func(t *testing.T) {
		dir := t.TempDir()
		must(t, train(filepath.Join(dir, "alone"), 2)...)
		cmd, said := onMachines(t, dir, train(filepath.Join(dir, "three"), 2)...)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		read := func(run string) []byte {
			b, err := os.ReadFile(filepath.Join(dir, run, "model", "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if !bytes.Equal(read("alone"), read("three")) {
			t.Errorf("three machines train another model\n%s", said)
		}
	})

	for _, c := range []struct {
		name string
		hit  func(t *testing.T, dir string) // machine 1
		told string
	}{
		{"a killed rank", func(t *testing.T, dir string) {
			if err := syscall.Kill(pid(t, dir, 1), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}, "died"},
		{"a rank that hangs", func(t *testing.T, dir string) {
			if err := syscall.Kill(pid(t, dir, 1), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}, "has not been heard of"},
		{"a cable pulled", func(t *testing.T, dir string) {
			if out, err := exec.Command("ip", "link", "set", plug(1), "down").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}, "has not been heard of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd, said := onMachines(t, dir, train(filepath.Join(dir, "run"), 1000)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				if _, err := os.Stat(filepath.Join(dir, "run", "checkpoint", "checkpoint")); err == nil {
					break
				}
				if time.Since(begun) > time.Minute {
					t.Fatalf("nothing is trained\n%s", said)
				}
			}
			c.hit(t, dir)
			begun := time.Now()
			others := []int{pid(t, dir, 0), pid(t, dir, 2)}
			for alive(others[0]) || alive(others[1]) {
				if time.Since(begun) > 30*time.Second {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			took := time.Since(begun)
			// mpirun waits for a machine that it cannot reach; it has no more to say.
			ended := make(chan struct{})
			time.AfterFunc(3*time.Second, func() {
				select {
				case <-ended:
				default:
					for i := range machines {
						for _, pid := range residents(i) {
							_ = syscall.Kill(pid, syscall.SIGKILL)
						}
					}
				}
			})
			err := cmd.Wait()
			close(ended)
			t.Logf("the others ended after %.1f s", took.Seconds())
			if want := "rank 1 of 3"; took > 10*time.Second || err == nil || !strings.Contains(said.String(), want) || !strings.Contains(said.String(), c.told) {
				t.Errorf("the others ended after %v, mpirun with %v; want %q and %q in\n%s", took, err, want, c.told, said)
			}
		})
	}
}
