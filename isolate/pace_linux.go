package isolate

import (
	"context"
	"sync"
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
	conn *conn

	mu    sync.Mutex
	slots map[*byte]uint32 // by the first byte
	out   []func()         // by slot: the release of a patch that the parent has or will have, else nil
	away  int              // how many the parent has been told of and has not released
	told  []byte           // patches that it has not been told of
	took  []time.Duration  // how long the patches took that were read, the oldest first
}

// pace makes room for the walk's releases before it begins: they may come at once.
func (d *decoder) pace(num uint32, w walking) *pace {
	p := &pace{walking: w, num: num, conn: d.conn, slots: map[*byte]uint32{}, out: make([]func(), max(w.Slots, 0))}
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
	cfg.Buffer = func(int) []byte {
		p.mu.Lock()
		defer p.mu.Unlock()
		slot := len(p.slots)
		pix := w.mem[slot*size : (slot+1)*size : (slot+1)*size]
		p.slots[&pix[0]] = uint32(slot)
		return pix
	}
	cfg.Read = p.read
	r, err := patch.NewReader(s, &p.Grid, cfg)
	if err != nil {
		return err
	}
	err = r.Each(ctx, p.emit)
	p.mu.Lock()
	p.tell(0)
	p.mu.Unlock()
	return err
}

// read notes how long a patch took, before it is told of.
func (p *pace) read(took time.Duration) {
	p.mu.Lock()
	p.took = append(p.took, took)
	p.mu.Unlock()
}

// emit tells of a patch, now or with those that follow: whoever has read it goes on
// reading, and wakes nobody here.
func (p *pace) emit(_ context.Context, one wsi.Patch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.slots[&one.Pix[0]]
	p.out[slot] = one.Release
	p.told = order.AppendUint32(p.told, uint32(one.Index))
	p.told = order.AppendUint32(p.told, slot)
	p.told = order.AppendUint32(p.told, uint32(min(p.took[0].Microseconds(), 1<<32-1)))
	p.took = p.took[1:]
	p.tell(telling)
	return nil
}

// tell tells of the patches that are not told yet where there are so many, or where
// the parent has little else to do; p.mu is held.
func (p *pace) tell(many int) {
	n := len(p.told) / someBytes
	if n == 0 || n < many && p.away > p.Low {
		return
	}
	_ = p.conn.send(fromSome, p.num, nil, p.told) // where it fails, the parent is gone
	p.told = p.told[:0]
	p.away += n
}

// freed takes slots back.
func (d *decoder) freed(num uint32, body []byte) {
	d.mu.Lock()
	p := d.walks[num]
	d.mu.Unlock()
	if p == nil {
		return // it has ended
	}
	p.mu.Lock()
	var releases []func()
	for ; len(body) >= 4; body = body[4:] {
		if slot := order.Uint32(body); int(slot) < len(p.out) && p.out[slot] != nil {
			releases = append(releases, p.out[slot])
			p.out[slot] = nil
			p.away--
		}
	}
	p.tell(telling)
	p.mu.Unlock()
	for _, release := range releases {
		release()
	}
}
