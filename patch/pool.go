package patch

// pool keeps pixel buffers for patches to come, up to a number that follows the
// prefetch and not the slide.
type pool struct {
	bytes int
	free  chan *buffer
}

type buffer struct {
	pix     []byte
	release func() // made once, so that a patch costs no allocation
}

func newPool(bytes, keep int) *pool {
	return &pool{bytes, make(chan *buffer, keep)}
}

func (p *pool) get() *buffer {
	select {
	case b := <-p.free:
		return b
	default:
	}
	b := &buffer{pix: make([]byte, p.bytes)}
	b.release = func() {
		select {
		case p.free <- b:
		default: // the receiver held more than the pool keeps
		}
	}
	return b
}
