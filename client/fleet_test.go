package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"bcc/client"
)

func TestAFleetIsReadAndWhatIsWantedIsTold(t *testing.T) {
	t.Parallel()
	var told client.Wish
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
				t.Error(err)
			}
		}
		answer(w, 200, `{"timestamp":"2026-11-23T10:00:00Z","demands":[{"urgent":true,"deadline":null,"slides":2,"patches":300.5}],"workers":[{"id":"w1","kind":"cpu","draining":true}],"shard_patches":512}`)
	}))
	f, err := c.Fleet(t.Context())
	if err != nil || len(f.Demands) != 1 || f.Demands[0].Patches != 300.5 || !f.Workers[0].Draining || f.ShardPatches != 512 || f.Wanted != nil {
		t.Errorf("%+v, %v", f, err)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	if err := c.Want(t.Context(), client.Wish{Wanted: map[string]int{"cpu": 3}, Reason: "why", At: at}); err != nil || told.Wanted["cpu"] != 3 || !told.At.Equal(at) {
		t.Errorf("told %+v, %v", told, err)
	}
}

func TestWhatSaysNothingOfItsFleetIsNoServerOfOurs(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{}`) }))
	if _, err := c.Fleet(t.Context()); !errors.Is(err, client.ErrStranger) {
		t.Errorf("%v", err)
	}
}
