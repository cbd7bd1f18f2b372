package server_test

import (
	"fmt"
	"strings"
	"testing"

	"bcc/cohort"
)

// poisoned submits a slide that is quarantined, one that fails and one that is done,
// and returns their cohort when it is over.
func poisoned(t *testing.T, s *site, header ...string) map[string]any {
	t.Helper()
	sha := upload(t, s, slidePicture(t), header...)
	id := s.post(t, "/cohorts", "application/json", fmt.Sprintf(`{"name": "tray", "priority": "urgent", "slides": [
		{"upload": %q, "name": "poison.png", "mpp_um": 4}, {"upload": %[1]q, "name": "no scale.png"}, {"upload": %[1]q, "mpp_um": 4}]}`, sha), header...).
		wants(t, 201).json(t)["id"].(string)
	return s.done(t, id, header...)
}

func TestAQuarantinedSlideIsToldApartFromAFailedOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := poisoned(t, s)
	counts := v["counts"].(map[string]any)
	if counts["submitted"] != 3. || counts["quarantined"] != 1. || counts["failed"] != 1. || counts["done"] != 1. {
		t.Errorf("counts %v", counts)
	}
	id := v["id"].(string)
	one := s.get(t, "/slides/"+id+"-0").wants(t, 200).json(t)
	if why := one["error"].(map[string]any); one["state"] != "quarantined" || why["message"] != "the decoder was ended by SIGSEGV" || why["details"] != "look at the file" {
		t.Errorf("told as %v", one)
	}
	s.get(t, "/slides/"+id+"-0/result").wants(t, 404, "it is quarantined")
	events, _ := s.follow(t, id)
	states := map[any]int{}
	for _, e := range events {
		if e.name == "slide" {
			states[e.data["state"]]++
		}
	}
	if states["quarantined"] != 1 || states["failed"] != 1 || states["done"] != 1 {
		t.Errorf("the stream tells %v", states)
	}
	s.eventually(t, func() bool { return strings.Contains(s.audit.String(), `"quarantined"`) })
}

func TestSlidesAreTriedOnceMoreInANewCohort(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := poisoned(t, s)["id"].(string)
	at := "/cohorts/" + id + "/retry"

	a := s.do(t, "POST", at, nil).wants(t, 201)
	both := a.json(t)
	if both["retry_of"] != id || both["name"] != "tray" || both["priority"] != "urgent" || len(both["slides"].([]any)) != 2 || a.header.Get("Location") != "/cohorts/"+both["id"].(string) {
		t.Errorf("told as %s", a.body)
	}
	v := s.done(t, both["id"].(string))
	if c := v["counts"].(map[string]any); c["done"] != 1. || c["failed"] != 1. {
		t.Errorf("the second time: %v", c)
	}
	one := s.post(t, at, "application/json", `{"states": ["quarantined"]}`, "Idempotency-Key", "r1").wants(t, 201).json(t)
	if len(one["slides"].([]any)) != 1 {
		t.Errorf("told as %v", one)
	}
	again := s.post(t, at, "application/json", `{"states": ["quarantined"]}`, "Idempotency-Key", "r1").wants(t, 201)
	if again.json(t)["id"] != one["id"] || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same request made another cohort: %s", again.body)
	}
	s.post(t, at, "application/json", `{"states": ["quarantined", "failed"]}`, "Idempotency-Key", "r1").wants(t, 422)
	s.post(t, at, "application/json", `{"states": ["cancelled"]}`).wants(t, 400, "no slide of it")
	s.post(t, at, "application/json", `{"states": ["done"]}`).wants(t, 400, "done")
	s.post(t, at, "application/json", `{"which": []}`).wants(t, 400, "which")
	s.post(t, at, "text/csv", "failed").wants(t, 415)
	s.do(t, "POST", "/cohorts/"+cohort.NewID()+"/retry", nil).wants(t, 404, "no such cohort")
}

func TestNobodyTriesAnothersSlides(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "mine", "other")
	s := newServer(t, withKey)
	mine, other := "Bearer "+tokens[0], "Bearer "+tokens[1]
	id := poisoned(t, s, "Authorization", mine)["id"].(string)
	s.do(t, "POST", "/cohorts/"+id+"/retry", nil, "Authorization", other).wants(t, 404, "no such cohort")
	s.do(t, "POST", "/cohorts/"+id+"/retry", nil, "Authorization", mine).wants(t, 201)
}

func TestAnUploadIsKnownToWhoeverSentIt(t *testing.T) {
	t.Parallel()
	withKey, tokens := withKeys(t, "mine", "other", "admin")
	s := newServer(t, withKey)
	mine := []string{"Authorization", "Bearer " + tokens[0]}
	picture := picture(t, 300, 200, 99) // no other test's
	unknown := s.get(t, "/uploads/"+strings.Repeat("a", 64), mine...).wants(t, 404, "no such upload")
	sha := s.post(t, "/slides", "image/png", string(picture), mine...).wants(t, 201).json(t)["upload"].(string)
	v := s.get(t, "/uploads/"+sha, mine...).wants(t, 200).json(t)
	if v["upload"] != sha || v["bytes"] != float64(len(picture)) || v["width_px"] != 300. {
		t.Errorf("told as %v", v)
	}
	if a := s.do(t, "HEAD", "/uploads/"+sha, nil, mine...); a.status != 200 {
		t.Errorf("HEAD: %d", a.status)
	}
	for _, token := range tokens[1:] { // an administrator sees work; to whom a slide belongs is not work
		theirs := s.get(t, "/uploads/"+sha, "Authorization", "Bearer "+token)
		if theirs.status != 404 || withoutID(theirs.body) != withoutID(unknown.body) {
			t.Errorf("another sees %d %s", theirs.status, theirs.body)
		}
	}
	s.get(t, "/uploads/..%2f..%2fsecret", mine...).wants(t, 404)

	// The note outlives a slide that was deleted.
	if err := theWorld.store.Delete(t.Context(), "slides/"+sha); err != nil {
		t.Fatal(err)
	}
	s.get(t, "/uploads/"+sha, mine...).wants(t, 404, "no such upload")
}
