package cli

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/auth"
	"bcc/fault"
)

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{"0": 0, "4096": 4096, "1B": 1, "1.5GB": 1_500_000_000, "8GiB": 8 << 30, "512 MiB": 512 << 20, "2TiB": 2 << 40, "3kB": 3000} {
		var s byteSize
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v: want %d", text, s, err, want)
		}
		var again byteSize
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%q is printed as %q, which is %d, %v", text, &s, again, err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1e300GB", "much", "1PiB", "NaN", "InfB"} {
		var s byteSize
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %d: want it refused", text, s)
		}
	}
}

func TestAKeyEndsWhenItsFlagSays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "90d": now.AddDate(0, 0, 90), "12h": now.Add(12 * time.Hour),
		"2027-01-31": time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), // good on the day itself
	} {
		if got, err := expiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v: want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"90", "d", "-1d", "0d", "1000000d", "-3h", "2027-02-30", "soon"} {
		if got, err := expiry(text, now); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v, %v: want it refused", text, got, err)
		}
	}
}

func TestOnlyAddressesOfThisComputerAreLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:8000": true, "127.9.9.9:0": true, "[::1]:8000": true, "[::ffff:127.0.0.1]:80": true, "localhost:8000": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:8000": false, "10.0.0.1:8000": false, "no.such.host.invalid:1": false, "127.0.0.1": false,
	} {
		if got := loopback(t.Context(), addr); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}

func TestANameThatLeadsToLoopbackFromElsewhereWantsAKey(t *testing.T) {
	t.Parallel()
	for public, want := range map[bool]fault.Kind{true: fault.Invalid, false: fault.Of(nil)} {
		f := accessFlags{limits: auth.DefaultLimits()}
		if _, err := f.openAccess(t.Context(), "127.0.0.1:8443", public, t.TempDir(), prometheus.NewRegistry()); fault.Of(err) != want || (err != nil) != public {
			t.Errorf("reached from elsewhere %v: %v", public, err)
		}
	}
}

func TestTheAddressIsTheOneGivenElseThePort(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]listenFlags{
		"127.0.0.1:8000": {port: "8000"}, "127.0.0.1:9": {port: "9"}, "0.0.0.0:1": {addr: "0.0.0.0:1", port: "9"},
	} {
		if got, err := f.address(); err != nil || got != want {
			t.Errorf("%q, %v: want %q", got, err, want)
		}
	}
	if _, err := (&listenFlags{addr: "somewhere"}).address(); fault.Of(err) != fault.Invalid {
		t.Errorf("%v: want an address without a port refused", err)
	}
}

func TestNetworksMayBeSingleAddresses(t *testing.T) {
	t.Parallel()
	got, err := networks("--x", []string{"10.1.2.3/8", "::1", "192.168.0.7"})
	if err != nil || len(got) != 3 || got[0].String() != "10.0.0.0/8" || got[1].String() != "::1/128" || got[2].String() != "192.168.0.7/32" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := networks("--x", []string{"10.0.0.0/33"}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v: want it refused", err)
	}
}
