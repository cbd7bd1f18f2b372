//go:build linux

package isolate_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/isolate"
	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// walkIt opens a picture and reads its patches, of which a child may not like one.
func walkIt(ctx context.Context, p *isolate.Pool) error {
	b := picture(400, 300)
	mpp := wsi.MPP{X: 1, Y: 1}
	s, err := p.Open(ctx, bytes.NewReader(b), int64(len(b)), slide.Config{MPP: mpp})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = patches(ctx, s, everywhere(s.Levels()[0].Size, mpp, 10), patch.DefaultConfig(8, 1.25))
	return err
}

func TestASlideThatHarmsItsDecoderFailsWithTheReason(t *testing.T) {
	t.Parallel()
	for deed, says := range map[string]string{
		"segfault": "SIGSEGV", "abort": "SIGABRT", "panic": "index out of range", "overflow": "stack",
		"hang": "did not answer", "spin": "did not answer", "eat": "GiB of memory", "exit": "code 0",
		"connect": "no decoder needs", "write": "no decoder needs", "exec": "no decoder needs", "kill": "no decoder needs",
		"chat": "makes no sense", "hang up": "",
	} {
		t.Run(deed, func(t *testing.T) {
			t.Parallel()
			cfg := config(deed, "700") // of 1200 patches
			if strings.Contains(says, "answer") {
				cfg.Patience = 500 * time.Millisecond
			}
			if deed == "eat" && race {
				t.Skip("without a limit of memory")
			}
			cfg.Memory = max(256<<20, cfg.Memory/6)
			p := newPool(t, cfg)
			for range 2 { // the second slide gets another decoder
				err := walkIt(t.Context(), p)
				if !errors.Is(err, isolate.ErrKilled) || !strings.Contains(err.Error(), says) || fault.Of(err) != fault.Corrupt {
					t.Errorf("%v, want %q", err, says)
				}
			}
			if made, _ := filepath.Glob(filepath.Join(os.TempDir(), "isolate-[0-9]*")); deed == "write" && len(made) > 0 {
				t.Errorf("it wrote %v", made)
			}
		})
	}
}

// What is refused, not deadly, makes the deed end by itself: the walk goes on.
func TestADecoderIsRefusedWhatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	for _, deed := range []string{"open", "map code", "more memory"} {
		if err := walkIt(t.Context(), newPool(t, config(deed, "10"))); err != nil {
			t.Errorf("%s: %v", deed, err)
		}
	}
}

func TestASlideMayUseSoMuchProcessorTime(t *testing.T) {
	t.Parallel()
	cfg := config("spin", "700")
	cfg.CPU, cfg.CPUPerMpx = time.Second, 0
	err := walkIt(t.Context(), newPool(t, cfg))
	if !errors.Is(err, isolate.ErrKilled) || !strings.Contains(err.Error(), "more than 1s of processor time") {
		t.Errorf("%v", err)
	}
}

func TestItStopsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	cfg := config()
	p := newPool(t, cfg)
	b := picture(400, 300)
	mpp := wsi.MPP{X: 1, Y: 1}
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: mpp})
	g := everywhere(s.Levels()[0].Size, mpp, 10)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan wsi.Patch)
		ended := make(chan error, 1)
		go func() { ended <- s.Patches(ctx, g, patch.DefaultConfig(8, 1.25), out) }()
		var held []wsi.Patch
		for range 9 {
			held = append(held, <-out)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, isolate.ErrKilled) {
			t.Fatal(err)
		}
		for _, h := range held { // their memory is there as long as they are held
			if len(h.Pix) != 3*8*8 || bytes.Count(h.Pix, h.Pix[:1]) == 0 {
				t.Error("a patch without pixels")
			}
			h.Release()
		}
	}
	if all, err := patches(t.Context(), s, g, patch.DefaultConfig(8, 1.25)); err != nil || len(all) != g.Len() {
		t.Errorf("the same child afterwards: %v", err)
	}
}

// A decoder that hangs does not stop when it is told to, and must not keep anybody.
func TestAStuckSlideIsLeftAndClosed(t *testing.T) {
	t.Parallel()
	cfg := config("hang", "1")
	cfg.Patience = 500 * time.Millisecond
	p := newPool(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	b := picture(400, 300)
	mpp := wsi.MPP{X: 1, Y: 1}
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: mpp})
	how := patch.DefaultConfig(8, 1.25)
	how.Readers = 2
	out := make(chan wsi.Patch)
	ended := make(chan error, 1)
	go func() { ended <- s.Patches(ctx, everywhere(s.Levels()[0].Size, mpp, 10), how, out) }()
	(<-out).Release() // of the other reader: the one that hangs has begun, or will with nobody's help
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := walkIt(t.Context(), p); !errors.Is(err, isolate.ErrKilled) { // another child, which hangs too
		t.Error(err)
	}
}

func TestPatchesOutliveTheirSlide(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(400, 300)
	mpp := wsi.MPP{X: 1, Y: 1}
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{MPP: mpp})
	g := everywhere(s.Levels()[0].Size, mpp, 100)
	out := make(chan wsi.Patch, g.Len())
	if err := s.Patches(t.Context(), g, patch.DefaultConfig(8, 12.5), out); err != nil {
		t.Fatal(err)
	}
	s.Close()
	close(out)
	for one := range out {
		if len(bytes.Clone(one.Pix)) != 3*8*8 {
			t.Error("a patch without pixels")
		}
		one.Release()
	}
}

func TestAPoolThatIsClosedEndsItsSlides(t *testing.T) {
	t.Parallel()
	p := newPool(t, config())
	b := picture(64, 64)
	s := open(t, p, bytes.NewReader(b), len(b), slide.Config{})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Overview(t.Context(), 2); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Open(t.Context(), bytes.NewReader(b), int64(len(b)), slide.Config{}); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestItSaysThatNoDecoderCanBeHad(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"/no/such/program"}, {"/bin/false"}} {
		cfg := config()
		cfg.Command = command
		b := picture(64, 64)
		_, err := newPool(t, cfg).Open(t.Context(), bytes.NewReader(b), int64(len(b)), slide.Config{})
		if fault.Of(err) != fault.Unavailable || errors.Is(err, isolate.ErrKilled) {
			t.Errorf("%v: %v", command, err)
		}
	}
	if _, err := isolate.NewPool(isolate.Config{}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}
