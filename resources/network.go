package resources

import (
	"context"

	"github.com/shirou/gopsutil/v4/net"
)

// traffic is what has gone over the network since the machine started, in bytes.
type traffic struct{ received, sent uint64 }

// crossed adds up all interfaces of this machine or container but the loopback, over
// which nothing leaves it. Where the system tells nothing it is zero.
func crossed(ctx context.Context) (t traffic) {
	all, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return t
	}
	for _, i := range all {
		if i.Name != "lo" && i.Name != "lo0" {
			t.received += i.BytesRecv
			t.sent += i.BytesSent
		}
	}
	return t
}

// rate is bytes a second; 0 where a counter began anew.
func rate(before, after uint64, seconds float64) float64 {
	if after < before || seconds <= 0 {
		return 0
	}
	return float64(after-before) / seconds
}
