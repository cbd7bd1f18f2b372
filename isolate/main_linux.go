package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// socketFD is where a child finds its socket: after the three standard streams.
const socketFD = 3

// decoder is a child, seen from itself.
type decoder struct {
	conn     *conn
	codecs   slide.Codecs
	resample patch.ResampleFunc
	patience time.Duration

	mu      sync.Mutex
	slide   *decoded
	ops     map[uint32]context.CancelFunc
	walks   map[uint32]*pace
	views   map[uint32]*wsi.Overview
	windows map[uint32]*mapped

	bytes *asking
}

// Child is what the command of a Pool runs: it decodes slides for the process that
// started it until that closes the socket, which it finds as file 3. It binds itself
// before it has seen a byte of a slide. It returns nil at that end.
func Child(codecs slide.Codecs, resample patch.ResampleFunc) error {
	file := os.NewFile(socketFD, "parent")
	if _, err := syscall.GetsockoptInt(socketFD, syscall.SOL_SOCKET, syscall.SO_TYPE); err != nil {
		return fault.Hint(fault.New(fault.Invalid, "there is no process to decode slides for"), "other commands start this one when they need it")
	}
	conn, err := newConn(file, maxFromParent)
	if err != nil {
		return fault.New(fault.Internal, "%w", err)
	}
	// Ctrl-C is for the parent. What is written in an end's last moment must not wait.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	_ = syscall.SetNonblock(2, true)
	d := &decoder{
		conn: conn, codecs: codecs, resample: resample,
		ops: map[uint32]context.CancelFunc{}, walks: map[uint32]*pace{}, views: map[uint32]*wsi.Overview{}, windows: map[uint32]*mapped{},
	}
	d.bytes = newAsking(conn)
	for {
		f, err := conn.receive()
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil // whatever still works ends with this process
		}
		if err != nil {
			return fault.New(fault.Internal, "hear the parent: %w", err)
		}
		if err := d.handle(f); err != nil {
			return fault.New(fault.Internal, "answer the parent: %w", err)
		}
	}
}

// handle does what a frame says, and does not wait for long.
func (d *decoder) handle(f frame) error {
	switch f.kind {
	case toHello:
		var h hello
		if err := json.Unmarshal(f.body, &h); err != nil {
			return err
		}
		d.patience = time.Duration(h.Patience)
		lacks, err := confine(h)
		if err != nil {
			return err
		}
		return d.conn.send(fromReady, 0, nil, message(ready{Lacks: lacks}))
	case toOpen:
		var o opening
		if err := json.Unmarshal(f.body, &o); err != nil {
			return err
		}
		var file *os.File
		if o.File {
			if file = d.conn.take(); file == nil {
				return errors.New("the slide's file did not come")
			}
		}
		d.work(f.num, func(context.Context) (done, error) { return d.open(o, file) })
	case toClose:
		d.work(f.num, func(context.Context) (done, error) { return done{}, d.close() })
	case toView:
		down := unpackDown(f.body)
		d.work(f.num, func(ctx context.Context) (done, error) { return d.view(ctx, f.num, down) })
	case toFetch:
		var t fetching
		if err := json.Unmarshal(f.body, &t); err != nil {
			return err
		}
		d.work(f.num, func(context.Context) (done, error) { return done{}, d.fetch(t) })
	case toRead:
		var r reading
		if err := json.Unmarshal(f.body, &r); err != nil {
			return err
		}
		d.work(f.num, func(ctx context.Context) (done, error) { return done{}, d.read(ctx, r) })
	case toPatches:
		w, err := unpackWalking(f.body)
		if err != nil {
			return err
		}
		p := d.pace(f.num, w)
		d.work(f.num, func(ctx context.Context) (done, error) { return done{}, d.patches(ctx, p) })
	case toFreed:
		d.freed(f.num, f.body)
	case toCancel:
		d.mu.Lock()
		if cancel := d.ops[f.num]; cancel != nil {
			cancel()
		}
		d.mu.Unlock()
	case toWindow:
		return d.mapWindow(f.num, f.body)
	case toDrop:
		d.mu.Lock()
		d.dropWindow(f.num)
		d.mu.Unlock()
	case toBytes:
		d.bytes.answered(f.num, f.body)
	}
	return nil
}

// work does an operation beside others and tells its end.
func (d *decoder) work(num uint32, do func(context.Context) (done, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	d.mu.Lock()
	d.ops[num] = cancel
	d.mu.Unlock()
	go func() {
		end, err := do(ctx)
		if err != nil {
			f := pack(err)
			end = done{Error: &f}
		}
		d.mu.Lock()
		delete(d.ops, num)
		d.mu.Unlock()
		cancel()
		_ = d.conn.send(fromDone, num, nil, message(end)) // where it fails, the parent is gone
	}()
}
