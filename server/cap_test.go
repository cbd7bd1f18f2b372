package server_test

import (
	"fmt"
	"strings"
	"testing"

	"bcc/cohort"
	"bcc/server"
)

// priced has a server keep account with a price: another ledger over the same store.
func priced(t *testing.T) func(*server.Config) {
	t.Helper()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.PricePerHour = theWorld.store, theWorld.queue, 3.6
	l, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func(c *server.Config) { c.Ledger = l }
}

// order submits a slide that waits until it is cancelled.
func (s *site) order(t *testing.T, more string, status int) answer {
	t.Helper()
	sha := s.post(t, "/slides?name=x.png", "image/png", string(slidePicture(t))).wants(t, 201).json(t)["upload"].(string)
	return s.post(t, "/cohorts", "application/json", fmt.Sprintf(`{%s"parameters":{"mpp_um":4},"slides":[{"upload":%q,"name":"hold"}]}`, more, sha)).wants(t, status)
}

func TestACapIsSetWithTheOrderAndChangedLater(t *testing.T) {
	t.Parallel()
	s := newServer(t, priced(t))
	made := s.order(t, `"cap_usd":0.5,`, 201).json(t)
	if made["cap_usd"] != 0.5 || made["held"] != false {
		t.Errorf("%v", made)
	}
	at := "/cohorts/" + made["id"].(string)
	change := func(body string, status int) answer {
		t.Helper()
		return s.do(t, "PATCH", at, strings.NewReader(body), "Content-Type", "application/json").wants(t, status)
	}
	if v := change(`{"cap_usd":12.5}`, 200).json(t); v["cap_usd"] != 12.5 {
		t.Errorf("%v", v)
	}
	if v := change(`{"cap_usd":null}`, 200).json(t); v["cap_usd"] != nil {
		t.Errorf("%v", v)
	}
	for _, wrong := range []string{`{}`, `{"cap_usd":0}`, `{"cap_usd":-1}`, `{"cap_usd":"1"}`, `{"cap":1}`, `[]`} {
		change(wrong, 400)
	}
	s.do(t, "PATCH", at, strings.NewReader("cap_usd=1"), "Content-Type", "application/x-www-form-urlencoded").wants(t, 415)
	s.do(t, "DELETE", at, nil).wants(t, 200)
	change(`{"cap_usd":1}`, 400) // it is over
	s.do(t, "PATCH", "/cohorts/"+cohort.NewID(), strings.NewReader(`{"cap_usd":1}`), "Content-Type", "application/json").wants(t, 404)
}

func TestACapNeedsPrices(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.order(t, `"cap_usd":0.5,`, 400).wants(t, 400, "--price-per-hour")
}

func TestOnlyItsOwnerChangesACap(t *testing.T) {
	t.Parallel()
	keys, tokens := withKeys(t, "one", "two")
	s := newServer(t, priced(t), keys)
	mine, other := "Bearer "+tokens[0], "Bearer "+tokens[1]
	id := s.predict(t, slidePicture(t), "hold.png", []string{"mpp_um", "4"}, "Prefer", "respond-async", "Authorization", mine).wants(t, 202).json(t)["id"].(string)
	s.do(t, "PATCH", "/cohorts/"+id, strings.NewReader(`{"cap_usd":1}`), "Content-Type", "application/json", "Authorization", other).wants(t, 404)
	s.do(t, "PATCH", "/cohorts/"+id, strings.NewReader(`{"cap_usd":1}`), "Content-Type", "application/json", "Authorization", mine).wants(t, 200)
	s.do(t, "DELETE", "/cohorts/"+id, nil, "Authorization", mine).wants(t, 200)
}
