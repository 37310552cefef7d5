/* sample/sampler.c - one process: open it, sweep over it, close it. */
#include "sample/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sample/internal.h"

#include "base/clock.h"
#include "base/log.h"

#define RELIST_NS      (500 * PYRO_NS_PER_MS) /* new interpreters, names of threads */
#define SPANS_AN_INTERP 3
#define LISTS_NS       (500 * PYRO_NS_PER_US) /* a collection lasts longer, a new thread can wait */
#define SPANS_A_CALL   1000

/* -- life ------------------------------------------------------------------------------------- */

int pyro_sampler_open(pid_t pid, const struct pyro_sampler_options *options, struct pyro_sampler **ret_sampler,
                      struct pyro_error *error)
{
    struct pyro_sampler *sampler = calloc(1, sizeof(*sampler));
    if (!sampler)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    sampler->pid = pid;
    sampler->options = *options;
    sampler->stack.buffer =
        calloc(PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX, sizeof(*sampler->stack.buffer));
    int status = sampler->stack.buffer ? 0 : pyro_error_set(error, -ENOMEM, "out of memory");
    if (status == 0)
        status = pyro_memory_open(pid, &sampler->memory, error);
    if (status == 0)
        status = pyro_runtime_find(pid, sampler->memory, &sampler->runtime, error);
    if (status == 0 && options->exact)
        status = pyro_pauser_new(pid, &sampler->pauser, error);
    if (status < 0) {
        pyro_sampler_free(sampler);
        return status;
    }
    *ret_sampler = sampler;
    return 0;
}

void pyro_sampler_free(struct pyro_sampler *sampler)
{
    if (!sampler)
        return;
    for (size_t i = 0; i < sampler->thread_count; i++)
        pyro_sampled_thread_free(sampler->threads[i]);
    free(sampler->threads);
    free(sampler->spans);
    free(sampler->copies);
    free(sampler->stack.buffer);
    pyro_codes_clear(&sampler->codes);
    pyro_map_free(&sampler->edges);
    pyro_map_free(&sampler->frame_sizes);
    pyro_pauser_free(sampler->pauser);
    pyro_memory_free(sampler->memory);
    free(sampler);
}

static uint32_t special_function(struct pyro_writer *writer, const char *name)
{
    struct pyro_function function = {
        .name = pyro_writer_string(writer, name, strlen(name)),
        .file = pyro_writer_string(writer, "", 0),
        .kind = PYRO_FUNCTION_SPECIAL,
    };
    return pyro_writer_function(writer, &function);
}

int pyro_sampler_start(struct pyro_sampler *sampler, struct pyro_writer *writer, int32_t parent_pid,
                       const char *command)
{
    sampler->writer = writer;
    sampler->process = pyro_writer_process(writer, sampler->pid, parent_pid, command,
                                           sampler->runtime.version_text);
    pyro_codes_init(&sampler->codes, sampler->memory, &sampler->runtime, writer);
    sampler->unsure_frame = pyro_writer_frame(writer, special_function(writer, "[unsure]"), 0);
    sampler->elided_function = special_function(writer, "[frames elided]");
    sampler->relist = true;
#ifdef PYRO_FAULTS
    const char *fault = getenv("PYRO_FAULT");
    sampler->no_edge_check = fault && strstr(fault, "no-edge-check");
    sampler->torn_copy = fault && strstr(fault, "torn-copy");
#endif
    return 0;
}

const char *pyro_sampler_python(const struct pyro_sampler *sampler)
{
    return sampler->runtime.version_text;
}

size_t pyro_sampler_threads(const struct pyro_sampler *sampler)
{
    return sampler->thread_count;
}

void pyro_sampler_settle(struct pyro_sampler *sampler)
{
    pyro_sampler_write_edges(sampler);
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        pyro_writer_thread_cpu(sampler->writer, thread->id, pyro_thread_state_cpu_us(&thread->state));
    }
}

/* -- interpreters ----------------------------------------------------------------------------- */

/* Three spans for each: lists (not more often than every LISTS_NS), GIL, generation; of size 0 where there is none. */
static size_t plan_interp(struct pyro_sampler *sampler, struct pyro_sampled_interp *interp, uint64_t now_ns,
                          struct pyro_span *spans)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    pyro_addr gil = layout->interp.gil != PYRO_ABSENT
                        ? pyro_addr_plus(interp->gil, layout->gil.holder)
                        : pyro_addr_plus(sampler->runtime.addr, layout->runtime.gil_holder);
    bool has_gil = layout->tstate.holds_gil == PYRO_ABSENT && (layout->interp.gil == PYRO_ABSENT || interp->gil.u);
    bool has_generation = layout->interp.code_generation != PYRO_ABSENT;
    bool lists_due = now_ns - interp->lists_read_ns >= LISTS_NS;
    if (lists_due)
        interp->lists_read_ns = now_ns;
    spans[0] = (struct pyro_span){.addr = pyro_addr_plus(interp->addr, interp->lists_from),
                                  .size = lists_due ? interp->lists_size : 0};
    spans[1] = (struct pyro_span){.addr = gil, .size = has_gil ? 16 : 0};
    spans[2] = (struct pyro_span){.addr = pyro_addr_plus(interp->addr, layout->interp.code_generation),
                                  .size = has_generation ? 8 : 0};
    return SPANS_AN_INTERP;
}

static void parse_interp(struct pyro_sampler *sampler, struct pyro_sampled_interp *interp,
                         const struct pyro_span *spans)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    uint64_t head = 0, holder = 0;
    int32_t locked = 0, collecting = 0;
    if (spans[0].size) {
        memcpy(&head, spans[0].data, 8);
        if (interp->threads_head && interp->threads_head != head)
            sampler->relist = true;
        interp->threads_head = head;
        if (layout->interp.gc_collecting != PYRO_ABSENT && spans[0].size > 8)
            memcpy(&collecting, (const uint8_t *)spans[0].data + spans[0].size - 4, 4);
        interp->collecting = collecting != 0;
    }
    if (spans[1].size) { /* `locked` lies right behind `last_holder` in every version */
        memcpy(&holder, spans[1].data, 8);
        memcpy(&locked, (const uint8_t *)spans[1].data + 8, 4);
    }
    interp->gil_holder = pyro_addr_at(locked > 0 ? holder : 0);
    if (spans[2].size)
        memcpy(&interp->generation, spans[2].data, 8);
}

static const struct pyro_sampled_interp *interp_of(const struct pyro_sampler *sampler,
                                                   const struct pyro_sampled_thread *thread)
{
    for (size_t i = 1; i < sampler->interp_count; i++)
        if (sampler->interps[i].addr.u == thread->info.interp.u)
            return &sampler->interps[i];
    return &sampler->interps[0];
}

static uint64_t code_generation(const struct pyro_sampler *sampler)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sampler->interp_count; i++)
        sum += sampler->interps[i].generation;
    return sum;
}

/* -- sweeps ----------------------------------------------------------------------------------- */

static int room_for_spans(struct pyro_sampler *sampler)
{
    size_t want = sampler->interp_count * SPANS_AN_INTERP + (sampler->thread_count + 1) * PYRO_STACK_SPANS_MAX;
    if (want <= sampler->span_capacity)
        return 0;
    struct pyro_span *grown = realloc(sampler->spans, want * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    sampler->spans = grown;
    sampler->span_capacity = want;
    return 0;
}

static size_t plan_interps(struct pyro_sampler *sampler, uint64_t now_ns)
{
    size_t count = 0;
    for (size_t i = 0; i < sampler->interp_count; i++)
        count += plan_interp(sampler, &sampler->interps[i], now_ns, sampler->spans + count);
    return count;
}

static void parse_interps(struct pyro_sampler *sampler, uint64_t now_ns)
{
    for (size_t i = 0; i < sampler->interp_count; i++)
        parse_interp(sampler, &sampler->interps[i], sampler->spans + i * SPANS_AN_INTERP);
    pyro_codes_tick(&sampler->codes, now_ns, code_generation(sampler));
}

/* Say where each span goes: one behind the other. */
static int place_copies(struct pyro_sampler *sampler, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += sampler->spans[i].size;
    if (total > sampler->copies_size) {
        free(sampler->copies);
        sampler->copies_size = total + total / 2;
        sampler->copies = malloc(sampler->copies_size);
    }
    if (!sampler->copies) {
        sampler->copies_size = 0;
        return -ENOMEM;
    }
    uint8_t *next = sampler->copies;
    for (size_t i = 0; i < count; next += sampler->spans[i++].size)
        sampler->spans[i].data = next;
    return 0;
}

static void take_thread(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread, size_t arrived,
                        uint64_t now_ns, struct pyro_counters *counters)
{
    int status = pyro_stack_take(&thread->reader, sampler->memory, sampler->spans + thread->plan_first, arrived,
                                 &sampler->frame_sizes, &sampler->stack);
    if (status < 0) {
        counters->failed++;
        thread->gone = true;
        sampler->relist = true;
        return;
    }
    pyro_sampler_write(sampler, thread, interp_of(sampler, thread), now_ns, counters);
}

#ifdef PYRO_FAULTS
#define TORN_BYTES 1024 /* a span of more is a chunk */
#define TORN_NS    (5 * PYRO_NS_PER_US)

/* The second half of the newest chunk in one thread's plan, and what is copied after it. Returns how many spans. */
static size_t plan_torn(const struct pyro_span *spans, size_t count, struct pyro_span *later)
{
    size_t chunk = count;
    while (chunk-- > 0 && spans[chunk].size <= TORN_BYTES)
        ;
    if (chunk >= count)
        return 0;
    size_t half = spans[chunk].size / 2;
    memcpy(later, spans + chunk, (count - chunk) * sizeof(*later));
    later->addr = pyro_addr_plus(later->addr, half);
    later->data = (uint8_t *)later->data + half;
    later->size -= half;
    return count - chunk;
}

/* A fault: the newest chunk of each thread is of two moments. */
static void tear_copies(struct pyro_sampler *sampler, const struct pyro_span *end)
{
    struct pyro_span later[SPANS_A_CALL];
    size_t count = 0;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        const struct pyro_sampled_thread *thread = sampler->threads[i];
        const struct pyro_span *spans = sampler->spans + thread->plan_first;
        if (spans + thread->plan_count <= end && count + thread->plan_count <= SPANS_A_CALL)
            count += plan_torn(spans, thread->plan_count, later + count);
    }
    for (uint64_t until = pyro_clock_ns() + TORN_NS; pyro_clock_ns() < until;)
        ;
    (void)pyro_memory_read_spans(sampler->memory, later, count);
}
#endif

static ssize_t read_copies(struct pyro_sampler *sampler, const struct pyro_span *spans, size_t count)
{
    ssize_t arrived = pyro_memory_read_spans(sampler->memory, spans, count);
#ifdef PYRO_FAULTS
    if (sampler->torn_copy && arrived > 0)
        tear_copies(sampler, spans + arrived);
#endif
    return arrived;
}

/* Read what was planned for threads FIRST ... until all have their turn: one call, and one more for each
 * thread whose memory went away in the middle. */
static int sweep_threads(struct pyro_sampler *sampler, size_t interp_spans, uint64_t now_ns,
                         struct pyro_counters *counters)
{
    size_t thread = 0, begin = 0, offset = interp_spans;
    do {
        size_t last = thread;
        while (last < sampler->thread_count) {
            const struct pyro_sampled_thread *next = sampler->threads[last];
            if (next->plan_first + next->plan_count - begin > SPANS_A_CALL)
                break;
            last++;
        }
        size_t end = last > thread ? sampler->threads[last - 1]->plan_first + sampler->threads[last - 1]->plan_count
                                   : begin + offset;
        ssize_t arrived = read_copies(sampler, sampler->spans + begin, end - begin);
        if (arrived < 0 || (size_t)arrived < offset)
            return -ESRCH;
        if (begin == 0)
            parse_interps(sampler, now_ns);
        size_t have = begin + (size_t)arrived;
        bool cut = have < end;
        for (size_t first = thread; thread < last; thread++) {
            struct pyro_sampled_thread *one = sampler->threads[thread];
            size_t got = have > one->plan_first ? have - one->plan_first : 0;
            if (got > one->plan_count)
                got = one->plan_count;
            if (cut && have <= one->plan_first && thread > first)
                break; /* not read because of the one before: again from here */
            take_thread(sampler, one, got, now_ns, counters);
        }
        offset = 0;
        begin = thread < sampler->thread_count ? sampler->threads[thread]->plan_first : 0;
    } while (thread < sampler->thread_count);
    return 0;
}

static int sweep_running(struct pyro_sampler *sampler, uint64_t now_ns, struct pyro_counters *counters)
{
    if (room_for_spans(sampler) < 0)
        return -ENOMEM;
    size_t interp_spans = plan_interps(sampler, now_ns), count = interp_spans;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        thread->plan_first = count;
        thread->plan_count = pyro_stack_plan(&thread->reader, sampler->spans + count);
        count += thread->plan_count;
    }
    if (place_copies(sampler, count) < 0)
        return -ENOMEM;
    return sweep_threads(sampler, interp_spans, now_ns, counters);
}

/* --exact: one thread after the other, each standing still for its copy. */
static int sweep_stopped(struct pyro_sampler *sampler, uint64_t now_ns, struct pyro_counters *counters)
{
    if (room_for_spans(sampler) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        pyro_thread_state_peek(&thread->state);
        int status = pyro_pauser_stop(sampler->pauser, thread->info.kernel_id);
        if (status < 0) {
            counters->failed++;
            sampler->relist = true;
            continue;
        }
        size_t interp_spans = plan_interps(sampler, now_ns);
        thread->plan_first = interp_spans;
        thread->plan_count = pyro_stack_plan(&thread->reader, sampler->spans + interp_spans);
        size_t count = interp_spans + thread->plan_count;
        ssize_t arrived = place_copies(sampler, count);
        if (arrived == 0)
            arrived = pyro_memory_read_spans(sampler->memory, sampler->spans, count);
        if (arrived >= (ssize_t)interp_spans) {
            parse_interps(sampler, now_ns);
            take_thread(sampler, thread, (size_t)arrived - interp_spans, now_ns, counters);
            counters->stopped++;
        }
        (void)pyro_pauser_resume(sampler->pauser, thread->info.kernel_id);
        if (arrived < (ssize_t)interp_spans)
            return -ESRCH;
    }
    return 0;
}

int pyro_sampler_sweep(struct pyro_sampler *sampler, uint64_t now_ns, struct pyro_counters *counters)
{
    if (sampler->relist || now_ns - sampler->listed_ns > RELIST_NS) {
        int status = pyro_sampler_list(sampler, now_ns);
        if (status < 0)
            return status;
    }
    uint64_t reread = sampler->codes.reread;
    int status = sampler->options.exact ? sweep_stopped(sampler, now_ns, counters)
                                        : sweep_running(sampler, now_ns, counters);
    counters->code_reread += sampler->codes.reread - reread;
    return status;
}
