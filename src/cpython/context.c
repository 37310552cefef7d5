/* cpython/context.c - down a hash array mapped trie (Python/hamt.c), whose nodes do not change once they are made. */
#include "cpython/context.h"

#include <errno.h>

/* In every version that has them (64 bits). */
#define CONTEXT_VARIABLES 24 /* PyContext.ctx_vars */
#define TRIE_ROOT         16 /* PyHamtObject.h_root */
#define NODE_BODY         16 /* behind the object's head */
#define BITMAP_ARRAY \
    32 /* PyHamtNode_Bitmap.b_array: of each bit that is set, key and value; no key: the value is a node */
#define BITMAP_SIZE_MAX 32 /* entries, two for each bit: with more it becomes an array */

#define BITS   5
#define LEVELS 7 /* of 5 bits of the hash each */

/* What is at NODE is told by its first word: the size of a bitmap is small, and an array begins with an address or 0. */
static bool is_bitmap(uint64_t size, uint32_t bitmap)
{
    return size > 0 && size <= BITMAP_SIZE_MAX && size == 2 * (uint64_t)__builtin_popcount(bitmap);
}

/* 1: *RET_NEXT is the value; 0: it is the next node. */
static int step(const struct pyro_memory *memory, pyro_addr node, pyro_addr variable,
                uint32_t place, pyro_addr *ret_next)
{
    struct {
        uint64_t size;
        uint32_t bitmap, unused;
    } head;
    uint64_t entry[2];
    int code = pyro_memory_read(memory, pyro_addr_plus(node, NODE_BODY), &head, sizeof(head));
    if (code < 0)
        return code;
    if (!is_bitmap(head.size, head.bitmap)) {
        code = pyro_memory_read_addr(memory, pyro_addr_plus(node, NODE_BODY + 8 * place), ret_next);
        return code < 0 ? code : ret_next->u ? 0 : -ENOENT;
    }
    if (!(head.bitmap >> place & 1))
        return -ENOENT;
    uint32_t before = (uint32_t)__builtin_popcount(head.bitmap & ((1u << place) - 1));
    code = pyro_memory_read(memory, pyro_addr_plus(node, BITMAP_ARRAY + sizeof(entry) * before),
                            entry, sizeof(entry));
    if (code < 0)
        return code;
    *ret_next = pyro_addr_at(entry[1]);
    if (!entry[0])
        return 0;
    return entry[0] == variable.u ? 1 : -ENOENT;
}

int pyro_context_value(const struct pyro_memory *memory, pyro_addr context, pyro_addr variable,
                       uint32_t hash, pyro_addr *ret_value)
{
    pyro_addr at;
    int code = pyro_memory_read_addr(memory, pyro_addr_plus(context, CONTEXT_VARIABLES), &at);
    if (code == 0)
        code = pyro_memory_read_addr(memory, pyro_addr_plus(at, TRIE_ROOT), &at);
    for (unsigned level = 0; code == 0 && level < LEVELS; level++)
        code = step(memory, at, variable, hash >> (BITS * level) & ((1u << BITS) - 1), &at);
    if (code == 1)
        *ret_value = at;
    return code < 0 ? code : code == 1 ? 0 : -ENOENT;
}
