#include "init.h"

typedef struct {
	char internal[128];
} nccl_unique_id;

typedef int (*init_rank)(void **comm, int size, nccl_unique_id id, int rank);

int bcc_nccl_init_rank(uintptr_t function, uintptr_t comm, int size, const void *id, int rank) {
	return ((init_rank)function)((void **)comm, size, *(const nccl_unique_id *)id, rank);
}
