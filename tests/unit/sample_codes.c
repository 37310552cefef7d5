/* The cache of code objects over recorded interpreters: read once, noticed when another one takes the address. */
#include "check.h"
#include "cpython_image.h"

#include "base/clock.h"
#include "sample/codes.h"

#include <errno.h>

#define SINCE_314 7 /* versions[] from here on count the deaths of code objects */
#define SECOND    PYRO_NS_PER_S

struct cache {
    struct image image;
    struct pyro_codes codes;
    struct pyro_writer *writer;
    uint64_t code, instruction; /* of the function stand_still, as its frame holds them */
    char path[32];
};

static uint64_t word_at(const struct cache *cache, pyro_addr addr)
{
    pyro_addr word;
    CHECK_EQ(pyro_memory_read_addr(cache->image.snapshot.memory, addr, &word), 0);
    return word.u;
}

static void find_leaf(struct cache *cache)
{
    const struct pyro_layout *layout = &cache->image.runtime.layout;
    pyro_addr tstate = thread_called(&cache->image, "worker")->tstate;
    uint64_t frame = word_at(cache, pyro_addr_plus(tstate, layout->tstate.frame));
    if (layout->frames == PYRO_FRAMES_CFRAME)
        frame = word_at(cache, pyro_addr_at(frame + layout->cframe_current_frame));
    cache->code = word_at(cache, pyro_addr_at(frame + layout->frame.executable)) & ~(uint64_t)3;
    cache->instruction = word_at(cache, pyro_addr_at(frame + layout->frame.instruction));
    if (layout->frames == PYRO_FRAMES_LINKED)
        cache->instruction = (uint64_t)(int32_t)cache->instruction;
}

static void cache_open(struct cache *cache, size_t version)
{
    const struct pyro_recording_info info = {.command = "test"};
    struct pyro_error error = {0};
    *cache = (struct cache){.path = "/tmp/pyrometer-test-XXXXXX"};
    printf("# %s\n", versions[version]);
    int fd = mkstemp(cache->path);
    CHECK(fd >= 0);
    close(fd);
    read_image(&cache->image, versions[version]);
    open_image(&cache->image);
    find_leaf(cache);
    CHECK_EQ(pyro_writer_open(cache->path, &info, &cache->writer, &error), 0);
    pyro_codes_init(&cache->codes, cache->image.snapshot.memory, &cache->image.runtime,
                    cache->writer);
    uint32_t generation = cache->image.runtime.layout.interp.code_generation;
    CHECK_EQ(generation != PYRO_ABSENT, version >= SINCE_314);
    if (generation != PYRO_ABSENT)
        cache->codes.generation_addr = pyro_addr_plus(cache->image.threads[0].interp, generation);
    pyro_codes_tick(&cache->codes, SECOND, 1);
}

static void cache_close(struct cache *cache)
{
    pyro_codes_clear(&cache->codes);
    CHECK_EQ(pyro_writer_close(cache->writer, NULL), 0);
    unlink(cache->path);
    close_image(&cache->image);
}

/* Another code object takes the place: its first line is LINES further down. */
static void replace(struct cache *cache, uint32_t lines)
{
    pyro_addr where = pyro_addr_at(cache->code + cache->image.runtime.layout.code.first_line);
    poke(&cache->image, where, word_at(cache, where) + lines);
    reopen(&cache->image);
    cache->codes.memory = cache->image.snapshot.memory;
}

static uint32_t first_line(struct cache *cache)
{
    int64_t entry = pyro_codes_find(&cache->codes, cache->code);
    CHECK(entry >= 0);
    return pyro_writer_function_at(cache->writer, pyro_codes_at(&cache->codes, entry)->function)
        .first_line;
}

static void a_code_object_has_its_name_and_line(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        int64_t entry = pyro_codes_find(&cache.codes, cache.code);
        CHECK(entry >= 0);
        const struct pyro_code_entry *found = pyro_codes_at(&cache.codes, entry);
        struct pyro_function function = pyro_writer_function_at(cache.writer, found->function);
        CHECK_STR(pyro_writer_text(cache.writer, function.name), "stand_still");
        CHECK_STR(pyro_writer_text(cache.writer, function.file), "/app/program.py");
        CHECK_EQ(function.first_line, 10);
        CHECK_EQ(function.kind, PYRO_FUNCTION_PYTHON);
        uint32_t frame = pyro_codes_frame(&cache.codes, entry, cache.instruction);
        CHECK_EQ(pyro_writer_frame_at(cache.writer, frame).line, 12);
        CHECK_EQ(pyro_writer_frame_at(cache.writer, frame).function, found->function);
        CHECK_EQ(pyro_codes_frame(&cache.codes, entry, cache.instruction), frame);
        CHECK_EQ(pyro_writer_frame_count(cache.writer), 1);
        cache_close(&cache);
    }
}

static void it_is_read_once(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        int64_t entry = pyro_codes_find(&cache.codes, cache.code);
        size_t bytes = cache.codes.arena.used_bytes;
        for (uint64_t tick = 1; tick < 1000; tick++) {
            pyro_codes_tick(&cache.codes, SECOND + tick * PYRO_NS_PER_MS, 1 + tick / 100);
            CHECK_EQ(pyro_codes_find(&cache.codes, cache.code), entry);
        }
        CHECK_EQ(cache.codes.arena.used_bytes, bytes);
        CHECK_EQ(cache.codes.reread, 0);
        cache_close(&cache);
    }
}

static void another_one_at_its_address_is_noticed(void)
{
    for (size_t i = 0; i < SINCE_314; i++) {
        struct cache cache;
        cache_open(&cache, i);
        CHECK_EQ(first_line(&cache), 10);
        replace(&cache, 7);
        pyro_codes_tick(&cache.codes, SECOND + 300 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 17);
        CHECK_EQ(cache.codes.reread, 1);
        /* In a program that makes new code, what is young is looked at in every sweep. */
        replace(&cache, 5);
        pyro_codes_tick(&cache.codes, SECOND + 301 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 22);
        CHECK_EQ(cache.codes.reread, 2);
        cache_close(&cache);
    }
}

/* Who was only just seen is looked at again soon, who is known for long seldom. */
static void what_is_new_is_not_believed_for_long(void)
{
    for (size_t i = 0; i < SINCE_314; i++) {
        struct cache cache;
        cache_open(&cache, i);
        CHECK_EQ(first_line(&cache), 10);
        pyro_codes_tick(&cache.codes, SECOND + 80 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 10);
        replace(&cache, 7);
        pyro_codes_tick(&cache.codes, SECOND + 150 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 10); /* known for 80 ms, so believed for 80 */
        pyro_codes_tick(&cache.codes, SECOND + 165 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 17);
        cache_close(&cache);
        cache_open(&cache, i);
        CHECK_EQ(first_line(&cache), 10);
        replace(&cache, 7);
        pyro_codes_tick(&cache.codes, SECOND + 2 * PYRO_NS_PER_MS, 0);
        CHECK_EQ(first_line(&cache), 17);
        cache_close(&cache);
    }
}

static void a_new_generation_is_looked_at_at_once(void)
{
    for (size_t i = SINCE_314; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        CHECK_EQ(first_line(&cache), 10);
        replace(&cache, 7);
        pyro_codes_tick(&cache.codes, SECOND + 1, 1);
        CHECK_EQ(first_line(&cache), 10); /* nothing died, so nothing was looked at */
        pyro_codes_tick(&cache.codes, SECOND + 2, 2);
        CHECK_EQ(first_line(&cache), 17);
        CHECK_EQ(cache.codes.reread, 1);
        cache_close(&cache);
    }
}

static void a_dead_code_object_has_no_name(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        const struct pyro_layout *layout = &cache.image.runtime.layout;
        if (layout->free_threaded) /* neither the collector's nor immortal */
            memset(at(&cache.image, pyro_addr_at(cache.code + layout->object.gc_bits)), 0, 5);
        else
            poke(&cache.image, pyro_addr_at(cache.code),
                 0x7f0012345678); /* a link of the allocator's */
        reopen(&cache.image);
        cache.codes.memory = cache.image.snapshot.memory;
        CHECK(pyro_codes_find(&cache.codes, cache.code) < 0);
        CHECK_EQ(cache.codes.count, 0);
        cache_close(&cache);
    }
}

static void what_is_no_code_object_is_refused(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        CHECK(pyro_codes_find(&cache.codes, 0) < 0);
        CHECK(pyro_codes_find(&cache.codes, cache.code + 8) < 0);
        CHECK(pyro_codes_find(&cache.codes, UINT64_MAX - 7) < 0);
        CHECK_EQ(cache.codes.count, 0);
        CHECK_EQ(first_line(&cache), 10); /* and nothing is in the way of the next one */
        cache_close(&cache);
    }
}

static void stacks_are_taken_over_while_their_code_is_settled(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct cache cache;
        cache_open(&cache, i);
        CHECK(pyro_codes_settled(&cache.codes, SECOND, 1));
        pyro_codes_tick(&cache.codes, 2 * SECOND, 1);
        CHECK_EQ(pyro_codes_settled(&cache.codes, SECOND, 1),
                 i >= SINCE_314); /* the time is over */
        CHECK_EQ(pyro_codes_settled(&cache.codes, 2 * SECOND, 2), i < SINCE_314);
        first_line(&cache);
        replace(&cache, 1);
        pyro_codes_tick(&cache.codes, 3 * SECOND, 2);
        first_line(&cache);
        CHECK_EQ(pyro_codes_settled(&cache.codes, 3 * SECOND, 2),
                 i >= SINCE_314); /* new code is being made */
        cache_close(&cache);
    }
}

static void a_cache_past_its_limit_is_forgotten(void)
{
    struct cache cache;
    cache_open(&cache, 4);
    CHECK_EQ(first_line(&cache), 10);
    CHECK(pyro_arena_alloc(&cache.codes.arena, 65u << 20) != NULL);
    pyro_codes_tick(&cache.codes, SECOND + 1, 0);
    CHECK_EQ(cache.codes.arena.used_bytes, 0);
    CHECK_EQ(first_line(&cache), 10);
    cache_close(&cache);
}

int main(void)
{
    return CHECK_MAIN(TEST(a_code_object_has_its_name_and_line), TEST(it_is_read_once),
                      TEST(another_one_at_its_address_is_noticed),
                      TEST(what_is_new_is_not_believed_for_long),
                      TEST(a_new_generation_is_looked_at_at_once),
                      TEST(a_dead_code_object_has_no_name), TEST(what_is_no_code_object_is_refused),
                      TEST(stacks_are_taken_over_while_their_code_is_settled),
                      TEST(a_cache_past_its_limit_is_forgotten));
}
