/* cpython/runtime.h - find the interpreter in a process: _PyRuntime, its version, its layout.
 *
 * Tried in this order: the symbol _PyRuntime (program, then libpython); the section .PyRuntime; the
 * debug-offsets cookie in writable memory (3.13+); a checked scan of .bss and .data. Every candidate
 * must pass pyro_runtime_check(): interpreters whose threads point back at them. */
#ifndef PYRO_CPYTHON_RUNTIME_H
#define PYRO_CPYTHON_RUNTIME_H

#include "cpython/layout.h"
#include "target/maps.h"

enum pyro_runtime_source {
    PYRO_RUNTIME_BY_SYMBOL,
    PYRO_RUNTIME_BY_SECTION,
    PYRO_RUNTIME_BY_COOKIE,
    PYRO_RUNTIME_BY_SCAN,
};

struct pyro_runtime {
    pyro_addr addr;
    pyro_addr code_type; /* &PyCode_Type: every code object's ob_type; null until one was seen */
    enum pyro_runtime_source source;
    struct pyro_layout layout;
    char version_text[32]; /* "3.12.1" */
};

/* -ENOEXEC: no Python in there (or none of 3.8-3.15); -EAGAIN: Python, but not initialised yet;
 * -ESRCH, -EPERM as pyro_memory_open(). */
int pyro_runtime_find(pid_t pid, const struct pyro_memory *memory, struct pyro_runtime *ret_runtime,
                      struct pyro_error *error);

/* Only by SOURCE: for tests, and to try the slower ways on purpose. */
int pyro_runtime_find_by(pid_t pid, const struct pyro_memory *memory,
                         enum pyro_runtime_source source, struct pyro_runtime *ret_runtime,
                         struct pyro_error *error);

/* Is there a runtime at runtime->addr? At least one interpreter with at least one thread that points back.
 * 0, -EAGAIN (plausible, but no thread yet) or -EINVAL. */
int pyro_runtime_check(const struct pyro_memory *memory, const struct pyro_runtime *runtime);

/* The runtime at a known address, for a memory that is no process: a snapshot. VERSION is PY_VERSION_HEX.
 * -EINVAL, -EAGAIN, -ENOTSUP as the checks say. */
int pyro_runtime_at(const struct pyro_memory *memory, pyro_addr addr, uint32_t version,
                    struct pyro_runtime *ret_runtime, struct pyro_error *error);

/* Cheap: does PID look like a Python program at all (name of the program or of a mapped library)? */
bool pyro_runtime_plausible(pid_t pid);

const char *pyro_runtime_source_name(enum pyro_runtime_source source);

#endif
