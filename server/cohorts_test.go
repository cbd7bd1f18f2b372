package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bcc/auth"
	"bcc/cohort"
	"bcc/fault"
	"bcc/fetch"
	"bcc/server"
)

// fetcher takes what its list holds.
type fetcher []string

func (f fetcher) Check(_ context.Context, address string) error {
	if !slices.ContainsFunc(f, func(p string) bool { return strings.HasPrefix(address, p) }) {
		return fault.Hint(fmt.Errorf("%w", fetch.ErrRefused), "ask for the host to be allowed")
	}
	return nil
}

func upload(t *testing.T, s *site, data []byte, header ...string) string {
	t.Helper()
	return s.post(t, "/slides?name=s.png", "image/png", string(data), header...).wants(t, 201).json(t)["upload"].(string)
}

func TestUploadsBecomeACohort(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	body, kind := formOf(t, slidePicture(t), "dir/../s.png")
	up := s.do(t, "POST", "/slides", body, "Content-Type", kind).wants(t, 201).json(t)
	if up["width_px"] != 768. || up["height_px"] != 640. || up["mpp_um"] != nil || up["format"] != "png" || up["name"] != "s.png" {
		t.Errorf("told as %v", up)
	}
	if sha := upload(t, s, slidePicture(t)); sha != up["upload"] {
		t.Error("the same slide has another digest")
	}
	a := s.post(t, "/cohorts", "application/json", fmt.Sprintf(`{
		"name": "mine", "priority": "urgent", "parameters": {"mpp_um": 4, "confidence_threshold": 0.4},
		"slides": [{"upload": %q, "name": "one", "label": 1}, {"upload": %[1]q, "confidence_threshold": 0.99}, {"upload": %[1]q, "mpp_um": 1}]}`, up["upload"])).wants(t, 201)
	v := a.json(t)
	if v["priority"] != "urgent" || v["name"] != "mine" || a.header.Get("Location") != "/cohorts/"+v["id"].(string) {
		t.Errorf("told as %s", a.body)
	}
	end := s.done(t, v["id"].(string))
	sl := end["slides"].([]any)
	if len(sl) != 3 {
		t.Fatalf("%d slides", len(sl))
	}
	first, second := sl[0].(map[string]any), sl[1].(map[string]any)
	if first["name"] != "one" || first["label"] != 1. || first["prediction"] != "BCC" || first["bytes"] != up["bytes"] {
		t.Errorf("first slide %v", first)
	}
	if second["prediction"] == "BCC" {
		t.Errorf("the second slide's own threshold did not arrive: %v", second)
	}
	page := s.get(t, "/cohorts/"+v["id"].(string)+"?offset=1&limit=1").wants(t, 200).json(t)
	if len(page["slides"].([]any)) != 1 || page["next"] != 2. || page["slides"].([]any)[0].(map[string]any)["id"] != second["id"] {
		t.Errorf("page %v", page)
	}
}

func TestATableBecomesACohort(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Fetcher = fetcher{"https://ok/"} })
	a := s.post(t, "/cohorts?name=n&priority=urgent&deadline=2100-01-01T00:00:00Z", "text/csv; charset=utf-8",
		"\xef\xbb\xbfpath, mpp_um,label\r\nhttps://ok/a/s1.tif,0.5,1\nhttps://ok/s2.tif,,\n").wants(t, 201)
	v := a.json(t)
	sl := v["slides"].([]any)
	if v["name"] != "n" || v["deadline"] != "2100-01-01T00:00:00Z" || len(sl) != 2 || sl[0].(map[string]any)["name"] != "s1.tif" || sl[0].(map[string]any)["label"] != 1. {
		t.Errorf("told as %s", a.body)
	}
	for _, c := range []struct{ table, words string }{
		{"", "empty"},
		{"path,tissue\nx,1\n", "tissue"},
		{"path,url\nx,y\n", "twice"},
		{"path,label\nhttps://ok/a,2\n", "label"},
		{"path,label\nhttps://ok/a,yes\n", "line 2"},
		{"path,mpp_um\nhttps://ok/a,zero\n", "line 2"},
		{"path\n\"x\n", "table"},
		{"path,label\nhttps://ok/a\n", "table"},
		{"path\n", "0 slides"},
	} {
		s.post(t, "/cohorts", "text/csv", c.table).wants(t, 400, c.words)
	}
	s.post(t, "/cohorts?deadline=soon", "text/csv", "path\nhttps://ok/a\n").wants(t, 400, "deadline")
	s.post(t, "/cohorts", "text/csv", "path\nhttps://other/a\n").wants(t, 403, "slide 0")
}

func TestABatchOfAddressesBecomesACohort(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Fetcher = fetcher{"https://ok/", "s3://mine/"} })
	v := s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"s3://mine/x/y.tif","confidence_threshold":0.6},{"url":"https://ok/z.svs"}]}`).wants(t, 202).json(t)
	if len(v["slides"].([]any)) != 2 || v["priority"] != "routine" {
		t.Errorf("told as %v", v)
	}
	s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"https://ok/z.svs"},{"url":"https://169.254.169.254/latest"}]}`).wants(t, 403, "slide 1", "ask for the host")
	s.post(t, "/predict/batch", "application/json", `{"files":[]}`).wants(t, 400)
	s.post(t, "/predict/batch", "application/json", `{"files":[{"confidence_threshold":0.6}]}`).wants(t, 400, "no url")
	none := newServer(t)
	none.post(t, "/predict/batch", "application/json", `{"files":[{"url":"https://ok/z.svs"}]}`).wants(t, 403)
}

func TestAManifestIsReadStrictly(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.MaxSlides = 3; c.Fetcher = fetcher{"https://ok/"} })
	const ok = `{"url":"https://ok/a"}`
	for _, c := range []struct {
		name, body string
		status     int
		words      string
	}{
		{"not JSON", `{"slides":`, 400, "JSON"},
		{"two values", `{"slides":[` + ok + `]} {}`, 400, "JSON"},
		{"an unknown field", `{"slides":[` + ok + `],"prioirty":"urgent"}`, 400, "prioirty"},
		{"an unknown field of a slide", `{"slides":[{"url":"https://ok/a","treshold":1}]}`, 400, "treshold"},
		{"a field given twice", `{"slides":[{"url":"https://ok/a","label":1,"Label":0}]}`, 400, "twice"},
		{"a wrong type", `{"slides":{}}`, 400, "body: slides is not an array but object"},
		{"a word for a number", `{"slides":[{"url":"https://ok/a","label":"BCC"}]}`, 400, "slides.label is not a whole number but string"},
		{"no object", `[]`, 400, "body: not an object but array"},
		{"a deadline in words", `{"slides":[` + ok + `],"deadline":"tomorrow"}`, 400, `tomorrow\" is no time such as 2026`},
		{"a deep one", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), 400, "levels"},
		{"a deeper one", strings.Repeat("[", 1<<20), 400, "JSON"},
		{"none", `{"slides":[]}`, 400, "0 slides"},
		{"too many", `{"slides":[` + strings.TrimSuffix(strings.Repeat(ok+",", 4), ",") + `]}`, 400, "4 slides"},
		{"neither", `{"slides":[{"name":"x"}]}`, 400, "slide 0"},
		{"both", `{"slides":[{"url":"https://ok/a","upload":"` + strings.Repeat("a", 64) + `"}]}`, 400, "slide 0"},
		{"no such upload", `{"slides":[{"upload":"` + strings.Repeat("a", 64) + `"}]}`, 400, "no such upload"},
		{"no digest", `{"slides":[{"upload":"../../etc/passwd"}]}`, 400, "SHA-256"},
		{"a label of 2", `{"slides":[{"url":"https://ok/a","label":2}]}`, 400, "label"},
		{"a threshold of 2", `{"slides":[{"url":"https://ok/a","confidence_threshold":2}]}`, 400, "confidence_threshold"},
		{"a deadline that has passed", `{"slides":[` + ok + `],"deadline":"2001-01-01T00:00:00Z"}`, 400, "deadline"},
		{"a priority of its own", `{"slides":[` + ok + `],"priority":"now"}`, 400, "priority"},
		{"a null", `null`, 400, "0 slides"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.post(t, "/cohorts", "application/json", c.body).wants(t, c.status, c.words)
		})
	}
	s.post(t, "/cohorts", "text/csv", "url;label\nhttps://ok/a;1\n").wants(t, 400, "separate columns with commas")
	s.post(t, "/cohorts", "application/xml", "<slides/>").wants(t, 415, "text/csv")
	s.post(t, "/predict", "application/json", "{}").wants(t, 415, "multipart/form-data")
	s.post(t, "/slides", "text/html", "<p>").wants(t, 415)
	s.do(t, "POST", "/cohorts", endless{}, "Content-Type", "application/json").wants(t, 413)
}

// endless is a body of more than any limit of JSON.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestACohortIsCancelled(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.predict(t, slidePicture(t), "hold.png", []string{"mpp_um", "4"}, "Prefer", "respond-async").wants(t, 202)
	id := a.json(t)["id"].(string)
	s.get(t, "/slides/"+id+"-0/result").wants(t, 404, "no result")
	v := s.do(t, "DELETE", "/cohorts/"+id, nil).wants(t, 200).json(t)
	if v["state"] != "cancelled" || v["counts"].(map[string]any)["cancelled"] != 1. {
		t.Errorf("told as %v", v)
	}
	one := s.get(t, "/slides/"+id+"-0").wants(t, 200).json(t)
	if one["state"] != "cancelled" || one["width_px"] != 768. || one["mpp_um"] != nil || one["files"] != nil {
		t.Errorf("the slide is told as %v", one)
	}
}

func TestTheSameKeySubmitsOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Fetcher = fetcher{"https://ok/"} })
	send := func(url string) answer {
		return s.post(t, "/cohorts", "application/json", `{"slides":[{"url":"`+url+`"}]}`, "Idempotency-Key", "k1")
	}
	first := send("https://ok/a").wants(t, 201).json(t)["id"]
	again := send("https://ok/a").wants(t, 201)
	if again.json(t)["id"] != first || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a second cohort was made: %s", again.body)
	}
	send("https://ok/b").wants(t, 422)
	s.post(t, "/cohorts", "application/json", `{"slides":[{"url":"https://ok/a"}]}`, "Idempotency-Key", strings.Repeat("k", 300)).wants(t, 400)
}

// event is one server-sent event.
type event struct {
	name, id string
	data     map[string]any
}

// follow reads a stream to its end, and what comments it held.
func (s *site) follow(t *testing.T, id string, header ...string) (events []event, comments []string) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.url+"/cohorts/"+id+"/events", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	var name, eventID string
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, ":"):
			comments = append(comments, line)
		case strings.HasPrefix(line, "event: "):
			name, eventID = line[7:], ""
		case strings.HasPrefix(line, "id: "):
			eventID = line[4:]
		case strings.HasPrefix(line, "data: "):
			e := event{name: name, id: eventID}
			if err := json.Unmarshal([]byte(line[6:]), &e.data); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events, comments
}

func TestAStreamTellsEachEndOnceAndEnds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sha := upload(t, s, slidePicture(t))
	one := `{"upload":"` + sha + `","mpp_um":4}`
	id := s.post(t, "/cohorts", "application/json", `{"slides":[`+one+`,`+one+`,{"upload":"`+sha+`"}]}`).wants(t, 201).json(t)["id"].(string)
	for _, when := range []string{"while it runs", "afterwards"} {
		events, _ := s.follow(t, id)
		if events[0].name != "cohort" || events[len(events)-1].name != "end" {
			t.Errorf("%s: from %s to %s", when, events[0].name, events[len(events)-1].name)
		}
		ends := map[string]string{}
		for _, e := range events {
			if e.name == "slide" {
				if ends[e.data["id"].(string)] != "" {
					t.Errorf("%s: %v ends twice", when, e.data["id"])
				}
				ends[e.data["id"].(string)] = e.data["state"].(string)
			}
		}
		if len(ends) != 3 || ends[id+"-0"] != "done" || ends[id+"-2"] != "failed" {
			t.Errorf("%s: ends %v", when, ends)
		}
	}
	if a := s.do(t, "HEAD", "/cohorts/"+id+"/events", nil); a.status != 200 {
		t.Errorf("HEAD: %d", a.status)
	}
	failed := s.get(t, "/slides/"+id+"-2").wants(t, 200).json(t)["error"].(map[string]any)
	if failed["code"] != 400. || failed["message"] == "" || failed["details"] == "" {
		t.Errorf("why it failed: %v", failed)
	}
}

func TestAStreamGoesOnWhereAnotherBrokeOff(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sha := upload(t, s, slidePicture(t))
	one := `{"upload":"` + sha + `","mpp_um":4}`
	id := s.post(t, "/cohorts", "application/json", `{"slides":[`+strings.Repeat(one+",", 4)+one+`]}`).wants(t, 201).json(t)["id"].(string)
	ends := func(events []event) (out []event) {
		for _, e := range events {
			if e.name == "slide" {
				out = append(out, e)
			} else if e.id != "" {
				t.Errorf("%s has the id %q", e.name, e.id)
			}
		}
		return out
	}
	all, _ := s.follow(t, id) // in whichever order they end
	first := ends(all)
	if len(first) != 5 || first[4].id != "5" {
		t.Fatalf("%d ends, the last with the id %q: want 5 and the id 5", len(first), first[len(first)-1].id)
	}
	// Wherever it breaks off, what another server tells from there on is the rest.
	for i, last := range first {
		told := map[any]bool{}
		for _, e := range first[:i+1] {
			told[e.data["id"]] = true
		}
		other := newServer(t)
		again, _ := other.follow(t, id, "Last-Event-ID", last.id)
		if again[0].name != "cohort" || again[len(again)-1].name != "end" {
			t.Errorf("after %d: from %s to %s", i+1, again[0].name, again[len(again)-1].name)
		}
		for _, e := range ends(again) {
			told[e.data["id"]] = true
		}
		if len(told) != 5 {
			t.Errorf("broken off after %d ends: %d told in all", i+1, len(told))
		}
		if n, _ := strconv.Atoi(last.id); len(ends(again)) != 5-n {
			t.Errorf("from %s on %d ends are told", last.id, len(ends(again)))
		}
	}
	for _, wrong := range []string{"", "-3", "x", "1e3", "99999999999999999999"} {
		if again, _ := s.follow(t, id, "Last-Event-ID", wrong); len(ends(again)) != 5 {
			t.Errorf("Last-Event-ID %q: %d ends", wrong, len(ends(again)))
		}
	}
}

func TestAStreamBeatsAndEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Heartbeat = 20 * time.Millisecond
		c.MaxStreams = 1
		c.BodyWindow = 100 * time.Millisecond
	})
	id := s.predict(t, slidePicture(t), "hold.png", []string{"mpp_um", "4"}, "Prefer", "respond-async").wants(t, 202).json(t)["id"].(string)
	time.AfterFunc(400*time.Millisecond, s.stop)
	var second answer
	time.AfterFunc(100*time.Millisecond, func() { second = s.get(t, "/cohorts/"+id+"/events") })
	events, comments := s.follow(t, id)
	if len(events) == 0 || len(comments) < 5 || !strings.Contains(comments[len(comments)-1], "shutting down") {
		t.Errorf("%d events, %d comments, the last %q", len(events), len(comments), comments[len(comments)-1:])
	}
	second.wants(t, 429)
	<-s.ended
}

func TestNobodySeesAnothersWork(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "mine", "other", "admin")
	s := newServer(t, withKey)
	mine, other, admin := "Bearer "+tokens[0], "Bearer "+tokens[1], "Bearer "+tokens[2]
	slide := s.finished(t, "Authorization", mine)
	id, _, _ := strings.Cut(slide, "-")
	unknown := cohort.NewID()
	paths := []string{"", "/events"}
	for i, p := range paths {
		paths[i] = "/cohorts/%s" + p
	}
	for _, p := range []string{"", "/result", "/timing", "/patches.csv", "/lesions.geojson", "/heatmap.png", "/report.html", "/slide.dzi", "/heatmap.dzi", "/slide_files/0/0_0.jpg", "/heatmap_files/0/0_0.png"} {
		paths = append(paths, "/slides/%s-0"+p)
	}
	for _, p := range paths {
		s.get(t, fmt.Sprintf(p, id), "Authorization", mine).expect(t, p, 200)
		s.get(t, fmt.Sprintf(p, id), "Authorization", admin).expect(t, p, 200)
		theirs, nobodys := s.get(t, fmt.Sprintf(p, id), "Authorization", other), s.get(t, fmt.Sprintf(p, unknown), "Authorization", other)
		if theirs.status != 404 || withoutID(theirs.body) != withoutID(nobodys.body) {
			t.Errorf("%s: %d %s, and where there is none %s", p, theirs.status, theirs.body, nobodys.body)
		}
		s.get(t, fmt.Sprintf(p, id)).expect(t, p, 401)
	}
	s.do(t, "DELETE", "/cohorts/"+id, nil, "Authorization", other).wants(t, 404)
	if n := len(s.get(t, "/cohorts", "Authorization", other).wants(t, 200).json(t)["cohorts"].([]any)); n != 0 {
		t.Errorf("%d cohorts of others are listed", n)
	}
	if n := len(s.get(t, "/cohorts", "Authorization", mine).wants(t, 200).json(t)["cohorts"].([]any)); n != 1 {
		t.Errorf("%d cohorts of mine are listed, want 1", n)
	}
	// Somebody else's upload is no way around that either.
	sha := upload(t, s, slidePicture(t), "Authorization", mine)
	s.post(t, "/cohorts", "application/json", `{"slides":[{"upload":"`+sha+`"}]}`, "Authorization", other).wants(t, 400, "no such upload")
}

func (a answer) expect(t *testing.T, what string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d: %.200s", what, a.status, status, a.body)
	}
}

// withoutID returns an error's body without what differs from request to request.
func withoutID(b []byte) string {
	before, _, _ := strings.Cut(string(b), `"request_id"`)
	return before
}

func TestCredentialsAreAskedForWhereThereIsSomethingToSee(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "lab")
	s := newServer(t, withKey)
	for _, p := range []string{"/health", "/livez", "/readyz", "/openapi.json", "/", "/assets/app.js"} {
		s.get(t, p).expect(t, p, 200)
	}
	for _, p := range []string{"/model/info", "/machine", "/metrics", "/cohorts"} {
		a := s.get(t, p)
		a.wants(t, 401)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: it does not say how", p)
		}
		s.get(t, p, "Authorization", "Bearer "+tokens[0]+"x").wants(t, 401)
		s.get(t, p, "Authorization", "Basic eDp5").wants(t, 401)
		s.get(t, p, "Authorization", "Bearer "+tokens[0], "Authorization", "Bearer x").wants(t, 401)
		s.get(t, p, "Authorization", "Bearer "+tokens[0]).expect(t, p, 200)
	}
	s.post(t, "/cohorts", "application/json", "{").wants(t, 401)
}

func TestAKeyThatAsksTooMuchIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "lab")
	l, err := auth.NewLimiter(auth.Limits{PerMinute: 2, PerDay: 1000, PatchesPerDay: 1000}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, withKey, func(c *server.Config) { c.Limiter = l })
	bearer := []string{"Authorization", "Bearer " + tokens[0]}
	for range 2 {
		s.predict(t, patchPicture(t), "p.png", nil, bearer...).wants(t, 200)
	}
	a := s.predict(t, patchPicture(t), "p.png", nil, bearer...).wants(t, 429)
	if after := a.header.Get("Retry-After"); after == "" || after == "0" {
		t.Errorf("Retry-After %q", after)
	}
	s.get(t, "/cohorts", bearer...).wants(t, 200) // to look is free
}

func TestPatchesAreCountedForWhoeverAsked(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "lab")
	l, err := auth.NewLimiter(auth.Limits{PerMinute: 100, PerDay: 1000, PatchesPerDay: 100}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, withKey, func(c *server.Config) { c.Limiter = l })
	bearer := []string{"Authorization", "Bearer " + tokens[0]}
	s.finished(t, bearer...) // some 200 patches
	s.eventually(t, func() bool {
		return s.predict(t, patchPicture(t), "p.png", nil, bearer...).status == 429
	})
}

func TestAFullQueueSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	load := cohort.Load{SlidesWaiting: 1000, SlidesRunning: 0, Drain: 1000 * time.Second}
	s := newServer(t, func(c *server.Config) {
		c.MaxWaiting = 1000
		c.Ledger = busyLedger{c.Ledger, load}
		c.Fetcher = fetcher{"https://ok/"}
	})
	for _, a := range []answer{
		s.post(t, "/cohorts", "application/json", `{"slides":[{"url":"https://ok/a"}]}`),
		s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"https://ok/a"}]}`),
		s.post(t, "/slides", "image/png", "x"),
		s.predict(t, slidePicture(t), "s.png", nil, "Prefer", "respond-async"),
	} {
		// A tenth of the queue, 100 slides, at a slide a second.
		if a.wants(t, 429); a.header.Get("Retry-After") != "100" {
			t.Errorf("Retry-After %s, want 100", a.header.Get("Retry-After"))
		}
	}
	s.predict(t, patchPicture(t), "p.png", nil).wants(t, 200)
}

type busyLedger struct {
	server.Ledger
	load cohort.Load
}

func (b busyLedger) Load() cohort.Load { return b.load }
