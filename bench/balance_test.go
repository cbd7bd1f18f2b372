package bench

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain is a stub server where a benchmark under test starts this program as one.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "stub" {
		os.Exit(m.Run())
	}
	var s StubServer
	flags := flag.NewFlagSet("stub", flag.ExitOnError)
	flags.StringVar(&s.Address, "addr", "", "")
	flags.DurationVar(&s.Service, "service", 0, "")
	flags.IntVar(&s.Places, "places", 1, "")
	flags.DurationVar(&s.Linger, "linger", 0, "")
	_ = flags.Parse(os.Args[2:])
	if err := s.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tiny is a comparison that takes a second.
func tiny(t *testing.T) Balance {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Balance{
		Scenarios: []string{"well", "most"}, Rounds: 2, Program: self, Stub: []string{"stub"}, Env: os.Environ(),
		Service: 5 * time.Millisecond, Places: 4, Load: 0.1, Slow: 5, Probe: 50 * time.Millisecond,
		Warm: 20 * time.Millisecond, For: 200 * time.Millisecond, Clients: 2, Seed: 1, Cores: 1,
	}
}

func TestServersWithoutABalancerAreMeasured(t *testing.T) {
	t.Parallel()
	b := tiny(t)
	var done []string
	b.Done = func(scenario, name string, round int) {
		done = append(done, fmt.Sprint(scenario, " ", name, " ", round))
	}
	all, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Scenario != "well" || all[1].Scenario != "most" {
		t.Fatalf("%+v", all)
	}
	for _, f := range all {
		if f.Requests == 0 || f.Errors != 0 || f.Ratio != 1 || f.P99 < f.P50 || f.Rate <= 0 || f.Balancer != direct || f.Rounds != 2 {
			t.Errorf("%+v", f)
		}
	}
	if all[0].P50 < 5 {
		t.Errorf("half of the answers took %v ms, and a server takes 5", all[0].P50)
	}
	if all[0].Offered != 160 || all[1].Offered != 0 { // a tenth of 2 × 4 every 5 ms
		t.Errorf("offered %v and %v", all[0].Offered, all[1].Offered)
	}
	want := []string{"well " + direct + " 0", "most " + direct + " 0", "well " + direct + " 1", "most " + direct + " 1"}
	if !slices.Equal(done, want) {
		t.Errorf("ran %q", done)
	}
}

func TestRoundsOfABalancerBecomeMedians(t *testing.T) {
	t.Parallel()
	cell := func(p99, rate, cpu float64, errors map[string]int) balanceCell {
		c := balanceCell{latency: Latency{P50: 20, P99: p99}, rate: rate, cpu: cpu, rss: 7 << 20}
		c.sent, c.measured, c.errors, c.again = 2000, 1000, errors, 1
		return c
	}
	alone := []balanceCell{cell(20, 400, 0, nil), cell(40, 400, 0, nil), cell(10, 400, 0, nil)}
	cells := []balanceCell{cell(30, 100, 1, map[string]int{"502": 2}), cell(40, 200, 3, nil), cell(50, 300, 2, map[string]int{"502": 1, "timeout": 1})}
	b := Balance{Load: 0.5, Places: 2, Service: 10 * time.Millisecond}

	f := b.sum("slow", &Front{Name: "nginx least_conn", Version: "1.22.1"}, cells, alone)
	if f.P99 != 40 || f.Ratio != 1.5 || f.RatioLow != 1 || f.RatioHigh != 5 { // 30/20, 40/40, 50/10
		t.Errorf("p99 %v, ratio %v (%v to %v)", f.P99, f.Ratio, f.RatioLow, f.RatioHigh)
	}
	if f.CPU != 1 || f.RSS != 7<<20 || f.Rate != 200 || f.Requests != 3000 || f.Again != 3 || f.Offered != 200 {
		t.Errorf("%+v", f)
	}
	if f.Errors != 4 || f.ErrorKinds() != "3× 502, 1× timeout" {
		t.Errorf("%d errors: %s", f.Errors, f.ErrorKinds())
	}
	if f := b.sum("most", &Front{Name: "x"}, cells, alone); f.Ratio != 0.5 || f.RatioLow != 0.25 || f.RatioHigh != 0.75 {
		t.Errorf("of rates: %v (%v to %v)", f.Ratio, f.RatioLow, f.RatioHigh)
	}
}

func TestAStubTakesItsTimeInItsPlaces(t *testing.T) {
	t.Parallel()
	h := &stubHandler{StubServer: StubServer{Service: 20 * time.Millisecond}, places: make(chan struct{}, 2), answer: make([]byte, 10)}
	s := httptest.NewServer(h)
	defer s.Close()
	begun := time.Now()
	done := make(chan int, 6)
	for range 6 {
		go func() {
			res, err := http.Get(s.URL + "/x")
			if err != nil {
				done <- 0
				return
			}
			res.Body.Close()
			done <- res.StatusCode
		}()
	}
	for range 6 {
		if status := <-done; status != 200 {
			t.Errorf("status %d", status)
		}
	}
	if took := time.Since(begun); took < 60*time.Millisecond {
		t.Errorf("six requests in two places took %v, want 60 ms or more", took)
	}
	h.draining.Store(true)
	res, err := http.Get(s.URL + "/readyz")
	if err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stub that drains is ready: %v %v", res, err)
	}
}

// A server that refuses, breaks off and closes kept connections: each is counted as what
// it is.
func TestAnOpenLoadCountsWhatGoesWrong(t *testing.T) {
	t.Parallel()
	var n, reads, pictures atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			reads.Add(1)
		case http.MethodPost:
			pictures.Add(1)
		}
		switch n.Add(1) % 10 {
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		case 6:
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	s.Config.ErrorLog = nil
	defer s.Close()
	l := balanceLoad{Addresses: []string{s.Listener.Addr().String()}, Rate: 1000, Clients: 50, For: 300 * time.Millisecond, Timeout: 20 * time.Second, Seed: 3}
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.sent != got.measured || len(got.took)+got.errors["502"]+got.errors["unexpected EOF"] != got.measured {
		t.Errorf("%d sent, %d measured, %d answered, errors %v", got.sent, got.measured, len(got.took), got.errors)
	}
	if got.errors["502"] == 0 || got.errors["unexpected EOF"] == 0 {
		t.Errorf("errors %v", got.errors)
	}
	if share := float64(pictures.Load()) / float64(reads.Load()+pictures.Load()); math.Abs(share-0.5) > 0.15 { // 300 draws: 5 deviations
		t.Errorf("%.2f of the load are pictures", share)
	}
}

// A kept connection that the server closed is opened again, and that is told.
func TestAClosedConnectionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // one answer a connection, without saying that it is the last
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			for whole := 0; ; {
				n, err := c.Read(buf)
				if whole += n; err != nil || whole < 200 && strings.HasPrefix(string(buf[:n]), "GET") || whole > pictureBytes {
					break
				}
			}
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			c.Close()
		}
	}()
	load := balanceLoad{Addresses: []string{l.Addr().String()}, Clients: 1, For: 100 * time.Millisecond, Timeout: 20 * time.Second, Seed: 3}
	got, err := load.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.errors) > 0 || got.measured > 1 && got.again == 0 || got.again >= got.measured {
		t.Errorf("%d measured, %d sent again, errors %v", got.measured, got.again, got.errors)
	}
}

func TestWrongComparisonsAreRefused(t *testing.T) {
	t.Parallel()
	b := tiny(t)
	b.Scenarios, b.Load, b.Rounds = []string{"flood"}, 1.5, 0
	_, err := b.Run(t.Context())
	for _, want := range []string{`no scenario "flood"`, "load 1.5", "0 rounds"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func TestVersionsAreRead(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"nginx version: nginx/1.22.1\n":                              "1.22.1",
		"HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://x.y/": "2.6.12",
		"what?": "",
	} {
		if got := versionIn([]byte(said)); got != want {
			t.Errorf("%q in %q, want %q", got, said, want)
		}
	}
}
