//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestHostileEndsLoseNothing kills the server while uploads come and slides are walked,
// three times, and looks for what was answered for.
func TestHostileEndsLoseNothing(t *testing.T) {
	data := t.TempDir()
	submitted := map[string]bool{}
	var mu sync.Mutex
	for round := range 3 {
		s := attackOn(t, data, nil)
		for id := range submitted {
			if a := s.must(t, "GET", "/cohorts/"+id, nil); a.status != http.StatusOK {
				t.Errorf("round %d: cohort %s is lost: %d", round, id, a.status)
			}
		}
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() { // slides, answered for with 202, until the server is gone
				for {
					body, kind := formOf("s.png", picture(2100), "mpp_um", "2", "overlap", "0")
					a, err := s.ask("POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
					if err != nil {
						return
					}
					if a.status == http.StatusAccepted {
						mu.Lock()
						submitted[strings.TrimPrefix(a.header.Get("Location"), "/cohorts/")] = true
						mu.Unlock()
					}
					time.Sleep(300 * time.Millisecond)
				}
			})
			clients.Go(func() { // an upload that never ends
				_, _ = s.ask("POST", "/slides", io.MultiReader(bytes.NewReader(picture(224)), zeros{}), "Content-Type", "image/png")
			})
		}
		time.Sleep(1500 * time.Millisecond)
		s.kill(t)
		clients.Wait()
	}
	s := attackOn(t, data, nil)
	if left := leftovers(filepath.Join(data, "incoming")); len(left) > 0 {
		t.Errorf("%d uploads are left after the start", len(left))
	}
	begun := time.Now()
	for id := range submitted {
		for {
			a := s.must(t, "GET", "/cohorts/"+id, nil).json(t)
			if a["state"] == "done" && a["counts"].(map[string]any)["done"] == 1.0 {
				break
			}
			if time.Since(begun) > 5*time.Minute || a["state"] == "done" || a["state"] == "cancelled" {
				t.Fatalf("%s: %v", id, a)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	t.Logf("%d slides answered for in three rounds of SIGKILL: all are done", len(submitted))
}

// TestHostileDisksThatAreFullLoseNothing serves from a disk of 64 MB.
func TestHostileDisksThatAreFullLoseNothing(t *testing.T) {
	data := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	s := attackOn(t, data, nil, "--reserve-disk", "1")
	others := s.bystander()
	full := 0
	for i := range 6 { // each is half of what there is
		a := s.must(t, "POST", "/slides", io.MultiReader(bytes.NewReader(picture(224)), io.LimitReader(zeros{}, int64(32+i)<<20)), "Content-Type", "image/png")
		if a.status == http.StatusServiceUnavailable {
			full++
			a.refused(t, "a full disk", 503)
		} else if a.status != http.StatusCreated {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if full < 4 {
		t.Errorf("only %d uploads were refused", full)
	}
	if left := leftovers(filepath.Join(data, "incoming")); len(left) > 0 {
		t.Errorf("%d halves are left", len(left))
	}
	// Filled up to the last byte by somebody else.
	hog := filepath.Join(data, "hog")
	f, err := os.Create(hog)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(f, zeros{})
	f.Close()
	for what, send := range map[string]func() reply{
		"a slide": func() reply {
			return s.must(t, "POST", "/slides", bytes.NewReader(picture(224)), "Content-Type", "image/png")
		},
		"a prediction for later": func() reply {
			body, kind := formOf("s.png", picture(2100), "mpp_um", "4")
			return s.must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
		},
	} {
		a := send()
		a.refused(t, what+" on a full disk", 503)
		t.Logf("%s on a full disk: %d %s", what, a.status, a.body)
	}
	others.report(t, "while the disk is full")
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	body, kind := formOf("s.png", picture(2100), "mpp_um", "4")
	a := s.must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
	if a.status != http.StatusAccepted {
		t.Fatalf("with room again: %d %s", a.status, a.body)
	}
	if code := s.ended1(t, a); code != http.StatusOK {
		t.Errorf("with room again: %d", code)
	}
}

// TestHostileCrowdsGetOneAnswer sends the same slide twenty times at once, orders and
// cancels it at the same time, and goes away in the middle.
func TestHostileCrowdsGetOneAnswer(t *testing.T) {
	s := attack(t)
	same := picture(2100)
	var clients sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range 20 {
		clients.Go(func() {
			a, err := s.predict("s.png", same, "mpp_um", "4", "overlap", "0")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(a.status, " ", a.json(t)["score"])]++
		})
	}
	clients.Wait()
	if len(answers) != 1 {
		t.Errorf("the same slide was answered with %v", answers)
	}
	others := s.bystander()
	for range 10 { // cancelled by four while it begins
		body, kind := formOf("s.png", picture(2100), "mpp_um", "4")
		a := s.must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
		id := a.json(t)["id"].(string)
		for range 4 {
			clients.Go(func() {
				if a, err := s.ask("DELETE", "/cohorts/"+id, nil); err != nil || a.status != http.StatusOK {
					t.Errorf("DELETE: %d %s %v", a.status, a.body, err)
				}
			})
			clients.Go(func() { // goes away at once
				c, err := (&http.Client{Timeout: 30 * time.Millisecond}).Get(s.base + "/cohorts/" + id + "/events")
				if err == nil {
					_, _ = io.Copy(io.Discard, c.Body)
					c.Body.Close()
				}
			})
		}
		clients.Wait()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			v := s.must(t, "GET", "/cohorts/"+id, nil).json(t)
			if n := v["counts"].(map[string]any); n["cancelled"].(float64)+n["done"].(float64) == 1 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("a cancelled cohort does not end: %v", v)
			}
		}
	}
	others.report(t, "while others order and cancel")
	end := time.Now().Add(10 * time.Second)
	for { // nothing goes on behind
		m := s.must(t, "GET", "/machine", nil).json(t)["backlog"].(map[string]any)
		if m["slides_waiting"] == 0.0 && m["slides_running"] == 0.0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("work goes on for nobody: %v", m)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
