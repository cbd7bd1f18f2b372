// Package mpi joins the ranks that an MPI launcher started (mpirun, mpiexec, srun).
//
// In: float64 and byte slices. Out: the same, summed or copied over all ranks. It
// does not train, and it reads no environment by itself: Find is given a look-up.
//
//	Find (is there a launcher?) ─► Open ─► AllReduce, Broadcast, Barrier ─► Close
//
// The library is found at run time and nothing is linked, so that whoever trains on
// one machine needs no MPI. Both families of binary interfaces are spoken: Open MPI,
// and MPICH with what descends from it (Intel MPI, MVAPICH, Cray).
//
// One thread of the process makes all calls of the library, because MPI_Init ties
// it to the thread that called it. Waiting is MPI_Test and a short sleep: a blocking
// call spins, and beside two ranks that compute on two cores an all-reduce of 789k
// floats then took 34 ms instead of 6 (docs/results.md).
//
// Without cgo the package builds, and Open answers fault.Unavailable.
package mpi

import (
	"fmt"
	"slices"
	"strconv"

	"bcc/fault"
)

// Launcher is what the environment says of the program that started this process.
type Launcher struct {
	Name      string   // for messages
	Rank      int      // -1 where it does not say
	Size      int      // 0 where it does not say
	LocalRank int      // place among the ranks of this machine; -1 where it does not say
	Libraries []string // that belong to it, best first
}

// Names of the libraries in Debian, in the makers' own packages and in Intel's.
var (
	openMPI = []string{"libmpi.so.40", "libmpi.so"}
	mpich   = []string{"libmpich.so.12", "libmpi.so.12", "libmpich.so"}
)

// launchers are looked for in this order: Open MPI's sets PMIX_RANK too, and a
// launcher inside a Slurm job wins over Slurm's own names.
var launchers = []struct {
	name, rank, size, local string // name, and its variables
	own, others             []string
}{
	{"Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", openMPI, mpich},
	{"MPICH's mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", mpich, openMPI},
	{"a PMIx launcher", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", openMPI, mpich},
}

// Find says whether an MPI launcher started this process. lookup is os.LookupEnv.
// The libraries of other families come last: Open sees whether library and launcher
// understand each other.
func Find(lookup func(string) (string, bool)) (Launcher, bool) {
	number := func(name string, none int) int {
		text, _ := lookup(name)
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			return n
		}
		return none
	}
	for _, l := range launchers {
		if _, ok := lookup(l.rank); !ok {
			continue
		}
		return Launcher{l.name, number(l.rank, -1), number(l.size, 0), number(l.local, -1), slices.Concat(l.own, l.others)}, true
	}
	return Launcher{}, false
}

// agree returns an error when the world that the library sees is not the one that
// the launcher made: a library of the other family starts, and sees itself alone.
func (l Launcher) agree(rank, size int, library string) error {
	if (l.Size == 0 || l.Size == size) && (l.Rank < 0 || l.Rank == rank) {
		return nil
	}
	wanted := fmt.Sprintf("rank %d", l.Rank)
	if l.Size > 0 {
		wanted += fmt.Sprintf(" of %d", l.Size)
	}
	err := fault.New(fault.Invalid, "start MPI: %s started this process as %s, but %s says rank %d of %d", l.Name, wanted, library, rank, size)
	return fault.Hint(err, "use the mpirun that belongs to that library, or name the other library with --mpi-library")
}
