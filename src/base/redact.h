/* base/redact.h - keep passwords and keys out of what is shown and stored. */
#ifndef PYRO_BASE_REDACT_H
#define PYRO_BASE_REDACT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define PYRO_REDACTED "[redacted]"

/* Does NAME look as if its value were a secret: password, api_key, Authorization, ...? */
bool pyro_secret_name(const char *name, size_t length);

/* Append one line for ARGUMENTS (NUL-separated, SIZE bytes): --token=X, --password X, API_KEY=X and
 * scheme://user:X@host lose their X. What a terminal would obey becomes '?'. */
void pyro_redact_arguments(const char *arguments, size_t size, struct pyro_buffer *out);

/* TEXT is repr() of a value: what stands under a secret key of a dict in it is left out. */
void pyro_redact_value(const char *text, struct pyro_buffer *out);

#endif
