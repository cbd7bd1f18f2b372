package server_test

import (
	"strings"
	"testing"

	"bcc/resources"
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

func TestAMachineTellsOfItsGPUs(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) {
		c.Machine = func() server.Machine {
			return server.Machine{MemoryPercent: 41.26, DiskUsage: 90, NetworkIn: 1e6, GPUs: []resources.GPU{{Index: 1, Name: "H100", UUID: "GPU-7", MemoryTotal: 80 << 30, UsePercent: 97}}}
		}
	})
	m := string(s.get(t, "/machine").body)
	for _, want := range []string{
		`"memory_percent":41.3`, `"disk_usage":90`, `"in_bytes_per_s":1000000`,
		`"gpus":[{"index":1,"name":"H100","uuid":"GPU-7","memory_total_bytes":85899345920,"memory_used_bytes":0,"use_percent":97,"temperature_c":0}]`,
	} {
		if !strings.Contains(m, want) {
			t.Errorf("no %s in %s", want, m)
		}
	}
	if m := string(newServer(t).get(t, "/machine").body); !strings.Contains(m, `"gpus":[]`) {
		t.Errorf("without GPUs: %s", m)
	}
}
