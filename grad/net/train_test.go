package net_test

import (
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad/net"
)

func TestWhatHasNothingToLearnIsNotTrained(t *testing.T) {
	t.Parallel()
	_, err := net.Train("baseline", net.Config{}, 1)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "nothing to learn") || !strings.Contains(fault.HintOf(err), "resnet18") {
		t.Errorf("%v (hint %q), want that it has nothing to learn, and what has", err, fault.HintOf(err))
	}
	if _, err := net.Train("alexnet", net.Config{}, 1); fault.Of(err) != fault.NotFound {
		t.Errorf("%v, want not found", err)
	}
}
