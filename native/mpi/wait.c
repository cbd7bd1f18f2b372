#define _POSIX_C_SOURCE 200809L
#include "wait.h"

#include <time.h>

typedef int (*mpi_test)(void *request, int *done, void *status);

static long now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

int bcc_mpi_wait(uintptr_t test, uintptr_t request, uintptr_t done, uintptr_t ignore_status, long budget_us) {
	const long shortest_us = 20, longest_us = 100;
	long end = now_us() + budget_us;
	int *flag = (int *)done;
	for (long pause = shortest_us;;) {
		int code = ((mpi_test)test)((void *)request, flag, (void *)ignore_status);
		if (code != 0 || *flag || now_us() >= end)
			return code;
		struct timespec t = {0, pause * 1000};
		nanosleep(&t, 0);
		pause = pause * 2 < longest_us ? pause * 2 : longest_us;
	}
}
