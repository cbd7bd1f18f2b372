package resources

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// guardMetrics say how tight memory is, and how often it was.
type guardMetrics struct{ entries *prometheus.CounterVec }

// newGuardMetrics registers them. A nil reg: nobody reads them.
func newGuardMetrics(reg prometheus.Registerer, g *Guard) (*guardMetrics, error) {
	m := &guardMetrics{entries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bcc_memory_levels_total", Help: "Changes to each level of memory pressure.",
	}, []string{"level"})}
	for _, l := range []Level{Calm, Tight, Full} {
		m.entries.WithLabelValues(l.String())
	}
	level := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_memory_level", Help: "How tight memory is: 0 calm, 1 tight (smaller batches, caches given back), 2 full (nothing new is taken).",
	}, func() float64 { return float64(g.Level()) })
	return m, register(reg, "the memory guard", m.entries, level)
}

func (m *guardMetrics) entered(l Level) { m.entries.WithLabelValues(l.String()).Inc() }

func register(reg prometheus.Registerer, of string, all ...prometheus.Collector) error {
	if reg == nil {
		return nil
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fault.New(fault.Internal, "metrics of %s: %w", of, err)
		}
	}
	return nil
}

// what Snapshots become as metrics: use, saturation and size of each resource. Errors
// of devices are counted where they are met (bcc_runners).
var (
	cpuUse       = desc("bcc_cpu_percent", "Processor time used, of the container's quota or of the cores that the process may use, over two seconds.")
	cpuCores     = desc("bcc_cpu_cores", "Cores that this process may use.")
	cpuThrottled = desc("bcc_cpu_throttled_seconds_total", "Time for which the container was stopped because its quota was used up.")
	memoryUsed   = desc("bcc_memory_used_bytes", "Memory used of the container's limit or of the machine's, without what the kernel gives back.")
	memoryTotal  = desc("bcc_memory_total_bytes", "The container's limit of memory, or the machine's memory.")
	networkRate  = desc("bcc_network_bytes_per_second", "Bytes that cross the network, over two seconds.", "direction")
	diskFree     = desc("bcc_disk_free_bytes", "What may still be written on the disk of a folder.", "folder")
	diskTotal    = desc("bcc_disk_total_bytes", "Size of the disk of a folder.", "folder")
	deviceUse    = desc("bcc_device_use_percent", "Share of the time in which something ran on the GPU, as its driver says.", "device")
	deviceUsed   = desc("bcc_device_memory_used_bytes", "Memory of the GPU that is used, by everybody.", "device")
	deviceTotal  = desc("bcc_device_memory_total_bytes", "Memory of the GPU.", "device")
	deviceHeat   = desc("bcc_device_temperature_celsius", "Temperature of the GPU.", "device")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// collector turns the newest Snapshot into metrics when it is scraped.
type collector struct{ latest func() Snapshot }

// Register has latest's snapshots scraped from reg.
func Register(reg prometheus.Registerer, latest func() Snapshot) error {
	return register(reg, "this machine", collector{latest})
}

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		cpuUse, cpuCores, cpuThrottled, memoryUsed, memoryTotal, networkRate, diskFree, diskTotal, deviceUse, deviceUsed, deviceTotal, deviceHeat,
	} {
		to <- d
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.latest()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(cpuUse, s.CPUPercent)
	gauge(cpuCores, float64(s.Cores))
	to <- prometheus.MustNewConstMetric(cpuThrottled, prometheus.CounterValue, s.CPUThrottled)
	gauge(memoryUsed, float64(s.MemoryUsed))
	gauge(memoryTotal, float64(s.MemoryTotal))
	gauge(networkRate, s.NetworkIn, "in")
	gauge(networkRate, s.NetworkOut, "out")
	for _, d := range s.Disks {
		gauge(diskFree, float64(d.Free), d.Name)
		gauge(diskTotal, float64(d.Total), d.Name)
	}
	for _, g := range s.GPUs {
		device := "cuda:" + strconv.Itoa(g.Index)
		gauge(deviceUse, g.UsePercent, device)
		gauge(deviceUsed, float64(g.MemoryUsed), device)
		gauge(deviceTotal, float64(g.MemoryTotal), device)
		if g.TemperatureC > 0 {
			gauge(deviceHeat, g.TemperatureC, device)
		}
	}
}
