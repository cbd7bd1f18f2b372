package server_test

import (
	"strings"
	"testing"

	"bcc/server"
)

func TestAMissingWorkerIsSeen(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Workers = 3 })
	if m := string(s.get(t, "/metrics").body); !strings.Contains(m, "\nbcc_workers_wanted{kind=\"\"} 3\n") {
		t.Errorf("not said that three workers are wanted:\n%s", m)
	}
	if m := string(s.get(t, "/machine").body); !strings.Contains(m, `"wanted":3`) {
		t.Errorf("not said that three workers are wanted: %s", m)
	}
}
