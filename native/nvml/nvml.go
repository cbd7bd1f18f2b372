// Package nvml reads what GPUs of NVIDIA there are and what is used of them, out of
// the driver's own library, found at run time.
//
// In: nothing. Out: one GPU each, or none and a word why: that is a normal answer, as
// most machines have neither the library nor a driver. It moves nothing onto a GPU and
// takes none of its memory.
//
// Without cgo the package builds, and there are never any GPUs.
package nvml

// GPU is a graphics processor and what is used of it, by everybody.
type GPU struct {
	Index        int // as the driver counts
	Name         string
	UUID         string
	MemoryTotal  uint64 // bytes
	MemoryUsed   uint64 // bytes
	UsePercent   float64
	TemperatureC float64 // 0: it does not say
}
