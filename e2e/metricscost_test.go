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
// a scraper that asks fifty times as often as one does, in turns, over slides that are
// new each time. It prints a JSON line. Processor time tells more than the clock on a
// machine that others use too, and what a scrape takes of a server that has nothing else
// to do tells most: rounds differ by the slides in them.
func TestCostOfMetrics(t *testing.T) {
	const (
		rounds = 7
		slides = 40
		alone  = 300 // scrapes while nothing else is done
		each   = 100 * time.Millisecond
		usual  = 5 * time.Second
	)
	metrics := freePort(t)
	f := newFleet(t, t.TempDir(), "--workers", "1", "--metrics-addr", metrics)
	all := t.TempDir()
	must(t, "synth", "--out", all, "--count", strconv.Itoa((2*rounds+1)*slides), "--seed", "61", "--size", "3000x2400")
	files, err := filepath.Glob(filepath.Join(all, "synth-?????.tif")) // not their masks
	if err != nil || len(files) != (2*rounds+1)*slides {
		t.Fatal(len(files), err)
	}
	next := func() (patches, cpu, wall float64) {
		var some []string
		some, files = files[:slides], files[slides:]
		before, spent, begun := scrape(t, metrics), f.processor(t), time.Now()
		id := f.submit(t, some...)
		must(t, "status", "--server", f.base, "--wait", id)
		wall, cpu = time.Since(begun).Seconds(), f.processor(t)-spent
		return scrape(t, metrics) - before, cpu, wall
	}
	next()                                 // caches are warm
	var off, on, offWall, onWall []float64 // seconds a patch
	var scrapes, extra float64
	for range rounds {
		patches, cpu, wall := next()
		off, offWall = append(off, cpu/patches), append(offWall, wall/patches)

		stop, ended, n := make(chan struct{}), make(chan struct{}), 0.
		go func() {
			defer close(ended)
			tick := time.NewTicker(each)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					scrape(t, metrics)
					n++
				case <-stop:
					return
				}
			}
		}()
		patches, cpu, wall = next()
		close(stop)
		<-ended
		on, onWall = append(on, cpu/patches), append(onWall, wall/patches)
		scrapes += n
		extra += patches
	}
	inWork := (median(on) - median(off)) * extra / scrapes // seconds of processor; noise may make it negative
	spent := f.processor(t)
	for range alone {
		scrape(t, metrics)
	}
	perScrape := (f.processor(t) - spent) / alone
	share := perScrape / (usual.Seconds() * float64(runtime.NumCPU()))
	out, err := json.Marshal(map[string]any{
		"rounds": rounds, "scrape_every_s": each.Seconds(), "scrapes": scrapes,
		"cpu_ms_per_patch_off": 1e3 * median(off), "cpu_ms_per_patch_on": 1e3 * median(on),
		"throughput_ratio_at_that_rate": median(offWall) / median(onWall),
		"cpu_ms_per_scrape_in_work":     1e3 * inWork, "cpu_ms_per_scrape_alone": 1e3 * perScrape,
		"share_of_machine_every_5_s": share,
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(out))
	if share > 0.01 {
		t.Errorf("scraped every %v, metrics take %.2f %% of this machine", usual, 100*share)
	}
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
