package queuetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bcc/queue"
)

// inRow is a routine job of a row.
func inRow(row int, id string) queue.Job {
	j := job(queue.Routine, id)
	j.Row = row
	return j
}

func urgentFirst(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.RoutinePart, "rp"), job(queue.Routine, "r1"), job(queue.Urgent, "u1"),
		job(queue.Routine, "r2"), job(queue.UrgentPart, "up"), job(queue.Urgent, "u2"))
	for _, want := range []string{"up", "u1", "u2", "r1", "r2", "rp"} {
		if l := take(t, q); l.ID != want {
			t.Fatalf("took %s, want %s", l.ID, want)
		}
	}
}

// seen puts an urgent job again and again while routine ones wait: a server gives a job
// a moment after it has acknowledged it, and in that moment nothing routine may go.
func seen(t *testing.T, open Open) {
	q := open(t, long)
	for i := range 50 {
		put(t, q, inRow(i%queue.Rows, fmt.Sprint("r", i)))
	}
	for i := range 50 {
		want := fmt.Sprint("u", i)
		put(t, q, queue.Job{ID: want, Lane: []queue.Lane{queue.Urgent, queue.UrgentPart}[i%2], Row: i % queue.Rows})
		if l := take(t, q); l.ID != want {
			t.Fatalf("took %s while %s waits", l.ID, want)
		}
	}
}

func chosen(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, job(queue.Routine, "r"))
	nothing(t, q, 20*time.Millisecond, queue.Urgent, queue.UrgentPart)
	put(t, q, job(queue.RoutinePart, "rp"), job(queue.Urgent, "u"))
	if l := take(t, q, queue.RoutinePart); l.ID != "rp" {
		t.Errorf("took %s, want rp", l.ID)
	}
	if l := take(t, q, queue.Routine, queue.Urgent); l.ID != "u" { // whatever the order they are named in
		t.Errorf("took %s, want u", l.ID)
	}
	nothing(t, q, 20*time.Millisecond, queue.RoutinePart, queue.UrgentPart, queue.Urgent)
	if l := take(t, q); l.ID != "r" {
		t.Errorf("took %s, want r", l.ID)
	}
}

// hideNothing has a taker of urgent lanes, who finds nothing, next to one of all.
func hideNothing(t *testing.T, open Open) {
	q := open(t, long)
	got := make(chan *queue.Lease, 1)
	go func() {
		l, _ := q.Take(t.Context(), queue.Urgent)
		got <- l
	}()
	time.Sleep(20 * time.Millisecond) // it sleeps, most likely
	put(t, q, job(queue.Routine, "r"))
	begun := time.Now()
	if l := take(t, q); l.ID != "r" {
		t.Errorf("took %s, want r", l.ID)
	}
	put(t, q, job(queue.Urgent, "u"))
	if l := <-got; l == nil || l.ID != "u" {
		t.Errorf("took %v, want u", l)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took both after %v", took)
	}
}

func turns(t *testing.T, open Open) {
	q := open(t, long)
	const each = 3
	for row := range queue.Rows {
		for i := range each {
			put(t, q, inRow(row, fmt.Sprintf("%d-%d", row, i)))
		}
	}
	var last int
	for i := range each * queue.Rows {
		l := take(t, q)
		if want := fmt.Sprintf("%d-%d", l.Row, i/queue.Rows); l.ID != want {
			t.Fatalf("job %d is %s of row %d, want %s: the oldest of each row in turn", i, l.ID, l.Row, want)
		}
		if i > 0 && l.Row != (last+1)%queue.Rows {
			t.Fatalf("row %d after row %d", l.Row, last)
		}
		last = l.Row
	}
}

func fair(t *testing.T, open Open) {
	q := open(t, long)
	var many []queue.Job
	for i := range 60 {
		many = append(many, inRow(3, fmt.Sprint("many", i)))
	}
	put(t, q, many...)
	take(t, q)
	take(t, q)
	put(t, q, inRow(5, "few0"), inRow(5, "few1"), inRow(5, "few2"))
	var order []int
	for range 6 {
		order = append(order, take(t, q).Row)
	}
	if n := len(slices.DeleteFunc(slices.Clone(order), func(row int) bool { return row != 5 })); n != 3 {
		t.Errorf("rows in the order of %v, want each second one 5", order)
	}
}

func returnedInRow(t *testing.T, open Open) {
	q := open(t, long)
	put(t, q, inRow(1, "a"), inRow(1, "b"), inRow(2, "c"), inRow(2, "d"))
	leases := map[string]*queue.Lease{}
	for range 2 {
		l := take(t, q)
		leases[l.ID] = l
	}
	a := leases["a"]
	if a == nil || leases["c"] == nil {
		t.Fatalf("took %v, want a and c", leases)
	}
	ok(t, a.Return(t.Context()))
	var order []string
	for range 3 {
		l := take(t, q)
		order = append(order, l.ID)
	}
	if slices.Index(order, "a") > slices.Index(order, "b") {
		t.Errorf("took %v, want a before b", order)
	}
	if i := slices.Index(order, "d"); i < 0 || i > 1 {
		t.Errorf("took %v, want d in its turn", order)
	}
}

func parts(t *testing.T, open Open) {
	q := open(t, long)
	var some []queue.Job
	for i := range 5 {
		j := job(queue.RoutinePart, fmt.Sprint("p", i))
		j.Row = i % queue.Rows // they have no rows: the oldest first
		some = append(some, j)
	}
	put(t, q, some...)
	put(t, q, job(queue.UrgentPart, "p0"), job(queue.Routine, "r")) // another lane, another job
	wantBacklog(t, q, queue.Backlog{Routine: 1, Parts: 6})
	u := take(t, q, queue.UrgentPart)
	for i := range 2 {
		l := take(t, q, queue.RoutinePart)
		if l.ID != fmt.Sprint("p", i) || l.Lane != queue.RoutinePart || string(l.Data) != "data of "+l.ID {
			t.Errorf("took %+v, want p%d", l.Job, i)
		}
		ok(t, l.Beat(t.Context()))
		if i == 0 {
			ok(t, l.Done(t.Context()))
		}
	}
	wantBacklog(t, q, queue.Backlog{Routine: 1, Parts: 5})
	ok(t, u.Done(t.Context()))
	wantBacklog(t, q, queue.Backlog{Routine: 1, Parts: 4})
}
