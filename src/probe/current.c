/* probe/current.c - look for the interpreter's thread-local variable, in the part of its library that holds such. */
#include "probe/current.h"

#include <dlfcn.h>
#include <link.h>

ptrdiff_t pyro_current_offset;

/* The thread-local variables of the library that has the function AT, as the calling thread has them. */
struct block {
    uintptr_t at;
    void **words;
    size_t count;
};

static int look_at_library(struct dl_phdr_info *info, size_t size, void *data)
{
    struct block *block = data;
    bool is_here = false;
    size_t bytes = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && block->at >= begin &&
            block->at - begin < segment->p_memsz)
            is_here = true;
        if (segment->p_type == PT_TLS)
            bytes = segment->p_memsz;
    }
    if (!is_here)
        return 0;
    block->words = info->dlpi_tls_data;
    block->count = bytes / sizeof(void *);
    return 1;
}

/* Bytes below (or above) the thread pointer in which variables have the same place in all threads. */
static size_t static_size(void)
{
    void (*get)(size_t * size, size_t * align);
    size_t size = 0, align;
    *(void **)&get = dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
    if (get)
        get(&size, &align);
    return size;
}

/* Is it what the interpreter says, with the GIL, and nothing without it? */
static bool follows(void *volatile const *word)
{
    PyThreadState *thread = PyThreadState_Get();
    if (*word != thread)
        return false;
    PyEval_SaveThread();
    bool empty = *word == NULL;
    PyEval_RestoreThread(thread);
    return empty && *word == thread;
}

void pyro_current_find(void)
{
    struct block block = {.at = (uintptr_t)dlsym(RTLD_DEFAULT, "PyThreadState_Get")};
    dl_iterate_phdr(look_at_library, &block);
    void *const *found = NULL;
    size_t count = 0;
    for (size_t i = 0; block.words && i < block.count; i++) {
        if (!follows((void *volatile const *)&block.words[i]))
            continue;
        found = &block.words[i];
        count++;
    }
    ptrdiff_t offset = found ? (const char *)found - (const char *)__builtin_thread_pointer() : 0;
    size_t distance = (size_t)(offset < 0 ? -offset : offset);
    if (count == 1 && distance < static_size())
        pyro_current_offset = offset;
}
