package resources_test

import (
	"runtime"
	"testing"

	"bcc/resources"
)

func TestItKnowsHowManyFilesMayBeOpen(t *testing.T) {
	t.Parallel()
	if n := resources.OpenFiles(); runtime.GOOS == "linux" && n < 64 {
		t.Errorf("%d files", n)
	}
}
