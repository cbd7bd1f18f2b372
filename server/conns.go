package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// conns bounds the open connections: where there are too many, the one that has been
// idle for longest goes. Ten thousand silent ones then cost memory for MaxConns, and
// whoever sends a request is served.
type conns struct {
	most    int
	metrics *metrics

	mu   sync.Mutex
	all  map[net.Conn]*list.Element // of idle; nil while a request is on it
	idle list.List                  // net.Conn, the longest idle first
}

func newConns(most int, m *metrics) *conns {
	return &conns{most: most, metrics: m, all: map[net.Conn]*list.Element{}}
}

// state is http.Server.ConnState. A new connection counts as idle until its first
// byte.
func (c *conns) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		if e := c.all[conn]; e != nil {
			c.idle.Remove(e)
		}
		c.all[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		if e := c.all[conn]; e != nil {
			c.idle.Remove(e)
		}
		c.all[conn] = nil
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	}
	for len(c.all) > c.most {
		oldest := c.idle.Front()
		if oldest == nil {
			break // all are at work: the deadlines of bodies and answers bound them
		}
		victim := oldest.Value.(net.Conn)
		c.forget(victim)
		c.metrics.closed.Inc()
		shut(victim)
	}
	c.metrics.conns.Set(float64(len(c.all)))
}

func (c *conns) forget(conn net.Conn) {
	if e := c.all[conn]; e != nil {
		c.idle.Remove(e)
	}
	delete(c.all, conn)
}

// shut closes a connection without TLS's farewell, which may block for seconds.
func shut(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close()
}

// closeIdle closes what waits for a request: nobody would answer one any more.
func (c *conns) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.idle.Front(); e != nil; e = e.Next() {
		shut(e.Value.(net.Conn))
	}
}
