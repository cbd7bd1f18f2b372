#ifndef BCC_MPI_WAIT_H
#define BCC_MPI_WAIT_H

#include <stdint.h>

// Looks at a request until it is done or budget_us have passed, and sleeps between
// two looks: 20 µs at first, for small messages, then up to 100. test is MPI_Test.
// Returns its code, 0 when all is well; *done says whether the request is.
int bcc_mpi_wait(uintptr_t test, uintptr_t request, uintptr_t done, uintptr_t ignore_status, long budget_us);

#endif
