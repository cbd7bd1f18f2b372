//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostileFilesAreRefusedInEveryLane sends each hostile file the three ways that
// there are: to be answered at once, as a cohort, and as an upload for later.
func TestHostileFilesAreRefusedInEveryLane(t *testing.T) {
	dir := shared(t, "hostile")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := attack(t, "--log-level", "debug")
	s.quietly(t)
	others := s.bystander()
	counts := map[string]map[int]int{"sync": {}, "async": {}, "upload": {}}
	var slowest time.Duration
	var names []string
	sound, decisions, refusals := 0, 0, 0
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name := "hostile " + f.Name()
		names = append(names, f.Name())
		note := func(lane string, a reply, err error) reply {
			t.Helper()
			if err != nil {
				t.Fatalf("%s, %s: %v", f.Name(), lane, err)
			}
			counts[lane][a.status]++
			slowest = max(slowest, a.took)
			if a.status >= 400 {
				refusals++
				a.refused(t, f.Name()+", "+lane, 400, 413, 415, 422)
			}
			return a
		}
		now, err := s.predict(name, data, "mpp_um", "0.5")
		if now = note("sync", now, err); now.status == http.StatusOK {
			sound++
			decisions++
		}
		body, kind := formOf(name, data, "mpp_um", "0.5")
		later, err := s.ask("POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
		if later = note("async", later, err); later.status == http.StatusAccepted {
			decisions++
			later.status = s.ended1(t, later)
		}
		if (now.status == http.StatusOK) != (later.status == http.StatusOK) || now.status >= 400 && later.status != now.status {
			t.Errorf("%s: %d when waited for, %d when not", f.Name(), now.status, later.status)
		}
		body, kind = formOf(name, data)
		a, err := s.ask("POST", "/slides", body, "Content-Type", kind)
		note("upload", a, err)
		a, err = s.ask("POST", "/slides?name=bare.tif", bytes.NewReader(data), "Content-Type", "application/octet-stream")
		note("upload", a, err)
	}
	t.Logf("%d files (%d sound small pictures): sync %v, async %v, uploads (form and bare) %v; slowest answer %v",
		len(files), sound, counts["sync"], counts["async"], counts["upload"], slowest.Round(time.Millisecond))
	if counts["sync"][415]+counts["sync"][422] == 0 || slowest > 10*time.Second {
		t.Errorf("refused: %v; slowest %v", counts["sync"], slowest)
	}
	others.report(t, "while hostile files come")
	s.keepsQuiet(t, append(names, "bare.tif")...)
	if lines := strings.Count(s.said.String(), "msg=request"); lines < refusals {
		t.Errorf("%d requests in the log, %d were refused", lines, refusals)
	}
	if lines := strings.Count(s.audit(t), "\n"); lines < decisions {
		t.Errorf("%d lines in the audit log, %d decisions", lines, decisions)
	}
}

// ended1 waits for the end of a cohort of one slide: 200, or the slide's error.
func (s *target) ended1(t *testing.T, a reply) int {
	t.Helper()
	id := a.json(t)["id"].(string)
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var v struct {
			State string
			Error *struct {
				Code    int
				Message string
			}
		}
		if err := json.Unmarshal(s.must(t, "GET", "/slides/"+id+"-0", nil).body, &v); err != nil {
			t.Fatal(err)
		}
		switch {
		case v.State == "done":
			return http.StatusOK
		case v.State == "failed" && v.Error != nil && v.Error.Message != "":
			return v.Error.Code
		case v.State == "failed" || v.State == "cancelled":
			t.Fatalf("slide %s-0: %+v", id, v)
		}
	}
	t.Fatalf("slide %s-0 does not end", id)
	return 0
}

// TestHostileNamesAndHeadersStayWhereTheyAre sends names, ids and headers that want to
// be more than that.
func TestHostileNamesAndHeadersStayWhereTheyAre(t *testing.T) {
	s := attack(t, "--log-level", "debug")
	const patient = "Anna-Muster-1950"
	slide := picture(2100) // more than 4 Mpx: it goes through the queue
	for i, name := range []string{
		patient + "%0d%0aSet-Cookie: a=b.png", "../../../../etc/" + patient, `..\..\` + patient, patient + "\u202egnp.exe", strings.Repeat(patient, 300), "/etc/passwd/" + patient, "\u202e" + patient + " Ünï 漢.tif", `"` + patient + `"; x="`,
	} {
		body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + strings.ReplaceAll(name, `"`, `\"`) + "\"\r\n\r\n" + string(slide) + "\r\n--b\r\nContent-Disposition: form-data; name=\"mpp_um\"\r\n\r\n4\r\n--b--\r\n"
		a := s.must(t, "POST", "/predict", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=b")
		if a.status != http.StatusOK {
			t.Fatalf("%q: %d %.300s", name, a.status, a.body)
		}
		id := a.json(t)["id"].(string)
		for _, file := range []string{"result", "timing", "patches.csv", "lesions.geojson", "heatmap.png", "report.html", "slide.dzi", "heatmap.dzi"} {
			got := s.raw(t, "GET /slides/"+id+"/"+file+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
			head, _, _ := strings.Cut(got, "\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Contains(head, "\nSet-Cookie") || strings.Contains(head, "passwd") || strings.ContainsAny(head, "\x00\u202e") {
				t.Errorf("name %d, %s: %.400q", i, file, head)
			}
		}
	}
	if _, err := os.Stat("/etc/" + patient); err == nil {
		t.Error("a file was written elsewhere")
	}

	// What a stranger says of himself does not come back, nor count.
	for _, head := range []string{
		"X-Request-Id: mine-evil", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6;host=evil.example", "X-Real-Ip: 6.6.6.6",
		"X-HTTP-Method-Override: DELETE", "X-Original-URL: /cohorts", "Origin: http://evil.example", "Referer: http://evil.example/",
	} {
		got := s.raw(t, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"+head+"\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Contains(got, "evil") || strings.Contains(got, "6.6.6.6") || strings.Contains(got, "Strict-Transport") || strings.Contains(got, "Access-Control") {
			t.Errorf("%s: %.400q", head, got)
		}
	}
	// Lines that readers of HTTP disagree about are no requests at all.
	for _, c := range []struct{ text, want string }{
		{"GET /cohorts HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "403"},
		{"GET /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", "400"},
		{"GET /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rSet-Cookie: b\r\n\r\n", "400"},
		{"GET /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\x00b\r\n\r\n", "400"},
		{"GET /cohorts HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", "400"},
		{"GET /cohorts HTTP/1.1\r\n\r\n", "400"},
		{"GET /cohorts HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
		{"GET /cohorts HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", "505"},
		{"GET http://evil.example/cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "403"},
		{"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n", "40"},
		{"POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400"},
		{"POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n", "400"},
		{"POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
		{"POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "400"},
	} {
		got := s.raw(t, c.text)
		line, _, _ := strings.Cut(got, "\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 "+c.want) && !strings.HasPrefix(line, "HTTP/1.0 "+c.want) || strings.Contains(got, "evil.example") {
			t.Errorf("%.80q: %.200q, want %s", c.text, got, c.want)
		}
	}
	// Two messages in one: whoever counts by the other length sees a second request.
	got := s.raw(t, "POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /machine HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if strings.Contains(got, "patches_per_s") {
		t.Errorf("a request inside of another was answered: %.600q", got)
	}
	s.keepsQuiet(t, patient, "evil", "6.6.6.6", "passwd")
}

// TestHostilePathsLeadNowhere tries every route that takes an id.
func TestHostilePathsLeadNowhere(t *testing.T) {
	s := attack(t)
	body, kind := formOf("a.png", picture(2100), "mpp_um", "4")
	a := s.must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
	if a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	cohort := a.json(t)["id"].(string)
	if code := s.ended1(t, a); code != http.StatusOK {
		t.Fatal(code)
	}
	ids := []string{
		"..", "%2e%2e", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fauth%2fkeys.json", "..%5c..%5cauth", "%00", cohort + "%00", cohort + "%2f..%2f" + cohort, cohort + "-0%2f..", "%2fetc%2fpasswd",
		cohort + "-00", cohort + "-1", cohort + "--1", cohort + "-4294967296", strings.ToUpper(cohort), cohort + "x", cohort[:20], "*", "$%7bHOME%7d", "%27%20or%201=1--", "c%0d%0aSet-Cookie:%20a=b", strings.Repeat("c", 3000), "c" + strings.Repeat("a", 25),
	}
	routes := []string{
		"GET /cohorts/%s", "DELETE /cohorts/%s", "GET /cohorts/%s/events", "GET /slides/%s", "GET /slides/%s/result", "GET /slides/%s/timing", "GET /slides/%s/patches.csv", "GET /slides/%s/lesions.geojson",
		"GET /slides/%s/heatmap.png", "GET /slides/%s/report.html", "GET /slides/%s/slide.dzi", "GET /slides/%s/slide_files/0/0_0.jpg", "GET /slides/%s/heatmap.dzi", "GET /slides/%s/heatmap_files/0/0_0.png",
	}
	tried := 0
	try := func(line string) {
		t.Helper()
		tried++
		got := s.raw(t, line+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404") && !strings.HasPrefix(got, "HTTP/1.1 400") && !strings.HasPrefix(got, "HTTP/1.1 405") ||
			strings.Contains(got, "root:") || strings.Contains(got, "Set-Cookie:") || strings.Contains(got, "secret") || strings.Contains(got, "\nLocation:") || strings.Contains(got, s.data) {
			t.Errorf("%.120q: %.300q", line, got)
		}
	}
	for _, route := range routes {
		for _, id := range ids {
			try(fmt.Sprintf(route, id))
		}
	}
	for _, tile := range []string{"-1/0_0.jpg", "0/..%2f..%2fslides", "0/0_0.jpg%00", "99999999999/0_0.jpg", "0/99999999999_0.jpg", "0/-1_0.jpg", "0/0x0_0.jpg", "%2e%2e/0_0.jpg"} {
		try("GET /slides/" + cohort + "-0/slide_files/" + tile)
		try("GET /slides/" + cohort + "-0/heatmap_files/" + strings.ReplaceAll(tile, ".jpg", ".jpeg"))
	}
	for _, path := range []string{
		"/assets/../../auth/keys.json", "/assets/%2e%2e/%2e%2e/audit.jsonl", "/assets//etc/passwd", "/assets/..%5c..%5caudit.jsonl", "/store/slides/", "/incoming/", "/auth/keys.json", "/audit.jsonl", "/debug/pprof/", "/debug/vars", "/.git/config", "//evil.example/..", "/%2e%2e/%2e%2e/etc/passwd",
	} {
		try("GET " + path)
	}
	t.Logf("%d paths lead nowhere", tried)
	if code := s.ended1(t, a); code != http.StatusOK {
		t.Errorf("the slide is gone: %d", code)
	}
}
