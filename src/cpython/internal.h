/* cpython/internal.h - what the files of this folder share. */
#ifndef PYRO_CPYTHON_INTERNAL_H
#define PYRO_CPYTHON_INTERNAL_H

#include "base/arena.h"
#include "cpython/runtime.h"

#include <string.h>

/* -- fields of a struct that was copied ------------------------------------------------------- */

static inline uint32_t pyro_field_u32(const uint8_t *copy, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}
static inline uint64_t pyro_field_u64(const uint8_t *copy, uint32_t offset)
{
    uint64_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}
static inline pyro_addr pyro_field_addr(const uint8_t *copy, uint32_t offset)
{
    return pyro_addr_at(pyro_field_u64(copy, offset));
}

/* May ADDR be a Python object or an interpreter struct? Cheap, and refuses most garbage. */
static inline bool pyro_addr_aligned(pyro_addr addr)
{
    return addr.u != 0 && addr.u % 8 == 0;
}

/* -- the runtime ------------------------------------------------------------------------------ */

/* Does the object TYPE, a type, have the name NAME? */
bool pyro_type_named(const struct pyro_memory *memory, const struct pyro_layout *layout,
                     pyro_addr type, const char *name);

/* Read runtime->code_type off a frame, when a thread has one. */
void pyro_runtime_learn_code_type(const struct pyro_memory *memory, struct pyro_runtime *runtime);

/* As pyro_unicode_read(), at most MAX characters. */
int pyro_unicode_read_some(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr addr, size_t max, struct pyro_arena *arena,
                           const char **ret_text, uint32_t *ret_length);

/* As pyro_value_text(), taking what it costs off *BUDGET (reads, roughly); 0 left: values are cut
 * short. */
int pyro_value_text_within(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr object, struct pyro_arena *arena, int *budget,
                           const char **ret_text);

/* "3.12.1", "3.13.0rc2" from PY_VERSION_HEX. */
void pyro_version_text(uint32_t version, char *text, size_t size);

/* -- discovery -------------------------------------------------------------------------------- */

/* The program or library that may hold the interpreter: its mappings are FIRST ... LAST in maps. */
struct pyro_module {
    const struct pyro_mapping *file; /* one of its mappings */
    size_t first, last;              /* indexes; LAST includes the anonymous rest of .bss */
};
#define PYRO_MODULES_MAX 16

struct pyro_discovery {
    pid_t pid;
    const struct pyro_memory *memory;
    struct pyro_maps maps;
    struct pyro_module modules[PYRO_MODULES_MAX];
    int module_count;
    char exe[4096];
};

int pyro_discovery_start(struct pyro_discovery *discovery, pid_t pid,
                         const struct pyro_memory *memory, struct pyro_error *error);
void pyro_discovery_end(struct pyro_discovery *discovery);

/* Looks for a runtime in one way. 0 with a checked *ret_runtime; -ENOENT nothing there; -EAGAIN one
 * that has not been initialised yet; other errors as memory reads give them. */
int pyro_discover(struct pyro_discovery *discovery, enum pyro_runtime_source source,
                  struct pyro_runtime *ret_runtime);

/* Seconds since process PID started; UINT64_MAX when that cannot be told. */
uint64_t pyro_process_age_s(pid_t pid);

/* Is there Python in the name of the file at PATH ("python3.12", "libpython3.11.so.1.0")? */
bool pyro_path_is_python(const char *path);

/* A PY_VERSION_HEX from the text that sys.version starts with ("3.9.18 ("); 0: it is none. */
uint32_t pyro_version_parse(const char *text, size_t size);

#endif
