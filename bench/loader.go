package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"bcc/fault"
)

// Loader is a process of its own that sends loads. In this one, its processor time
// and its memory could not be told from the server's.
type Loader struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// loaded is a Loader's answer to a Load.
type loaded struct {
	LoadFigures
	Error string `json:"error,omitempty"`
}

// StartLoader starts the program with arguments that make it call ServeLoads. What
// it says of itself goes to notes.
func StartLoader(ctx context.Context, notes io.Writer, program string, args ...string) (*Loader, error) {
	l := &Loader{cmd: exec.CommandContext(ctx, program, args...)}
	l.cmd.Stderr = notes
	in, err := l.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "start the load: %w", err)
	}
	l.in, l.lines = in, bufio.NewScanner(out)
	l.lines.Buffer(nil, 1<<20)
	return l, nil
}

// Run has the load sent.
func (l *Loader) Run(ctx context.Context, load Load) (LoadFigures, error) {
	if ctx.Err() != nil {
		return LoadFigures{}, context.Cause(ctx)
	}
	line, err := json.Marshal(load)
	if err != nil {
		return LoadFigures{}, err
	}
	if _, err := l.in.Write(append(line, '\n')); err != nil {
		return LoadFigures{}, fault.New(fault.Unavailable, "send the load: %w", err)
	}
	if !l.lines.Scan() {
		if ctx.Err() != nil {
			return LoadFigures{}, context.Cause(ctx)
		}
		return LoadFigures{}, fault.New(fault.Internal, "the process that sends the load ended: %w", errors.Join(l.lines.Err(), io.ErrUnexpectedEOF))
	}
	var a loaded
	if err := json.Unmarshal(l.lines.Bytes(), &a); err != nil {
		return a.LoadFigures, fmt.Errorf("figures of the load: %w", err)
	}
	if a.Error != "" {
		return a.LoadFigures, fault.New(fault.Internal, "%s", a.Error)
	}
	return a.LoadFigures, nil
}

// Close ends the process.
func (l *Loader) Close() error {
	l.in.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = l.cmd.Process.Kill() })
	defer kill.Stop()
	return l.cmd.Wait()
}

// LoadCores is how many cores the process may use: all that it takes is taken from
// the server. A core sends 20,000 requests a second, and Go's search for more work
// costs less the fewer it has.
func LoadCores(cores int) int { return max(cores/8, 1) }

// ServeLoads is what the process does: it reads a Load a line and writes its
// figures as one line, until in ends.
func ServeLoads(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var l Load
		var a loaded
		err := json.Unmarshal(lines.Bytes(), &l)
		if err == nil {
			a.LoadFigures, err = l.Run(ctx)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}
