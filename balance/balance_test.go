package balance_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bcc/balance"
)

// server is a member of a test: it is ready unless told otherwise.
type server struct {
	*httptest.Server
	ready  atomic.Bool
	asked  atomic.Int64
	handle atomic.Pointer[http.HandlerFunc]
}

func newServer(t *testing.T, handle http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.ready.Store(true)
	s.handle.Store(&handle)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			if !s.ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		s.asked.Add(1)
		(*s.handle.Load())(w, r)
	}))
	t.Cleanup(s.Server.Close)
	return s
}

func says(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, what)
	}
}

type balancer struct {
	*balance.Balancer
	*httptest.Server
}

// start runs a balancer in front of members, and waits until all that shall be are ready.
func start(t *testing.T, cfg balance.Config, ready int, members ...string) *balancer {
	t.Helper()
	var err error
	if cfg.Source == nil {
		if cfg.Source, err = balance.List(members...); err != nil {
			t.Fatal(err)
		}
	}
	b, err := balance.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); _ = b.Run(ctx) }()
	front := httptest.NewServer(b)
	t.Cleanup(func() { front.Close(); cancel(); <-over })
	until(t, func() bool { return states(b, "ready") == ready })
	return &balancer{b, front}
}

func states(b *balance.Balancer, state string) int {
	n := 0
	for _, m := range b.Members() {
		if m.State == state {
			n++
		}
	}
	return n
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for half a minute")
		}
	}
}

// quick is a configuration for tests that do not wait for seconds.
func quick() balance.Config {
	cfg := balance.DefaultConfig()
	cfg.Probe, cfg.Ejection, cfg.Return = 20*time.Millisecond, 50*time.Millisecond, 0
	return cfg
}

func (b *balancer) get(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := b.Client().Get(b.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestRequestsAreSpread(t *testing.T) {
	t.Parallel()
	var servers []*server
	var urls []string
	for range 3 {
		s := newServer(t, says("well"))
		servers, urls = append(servers, s), append(urls, s.URL)
	}
	b := start(t, quick(), 3, urls...)
	for range 300 {
		if code, body := b.get(t, "/x"); code != 200 || body != "well" {
			t.Fatal(code, body)
		}
	}
	for i, s := range servers {
		if n := s.asked.Load(); n < 5 {
			t.Errorf("server %d was asked %d times of 300", i, n)
		}
	}
}

func TestWhoIsGoneCostsNothingThatMayBeAskedAgain(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, says("a")), newServer(t, says("b"))
	cfg := quick()
	cfg.Probe = time.Hour // nobody finds out but by asking
	front := start(t, cfg, 2, a.URL, b.URL)
	a.Server.CloseClientConnections()
	a.Server.Listener.Close()
	for i := range 50 {
		body := strings.Repeat("x", 10_000)
		r, err := front.Client().Post(front.URL+"/predict", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Fatalf("request %d: %s", i, r.Status)
		}
	}
	if states(front.Balancer, "ejected") != 1 {
		t.Errorf("%+v, want one ejected", front.Members())
	}
}

// breaks reads some of a request and hangs up.
func breaks(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 10)
	panic(http.ErrAbortHandler)
}

func TestWhatMayHaveBeenDoneIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		path   string
		key    string
		length int
		want   int
	}{
		{"a POST that changes something", "/cohorts", "", 100, 502},
		{"one that says it may be repeated", "/cohorts", "k1", 100, 200},
		{"one that changes nothing", "/predict", "", 100, 200},
		{"one that is too large to be kept", "/predict", "", 2 << 20, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad := newServer(t, breaks)
			var got atomic.Int64
			good := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				got.Store(n)
			})
			good.ready.Store(false) // asked only when the other one did not answer
			cfg := quick()
			cfg.Failures = 1000
			front := start(t, cfg, 1, bad.URL, good.URL)
			until(t, func() bool { return states(front.Balancer, "draining") == 1 })
			// Now it may be asked, but first the other one.
			(*bad).asked.Store(0)
			good.ready.Store(true)
			until(t, func() bool { return states(front.Balancer, "ready") == 2 })
			statuses := map[int]int{}
			for range 20 {
				r, err := http.NewRequest(http.MethodPost, front.URL+c.path, strings.NewReader(strings.Repeat("x", c.length)))
				if err != nil {
					t.Fatal(err)
				}
				if c.key != "" {
					r.Header.Set("Idempotency-Key", c.key)
				}
				answer, err := front.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				statuses[answer.StatusCode]++
			}
			if c.want == 200 && statuses[200] != 20 || c.want == 502 && statuses[502] == 0 {
				t.Errorf("%v, want %d where the bad one is asked", statuses, c.want)
			}
			if c.want == 200 && got.Load() != int64(c.length) {
				t.Errorf("%d bytes came, want %d", got.Load(), c.length)
			}
		})
	}
}

func TestABusyServerSendsToAnother(t *testing.T) {
	t.Parallel()
	busy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	good := newServer(t, says("good"))
	front := start(t, quick(), 2, busy.URL, good.URL)
	for range 40 {
		if code, body := front.get(t, "/slides"); code != 200 {
			t.Fatal(code, body)
		}
	}
	good.ready.Store(false)
	until(t, func() bool { return states(front.Balancer, "draining") == 1 })
	r, err := front.Client().Get(front.URL + "/slides")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "7" {
		t.Errorf("%s %q, want the server's own words", r.Status, r.Header.Get("Retry-After"))
	}
}

func TestWithNobodyItSaysSo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	front := start(t, quick(), 0, "http://"+l.Addr().String())
	code, body := front.get(t, "/health")
	var e struct {
		Error struct {
			Code             int
			Message, Details string
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || code != 503 || e.Error.Code != 503 || e.Error.Message == "" {
		t.Errorf("%d %q %v", code, body, err)
	}
	if front.Ready() == nil {
		t.Error("ready with nobody to ask")
	}
}

func TestASlowServerIsNotAsked(t *testing.T) {
	t.Parallel()
	sleeps := func(d time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { time.Sleep(d) }
	}
	quick1, quick2, slow := newServer(t, sleeps(0)), newServer(t, sleeps(0)), newServer(t, sleeps(400*time.Millisecond))
	cfg := quick()
	front := start(t, cfg, 3, quick1.URL, quick2.URL, slow.URL)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 150 {
				r, err := front.Client().Post(front.URL+"/x", "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Body.Close()
			}
		})
	}
	all.Wait()
	if n := slow.asked.Load(); n > 60 {
		t.Errorf("the slow one was asked %d times of 600", n)
	}
}

func TestEventsAndUploadsStream(t *testing.T) {
	t.Parallel()
	more := make(chan string)
	events := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for s := range more {
			fmt.Fprintf(w, "data: %s\n\n", s)
			_ = http.NewResponseController(w).Flush()
		}
	})
	front := start(t, quick(), 1, events.URL)
	go func() { more <- "one" }()
	r, err := front.Client().Get(front.URL + "/cohorts/1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	if !lines.Scan() || lines.Text() != "data: one" {
		t.Errorf("%q", lines.Text())
	}
	close(more)

	// A body comes through before its end is sent.
	first := make(chan string, 1)
	in := func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, b)
		first <- string(b)
		_, _ = io.Copy(io.Discard, r.Body)
	}
	h := http.HandlerFunc(in)
	events.handle.Store(&h)
	body, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		r, err := front.Client().Post(front.URL+"/slides", "", body)
		if err == nil {
			r.Body.Close()
		}
		done <- err
	}()
	fmt.Fprint(w, "hello")
	if got := <-first; got != "hello" {
		t.Errorf("%q", got)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUpgradedConnectionsPass(t *testing.T) {
	t.Parallel()
	echo := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, rw)
	})
	front := start(t, quick(), 1, echo.URL)
	c, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	r, err := http.ReadResponse(in, nil)
	if err != nil || r.StatusCode != 101 {
		t.Fatal(r, err)
	}
	fmt.Fprint(c, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "ping" {
		t.Errorf("%q %v", got, err)
	}
	if m := front.Members()[0]; m.Streams != 1 || m.InFlight != 0 {
		t.Errorf("%+v, want one stream while it is open", m)
	}
	c.Close()
	until(t, func() bool { return front.Members()[0].Streams == 0 })
}

func TestWhoIsHeldEndsWhatItHasAndGetsNothingNew(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	a := newServer(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	front := start(t, quick(), 1, a.URL)
	done := make(chan int, 1)
	go func() {
		r, err := front.Client().Post(front.URL+"/x", "", nil)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		r.Body.Close()
		done <- r.StatusCode
	}()
	until(t, func() bool { return a.asked.Load() == 1 })
	host := strings.TrimPrefix(a.URL, "http://")
	if !front.Hold(host, true) || front.Hold("nobody:1", true) {
		t.Error("hold by address")
	}
	if code, _ := front.get(t, "/y"); code != 503 {
		t.Errorf("%d, want 503: the only one is held", code)
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("%d for what was in hand", code)
	}
	front.Hold(host, false)
	until(t, func() bool { return states(front.Balancer, "ready") == 1 })
}

func TestAnotherIsAskedForAReadThatTakesLong(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	maybe := func(w http.ResponseWriter, r *http.Request) {
		if hang.CompareAndSwap(true, false) {
			select {
			case <-block:
			case <-r.Context().Done():
			}
		}
	}
	a, b := newServer(t, maybe), newServer(t, maybe)
	front := start(t, quick(), 2, a.URL, b.URL)
	for range 400 { // so that it is known how long reads take
		front.get(t, "/tile")
	}
	hang.Store(true)
	if code, _ := front.get(t, "/tile"); code != 200 {
		t.Errorf("%d, want the answer of the other one", code)
	}
	until(t, func() bool { // the one that was left ends
		for _, m := range front.Members() {
			if m.InFlight != 0 {
				return false
			}
		}
		return true
	})
}

func TestEachKeyHasItsTurn(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var mu sync.Mutex
	var order []string
	a := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		order = append(order, r.Header.Get("Authorization"))
		mu.Unlock()
		<-release
	})
	cfg := quick()
	cfg.PerMember, cfg.Waiting = 1, 12
	front := start(t, cfg, 1, a.URL)
	ask := func(key string) int {
		r, err := http.NewRequest(http.MethodPost, front.URL+"/x", nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", key)
		answer, err := front.Client().Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	work := a.handle.Load()
	quickly := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	a.handle.Store(&quickly)
	for _, key := range []string{"greedy", "modest", "late"} { // made up ones are the address's
		ask(key)
	}
	a.handle.Store(work)
	a.asked.Store(0)

	var all sync.WaitGroup
	all.Go(func() { ask("greedy") })
	until(t, func() bool { return a.asked.Load() == 1 })
	var refused atomic.Int64
	for range 11 {
		all.Go(func() {
			if ask("greedy") == 503 {
				refused.Add(1)
			}
		})
	}
	until(t, func() bool { return front.Waiting() == 11 })
	all.Go(func() { ask("modest") })
	until(t, func() bool { return front.Waiting() == 12 })
	if code := ask("greedy"); code != 503 {
		t.Errorf("%d, want 503 where too many wait", code)
	}
	all.Go(func() { ask("late") }) // who has nobody in the row takes the place of one of eleven
	until(t, func() bool { return refused.Load() == 1 })
	close(release)
	all.Wait()
	if !slices.Contains(order, "late") {
		t.Errorf("%v, want the late one's turn", order)
	}
	if i := slices.Index(order, "modest"); i < 1 || i > 3 {
		t.Errorf("%v, want the modest one's turn soon", order)
	}
}

type source chan []string

func (s source) Members(ctx context.Context, set func([]*url.URL)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case list := <-s:
			var urls []*url.URL
			for _, a := range list {
				u, _ := balance.Address(a)
				urls = append(urls, u)
			}
			set(urls)
		}
	}
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, says("a")), newServer(t, says("b"))
	cfg := quick()
	from := make(source)
	cfg.Source = from
	front := start(t, cfg, 0)
	from <- []string{a.URL}
	until(t, func() bool { return states(front.Balancer, "ready") == 1 })
	if _, body := front.get(t, "/"); body != "a" {
		t.Errorf("%q", body)
	}
	from <- []string{b.URL}
	until(t, func() bool { return len(front.Members()) == 1 && states(front.Balancer, "ready") == 1 })
	until(t, func() bool { _, body := front.get(t, "/"); return body == "b" })
}

// restartable is a server that comes and goes at one address.
type restartable struct {
	addr  string
	ready atomic.Bool
	http  *http.Server
	over  chan struct{}
}

func (s *restartable) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", cmp.Or(s.addr, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})}
	s.over = make(chan struct{})
	go func() { defer close(s.over); _ = s.http.Serve(l) }()
	s.ready.Store(true)
}

// hammer sends requests until it is told to stop, and returns how many and what went wrong.
func hammer(t *testing.T, url string, stop <-chan struct{}) func() (int64, []string) {
	var all sync.WaitGroup
	var sent atomic.Int64
	var mu sync.Mutex
	var wrong []string
	for range 6 {
		all.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.Post(url+"/predict", "", strings.NewReader("0123456789"))
				said := ""
				if err == nil {
					var body []byte
					body, err = io.ReadAll(r.Body)
					r.Body.Close()
					if said = string(body); r.StatusCode == 200 && said == "10" {
						sent.Add(1)
						continue
					}
				}
				mu.Lock()
				wrong = append(wrong, fmt.Sprint(said, err))
				mu.Unlock()
			}
		})
	}
	return func() (int64, []string) { all.Wait(); return sent.Load(), wrong }
}

func TestARestartOfAllOneAfterAnotherCostsNothing(t *testing.T) {
	t.Parallel()
	servers := make([]restartable, 3)
	var urls []string
	for i := range servers {
		servers[i].start(t)
		urls = append(urls, "http://"+servers[i].addr)
	}
	front := start(t, quick(), 3, urls...)
	stop := make(chan struct{})
	end := hammer(t, front.URL, stop)
	for i := range servers {
		s := &servers[i]
		s.ready.Store(false)
		until(t, func() bool { return states(front.Balancer, "draining") == 1 })
		if err := s.http.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-s.over
		s.start(t)
		until(t, func() bool { return states(front.Balancer, "ready") == 3 })
	}
	close(stop)
	if n, wrong := end(); n < 10 || len(wrong) > 0 {
		t.Errorf("%d answered, %d not: %v", n, len(wrong), wrong[:min(len(wrong), 3)])
	}
}

func TestAServerThatIsKilledCostsNothingThatMayBeRepeated(t *testing.T) {
	t.Parallel()
	servers := make([]restartable, 3)
	var urls []string
	for i := range servers {
		servers[i].start(t)
		urls = append(urls, "http://"+servers[i].addr)
	}
	front := start(t, quick(), 3, urls...)
	stop := make(chan struct{})
	end := hammer(t, front.URL, stop)
	for i := range servers {
		s := &servers[i]
		until(t, func() bool { return front.Members()[i].Requests > 20 })
		s.http.Close() // all connections at once, in the middle of requests
		<-s.over
		until(t, func() bool { return states(front.Balancer, "ejected") == 1 })
		s.start(t)
		until(t, func() bool { return states(front.Balancer, "ready") == 3 })
	}
	close(stop)
	if n, wrong := end(); len(wrong) > 0 {
		t.Errorf("%d answered, %d not: %v", n, len(wrong), wrong[:min(len(wrong), 3)])
	}
	for i := range servers {
		servers[i].http.Close()
	}
}
