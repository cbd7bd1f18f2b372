//go:build poison && linux

package isolate

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Poison is how a slide for tests says what it does to its decoder: any healthy file
// with PoisonMark, a deed and a newline behind its last byte, for example
//
//	BCC-POISON:segfault
//
// Deeds: segfault, abort, hang, spin, eat (memory), exit, panic, connect, write (a
// file). With "@" and a number behind the deed it is done at that reading of bytes and
// not at the first: "BCC-POISON:spin@40". Only programs built with the tag poison heed
// it, and in them only a child does; others open the slide as a healthy one.
const PoisonMark = "BCC-POISON:"

// poisoned returns a reader that does what the slide's last bytes say.
func poisoned(r io.ReaderAt, size int64) io.ReaderAt {
	tail := make([]byte, min(size, 64))
	n, _ := r.ReadAt(tail, size-int64(len(tail)))
	_, order, ok := bytes.Cut(tail[:n], []byte(PoisonMark))
	if !ok {
		return r
	}
	deed, when, _ := strings.Cut(strings.TrimSpace(string(order)), "@")
	p := &poison{ReaderAt: r, deed: deed}
	for _, digit := range when {
		p.wait = 10*p.wait + int(digit-'0')
	}
	return p
}

// poison does its deed at a reading.
type poison struct {
	io.ReaderAt
	deed string

	mu   sync.Mutex
	wait int // readings before
}

func (p *poison) ReadAt(b []byte, at int64) (int, error) {
	p.mu.Lock()
	p.wait--
	now := p.wait < 0
	p.mu.Unlock()
	if now {
		do(p.deed)
	}
	return p.ReaderAt.ReadAt(b, at)
}

// do misbehaves.
func do(deed string) {
	switch deed {
	case "segfault":
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			page[0] = 1
		}
	case "abort":
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGABRT)
	case "hang":
		time.Sleep(1 << 62)
	case "spin":
		for {
		}
	case "eat":
		for kept := [][]byte{}; ; {
			kept = append(kept, bytes.Repeat([]byte{1}, 64<<20))
		}
	case "exit":
		os.Exit(0)
	case "panic":
		var none []int
		_ = none[len(deed)]
	case "connect":
		_, _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	case "write":
		_, _ = os.Create("/tmp/poison")
	}
}
