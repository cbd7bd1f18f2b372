// A stand-in for NCCL and CUDA's runtime with the same binary interface, for tests
// on machines without a GPU. "GPU memory" is main memory; ranks, of one process or
// of several, meet in a file that they map.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 8, BAD_DEVICE = 7, MAX_RANKS = 8, SLOT = 1 << 16 };
enum { NCCL_SYSTEM_ERROR = 2, NCCL_INVALID_ARGUMENT = 4, NCCL_IN_PROGRESS = 7 };
enum { CUDA_INVALID_VALUE = 1, CUDA_INVALID_DEVICE = 101, CUDA_NOT_READY = 600 };

// --- CUDA's runtime ---------------------------------------------------------

static _Thread_local int device = -1;

typedef struct {
	atomic_int busy;
} stream;

int cudaGetDeviceCount(int *n) { *n = DEVICES; return 0; }
int cudaSetDevice(int n) {
	if (n < 0 || n >= DEVICES)
		return CUDA_INVALID_DEVICE;
	device = n;
	return 0;
}
// What is not done on the thread that took the GPU is an error, as it would be wrong
// with several GPUs.
#define ON_DEVICE if (device < 0) return CUDA_INVALID_DEVICE
int cudaMalloc(void **p, size_t n) { ON_DEVICE; *p = malloc(n); return *p ? 0 : 2; }
int cudaFree(void *p) { ON_DEVICE; free(p); return 0; }
int cudaStreamCreate(stream **s) { ON_DEVICE; *s = calloc(1, sizeof **s); return 0; }
int cudaStreamDestroy(stream *s) { ON_DEVICE; return s ? 0 : CUDA_INVALID_VALUE; } // a job that was broken off may still look at it
int cudaStreamQuery(stream *s) { ON_DEVICE; return s->busy ? CUDA_NOT_READY : 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, stream *s) {
	ON_DEVICE;
	if (kind != 1 && kind != 2)
		return CUDA_INVALID_VALUE;
	if (s->busy) // the real one would wait here, out of anyone's reach
		return CUDA_INVALID_VALUE;
	memcpy(to, from, n);
	return 0;
}
const char *cudaGetErrorString(int code) {
	return code == CUDA_INVALID_DEVICE ? "invalid device ordinal" : code == CUDA_INVALID_VALUE ? "invalid argument" : "unknown error";
}

// --- NCCL -------------------------------------------------------------------

typedef struct {
	char internal[128];
} id;

typedef struct {
	atomic_int arrived, generation;
	char slot[MAX_RANKS][SLOT];
} room;

typedef struct {
	room *room;
	int rank, size, bad;
	atomic_int aborted;
} comm;

int ncclGetVersion(int *v) { *v = 21807; return 0; }
const char *ncclGetErrorString(int code) {
	return code == NCCL_SYSTEM_ERROR ? "unhandled system error" : code == NCCL_INVALID_ARGUMENT ? "invalid argument" : "unknown result code";
}

int ncclGetUniqueId(id *out) {
	static atomic_int count;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	const char *dir = getenv("TMPDIR");
	memset(out, 0, sizeof *out);
	snprintf(out->internal, sizeof out->internal, "%s/fake-nccl-%d-%ld-%d", dir && strlen(dir) < 60 ? dir : "/tmp", getpid(), t.tv_nsec, count++);
	return 0;
}

// meet waits until all ranks have come, or the communicator is aborted.
static int meet(comm *c) {
	int generation = c->room->generation;
	if (atomic_fetch_add(&c->room->arrived, 1) + 1 == c->size) {
		c->room->arrived = 0;
		c->room->generation++;
		return 0;
	}
	while (c->room->generation == generation) {
		if (c->aborted)
			return 1;
		usleep(20);
	}
	return 0;
}

int ncclCommInitRank(comm **out, int size, id where, int rank) {
	if (size > MAX_RANKS || rank < 0 || rank >= size || device < 0)
		return NCCL_INVALID_ARGUMENT;
	int fd = open(where.internal, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(room)))
		return NCCL_SYSTEM_ERROR;
	comm *c = calloc(1, sizeof *c);
	c->room = mmap(0, sizeof(room), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (c->room == MAP_FAILED)
		return NCCL_SYSTEM_ERROR;
	c->rank = rank, c->size = size, c->bad = device == BAD_DEVICE;
	*out = c;
	if (meet(c))
		return NCCL_SYSTEM_ERROR;
	unlink(where.internal); // whoever is here has mapped it
	return 0;
}

typedef struct {
	comm *c;
	stream *s;
	char *data;
	size_t bytes;
	int root; // -1: sum of doubles
} job;

static void *work(void *arg) {
	job j = *(job *)arg;
	free(arg);
	for (size_t at = 0; at < j.bytes; at += SLOT) {
		size_t n = j.bytes - at < SLOT ? j.bytes - at : SLOT;
		memcpy(j.c->room->slot[j.c->rank], j.data + at, n);
		if (meet(j.c))
			return 0; // busy for ever, as a kernel that waits for a lost rank
		if (j.root >= 0) {
			memcpy(j.data + at, j.c->room->slot[j.root], n);
		} else {
			double *sum = (double *)(j.data + at);
			for (size_t i = 0; i < n / 8; i++) {
				sum[i] = 0;
				for (int r = 0; r < j.c->size; r++)
					sum[i] += ((double *)j.c->room->slot[r])[i];
			}
		}
		if (meet(j.c))
			return 0;
	}
	j.s->busy = 0;
	return 0;
}

static int begin(comm *c, stream *s, void *data, size_t bytes, int root) {
	job *j = malloc(sizeof *j);
	*j = (job){c, s, data, bytes, root};
	s->busy = 1;
	if (c->bad) {
		free(j);
		return 0; // never done: ncclCommGetAsyncError says why
	}
	pthread_t t;
	if (pthread_create(&t, 0, work, j))
		return NCCL_SYSTEM_ERROR;
	pthread_detach(t);
	return 0;
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int op, comm *c, stream *s) {
	if (from != to || type != 8 || op != 0 || device < 0)
		return NCCL_INVALID_ARGUMENT;
	return begin(c, s, to, 8 * count, -1);
}
int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, comm *c, stream *s) {
	if (from != to || type != 1 || root < 0 || root >= c->size || device < 0)
		return NCCL_INVALID_ARGUMENT;
	return begin(c, s, to, count, root);
}
int ncclCommGetAsyncError(comm *c, int *code) { *code = c->bad ? NCCL_SYSTEM_ERROR : NCCL_IN_PROGRESS; return 0; }
int ncclCommAbort(comm *c) { c->aborted = 1; return 0; }
int ncclCommDestroy(comm *c) { return c ? 0 : NCCL_INVALID_ARGUMENT; }
