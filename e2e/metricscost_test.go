//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCostOfMetrics measures what scraping takes from the work: rounds without and with
// a scraper that asks fifty times as often as one does, in pairs, each pair begun by the
// other kind, over the same slides, which a byte at their end makes new. It prints a JSON
// line. Of each pair the ratio is taken, and of all the median: a neighbour who comes
// and goes spoils a pair. Only what a scrape takes of a server that has nothing else to
// do is held to a bound: on a machine that others use too the clock is no judge.
func TestCostOfMetrics(t *testing.T) {
	const (
		pairs  = 9
		slides = 40
		alone  = 300 // scrapes while nothing else is done
		each   = 100 * time.Millisecond
		usual  = 5 * time.Second
	)
	metrics := freePort(t)
	f := newFleet(t, t.TempDir(), "--workers", "1", "--metrics-addr", metrics)
	all := t.TempDir()
	must(t, "synth", "--out", all, "--count", strconv.Itoa(slides), "--seed", "61", "--size", "3000x2400")
	files, err := filepath.Glob(filepath.Join(all, "synth-?????.tif")) // not their masks
	if err != nil || len(files) != slides {
		t.Fatal(len(files), err)
	}
	number := byte(0)
	round := func(scraped bool) (r costRound) {
		number++
		some := renewed(t, files, number)
		stop, ended := make(chan struct{}), make(chan float64)
		before, spent, begun := scrape(t, metrics), f.processor(t), time.Now()
		go func() {
			n := 0.
			tick := time.NewTicker(each)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					if scraped {
						scrape(t, metrics)
						n++
					}
				case <-stop:
					ended <- n
					return
				}
			}
		}()
		id := f.submit(t, some...)
		must(t, "status", "--server", f.base, "--wait", id)
		r.wall, r.cpu = time.Since(begun).Seconds(), f.processor(t)-spent
		close(stop)
		r.scrapes = <-ended
		r.patches = scrape(t, metrics) - before
		return r
	}
	round(false)                                 // caches are warm
	var throughput, cpu, off, on, wall []float64 // of pairs: with scrapes, of that without; ms a patch
	var scrapes float64
	for i := range pairs {
		var without, with costRound
		if i%2 == 0 {
			without, with = round(false), round(true)
		} else {
			with, without = round(true), round(false)
		}
		if without.patches == 0 || with.patches != without.patches {
			t.Fatalf("%v patches with scrapes, %v without", with.patches, without.patches)
		}
		throughput = append(throughput, without.wall/with.wall)
		cpu = append(cpu, with.cpu/without.cpu)
		off, on = append(off, 1e3*without.cpu/without.patches), append(on, 1e3*with.cpu/with.patches)
		wall = append(wall, without.wall, with.wall)
		scrapes += with.scrapes
	}
	spent := f.processor(t)
	for range alone {
		scrape(t, metrics)
	}
	perScrape := (f.processor(t) - spent) / alone
	share := perScrape / (usual.Seconds() * float64(runtime.NumCPU()))
	quartiles := func(x []float64) [3]float64 {
		x = slices.Sorted(slices.Values(x))
		return [3]float64{x[len(x)/4], x[len(x)/2], x[len(x)-1-len(x)/4]}
	}
	out, err := json.Marshal(map[string]any{
		"pairs": pairs, "slides_per_round": slides, "seconds_per_round": median(wall), "scrape_every_s": each.Seconds(), "scrapes": scrapes,
		"throughput_ratio_quartiles": quartiles(throughput), "cpu_ratio_quartiles": quartiles(cpu),
		"throughput_lost_every_5_s_computed": (1 - median(throughput)) * each.Seconds() / usual.Seconds(), // in proportion
		"cpu_ms_per_patch_off":               median(off), "cpu_ms_per_patch_on": median(on),
		"cpu_ms_per_scrape_alone": 1e3 * perScrape, "share_of_machine_every_5_s": share,
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(out))
	if share > 0.01 {
		t.Errorf("scraped every %v, metrics take %.2f %% of this machine", usual, 100*share)
	}
}

// costRound is what the same slides took once.
type costRound struct{ patches, cpu, wall, scrapes float64 } // seconds

// renewed copies slides; a byte behind the end of each makes it one that nobody knows.
func renewed(t *testing.T, files []string, number byte) (copies []string) {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			copies = append(copies, filepath.Join(dir, filepath.Base(file)))
			err = os.WriteFile(copies[len(copies)-1], append(data, number), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return copies
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// processor is the processor time of the server and of the children it has waited for,
// seconds.
func (f *fleet) processor(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	sum := 0.
	for _, at := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime: proc(5)
		v, err := strconv.ParseFloat(fields[at], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v / 100 // USER_HZ
	}
	return sum
}

// scrape asks for the metrics and returns how many patches of slides were scored.
func scrape(t *testing.T, addr string) (patches float64) {
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), `bcc_patches_total{lane="durable"} `); ok {
			patches, _ = strconv.ParseFloat(text, 64)
		}
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return patches
}
