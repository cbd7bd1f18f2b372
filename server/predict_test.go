package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/cohort"
	"bcc/server"
)

func TestASmallPictureIsLookedAtAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.predict(t, patchPicture(t), "p.png", []string{"return_patches", "true", "confidence_threshold", "0.1"}).wants(t, 200)
	v := a.json(t)
	if v["id"] != nil || v["files"] != nil || v["cached"] != false || v["request_id"] != a.header.Get("X-Request-Id") {
		t.Errorf("told as %s", a.body)
	}
	if v["prediction"] != "BCC" || v["parameters"].(map[string]any)["threshold"] != 0.1 {
		t.Errorf("the threshold did not arrive: %s", a.body)
	}
	p := v["patches"].([]any)[0].(map[string]any)
	if !slices.Equal(p["coordinates"].([]any), []any{0., 0., 32., 32.}) || p["confidence"].(float64) <= 0 {
		t.Errorf("patch %v", p)
	}
	if len(s.predict(t, patchPicture(t), "p.png", nil).wants(t, 200).json(t)["patches"].([]any)) != 0 {
		t.Error("patches come unasked")
	}
}

func TestALargeSlideIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.predict(t, slidePicture(t), "s.png", []string{"mpp_um", "4", "return_patches", "1"}).wants(t, 200)
	v := a.json(t)
	if v["prediction"] != "BCC" || len(v["lesions"].([]any)) != 1 || len(v["patches"].([]any)) == 0 {
		t.Errorf("told as %s", a.body)
	}
	whole := 0
	for _, p := range v["patches"].([]any) {
		if p.(map[string]any)["tissue_percentage"].(float64) == 100 {
			whole++
		}
	}
	if whole == 0 {
		t.Error("no patch is all tissue")
	}
	id := v["id"].(string)
	one := s.get(t, "/slides/"+id).wants(t, 200).json(t)
	if one["state"] != "done" || one["width_px"] != 768. || one["mpp_um"] != 4. || one["score"] != v["score"] {
		t.Errorf("the slide is told as %v", one)
	}
	for _, at := range v["files"].(map[string]any) {
		if strings.HasSuffix(at.(string), ".dzi") {
			continue
		}
		s.get(t, at.(string)).wants(t, 200)
	}
}

func TestNobodyWaitsForALongQueue(t *testing.T) {
	t.Parallel()
	// An hour of routine slides, a tenth of it urgent ones.
	load := cohort.Load{SlidesWaiting: 3600, UrgentWaiting: 360, Drain: time.Hour}
	s := newServer(t, func(c *server.Config) {
		c.Ledger = busyLedger{c.Ledger, load}
		c.MaxWait = 10 * time.Minute
	})
	routine := []string{"mpp_um", "4", "priority", "routine"}
	a := s.predict(t, slidePicture(t), "s.png", routine).wants(t, 429, "1h0m0s", "respond-async")
	if a.header.Get("Retry-After") != "3000" {
		t.Errorf("Retry-After %s, want the 50 minutes that are too many", a.header.Get("Retry-After"))
	}
	s.predict(t, slidePicture(t), "s.png", []string{"mpp_um", "4"}).wants(t, 200) // urgent: six minutes
	s.predict(t, slidePicture(t), "s.png", routine, "Prefer", "respond-async").wants(t, 202)
}

func TestWhoeverPrefersNotToWaitFollows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.predict(t, slidePicture(t), "s.png", []string{"mpp_um", "4"}, "Prefer", "wait=10, respond-async").wants(t, 202)
	v := a.json(t)
	if got, want := a.header.Get("Location"), "/cohorts/"+v["id"].(string); got != want {
		t.Errorf("location %q, want %q", got, want)
	}
	end := s.done(t, v["id"].(string))
	if c := end["counts"].(map[string]any); c["done"] != 1. || c["submitted"] != 1. {
		t.Errorf("ended as %v", end)
	}
}

func TestASmallPictureMayBeKeptToo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.predict(t, patchPicture(t), "p.png", nil, "Prefer", "respond-async").wants(t, 202) // one patch, so without a scale
}

func TestItRefusesBeforeItDecodes(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.MaxUpload, c.MaxPixels = 100<<10, 600*600 })
	large := slidePicture(t) // 768×640
	for _, c := range []struct {
		name   string
		data   []byte
		fields []string
		status int
		words  string
	}{
		{"a PDF", []byte("%PDF-1.7 not a slide"), nil, 415, "supported: TIF, PNG, JPG"},
		{"a short file", []byte("II"), nil, 415, ""},
		{"an empty file", nil, nil, 422, "empty"},
		{"a PNG without a header", []byte("\x89PNG\r\n\x1a\n\x00\x00"), nil, 422, ""},
		{"a cut PNG", patchPicture(t)[:60], nil, 422, ""},
		{"a cut TIFF", []byte("II*\x00\xff\xff\xff\x7f"), nil, 422, ""},
		{"too many pixels", large, nil, 413, "pixels"},
		{"too many bytes", append(patchPicture(t), make([]byte, 200<<10)...), nil, 413, "bytes"},
		{"no scale", picture(t, 500, 500, 200), nil, 400, "mpp_um"},
		{"a scale that is none", patchPicture(t), []string{"mpp_um", "0"}, 400, "mpp_um"},
		{"a threshold beyond 1", patchPicture(t), []string{"confidence_threshold", "1.1"}, 400, "confidence_threshold"},
		{"a threshold that is none", patchPicture(t), []string{"confidence_threshold", "NaN"}, 400, "confidence_threshold"},
		{"a word for a number", patchPicture(t), []string{"overlap", "much"}, 400, "overlap"},
		{"neither yes nor no", patchPicture(t), []string{"return_patches", "maybe"}, 400, "return_patches"},
		{"a priority of its own", patchPicture(t), []string{"priority", "now"}, 400, "urgent"},
		{"an unknown field", patchPicture(t), []string{"treshold", "0.5"}, 400, "treshold"},
		{"a field given twice", patchPicture(t), []string{"overlap", "0", "overlap", "0.5"}, 400, "twice"},
		{"an endless field", patchPicture(t), []string{"overlap", strings.Repeat("0", 5000)}, 400, "overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.predict(t, c.data, "x.png", c.fields).wants(t, c.status, c.words)
		})
	}
	if n := len(s.incoming(t)); n > 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAFullLookerRefusesBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Looker = looker{full: func() (time.Duration, bool) { return 1500 * time.Millisecond, true }}
	})
	body, kind := formOf(t, patchPicture(t), "p.png")
	read := 0
	r, err := http.NewRequest("POST", s.url+"/predict", io.TeeReader(body, writerFunc(func(p []byte) { read += len(p) })))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(body.Len())
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Expect", "100-continue")
	res, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "2" || read > 0 {
		t.Errorf("%d after %q, %d bytes sent", res.StatusCode, res.Header.Get("Retry-After"), read)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestALookerThatFillsUpMeanwhileRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Looker = looker{look: func(context.Context, server.Picture) (server.Look, error) {
			return server.Look{}, &server.Full{RetryAfter: 3 * time.Second}
		}}
	})
	a := s.predict(t, patchPicture(t), "p.png", nil).wants(t, 429)
	if a.header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q, want 3", a.header.Get("Retry-After"))
	}
}

func TestAClientThatGoesAwayCancelsItsWork(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "lab")
	bearer := "Bearer " + tokens[0]
	begun, ended := make(chan struct{}), make(chan struct{})
	s := newServer(t, withKey, func(c *server.Config) {
		c.Looker = looker{look: func(ctx context.Context, _ server.Picture) (server.Look, error) {
			close(begun)
			<-ctx.Done()
			close(ended)
			return server.Look{}, ctx.Err()
		}}
	})
	// send asks and goes away when gone says so.
	send := func(data []byte, name string, gone func()) {
		body, kind := formOf(t, data, name, "mpp_um", "4")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { gone(); cancel() }()
		r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/predict", body)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", bearer)
		if _, err := client.Do(r); err == nil {
			t.Error("it was answered")
		}
	}
	state := func(want string) func() bool {
		return func() bool {
			all := s.get(t, "/cohorts", "Authorization", bearer).json(t)["cohorts"].([]any)
			return len(all) == 1 && all[0].(map[string]any)["state"] == want
		}
	}
	send(patchPicture(t), "p.png", func() { <-begun })
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the look goes on")
	}
	send(slidePicture(t), "hold.png", func() { s.eventually(t, state("running")) })
	s.eventually(t, state("cancelled"))
	s.eventually(t, func() bool {
		return strings.Contains(string(s.get(t, "/metrics", "Authorization", bearer).body), `bcc_http_requests_total{code="499",method="POST",route="POST /predict"} 2`)
	})
}

func (s *site) eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come about")
}

func TestEachDecisionLeavesALineWithoutNames(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "lab")
	s := newServer(t, withKey)
	const name = "Miller-Anna-1950.png"
	bearer := []string{"Authorization", "Bearer " + tokens[0]}
	s.predict(t, patchPicture(t), name, nil, bearer...).wants(t, 200)
	s.predict(t, slidePicture(t), name, []string{"mpp_um", "4"}, bearer...).wants(t, 200)
	s.predict(t, []byte("%PDF"+name), name, nil, bearer...).wants(t, 415)
	s.stop()
	<-s.ended
	var lanes []string
	for line := range strings.SplitSeq(strings.TrimSpace(s.audit.String()), "\n") {
		var d struct {
			Time, Lane, Key, Prediction string
			RequestID                   string   `json:"request_id"`
			Slide                       string   `json:"slide_sha256"`
			Model                       string   `json:"model_sha256"`
			Score                       *float64 `json:"score"`
			Degraded                    []string
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if d.Key == "" || d.RequestID == "" || len(d.Slide) != 64 || len(d.Model) != 64 || d.Prediction == "" || d.Score == nil || d.Time == "" {
			t.Errorf("line %s", line)
		}
		lanes = append(lanes, d.Lane)
	}
	slices.Sort(lanes)
	if !slices.Equal(lanes, []string{"direct", "queue"}) {
		t.Errorf("decisions on %v", lanes)
	}
	for _, text := range []string{s.audit.String(), s.log.String()} {
		if strings.Contains(text, "Miller") {
			t.Errorf("a name is in %s", text)
		}
	}
	if !strings.Contains(s.log.String(), `"status":415`) {
		t.Error("what was refused is not in the log")
	}
}

func TestSmallPicturesShareABoundedMemory(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.SmallBytes, c.SmallMemory = 100<<10, 100<<10 })
	big := append(patchPicture(t), make([]byte, 80<<10)...)
	body, kind := formOf(t, big, "p.png")
	pr, pw := io.Pipe()
	go func() {
		pw.Write(body.Bytes()[:70<<10])
	}()
	slow := make(chan struct{})
	go func() {
		defer close(slow)
		r, _ := http.NewRequest("POST", s.url+"/predict", pr)
		r.Header.Set("Content-Type", kind)
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	s.eventually(t, func() bool {
		return strings.Contains(string(s.get(t, "/metrics").body), "bcc_http_picture_bytes 65536")
	})
	s.predict(t, bytes.Clone(big), "q.png", nil).wants(t, 429)
	s.predict(t, patchPicture(t), "r.png", nil).wants(t, 200) // patches have room all the same
	pw.CloseWithError(io.ErrUnexpectedEOF)
	<-slow
	s.eventually(t, func() bool { return strings.Contains(string(s.get(t, "/metrics").body), "bcc_http_picture_bytes 0") })
}

func TestASlowPictureLeavesTheMemoryToOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.SmallBytes, c.SmallMemory, c.Patience = 100<<10, 100<<10, time.Millisecond
	})
	big := append(patchPicture(t), make([]byte, 80<<10)...)
	body, kind := formOf(t, big, "p.png")
	half, rest := bytes.Clone(body.Bytes()[:70<<10]), bytes.Clone(body.Bytes()[70<<10:])
	pr, pw := io.Pipe()
	status := make(chan int, 1)
	go func() {
		r, _ := http.NewRequest("POST", s.url+"/predict", pr)
		r.Header.Set("Content-Type", kind)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- 0
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	pw.Write(half)
	time.Sleep(20 * time.Millisecond) // it is slow now
	pw.Write(rest[:1])
	s.eventually(t, func() bool { return len(s.incoming(t)) == 1 })
	if !strings.Contains(string(s.get(t, "/metrics").body), "bcc_http_picture_bytes 0") {
		t.Error("a picture that waits for its rest on the disk still holds memory")
	}
	pw.Write(rest[1:])
	pw.Close()
	if got := <-status; got != 200 {
		t.Errorf("the slow picture: %d, want 200", got)
	}
	if left := s.incoming(t); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestAServerStartedAnewWritesDownWhatEndsFromThenOn(t *testing.T) {
	t.Parallel()
	first := newServer(t)
	sha := upload(t, first, slidePicture(t))
	// The worker holds the second slide until its cohort is cancelled; the first ends.
	id := first.post(t, "/cohorts", "application/json", `{"parameters":{"mpp_um":4},"slides":[{"upload":"`+sha+`"},{"upload":"`+sha+`","name":"hold"}]}`).wants(t, 201).json(t)["id"].(string)
	first.eventually(t, func() bool {
		return first.get(t, "/cohorts/"+id).json(t)["counts"].(map[string]any)["done"] == 1.
	})
	first.stop()
	<-first.ended
	if got := strings.Count(first.audit.String(), id+"-0"); got != 1 {
		t.Errorf("the first server wrote down %d decisions, want 1", got)
	}
	second := newServer(t, func(c *server.Config) { c.Alone = true })
	second.get(t, "/health").wants(t, 200) // it has looked at what is there
	defer func() { _ = theWorld.ledger.Cancel(context.Background(), id) }()
	end := cohort.End{State: cohort.Done, SHA256: sha, Prediction: "BCC", Score: 0.9, Confidence: 0.9, Patches: 3}
	if err := theWorld.desk.End(t.Context(), cohort.Task{SlideID: id + "-1", Cohort: id, Index: 1}, end); err != nil {
		t.Fatal(err)
	}
	second.done(t, id)
	second.stop()
	<-second.ended
	if log := second.audit.String(); strings.Count(log, id+"-1") != 1 || strings.Contains(log, id+"-0") {
		t.Errorf("the second server wrote down:\n%s", log)
	}
}

func TestTheEndOfAServerCostsNobodyAnAnswer(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(c *server.Config) {
		c.Linger = time.Second
		c.Looker = looker{look: func(ctx context.Context, p server.Picture) (server.Look, error) {
			close(begun)
			<-release
			return looker{}.Look(ctx, p)
		}}
	})
	small, large := make(chan answer, 1), make(chan answer, 1)
	go func() { small <- s.predict(t, patchPicture(t), "p.png", nil) }()
	go func() { large <- s.predict(t, slidePicture(t), "hold.png", []string{"mpp_um", "4"}) }()
	<-begun
	s.eventually(t, func() bool {
		return strings.Contains(string(s.get(t, "/metrics").body), "bcc_http_requests_in_flight 3") // and this one
	})
	time.Sleep(50 * time.Millisecond) // the slide is on the queue by now, or will not get there
	s.stop()
	s.eventually(t, func() bool { return s.get(t, "/readyz").status == 503 })
	close(release)
	(<-small).wants(t, 200)
	a := (<-large).wants(t, 503)
	if !strings.Contains(string(a.body), `"message":"the server is shutting down"`) {
		t.Errorf("%s, want it told why", a.body)
	}
	if strings.Contains(string(a.body), "not lost") {
		_, id, _ := strings.Cut(string(a.body), "/cohorts/")
		if err := theWorld.ledger.Cancel(t.Context(), id[:26]); err != nil {
			t.Errorf("the cohort %s is not there: %v", id[:26], err)
		}
	}
	<-s.ended
}

func TestAPictureThatClaimsTheMoonIsTooLarge(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	moon := patchPicture(t)
	copy(moon[16:], "\x00\xff\xff\xff\x00\xff\xff\xff") // width and height
	s.predict(t, moon, "p.png", nil).wants(t, 413, "too large")
	s.post(t, "/slides", "image/png", string(moon)).wants(t, 413, "too large")
}
