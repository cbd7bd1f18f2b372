package resources

// GPU is an accelerator and what is used of it.
type GPU struct {
	Index        int     `json:"index"` // as the driver counts them: cuda:0 is the first that it shows
	Name         string  `json:"name"`
	UUID         string  `json:"uuid"`
	MemoryTotal  uint64  `json:"memory_total_bytes"`
	MemoryUsed   uint64  `json:"memory_used_bytes"` // by everybody
	UsePercent   float64 `json:"use_percent"`       // of the time something ran on it, as the driver says
	TemperatureC float64 `json:"temperature_c"`     // 0: it does not say
}

// GPUs reads all that this process may use. Where there are none that is a normal
// answer, and why says in a few words how that is known.
type GPUs func() (all []GPU, why string)
