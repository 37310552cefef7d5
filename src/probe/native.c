/* probe/native.c - the wrappers of C's allocators. What they call is not led to them, since this object's imports are not. */
#include "probe/native.h"

#include "probe/mappings.h"
#include "probe/slots.h"
#include "probe/tracked.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Is the call that is made now one to tell of? */
static inline bool begins(void)
{
    return !pyro_tracked_is_inside() && pyro_tracked_is_on();
}

static inline void tell(void *block, size_t size)
{
    if (block && size <= PYRO_HEAP_SIZE_MAX)
        pyro_tracked_allocated(block, size | PYRO_HEAP_BY_C);
}

/* -- blocks ------------------------------------------------------------------------------------- */

/* What has to be told of, apart as in memory.c. */

static __attribute__((noinline)) void *told_malloc(size_t size)
{
    pyro_tracked_set_inside(true);
    void *block = malloc(size);
    tell(block, size);
    pyro_tracked_set_inside(false);
    return block;
}

static __attribute__((noinline)) void told_free(void *block)
{
    if (!block || !pyro_tracked_is_on()) {
        free(block);
        return;
    }
    const bool nested = pyro_tracked_is_inside();
    pyro_tracked_free(block);
    pyro_tracked_set_inside(true);
    free(block);
    pyro_tracked_set_inside(nested);
}

static void *hook_malloc(size_t size)
{
    return pyro_tracked_passes(size) || !begins() ? malloc(size) : told_malloc(size);
}

static void *hook_calloc(size_t count, size_t size)
{
    if (pyro_tracked_passes(count * size) || !begins())
        return calloc(count, size);
    pyro_tracked_set_inside(true);
    void *block = calloc(count, size);
    tell(block, count * size);
    pyro_tracked_set_inside(false);
    return block;
}

static void *hook_aligned_alloc(size_t alignment, size_t size)
{
    if (pyro_tracked_passes(size) || !begins())
        return aligned_alloc(alignment, size);
    pyro_tracked_set_inside(true);
    void *block = aligned_alloc(alignment, size);
    tell(block, size);
    pyro_tracked_set_inside(false);
    return block;
}

static void *hook_memalign(size_t alignment, size_t size)
{
    if (pyro_tracked_passes(size) || !begins())
        return memalign(alignment, size);
    pyro_tracked_set_inside(true);
    void *block = memalign(alignment, size);
    tell(block, size);
    pyro_tracked_set_inside(false);
    return block;
}

static void *hook_valloc(size_t size)
{
    if (pyro_tracked_passes(size) || !begins())
        return valloc(size);
    pyro_tracked_set_inside(true);
    void *block = valloc(size);
    tell(block, size);
    pyro_tracked_set_inside(false);
    return block;
}

static int hook_posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    if (pyro_tracked_passes(size) || !begins())
        return posix_memalign(ret_block, alignment, size);
    pyro_tracked_set_inside(true);
    int result = posix_memalign(ret_block, alignment, size);
    if (result == 0)
        tell(*ret_block, size);
    pyro_tracked_set_inside(false);
    return result;
}

/* A block that is known is followed from within another wrapper, too, as memory.c does: it is not that one's, which is taken
 * already. */
static void *hook_realloc(void *block, size_t size)
{
    if (pyro_tracked_samples() && pyro_tracked_is_unknown(block) &&
        (pyro_tracked_is_inside() || pyro_tracked_passes(size)))
        return realloc(block, size);
    if (!pyro_tracked_is_on())
        return realloc(block, size);
    const bool nested = pyro_tracked_is_inside();
    const pyro_heap_cell cell = block ? pyro_tracked_before_move(block) : 0;
    pyro_tracked_set_inside(true);
    void *moved = realloc(block, size);
    if (!moved && block && size == 0)
        pyro_tracked_gone(cell, block);
    else if (!nested || cell)
        pyro_tracked_moved(cell, block, moved, size | PYRO_HEAP_BY_C);
    pyro_tracked_set_inside(nested);
    return moved;
}

static void *hook_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return reallocarray(block, count, size); /* fails, as it should */
    return hook_realloc(block, bytes);
}

static void hook_free(void *block)
{
    if (pyro_tracked_samples() && pyro_tracked_is_unknown(block))
        free(block);
    else
        told_free(block);
}

/* -- pages -------------------------------------------------------------------------------------- */

static size_t whole_pages(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) & ~(page - 1);
}

/* SIZE bytes at PAGES were mapped. */
static void tell_mapped(void *pages, size_t size, bool counts)
{
    struct pyro_heap *heap = pyro_tracked_heap;
    struct pyro_callers callers;
    pyro_tracked_set_inside(true); /* a thread's first walk allocates */
    pyro_callers_walk(&callers);
    pyro_heap_lock(heap);
    if (pyro_tracked_is_on() && counts)
        pyro_mappings_add(heap, pyro_callers_stack(&callers, heap), (uintptr_t)pages,
                          whole_pages(size));
    else if (pyro_tracked_is_on())
        (void)pyro_mappings_remove(heap, (uintptr_t)pages, whole_pages(size));
    pyro_heap_unlock(heap);
    pyro_tracked_set_inside(false);
}

/* SIZE bytes at PAGES are about to be unmapped. How many of them were known. */
static uint64_t tell_unmapped(void *pages, size_t size)
{
    uint64_t bytes = 0;
    pyro_heap_lock(pyro_tracked_heap);
    if (pyro_tracked_is_on())
        bytes = pyro_mappings_remove(pyro_tracked_heap, (uintptr_t)pages, whole_pages(size));
    pyro_heap_unlock(pyro_tracked_heap);
    return bytes;
}

static void *hook_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *pages = mmap(address, size, protection, flags, fd, offset);
    if (pages == MAP_FAILED || !begins())
        return pages;
    const bool counts = flags & MAP_ANONYMOUS && protection & PROT_WRITE;
    if (counts || flags & MAP_FIXED)
        tell_mapped(pages, size, counts);
    return pages;
}

static int hook_munmap(void *pages, size_t size)
{
    const bool can = size && (uintptr_t)pages % (uintptr_t)sysconf(_SC_PAGESIZE) == 0;
    if (can && pyro_tracked_is_on())
        (void)tell_unmapped(pages, size);
    return munmap(pages, size);
}

/* Freed and mapped anew by who moves them, be they moved or not. */
static void *hook_mremap(void *pages, size_t before, size_t size, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    void *wanted = flags & MREMAP_FIXED ? va_arg(more, void *) : NULL;
    va_end(more);
    if (!begins())
        return mremap(pages, before, size, flags, wanted);
    const uint64_t known = tell_unmapped(pages, before);
    void *moved = mremap(pages, before, size, flags, wanted);
    if (known && moved != MAP_FAILED)
        tell_mapped(moved, size, true);
    else if (known)
        tell_mapped(pages, before, true);
    return moved;
}

/* -- what is loaded later ----------------------------------------------------------------------- */

static struct link_map *object_of(const void *address)
{
    Dl_info info;
    struct link_map *object = NULL;
    return dladdr1(address, &info, (void **)&object, RTLD_DL_LINKMAP) ? object : NULL;
}

/* CALLER's own search path, as far as its object has one: without it the linker would take ours. NULL: nothing there. */
static void *open_from_path_of(const void *caller, const char *name, int flags)
{
    struct link_map *object = object_of(caller);
    Dl_serinfo size, *path = NULL;
    void *handle = NULL;
    char file[PATH_MAX];
    if (!object || dlinfo(object, RTLD_DI_SERINFOSIZE, &size) < 0)
        return NULL;
    path = malloc(size.dls_size);
    if (path) {
        path->dls_size = size.dls_size;
        path->dls_cnt = size.dls_cnt;
    }
    for (unsigned i = 0;
         path && dlinfo(object, RTLD_DI_SERINFO, path) == 0 && !handle && i < path->dls_cnt; i++) {
        const Dl_serpath *folder = &path->dls_serpath[i];
        int length = snprintf(file, sizeof(file), "%s/%s", folder->dls_name, name);
        if (!(folder->dls_flags & LA_SER_DEFAULT) && length > 0 && length < (int)sizeof(file) &&
            access(file, R_OK) == 0)
            handle = dlopen(file, flags);
    }
    free(path);
    return handle;
}

/* The file of OBJECT, by which the linker tells its $ORIGIN. False: it is not known. */
static bool file_of(const struct link_map *object, char file[PATH_MAX])
{
    if (*object->l_name)
        return snprintf(file, PATH_MAX, "%s", object->l_name) < PATH_MAX && *file == '/';
    ssize_t length = readlink("/proc/self/exe", file, PATH_MAX - 1); /* the program */
    file[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* NAME with $ORIGIN as the folder of CALLER's object, where the linker would take ours. NULL: it has none, or is too long. */
static const char *from_origin(const void *caller, const char *name, char path[PATH_MAX])
{
    static const char *const origins[] = {"$ORIGIN/", "${ORIGIN}/"};
    const struct link_map *object = object_of(caller);
    const char *rest = NULL;
    for (int i = 0; i < 2; i++)
        if (strncmp(name, origins[i], strlen(origins[i])) == 0)
            rest = name + strlen(origins[i]);
    if (!rest || !object || !file_of(object, path))
        return NULL;
    char *end = strrchr(path, '/') + 1;
    size_t room = PATH_MAX - (size_t)(end - path);
    return snprintf(end, room, "%s", rest) < (int)room ? path : NULL;
}

static void *hook_dlopen(const char *name, int flags)
{
    const void *caller = __builtin_return_address(0);
    char path[PATH_MAX];
    void *handle = NULL;
    const char *own = name && name[0] == '$' ? from_origin(caller, name, path) : NULL;
    name = own ? own : name;
    if (name && *name && !strchr(name, '/')) {
        handle = dlopen(name, flags | RTLD_NOLOAD); /* what is there already is found by its name */
        if (!handle && !(flags & RTLD_NOLOAD))
            handle = open_from_path_of(caller, name, flags);
        (void)dlerror(); /* what was only tried is not the program's to hear of */
    }
    if (!handle)
        handle = dlopen(name, flags);
    if (handle)
        pyro_slots_patch_new();
    return handle;
}

/* -- all of them -------------------------------------------------------------------------------- */

static const struct pyro_import imports[] = {
    {"malloc", (void *)hook_malloc},
    {"calloc", (void *)hook_calloc},
    {"realloc", (void *)hook_realloc},
    {"reallocarray", (void *)hook_reallocarray},
    {"free", (void *)hook_free},
    {"posix_memalign", (void *)hook_posix_memalign},
    {"aligned_alloc", (void *)hook_aligned_alloc},
    {"memalign", (void *)hook_memalign},
    {"valloc", (void *)hook_valloc},
    {"mmap", (void *)hook_mmap},
    {"mmap64", (void *)hook_mmap},
    {"munmap", (void *)hook_munmap},
    {"mremap", (void *)hook_mremap},
    {"dlopen", (void *)hook_dlopen},
};

int pyro_native_start(void)
{
    return pyro_slots_patch(imports, sizeof(imports) / sizeof(imports[0]));
}

void pyro_native_stop(void)
{
    pyro_slots_restore();
}
