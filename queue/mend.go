package queue

import (
	"os"
	"time"

	"bcc/fault"
)

const (
	mendEvery = time.Second
	mendRoom  = 1 << 20 // bytes that must fit on the disk again
)

// mend starts the server again when it could not write and there is room now: it
// takes nothing more after a full disk, whatever becomes of the disk. The client finds
// the new one by itself; leases go on.
func (e *embedded) mend() {
	defer close(e.mended)
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ending:
			return
		case <-tick.C:
		}
		if e.log.failed.Load() == nil || !hasRoom(e.dir) {
			continue
		}
		s := e.current()
		s.Shutdown()
		s.WaitForShutdown()
		if err := e.start(); err != nil {
			e.log.log.Error("queue not started again", "err", err)
			text := err.Error()
			e.log.failed.Store(&text) // try again
			continue
		}
		e.log.log.Info("queue started again")
	}
}

// hasRoom reports whether something can be written to the folder's disk.
func hasRoom(dir string) bool {
	f, err := os.CreateTemp(dir, ".room-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_, err = f.Write(make([]byte, mendRoom))
	return err == nil && f.Sync() == nil
}

// broken returns why nothing can be written now, nil where all is well.
func (q *Queue) broken() error {
	if q.local == nil || q.local.log.failed.Load() == nil {
		return nil
	}
	return fault.Hint(fault.New(fault.Unavailable, "queue folder %s: %s", q.cfg.Dir, q.local.log.why()),
		"make room on its disk: the queue goes on by itself")
}
