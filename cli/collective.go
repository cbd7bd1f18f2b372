package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"bcc/fault"
	"bcc/native/mpi"
	"bcc/native/nccl"
	"bcc/train"
	"bcc/train/lifeline"
)

var (
	_ train.Collective = (*mpi.World)(nil)
	_ train.Collective = (*nccl.World)(nil)
)

// collectiveFlags say how the processes of a run meet.
type collectiveFlags struct {
	how    string
	limit  time.Duration
	mpi    string
	nccl   string
	cudart string
}

func (f *collectiveFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.how, "collective", "auto", "how processes meet: none, mpi (started by mpirun or srun), nccl (a GPU each, started by torchrun or mpirun); auto: as they were started")
	fs.DurationVar(&f.limit, "collective-timeout", 10*time.Minute, "how long processes wait for each other before the run ends and names who is late")
	fs.StringVar(&f.mpi, "mpi-library", "", "path of the MPI library; empty: the one that belongs to the launcher")
	fs.StringVar(&f.nccl, "nccl-library", "", "path of libnccl.so.2; empty: where the system looks")
	fs.StringVar(&f.cudart, "cudart-library", "", "path of libcudart.so; empty: where the system looks")
}

// check refuses what makes no sense.
func (f *collectiveFlags) check() error {
	if f.limit < time.Second {
		return fault.New(fault.Invalid, "--collective-timeout %v: want a second or more", f.limit)
	}
	switch f.how {
	case "auto", "none", "mpi", "nccl":
		return nil
	}
	return fault.New(fault.Invalid, "--collective %q: want auto, none, mpi or nccl", f.how)
}

// ranks is this process among those of a run.
type ranks struct {
	train.Collective
	line     *lifeline.Line // nil alone, and where the ranks could not be joined by one
	launched *mpi.World     // nil where no MPI launcher is; under NCCL it brought the id
	closers  []io.Closer
	notes    io.Writer
}

// openCollective joins the processes of a run. Alone it is a world of one.
func openCollective(ctx context.Context, f collectiveFlags, std Streams) (*ranks, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	launcher, launched := mpi.Find(os.LookupEnv)
	torch, torched, err := findTorch(os.LookupEnv)
	if err != nil && f.how != "none" && !launched {
		return nil, err
	}
	switch {
	case f.how == "none", f.how == "auto" && launched && launcher.Size == 1, f.how == "auto" && !launched && !torched:
		return &ranks{Collective: train.Alone{}}, nil
	case launched:
		return f.underLauncher(ctx, launcher, std)
	case f.how == "mpi":
		return nil, fault.Hint(fault.New(fault.Invalid, "--collective mpi: no MPI launcher started this process"), "mpirun -np N bcc train … starts N processes")
	case torched:
		return f.underTorch(ctx, torch, std)
	}
	return nil, fault.Hint(fault.New(fault.Invalid, "--collective nccl: neither mpirun nor torchrun started this process"),
		"set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT as torchrun does, or start it with mpirun")
}

// lineConfig says who this rank is on the life line. A loss is printed at once:
// MPICH's launcher kills all that are left within a tenth of a second, and itself
// tells a process number only.
func lineConfig(rank, size int, notes io.Writer) lifeline.Config {
	cfg := lifeline.DefaultConfig(rank, size)
	cfg.Host, _ = os.Hostname() // for messages only
	cfg.Tell = func(lost error) {
		if !toldToStop(lost) { // it may be this rank too, and then that is no news
			fmt.Fprintf(notes, "bcc: note: %s; this run ends\n", printable(lost.Error()))
		}
	}
	return cfg
}

// underLauncher joins the ranks that an MPI launcher started: through MPI, and
// through NCCL on top of it where that is asked for.
func (f *collectiveFlags) underLauncher(ctx context.Context, launcher mpi.Launcher, std Streams) (*ranks, error) {
	soon, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	world, err := mpi.Open(soon, launcher, one(f.mpi)...)
	if err != nil {
		if ctx.Err() == nil && soon.Err() != nil {
			err = fault.New(fault.Unavailable, "not all ranks came within %v: %w", f.limit, err)
		}
		return nil, err
	}
	r := &ranks{Collective: world, launched: world, closers: []io.Closer{world}, notes: std.Err}
	if world.Size() == 1 {
		return r, nil
	}
	cfg := lineConfig(world.Rank(), world.Size(), std.Err)
	cfg.Join = 10 * time.Second // MPI has brought them together already
	if r.line, err = lifeline.Over(ctx, world, cfg); err != nil {
		if ctx.Err() != nil || fault.Of(err) != fault.Unavailable {
			return nil, r.leave(ctx, err)
		}
		if world.Rank() == 0 {
			fmt.Fprintf(std.Err, "bcc: note: %s; a rank that dies is the launcher's to notice\n", printable(err.Error()))
		}
	}
	r.Collective = lifeline.Guard(world, r.line, f.limit)
	if f.how == "nccl" {
		place := nccl.Config{Rank: world.Rank(), Size: world.Size(), Device: max(launcher.LocalRank, 0)}
		overMPI := func(ctx context.Context, id []byte) ([]byte, error) { return id, r.Broadcast(ctx, id, 0) }
		if err := f.openNCCL(ctx, r, place, overMPI); err != nil {
			return nil, r.leave(ctx, err)
		}
	}
	return r, nil
}

// torch is what torchrun says of a process.
type torch struct {
	rank, size, local int
	host              string
	port              int
	run               string
}

// findTorch says whether torchrun, or someone who sets the same variables, started
// this process with others.
func findTorch(lookup func(string) (string, bool)) (t torch, found bool, err error) {
	size, ok := lookup("WORLD_SIZE")
	if _, ranked := lookup("RANK"); !ok || !ranked {
		return torch{}, false, nil
	}
	var errs []error
	number := func(name string, least, most int) int {
		text, _ := lookup(name)
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			errs = append(errs, fault.New(fault.Invalid, "environment %s=%q: want a number from %d to %d", name, text, least, most))
		}
		return n
	}
	t.size = number("WORLD_SIZE", 1, 1<<20)
	if size == "1" {
		return torch{}, false, nil
	}
	t.rank = number("RANK", 0, max(t.size-1, 0))
	t.local = number("LOCAL_RANK", 0, 1<<10)
	t.port = number("MASTER_PORT", 1, 1<<16-1)
	if t.host, _ = lookup("MASTER_ADDR"); t.host == "" {
		errs = append(errs, fault.New(fault.Invalid, "environment MASTER_ADDR is empty: want the name of rank 0's machine"))
	}
	t.run, _ = lookup("TORCHELASTIC_RUN_ID")
	return t, true, errors.Join(errs...)
}

// doors is how many ports from MASTER_PORT on are tried: torchrun's own store holds
// the first.
const doors = 8

// addrs are where rank 0 of the run listens, or may be found.
func (t torch) addrs() []string {
	host := t.host
	if t.rank == 0 {
		host = "" // all addresses of this machine
	}
	var addrs []string
	for i := range min(doors, 1<<16-t.port) {
		addrs = append(addrs, net.JoinHostPort(host, strconv.Itoa(t.port+i)))
	}
	return addrs
}

// underTorch joins the ranks that torchrun started: they meet at MASTER_ADDR, stay
// connected there, and compute through NCCL. They meet before anything can go wrong,
// so that the others hear of what does.
func (f *collectiveFlags) underTorch(ctx context.Context, t torch, std Streams) (*ranks, error) {
	cfg := lineConfig(t.rank, t.size, std.Err)
	cfg.Key = fmt.Sprintf("%s:%d/%s", t.host, t.port, t.run)
	r := &ranks{notes: std.Err}
	if t.rank == 0 {
		door, err := lifeline.Listen(cfg, t.addrs()...)
		if err != nil {
			return nil, err
		}
		if r.line, err = door.Gather(ctx); err != nil {
			return nil, err
		}
	} else {
		var err error
		if r.line, err = lifeline.Dial(ctx, cfg, t.addrs()...); err != nil {
			return nil, err
		}
	}
	if err := f.openNCCL(ctx, r, nccl.Config{Rank: t.rank, Size: t.size, Device: t.local}, r.line.Share); err != nil {
		err = fault.New(fault.Of(err), "torchrun's environment (RANK=%d of WORLD_SIZE=%d) asks for NCCL: %w", t.rank, t.size, err)
		return nil, r.leave(ctx, fault.Hint(err, "with GPUs: --nccl-library and --cudart-library name the libraries; without: mpirun -np %d bcc train …, or --collective none", t.size))
	}
	return r, nil
}

// openNCCL takes a GPU and joins the world whose id share brings from rank 0; r's
// calls go through it from then on.
func (f *collectiveFlags) openNCCL(ctx context.Context, r *ranks, cfg nccl.Config, share func(ctx context.Context, id []byte) ([]byte, error)) error {
	ctx, unwatch := r.watch(ctx) // NCCL waits for all, a rank that is lost too
	defer unwatch()
	lib, err := nccl.Load(nccl.Paths{NCCL: one(f.nccl), CUDA: one(f.cudart)})
	if err != nil {
		return err
	}
	if _, err := lib.Devices(); err != nil {
		return err
	}
	cfg.ID = make([]byte, nccl.IDBytes)
	if cfg.Rank == 0 {
		if cfg.ID, err = lib.NewID(); err != nil {
			return err
		}
	}
	if cfg.ID, err = share(ctx, cfg.ID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	gpus, err := nccl.Open(ctx, lib, cfg)
	if err != nil {
		return err
	}
	r.closers = append([]io.Closer{gpus}, r.closers...)
	r.Collective = lifeline.Guard(gpus, r.line, f.limit)
	return nil
}

// one is a list of the path, none where it is empty.
func one(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// watch returns a context that ends when another rank is lost.
func (r *ranks) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.line == nil {
		return context.WithCancel(ctx)
	}
	return r.line.Context(ctx)
}

// verdictPatience is how long a process that was told to stop waits for the news
// that another one is lost: a launcher stops all when one dies.
const verdictPatience = 500 * time.Millisecond

// errStopped is what the others hear of a process that was told to stop.
var errStopped = errors.New("it was told to stop")

// toldToStop reports whether a rank was lost because somebody told it to stop.
func toldToStop(lost error) bool {
	return lost != nil && strings.HasSuffix(lost.Error(), errStopped.Error())
}

// leave ends this process's part of a run that ended with err, and returns what is to
// be told. ctx is the command's own. After a run that went well it waits for the
// others; else it tells them and does not wait.
func (r *ranks) leave(ctx context.Context, err error) error {
	if err == nil {
		if err = r.Barrier(ctx); err == nil { // rank 0 may still be writing
			if r.line != nil {
				err = r.line.Close()
			}
			for _, c := range r.closers {
				err = errors.Join(err, c.Close())
			}
			return err
		}
	}
	if r.line == nil {
		if r.launched != nil && r.launched.Size() > 1 && ctx.Err() == nil {
			// Only the launcher can end the others. It ends this process too.
			printError(r.notes, fmt.Errorf("rank %d of %d: %w", r.launched.Rank(), r.launched.Size(), err))
			r.launched.Abort(fault.Exit(err))
		}
		return err
	}
	if ctx.Err() != nil {
		select {
		case <-r.line.Lost():
		case <-time.After(verdictPatience):
		}
	}
	lost := r.line.Err()
	if toldToStop(lost) { // by Ctrl-C all are, and another's word may come before one's own signal
		select {
		case <-ctx.Done():
		case <-time.After(verdictPatience):
		}
	}
	if ctx.Err() != nil {
		r.line.Fail(errStopped)
	} else {
		r.line.Fail(err)
	}
	switch {
	case toldToStop(lost) && ctx.Err() != nil:
		return ctx.Err()
	case lost == nil, errors.Is(err, lost):
		return err
	case errors.Is(err, context.Canceled), fault.Of(err) == fault.Unavailable, fault.Of(err) == fault.Internal:
		return lost
	}
	return err // all found the same fault at once
}
