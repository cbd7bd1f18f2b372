package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
	"bcc/resources"
	"bcc/telemetry"
)

// resourcesFlags are the flags of bcc resources.
type resourcesFlags struct {
	engineFlags
	folder string
	window time.Duration
	json   bool
}

func newResources(std Streams) *cobra.Command {
	var f resourcesFlags
	cmd := &cobra.Command{
		Use:   "resources [flags]",
		Short: "Say what this machine has and uses, and how it would be worked with",
		Long: `Prints cores, memory, disk, network and GPUs as this process may use them (affinity,
cpusets and the limits of a container are in it), what is used of them, and the plan that
detect, serve and worker follow with the same flags: devices, runners, batches and the
division of memory, each with its reason.`,
		Example: `  bcc resources
  bcc resources --model my-model --device cuda:0,cuda:1,cpu
  bcc resources --calibrate now`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	f.isolate.register(fs, false)
	fs.IntVar(&f.slides, "jobs", defaultJobs, "slides in flight that the plan is for")
	fs.StringVar(&f.folder, "folder", ".", "folder whose disk is looked at")
	fs.DurationVar(&f.window, "window", time.Second/2, "time over which use is measured")
	fs.BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

// shortestWindow is a tick of the clock by which the kernel counts use: within less there
// is none.
const shortestWindow = 10 * time.Millisecond

// resourcesJSON is what bcc resources --json prints.
type resourcesJSON struct {
	FormatVersion int             `json:"format_version"`
	Cores         resources.Cores `json:"cores"`
	CPUPercent    float64         `json:"cpu_percent"`
	Memory        struct {
		Total   uint64  `json:"total_bytes"`
		Used    uint64  `json:"used_bytes"`
		Limited bool    `json:"limited"` // by a control group
		RSS     uint64  `json:"rss_bytes"`
		Percent float64 `json:"memory_percent"`
	} `json:"memory"`
	DiskUsage float64          `json:"disk_usage"` // percent, of the folder's disk
	Disks     []resources.Disk `json:"disks"`
	Network   struct {
		In  float64 `json:"in_bytes_per_s"`
		Out float64 `json:"out_bytes_per_s"`
	} `json:"network"`
	GPUs    []resources.GPU `json:"gpus"`
	NoGPU   string          `json:"no_gpu,omitempty"`
	WindowS float64         `json:"window_s"`
	Model   string          `json:"model"`
	Engine  string          `json:"engine"` // version; empty: not found
	Plan    resources.Plan  `json:"plan"`
}

func (f *resourcesFlags) run(ctx context.Context, std Streams) error {
	if f.window < shortestWindow {
		return fault.New(fault.Invalid, "--window %v: want %v or more", f.window, shortestWindow)
	}
	b, err := f.bundle()
	if err != nil {
		return err
	}
	missing := ort.Load(libraryPaths(f.enginePath)...)
	s, err := resources.Read(ctx, resources.Config{Folder: f.folder, GPUs: engineGPUs}, f.window)
	if err != nil {
		return err
	}
	m, err := thisMachine(ctx, func() ([]resources.GPU, string) { return s.GPUs, s.NoGPU })
	if err != nil {
		return err
	}
	p, err := f.planned(ctx, b, m, std.Err)
	if err != nil {
		return err
	}
	if !f.json {
		err = printMachine(std.Out, b, m, s, p)
		if err == nil && missing != nil {
			_, err = fmt.Fprintln(std.Out, "\n  The engine's library is not found: nothing can be run here yet (scripts/setup.sh puts it in place)")
		}
		if err != nil {
			return unwritten(err)
		}
		return nil
	}
	out := resourcesJSON{
		FormatVersion: 1, Cores: m.Cores, CPUPercent: s.CPUPercent, DiskUsage: s.DiskPercent(), Disks: s.Disks,
		GPUs: append([]resources.GPU{}, s.GPUs...), NoGPU: s.NoGPU, WindowS: s.Window.Seconds(),
		Model: b.Card.Name + " " + b.Card.Version, Engine: ort.Version(), Plan: p,
	}
	out.Memory.Total, out.Memory.Used, out.Memory.Limited = s.MemoryTotal, s.MemoryUsed, s.Limited
	out.Memory.RSS, out.Memory.Percent = s.RSSBytes, s.MemoryPercent()
	out.Network.In, out.Network.Out = s.NetworkIn, s.NetworkOut
	if err := json.NewEncoder(std.Out).Encode(out); err != nil {
		return unwritten(err)
	}
	return nil
}

// printMachine prints it for a terminal.
func printMachine(to io.Writer, b *model.Bundle, m resources.Machine, s resources.Snapshot, p resources.Plan) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	line("bcc %s on this machine, use over %v", telemetry.Version, s.Window.Round(10*time.Millisecond))
	line("  cores     %s; %.0f %% used", coresWords(m.Cores), s.CPUPercent)
	of := "the machine's"
	if s.Limited {
		of = "the limit of its container or control group"
	}
	if s.MemoryTotal > 0 {
		line("  memory    %s of %s used (%.0f %%), %s", gib(s.MemoryUsed), gib(s.MemoryTotal), s.MemoryPercent(), of)
	} else {
		line("  memory    this system does not tell: nothing keeps to a limit")
	}
	for _, d := range s.Disks {
		line("  disk      %s free of %s (%.0f %% used) at %s", gib(d.Free), gib(d.Total), d.UsedPercent, d.Folder)
	}
	line("  network   %.1f MB/s in, %.1f MB/s out", s.NetworkIn/1e6, s.NetworkOut/1e6)
	for _, g := range s.GPUs {
		line("  GPU %-5d %s, %s of %s used, busy %.0f %%, %.0f °C", g.Index, g.Name, gib(g.MemoryUsed), gib(g.MemoryTotal), g.UsePercent, g.TemperatureC)
	}
	if len(s.GPUs) == 0 {
		line("  GPUs      none: %s", s.NoGPU)
	}
	line("\nThe plan for model %s %s", b.Card.Name, b.Card.Version)
	line("  device\tsessions\trunners\tthreads a run\tbatch\tmemory of the device")
	for _, d := range p.Devices {
		memory := "—"
		if d.MemoryBytes > 0 {
			memory = gib(d.MemoryBytes)
		}
		line("  %s\t%d\t%d\t%d\t%d\t%s", d.Name, d.Sessions, d.Runners, d.Threads, d.Batch, memory)
	}
	may := "nobody knows how much"
	if p.Memory.May > 0 {
		may = gib(p.Memory.May)
	}
	line("\n  %s may be planned with; estimated are %s for the engine, %s for %d slides at once%s",
		may, gib(p.Memory.Engine), gib(p.Memory.Slides), p.Slides, decoderWords(p.Memory))
	line("\n  Why")
	for _, why := range p.Why {
		line("  · %s", why)
	}
	_ = w.Flush() // into a strings.Builder
	_, err := io.WriteString(to, fitted(text.String(), columnsOf(to)))
	return err
}

func coresWords(c resources.Cores) string {
	words := []string{fmt.Sprintf("%d usable of %d", c.Usable, c.Machine)}
	if c.Allowed < c.Machine {
		words = append(words, fmt.Sprintf("%d by affinity or cpuset", c.Allowed))
	}
	if c.Quota > 0 {
		words = append(words, fmt.Sprintf("quota of %.2f", c.Quota))
	} else {
		words = append(words, "no quota")
	}
	return strings.Join(words, ", ")
}

func decoderWords(b resources.Budget) string {
	if b.Decoders == 0 {
		return ""
	}
	return fmt.Sprintf(", %s for decoding processes, each of which may allocate %s", gib(b.Decoders), gib(b.Decoder))
}

func gib(bytes uint64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
