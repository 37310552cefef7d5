/* inject/room.c - behind the last variable of a library the rest of the page is zero, and nobody's.
 *
 * The kernel maps whole pages, and they are zero where a library's variables reach into pages of their own. Of the dynamic linker itself the
 * rest of the page is its heap: it is left alone. The program's is taken, if the interpreter is in it, where the heap begins in another page. */
#include "inject/room.h"

#include "inject/inject.h"
#include "target/elf.h"
#include "target/process.h"

#include <errno.h>
#include <string.h>

#define PAGE 4096

static bool is_library(const struct pyro_mapping *mapping)
{
    const char *slash = strrchr(mapping->path, '/');
    return mapping->path[0] == '/' && mapping->writable && !mapping->shared && !mapping->deleted &&
           strstr(slash, ".so") && strncmp(slash, "/ld-", 4) != 0 &&
           strncmp(slash, "/ld.so", 6) != 0;
}

/* All zero; with LEFT also a line that was left, and then zeros. */
static bool is_free(const char *bytes, size_t size, bool left)
{
    size_t at = 0;
    if (left && strncmp(bytes, PYRO_CALL_BEGINS, strlen(PYRO_CALL_BEGINS)) == 0)
        at = strnlen(bytes, size);
    while (at < size && !bytes[at])
        at++;
    return at == size;
}

/* Behind the library or program that is mapped by MAPPING, below LIMIT; null: there is not enough room. */
static pyro_addr room_behind(pid_t pid, const struct pyro_memory *memory,
                             const struct pyro_maps *maps, const struct pyro_mapping *mapping,
                             uint64_t limit, bool left)
{
    struct pyro_elf *elf;
    pyro_addr end;
    char bytes[PYRO_CALL_MAX];
    if (pyro_elf_open(pid, maps, mapping, &elf) < 0)
        return pyro_addr_at(0);
    int code = pyro_elf_zeros_end(elf, &end);
    pyro_elf_free(elf);
    if (code < 0)
        return pyro_addr_at(0);
    uint64_t at = (end.u + 15) / 16 * 16;
    uint64_t page_end = (end.u + PAGE - 1) / PAGE * PAGE;
    const struct pyro_mapping *there = pyro_maps_find(maps, pyro_addr_at(at));
    bool free = at + PYRO_CALL_MAX <= page_end && page_end <= limit && there && there->writable &&
                !there->shared &&
                pyro_memory_read(memory, pyro_addr_at(at), bytes, sizeof(bytes)) == 0 &&
                is_free(bytes, sizeof(bytes), left);
    return pyro_addr_at(free ? at : 0);
}

static pyro_addr find_room(pid_t pid, const struct pyro_memory *memory,
                           const struct pyro_maps *maps, bool left)
{
    for (size_t i = 0; i < maps->count; i++) {
        pyro_addr room = {0};
        if (is_library(&maps->items[i]))
            room = room_behind(pid, memory, maps, &maps->items[i], UINT64_MAX, left);
        if (!pyro_addr_is_null(room))
            return room;
    }
    return pyro_addr_at(0);
}

/* Behind the program, whose function is at RUN. */
static pyro_addr room_in_program(pid_t pid, const struct pyro_memory *memory,
                                 const struct pyro_maps *maps, pyro_addr run, bool left)
{
    struct pyro_process_info info;
    const struct pyro_mapping *mapping = pyro_maps_find(maps, run);
    if (!mapping || pyro_process_info(pid, &info) < 0 || mapping->start.u > info.heap_start)
        return pyro_addr_at(0);
    return room_behind(pid, memory, maps, mapping, info.heap_start, left);
}

/* In the program or library that the interpreter itself is in. */
static int find_run(pid_t pid, const struct pyro_runtime *runtime, const struct pyro_maps *maps,
                    pyro_addr *ret_run)
{
    const struct pyro_mapping *mapping = pyro_maps_find(maps, runtime->addr);
    while (mapping && mapping > maps->items && !mapping->path[0]) /* its .bss */
        mapping--;
    struct pyro_elf *elf;
    int code = mapping ? pyro_elf_open(pid, maps, mapping, &elf) : -ENOENT;
    if (code < 0)
        return code;
    code = pyro_elf_symbol(elf, "PyRun_SimpleString", ret_run, NULL);
    pyro_elf_free(elf);
    mapping = code == 0 ? pyro_maps_find(maps, *ret_run) : NULL;
    return mapping && mapping->executable && mapping->path[0] ? 0 : -ENOENT;
}

int pyro_room_find(pid_t pid, const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                   const struct pyro_maps *maps, pyro_addr *ret_run, pyro_addr *ret_room,
                   struct pyro_error *error)
{
    if (find_run(pid, runtime, maps, ret_run) < 0)
        return pyro_error_set(error, -ENOTSUP,
                              "this Python cannot be asked from outside: it does not export "
                              "PyRun_SimpleString");
    for (int left = 0; left < 2; left++) {
        *ret_room = find_room(pid, memory, maps, left);
        if (pyro_addr_is_null(*ret_room))
            *ret_room = room_in_program(pid, memory, maps, *ret_run, left);
        if (!pyro_addr_is_null(*ret_room))
            break;
    }
    if (pyro_addr_is_null(*ret_room))
        return pyro_error_set(error, -ENOTSUP,
                              "this Python cannot be asked from outside: neither a library nor "
                              "the program has %d bytes to spare",
                              PYRO_CALL_MAX);
    return 0;
}
