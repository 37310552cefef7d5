/* cpython/context.h - what a context (contextvars) has for a variable. */
#ifndef PYRO_CPYTHON_CONTEXT_H
#define PYRO_CPYTHON_CONTEXT_H

#include "target/memory.h"

/* The value of VARIABLE in CONTEXT, both objects of the target. HASH: that of the variable as the trie knows it (PyObject_Hash(), its halves xored).
 * 3.8 to 3.15, builds with a GIL. 0; -ENOENT: it has none, or what lies there is no context; or as pyro_memory_read(). The value is an address that was read: it
 * may be anything. */
int pyro_context_value(const struct pyro_memory *memory, pyro_addr context, pyro_addr variable,
                       uint32_t hash, pyro_addr *ret_value);

#endif
