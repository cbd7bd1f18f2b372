package queue

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bcc/disk"
	"bcc/fault"
)

// How much the queue in this process may keep: jobs name slides and hold none, so a
// million of them fit. The rows share what the hand-backs and the parts leave.
const (
	maxStoreBytes  = 4 << 30
	maxMemoryBytes = 64 << 20 // nothing of ours is kept in memory only
	maxNoteBytes   = 64 << 20
	maxPartBytes   = 256 << 20
)

// embedded is a NATS server inside this process, alone in its folder.
type embedded struct {
	dir     string
	options *server.Options
	log     *serverLog
	before  []string // streams that had jobs on the disk before it was started
	unlock  func()
	ending  chan struct{} // closed by close
	mended  chan struct{} // closed when mend has ended

	mu     sync.Mutex
	server *server.Server
}

// embed starts the server. Nothing listens unless cfg says where.
func embed(cfg Config) (_ *embedded, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.Hint(fault.New(fault.Unavailable, "queue folder: %w", err), "choose a folder that can be written")
	}
	unlock, err := disk.Lock(cfg.Dir)
	if errors.Is(err, disk.ErrLocked) {
		return nil, fault.Hint(fault.New(fault.Busy, "queue folder %s: %w", cfg.Dir, err),
			"end the other bcc, or give this one another folder for its data")
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "lock the queue folder: %w", err)
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	e := &embedded{
		dir:    cfg.Dir,
		log:    &serverLog{log: cfg.Logger},
		before: filled(cfg.Dir),
		unlock: unlock,
		ending: make(chan struct{}),
		mended: make(chan struct{}),
	}
	e.options = &server.Options{
		ServerName: "bcc",
		DontListen: cfg.Listen == "",
		NoSigs:     true,
		NoLog:      true, // its own; ours is set below
		MaxPayload: 1 << 20,

		JetStream:              true,
		StoreDir:               cfg.Dir,          // its default is /tmp
		SyncAlways:             !cfg.syncedLater, // its default is to sync every two minutes and to acknowledge at once
		JetStreamMaxStore:      maxStoreBytes,
		JetStreamMaxMemory:     maxMemoryBytes,
		DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, _ := net.SplitHostPort(cfg.Listen) // validated
		e.options.Host = host
		if e.options.Port, err = strconv.Atoi(port); err != nil {
			return nil, fault.New(fault.Invalid, "queue: listen on %s: the port is no number", cfg.Listen)
		}
		e.options.Authorization = cfg.Token
		e.options.TLSConfig = cfg.TLS
		e.options.TLS = cfg.TLS != nil
	}
	if err := e.start(); err != nil {
		return nil, err
	}
	if cfg.Listen != "" {
		e.options.Port = e.current().Addr().(*net.TCPAddr).Port // the same after mending
	}
	go e.mend()
	return e, nil
}

// start starts a server on the folder.
func (e *embedded) start() error {
	e.log.failed.Store(nil)
	s, err := server.NewServer(e.options.Clone())
	if err != nil {
		return fault.New(fault.Invalid, "queue: %w", err)
	}
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	// Start only logs why it does not, and waiting for it would wait in vain.
	if e.log.failed.Load() != nil || !s.ReadyForConnections(4*patience) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return fault.Hint(fault.New(fault.Unavailable, "start the queue in %s: %s", e.dir, e.log.why()),
			"is the folder writable, is there room on its disk, and is the port free?")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server = s
	return nil
}

func (e *embedded) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// InProcessConn is how the client reaches the server, also the next one after mending.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

// close waits until everything is on the disk and nothing runs any more.
func (e *embedded) close() error {
	close(e.ending)
	stopped := make(chan struct{})
	go func() {
		<-e.mended
		s := e.current()
		s.Shutdown()
		s.WaitForShutdown()
		e.unlock()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-time.After(time.Minute): // the process is about to end: say so rather than hang
		return fault.New(fault.Unavailable, "close the queue in %s: its server does not stop", e.dir)
	}
}

// Addr returns where others may join the queue of this process, "" where nobody may.
func (q *Queue) Addr() string {
	if q.local == nil || q.cfg.Listen == "" {
		return ""
	}
	return q.local.current().Addr().String()
}

// Place returns where the queue is, for people: its folder or its servers, without
// secrets.
func (q *Queue) Place() string {
	if q.cfg.URL != "" {
		return places(q.cfg.URL)
	}
	return q.cfg.Dir
}

// filled returns the streams for which something lies in the folder.
func filled(dir string) []string {
	var names []string
	blocks, _ := filepath.Glob(filepath.Join(streamDir(dir, "*"), "msgs", "*.blk"))
	for _, b := range blocks {
		if info, err := os.Stat(b); err == nil && info.Size() > 0 {
			names = append(names, filepath.Base(filepath.Dir(filepath.Dir(b))))
		}
	}
	return names
}

// streamDir is where the server keeps a stream of its only account.
func streamDir(dir, name string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", name)
}
