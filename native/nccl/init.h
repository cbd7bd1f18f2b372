#ifndef BCC_NCCL_INIT_H
#define BCC_NCCL_INIT_H

#include <stdint.h>

// Calls ncclCommInitRank, whose id is 128 bytes by value: more than a call through
// registers and a fixed number of words can carry.
int bcc_nccl_init_rank(uintptr_t function, uintptr_t comm, int size, const void *id, int rank);

#endif
