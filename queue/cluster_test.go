//go:build cluster

package queue_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bcc/queue"
	"bcc/queue/queuetest"
)

// Half a minute: each test has three servers of its own. go test -tags cluster ./queue

func TestOnACluster(t *testing.T) {
	t.Parallel()
	queuetest.Exercise(t, func(t *testing.T, lease time.Duration) queuetest.Queue {
		return open(t, queue.Config{URL: addresses(startCluster(t)), Lease: lease})
	})
}

func TestAClusterLosesItsLeader(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	q := open(t, queue.Config{URL: addresses(cluster)})
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprint("j", i))
	}
	put(t, q, ids...)
	for _, s := range cluster {
		if s.JetStreamIsStreamLeader("$G", "BCC_ROUTINE_0") {
			stopServer(s)
			break
		}
	}
	for err := q.Put(t.Context(), routine("after")...); err != nil; err = q.Put(t.Context(), routine("after")...) {
		t.Log(err)
	}
	seen := map[string]bool{}
	for len(seen) <= len(ids) {
		l, err := q.Take(t.Context())
		if err != nil {
			t.Log(err)
			continue
		}
		if seen[l.ID] {
			t.Errorf("%s is given twice", l.ID)
		}
		seen[l.ID] = true
		if err := l.Done(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAClusterThatLosesAServerHasOneWhoLeads(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	url := addresses(cluster)
	a, b := stand(t, open(t, queue.Config{URL: url}), "a"), stand(t, open(t, queue.Config{URL: url}), "b")
	neverTwo(t, a, b)
	until(t, "somebody leads", func() bool { return a.Leads() || b.Leads() })
	for _, s := range cluster {
		if s.JetStreamIsStreamLeader("$G", "BCC_LEAD") {
			stopServer(s)
			break
		}
	}
	until(t, "one leads for three terms", func() bool {
		for _, l := range []standing{a, b} {
			ctx, cancel, leads := l.While(t.Context())
			defer cancel()
			if !leads {
				continue
			}
			select {
			case <-ctx.Done():
			case <-time.After(3 * term):
				return true
			}
		}
		return false
	})
}

// What a fleet waits for on three servers, all of whose disks are one here.
func BenchmarkOnACluster(b *testing.B) {
	cfg := queue.Config{URL: addresses(startCluster(b))}
	begun := time.Now()
	q, err := queue.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	made := time.Since(begun)
	begun = time.Now()
	again, err := queue.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	found := time.Since(begun)
	again.Close()
	const jobs = 4000
	n := 0
	for b.Loop() {
		var many []queue.Job
		for i := range jobs {
			n++
			many = append(many, queue.Job{ID: fmt.Sprint("j", n), Lane: queue.Routine, Row: i % queue.Rows, Data: make([]byte, 300)})
		}
		begun := time.Now()
		if err := q.Put(b.Context(), many...); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(jobs/time.Since(begun).Seconds(), "puts/s")
		begun = time.Now()
		for range jobs {
			l, err := q.Take(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Done(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(jobs/time.Since(begun).Seconds(), "takes+dones/s")
		begun = time.Now()
		for range 20 {
			if _, err := q.Backlog(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(begun))/20e6, "backlog-ms")
	}
	b.ReportMetric(float64(made)/1e6, "made-ms")
	b.ReportMetric(float64(found)/1e6, "found-ms")
}

func startCluster(t testing.TB) []*server.Server {
	t.Helper()
	const servers = 3
	var ports []int
	var routes []string
	for range servers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		ports, routes = append(ports, port), append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	var cluster []*server.Server
	for i, port := range ports {
		o := &server.Options{ServerName: fmt.Sprint("s", i), StoreDir: t.TempDir(), Port: -1, JetStreamMaxStore: 4 << 30}
		o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "bcc", "127.0.0.1", port
		o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		cluster = append(cluster, start(t, o))
	}
	for deadline := time.Now().Add(30 * time.Second); !ready(cluster); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not form")
		}
	}
	return cluster
}

// ready reports whether the servers have a leader that knows them all.
func ready(cluster []*server.Server) bool {
	for _, s := range cluster {
		if s.JetStreamIsLeader() {
			return len(s.JetStreamClusterPeers()) == len(cluster)
		}
	}
	return false
}

func addresses(cluster []*server.Server) string {
	var all []string
	for _, s := range cluster {
		all = append(all, s.ClientURL())
	}
	return strings.Join(all, ",")
}
