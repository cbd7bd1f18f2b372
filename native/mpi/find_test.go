package mpi_test

import (
	"slices"
	"testing"

	"bcc/native/mpi"
)

func TestItKnowsLaunchersByTheirEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		env               map[string]string
		found             bool
		rank, size, local int
		library           string
	}{
		{"none", map[string]string{"RANK": "1", "WORLD_SIZE": "4", "SLURM_PROCID": "0"}, false, 0, 0, 0, ""},
		{"Open MPI", map[string]string{"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "PMIX_RANK": "1"}, true, 1, 4, 1, "libmpi.so.40"},
		{"MPICH", map[string]string{"PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0"}, true, 0, 2, 0, "libmpich.so.12"},
		{"srun --mpi=pmix", map[string]string{"PMIX_RANK": "7", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "3"}, true, 7, 8, 3, "libmpi.so.40"},
		{"PMIx alone", map[string]string{"PMIX_RANK": "7"}, true, 7, 0, -1, "libmpi.so.40"},
		{"nonsense", map[string]string{"PMI_RANK": "x", "PMI_SIZE": "-1"}, true, -1, 0, -1, "libmpich.so.12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, found := mpi.Find(func(name string) (string, bool) { v, ok := c.env[name]; return v, ok })
			if found != c.found {
				t.Fatalf("found = %v", found)
			}
			if !found {
				return
			}
			if l.Rank != c.rank || l.Size != c.size || l.LocalRank != c.local || l.Libraries[0] != c.library {
				t.Errorf("it found %+v", l)
			}
			if !slices.Contains(l.Libraries, "libmpich.so.12") || !slices.Contains(l.Libraries, "libmpi.so.40") {
				t.Errorf("it would not try all families: %v", l.Libraries)
			}
		})
	}
}
