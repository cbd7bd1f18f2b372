package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/dataset"
	"bcc/fault"
	"bcc/train"
	"bcc/train/traintest"
)

// Four ranks share slides; what each says of its own is known to all.
func TestRanksAgreeOnTheSlidesThatFailed(t *testing.T) {
	t.Parallel()
	torn := fault.Hint(fault.New(fault.Corrupt, "torn"), "scan it again")
	var eg errgroup.Group
	for _, w := range traintest.World(4) {
		eg.Go(func() error {
			mine := made{}
			if w.Rank() == 2 {
				mine.Failed = map[int]*told{3: tell(torn)}
			}
			all, err := gather(t.Context(), w, mine)
			if err != nil {
				return err
			}
			b := &bagged{slides: threeAnd("slide3")}
			var said bytes.Buffer
			if err := b.settle(all, 4, &said); err != nil {
				return err
			}
			got := b.failed["slide3"]
			if len(b.failed) != 1 || fault.Of(got) != fault.Corrupt || got.Error() != "torn" || fault.HintOf(got) != "scan it again" {
				return fmt.Errorf("rank %d knows of %v", w.Rank(), b.failed)
			}
			if !strings.Contains(said.String(), "4 slides: 3 done, 0 skipped (bags were there), 1 failed.") {
				return fmt.Errorf("rank %d says %s", w.Rank(), said.String())
			}
			if err := b.leftOut(); fault.Of(err) != fault.Corrupt {
				return fmt.Errorf("rank %d ends with %v", w.Rank(), err)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

func threeAnd(last string) []dataset.Slide {
	return []dataset.Slide{{Name: "slide0"}, {Name: "slide1"}, {Name: "slide2"}, {Name: last}}
}

func TestItTellsASlidesFaultFromTheMachines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		all    []made
		stops  bool
		failed int
	}{
		{"nothing is wrong", []made{{}, {}}, false, 0},
		{"a slide is torn", []made{{Failed: map[int]*told{1: {Kind: fault.Corrupt}}}}, false, 1},
		{"a slide makes the program panic", []made{{Failed: map[int]*told{1: {Kind: fault.Internal}}}}, false, 1},
		{"the disk is full", []made{{Failed: map[int]*told{1: {Kind: fault.Corrupt}}}, {Failed: map[int]*told{2: {Kind: fault.Unavailable}}}}, true, 2},
		{"all are torn", []made{{Failed: map[int]*told{0: {}, 1: {}, 2: {}, 3: {}}}}, true, 4},
		{"a rank has no engine", []made{{}, {Broken: &told{Kind: fault.Unavailable}}}, true, 0},
	} {
		b := &bagged{slides: threeAnd("slide3")}
		err := b.settle(c.all, 4, &bytes.Buffer{})
		if (err != nil) != c.stops || len(b.failed) != c.failed {
			t.Errorf("%s: %v, %d slides left out", c.name, err, len(b.failed))
		}
	}
}

// Bags that somebody made with another model are named and left alone.
func TestBagsOfAnotherEncoderInAForeignFolderAreRefused(t *testing.T) {
	t.Parallel()
	for bags, own := range map[string]bool{"run/bags": true, "./run/bags/": true, "bags": false, "run2/bags": false} {
		if f := (trainFlags{out: "run", bags: bags}); f.ownBags() != own {
			t.Errorf("%s is the folder of the run itself: %v, want %v", bags, !own, own)
		}
	}
	f := trainFlags{out: "run", bags: "bags", encoder: "small"}
	err := f.refuseBags([]strange{{}, {"bags/a.tif.bag", "0123456789abcdef"}}, 3, "fedcba9876543210")
	for _, want := range []string{"--bags bags: 3 bags are of another encoder than small (fedcba987654)", "bags/a.tif.bag for one (0123456789ab)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if fault.Of(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "run/bags") {
		t.Errorf("%v, hint %q", fault.Of(err), fault.HintOf(err))
	}
}

// A rank that is through early waits for the slowest without being lost, and nobody
// waits for a rank that fails.
func TestRanksWaitForTheSlowest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var eg errgroup.Group
		begun := time.Now()
		for _, w := range traintest.World(3) {
			eg.Go(func() error {
				err := together(t.Context(), w, func(context.Context) { time.Sleep(time.Duration(w.Rank()) * time.Hour) })
				if took := time.Since(begun); err != nil || took < 2*time.Hour || took > 2*time.Hour+2*longestBeat {
					t.Errorf("rank %d: %v after %v", w.Rank(), err, took)
				}
				return nil
			})
		}
		_ = eg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("rank 1 is lost")
		err := together(t.Context(), failing{lost}, func(ctx context.Context) { <-ctx.Done() })
		if !errors.Is(err, lost) {
			t.Errorf("%v, want %v", err, lost)
		}
	})
}

// failing is a world of two in which the other rank is lost.
type failing struct{ err error }

func (failing) Rank() int                                      { return 0 }
func (failing) Size() int                                      { return 2 }
func (f failing) AllReduce(context.Context, []float64) error   { return f.err }
func (f failing) Broadcast(context.Context, []byte, int) error { return f.err }
func (f failing) Barrier(context.Context) error                { return f.err }
func (failing) Close() error                                   { return nil }

var _ train.Collective = failing{}
