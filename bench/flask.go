package bench

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"bcc/fault"
)

//go:embed peers/flask/server.py
var flaskScript []byte

// FlaskNet is the network that the scaling guide's stack serves: a residual one of
// basic blocks with these weights, in the order of grad/net's layers.
type FlaskNet struct {
	Blocks  []int      `json:"blocks"`
	First   int        `json:"first"` // channels of the first stage
	Slim    bool       `json:"slim"`
	Mean    [3]float32 `json:"mean"`
	Std     [3]float32 `json:"std"`
	Weights []float32  `json:"-"`
}

// FlaskSetting is a way to serve it.
type FlaskSetting struct {
	Server   string // flask (its own, a thread a request), gunicorn or waitress
	Threads  int    // PyTorch's, in each process
	Workers  int    // processes, of gunicorn
	Handlers int    // requests at once: of gunicorn in each process, of waitress
}

// String names the setting as the table shows it.
func (s FlaskSetting) String() string {
	switch s.Server {
	case "gunicorn":
		return fmt.Sprintf("gunicorn %d×%d, torch %d", s.Workers, s.Handlers, s.Threads)
	case "waitress":
		return fmt.Sprintf("waitress %d, torch %d", s.Handlers, s.Threads)
	}
	return fmt.Sprintf("%s, torch %d", s.Server, s.Threads)
}

// FlaskSettings are those worth a try on so many cores, for a fair fight: Flask's
// own server as the guide starts it, and two that are made for load; PyTorch with
// one thread and with all.
func FlaskSettings(cores int) (all []FlaskSetting) {
	for _, threads := range slices.Compact([]int{1, cores}) {
		processes := max(cores/threads, 1)
		all = append(all,
			FlaskSetting{Server: "flask", Threads: threads},
			FlaskSetting{Server: "gunicorn", Threads: threads, Workers: processes, Handlers: 2},
			FlaskSetting{Server: "waitress", Threads: threads, Handlers: processes})
	}
	return all
}

// StartFlask starts the stack with python. Without PyTorch, Flask or the server it
// fails with fault.Unavailable.
func StartFlask(ctx context.Context, python string, s FlaskSetting, n FlaskNet) (*Peer, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	dir, err := os.MkdirTemp("", "bcc-bench-flask-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir) // it has read all when it is ready
	if err := n.write(dir); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	env := append(os.Environ(), "OMP_NUM_THREADS="+strconv.Itoa(s.Threads), "PYTHONDONTWRITEBYTECODE=1")
	p, err := StartPeer(ctx, Target{Name: s.String(), Address: address}, "/health", env, python, filepath.Join(dir, "server.py"),
		"--server", s.Server, "--port", port, "--threads", strconv.Itoa(s.Threads),
		"--workers", strconv.Itoa(max(s.Workers, 1)), "--handlers", strconv.Itoa(max(s.Handlers, 1)),
		"--spec", filepath.Join(dir, "net.json"), "--weights", filepath.Join(dir, "net.f32"))
	if err != nil {
		return nil, err
	}
	var h struct{ Torch, Flask string }
	if err := p.Get(ctx, "/health", &h); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Version = fmt.Sprintf("Flask %s, PyTorch %s", h.Flask, h.Torch)
	return p, nil
}

// write writes the script, the network and its weights.
func (n FlaskNet) write(dir string) error {
	spec, err := json.Marshal(n)
	if err != nil {
		return err
	}
	var weights bytes.Buffer
	if err := binary.Write(&weights, binary.LittleEndian, n.Weights); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"server.py": flaskScript, "net.json": spec, "net.f32": weights.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
