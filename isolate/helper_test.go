//go:build linux

package isolate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bcc/isolate"
	"bcc/patch"
	"bcc/slide"
	"bcc/synth"
	"bcc/wsi"
)

// This test binary is the child too: with these words as its first argument.
const (
	asChild  = "isolate-child"
	asParent = "isolate-parent"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asChild {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == asParent {
		parent()
	}
	os.Exit(m.Run())
}

// child decodes. args may name a deed that it does, at the n-th scaling of a patch.
func child(args []string) error {
	resample := patch.ResampleFunc(nil)
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		var calls atomic.Int64
		resample = func(dst, src []byte, w, h int, x, y wsi.Taps) {
			if calls.Add(1) == int64(n) {
				do(args[0])
			}
			patch.Resample(dst, src, w, h, x, y)
		}
	}
	return isolate.Child(codecs(), resample)
}

// do does what no decoder should. What is only refused ends in a panic of its own.
func do(deed string) {
	refused := func(err error) {
		if err == nil {
			panic("it was let to " + deed)
		}
	}
	switch deed {
	case "segfault":
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			panic(err)
		}
		page[0] = 1
	case "abort":
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGABRT)
	case "hang":
		time.Sleep(time.Hour)
	case "spin":
		//lint:ignore SA5002 that is the deed
		for {
		}
	case "eat":
		for kept := [][]byte{}; ; {
			kept = append(kept, bytes.Repeat([]byte{1}, 32<<20))
		}
	case "exit":
		os.Exit(0)
	case "panic":
		var none []int
		_ = none[len(deed)]
	case "overflow":
		_ = deeper(0)
	case "chat":
		_, _ = unix.Write(3, bytes.Repeat([]byte{0xff}, 64))
	case "hang up":
		_ = unix.Close(3) // its other goroutines may see that first, and end it
		time.Sleep(time.Hour)
	case "connect":
		_, err := net.Dial("tcp", "127.0.0.1:1")
		refused(err)
	case "write":
		_, err := os.Create(filepath.Join(os.TempDir(), "isolate-"+strconv.Itoa(os.Getpid())))
		refused(err)
	case "exec":
		refused(unix.Exec("/bin/true", []string{"true"}, nil))
	case "kill":
		refused(unix.Kill(os.Getppid(), unix.SIGTERM))
	case "open":
		_, err := os.Open("/etc/passwd")
		refused(err)
	case "map code":
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		refused(err)
	case "more memory":
		refused(unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: 1 << 40, Max: 1 << 40}))
	default:
		panic("no such deed")
	}
}

//lint:ignore SA5007 that is the deed
func deeper(n int) int { return deeper(n+1) + n }

// parent opens a pool, says the number of its child, and waits to be killed.
func parent() {
	p, err := isolate.NewPool(config())
	if err != nil {
		panic(err)
	}
	b := picture(64, 64)
	s, err := p.Open(context.Background(), bytes.NewReader(b), int64(len(b)), slide.Config{MPP: wsi.MPP{X: 1, Y: 1}})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	fmt.Println("ready")
	select {}
}

// config is a pool's, of this binary's children.
func config(deed ...string) isolate.Config {
	cfg := isolate.DefaultConfig()
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cfg.Command = append([]string{exe, asChild}, deed...)
	if race {
		cfg.Memory = 1 << 50
	}
	return cfg
}

func newPool(t testing.TB, cfg isolate.Config) *isolate.Pool {
	t.Helper()
	p, err := isolate.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// codecs are slow and in Go, so that these tests need no library.
func codecs() slide.Codecs {
	return slide.Codecs{JPEG: func() (slide.JPEGDecoder, error) { return goJPEG{}, nil }}
}

type goJPEG struct{}

func (goJPEG) Close() {}

func (goJPEG) Decode(dst []byte, w, h int, src, _ []byte, _ bool, reduce int) error {
	m, err := jpeg.Decode(bytes.NewReader(src))
	if err != nil {
		return err
	}
	for y := range h {
		for x := range w {
			r, g, b, _ := m.At(min(x<<reduce, m.Bounds().Dx()-1), min(y<<reduce, m.Bounds().Dy()-1)).RGBA()
			copy(dst[3*(y*w+x):], []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
		}
	}
	return nil
}

// slides are made once: a variant of synth in bytes.
var slides sync.Map

// synthetic returns a slide of 640² pixels, dense with tissue.
func synthetic(t testing.TB, v synth.Variant) []byte {
	t.Helper()
	made, _ := slides.LoadOrStore(v, sync.OnceValues(func() ([]byte, error) {
		cfg := synth.DefaultConfig()
		cfg.Size, cfg.Variant, cfg.Seed = wsi.Size{W: 640, H: 640}, v, 3
		s, err := synth.New(cfg)
		if err != nil {
			return nil, err
		}
		var f memory
		err = synth.Write(context.Background(), &f, nil, s, synth.WriteConfig{})
		return f.b, err
	}))
	b, err := made.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// memory is a file in memory.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if need := int(at) + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[at:], p), nil
}

// picture is a PNG of noise.
func picture(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	encode(&b, m)
	return b.Bytes()
}

// asFile returns the bytes in an open file.
func asFile(t testing.TB, b []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slide")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// everywhere is a grid of all patches of a slide.
func everywhere(size wsi.Size, mpp wsi.MPP, px int) *wsi.Grid {
	g := wsi.Lay(size, mpp, wsi.Size{W: px, H: px}, 0)
	for row := range g.Rows {
		for col := range g.Cols {
			g.Cells = append(g.Cells, wsi.Cell{Col: col, Row: row})
		}
	}
	return g
}

// patches reads all patches of a slide at once and in order.
func patches(ctx context.Context, s walker, g *wsi.Grid, cfg patch.Config) ([][]byte, error) {
	out := make(chan wsi.Patch)
	ended := make(chan error, 1)
	go func() {
		defer close(out)
		ended <- s.Patches(ctx, g, cfg, out)
	}()
	all := make([][]byte, g.Len())
	for p := range out {
		if all[p.Index] != nil {
			return nil, errors.New("a patch came twice")
		}
		all[p.Index] = bytes.Clone(p.Pix)
		p.Release()
	}
	return all, <-ended
}

type walker interface {
	Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error
}

// here reads a slide in this process.
type here struct{ *slide.Slide }

func (h here) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	r, err := patch.NewReader(h.Slide, g, cfg)
	if err != nil {
		return err
	}
	return r.Read(ctx, out)
}

// open opens the bytes with the pool.
func open(t testing.TB, p *isolate.Pool, r io.ReaderAt, size int, cfg slide.Config) *isolate.Slide {
	t.Helper()
	s, err := p.Open(t.Context(), r, int64(size), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("not within 30 s: %s", what)
		}
		runtime.Gosched()
	}
}
