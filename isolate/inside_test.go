//go:build linux

package isolate

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bcc/wsi"
)

// idol is a child that does what a test says.
type idol struct {
	said   atomic.Int64
	turn   atomic.Bool
	used   atomic.Int64
	killed chan string
}

func (c *idol) frames() int64          { return c.said.Load() }
func (c *idol) owing() bool            { return c.turn.Load() }
func (c *idol) cpu() time.Duration     { return time.Duration(c.used.Load()) }
func (c *idol) ended() <-chan struct{} { return nil }
func (c *idol) kill(cause, why string) { c.killed <- cause + ": " + why }

func TestAWatchIsAsPatientAsItIsTold(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Patience, cfg.CPU = 8*time.Second, time.Minute
	for name, c := range map[string]struct {
		does func(c *idol, serving *atomic.Bool)
		want string
	}{
		"silence":   {func(c *idol, _ *atomic.Bool) { c.turn.Store(true); time.Sleep(9 * time.Second) }, "silence: it did not answer for 8s"},
		"not asked": {func(*idol, *atomic.Bool) { time.Sleep(time.Hour) }, ""},
		"it talks": {func(c *idol, _ *atomic.Bool) {
			c.turn.Store(true)
			for range 100 {
				time.Sleep(7 * time.Second)
				c.said.Add(1)
			}
		}, ""},
		"it waits for bytes": {func(c *idol, serving *atomic.Bool) {
			c.turn.Store(true)
			serving.Store(true)
			time.Sleep(time.Hour)
		}, ""},
		"others are slow": {func(c *idol, _ *atomic.Bool) {
			for range 100 {
				c.turn.Store(true)
				time.Sleep(5 * time.Second)
				c.turn.Store(false)
				time.Sleep(5 * time.Second)
			}
		}, ""},
		"it works too long": {func(c *idol, _ *atomic.Bool) {
			for range 70 {
				time.Sleep(time.Second)
				c.used.Add(int64(time.Second))
			}
		}, "time: it used more than 1m0s of processor time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				child, serving := &idol{killed: make(chan string, 1)}, &atomic.Bool{}
				w := startWatch(child, &cfg, serving.Load)
				c.does(child, serving)
				synctest.Wait()
				w.stop()
				got := ""
				select {
				case got = <-child.killed:
				default:
				}
				if got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestItReadsTheLastWordsOfADecoder(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]end{
		"fatal error: runtime: out of memory\n\ngoroutine 1":                                     {causeMemory, "it wanted more than 1 GiB of memory"},
		"runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n": {causeMemory, "it wanted more than 1 GiB of memory"},
		"SIGSEGV: segmentation violation\nPC=0x1 m=3\nsignal arrived during cgo execution":       {causeSignal, "it was ended by SIGSEGV"},
		"SIGABRT: abort\nPC=0x1":                          {causeSignal, "it was ended by SIGABRT"},
		"free(): invalid pointer\nSIGABRT: abort\nPC=0x1": {causeSignal, "it was ended by SIGABRT"},
		"unexpected fault address 0x7f\nfatal error: fault\n[signal SIGSEGV: segmentation violation code=2": {causeSignal, "it was ended by SIGSEGV"},
		"runtime: goroutine stack exceeds 67108864-byte limit\nfatal error: stack overflow\n":               {causePanic, "it broke down: stack overflow"},
		"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 7":                         {causePanic, "it panicked: runtime error: index out of range [5] with length 3"},
		"panic: Mr. Smith, born 1950\n":                        {causePanic, "it panicked"},
		"fatal error: all goroutines are asleep - deadlock!\n": {causePanic, "it broke down: all goroutines are asleep - deadlock!"},
		"": {causeExit, "it ended by itself with code 3"},
	} {
		if got := endOfWords(words, 3, 1<<30); got != want {
			t.Errorf("%q: %+v, want %+v", words, got, want)
		}
	}
}

// A child that was taken over says what it likes: it must not harm this process.
func FuzzWhatAChildSays(f *testing.F) {
	f.Add(byte(fromReady), uint32(0), []byte(`{"lacks":["x"]}`))
	f.Add(byte(fromDone), uint32(1), []byte(`{"opened":{"levels":[{}]}}`))
	f.Add(byte(fromDone), uint32(1), []byte(`{"error":{"message":"x","typed":true,"kind":99,"is":[0,-1,99]}}`))
	f.Add(byte(fromSome), uint32(1), []byte{0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0})
	f.Add(byte(fromSome), uint32(1), append(make([]byte, 12), make([]byte, 12)...))
	f.Add(byte(fromAsk), uint32(7), []byte{1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0})
	f.Add(byte(fromAsk), uint32(7), []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, kind byte, num uint32, body []byte) {
		c, done := mute(t)
		defer done()
		k := &walk{come: make(chan []some, 3), taken: make([]bool, 3), seen: make([]bool, 5), left: 5, size: 12}
		k.op.some, k.op.owes = k.arrive, k.owes
		c.begin(&k.op)
		s := &remote{child: c, src: strings.NewReader("some bytes of a slide"), failed: map[uint32]error{}}
		c.serve = s.answer
		for range 2 { // the second time is a lie, if the first was none
			if err := c.handle(frame{kind, num, body}); err != nil {
				break
			}
		}
		s.asks.Wait()
		for len(k.come) > 0 {
			for _, p := range <-k.come {
				if p.index >= 5 || p.slot >= 3 {
					t.Errorf("%+v was believed", p)
				}
			}
		}
		select {
		case d := <-k.op.done:
			if d.Error != nil && unpack(*d.Error, nil).Error() != d.Error.Message {
				t.Errorf("%+v", d.Error)
			}
		default:
		}
	})
}

// mute is a child that is no process, and hears nothing.
func mute(t *testing.T) (*child, func()) {
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := newConn(ours, maxFromChild)
	if err != nil {
		t.Fatal(err)
	}
	met, _ := newMetrics(nil)
	c := &child{conn: conn, met: met, begun: make(chan ready, 1), ops: map[uint32]*op{}, dead: make(chan struct{})}
	return c, func() { ours.Close(); theirs.Close() }
}

// Frames go through in one piece, large and small, files with them, in order.
func TestFramesArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	from, err := newConn(ours, maxFromParent)
	if err != nil {
		t.Fatal(err)
	}
	to, err := newConn(theirs, maxFromParent)
	if err != nil {
		t.Fatal(err)
	}
	defer from.close()
	defer to.close()
	sizes := []int{0, 1, 100, firstBuffer - frameHead, firstBuffer, firstBuffer + 1, 3 << 20, 7, 500_000, 0}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, n := range sizes {
			var file *os.File
			if i%3 == 0 {
				if file, err = os.Open(os.DevNull); err != nil {
					t.Error(err)
				}
			}
			b := make([]byte, n)
			for k := range b {
				b[k] = byte(i + k)
			}
			if err := from.send(byte(i), uint32(i), file, b[:n/3], b[n/3:]); err != nil {
				t.Error(err)
			}
			file.Close()
		}
	})
	for i, n := range sizes {
		f, err := to.receive()
		if err != nil || int(f.kind) != i || int(f.num) != i || len(f.body) != n {
			t.Fatalf("frame %d: %d %d of %d bytes, want %d: %v", i, f.kind, f.num, len(f.body), n, err)
		}
		for k := range f.body {
			if f.body[k] != byte(i+k) {
				t.Fatalf("frame %d: byte %d", i, k)
			}
		}
		if i%3 == 0 {
			file := to.take()
			if file == nil {
				t.Fatalf("frame %d: its file did not come", i)
			}
			file.Close()
		}
	}
	wg.Wait()
	if to.take() != nil {
		t.Error("a file too many")
	}
}

func TestCellsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	cells := []wsi.Cell{{Col: 1, Row: 2}, {Col: 70_000, Row: 0}, {}}
	got := unpackCells(packCells(nil, cells))
	for i := range cells {
		if got[i] != cells[i] {
			t.Errorf("%+v, want %+v", got[i], cells[i])
		}
	}
}
