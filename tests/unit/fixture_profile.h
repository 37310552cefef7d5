/* tests/unit/fixture_profile.h - a profile made by hand, for tests of what reads one.
 *
 * Things get their ids in the order in which they are made, as in a real recording. Functions, frames and stacks
 * are not merged: each call makes a new one, but fixture_path() shares the prefixes of paths. */
#ifndef PYRO_TESTS_FIXTURE_PROFILE_H
#define PYRO_TESTS_FIXTURE_PROFILE_H

#include "profile/samples.h"
#include "check.h"

/* Room for one more at *ARRAY, which holds COUNT. */
#define FIXTURE_GROW(array, count)                                                    \
    do {                                                                              \
        if (((count) & ((count)-1)) == 0) {                                           \
            (array) = realloc((array), ((count) ? (count)*2 : 1) * sizeof(*(array))); \
            CHECK(array);                                                             \
        }                                                                             \
    } while (0)

static inline uint32_t fixture_text(struct pyro_profile *profile, const char *text)
{
    int64_t id = pyro_strings_intern(&profile->strings, text, strlen(text));
    CHECK(id >= 0);
    return (uint32_t)id;
}

static inline uint32_t fixture_function(struct pyro_profile *profile, const char *name,
                                        const char *file, uint32_t line,
                                        enum pyro_function_kind kind)
{
    FIXTURE_GROW(profile->functions, profile->function_count);
    profile->functions[profile->function_count] = (struct pyro_function){
        fixture_text(profile, name), fixture_text(profile, file), line, kind};
    return (uint32_t)profile->function_count++;
}

static inline uint32_t fixture_frame(struct pyro_profile *profile, uint32_t function, uint32_t line)
{
    FIXTURE_GROW(profile->frames, profile->frame_count);
    profile->frames[profile->frame_count] = (struct pyro_frame){function, line};
    return (uint32_t)profile->frame_count++;
}

/* A Python function with one frame, at its first line + 1; the frame. */
static inline uint32_t fixture_code(struct pyro_profile *profile, const char *name,
                                    const char *file, uint32_t line)
{
    uint32_t function = fixture_function(profile, name, file, line, PYRO_FUNCTION_PYTHON);
    return fixture_frame(profile, function, line + 1);
}

static inline uint32_t fixture_stack(struct pyro_profile *profile, uint32_t parent, uint32_t frame)
{
    FIXTURE_GROW(profile->stacks, profile->stack_count);
    profile->stacks[profile->stack_count] = (struct pyro_stack){
        .parent = parent, .frame = frame, .depth = profile->stacks[parent].depth + 1};
    return (uint32_t)profile->stack_count++;
}

/* The stack of FRAMES, root first, ended by PYRO_NO_ID; found again when it is there. */
static inline uint32_t fixture_path(struct pyro_profile *profile, const uint32_t *frames)
{
    uint32_t stack = PYRO_STACK_ROOT;
    for (; *frames != PYRO_NO_ID; frames++) {
        size_t i = 1;
        while (i < profile->stack_count &&
               (profile->stacks[i].parent != stack || profile->stacks[i].frame != *frames))
            i++;
        stack = i < profile->stack_count ? (uint32_t)i : fixture_stack(profile, stack, *frames);
    }
    return stack;
}
#define FIXTURE_PATH(profile, ...) \
    fixture_path(profile, (const uint32_t[]){__VA_ARGS__, PYRO_NO_ID})

static inline uint32_t fixture_process(struct pyro_profile *profile, int32_t pid,
                                       const char *command)
{
    FIXTURE_GROW(profile->processes, profile->process_count);
    profile->processes[profile->process_count] = (struct pyro_process){
        .pid = pid,
        .command = fixture_text(profile, command),
        .python_version = fixture_text(profile, "3.14.10"),
    };
    return (uint32_t)profile->process_count++;
}

static inline uint32_t fixture_thread(struct pyro_profile *profile, uint32_t process,
                                      uint64_t native_id, const char *name)
{
    FIXTURE_GROW(profile->threads, profile->thread_count);
    profile->threads[profile->thread_count] = (struct pyro_thread){
        .process = process, .native_id = native_id, .name = fixture_text(profile, name)};
    return (uint32_t)profile->thread_count++;
}

static inline uint32_t fixture_wait(struct pyro_profile *profile, const char *kind,
                                    const char *text)
{
    FIXTURE_GROW(profile->waits, profile->wait_count);
    profile->waits[profile->wait_count] =
        (struct pyro_wait_reason){fixture_text(profile, kind), fixture_text(profile, text)};
    return (uint32_t)profile->wait_count++;
}

struct fixture_sample {
    uint32_t thread, stack;
    enum pyro_state state;
    uint32_t flags;
    uint32_t wait_plus_1; /* 0: none */
    size_t count;         /* how many, of 1000 us each; 0: one */
    float weight_us;      /* 0: 1000 */
};

/* A sweep of its own for each. */
static inline void fixture_add(struct pyro_profile *profile, struct fixture_sample sample)
{
    struct pyro_profile_samples *samples = &profile->samples;
    const struct pyro_sample_kind kind = {sample.thread, sample.wait_plus_1 - 1,
                                          (uint8_t)sample.state, (uint8_t)sample.flags};
    float weight_us = sample.weight_us > 0 ? sample.weight_us : 1000;
    CHECK_EQ(pyro_samples_weigh(samples, samples->sweep_count, weight_us), 0);
    int64_t kind_id = pyro_samples_kind(samples, &kind);
    CHECK(kind_id >= 0);
    for (size_t i = 0; i < (sample.count ? sample.count : 1); i++) {
        CHECK_EQ(pyro_samples_sweep(samples, 1000 * (samples->sweep_count + 1)), 0);
        CHECK_EQ(pyro_samples_add(samples, sample.stack, (uint32_t)kind_id), 0);
        profile->counters.duration_us += (uint64_t)weight_us;
        profile->counters.samples++;
        profile->counters.sweeps++;
    }
}
#define FIXTURE_ADD(profile, ...) fixture_add(profile, (struct fixture_sample){__VA_ARGS__})

/* Counted calls of the main thread; a function is counted as often as it is called. */
static inline void fixture_calls(struct pyro_profile *profile, uint32_t caller, uint32_t callee,
                                 uint64_t count)
{
    FIXTURE_GROW(profile->calls, profile->call_count);
    profile->calls[profile->call_count++] =
        (struct pyro_calls){.caller = caller, .callee = callee, .count = count};
}

/* A counted line of a thread; in the order of functions, lines, threads. */
static inline void fixture_line(struct pyro_profile *profile, uint32_t thread, uint32_t function,
                                uint32_t line, uint64_t hits, uint64_t time_ns)
{
    FIXTURE_GROW(profile->lines, profile->line_count);
    profile->lines[profile->line_count++] =
        (struct pyro_line_count){thread, function, line, hits, time_ns};
}

/* Empty but for the root stack, one process and its main thread. */
static inline struct pyro_profile *fixture_profile(void)
{
    struct pyro_profile *profile = calloc(1, sizeof(*profile));
    CHECK(profile);
    fixture_text(profile, "");
    profile->stacks = calloc(1, sizeof(*profile->stacks));
    profile->stack_count = 1;
    profile->info = (struct pyro_recording_info){
        .command = "python3 /srv/shop/orders.py --all",
        .python = "3.14.10",
        .mode = "wall",
        .pyrometer = "0.1.0",
        .directory = "/srv/shop",
        .pid = 4711,
        .started_unix_us = UINT64_C(1780000000123456),
        .rate_hz = 1000,
    };
    profile->complete = true;
    fixture_thread(profile, fixture_process(profile, 4711, "python3 /srv/shop/orders.py --all"),
                   4711, "MainThread");
    return profile;
}

static inline void fixture_free(struct pyro_profile *profile)
{
    free(profile->functions);
    free(profile->frames);
    free(profile->stacks);
    free(profile->processes);
    free(profile->threads);
    free(profile->waits);
    free(profile->calls);
    free(profile->queries);
    free(profile->lookups);
    free(profile->arguments);
    free(profile->lines);
    free(profile->sources);
    free(profile->memory);
    free(profile->moments);
    free(profile->heaps);
    free(profile->timed_functions);
    free(profile->timed_edges);
    pyro_samples_free(&profile->samples);
    pyro_strings_free(&profile->strings);
    free(profile);
}

/* A story: a view that runs queries (waiting for the database), a serializer (running), a recursive function, a
 * library function, a C function and an unsure top. 1000 samples of 1 ms. */
static inline struct pyro_profile *fixture_orders(void)
{
    struct pyro_profile *profile = fixture_profile();
    uint32_t module = fixture_code(profile, "<module>", "/srv/shop/orders.py", 1);
    uint32_t view = fixture_code(profile, "order_list", "/srv/shop/views.py", 45);
    uint32_t query = fixture_code(profile, "execute_query", "/srv/shop/orm.py", 312);
    uint32_t driver = fixture_code(profile, "Cursor.execute",
                                   "/usr/lib/python3/dist-packages/psycopg2/cursor.py", 90);
    uint32_t serial = fixture_code(profile, "OrderSerializer.data", "/srv/shop/serializers.py", 20);
    uint32_t walk = fixture_code(profile, "walk", "/srv/shop/tree.py", 7);
    uint32_t sleep_function =
        fixture_function(profile, "{built-in method time.sleep}", "", 0, PYRO_FUNCTION_C);
    uint32_t sleep = fixture_frame(profile, sleep_function, 0);
    uint32_t unsure = fixture_frame(
        profile, fixture_function(profile, "[unsure]", "", 0, PYRO_FUNCTION_SPECIAL), 0);
    uint32_t socket = fixture_wait(profile, "socket", "recv 127.0.0.1:5432") + 1;
    uint32_t asleep = fixture_wait(profile, "sleep", "sleep") + 1;
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, view, query, driver),
                .state = PYRO_STATE_WAITING, .wait_plus_1 = socket, .count = 880);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, sleep), .state = PYRO_STATE_WAITING,
                .wait_plus_1 = asleep, .count = 30);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, view, serial),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 48);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, walk, walk, walk),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_GIL, .count = 30);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, walk), .state = PYRO_STATE_RUNNING,
                .flags = PYRO_SAMPLE_GIL, .count = 10);
    FIXTURE_ADD(profile, .stack = FIXTURE_PATH(profile, module, view, unsure),
                .state = PYRO_STATE_RUNNING, .flags = PYRO_SAMPLE_UNSURE | PYRO_SAMPLE_GIL,
                .count = 2);
    return profile;
}

#endif
