// Package telemetry is what the program tells of itself: its version and build, the
// logger that rooms are handed, the registry that they put their metrics into.
//
// In: where to write. Out: a *slog.Logger, a *prometheus.Registry. It measures nothing
// of the work: each room counts its own.
package telemetry

import (
	"runtime"
	"runtime/debug"
)

// Version is the program's version. Results that depend on code change with it.
const Version = "0.1.0"

// Build says what this binary was made of.
type Build struct {
	Version  string // of the program
	Revision string // commit, empty where the build does not say
	Go       string // toolchain
	Platform string // operating system and architecture
}

// BuildInfo reads what the toolchain stamped into the binary.
func BuildInfo() Build {
	b := Build{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return b
}
