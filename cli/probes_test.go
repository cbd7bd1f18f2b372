package cli

import (
	"net"
	"strings"
	"testing"

	"bcc/fault"
)

func TestAnAddressOfMetricsThatCannotBeHadIsClear(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, want := range map[string]struct {
		kind  fault.Kind
		words string
	}{
		taken.Addr().String(): {fault.Unavailable, "something else listens there"},
		"nonsense":            {fault.Invalid, `--metrics-addr "nonsense": want host:port`},
		"192.0.2.1:9100":      {fault.Unavailable, "192.0.2.1:9100"}, // no machine's own (RFC 5737)
		"127.0.0.1:99999":     {fault.Unavailable, "99999"},
	} {
		p, err := listenProbes(addr, nil)
		if p != nil || fault.Of(err) != want.kind || !strings.Contains(err.Error(), want.words) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (%v), hint %q", addr, err, fault.Of(err), fault.HintOf(err))
		}
	}
}
