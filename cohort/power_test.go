package cohort_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/blob"
	"bcc/cohort"
	"bcc/disk/powertest"
	"bcc/fault"
	"bcc/queue"
)

// cuts is at how many moments of a run the power goes, for each way of losing it.
// BCC_CUTS sets another number.
func cuts() int {
	if n, err := strconv.Atoi(os.Getenv("BCC_CUTS")); err == nil {
		return n
	}
	return 2
}

// machine is what one machine has below a folder.
type machine struct {
	store  *blob.FolderStore
	queue  *queue.Queue
	ledger *cohort.Ledger
	desk   *cohort.Desk
}

// start opens all of it, as a server does. Where the queue's folder is damaged it does
// as the hint says.
func start(ctx context.Context, dir string) (_ *machine, err error) {
	m := &machine{}
	if m.store, err = blob.Folder(filepath.Join(dir, "store")); err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "queue")
	m.queue, err = queue.Open(ctx, queue.Config{Dir: folder})
	if fault.Of(err) == fault.Corrupt && strings.Contains(fault.HintOf(err), "move "+folder+" away") {
		if err := os.Rename(folder, folder+".away"); err != nil {
			return nil, err
		}
		m.queue, err = queue.Open(ctx, queue.Config{Dir: folder})
	}
	if err != nil {
		m.store.Close()
		return nil, err
	}
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.Rescan = m.store, m.queue, 50*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	if m.ledger, err = cohort.Open(ctx, cfg); err != nil {
		return nil, errors.Join(err, m.queue.Close(), m.store.Close())
	}
	m.desk = cohort.NewDesk(m.store, m.queue)
	return m, nil
}

func (m *machine) close() error {
	return errors.Join(m.ledger.Close(), m.queue.Close(), m.store.Close())
}

// walk takes a job and does it. ErrOver: it was done before.
func (m *machine) walk(ctx context.Context) (cohort.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	lease, err := m.queue.Take(ctx)
	if err != nil {
		return cohort.Task{}, err
	}
	task, err := m.desk.Begin(ctx, lease.Data)
	if err == nil {
		err = m.desk.End(ctx, task, done(task.Index+1))
	}
	if err != nil && !errors.Is(err, cohort.ErrOver) {
		return task, err
	}
	return task, errors.Join(err, lease.Done(ctx))
}

// said is what a run was promised: cohorts, and slides that have ended.
type said struct {
	at      int // operations of the disk after which it was
	id      string
	slides  int
	ended   int // index; -1: the cohort was submitted
	patches int
}

// day submits cohorts and ends some of their slides.
func day(t *testing.T, m *machine, now func() int) (heard []said) {
	t.Helper()
	for _, n := range []int{3, 1, 4} {
		sub, err := m.ledger.Submit(t.Context(), cohort.Manifest{Owner: "k1", Slides: slides(n)})
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, said{at: now(), id: sub.ID, slides: n, ended: -1})
		for range 2 {
			task, err := m.walk(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, said{at: now(), id: task.Cohort, ended: task.Index, patches: task.Index + 1})
		}
	}
	return heard
}

// goOn starts a machine on what is left and finishes the work. All that was said before
// n has to be there, every slide accounted for, and nothing done twice that had ended.
func goOn(t *testing.T, dir string, n int, heard []said) error {
	m, err := start(t.Context(), dir)
	if err != nil {
		return err
	}
	defer m.close()
	ended := map[string]bool{}
	ids := map[string]bool{}
	for _, s := range heard {
		if s.at > n {
			continue
		}
		ids[s.id] = true
		if s.ended < 0 {
			continue
		}
		ended[cohort.SlideID(s.id, s.ended)] = true
		st, _, err := m.ledger.Slide(t.Context(), cohort.SlideID(s.id, s.ended))
		if err != nil || st.State != cohort.Done || st.End == nil || st.End.Patches != s.patches {
			return fmt.Errorf("slide %d of %s had ended: %+v, %w", s.ended, s.id, st, err)
		}
	}
	sums, err := m.ledger.Summaries(t.Context(), "", true)
	if err != nil {
		return err
	}
	left := 0
	for _, s := range sums {
		delete(ids, s.ID)
		c := s.Counts
		if c.Submitted != c.Pending+c.Running+c.Done+c.Failed+c.Quarantined+c.Cancelled {
			return fmt.Errorf("%+v do not add up", c)
		}
		left += c.Pending + c.Running
	}
	if len(ids) > 0 {
		return fmt.Errorf("submitted and lost: %v", ids)
	}
	for left > 0 {
		task, err := m.walk(t.Context())
		if errors.Is(err, cohort.ErrOver) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%d slides left: %w", left, err)
		}
		if ended[task.SlideID] {
			return fmt.Errorf("%s had ended and is done again", task.SlideID)
		}
		left--
	}
	for _, s := range sums {
		if s, err := m.ledger.Summary(t.Context(), s.ID); err != nil {
			return err
		} else if eventuallyDone(m.ledger, s.ID, s.Counts.Submitted) != nil {
			return fmt.Errorf("%+v: want all done", s.Counts)
		}
	}
	return nil
}

func eventuallyDone(l *cohort.Ledger, id string, n int) error {
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if s, err := l.Summary(context.Background(), id); err != nil || s.Counts.Done == n {
			return err
		} else if time.Now().After(until) {
			return errors.New("not done")
		}
	}
}

// On a disk as hard as POSIX allows, whatever it loses, tears and harms: no submission
// and no end that was acknowledged is lost, and the rest is done.
func TestNoCutLosesASlide(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	m, err := start(t.Context(), filepath.Join(d.Dir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	heard := day(t, m, d.Now)
	run := d.Record()
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	var eg errgroup.Group
	eg.SetLimit(2)
	for i, loss := range []powertest.Loss{powertest.Drop, powertest.Mix(1), powertest.Mix(2), powertest.Mix(3)} {
		for _, rules := range []powertest.Rules{powertest.Strict, powertest.Kinder} {
			for _, n := range run.Moments(cuts()) {
				eg.Go(func() error {
					dir := powertest.Memory(t)
					defer os.RemoveAll(dir)
					if err := run.Cut(n, rules, loss, "").WriteTo(dir); err != nil {
						return err
					}
					if err := goOn(t, filepath.Join(dir, "data"), n, heard); err != nil {
						return fmt.Errorf("rules %d, loss %d, cut %d, after %s: %w", rules, i, n, run.Op(n), err)
					}
					return nil
				})
			}
		}
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

// A queue whose folder is lost, or in which bits have turned, costs what was not done.
func TestADamagedQueueCostsUnfinishedWorkOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(powertest.Memory(t), "whole")
	m, err := start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	heard := day(t, m, func() int { return 0 })
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	var eg errgroup.Group
	eg.SetLimit(2)
	for seed := range uint64(2 * cuts()) {
		eg.Go(func() error {
			harmed := filepath.Join(powertest.Memory(t), "harmed")
			defer os.RemoveAll(harmed)
			if err := os.CopyFS(harmed, os.DirFS(dir)); err != nil {
				return err
			}
			what, err := harm(filepath.Join(harmed, "queue"), seed)
			if err == nil {
				err = goOn(t, harmed, 0, heard)
			}
			if err != nil {
				return fmt.Errorf("seed %d: %w: %s", seed, err, what)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

// harm takes the folder away, or turns bits in some of its files or cuts them off.
func harm(dir string, seed uint64) (what string, err error) {
	if seed == 0 {
		return "folder gone", os.RemoveAll(dir)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Size() == 0 || r.IntN(8) > 0 {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		what += " " + strings.TrimPrefix(path, dir)
		if r.IntN(3) == 0 {
			return os.Truncate(path, int64(r.IntN(len(data))))
		}
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		return os.WriteFile(path, data, 0o600)
	})
	return "harmed" + what, err
}
