package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPercentilesAreValuesThatWereMeasured(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[99-i] = time.Duration(i+1) * time.Millisecond
	}
	if got, want := latencyOf(hundred), (Latency{100, 50, 90, 99, 100}); got != want {
		t.Errorf("of 1 to 100 ms: %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		in   []time.Duration
		q    float64
		want time.Duration
	}{{nil, 0.5, 0}, {[]time.Duration{7}, 0, 7}, {[]time.Duration{7}, 0.99, 7}, {[]time.Duration{1, 2}, 0.5, 1}, {[]time.Duration{1, 2}, 0.51, 2}, {[]time.Duration{1, 2, 3}, 1, 3}} {
		if got := percentile(c.in, c.q); got != c.want {
			t.Errorf("percentile %v of %v = %v, want %v", c.q, c.in, got, c.want)
		}
	}
}

func TestArrivalsComeAtTheRate(t *testing.T) {
	t.Parallel()
	const rate, n = 200, 20_000
	s := newSchedule(rate, 1)
	var last time.Duration
	var squares float64
	for range n {
		at := s.next()
		if at < last {
			t.Fatalf("%v comes after %v", at, last)
		}
		squares += (at - last).Seconds() * (at - last).Seconds()
		last = at
	}
	// The mean of n gaps has a deviation of 1/(rate √n): 0.7 %. Their squares' mean is 2/rate².
	if got := n / last.Seconds(); math.Abs(got-rate) > 0.03*rate {
		t.Errorf("%v a second, want %v", got, rate)
	}
	if got := squares / n * rate * rate; math.Abs(got-2) > 0.2 {
		t.Errorf("gaps are spread by %v, want 2 as people come", got)
	}
}

func TestPicturesDifferByTheirStampOnly(t *testing.T) {
	t.Parallel()
	p, err := Pictures(3, 64)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := Pictures(3, 64); len(p) != 3 || !bytes.Equal(p[2], again[2]) {
		t.Error("the same pictures are made differently")
	}
	a, b := bytes.Clone(p[0]), bytes.Clone(p[0])
	stamp(a, 1)
	stamp(b, math.MaxUint64)
	if bytes.Equal(a, b) || !bytes.Contains(b, []byte("ffffffffffffffff")) {
		t.Error("the stamp is not there")
	}
	one, err := jpeg.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	two, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for y := range 64 {
		for x := range 64 {
			if one.At(x, y) != two.At(x, y) {
				t.Fatalf("pixel %d,%d changed with the stamp", x, y)
			}
		}
	}
}

// predictor answers as a server does, and keeps what it was sent.
type predictor struct {
	mu    sync.Mutex
	files map[string]int
	bad   string
	serve func(w http.ResponseWriter, n int)
	n     int
}

func (p *predictor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, h, err := r.FormFile("file")
	var data []byte
	if err == nil {
		data, err = io.ReadAll(f)
	}
	p.mu.Lock()
	p.n++
	n := p.n
	p.files[string(data)]++
	if err != nil || h.Filename == "" || r.Method != http.MethodPost || r.URL.Path != "/predict" || r.Header.Get("Authorization") != "Bearer secret" {
		p.bad = fmt.Sprint(r.Method, r.URL, r.Header, err)
	} else if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
		p.bad = err.Error()
	}
	p.mu.Unlock()
	p.serve(w, n)
}

func serve(t *testing.T, answer func(w http.ResponseWriter, n int)) (*predictor, Load) {
	t.Helper()
	p := &predictor{files: map[string]int{}, serve: answer}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, Load{Address: strings.TrimPrefix(s.URL, "http://"), Key: "secret", PatchPx: 64, Clients: 4, Seconds: 0.25}
}

func TestClientsSendAPictureEachTime(t *testing.T) {
	t.Parallel()
	p, l := serve(t, func(w http.ResponseWriter, n int) {
		time.Sleep(2 * time.Millisecond)
		switch {
		case n%5 == 0:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case n%7 == 0:
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprintf(w, `{"cached":%v}`, n == 1)
		}
	})
	f, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.bad != "" {
		t.Errorf("a wrong request came: %s", p.bad)
	}
	for _, n := range p.files {
		if n > 1 {
			t.Fatal("a picture was sent twice")
		}
	}
	if f.Sent != p.n || f.Sent < 8 {
		t.Errorf("%d sent, %d came", f.Sent, p.n)
	}
	want := map[string]int{"200": 0, "429": 0, "503": 0}
	for n := 1; n <= p.n; n++ {
		switch {
		case n%5 == 0:
			want["429"]++
		case n%7 == 0:
			want["503"]++
		default:
			want["200"]++
		}
	}
	for status, n := range want {
		if f.Status[status] != n {
			t.Errorf("%d answers %s, want %d: %v", f.Status[status], status, n, f.Status)
		}
	}
	if f.RetryAfter["0"] != want["429"] || f.Refused.Count != want["429"] || f.Accepted.Count != want["200"] || f.Cached != 1 {
		t.Errorf("figures %+v, want %v and one from the cache", f, want)
	}
	if f.Accepted.P50 < 2 || f.Rate <= 0 {
		t.Errorf("%v ms in the median, %v images/s, of a server that takes 2 ms", f.Accepted.P50, f.Rate)
	}
}

func TestClientsWaitAsLongAsTheyAreTold(t *testing.T) {
	t.Parallel()
	p, l := serve(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	f, err := l.Run(t.Context())
	if err != nil || p.n != l.Clients || f.RetryAfter["30"] != l.Clients {
		t.Errorf("%d clients sent %d requests in %v s: %+v, %v", l.Clients, p.n, l.Seconds, f, err)
	}
	for text, want := range map[string]time.Duration{"": time.Millisecond, "x": time.Millisecond, "-1": time.Millisecond, "0": 0, "1": time.Second, "86400": maxPause} {
		if got := (answer{retryAfter: text}).pause(); got != want {
			t.Errorf("Retry-After %q asks for %v, want %v", text, got, want)
		}
	}
}

// The server stands still once. Clients that waited for it would see one slow
// answer; people who come all the same wait, each as long as is left of it.
func TestAnOpenLoadCountsFromWhenARequestWasDue(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	var once sync.Once
	var gate sync.RWMutex
	_, l := serve(t, func(w http.ResponseWriter, _ int) {
		once.Do(func() {
			gate.Lock()
			time.AfterFunc(stall, gate.Unlock)
		})
		gate.RLock()
		defer gate.RUnlock()
		_, _ = io.WriteString(w, "{}")
	})
	l.Rate, l.Seconds, l.Clients = 200, 0.4, 2 // two connections: all others wait for them
	f, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Half of the requests are due while it stands still, and wait for half of that in the mean.
	if f.Status["200"] != f.Sent || f.Sent < 20 || f.Accepted.P90 < 100 {
		t.Errorf("a stall of %v does not show in %+v", stall, f)
	}
	if f.Late < 100 {
		t.Errorf("requests were sent %v ms late, want those kept back by two busy connections to count", f.Late)
	}
}

func TestAnOpenLoadDoesNotWaitForAnswers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var now, most int
	_, l := serve(t, func(w http.ResponseWriter, _ int) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		_, _ = io.WriteString(w, "{}")
	})
	l.Rate, l.Seconds, l.Clients = 100, 0.4, 1000
	f, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if most < 4 || f.Accepted.P99 > 2000 { // 10 in the mean, as 100 a second stay 0.1 s
		t.Errorf("%d requests at once, want about 10: %+v", most, f)
	}
}

func TestFailuresAreFigures(t *testing.T) {
	t.Parallel()
	_, l := serve(t, func(w http.ResponseWriter, _ int) { time.Sleep(80 * time.Millisecond) })
	l.TimeoutS, l.Clients = 0.03, 1
	f, err := l.Run(t.Context())
	if err != nil || f.Status["timeout"] != f.Sent || f.Sent == 0 {
		t.Errorf("of a server that is too slow: %+v, %v", f, err)
	}
	l.Address, l.TimeoutS = "127.0.0.1:1", 10
	f, err = l.Run(t.Context())
	if err != nil || f.Rate != 0 || f.Status["connection refused"] != f.Sent || f.Sent == 0 {
		t.Errorf("without a server: %+v, %v", f, err)
	}
	if _, err := (Load{Rate: -1}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "clients 0") || !strings.Contains(err.Error(), "no address") {
		t.Errorf("of no load: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.Run(ctx); err != context.Canceled {
		t.Errorf("stopped: %v", err)
	}
}

func TestLoadsAreRunAsTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	_, l := serve(t, func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, "{}") })
	l.Seconds = 0.05
	line, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := ServeLoads(t.Context(), strings.NewReader(string(line)+"\n{}\n"), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"200":`) || !strings.Contains(lines[1], `"error":"load: clients 0`) {
		t.Errorf("answers %q", lines)
	}
}
