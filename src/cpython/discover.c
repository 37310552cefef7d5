/* cpython/discover.c - look for _PyRuntime in the modules of a process, in one of four ways.
 *
 * Symbol and section come from the ELF file, which may be stripped of them, or be gone. The cookie
 * and the scan look at the module's own writable memory: the first for what 3.13+ puts there to be
 * found, the second for the shape of struct pyinterpreters of 3.8-3.12
 * (Include/internal/pycore_pystate.h of 3.8, pycore_runtime.h later): a lock, the first and the
 * main interpreter, the next id. */
#include "cpython/internal.h"

#include "target/elf.h"
#include "target/process.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE          (256u << 10) /* read at once */
#define OVERLAP             64           /* so that nothing hides at the seam of two blocks */
#define MODULE_BYTES_MAX    (32u << 20)  /* looked at in one module */
#define ELSEWHERE_BYTES_MAX (64u << 20)  /* looked at outside of the modules */
#define NEXT_ID_MAX         (1u << 20)   /* interpreters ever made in a process */

#define YOUNG_SECONDS 1 /* a process that may not have made its version text yet */

#define OLDEST_MINOR        8
#define NEWEST_STATIC_MINOR 12

/* -- modules ---------------------------------------------------------------------------------- */

static bool same_file(const struct pyro_mapping *a, const struct pyro_mapping *b)
{
    return a->inode == b->inode && a->device_major == b->device_major &&
           a->device_minor == b->device_minor && strcmp(a->path, b->path) == 0;
}

static void add_module(struct pyro_discovery *discovery, size_t index)
{
    const struct pyro_mapping *items = discovery->maps.items;
    for (int i = 0; i < discovery->module_count; i++) {
        if (same_file(discovery->modules[i].file, &items[index]))
            return;
    }
    if (discovery->module_count == PYRO_MODULES_MAX)
        return;
    size_t last = index;
    for (size_t i = index + 1; i < discovery->maps.count && items[i].start.u >= items[last].end.u;
         i++) {
        bool bss = items[i].path[0] == '\0' && items[i].start.u == items[last].end.u;
        if (!bss && !same_file(&items[i], &items[index]))
            break;
        last = i;
    }
    discovery->modules[discovery->module_count++] =
        (struct pyro_module){.file = &items[index], .first = index, .last = last};
}

static bool is_library(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return strncmp(name, "libpython", 9) == 0;
}

/* "python3.12" started through the dynamic linker by hand; extension modules only end in
 * "cpython-...". */
static bool is_program(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && strncmp(slash + 1, "python", 6) == 0;
}

static void find_modules(struct pyro_discovery *discovery)
{
    const struct pyro_maps *maps = &discovery->maps;
    for (size_t i = 0; i < maps->count; i++) {
        if (discovery->exe[0] && strcmp(maps->items[i].path, discovery->exe) == 0) {
            add_module(discovery, i);
            break;
        }
    }
    for (size_t i = 0; i < maps->count; i++) {
        if (is_library(maps->items[i].path))
            add_module(discovery, i);
    }
    for (size_t i = 0; i < maps->count; i++) {
        if (is_program(maps->items[i].path) && maps->items[i].executable)
            add_module(discovery, i);
    }
}

int pyro_discovery_start(struct pyro_discovery *discovery, pid_t pid,
                         const struct pyro_memory *memory, struct pyro_error *error)
{
    memset(discovery, 0, sizeof *discovery);
    discovery->pid = pid;
    discovery->memory = memory;
    int code = pyro_maps_load(pid, &discovery->maps, error);
    if (code != 0)
        return code;
    if (pyro_process_exe(pid, discovery->exe, sizeof discovery->exe) != 0)
        discovery->exe[0] = '\0';
    find_modules(discovery);
    return 0;
}

void pyro_discovery_end(struct pyro_discovery *discovery)
{
    pyro_maps_clear(&discovery->maps);
}

/* -- looking through memory ------------------------------------------------------------------- */

/* Called with SIZE bytes at DATA, which are at ADDR in the target. Non-zero ends the search. */
typedef int (*look_fn)(void *context, pyro_addr addr, const uint8_t *data, size_t size);

static int look_through(const struct pyro_memory *memory, pyro_addr start, pyro_addr end,
                        look_fn look, void *context)
{
    uint8_t *block = malloc(BLOCK_SIZE + OVERLAP);
    if (!block)
        return -ENOMEM;
    int result = 0;
    for (pyro_addr at = start; at.u < end.u && result == 0; at.u += BLOCK_SIZE) {
        uint64_t size = end.u - at.u;
        if (size > BLOCK_SIZE + OVERLAP)
            size = BLOCK_SIZE + OVERLAP;
        int code = pyro_memory_read(memory, at, block, size);
        if (code == -ESRCH || code == -EPERM)
            result = code;
        else if (code == 0)
            result = look(context, at, block, size);
    }
    free(block);
    return result;
}

/* Writable mappings FIRST ... LAST, adjacent ones as one range, at most *BUDGET bytes. */
static int look_through_mappings(const struct pyro_discovery *discovery, size_t first, size_t last,
                                 uint64_t *budget, look_fn look, void *context)
{
    const struct pyro_mapping *items = discovery->maps.items;
    for (size_t i = first; i <= last; i++) {
        if (!items[i].writable || !items[i].readable || items[i].shared)
            continue;
        size_t until = i;
        while (until < last && items[until + 1].writable && !items[until + 1].shared &&
               items[until + 1].start.u == items[until].end.u)
            until++;
        pyro_addr end = items[until].end;
        if (end.u - items[i].start.u > *budget)
            end.u = items[i].start.u + *budget;
        *budget -= end.u - items[i].start.u;
        int result = look_through(discovery->memory, items[i].start, end, look, context);
        if (result != 0)
            return result;
        i = until;
    }
    return 0;
}

static int look_through_module(const struct pyro_discovery *discovery,
                               const struct pyro_module *module, look_fn look, void *context)
{
    uint64_t budget = MODULE_BYTES_MAX;
    return look_through_mappings(discovery, module->first, module->last, &budget, look, context);
}

/* -- which version ---------------------------------------------------------------------------- */

static const char *parse_number(const char *next, const char *end, uint32_t *ret_value)
{
    uint32_t value = 0;
    int digits = 0;
    for (; next < end && isdigit((unsigned char)*next) && digits < 3; digits++)
        value = value * 10 + (uint32_t)(*next++ - '0');
    *ret_value = value;
    return digits ? next : NULL;
}

static const char *parse_level(const char *next, const char *end, uint32_t *version)
{
    uint32_t level = 0xf, serial = 0;
    if (next < end && (*next == 'a' || *next == 'b')) {
        level = *next == 'a' ? 0xa : 0xb;
        next = parse_number(next + 1, end, &serial);
    } else if (end - next >= 2 && next[0] == 'r' && next[1] == 'c') {
        level = 0xc;
        next = parse_number(next + 2, end, &serial);
    }
    *version |= level << 4 | (serial & 0xf);
    return next;
}

/* Py_GetVersion() of 3.8-3.12 formats PY_VERSION, maybe with a "+", then " (", into a static
 * buffer. */
uint32_t pyro_version_parse(const char *text, size_t size)
{
    const char *next = text, *end = text + size;
    uint32_t minor, micro;
    if (size < 8 || next[0] != '3' || next[1] != '.')
        return 0;
    next = parse_number(next + 2, end, &minor);
    if (!next || next == end || *next != '.' || minor > 255)
        return 0;
    next = parse_number(next + 1, end, &micro);
    if (!next || micro > 255)
        return 0;
    uint32_t version = 3u << 24 | minor << 16 | micro << 8;
    next = parse_level(next, end, &version);
    if (next && next < end && *next == '+')
        next++;
    if (!next || end - next < 2 || next[0] != ' ' || next[1] != '(')
        return 0;
    return version;
}

static int look_for_version(void *context, pyro_addr addr, const uint8_t *data, size_t size)
{
    uint32_t *ret_version = context;
    const char *text = (const char *)data;
    for (size_t i = 0; i + 16 <= size; i += 8) { /* a buffer that large is aligned */
        if (text[i] != '3' || text[i + 1] != '.')
            continue;
        uint32_t version = pyro_version_parse(text + i, size - i < 40 ? size - i : 40);
        if (version >> 24 == 3 && (version >> 16 & 0xff) >= OLDEST_MINOR) {
            *ret_version = version;
            return 1;
        }
    }
    return 0;
}

/* "libpython3.10.so.1.0", "python3.9": the minor at least. */
static uint32_t version_of_name(const char *path)
{
    const char *at = strrchr(path, '/');
    at = strstr(at ? at : path, "python3.");
    uint32_t minor;
    if (!at || !parse_number(at + 8, at + strlen(at), &minor) || minor > 255)
        return 0;
    return 3u << 24 | minor << 16;
}

static uint32_t version_of_symbol(const struct pyro_discovery *discovery,
                                  const struct pyro_elf *elf)
{
    pyro_addr at;
    uint64_t version;
    if (!elf || pyro_elf_symbol(elf, "Py_Version", &at, NULL) != 0 ||
        pyro_memory_read(discovery->memory, at, &version, sizeof version) != 0 ||
        version >> 24 != 3)
        return 0;
    return (uint32_t)version;
}

/* What MODULE says of its version; 0: nothing. Of a version known by name only the minor is right:
 * not EXACT. */
static uint32_t version_of_module(const struct pyro_discovery *discovery,
                                  const struct pyro_module *module, const struct pyro_elf *elf,
                                  bool *ret_exact)
{
    uint32_t version = version_of_symbol(discovery, elf);
    *ret_exact = true;
    if (version != 0 || look_through_module(discovery, module, look_for_version, &version) == 1)
        return version;
    *ret_exact = false;
    return version_of_name(module->file->path);
}

/* -- a candidate ------------------------------------------------------------------------------ */

static int accept(const struct pyro_discovery *discovery, struct pyro_runtime *runtime,
                  struct pyro_runtime *ret_runtime)
{
    int code = pyro_runtime_check(discovery->memory, runtime);
    if (code == -EINVAL)
        return -ENOENT;
    if (code != 0)
        return code;
    pyro_version_text(runtime->layout.version, runtime->version_text, sizeof runtime->version_text);
    pyro_runtime_learn_code_type(discovery->memory, runtime);
    *ret_runtime = *runtime;
    return 0;
}

static int try_version(const struct pyro_discovery *discovery, struct pyro_runtime *runtime,
                       uint32_t version, struct pyro_runtime *ret_runtime)
{
    if (pyro_layout_static(version, &runtime->layout) != 0)
        return -ENOENT;
    int code = accept(discovery, runtime, ret_runtime);
    if (code == 0 && (version & 0xffff) == 0) /* only the minor is known */
        snprintf(ret_runtime->version_text, sizeof ret_runtime->version_text, "3.%u",
                 runtime->layout.minor);
    return code;
}

/* Is there a runtime at ADDR of MODULE? ELF may be NULL. */
static int try_candidate(const struct pyro_discovery *discovery, const struct pyro_module *module,
                         const struct pyro_elf *elf, pyro_addr addr,
                         enum pyro_runtime_source source, struct pyro_runtime *ret_runtime)
{
    struct pyro_runtime runtime = {.addr = addr, .source = source};
    uint8_t offsets[PYRO_DEBUG_OFFSETS_READ_MAX];
    int code = pyro_memory_read(discovery->memory, addr, offsets, sizeof offsets);
    if (code == -EFAULT)
        return -ENOENT;
    if (code != 0)
        return code;
    if (memcmp(offsets, PYRO_DEBUG_OFFSETS_COOKIE, 8) == 0) {
        code = pyro_layout_from_debug_offsets(offsets, sizeof offsets, &runtime.layout, NULL);
        return code == 0 ? accept(discovery, &runtime, ret_runtime) : -ENOENT;
    }
    bool exact;
    uint32_t version = version_of_module(discovery, module, elf, &exact);
    /* The text comes within milliseconds of the first thread: wait for it rather than guess. */
    if (!exact && pyro_process_age_s(discovery->pid) <= YOUNG_SECONDS)
        return -EAGAIN;
    if (version != 0)
        return try_version(discovery, &runtime, version, ret_runtime);
    int result = -ENOENT;
    for (uint32_t minor = NEWEST_STATIC_MINOR; minor >= OLDEST_MINOR; minor--) {
        code = try_version(discovery, &runtime, 3u << 24 | minor << 16, ret_runtime);
        if (code != -ENOENT && code != -EAGAIN)
            return code;
        if (code == -EAGAIN)
            result = code;
    }
    return result;
}

/* -- symbol and section ----------------------------------------------------------------------- */

static int locate_in_elf(const struct pyro_elf *elf, enum pyro_runtime_source source,
                         pyro_addr *ret_addr)
{
    if (source == PYRO_RUNTIME_BY_SYMBOL)
        return pyro_elf_symbol(elf, "_PyRuntime", ret_addr, NULL);
    struct pyro_elf_section section;
    int code = pyro_elf_section(elf, ".PyRuntime", &section);
    if (code == 0)
        *ret_addr = section.addr;
    return code;
}

static int discover_by_elf(const struct pyro_discovery *discovery, enum pyro_runtime_source source,
                           struct pyro_runtime *ret_runtime)
{
    int result = -ENOENT;
    for (int i = 0; i < discovery->module_count && result == -ENOENT; i++) {
        const struct pyro_module *module = &discovery->modules[i];
        struct pyro_elf *elf;
        pyro_addr addr;
        if (pyro_elf_open(discovery->pid, &discovery->maps, module->file, &elf) != 0)
            continue;
        if (locate_in_elf(elf, source, &addr) == 0)
            result = try_candidate(discovery, module, elf, addr, source, ret_runtime);
        pyro_elf_free(elf);
    }
    return result;
}

/* -- cookie and scan -------------------------------------------------------------------------- */

struct search {
    const struct pyro_discovery *discovery;
    const struct pyro_module *module;
    uint32_t version;
    bool exact;
    struct pyro_runtime *ret_runtime;
    int result; /* what the best candidate so far gave */
};

/* 1 ends the search: found, or not readable any more. */
static int judge(struct search *search, int code)
{
    if (code == -EAGAIN)
        search->result = code;
    if (code == -EAGAIN || code == -ENOENT)
        return 0;
    search->result = code;
    return 1;
}

static int look_for_cookie(void *context, pyro_addr addr, const uint8_t *data, size_t size)
{
    struct search *search = context;
    uint64_t cookie, word;
    memcpy(&cookie, PYRO_DEBUG_OFFSETS_COOKIE, sizeof cookie);
    for (size_t i = 0; i + 8 <= size && i < BLOCK_SIZE; i += 8) {
        memcpy(&word, data + i, sizeof word);
        if (word == cookie &&
            judge(search,
                  try_candidate(search->discovery, search->module, NULL, pyro_addr_plus(addr, i),
                                PYRO_RUNTIME_BY_COOKIE, search->ret_runtime)))
            return 1;
    }
    return 0;
}

static bool points_into_memory(const struct pyro_discovery *discovery, uint64_t pointer)
{
    const struct pyro_mapping *mapping =
        pointer % 8 == 0 ? pyro_maps_find(&discovery->maps, pyro_addr_at(pointer)) : NULL;
    return mapping && mapping->readable && mapping->writable;
}

/* Do these four words look like {lock, first interpreter, main interpreter, next id}? */
static bool looks_like_interpreters(const struct pyro_discovery *discovery, const uint64_t words[4])
{
    return words[3] >= 1 && words[3] <= NEXT_ID_MAX && words[0] != 0 && words[1] != 0 &&
           words[2] != 0 && points_into_memory(discovery, words[1]) &&
           points_into_memory(discovery, words[2]) && points_into_memory(discovery, words[0]);
}

static int try_static(struct search *search, pyro_addr interpreters_head, uint32_t minor)
{
    struct pyro_runtime runtime = {.source = PYRO_RUNTIME_BY_SCAN};
    uint32_t version = search->version ? search->version : 3u << 24 | minor << 16;
    struct pyro_layout layout;
    if (pyro_layout_static(version, &layout) != 0)
        return -ENOENT;
    runtime.addr = pyro_addr_at(interpreters_head.u - layout.runtime.interpreters_head);
    int code = try_version(search->discovery, &runtime, version, search->ret_runtime);
    if (code == 0 && !search->exact && pyro_process_age_s(search->discovery->pid) <= YOUNG_SECONDS)
        return -EAGAIN;
    return code == -EAGAIN ? -ENOENT : code; /* no threads proves nothing here */
}

static int look_for_interpreters(void *context, pyro_addr addr, const uint8_t *data, size_t size)
{
    struct search *search = context;
    uint64_t words[4];
    for (size_t i = 0; i + sizeof words <= size && i < BLOCK_SIZE; i += 8) {
        memcpy(words, data + i, sizeof words);
        if (!looks_like_interpreters(search->discovery, words))
            continue;
        pyro_addr head = pyro_addr_plus(addr, i + 8);
        for (uint32_t minor = NEWEST_STATIC_MINOR; minor >= OLDEST_MINOR; minor--) {
            if (judge(search, try_static(search, head, minor)))
                return 1;
            if (search->version)
                break;
        }
    }
    return 0;
}

static int discover_in_modules(struct search *search, look_fn look)
{
    for (int i = 0; i < search->discovery->module_count; i++) {
        search->module = &search->discovery->modules[i];
        if (look == look_for_interpreters)
            search->version =
                version_of_module(search->discovery, search->module, NULL, &search->exact);
        int code = look_through_module(search->discovery, search->module, look, search);
        if (code < 0)
            return code;
        if (code == 1)
            break;
    }
    return search->result;
}

/* An interpreter inside some other library: only the cookie is sure enough for that. */
static int discover_elsewhere(struct search *search)
{
    const struct pyro_discovery *discovery = search->discovery;
    uint64_t budget = ELSEWHERE_BYTES_MAX;
    for (size_t i = 0; i < discovery->maps.count; i++) {
        const struct pyro_mapping *mapping = &discovery->maps.items[i];
        struct pyro_module module = {.file = mapping, .first = i, .last = i};
        if (mapping->path[0] != '/' || !mapping->writable)
            continue;
        search->module = &module;
        int code = look_through_mappings(discovery, i, i, &budget, look_for_cookie, search);
        if (code < 0)
            return code;
        if (code == 1)
            break;
    }
    return search->result;
}

int pyro_discover(struct pyro_discovery *discovery, enum pyro_runtime_source source,
                  struct pyro_runtime *ret_runtime)
{
    struct search search = {.discovery = discovery, .ret_runtime = ret_runtime, .result = -ENOENT};
    int code;
    switch (source) {
    case PYRO_RUNTIME_BY_SYMBOL:
    case PYRO_RUNTIME_BY_SECTION:
        return discover_by_elf(discovery, source, ret_runtime);
    case PYRO_RUNTIME_BY_COOKIE:
        code = discover_in_modules(&search, look_for_cookie);
        return code == -ENOENT ? discover_elsewhere(&search) : code;
    case PYRO_RUNTIME_BY_SCAN:
        return discover_in_modules(&search, look_for_interpreters);
    }
    return -EINVAL;
}
