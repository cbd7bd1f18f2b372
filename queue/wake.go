package queue

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// wakeSubject carries "PROCESS ROW NUMBER": who says it, in which row something may be
// taken, and the number of the job put last there, 0 where another has come back.
const wakeSubject = "bcc.wake"

// wake tells all takers, on all machines, to look into a row. Where the word is lost
// they look after a second.
func (q *Queue) wake(r *row, put uint64) {
	q.bell.ring(r, put) // ours at once
	q.conn.Publish(wakeSubject, []byte(q.name+" "+r.name+" "+strconv.FormatUint(put, 10)))
}

// wakeAll has the takers of this process look into all rows.
func (q *Queue) wakeAll() {
	for _, l := range q.lanes {
		for _, r := range l.rows {
			q.bell.ring(r, 0)
		}
	}
}

// woken hears the words of others.
func (q *Queue) woken(m *nats.Msg) {
	words := strings.Fields(string(m.Data))
	if len(words) != 3 {
		q.wakeAll() // another version's
		return
	}
	put, _ := strconv.ParseUint(words[2], 10, 64)
	for _, l := range q.lanes {
		for _, r := range l.rows {
			if r.name == words[1] && words[0] != q.name {
				q.bell.ring(r, put)
			}
		}
	}
}
