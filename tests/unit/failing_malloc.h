/* tests/unit/failing_malloc.h - allocations that fail: these take the place of the C library's, for all libraries.
 *
 * For one source of a test program. Under a sanitizer SANITIZED is defined and nothing fails: skip the test. */
#ifndef PYRO_TESTS_FAILING_MALLOC_H
#define PYRO_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static long fail_at; /* the how manieth allocation fails; 0: none */
static long allocations;
static long alive; /* blocks allocated but not freed */

#ifndef SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

static bool fails(void)
{
    return ++allocations == fail_at;
}

static void *counted(void *block)
{
    alive += block != NULL;
    return block;
}
void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}
void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}
void *realloc(void *block, size_t size)
{
    if (fails())
        return NULL;
    alive -= block != NULL;
    return counted(__libc_realloc(block, size));
}
void free(void *block)
{
    alive -= block != NULL;
    __libc_free(block);
}
#endif

#endif
