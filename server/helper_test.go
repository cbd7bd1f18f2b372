package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/auth"
	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/infer"
	"bcc/infer/infertest"
	"bcc/model"
	"bcc/queue"
	"bcc/report"
	"bcc/server"
	"bcc/wsi"
)

const (
	patchPx = 32
	scaleUM = 4 // µm a pixel, of slides and model
)

// world is what stands behind all servers of the tests: a real store, a real queue,
// a real ledger, and workers over a fake model whose answer is the mean red.
type world struct {
	dir    string
	store  blob.Store
	ledger *cohort.Ledger
	scorer *infer.Batcher
	desk   *cohort.Desk
	queue  *queue.Queue
}

var theWorld *world

func TestMain(m *testing.M) {
	code, err := inWorld(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func inWorld(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	store, err := blob.Folder(filepath.Join(dir, "store"))
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	q, err := queue.Open(ctx, queue.Config{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		stop()
		return 0, err
	}
	defer q.Close()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = store, q
	ledger, err := cohort.Open(ctx, cfg)
	if err != nil {
		stop()
		return 0, err
	}
	defer ledger.Close()
	ic := infer.DefaultConfig()
	ic.Batch, ic.PatchPx, ic.Outputs, ic.MaxDelay = 4, patchPx, 1, time.Millisecond
	scorer, err := infer.New(ic, []infer.Runner{&infertest.Fake{PatchPx: patchPx, Batch: 4, Outputs: 1}})
	if err != nil {
		stop()
		return 0, err
	}
	theWorld = &world{dir, store, ledger, scorer, cohort.NewDesk(store, q), q}
	var wg sync.WaitGroup
	wg.Go(func() { _ = scorer.Run(ctx) })
	wg.Go(func() { work(ctx, q, store, theWorld.desk) })
	defer wg.Wait()
	defer stop()
	return m.Run(), nil
}

// walkOf is how slides are walked here.
func walkOf(mpp float64) detect.Walk {
	w := detect.DefaultWalk(patchPx, scaleUM)
	w.Outputs, w.OnePatch = 1, true
	if mpp > 0 {
		w.Slide.MPP = wsi.MPP{X: mpp, Y: mpp}
	}
	return w
}

func plan(ctx context.Context, file io.ReaderAt, size int64, p report.Parameters) (*wsi.Grid, error) {
	return detect.Plan(ctx, walkOf(p.MPPOverrideUM), detect.Source{ReaderAt: file, Size: size})
}

// detector returns one over the fake model.
func detector(mpp float64, threshold *float64) (*detect.Detector, error) {
	cfg := detect.DefaultConfig(patchPx, scaleUM)
	cfg.Walk = walkOf(mpp)
	cfg.Probability = func(row []float32) float32 { return row[0] }
	cfg.Model = report.Model{Name: "fake", Version: "1", SHA256: strings.Repeat("f0", 32), PatchSizePx: patchPx, MPPUM: scaleUM}
	if threshold != nil {
		cfg.Aggregate = cfg.Aggregate.WithThreshold(*threshold)
	}
	return detect.New(cfg, theWorld.scorer)
}

// work walks every slide that comes, but those called hold, which wait until their
// cohort is cancelled. Those called poison are quarantined unless they are tried again.
func work(ctx context.Context, q *queue.Queue, store blob.Store, desk *cohort.Desk) {
	var mu sync.Mutex
	held := map[string]chan struct{}{}
	stop, err := desk.Listen(func(id string) {
		mu.Lock()
		defer mu.Unlock()
		if c := held[id]; c != nil {
			close(c)
			delete(held, id)
		}
	})
	if err != nil {
		panic(err)
	}
	defer stop()
	_ = desk.Hello(cohort.WorkerState{ID: "w1", Host: "here", Runners: 1, Jobs: 1, Started: time.Now()})
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		lease, err := q.Take(ctx)
		if err != nil {
			return
		}
		task, err := desk.Begin(ctx, lease.Data)
		if err != nil {
			_ = lease.Done(ctx)
			continue
		}
		wg.Go(func() {
			defer lease.Done(ctx)
			if strings.HasPrefix(task.Slide.Name, "hold") {
				gone := make(chan struct{})
				mu.Lock()
				held[task.Cohort] = gone
				mu.Unlock()
				select {
				case <-gone:
				case <-ctx.Done():
				}
				return
			}
			end, err := walk(ctx, store, desk, task)
			if strings.HasPrefix(task.Slide.Name, "poison") && retryOf(task.Cohort) == "" {
				end = cohort.End{State: cohort.Quarantined, Attempts: 3, Problem: &cohort.Problem{
					Kind: fault.Corrupt.String(), Code: 422, Message: "the decoder was ended by SIGSEGV", Hint: "look at the file",
				}}
			} else if err != nil {
				end = cohort.End{State: cohort.Failed, Problem: &cohort.Problem{
					Kind: fault.Of(err).String(), Code: fault.Of(err).Meaning().Status, Message: err.Error(), Hint: fault.HintOf(err),
				}}
			}
			_ = desk.End(ctx, task, end)
		})
	}
}

// retryOf is the cohort that another tries again.
func retryOf(id string) string {
	m, err := theWorld.ledger.Manifest(context.Background(), id)
	if err != nil {
		panic(err)
	}
	return m.RetryOf
}

func walk(ctx context.Context, store blob.Store, desk *cohort.Desk, t cohort.Task) (end cohort.End, err error) {
	o, err := store.Open(ctx, "slides/"+t.Slide.SHA256)
	if err != nil {
		return end, err
	}
	defer o.Close()
	d, err := detector(t.Slide.Parameters.MPPUM, t.Slide.Parameters.Threshold)
	if err != nil {
		return end, err
	}
	dir, err := os.MkdirTemp(theWorld.dir, "walk")
	if err != nil {
		return end, err
	}
	defer os.RemoveAll(dir)
	r, err := d.Detect(ctx, detect.Source{ReaderAt: o, Size: o.Size, Name: t.Slide.Name, SHA256: func() (string, error) { return t.Slide.SHA256, nil }}, dir, nil)
	if err != nil {
		return end, err
	}
	desk.Planned(t, r.Tissue.Patches)
	desk.Scored(t, r.Tissue.Patches)
	var key [32]byte
	rand.Read(key[:])
	end = cohort.End{
		State: cohort.Done, SHA256: t.Slide.SHA256, Result: hex.EncodeToString(key[:]), Prediction: string(r.Prediction),
		Score: r.Score, Confidence: r.Confidence, Lesions: len(r.Lesions), Patches: r.Tissue.Patches, Degraded: r.Degraded, TookS: 0.1, Attempts: 1, Worker: "w1",
	}
	return end, blob.WriteSet(ctx, store, "results/"+end.Result, dir)
}

// picture is a PNG of w×h with a piece of tissue and a lesion of the given red in it.
func picture(t testing.TB, w, h int, red uint8) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 255, 255, 255}
			if at := (image.Point{X: x, Y: y}); at.In(image.Rect(w/3, h/3, w/2, h/2)) {
				c = color.RGBA{red, 30, 60, 255}
			} else if at.In(image.Rect(w/12, h/10, w*3/4, h*4/5)) {
				c = color.RGBA{51, 20, 40, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// slidePicture is large enough for the queue's lane as newServer sets it.
func slidePicture(t testing.TB) []byte { return picture(t, 768, 640, 230) }

// patchPicture is one patch.
func patchPicture(t testing.TB) []byte { return picture(t, patchPx, patchPx, 230) }

// looker walks pictures at once, with a real detector.
type looker struct {
	full func() (time.Duration, bool)
	look func(ctx context.Context, p server.Picture) (server.Look, error)
}

func (l looker) Full() (time.Duration, bool) {
	if l.full == nil {
		return 0, false
	}
	return l.full()
}

func (l looker) Look(ctx context.Context, p server.Picture) (server.Look, error) {
	if l.look != nil {
		return l.look(ctx, p)
	}
	d, err := detector(p.Parameters.MPPUM, p.Parameters.Threshold)
	if err != nil {
		return server.Look{}, err
	}
	f, err := d.Look(ctx, detect.Source{ReaderAt: bytes.NewReader(p.Data), Size: int64(len(p.Data)), Name: p.Name, SHA256: func() (string, error) { return p.SHA256, nil }}, nil)
	if err != nil {
		return server.Look{}, err
	}
	out := server.Look{Result: f.Result}
	for i, v := range f.Values {
		r := f.Grid.Rect(i)
		out.Patches = append(out.Patches, server.Patch{X: r.X, Y: r.Y, W: r.W, H: r.H, Probability: v, Tissue: f.Grid.Cells[i].Tissue})
	}
	return out, nil
}

// site is a server on a free port.
type site struct {
	*server.Server
	url   string
	dir   string // for uploads
	audit *safeBuffer
	log   *safeBuffer
	stop  func() // ends Run as a signal would
	ended chan struct{}
}

func newServer(t testing.TB, change ...func(*server.Config)) *site {
	t.Helper()
	return serveOn(t, func(l net.Listener) net.Listener { return l }, change...)
}

// serveOn is newServer with something around its listener.
func serveOn(t testing.TB, wrap func(net.Listener) net.Listener, change ...func(*server.Config)) *site {
	t.Helper()
	s := &site{audit: &safeBuffer{}, log: &safeBuffer{}, ended: make(chan struct{})}
	cfg := server.DefaultConfig()
	cfg.Ledger, cfg.Store, cfg.Looker = theWorld.ledger, theWorld.store, looker{}
	cfg.Model = server.Model{Card: card(), SHA256: strings.Repeat("f0", 32), Threshold: 0.5, MinTissue: 0.5}
	cfg.Plan = plan
	cfg.Registry = prometheus.NewRegistry()
	cfg.Logger = slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Audit, cfg.Version = s.audit, "0.0.0"
	cfg.Incoming = t.TempDir()
	cfg.SmallBytes, cfg.SmallPixels = 1<<20, 64<<10
	cfg.Heartbeat = 200 * time.Millisecond
	for _, c := range change {
		c(&cfg)
	}
	var err error
	s.dir = cfg.Incoming
	if s.Server, err = server.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.ended)
		if err := s.Run(ctx, wrap(l)); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-s.ended })
	return s
}

func card() model.Card {
	return model.Card{Name: "fake", Version: "1", PatchSizePixels: patchPx, SpacingUMPx: scaleUM, NumClasses: 2, ClassNames: []string{"BCC", "other"}}
}

// withKeys makes a server ask for keys, and returns a token of an owner.
func withKeys(t testing.TB, names ...string) (func(*server.Config), []string) {
	t.Helper()
	keys, err := auth.OpenKeys(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, n := range names {
		token, _, err := keys.Make(n, n == "admin", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	v, err := auth.New(auth.Config{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Verifier = v }, tokens
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d: %v in %q", a.status, err, a.body)
	}
	return v
}

// wants fails the test where the status differs, or an error is not told as errors are.
func (a answer) wants(t testing.TB, status int, words ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if status >= 400 && len(a.body) > 0 {
		e, _ := a.json(t)["error"].(map[string]any)
		if e["code"] != float64(status) || e["message"] == "" || e["request_id"] != a.header.Get("X-Request-Id") {
			t.Errorf("the error is told as %s", a.body)
		}
	}
	for _, w := range words {
		if !bytes.Contains(a.body, []byte(w)) {
			t.Errorf("%q is not in %s", w, a.body)
		}
	}
	return a
}

// client opens a connection a request: what a test does to one is not met by others.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

func (s *site) do(t testing.TB, method, path string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{res.StatusCode, res.Header, data}
	conforms(t, r, a)
	return a
}

func (s *site) get(t testing.TB, path string, header ...string) answer {
	t.Helper()
	return s.do(t, "GET", path, nil, header...)
}

func (s *site) post(t testing.TB, path, kind, body string, header ...string) answer {
	t.Helper()
	return s.do(t, "POST", path, strings.NewReader(body), append(header, "Content-Type", kind)...)
}

// predict sends a form with a file and fields, name and value by turns.
func (s *site) predict(t testing.TB, data []byte, name string, fields []string, header ...string) answer {
	t.Helper()
	body, kind := formOf(t, data, name, fields...)
	return s.do(t, "POST", "/predict", body, append(header, "Content-Type", kind)...)
}

func formOf(t testing.TB, data []byte, name string, fields ...string) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	part.Write(data)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// done waits for the end of a cohort.
func (s *site) done(t testing.TB, id string, header ...string) map[string]any {
	t.Helper()
	for range 1000 {
		v := s.get(t, "/cohorts/"+id, header...).wants(t, 200).json(t)
		if v["state"] == "done" || v["state"] == "cancelled" {
			return v
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the cohort does not end")
	return nil
}

// finished submits the slide of slidePicture and returns its id once it is done.
func (s *site) finished(t testing.TB, header ...string) string {
	t.Helper()
	a := s.predict(t, slidePicture(t), "s.png", []string{"mpp_um", "4"}, append(header, "Prefer", "respond-async")...).wants(t, 202)
	v := s.done(t, a.json(t)["id"].(string), header...)
	return v["slides"].([]any)[0].(map[string]any)["id"].(string)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// incoming returns what lies in the server's folder for uploads.
func (s *site) incoming(t testing.TB) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
