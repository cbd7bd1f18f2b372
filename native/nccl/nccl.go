// Package nccl joins ranks that have a GPU each, through NVIDIA's NCCL.
//
// In: float64 and byte slices of main memory. Out: the same, summed or copied over
// all ranks. It does not train, and it does not start ranks: who is who, and how the
// id of a world gets from rank 0 to the others, is its caller's to know.
//
//	Load ─► NewID (on rank 0) ─► Open (on all, with that id) ─► AllReduce, Broadcast, Barrier ─► Close
//
// NCCL works on the GPU's memory: what is summed goes there and back through one
// buffer, a piece at a time. The libraries are found at run time and nothing is
// linked. One thread of the process makes all calls, because CUDA keeps the present
// GPU per thread.
//
// Without cgo the package builds, and Load answers fault.Unavailable.
package nccl

// Paths are where the libraries are looked for; empty means where the system's
// loader looks, under the names that NVIDIA and PyTorch give them.
type Paths struct {
	NCCL, CUDA []string
}

// Names of the libraries.
var (
	ncclNames = []string{"libnccl.so.2", "libnccl.so"}
	cudaNames = []string{"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"}
)

// Config says which place in which world to take.
type Config struct {
	Rank, Size int
	Device     int    // the GPU, from 0
	ID         []byte // NewID's, the same on all ranks
}

// IDBytes is the length of a world's id (NCCL_UNIQUE_ID_BYTES of nccl.h).
const IDBytes = 128
