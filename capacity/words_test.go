package capacity

import (
	"testing"
	"time"
)

func TestTimesAreInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0 s", 59 * time.Second: "59 s", 2 * time.Minute: "2 min", 61 * time.Second: "1 min 1 s",
		11*time.Minute + 40*time.Second: "12 min", 90 * time.Minute: "1 h 30 min", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d 2 h",
	} {
		if got := Words(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
