//go:build e2e

package balance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// outcome is what became of requests.
type outcome struct {
	mu     sync.Mutex
	well   int
	orders int
	took   []time.Duration
	errors []string
}

func (o *outcome) note(took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.errors = append(o.errors, err.Error())
		return
	}
	o.well++
	o.took = append(o.took, took)
}

// quantile of those that were answered.
func (o *outcome) quantile(q float64) time.Duration {
	slices.Sort(o.took)
	if len(o.took) == 0 {
		return 0
	}
	return o.took[min(int(q*float64(len(o.took))), len(o.took)-1)].Round(100 * time.Microsecond)
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: long}

// offer sends predictions of small pictures at a rate, whether or not those before were
// answered: each has to wait for what is slow.
func (f *fleet) offer(t *testing.T, url string, rate int, d time.Duration, into *outcome) *outcome {
	t.Helper()
	if into == nil {
		into = new(outcome)
	}
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		pic := newPicture() // not part of the time
		due := <-tick.C
		all.Go(func() {
			err := pic.send(url)
			into.note(time.Since(due), err)
		})
	}
	all.Wait()
	return into
}

// press keeps so many requests on their way until stop is closed. With orders, one of
// them sends what may not be done twice.
func (f *fleet) press(t *testing.T, url string, clients int, orders bool, stop <-chan struct{}) (end func() *outcome) {
	t.Helper()
	got := new(outcome)
	var all sync.WaitGroup
	again := func(one func() error) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				begun := time.Now()
				got.note(time.Since(begun), one())
			}
		})
	}
	for range clients {
		again(func() error { return predict(url) })
	}
	again(func() error { return want(http.Get(url + "/model/info")) })
	if orders {
		again(func() error {
			time.Sleep(250 * time.Millisecond)
			err := want(client.Post(url+"/cohorts", "application/json", strings.NewReader(fmt.Sprintf(`{"slides": [{"upload": %q}]}`, f.slide))))
			if err == nil {
				got.mu.Lock()
				got.orders++
				got.mu.Unlock()
			}
			return err
		})
	}
	return func() *outcome { all.Wait(); return got }
}

// predict sends a picture that nobody has seen.
func predict(url string) error { return newPicture().send(url) }

// picture is the body of a prediction.
type picture struct {
	body []byte
	kind string
}

func newPicture() picture {
	pic := image.NewRGBA(image.Rect(0, 0, 224, 224))
	a, b := uint8(rand.IntN(256)), uint8(rand.IntN(256))
	for i := range 224 * 224 {
		pic.Set(i%224, i/224, color.RGBA{a, uint8(i / 200), b, 255})
	}
	pic.Set(rand.IntN(224), rand.IntN(224), color.RGBA{uint8(rand.IntN(256)), uint8(rand.IntN(256)), 0, 255})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "patch.png")
	if err == nil {
		err = png.Encode(part, pic)
	}
	if err == nil {
		err = form.WriteField("mpp_um", "0.5")
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		panic(err) // a buffer takes all
	}
	return picture{body.Bytes(), form.FormDataContentType()}
}

func (p picture) send(url string) error {
	return want(client.Post(url+"/predict", p.kind, bytes.NewReader(p.body)))
}

// want reads an answer and says what is wrong with it.
func want(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %.200s", res.Status, body)
	}
	return nil
}

// upload sends a slide to be ordered later.
func (f *fleet) upload(t *testing.T) {
	t.Helper()
	dir := filepath.Join(f.dir, "slides")
	if out, err := exec.CommandContext(t.Context(), binary, "synth", "--out", dir, "--count", "1", "--seed", "3", "--size", "1024x768").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := os.Open(filepath.Join(dir, "synth-00000.tif"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Post(f.servers[0].url()+"/slides", "application/octet-stream", file)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var is struct{ Upload string }
	if err := json.NewDecoder(res.Body).Decode(&is); err != nil || is.Upload == "" {
		t.Fatalf("%s %v", res.Status, err)
	}
	f.slide = is.Upload
}

// counted checks that there are as many cohorts as were ordered: none twice.
func (f *fleet) counted(t *testing.T, url string, orders int) {
	t.Helper()
	f.ordered += orders
	var is struct{ Cohorts []struct{ ID string } }
	if err := json.Unmarshal([]byte(get(t, url+"/cohorts")), &is); err != nil {
		t.Fatal(err)
	}
	if len(is.Cohorts) != f.ordered { // the API lists up to a thousand
		t.Errorf("%d cohorts, want the %d that were ordered", len(is.Cohorts), f.ordered)
	}
}
