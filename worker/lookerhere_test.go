package worker_test

import (
	"context"
	"testing"

	"bcc/detect"
	"bcc/fault"
	"bcc/slide"
)

func TestALookerOpensPicturesHereWhateverWorkersDo(t *testing.T) {
	t.Parallel()
	m := newModel(t, patchPx, 1, nil)
	m.Detect.Open = func(context.Context, detect.Source, slide.Config) (detect.Slide, error) {
		return nil, fault.New(fault.Unavailable, "in a process of its own")
	}
	if _, err := newLooker(t, m).Look(t.Context(), picture(t, 1)); err != nil {
		t.Error(err)
	}
}
