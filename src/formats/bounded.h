/* formats/bounded.h - memory with a limit, for libraries that build all that a file says.
 *
 * A few bytes of a file may unfold into many. What would go past the limit is refused as if memory were short. One file at a time:
 * what is counted is static, as jansson's functions take no context. */
#ifndef PYRO_FORMATS_BOUNDED_H
#define PYRO_FORMATS_BOUNDED_H

#include <stdbool.h>
#include <stddef.h>

void pyro_bounded_begin(size_t limit_bytes); /* nothing is allocated yet */
void *pyro_bounded_alloc(size_t size);       /* NULL: past the limit, or no memory */
void pyro_bounded_free(void *block);         /* NULL is fine */
bool pyro_bounded_was_hit(void);             /* the limit, since the begin */

#endif
