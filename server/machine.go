package server

import (
	"net/http"
	"time"

	"bcc/cohort"
	"bcc/resources"
)

type machineJSON struct {
	Version string `json:"version"`
	Model   struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		SHA256  string `json:"sha256"`
	} `json:"model"`
	Devices    []string `json:"devices"`
	Cores      int      `json:"cores"`
	CPUPercent float64  `json:"cpu_percent"`
	Memory     struct {
		RSS   uint64 `json:"rss_bytes"`
		Used  uint64 `json:"used_bytes"`
		Total uint64 `json:"total_bytes"`

		Percent float64 `json:"memory_percent"`
	} `json:"memory"`
	Disk struct {
		Free  uint64  `json:"free_bytes"`
		Total uint64  `json:"total_bytes"`
		Usage float64 `json:"disk_usage"` // percent
	} `json:"disk"`
	Network struct {
		In  float64 `json:"in_bytes_per_s"`
		Out float64 `json:"out_bytes_per_s"`
	} `json:"network"`
	GPUs        []resources.GPU `json:"gpus"`
	PatchesPerS float64         `json:"patches_per_s"`
	Backlog     struct {
		Waiting int      `json:"slides_waiting"`
		Running int      `json:"slides_running"`
		Patches int      `json:"patches"`
		DrainS  *float64 `json:"drain_s"` // null: there is work, and no speed was measured yet
	} `json:"backlog"`
	Workers struct {
		Present    int                  `json:"present"`
		Wanted     int                  `json:"wanted"`
		Autoscaler *wishJSON            `json:"autoscaler"` // null: nobody has said what there should be
		List       []cohort.WorkerState `json:"list"`
	} `json:"workers"`
	Requests struct {
		InFlight int `json:"in_flight"`
		Limit    int `json:"limit"`
	} `json:"requests"`
	Degraded  []string  `json:"degraded"`
	Timestamp time.Time `json:"timestamp"`
}

// machine answers GET /machine.
func (s *Server) machine(c *call) error {
	var out machineJSON
	out.Version = s.cfg.Version
	out.Model.Name, out.Model.Version, out.Model.SHA256 = s.cfg.Model.Card.Name, s.cfg.Model.Card.Version, s.cfg.Model.SHA256
	var m Machine
	if s.cfg.Machine != nil {
		m = s.cfg.Machine()
	}
	out.Devices, out.Cores, out.CPUPercent = some(m.Devices), m.Cores, round(m.CPUPercent, 1)
	out.Memory.RSS, out.Memory.Used, out.Memory.Total = m.RSSBytes, m.MemoryUsed, m.MemoryTotal
	out.Disk.Free, out.Disk.Total = m.DiskFree, m.DiskTotal
	out.Memory.Percent, out.Disk.Usage = round(m.MemoryPercent, 1), round(m.DiskUsage, 1)
	out.Network.In, out.Network.Out = round(m.NetworkIn, 0), round(m.NetworkOut, 0)
	out.GPUs = some(m.GPUs)
	l := s.cfg.Ledger.Load()
	out.PatchesPerS = round(l.PatchesPerS, 1)
	out.Backlog.Waiting, out.Backlog.Running, out.Backlog.Patches = l.SlidesWaiting, l.SlidesRunning, l.Patches
	if l.PatchesPerS > 0 || l.Patches == 0 {
		drain := round(l.Drain.Seconds(), 3)
		out.Backlog.DrainS = &drain
	}
	out.Workers.List = some(s.cfg.Ledger.Workers())
	out.Workers.Present = len(out.Workers.List)
	out.Workers.Wanted, out.Workers.Autoscaler = s.wanted(out.Workers.Present), s.wish.get(time.Now())
	out.Requests.InFlight, out.Requests.Limit = int(s.open.Load()), s.cfg.MaxConns
	out.Degraded = s.degraded(out.Workers.List)
	out.Timestamp = time.Now().UTC().Truncate(time.Millisecond)
	c.sendJSON(http.StatusOK, out)
	return nil
}

// degraded is what is not as it should be, in words, each once: of this server, and
// of the workers.
func (s *Server) degraded(workers []cohort.WorkerState) []string {
	out := []string{}
	seen := map[string]bool{}
	add := func(words []string) {
		for _, w := range words {
			if !seen[w] {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	if s.cfg.Degraded != nil {
		add(s.cfg.Degraded())
	}
	for i := range workers {
		if workers[i].Degraded == nil {
			workers[i].Degraded = []string{}
		}
		if workers[i].Devices == nil {
			workers[i].Devices = []string{}
		}
		add(workers[i].Degraded)
	}
	return out
}
