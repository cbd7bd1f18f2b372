package local

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"bcc/fault"
)

// start starts a worker. Noted before it is there and again when it is: whoever is
// killed in between leaves one that the next one finds by its ID.
func (t *Target) start() error {
	r := record{ID: t.cfg.Kind.Name + "-" + strings.ToLower(rand.Text()[:8]), Kind: t.cfg.Kind.Name, Begun: t.cfg.Now().UTC()}
	if err := t.write(r); err != nil {
		return err
	}
	log, err := t.openLog(r.ID)
	if err != nil {
		t.forget(r)
		return err
	}
	defer log.Close()
	argv := append(slices.Clone(t.cfg.Command), "--id", r.ID)
	pid, err := spawn(argv, t.cfg.Env, log)
	if err != nil {
		t.forget(r)
		return fault.Hint(fault.New(fault.Unavailable, "start a worker: %w", err), "is %s a program that may be run?", t.cfg.Command[0])
	}
	r.PID = pid
	r.Birth, _ = birthOf(pid) // it is there at least until it is reaped, and we do that
	t.children[pid] = r
	if err := t.write(r); err != nil {
		return err
	}
	t.log.Info("worker started", "id", r.ID, "kind", r.Kind, "pid", pid)
	return nil
}

// ask asks a worker to end, and then notes that: noted first, one whose autoscaler is
// killed in between would stay for good, uncounted. It is asked once: bcc worker takes a
// second signal for an order to end at once.
func (t *Target) ask(r record) error {
	if t.asked[r.ID] {
		return nil
	}
	if birth, runs := birthOf(r.PID); runs && birth == r.Birth { // else gone meanwhile; the next look forgets it
		if err := terminate(r.PID); err != nil {
			return fault.New(fault.Unavailable, "ask worker %s to end: %w", r.ID, err)
		}
		t.log.Info("worker asked to end", "id", r.ID, "kind", r.Kind)
	}
	t.asked[r.ID] = true
	r.Asked = t.cfg.Now().UTC()
	if _, ours := t.children[r.PID]; ours {
		t.children[r.PID] = r
	}
	return t.write(r)
}

// fail puts the next start off.
func (t *Target) fail(r record, how string, lived time.Duration) {
	if how == "" {
		how = "it ended"
	}
	t.why = fmt.Sprintf("worker %s: %s %v after its start", r.ID, how, lived.Round(100*time.Millisecond))
	if said := t.lastError(r.ID); said != "" {
		t.why += ": " + said
	}
	t.failed++
	rest := min(t.cfg.Again<<min(t.failed-1, 20), t.cfg.AtMost)
	t.last = t.cfg.Now()
	t.next = t.last.Add(rest)
	t.log.Warn("worker ended soon after its start", "id", r.ID, "how", how, "in_a_row", t.failed, "next_in", rest)
}

// mayStart says why no worker is started now.
func (t *Target) mayStart() error {
	left := t.next.Sub(t.cfg.Now())
	if t.failed == 0 || left <= 0 {
		return nil
	}
	return fault.Hint(fault.New(fault.Unavailable, "%d starts in a row failed, the next is in %v; %s", t.failed, left.Round(100*time.Millisecond), t.why),
		"what it said stands in its log in %s", t.cfg.Dir)
}
