/* The fast path over recorded interpreters: it shows what the slow one shows, and keeps its promises when the copies
 * are of another moment than the thread state, or are nonsense. */
#include "check.h"
#include "cpython_image.h"

#include "cpython/dump.h"
#include "cpython/internal.h"
#include "cpython/stack.h"

#include <errno.h>

#define FRAMES_MAX    (PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX)
#define WITH_CHUNKS   3 /* versions[] from here on: 3.11 */
#define WITH_CLEARING 7 /* and 3.14 */

/* One thread and what is needed to look at it again and again. */
struct watch {
    struct image image;
    const struct pyro_thread_info *thread;
    struct pyro_stack_reader reader;
    struct pyro_raw_stack stack;
    struct pyro_map sizes;
    struct pyro_span spans[PYRO_STACK_SPANS_MAX];
    size_t count;
};

static void watch_thread(struct watch *watch, const struct pyro_runtime *runtime,
                         const struct pyro_thread_info *thread)
{
    watch->thread = thread;
    watch->stack.buffer = calloc(FRAMES_MAX, sizeof(*watch->stack.buffer));
    CHECK_EQ(pyro_stack_reader_init(&watch->reader, runtime, thread->tstate, thread->interp), 0);
}

static void watch_close(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        free(watch->spans[i].data);
    pyro_stack_reader_clear(&watch->reader);
    pyro_map_free(&watch->sizes);
    free(watch->stack.buffer);
    if (watch->image.bytes)
        close_image(&watch->image);
}

static void copy_spans(struct watch *watch, const struct pyro_memory *memory)
{
    for (size_t i = 0; i < watch->count; i++)
        free(watch->spans[i].data);
    watch->count = pyro_stack_plan(&watch->reader, watch->spans);
    CHECK(watch->count > 0 && watch->count <= PYRO_STACK_SPANS_MAX);
    for (size_t i = 0; i < watch->count; i++)
        watch->spans[i].data = malloc(watch->spans[i].size);
}

static int look_at(struct watch *watch, const struct pyro_memory *memory)
{
    copy_spans(watch, memory);
    ssize_t arrived = pyro_memory_read_spans(memory, watch->spans, watch->count);
    CHECK(arrived >= 0);
    int status = pyro_stack_take(&watch->reader, memory, watch->spans, (size_t)arrived,
                                 &watch->sizes, &watch->stack);
    CHECK(watch->stack.count <= FRAMES_MAX);
    return status;
}

static int look(struct watch *watch)
{
    return look_at(watch, watch->image.snapshot.memory);
}

static size_t confirm(struct watch *watch)
{
    return pyro_stack_confirm(&watch->reader, watch->image.snapshot.memory, &watch->stack);
}

/* A watch over the thread called NAME that has looked often enough for its predictions to hold. */
static void watch_open(struct watch *watch, size_t version, const char *name)
{
    memset(watch, 0, sizeof(*watch));
    printf("# %s\n", versions[version]);
    read_image(&watch->image, versions[version]);
    open_image(&watch->image);
    watch_thread(watch, &watch->image.runtime, thread_called(&watch->image, name));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(look(watch), 0);
    CHECK(watch->stack.count >= 4);
}

/* Another one over the same thread, that has seen nothing yet. Close it first, by this: */
static void watch_open_fresh(struct watch *fresh, const struct watch *watch)
{
    *fresh = (struct watch){.image = watch->image};
    watch_thread(fresh, &fresh->image.runtime, watch->thread);
}

static void watch_close_fresh(struct watch *fresh)
{
    fresh->image.bytes = NULL;
    watch_close(fresh);
}

static const struct pyro_layout *layout_of(const struct watch *watch)
{
    return &watch->image.runtime.layout;
}

/* Write VALUE into the field at OFFSET of frame INDEX (from the root), and take it over. */
static void poke_frame(struct watch *watch, size_t index, uint32_t offset, uint64_t value)
{
    poke(&watch->image, pyro_addr_at(watch->stack.frames[index].address + offset), value);
    reopen(&watch->image);
}

/* Make the thread state point at the frame at ADDRESS. */
static void poke_innermost(struct watch *watch, uint64_t address)
{
    const struct pyro_layout *layout = layout_of(watch);
    pyro_addr where = pyro_addr_plus(watch->thread->tstate, layout->tstate.frame);
    if (layout->frames == PYRO_FRAMES_CFRAME) {
        CHECK_EQ(pyro_memory_read_addr(watch->image.snapshot.memory, where, &where), 0);
        where = pyro_addr_plus(where, layout->cframe_current_frame);
    }
    poke(&watch->image, where, address);
    reopen(&watch->image);
}

/* -- the same as the slow path ---------------------------------------------------------------- */

/* Compare with dump's frames, which come innermost first. */
static void compare(const struct watch *watch)
{
    const struct pyro_memory *memory = watch->image.snapshot.memory;
    const struct pyro_runtime *runtime = &watch->image.runtime;
    struct pyro_arena arena = {0};
    struct pyro_dump_stack dump;
    struct pyro_code code;
    CHECK_EQ(pyro_dump_stack(memory, runtime, watch->thread, false, &arena, &dump), 0);
    size_t shown = 0;
    for (size_t i = watch->stack.count; i-- > 0;) {
        const struct pyro_raw_frame *frame = &watch->stack.frames[i];
        CHECK_EQ(pyro_code_read(memory, runtime, pyro_addr_at(frame->code), &arena, &code), 0);
        if (code.shim)
            continue;
        CHECK(shown < dump.count);
        CHECK_STR(code.name, dump.frames[shown].name);
        CHECK_EQ(pyro_code_line(memory, runtime, &code, frame->instruction),
                 dump.frames[shown].line);
        shown++;
    }
    CHECK_EQ(shown, dump.count);
    pyro_arena_free(&arena);
}

static void shows_what_the_slow_path_shows(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        read_image(&image, versions[i]);
        open_image(&image);
        for (int thread = 0; thread < image.count; thread++) {
            struct watch watch = {.image = image};
            printf("# %s, thread %d\n", versions[i], thread);
            watch_thread(&watch, &watch.image.runtime, &image.threads[thread]);
            for (int round = 0; round < 3; round++) {
                CHECK_EQ(look(&watch), 0);
                CHECK(!watch.stack.broken);
                CHECK_EQ(watch.stack.elided, 0);
                compare(&watch);
                CHECK_EQ(confirm(&watch), watch.stack.count);
            }
            watch.image.bytes = NULL;
            watch_close(&watch);
        }
        close_image(&image);
    }
}

static void what_was_seen_is_predicted(void)
{
    static const char *const names[] = {"MainThread", "worker", "w\u00f6rker 2"};
    for (size_t i = 0; i < VERSIONS; i++) {
        for (size_t name = 0; name < 3; name++) {
            struct watch watch;
            watch_open(&watch, i, names[name]);
            CHECK_EQ(look(&watch), 0);
            CHECK(!watch.stack.late);
            watch_close(&watch);
        }
    }
}

/* Read late, or at the next look. */
static void spans_that_did_not_arrive_are_made_up_for(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        const struct pyro_memory *memory = watch.image.snapshot.memory;
        size_t count = watch.stack.count;
        copy_spans(&watch, memory);
        CHECK(pyro_memory_read_spans(memory, watch.spans, 1) == 1);
        int status =
            pyro_stack_take(&watch.reader, memory, watch.spans, 1, &watch.sizes, &watch.stack);
        CHECK(status == -EAGAIN || (status == 0 && watch.stack.late));
        if (status == -EAGAIN)
            CHECK_EQ(look(&watch), 0);
        CHECK(!watch.stack.broken);
        CHECK_EQ(watch.stack.count, count);
        compare(&watch);
        watch_close(&watch);
    }
}

static void a_thread_that_is_gone_is_told(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        CHECK(pyro_stack_take(&watch.reader, watch.image.snapshot.memory, watch.spans, 0,
                              &watch.sizes, &watch.stack) < 0);
        poke(&watch.image, pyro_addr_plus(watch.thread->tstate, layout_of(&watch)->tstate.interp),
             0x1000);
        reopen(&watch.image);
        CHECK_EQ(look(&watch), -ESRCH);
        watch_close(&watch);
    }
}

/* -- another moment --------------------------------------------------------------------------- */

static void a_cleared_executable_cuts(void)
{
    for (size_t i = WITH_CLEARING; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        size_t cut = watch.stack.count - 2;
        poke_frame(&watch, cut, layout_of(&watch)->frame.executable, 1); /* a tagged NULL */
        CHECK_EQ(look(&watch), 0);
        CHECK_EQ(watch.stack.count, cut);
        watch_close(&watch);
    }
}

static void a_caller_that_executes_cuts(void)
{
    for (size_t i = WITH_CHUNKS; i < WITH_CLEARING; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        size_t caller =
            watch.stack.count - 3; /* Worker.run, called by Worker.run, calls in Python */
        uint64_t word;
        uint32_t stacktop = layout_of(&watch)->frame.stacktop;
        memcpy(&word, at(&watch.image, pyro_addr_at(watch.stack.frames[caller].address + stacktop)),
               8);
        poke_frame(&watch, caller, stacktop, word | UINT32_MAX);
        CHECK_EQ(look(&watch), 0);
        CHECK_EQ(watch.stack.count, caller + 1);
        watch_close(&watch);
    }
}

/* 3.11, 3.12: a thread stopped while it enters the interpreter has nothing of worth in its cframe yet. */
static void a_cframe_not_filled_yet_is_passed_over(void)
{
    for (size_t i = WITH_CHUNKS; i < WITH_CHUNKS + 2; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        CHECK_EQ(layout_of(&watch)->frames, PYRO_FRAMES_CFRAME);
        size_t count = watch.stack.count;
        uint64_t root = watch.stack.frames[0].code;
        poke_innermost(&watch, 0);
        watch.reader.stands_still = true;
        CHECK_EQ(look(&watch), 0);
        CHECK(!watch.stack.broken);
        printf("# %zu of %zu frames\n", watch.stack.count, count);
        CHECK(watch.stack.count > 0 && watch.stack.count <= count);
        CHECK_EQ(watch.stack.frames[0].code, root);
        watch_close(&watch);
    }
}

/* 3.11: the first frame names no caller, and neither may one that was pushed a moment ago. */
static void a_frame_without_a_caller_is_no_root_in_the_middle(void)
{
    struct watch watch;
    watch_open(&watch, WITH_CHUNKS, "worker");
    uint64_t root = watch.stack.frames[0].code;
    poke_frame(&watch, 3, layout_of(&watch)->frame.previous, 0);
    CHECK_EQ(look(&watch), 0);
    CHECK(watch.stack.broken || watch.stack.frames[0].code == root);
    CHECK(watch.stack.count == 0 || watch.stack.frames[0].code == root);
    watch_close(&watch);
}

/* A thread stopped while it leaves a generator: the innermost frame it names is the generator's, which names no caller any
 * more. Then the caller is the innermost. */
static void a_generator_that_is_being_left_is_left_out(void)
{
    for (size_t i = WITH_CHUNKS; i < WITH_CLEARING; i++) {
        struct watch watch;
        watch_open(&watch, i, "w\u00f6rker 2"); /* add_up calls sum() calls numbers */
        const struct pyro_layout *layout = layout_of(&watch);
        size_t generator = 0;
        while (watch.stack.frames[generator].flags & PYRO_FRAME_IN_CHUNK)
            generator++;
        CHECK(generator > 0 && generator + 1 < watch.stack.count);
        uint64_t address = watch.stack.frames[generator].address;
        poke(&watch.image, pyro_addr_plus(watch.thread->tstate, layout->tstate.chunk_top),
             watch.stack.frames[generator + 1].address);
        poke_innermost(&watch, watch.stack.frames[generator - 1].address);
        CHECK_EQ(look(&watch), 0); /* add_up alone, once: how large its frame is */
        CHECK_EQ(watch.stack.count, generator);
        poke_innermost(&watch, address);
        poke(&watch.image, pyro_addr_at(address + layout->frame.previous), 0);
        reopen(&watch.image);
        watch.reader.stands_still = true;
        CHECK_EQ(look(&watch), 0);
        CHECK(!watch.stack.broken);
        CHECK_EQ(watch.stack.count, generator);
        CHECK(!(watch.stack.frames[generator - 1].flags & PYRO_FRAME_INFERRED));
        watch_close(&watch);
    }
}

/* A thread stopped in RETURN_GENERATOR: the frame of who makes a generator is popped already, and still the current one. It is
 * on the stack; what lies behind it is left over from earlier calls. */
static void a_frame_that_is_popped_and_current_is_kept(void)
{
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        const struct pyro_layout *layout = layout_of(&watch);
        size_t count = watch.stack.count - 2;
        const struct pyro_raw_frame *maker = &watch.stack.frames[count - 1];
        uint64_t code = maker->code;
        poke(&watch.image, pyro_addr_plus(watch.thread->tstate, layout->tstate.chunk_top),
             maker->address);
        if (layout->frames == PYRO_FRAMES_CFRAME) /* there it must be known to make generators */
            CHECK(pyro_map_insert(&watch.sizes, code, PYRO_SIZES_GENERATOR, NULL) != NULL);
        poke_innermost(&watch, maker->address);
        watch.reader.stands_still = true;
        CHECK_EQ(look(&watch), 0);
        CHECK(!watch.stack.broken);
        CHECK_EQ(watch.stack.count, count);
        CHECK_EQ(watch.stack.frames[count - 1].code, code);
        CHECK(!(watch.stack.frames[count - 1].flags & PYRO_FRAME_INFERRED));
        watch_close(&watch);
    }
}

static void frames_entered_since_are_added(void)
{
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        size_t count = watch.stack.count;
        uint64_t leaf = watch.stack.frames[count - 1].address;
        poke_innermost(&watch, watch.stack.frames[count - 2].address);
        CHECK_EQ(look(&watch), 0);
        CHECK_EQ(watch.stack.count, count);
        CHECK_EQ(watch.stack.frames[count - 1].address, leaf);
        watch_close(&watch);
    }
}

/* Before 3.14 what was left looks like what was entered, until something in it executes. */
static void leftovers_are_not_taken_for_entered_frames(void)
{
    for (size_t i = WITH_CHUNKS; i < WITH_CLEARING; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        size_t count = watch.stack.count;
        uint32_t stacktop = layout_of(&watch)->frame.stacktop;
        uint64_t word;
        memcpy(&word,
               at(&watch.image, pyro_addr_at(watch.stack.frames[count - 1].address + stacktop)), 8);
        poke_frame(&watch, count - 1, stacktop, word & ~(uint64_t)UINT32_MAX);
        poke_innermost(&watch, watch.stack.frames[count - 2].address);
        CHECK_EQ(look(&watch), 0);
        CHECK_EQ(watch.stack.count, count - 1);
        watch_close(&watch);
    }
}

/* All below it is, but in 3.11-3.13, where only a frame that executes proves what is below. */
static void a_changed_frame_is_not_confirmed(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct watch watch;
        watch_open(&watch, i, "worker");
        size_t count = watch.stack.count;
        bool below = i < WITH_CHUNKS || i >= WITH_CLEARING;
        CHECK_EQ(confirm(&watch), count);
        poke_frame(&watch, count - 2, layout_of(&watch)->frame.executable,
                   watch.stack.frames[0].code);
        CHECK(below ? confirm(&watch) == count - 2 : confirm(&watch) <= count - 2);
        poke_frame(&watch, 2, layout_of(&watch)->frame.previous, watch.stack.frames[0].address);
        CHECK(below ? confirm(&watch) == 2 : confirm(&watch) <= 2);
        watch_close(&watch);
    }
}

static void an_unreadable_memory_confirms_nothing(void)
{
    const struct pyro_segment elsewhere = {pyro_addr_at(0x1000), "12345678", 8};
    for (size_t i = 0; i < VERSIONS; i++) {
        struct watch watch;
        struct pyro_memory *empty;
        watch_open(&watch, i, "worker");
        CHECK_EQ(pyro_memory_from_segments(&elsewhere, 1, &empty), 0);
        CHECK_EQ(pyro_stack_confirm(&watch.reader, empty, &watch.stack), 0);
        pyro_memory_free(empty);
        watch_close(&watch);
    }
}

/* -- nonsense --------------------------------------------------------------------------------- */

static void circles_of_frames_end(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        for (size_t to = 1; to <= 4; to++) { /* itself, its callee, ... */
            struct watch watch;
            watch_open(&watch, i, "worker");
            size_t count = watch.stack.count;
            poke_frame(&watch, count - 4, layout_of(&watch)->frame.previous,
                       watch.stack.frames[count - to].address);
            CHECK_EQ(look(&watch), 0);
            CHECK(watch.stack.broken);
            CHECK(confirm(&watch) <= watch.stack.count);
            CHECK_EQ(look(&watch), 0);
            watch_close(&watch);
        }
    }
}

static void a_caller_out_of_reach_is_a_broken_chain(void)
{
    static const uint64_t nowhere[] = {8, 0xdeadbeef000, UINT64_MAX, UINT64_MAX - 64, 1ull << 63};
    for (size_t i = 0; i < VERSIONS; i++) {
        for (size_t k = 0; k < sizeof nowhere / sizeof *nowhere; k++) {
            struct watch watch, fresh;
            watch_open(&watch, i, "worker");
            poke_frame(&watch, 3, layout_of(&watch)->frame.previous, nowhere[k]);
            watch_open_fresh(&fresh, &watch);
            CHECK_EQ(look(&fresh), 0);
            CHECK(fresh.stack.broken);
            watch_close_fresh(&fresh);
            size_t count = watch.stack.count; /* who saw it whole may know where it went on */
            CHECK_EQ(look(&watch), 0);
            CHECK(watch.stack.broken || watch.stack.count <= count);
            CHECK(confirm(&watch) <= watch.stack.count);
            watch_close(&watch);
        }
    }
}

static void wild_chunk_headers_are_survived(void)
{
    static const uint64_t wild[] = {0,          1,         24, 1023, PYRO_CHUNK_SIZE_MAX + 1ull,
                                    UINT64_MAX, 1ull << 63};
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        for (size_t k = 0; k < 4 * sizeof wild / sizeof *wild; k++) {
            struct watch watch, fresh;
            watch_open(&watch, i, "worker");
            const struct pyro_layout *layout = layout_of(&watch);
            const uint32_t fields[] = {layout->chunk.previous, layout->chunk.size,
                                       layout->chunk.top, 0};
            pyro_addr chunk = pyro_addr_at(watch.reader.chunks[0].address), where;
            where = k % 4 < 3 ? pyro_addr_plus(chunk, fields[k % 4])
                              : pyro_addr_plus(watch.thread->tstate, layout->tstate.chunk_top);
            poke(&watch.image, where, wild[k / 4]);
            reopen(&watch.image);
            CHECK_EQ(look(&watch), 0); /* with what it knew */
            CHECK(confirm(&watch) <= watch.stack.count);
            watch_open_fresh(&fresh, &watch);
            for (int round = 0; round < 3; round++)
                CHECK_EQ(look(&fresh), 0);
            CHECK(confirm(&fresh) <= fresh.stack.count);
            watch_close_fresh(&fresh);
            watch_close(&watch);
        }
    }
}

static void a_circle_of_chunks_ends(void)
{
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch watch, fresh;
        watch_open(&watch, i, "worker");
        pyro_addr chunk = pyro_addr_at(watch.reader.chunks[0].address);
        poke(&watch.image, pyro_addr_plus(chunk, layout_of(&watch)->chunk.previous), chunk.u);
        reopen(&watch.image);
        watch_open_fresh(&fresh, &watch);
        for (int round = 0; round < 3; round++)
            CHECK_EQ(look(&fresh), 0);
        CHECK(fresh.reader.chunk_count <= PYRO_STACK_CHUNKS_MAX);
        watch_close_fresh(&fresh);
        watch_close(&watch);
    }
}

/* -- very deep stacks ------------------------------------------------------------------------- */

#define DEEP_CHUNKS 9
#define DEEP_SIZE   16384
#define DEEP_FRAME  256
#define DEEP_FRAMES 50 /* a chunk */
#define DEEP_BASE   0x10000000ull
#define DEEP_TSTATE 0x20000000ull
#define DEEP_CODE   0x30000000ull
#define DEEP_BOTTOM 0x40000000ull
#define DEEP_SHIM   (DEEP_BOTTOM + 64)

struct deep {
    uint8_t chunks[DEEP_CHUNKS][DEEP_SIZE], tstate[PYRO_TSTATE_SIZE_MAX], shim[1024];
    size_t tangled; /* frames are out of order from here on; 0: they are not */
};

static void put(uint8_t *bytes, uint32_t offset, uint64_t value)
{
    memcpy(bytes + offset, &value, sizeof(value));
}

/* Chunks in which each frame calls the next, the last one being the leaf. Frame N runs the code object
 * DEEP_CODE + 16 * N. The bottom is an entry shim (3.12+), or nothing (3.11). */
static void deep_build(struct deep *deep, const struct pyro_layout *layout, uint64_t interp,
                       uint64_t chunks)
{
    uint64_t previous = layout->minor >= 12 ? DEEP_SHIM : 0, number = 0, top = 0;
    memset(deep, 0, sizeof(*deep));
    if (layout->minor >= 12)
        deep->shim[64 + layout->frame.owner] = 3;
    for (uint64_t i = 0; i < chunks; i++) {
        uint64_t chunk = DEEP_BASE + i * DEEP_SIZE, at = layout->chunk.data;
        put(deep->chunks[i], layout->chunk.previous, i ? chunk - DEEP_SIZE : 0);
        put(deep->chunks[i], layout->chunk.size, DEEP_SIZE);
        if (i + 1 < chunks) /* in words from the first on */
            put(deep->chunks[i], layout->chunk.top, DEEP_FRAMES * DEEP_FRAME / 8);
        for (int k = 0; k < DEEP_FRAMES; k++, number++, at += DEEP_FRAME) {
            put(deep->chunks[i] + at, layout->frame.executable, DEEP_CODE + 16 * number);
            put(deep->chunks[i] + at, layout->frame.previous, previous);
            previous = chunk + at;
        }
        top = chunk + at;
    }
    if (layout->frame.stacktop != PYRO_ABSENT) /* the leaf executes */
        put(deep->chunks[chunks - 1] + (previous - DEEP_BASE) % DEEP_SIZE, layout->frame.stacktop,
            UINT32_MAX);
    put(deep->tstate, layout->tstate.interp, interp);
    put(deep->tstate, layout->tstate.chunk, DEEP_BASE + (chunks - 1) * DEEP_SIZE);
    put(deep->tstate, layout->tstate.chunk_top, top);
    put(deep->tstate, layout->tstate.frame, previous);
    if (layout->tstate.base_frame != PYRO_ABSENT)
        put(deep->tstate, layout->tstate.base_frame, DEEP_SHIM);
    if (layout->frames == PYRO_FRAMES_CFRAME) {
        put(deep->tstate, layout->tstate.frame, DEEP_BOTTOM + 512);
        put(deep->shim, 512 + layout->cframe_current_frame, previous);
    }
}

static struct pyro_memory *deep_memory(const struct deep *deep)
{
    struct pyro_memory *memory;
    const struct pyro_segment segments[] = {
        {pyro_addr_at(DEEP_BASE), deep->chunks, sizeof deep->chunks},
        {pyro_addr_at(DEEP_TSTATE), deep->tstate, sizeof deep->tstate},
        {pyro_addr_at(DEEP_BOTTOM), deep->shim, sizeof deep->shim},
    };
    CHECK_EQ(pyro_memory_from_segments(segments, 3, &memory), 0);
    return memory;
}

static void the_middle_of_a_deep_stack_is_elided(void)
{
    static struct deep deep;
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch watch = {0};
        struct pyro_thread_info thread;
        printf("# %s\n", versions[i]);
        read_image(&watch.image, versions[i]);
        open_image(&watch.image);
        thread = watch.image.threads[0];
        thread.tstate = pyro_addr_at(DEEP_TSTATE);
        deep_build(&deep, &watch.image.runtime.layout, thread.interp.u, DEEP_CHUNKS);
        struct pyro_memory *memory = deep_memory(&deep);
        watch_thread(&watch, &watch.image.runtime, &thread);
        for (int round = 0; round < 3; round++) {
            const struct pyro_raw_stack *stack = &watch.stack;
            CHECK_EQ(look_at(&watch, memory), 0);
            CHECK(!stack->broken);
            CHECK_EQ(stack->elided, (DEEP_CHUNKS - PYRO_STACK_CHUNKS_READ - 1) * DEEP_FRAMES);
            CHECK_EQ(stack->count + stack->elided, DEEP_CHUNKS * DEEP_FRAMES);
            CHECK_EQ(stack->elided_at, DEEP_FRAMES);
            for (size_t k = 0; k < stack->count; k++)
                CHECK_EQ(stack->frames[k].code,
                         DEEP_CODE + 16 * (k < DEEP_FRAMES ? k : k + stack->elided));
            CHECK_EQ(pyro_stack_confirm(&watch.reader, memory, stack), stack->count);
        }
        CHECK(!watch.stack.late);
        pyro_memory_free(memory);
        watch_close(&watch);
    }
}

#define PRIOR_CHUNKS 3
#define PRIOR_FRAMES (PRIOR_CHUNKS * DEEP_FRAMES)
#define PRIOR_ROUNDS 3000
#define SHIM_ABOVE   20
#define SHIM_AT      768

/* The bytes of frame NUMBER, counted from the root, and where it is. */
static uint8_t *deep_frame(struct deep *deep, const struct pyro_layout *layout, size_t number,
                           uint64_t *ret_address)
{
    uint64_t chunk = number / DEEP_FRAMES;
    uint64_t offset = layout->chunk.data + number % DEEP_FRAMES * DEEP_FRAME;
    *ret_address = DEEP_BASE + chunk * DEEP_SIZE + offset;
    return deep->chunks[chunk] + offset;
}

/* 3.12+: C code stands between frame SHIM_ABOVE and the one right below it, or the one below that. */
static void deep_put_shim(struct deep *deep, const struct pyro_layout *layout, size_t below)
{
    uint64_t above, called;
    uint8_t *bytes = deep_frame(deep, layout, SHIM_ABOVE, &above);
    (void)deep_frame(deep, layout, below, &called);
    put(bytes, layout->frame.previous, layout->minor >= 12 ? DEEP_BOTTOM + SHIM_AT : called);
    put(deep->shim + SHIM_AT, layout->frame.previous, called);
    deep->shim[SHIM_AT + layout->frame.owner] = 3;
}

static void deep_call(struct deep *deep, const struct pyro_layout *layout, size_t caller,
                      size_t called)
{
    uint64_t above, below;
    uint8_t *bytes = deep_frame(deep, layout, called, &above);
    (void)deep_frame(deep, layout, caller, &below);
    put(bytes, layout->frame.previous, below);
}

/* AT + 3 calls AT, which calls AT + 4: no program does, but a torn copy may say so. Or all in order again. */
static void deep_tangle(struct deep *deep, const struct pyro_layout *layout, size_t at,
                        bool tangled)
{
    deep_call(deep, layout, tangled ? at - 1 : at + 2, at + 3);
    deep_call(deep, layout, tangled ? at + 3 : at - 1, at);
    deep_call(deep, layout, tangled ? at : at + 3, at + 4);
    deep->tangled = tangled ? at : 0;
}

/* Where the data stack of the innermost frame LAST ends: behind it, or some frames before, those out of order perhaps. */
static size_t deep_end(const struct deep *deep, size_t last, unsigned *random)
{
    size_t first = last - last % DEEP_FRAMES,
           tangled = deep->tangled + 1 + (size_t)rand_r(random) % 3;
    if (rand_r(random) % 4)
        return last + 1;
    return tangled >= first && tangled <= last
               ? tangled
               : last + 1 - (size_t)rand_r(random) % (last + 1 - first);
}

/* Let the program go on for a while: its last frames are left, others entered; now and then something below changes, or
 * the data stack ends below the innermost frame already. */
static void deep_go_on(struct deep *deep, const struct pyro_layout *layout, unsigned *random)
{
    uint64_t leaf, other;
    size_t last = PRIOR_FRAMES - 1 - (size_t)rand_r(random) % 40;
    (void)deep_frame(deep, layout, last, &leaf);
    size_t pick = (size_t)rand_r(random) % 8 ? last - (size_t)rand_r(random) % 5
                                             : (size_t)rand_r(random) % last;
    uint8_t *bytes = deep_frame(deep, layout, pick, &other);
    switch (rand_r(random) % 7) {
    case 4:
        deep_put_shim(deep, layout, SHIM_ABOVE - 1 - (size_t)rand_r(random) % 2);
        break;
    case 0:
        put(bytes, layout->frame.executable, DEEP_CODE + 16 * (uint64_t)(rand_r(random) % 500));
        break;
    case 1:
        put(bytes, layout->frame.instruction, (uint64_t)rand_r(random));
        break;
    case 2: /* it is called by one further down, or as before */
        if (pick > 9)
            deep_call(deep, layout, pick - 1 - (size_t)rand_r(random) % 3, pick);
        break;
    case 3: /* a shim, or no more */
        bytes[layout->frame.owner] = rand_r(random) % 8 ? 0 : 3;
        break;
    case 5: /* 3.11-3.13: it executes, or waits for a call; 3.11: C code called it, or not */
        if (layout->frame.stacktop != PYRO_ABSENT)
            memset(bytes + layout->frame.stacktop, rand_r(random) % 8 ? 0 : 0xff, 4);
        if (layout->frame.is_entry != PYRO_ABSENT)
            bytes[layout->frame.is_entry] = rand_r(random) % 2;
        break;
    default: /* only a value on its stack */
        put(bytes, DEEP_FRAME - 8, (uint64_t)rand_r(random));
    }
    if (deep->tangled && rand_r(random) % 16 == 0)
        deep_tangle(deep, layout, deep->tangled, false);
    else if (!deep->tangled && rand_r(random) % 16 == 0)
        deep_tangle(deep, layout, last - 5 - (size_t)rand_r(random) % 30, true);
    put(deep->tstate, layout->tstate.chunk, DEEP_BASE + last / DEEP_FRAMES * DEEP_SIZE);
    put(deep->tstate, layout->tstate.chunk_top,
        leaf + DEEP_FRAME * deep_end(deep, last, random) - DEEP_FRAME * last);
    put(layout->frames == PYRO_FRAMES_CFRAME ? deep->shim : deep->tstate,
        layout->frames == PYRO_FRAMES_CFRAME ? 512 + layout->cframe_current_frame
                                             : layout->tstate.frame,
        leaf);
}

static bool same_frame(const struct pyro_raw_frame *a, const struct pyro_raw_frame *b)
{
    return a->address == b->address && a->code == b->code && a->instruction == b->instruction &&
           a->previous == b->previous && a->flags == b->flags;
}

static bool same_stack(const struct pyro_raw_stack *a, const struct pyro_raw_stack *b)
{
    bool same = a->count == b->count && a->broken == b->broken && a->certain == b->certain;
    for (size_t i = 0; same && i < a->count; i++)
        same = same_frame(&a->frames[i], &b->frames[i]);
    return same;
}

/* Two readers see the same program, one of which is given its last stack back each time. */
static void what_did_not_change_is_taken_over(void)
{
    static struct deep deep;
    static struct pyro_raw_frame prior[FRAMES_MAX];
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch with = {0}, without;
        printf("# %s\n", versions[i]);
        read_image(&with.image, versions[i]);
        open_image(&with.image);
        const struct pyro_layout *layout = layout_of(&with);
        struct pyro_thread_info thread = with.image.threads[0];
        thread.tstate = pyro_addr_at(DEEP_TSTATE);
        deep_build(&deep, layout, thread.interp.u, PRIOR_CHUNKS);
        deep_put_shim(&deep, layout, SHIM_ABOVE - 1);
        struct pyro_memory *memory = deep_memory(&deep);
        watch_thread(&with, &with.image.runtime, &thread);
        watch_open_fresh(&without, &with);
        with.reader.stands_still = without.reader.stands_still =
            true; /* links count, not guesses */
        unsigned random = 1;
        size_t reused = 0, frames = 0, left_over = 0;
        for (int round = 0; round < PRIOR_ROUNDS; round++) {
            if (round > 0)
                memcpy(prior, with.stack.frames, with.stack.count * sizeof(*prior));
            with.reader.prior = prior;
            with.reader.prior_count = with.stack.broken ? 0 : with.stack.count;
            CHECK_EQ(look_at(&with, memory), 0);
            CHECK_EQ(look_at(&without, memory), 0);
            CHECK(same_stack(&with.stack, &without.stack));
            CHECK_EQ(without.stack.reused, 0);
            CHECK(with.stack.reused <= with.stack.count);
            reused += with.stack.reused;
            frames += with.stack.count;
            left_over += with.stack.certain > 0 && with.stack.certain < with.stack.reused;
            deep_go_on(&deep, layout, &random);
            pyro_memory_free(memory); /* it has a copy */
            memory = deep_memory(&deep);
        }
        printf("# %zu of %zu frames taken over\n", reused, frames);
        CHECK(reused > frames / 4);
        CHECK(left_over > 0 || layout->frame.stacktop != PYRO_ABSENT);
        watch_close_fresh(&without);
        pyro_memory_free(memory);
        watch_close(&with);
    }
}

/* -- chunks that come and go, and frames at their edges --------------------------------------------- */

/* A thread with CHUNKS chunks full of frames, looked at three times while it stands still. */
static struct pyro_memory *deep_open(struct watch *watch, struct deep *deep,
                                     struct pyro_thread_info *thread, size_t version,
                                     uint64_t chunks)
{
    *watch = (struct watch){0};
    printf("# %s\n", versions[version]);
    read_image(&watch->image, versions[version]);
    open_image(&watch->image);
    *thread = watch->image.threads[0];
    thread->tstate = pyro_addr_at(DEEP_TSTATE);
    deep_build(deep, &watch->image.runtime.layout, thread->interp.u, chunks);
    struct pyro_memory *memory = deep_memory(deep);
    watch_thread(watch, &watch->image.runtime, thread);
    watch->reader.stands_still = true;
    for (int round = 0; round < 3; round++)
        CHECK_EQ(look_at(watch, memory), 0);
    CHECK(!watch->stack.broken);
    CHECK_EQ(watch->stack.count, chunks * DEEP_FRAMES);
    return memory;
}

static struct pyro_memory *deep_again(const struct deep *deep, struct pyro_memory *memory)
{
    pyro_memory_free(memory); /* it has a copy */
    return deep_memory(deep);
}

/* Exchange chunks 1 and 2 of three: the same frames at each other's addresses. */
static void deep_exchange(struct deep *deep, const struct pyro_layout *layout)
{
    static uint8_t one[DEEP_SIZE];
    memcpy(one, deep->chunks[1], DEEP_SIZE);
    memcpy(deep->chunks[1], deep->chunks[2], DEEP_SIZE);
    memcpy(deep->chunks[2], one, DEEP_SIZE);
    put(deep->chunks[1], layout->chunk.previous, DEEP_BASE + 2 * DEEP_SIZE);
    put(deep->chunks[2], layout->chunk.previous, DEEP_BASE);
    uint64_t address, below;
    for (size_t number = DEEP_FRAMES; number < 3 * DEEP_FRAMES; number++) {
        size_t under = number == 2 * DEEP_FRAMES ? DEEP_FRAMES - 1
                       : number == DEEP_FRAMES   ? 3 * DEEP_FRAMES - 1
                                                 : number - 1;
        uint8_t *bytes = deep_frame(deep, layout, number, &address);
        (void)deep_frame(deep, layout, under, &below);
        put(bytes, layout->frame.previous, below);
    }
    (void)deep_frame(deep, layout, 2 * DEEP_FRAMES - 1, &address);
    put(deep->tstate, layout->tstate.chunk, DEEP_BASE + DEEP_SIZE);
    put(deep->tstate, layout->tstate.chunk_top, address + DEEP_FRAME);
    put(layout->frames == PYRO_FRAMES_CFRAME ? deep->shim : deep->tstate,
        layout->frames == PYRO_FRAMES_CFRAME ? 512 + layout->cframe_current_frame
                                             : layout->tstate.frame,
        address);
}

/* Chunks that were left and begun again lie where others lay: the list is what they say now. */
static void chunks_that_changed_places_are_followed(void)
{
    static struct deep deep;
    for (size_t i = WITH_CHUNKS; i < VERSIONS; i++) {
        struct watch watch;
        struct pyro_thread_info thread;
        struct pyro_memory *memory = deep_open(&watch, &deep, &thread, i, 3);
        deep_exchange(&deep, layout_of(&watch));
        memory = deep_again(&deep, memory);
        CHECK_EQ(look_at(&watch, memory), 0);
        CHECK(!watch.stack.broken);
        CHECK_EQ(watch.reader.chunk_count, 3);
        for (size_t k = 0; k < 3; k++)
            CHECK_EQ(watch.reader.chunks[k].address, DEEP_BASE + (k == 0   ? 1
                                                                  : k == 1 ? 2
                                                                           : 0) *
                                                                     DEEP_SIZE);
        CHECK_EQ(watch.stack.count, 3 * DEEP_FRAMES);
        for (size_t k = 0; k < watch.stack.count; k++) {
            CHECK_EQ(watch.stack.frames[k].code, DEEP_CODE + 16 * k);
            CHECK(watch.stack.frames[k].flags & PYRO_FRAME_IN_CHUNK);
        }
        pyro_memory_free(memory);
        watch_close(&watch);
    }
}

/* Let frame LAST be the innermost: entered a moment ago, it does not execute and names PREVIOUS. */
static void deep_enter(struct deep *deep, const struct pyro_layout *layout, size_t last,
                       uint64_t previous)
{
    uint64_t address, chunk = last / DEEP_FRAMES;
    uint8_t *bytes = deep_frame(deep, layout, last, &address);
    put(bytes, layout->frame.previous, previous);
    memset(bytes + layout->frame.stacktop, 0, 4);
    put(deep->tstate, layout->tstate.chunk, DEEP_BASE + chunk * DEEP_SIZE);
    put(deep->tstate, layout->tstate.chunk_top, address + DEEP_FRAME);
    put(layout->frames == PYRO_FRAMES_CFRAME ? deep->shim : deep->tstate,
        layout->frames == PYRO_FRAMES_CFRAME ? 512 + layout->cframe_current_frame
                                             : layout->tstate.frame,
        address);
}

/* 3.11-3.13: a frame is the current one before it names its caller. Till then it names none, or who called from an earlier
 * frame there. Where it lies tells. */
static void a_frame_that_is_entered_was_called_from_below(void)
{
    static struct deep deep;
    const size_t lasts[] = {2 * DEEP_FRAMES,
                            2 * DEEP_FRAMES + 7}; /* the first of its chunk, or not */
    for (size_t i = WITH_CHUNKS; i < WITH_CLEARING; i++)
        for (size_t k = 0; k < 4; k++) {
            struct watch watch;
            struct pyro_thread_info thread;
            struct pyro_memory *memory = deep_open(&watch, &deep, &thread, i, 3);
            size_t last = lasts[k / 2];
            uint64_t stale = 0, caller;
            if (k % 2)
                (void)deep_frame(&deep, layout_of(&watch), last - 3, &stale);
            (void)deep_frame(&deep, layout_of(&watch), last - 1, &caller);
            deep_enter(&deep, layout_of(&watch), last, stale);
            memory = deep_again(&deep, memory);
            CHECK_EQ(look_at(&watch, memory), 0);
            CHECK(!watch.stack.broken);
            CHECK_EQ(watch.stack.count, last + 1);
            CHECK_EQ(watch.stack.frames[last].previous, caller);
            for (size_t frame = 0; frame <= last; frame++)
                CHECK_EQ(watch.stack.frames[frame].code, DEEP_CODE + 16 * frame);
            pyro_memory_free(memory);
            watch_close(&watch);
        }
}

/* One that others were pushed behind was not just entered: what it names is believed. */
static void a_frame_below_the_end_is_believed(void)
{
    static struct deep deep;
    const size_t last = 2 * DEEP_FRAMES + 7;
    for (size_t i = WITH_CHUNKS; i < WITH_CLEARING; i++) {
        struct watch watch;
        struct pyro_thread_info thread;
        struct pyro_memory *memory = deep_open(&watch, &deep, &thread, i, 3);
        const struct pyro_layout *layout = layout_of(&watch);
        uint64_t named, address;
        (void)deep_frame(&deep, layout, last - 3, &named);
        (void)deep_frame(&deep, layout, last, &address);
        deep_enter(&deep, layout, last, named);
        put(deep.tstate, layout->tstate.chunk_top, address + 2 * DEEP_FRAME);
        memory = deep_again(&deep, memory);
        CHECK_EQ(look_at(&watch, memory), 0);
        CHECK_EQ(watch.stack.count, last - 1);
        CHECK_EQ(watch.stack.frames[last - 2].previous, named);
        pyro_memory_free(memory);
        watch_close(&watch);
    }
}

int main(void)
{
    return CHECK_MAIN(
        TEST(shows_what_the_slow_path_shows), TEST(what_was_seen_is_predicted),
        TEST(spans_that_did_not_arrive_are_made_up_for), TEST(a_thread_that_is_gone_is_told),
        TEST(a_cleared_executable_cuts), TEST(a_caller_that_executes_cuts),
        TEST(a_cframe_not_filled_yet_is_passed_over),
        TEST(a_frame_that_is_popped_and_current_is_kept),
        TEST(a_frame_without_a_caller_is_no_root_in_the_middle),
        TEST(a_generator_that_is_being_left_is_left_out), TEST(frames_entered_since_are_added),
        TEST(leftovers_are_not_taken_for_entered_frames), TEST(a_changed_frame_is_not_confirmed),
        TEST(an_unreadable_memory_confirms_nothing), TEST(circles_of_frames_end),
        TEST(a_caller_out_of_reach_is_a_broken_chain), TEST(wild_chunk_headers_are_survived),
        TEST(a_circle_of_chunks_ends), TEST(the_middle_of_a_deep_stack_is_elided),
        TEST(what_did_not_change_is_taken_over), TEST(chunks_that_changed_places_are_followed),
        TEST(a_frame_that_is_entered_was_called_from_below),
        TEST(a_frame_below_the_end_is_believed));
}
