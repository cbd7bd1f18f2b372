package bench

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"strings"
	"time"

	"bcc/fault"
)

//go:embed pytorch.py
var partnerScript string

// Partner is a PyTorch process that takes training steps when it is told to.
type Partner struct {
	Version string // of PyTorch, and its BLAS

	cmd   *exec.Cmd
	in    io.WriteCloser
	words strings.Builder // what it says of itself when it fails
	lines *bufio.Scanner
	stop  context.CancelFunc
}

// partnerPatience bounds the whole of a partner's life.
const partnerPatience = 30 * time.Minute

// StartPartner starts python, the path of a Python that has PyTorch. Without one it
// fails with fault.Unavailable.
func StartPartner(ctx context.Context, python string) (*Partner, error) {
	ctx, stop := context.WithTimeout(ctx, partnerPatience)
	p := &Partner{cmd: exec.CommandContext(ctx, python, "-c", partnerScript), stop: stop}
	p.cmd.Stderr = &p.words
	in, err := p.cmd.StdinPipe()
	if err != nil {
		stop()
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fault.New(fault.Unavailable, "start %s: %w", python, err)
	}
	p.in, p.lines = in, bufio.NewScanner(out)
	var hello struct{ Torch, BLAS string }
	if err := p.hear(&hello); err != nil {
		return nil, fmt.Errorf("%s: %w", python, err)
	}
	p.Version = fmt.Sprintf("PyTorch %s with %s BLAS", hello.Torch, hello.BLAS)
	return p, nil
}

// Close ends the process.
func (p *Partner) Close() error {
	p.in.Close()
	p.stop()
	_ = p.cmd.Wait() // it was killed
	return nil
}

func (p *Partner) hear(v any) error {
	if !p.lines.Scan() {
		p.Close() // what it said is whole then
		said := strings.Split(strings.TrimSpace(p.words.String()), "\n")
		return fault.New(fault.Unavailable, "PyTorch ended: %s", said[len(said)-1])
	}
	return json.Unmarshal(p.lines.Bytes(), v)
}

// Setting is a way to use the cores in PyTorch.
type Setting struct {
	Threads int
	Batch   int // samples a step
}

func (s Setting) String() string { return fmt.Sprintf("%d threads, %d a step", s.Threads, s.Batch) }

// Step returns the seconds that PyTorch needs for as many samples as a step of the
// task has, in the mean of so many steps.
func (p *Partner) Step(ctx context.Context, t Task, s Setting, steps int) (float64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	c := maps.Clone(t.Theirs)
	c["threads"], c["batch"], c["steps"] = s.Threads, s.Batch, steps
	line, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return 0, fault.New(fault.Unavailable, "PyTorch: %w", err)
	}
	var answer struct{ Seconds float64 }
	if err := p.hear(&answer); err != nil {
		return 0, err
	}
	return answer.Seconds / float64(steps) * float64(t.Batch) / float64(s.Batch), nil
}

// fastest tries PyTorch's settings after a warm-up each, for a fair fight: it may
// use one core or all, and take a step's samples at once or one by one.
func (p *Partner) fastest(ctx context.Context, t Task, cores int) (Setting, error) {
	best, bestS := Setting{}, 0.0
	for threads := 1; threads <= cores; threads++ {
		for _, batch := range []int{1, t.Batch} {
			if batch == 1 && t.Theirs["task"] == "cnn" {
				continue // batch norm, and nobody would
			}
			s := Setting{threads, batch}
			if _, err := p.Step(ctx, t, s, 1); err != nil {
				return best, err
			}
			took, err := p.Step(ctx, t, s, max(t.Steps/4, 2))
			if err != nil {
				return best, err
			}
			if bestS == 0 || took < bestS {
				best, bestS = s, took
			}
		}
	}
	return best, nil
}
