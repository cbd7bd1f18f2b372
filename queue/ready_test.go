package queue_test

import (
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/queue"
)

func TestItKnowsWhetherItsServerIsThere(t *testing.T) {
	t.Parallel()
	here := open(t, queue.Config{Dir: t.TempDir(), Listen: "127.0.0.1:-1", Token: "open-sesame"})
	there := open(t, queue.Config{URL: "nats://open-sesame@" + here.Addr()})
	if here.Ready() != nil || there.Ready() != nil {
		t.Errorf("%v, %v: want that both are ready", here.Ready(), there.Ready())
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); there.Ready() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a queue whose server is gone is ready")
		}
	}
	if err := there.Ready(); fault.Of(err) != fault.Unavailable || strings.Contains(err.Error(), "open-sesame") {
		t.Error(err)
	}
}
