/* sample/sweep.c - one look at every thread of a process.
 *
 * Only a thread that holds the GIL can change its Python stack. The GIL counts how often it changed hands, so a
 * thread that cannot have held it since its last sample stands as it stood, and is not read again: of many threads
 * mostly one is. Without a GIL every thread may have run, and is read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sample/internal.h"

#include "base/clock.h"

#define SPANS_A_CALL    1000
#define SPANS_AN_INTERP 3
#define SPANS_BESIDE    2 /* those of a stack: see plan_thread() */
#define ATTEMPTS_MAX    3 /* at one sweep */
#define SWEEP_REPLAN \
    2 /* as PYRO_SWEEP_ELSEWHERE: nothing was taken, another thread runs than was thought */
#define GIL_BYTES 24                     /* last_holder, locked, switch_number */
#define LISTS_NS  (500 * PYRO_NS_PER_US) /* a collection lasts longer, a new thread can wait */

/* -- interpreters ----------------------------------------------------------------------------- */

/* Free-threaded: whether there is a GIL at all stands before what is read of it. So many bytes. */
static uint32_t gil_before(const struct pyro_layout *layout)
{
    return layout->free_threaded ? layout->gil.holder - layout->gil.enabled : 0;
}

/* Three spans for each: lists (not more often than every LISTS_NS), GIL, generation; of size 0 where there is none. */
static size_t plan_interp(struct pyro_sampler *sampler, struct pyro_sampled_interp *interp,
                          uint64_t now_ns, struct pyro_span *spans)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    pyro_addr gil = layout->interp.gil != PYRO_ABSENT
                        ? pyro_addr_plus(interp->gil, layout->gil.holder - gil_before(layout))
                        : pyro_addr_plus(sampler->runtime.addr, layout->runtime.gil_holder);
    /* One thread alone says itself whether it holds the GIL (3.15). */
    bool wanted = sampler->thread_count > 1 || layout->tstate.holds_gil == PYRO_ABSENT;
    bool has_gil = wanted && (layout->interp.gil == PYRO_ABSENT || interp->gil.u);
    bool has_generation = layout->interp.code_generation != PYRO_ABSENT;
    bool lists_due = now_ns - interp->lists_read_ns >= LISTS_NS;
    if (lists_due)
        interp->lists_read_ns = now_ns;
    spans[0] = (struct pyro_span){.addr = pyro_addr_plus(interp->addr, interp->lists_from),
                                  .size = lists_due ? interp->lists_size : 0};
    spans[1] =
        (struct pyro_span){.addr = gil, .size = has_gil ? gil_before(layout) + GIL_BYTES : 0};
    spans[2] =
        (struct pyro_span){.addr = pyro_addr_plus(interp->addr, layout->interp.code_generation),
                           .size = has_generation && lists_due ? 8 : 0};
    return SPANS_AN_INTERP;
}

/* In every version `locked` lies right behind `last_holder`, and `switch_number` behind that. AGAIN: the sweep had begun
 * already, and its changes are added up. */
static void parse_gil(struct pyro_sampled_interp *interp, const uint8_t *gil, bool again)
{
    uint64_t holder = 0, switches = 0, before = again ? interp->switched : 0;
    int32_t locked = 0;
    interp->switched = UINT64_MAX;
    if (gil) {
        memcpy(&holder, gil, 8);
        memcpy(&locked, gil + 8, 4);
        memcpy(&switches, gil + 16, 8);
        if (interp->gil_known && before != UINT64_MAX)
            interp->switched = before + switches - interp->switches;
        if (!again)
            interp->holder_before = interp->last_holder;
    }
    interp->gil_known = gil != NULL;
    interp->switches = switches;
    interp->last_holder = pyro_addr_at(holder);
    interp->gil_holder = pyro_addr_at(locked > 0 ? holder : 0);
}

static bool is_enabled(const uint8_t *gil)
{
    int32_t enabled;
    memcpy(&enabled, gil, sizeof enabled);
    return enabled == PYRO_GIL_ENABLED;
}

static void parse_interp(struct pyro_sampler *sampler, struct pyro_sampled_interp *interp,
                         const struct pyro_span *spans)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    uint64_t head = 0;
    int32_t collecting = 0;
    if (spans[0].size) {
        memcpy(&head, spans[0].data, 8);
        if (interp->threads_head && interp->threads_head != head)
            sampler->relist = true;
        interp->threads_head = head;
        if (layout->interp.gc_collecting != PYRO_ABSENT && spans[0].size > 8)
            memcpy(&collecting, (const uint8_t *)spans[0].data + spans[0].size - 4, 4);
        interp->collecting = collecting != 0;
    }
    parse_gil(interp, spans[1].size ? (const uint8_t *)spans[1].data + gil_before(layout) : NULL,
              sampler->attempts > 0);
    if (layout->free_threaded && spans[1].size && !is_enabled(spans[1].data))
        interp->gil_holder = pyro_addr_at(0);
    if (spans[2].size)
        memcpy(&interp->generation, spans[2].data, 8);
}

const struct pyro_sampled_interp *pyro_sampler_interp_of(const struct pyro_sampler *sampler,
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

/* -- threads ---------------------------------------------------------------------------------- */

/* Can THREAD have run Python code since its last sample? */
static bool may_have_run(const struct pyro_sampler *sampler,
                         const struct pyro_sampled_thread *thread)
{
    const struct pyro_sampled_interp *interp = pyro_sampler_interp_of(sampler, thread);
    uint64_t tstate = thread->info.tstate.u;
    if (thread->taken_ns == 0 || !interp->gil_known || sampler->runtime.layout.free_threaded)
        return true;
    /* A stack that is not sure deserves a second look, which needs a fresh first one. */
    if (interp->switched > 1 || thread->last.stack != thread->last.agreed)
        return true;
    return tstate == interp->last_holder.u ||
           (interp->switched == 1 && tstate == interp->holder_before.u);
}

/* Before the GIL was looked at: the one that held it last time. */
static bool is_expected_to_run(const struct pyro_sampler *sampler,
                               const struct pyro_sampled_thread *thread)
{
    const struct pyro_sampled_interp *interp = pyro_sampler_interp_of(sampler, thread);
    return thread->taken_ns == 0 || !interp->gil_known || sampler->thread_count == 1 ||
           sampler->runtime.layout.free_threaded || thread->info.tstate.u == interp->last_holder.u;
}

static int room_for_spans(struct pyro_sampler *sampler)
{
    size_t want = sampler->interp_count * SPANS_AN_INTERP +
                  (sampler->thread_count + 1) * (PYRO_STACK_SPANS_MAX + SPANS_BESIDE) + 1;
    if (want > sampler->span_capacity) {
        struct pyro_span *grown = realloc(sampler->spans, want * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        sampler->spans = grown;
        sampler->span_capacity = want;
    }
    if (sampler->thread_count > sampler->due_capacity) {
        struct pyro_sampled_thread **grown =
            realloc(sampler->due, sampler->thread_capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        sampler->due = grown;
        sampler->due_capacity = sampler->thread_capacity;
    }
    return 0;
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

/* Its context, its stack, and the kernel's note, behind the first COUNT spans. Returns the count of all. */
static size_t plan_thread(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                          size_t count)
{
    uint32_t context_at = sampler->options.context_at;
    thread->plan_context = count;
    sampler->spans[count++] =
        (struct pyro_span){.addr = pyro_addr_plus(thread->info.tstate, context_at),
                           .size = context_at ? sizeof(thread->context) : 0};
    thread->plan_first = count;
    thread->plan_count = pyro_stack_plan(&thread->reader, sampler->spans + count);
    thread->plan_note = count + thread->plan_count++;
    sampler->spans[thread->plan_note] = (struct pyro_span){
        .addr = thread->note, .size = sampler->seat && thread->note.u ? sizeof(thread->cpu) : 0};
    return thread->plan_note + 1;
}

/* Plan the threads that are due behind the first COUNT spans. Returns the count of all. */
static size_t plan_due(struct pyro_sampler *sampler, size_t count)
{
    for (size_t i = 0; i < sampler->due_count; i++)
        count = plan_thread(sampler, sampler->due[i], count);
    return count;
}

/* -- standing still --------------------------------------------------------------------------- */

static bool sits_beside(const struct pyro_sampler *sampler,
                        const struct pyro_sampled_thread *thread)
{
    return sampler->seat && thread->cpu == sampler->seat->cpu;
}

/* The CPU noted for THREAD. Where there is no note the kernel's files tell, at some cost. */
static void learn_cpu(const struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                      const void *note)
{
    struct pyro_kernel_state kernel;
    thread->cpu = -1;
    if (note)
        memcpy(&thread->cpu, note, sizeof(thread->cpu));
    else if (sampler->seat && thread->state.open &&
             pyro_kernel_thread_stat(&thread->state.kernel, &kernel) == 0)
        thread->cpu = kernel.cpu;
}

/* Free-threaded: the one that was attached when it was looked at last; NULL: none was, or several. */
static struct pyro_sampled_thread *only_attached(const struct pyro_sampler *sampler)
{
    struct pyro_sampled_thread *only = NULL;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        if (sampler->threads[i]->attached && only)
            return NULL;
        if (sampler->threads[i]->attached)
            only = sampler->threads[i];
    }
    return only;
}

/* The thread of those known that may be running Python now, or NULL: it is not one. */
static struct pyro_sampled_thread *running_thread(const struct pyro_sampler *sampler)
{
    if (sampler->thread_count == 1)
        return sampler->threads[0];
    if (sampler->runtime.layout.free_threaded)
        return only_attached(sampler);
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        if (pyro_sampler_interp_of(sampler, thread)->gil_holder.u == thread->info.tstate.u)
            return thread;
    }
    return NULL;
}

/* Was THREAD unable to run while it was copied? Either it ran on our CPU last, or the thread that holds the GIL did. */
static bool proved_still(const struct pyro_sampler *sampler,
                         const struct pyro_sampled_thread *thread)
{
    if (!sampler->seat_kept || sits_beside(sampler, thread))
        return sampler->seat_kept;
    const struct pyro_sampled_interp *interp = pyro_sampler_interp_of(sampler, thread);
    return sampler->running && sits_beside(sampler, sampler->running) &&
           interp->gil_holder.u == sampler->running->info.tstate.u;
}

/* What was read late was read after the notes: are they still true? */
static bool proved_still_late(struct pyro_sampler *sampler,
                              const struct pyro_sampled_thread *thread)
{
    struct pyro_sampled_thread *running = sampler->running;
    int32_t cpu;
    if (running && running->note.u &&
        pyro_memory_read(sampler->memory, running->note, &cpu, sizeof(cpu)) == 0)
        running->cpu = cpu;
    else if (running)
        learn_cpu(sampler, running, NULL);
    sampler->seat_kept = sampler->seat_kept && pyro_seat_kept(sampler->seat);
    /* Without a GIL only the note of the thread itself tells. */
    bool told = !sampler->runtime.layout.free_threaded || thread == running;
    return running && told && proved_still(sampler, thread);
}

static void take_context(const struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                         bool arrived)
{
    thread->asked = false;
    memset(thread->context, 0, sizeof(thread->context));
    if (sampler->options.context_at && arrived)
        memcpy(thread->context, sampler->spans[thread->plan_context].data, sizeof(thread->context));
}

static void take_thread(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                        size_t arrived, uint64_t now_ns, struct pyro_counters *counters)
{
    sampler->still =
        sampler->options.exact || sampler->false_proof || proved_still(sampler, thread);
    thread->reader.stands_still = sampler->still;
    take_context(sampler, thread, arrived > 0);
    thread->reader.prior = thread->frames;
    thread->reader.prior_count = thread->whole ? thread->count : 0;
    thread->whole = false;
    int status =
        pyro_stack_take(&thread->reader, sampler->memory, sampler->spans + thread->plan_first,
                        arrived, &sampler->frame_sizes, &sampler->stack);
    thread->taken_ns = now_ns;
    if (status < 0) {
        counters->failed++;
        thread->taken_ns = 0;
        sampler->relist |= status == -ESRCH;
        return;
    }
    if (sampler->still && sampler->stack.late && !sampler->options.exact && !sampler->false_proof)
        sampler->still = proved_still_late(sampler, thread);
    pyro_sampler_write(sampler, thread, pyro_sampler_interp_of(sampler, thread), now_ns, counters);
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
    for (size_t i = 0; i < sampler->due_count; i++) {
        const struct pyro_sampled_thread *thread = sampler->due[i];
        const struct pyro_span *spans = sampler->spans + thread->plan_first;
        if (spans + thread->plan_count <= end && count + thread->plan_count <= SPANS_A_CALL)
            count += plan_torn(spans, thread->plan_count, later + count);
    }
    for (uint64_t until = pyro_clock_ns() + TORN_NS; pyro_clock_ns() < until;)
        ;
    (void)pyro_memory_read_spans(sampler->memory, later, count);
}
#endif

static ssize_t read_copies(struct pyro_sampler *sampler, const struct pyro_span *spans,
                           size_t count)
{
    ssize_t arrived = pyro_memory_read_spans(sampler->memory, spans, count);
#ifdef PYRO_FAULTS
    if (sampler->torn_copy && arrived > 0)
        tear_copies(sampler, spans + arrived);
#endif
    return arrived;
}

/* The threads FIRST ... that are due and fit into one call, with what stands before them. */
static size_t last_in_call(const struct pyro_sampler *sampler, size_t first, size_t begin)
{
    size_t last = first;
    while (last < sampler->due_count &&
           sampler->due[last]->plan_first + sampler->due[last]->plan_count - begin <= SPANS_A_CALL)
        last++;
    return last;
}

/* What the notes say of the threads FIRST ... LAST - 1 in turn, with the spans before HAVE read, and of the one that runs. */
static void read_notes(struct pyro_sampler *sampler, size_t first, size_t last, size_t have)
{
    if (!sampler->seat)
        return;
    sampler->seat_kept = pyro_seat_kept(sampler->seat);
    for (size_t i = first; i < last; i++) {
        const struct pyro_span *note = &sampler->spans[sampler->due[i]->plan_note];
        bool arrived = note->size && sampler->due[i]->plan_note < have;
        learn_cpu(sampler, sampler->due[i], arrived ? note->data : NULL);
    }
    sampler->running = running_thread(sampler);
}

/* Is there a better place to sweep from, or a better guess at who runs? 0: no. */
static int better_attempt(struct pyro_sampler *sampler, uint64_t now_ns, int *ret_cpu)
{
    const struct pyro_sampled_thread *running = sampler->running;
    if (!sampler->seat || !running || sampler->attempts == ATTEMPTS_MAX)
        return 0;
    if (running->looked_ns != now_ns)
        return SWEEP_REPLAN;
    if (running->cpu < 0 || running->cpu == sampler->seat->cpu)
        return 0;
    *ret_cpu = running->cpu;
    return PYRO_SWEEP_ELSEWHERE;
}

/* Read what was planned until all that are due had their turn: one call, and one more for each thread whose memory
 * went away in the middle. The first INTERP_SPANS are those of the interpreters; after them it may show that the sweep
 * had better begin anew. */
static int read_due(struct pyro_sampler *sampler, size_t interp_spans, uint64_t now_ns,
                    struct pyro_counters *counters, int *ret_cpu)
{
    size_t thread = 0, begin = 0, offset = interp_spans;
    do {
        size_t last = last_in_call(sampler, thread, begin);
        size_t end = last > thread
                         ? sampler->due[last - 1]->plan_first + sampler->due[last - 1]->plan_count
                         : begin + offset;
        if (sampler->seat)
            pyro_seat_begin(sampler->seat);
        ssize_t arrived = read_copies(sampler, sampler->spans + begin, end - begin);
        if (arrived < 0 || (size_t)arrived < offset)
            return -ESRCH;
        size_t have = begin + (size_t)arrived;
        if (offset)
            parse_interps(sampler, now_ns);
        read_notes(sampler, thread, last, have);
        int better = offset ? better_attempt(sampler, now_ns, ret_cpu) : 0;
        if (better)
            return better;
        for (size_t first = thread; thread < last; thread++) {
            struct pyro_sampled_thread *one = sampler->due[thread];
            size_t got = have > one->plan_first ? have - one->plan_first : 0;
            if (have < end && have <= one->plan_first && thread > first)
                break; /* not read because of the one before: again from here */
            take_thread(sampler, one, got < one->plan_count ? got : one->plan_count, now_ns,
                        counters);
        }
        offset = 0;
        begin = thread < sampler->due_count ? sampler->due[thread]->plan_context : 0;
    } while (thread < sampler->due_count);
    return 0;
}

/* -- sweeps ----------------------------------------------------------------------------------- */

/* Those that ran although nobody expected it: the GIL changed hands. */
static int sweep_the_others(struct pyro_sampler *sampler, uint64_t now_ns,
                            struct pyro_counters *counters)
{
    sampler->due_count = 0;
    for (size_t i = 0; i < sampler->thread_count; i++)
        if (sampler->threads[i]->looked_ns != now_ns && may_have_run(sampler, sampler->threads[i]))
            sampler->due[sampler->due_count++] = sampler->threads[i];
    if (sampler->due_count == 0)
        return 0;
    counters->second_reads++;
    size_t count = plan_due(sampler, 0);
    if (place_copies(sampler, count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < sampler->due_count; i++)
        sampler->due[i]->looked_ns = now_ns;
    return read_due(sampler, 0, now_ns, counters, NULL);
}

static int sweep_the_expected(struct pyro_sampler *sampler, uint64_t now_ns,
                              struct pyro_counters *counters, int *ret_cpu)
{
    sampler->due_count = 0;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        thread->looked_ns = 0;
        if (is_expected_to_run(sampler, thread)) {
            sampler->due[sampler->due_count++] = thread;
            thread->looked_ns = now_ns;
        }
    }
    size_t interp_spans = plan_interps(sampler, now_ns);
    size_t count = plan_due(sampler, interp_spans);
    if (place_copies(sampler, count) < 0)
        return -ENOMEM;
    return read_due(sampler, interp_spans, now_ns, counters, ret_cpu);
}

static int sweep_running(struct pyro_sampler *sampler, uint64_t now_ns,
                         struct pyro_counters *counters, int *ret_cpu)
{
    if (room_for_spans(sampler) < 0)
        return -ENOMEM;
    sampler->running = NULL;
    sampler->seat_kept = false;
    int status;
    do {
        status = sweep_the_expected(sampler, now_ns, counters, ret_cpu);
        sampler->attempts += status > 0;
    } while (status == SWEEP_REPLAN);
    if (status == PYRO_SWEEP_ELSEWHERE)
        return status;
    sampler->attempts = 0;
    if (status == 0)
        status = sweep_the_others(sampler, now_ns, counters);
    for (size_t i = 0; status == 0 && i < sampler->thread_count; i++)
        if (sampler->threads[i]->looked_ns != now_ns)
            pyro_sampler_repeat(sampler, sampler->threads[i],
                                pyro_sampler_interp_of(sampler, sampler->threads[i]), now_ns,
                                counters);
    return status;
}

/* --exact: one thread after the other, each standing still for its copy. */
static int sweep_stopped(struct pyro_sampler *sampler, uint64_t now_ns,
                         struct pyro_counters *counters)
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
        pyro_pauser_release(sampler->pauser, thread->info.kernel_id);
        if (arrived < (ssize_t)interp_spans)
            return -ESRCH;
    }
    return 0;
}

int pyro_sampler_sweep(struct pyro_sampler *sampler, struct pyro_seat *seat, uint64_t now_ns,
                       struct pyro_counters *counters, int *ret_cpu)
{
    sampler->seat = seat;
    if (sampler->relist || now_ns > sampler->relist_ns) {
        int status = pyro_sampler_list(sampler, now_ns);
        if (status < 0)
            return status;
    }
    uint64_t reread = sampler->codes.reread;
    int status = sampler->options.exact ? sweep_stopped(sampler, now_ns, counters)
                                        : sweep_running(sampler, now_ns, counters, ret_cpu);
    counters->code_reread += sampler->codes.reread - reread;
    return status;
}
