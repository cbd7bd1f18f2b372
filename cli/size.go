package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag that takes a number of bytes as people write it: 512MiB, 8GiB,
// 1.5GB, 4096.
type byteSize int64

var byteUnits = []struct {
	name  string
	bytes float64
}{ // longest names first: B ends all of them
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// Set reads text.
func (s *byteSize) Set(text string) error {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if bytes := n * u.bytes; err == nil && bytes >= 0 && bytes < math.MaxInt64 {
			*s = byteSize(bytes)
			return nil
		}
		break
	}
	return fmt.Errorf("%q is no size: write 512MiB, 8GiB or a number of bytes", text)
}

// String returns the size in the largest unit that it is a whole number of.
func (s *byteSize) String() string {
	n, unit := int64(*s), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return strconv.FormatInt(n, 10) + unit
}

// Type is the flag's value in the help.
func (*byteSize) Type() string { return "size" }
