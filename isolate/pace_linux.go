package isolate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

// pace is one reading of patches, seen from the child: which slots of the window are
// with the parent, and when to tell it of more.
type pace struct {
	walking
	num  uint32
	kick chan struct{} // cap 1: slots came back

	mu  sync.Mutex
	out []func() // by slot: the release of a patch that the parent has, else nil
	n   int      // how many are not nil
}

// pace makes room for the walk's releases before it begins: they may come at once.
func (d *decoder) pace(num uint32, w walking) *pace {
	p := &pace{walking: w, num: num, kick: make(chan struct{}, 1), out: make([]func(), w.Slots)}
	d.mu.Lock()
	d.walks[num] = p
	d.mu.Unlock()
	return p
}

// patches reads the patches into the slots of the window, and tells of them.
func (d *decoder) patches(ctx context.Context, p *pace) error {
	defer func() {
		d.mu.Lock()
		delete(d.walks, p.num)
		d.mu.Unlock()
	}()
	s, err := d.current()
	if err != nil {
		return err
	}
	w, err := d.enter(p.Window)
	if err != nil {
		return err
	}
	defer d.leave(w)
	size := 3 * p.SizePx * p.SizePx
	if p.SizePx < 1 || p.Slots < 1 || p.Slots*size > len(w.mem) {
		return fault.New(fault.Internal, "%d patches of %d px do not fit into %d bytes", p.Slots, p.SizePx, len(w.mem))
	}
	cfg := p.config()
	cfg.Resample = d.resample
	var next atomic.Int32
	cfg.Buffer = func(int) []byte {
		at := (int(next.Add(1)) - 1) * size
		return w.mem[at : at+size : at+size]
	}
	slots := map[*byte]uint32{}
	for i := range p.Slots {
		slots[&w.mem[i*size]] = uint32(i)
	}
	var took times
	cfg.Read = took.add
	r, err := patch.NewReader(s, &p.Grid, cfg)
	if err != nil {
		return err
	}
	ready := make(chan wsi.Patch, p.Slots) // the reader never waits for room
	ended := make(chan error, 1)
	go func() {
		defer close(ready)
		ended <- r.Read(ctx, ready)
	}()
	var told []byte
	tell := func() {
		_ = d.conn.send(fromSome, p.num, nil, told) // where it fails, the parent is gone
		told = told[:0]
	}
	for more := true; more; {
		select {
		case one, ok := <-ready:
			if !ok {
				more = false
				break
			}
			slot := slots[&one.Pix[0]]
			p.give(slot, one.Release)
			told = order.AppendUint32(told, uint32(one.Index))
			told = order.AppendUint32(told, slot)
			told = order.AppendUint32(told, took.take())
		case <-p.kick:
		}
		if len(told) >= telling*someBytes || len(told) > 0 && p.away(len(told)/someBytes) <= p.Low {
			tell()
		}
	}
	if len(told) > 0 {
		tell()
	}
	return <-ended
}

// give notes that the parent gets the slot.
func (p *pace) give(slot uint32, release func()) {
	p.mu.Lock()
	p.out[slot] = release
	p.n++
	p.mu.Unlock()
}

// away is how many patches the parent has, besides those that are not told yet.
func (p *pace) away(untold int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n - untold
}

// freed takes slots back.
func (d *decoder) freed(num uint32, body []byte) {
	d.mu.Lock()
	p := d.walks[num]
	d.mu.Unlock()
	if p == nil {
		return // it has ended
	}
	for ; len(body) >= 4; body = body[4:] {
		p.mu.Lock()
		var release func()
		if slot := order.Uint32(body); int(slot) < len(p.out) && p.out[slot] != nil {
			release, p.out[slot] = p.out[slot], nil
			p.n--
		}
		p.mu.Unlock()
		if release != nil {
			release()
		}
	}
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// times keeps how long patches took, in the order in which they were read, until one
// of them is told.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(took time.Duration) {
	t.mu.Lock()
	t.all = append(t.all, took)
	t.mu.Unlock()
}

// take returns the oldest, in microseconds.
func (t *times) take() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	us := t.all[0].Microseconds() // each patch was added before it was sent
	t.all = t.all[1:]
	return uint32(min(us, 1<<32-1))
}
