/* base/parallel.h - parts of a piece of work, at once where there are CPUs for that. */
#ifndef PYRO_BASE_PARALLEL_H
#define PYRO_BASE_PARALLEL_H

#include <stddef.h>

#define PYRO_PARALLEL_MAX 8 /* threads, the caller's among them */

/* Call PART for each of 0 to COUNT - 1, in any order and by several threads, once for each; back when all are done. As many threads as
 * the process may use CPUs; where none can be made the caller does all of it. What a part writes no other part may touch, and what it
 * goes by must not depend on how many threads there were. Parts take no signals and must not fork. */
void pyro_parallel(size_t count, void (*part)(void *context, size_t which), void *context);

#endif
