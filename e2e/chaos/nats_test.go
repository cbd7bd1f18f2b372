//go:build e2e

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// cluster is the servers of the queue: each on a port of its own, with files that are
// synced before anything is acknowledged.
type cluster struct {
	nodes []*process
	ports []int // of clients
	watch []int // of monitoring
	host  string
}

func newCluster(t *testing.T, d *diary, tools tools, host string, nodes int) *cluster {
	t.Helper()
	c := &cluster{host: host}
	var routes []string
	var links []int
	for range nodes {
		c.ports, c.watch = append(c.ports, freePort(t, host)), append(c.watch, freePort(t, "127.0.0.1"))
		links = append(links, freePort(t, "127.0.0.1"))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", links[len(links)-1]))
	}
	for i := range nodes {
		name := fmt.Sprint("nats-", i)
		text := fmt.Sprintf(`
server_name: %s
listen: "%s:%d"
http: "127.0.0.1:%d"
jetstream { store_dir: %q, sync_interval: always, max_memory_store: 64MB, max_file_store: 4GB }
`, name, host, c.ports[i], c.watch[i], d.path("queue", name, "x"))
		if nodes > 1 {
			// no_advertise: a worker in another network reaches what it was given, not what
			// the servers call each other.
			text += fmt.Sprintf("cluster { name: bcc, listen: \"127.0.0.1:%d\", no_advertise: true, routes: [%s] }\n", links[i], strings.Join(routes, ", "))
		}
		conf := d.path("queue", name+".conf")
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, newProcess(d, name, nil, tools.nats, "-c", conf))
	}
	return c
}

// start starts all and waits until they can keep a stream.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.healthy(t.Context(), 60*time.Second); err != nil {
		t.Fatal(err)
	}
}

// healthy waits until every server says that it is in step with the others.
func (c *cluster) healthy(ctx context.Context, within time.Duration) error {
	return until(ctx, within, func() error {
		for i, port := range c.watch {
			if err := ask(fmt.Sprintf("http://127.0.0.1:%d/healthz", port)); err != nil {
				return fmt.Errorf("%s: %w", c.nodes[i].name, err)
			}
		}
		return nil
	})
}

// url is what --queue takes.
func (c *cluster) url() string {
	var all []string
	for _, port := range c.ports {
		all = append(all, fmt.Sprintf("nats://%s:%d", c.host, port))
	}
	return strings.Join(all, ",")
}

// empty reports, as nil, that no slide waits or is leased on any server. Part jobs may:
// they are hints, which vanish by themselves.
func (c *cluster) empty() error {
	for i, port := range c.watch {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/jsz?accounts=true&streams=true", port))
		if err != nil {
			return err
		}
		var said struct {
			Accounts []struct {
				Streams []struct {
					Name  string
					State struct{ Messages int }
				} `json:"stream_detail"`
			} `json:"account_details"`
		}
		err = json.NewDecoder(res.Body).Decode(&said)
		res.Body.Close()
		if err != nil {
			return err
		}
		streams := 0
		for _, a := range said.Accounts {
			for _, s := range a.Streams {
				if !strings.HasPrefix(s.Name, "BCC_URGENT_") && !strings.HasPrefix(s.Name, "BCC_ROUTINE_") || strings.HasSuffix(s.Name, "_PART") {
					continue
				}
				if streams++; s.State.Messages > 0 {
					return fmt.Errorf("%s: %d jobs in %s", c.nodes[i].name, s.State.Messages, s.Name)
				}
			}
		}
		if streams == 0 {
			return fmt.Errorf("%s has none of our streams", c.nodes[i].name)
		}
	}
	return nil
}

func ask(url string) error {
	res, err := (&http.Client{Timeout: 2 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}

var given = map[int]bool{}

// freePort returns a port that nobody listens on, below those that the system gives to
// connections: it is still free when a process that was killed comes back.
func freePort(t *testing.T, host string) int {
	t.Helper()
	for range 1000 {
		port := 20000 + int(time.Now().UnixNano()/1000+int64(os.Getpid())*37)%12000
		if given[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			continue
		}
		l.Close()
		given[port] = true
		return port
	}
	t.Fatal("no port is free")
	return 0
}
