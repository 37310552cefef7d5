/* The collector, over memory that the test writes in place of a probe. */
#include "fixture_recording.h"
#include "base/ticks.h"
#include "collect/collect.h"
#include "collect/tables.h"
#include "profile/profile.h"

#include <sys/mman.h>

static const char path[] = "collect_tables.pyro";
static struct pyro_collector *collector;
static struct pyro_writer *writer;
static uint8_t *memory;
static struct pyro_counters counters;

#define PID 4242

static void *block(uint32_t index)
{
    return memory + (size_t)index * PYRO_BLOCK_SIZE;
}

static struct pyro_tables_head *head(void)
{
    return (struct pyro_tables_head *)memory;
}

static void start_following(bool follows)
{
    CHECK_EQ(pyro_collector_new(&collector, follows, NULL), 0);
    writer = fixture_record(path, 1000);
    memory = mmap(NULL, (size_t)PYRO_BLOCKS_MAX * PYRO_BLOCK_SIZE, PROT_READ | PROT_WRITE,
                  MAP_SHARED, pyro_collector_fd(collector), 0);
    CHECK(memory != MAP_FAILED);
}

static void start(void)
{
    start_following(false);
}

static struct pyro_profile *finish(void)
{
    pyro_collector_drain(collector, writer, &counters);
    pyro_collector_free(collector);
    return fixture_read_back(path, writer);
}

static uint32_t claim(enum pyro_block_kind kind, uint32_t process, uint32_t thread)
{
    uint32_t index = head()->used++;
    struct pyro_block_head *new = block(index);
    new->process = process ? process : index;
    new->thread = thread;
    new->kind = kind;
    return index;
}

static uint32_t add_process(int32_t pid, uint32_t parent, uint32_t inherited)
{
    uint32_t index = claim(PYRO_BLOCK_PROCESS, 0, 0);
    struct pyro_process_block *process = block(index);
    process->pid = pid;
    process->python_version = 0x030c01f0;
    process->parent = parent;
    process->inherited = inherited;
    process->state = PYRO_PROBE_COUNTS;
    return index;
}

static void add_name(uint32_t index, uint32_t id, const char *name, const char *file)
{
    struct pyro_block_head *names = block(index);
    struct pyro_name_entry *entry = (struct pyro_name_entry *)((char *)(names + 1) + names->used);
    *entry = (struct pyro_name_entry){.id = id,
                                      .first_line = 3,
                                      .name_size = (uint16_t)strlen(name),
                                      .file_size = (uint16_t)strlen(file)};
    memcpy(entry + 1, name, strlen(name));
    memcpy((char *)(entry + 1) + strlen(name), file, strlen(file));
    names->used += (uint32_t)((sizeof(*entry) + strlen(name) + strlen(file) + 3) & ~(size_t)3);
}

static void add_edge(uint32_t index, uint32_t caller, uint32_t callee, uint64_t count)
{
    struct pyro_block_head *edges = block(index);
    ((struct pyro_edge_entry *)(edges + 1))[edges->used] =
        (struct pyro_edge_entry){caller, callee, count};
    edges->used++;
}

static struct pyro_edge_entry *edge_at(uint32_t index, uint32_t at)
{
    return (struct pyro_edge_entry *)((struct pyro_block_head *)block(index) + 1) + at;
}

/* Returns its reference. */
static uint32_t add_context(uint32_t index, uint32_t parent, uint32_t function, uint64_t calls,
                            uint64_t ticks)
{
    struct pyro_block_head *contexts = block(index);
    uint32_t at = contexts->used++;
    ((struct pyro_context_entry *)(contexts + 1))[at] = (struct pyro_context_entry){
        .parent = parent, .function = function, .calls = calls, .ticks = ticks};
    return index << 8 | at;
}

static struct pyro_context_entry *context_at(uint32_t reference)
{
    struct pyro_block_head *contexts = block(reference >> 8);
    return (struct pyro_context_entry *)(contexts + 1) + (reference & 255);
}

/* What was traced of FUNCTION called by CALLER ("": nobody); zero: nothing. */
static struct pyro_traced traced_of(const struct pyro_profile *profile, const char *function,
                                    const char *caller)
{
    for (size_t i = 0; i < profile->traced_count; i++) {
        uint32_t stack = profile->traced[i].stack, below = profile->stacks[stack].parent;
        uint32_t on_top = pyro_profile_function_of(profile, stack);
        uint32_t under = pyro_profile_function_of(profile, below);
        const char *name = pyro_profile_text(profile, profile->functions[on_top].name);
        const char *other =
            under == PYRO_NO_ID ? "" : pyro_profile_text(profile, profile->functions[under].name);
        if (strcmp(name, function) == 0 && strcmp(other, caller) == 0)
            return profile->traced[i];
    }
    return (struct pyro_traced){0};
}

static uint64_t calls_of(const struct pyro_profile *profile, const char *callee)
{
    uint64_t count = 0;
    for (size_t i = 0; i < profile->call_count; i++) {
        uint32_t function = profile->calls[i].callee;
        if (function != PYRO_NO_ID &&
            strcmp(pyro_profile_text(profile, profile->functions[function].name), callee) == 0)
            count += profile->calls[i].count;
    }
    return count;
}

static void what_grew_is_written_once(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    uint32_t edges = claim(PYRO_BLOCK_EDGES, process, 77);
    add_name(names, 2, "main", "a.py");
    add_name(names, 3, "f", "a.py");
    add_edge(edges, PYRO_ID_ROOT, 2, 1);
    add_edge(edges, 2, 3, 10);
    pyro_collector_drain(collector, writer, &counters);
    edge_at(edges, 1)->count = 847;
    pyro_collector_drain(collector, writer, &counters);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 2);
    CHECK_EQ(calls_of(profile, "f"), 847);
    CHECK_EQ(calls_of(profile, "main"), 1);
    CHECK_EQ(profile->processes[0].pid, PID);
    CHECK_STR(pyro_profile_text(profile, profile->processes[0].python_version), "3.12.1");
    CHECK_EQ(profile->threads[0].native_id, 77);
    CHECK(profile->probes && profile->probes[0].counted);
    pyro_profile_free(profile);
}

static void an_edge_waits_for_its_names(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    uint32_t edges = claim(PYRO_BLOCK_EDGES, process, 77);
    add_edge(edges, PYRO_ID_ROOT, 2, 5);
    pyro_collector_drain(collector, writer, &counters);
    add_name(names, 2, "late", "a.py");
    struct pyro_profile *profile = finish();
    CHECK_EQ(calls_of(profile, "late"), 5);
    pyro_profile_free(profile);
}

static void a_fork_shares_names_given_before_it(void)
{
    start();
    uint32_t parent = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, parent, 0);
    add_name(names, 2, "shared", "a.py");
    uint32_t child = add_process(PID + 1, parent, 3);
    add_name(names, 3, "parents", "a.py"); /* after the fork */
    uint32_t own = claim(PYRO_BLOCK_NAMES, child, 0);
    add_name(own, 3, "childs", "a.py");
    uint32_t edges = claim(PYRO_BLOCK_EDGES, child, 78);
    add_edge(edges, PYRO_ID_ROOT, 2, 1);
    add_edge(edges, 2, 3, 6);
    struct pyro_profile *profile = finish();
    CHECK_EQ(calls_of(profile, "shared"), 1);
    CHECK_EQ(calls_of(profile, "childs"), 6);
    CHECK_EQ(calls_of(profile, "parents"), 0);
    pyro_profile_free(profile);
}

static void a_callee_is_told_where_all_fits(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    add_name(names, 2, "{len}", "");
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
    const uint64_t frame = 0x7f0000001230, code = 0x7f0000009990;
    thread->callees[pyro_callee_slot_of(frame)] =
        (struct pyro_callee_slot){.frame = frame, .code = code, .offset = 14, .callee = 2};
#define CALLEE(pid, tid, frame, code, offset) \
    pyro_collector_callee(collector, writer, pid, tid, frame, code, offset)
    CHECK(CALLEE(PID, 77, frame, code, 14) != PYRO_NO_ID);
    CHECK_EQ(CALLEE(PID, 77, frame, code, 16), PYRO_NO_ID);
    CHECK_EQ(CALLEE(PID, 77, frame, code + 16, 14), PYRO_NO_ID);
    CHECK_EQ(CALLEE(PID, 77, frame + 16, code, 14), PYRO_NO_ID);
    CHECK_EQ(CALLEE(PID, 78, frame, code, 14), PYRO_NO_ID);
    CHECK_EQ(CALLEE(PID + 1, 77, frame, code, 14), PYRO_NO_ID);
    thread->callees[pyro_callee_slot_of(frame)].callee = 0; /* it called Python */
    CHECK_EQ(CALLEE(PID, 77, frame, code, 14), PYRO_NO_ID);
    pyro_profile_free(finish());
}

/* A process was killed, or is late, between two stores. */
static void a_block_that_says_nothing_hides_no_other(void)
{
    start();
    uint32_t late = claim(PYRO_BLOCK_FREE, 0, 0), never = claim(PYRO_BLOCK_FREE, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, late, 0);
    uint32_t edges = claim(PYRO_BLOCK_EDGES, late, 77);
    claim(PYRO_BLOCK_THREAD, late, 77);
    add_name(names, 2, "f", "a.py");
    add_edge(edges, PYRO_ID_ROOT, 2, 5);
    uint32_t other = add_process(PID + 1, 0, 0);
    names = claim(PYRO_BLOCK_NAMES, other, 0);
    add_name(names, 2, "g", "a.py");
    add_edge(claim(PYRO_BLOCK_EDGES, other, 78), PYRO_ID_ROOT, 2, 6);
    pyro_collector_drain(collector, writer, &counters);
    ((struct pyro_process_block *)block(late))->pid = PID;
    ((struct pyro_process_block *)block(late))->state = PYRO_PROBE_COUNTS;
    ((struct pyro_block_head *)block(late))->process = late;
    ((struct pyro_block_head *)block(late))->kind = PYRO_BLOCK_PROCESS;
    CHECK_EQ(((struct pyro_block_head *)block(never))->kind, PYRO_BLOCK_FREE);
    pyro_collector_drain(collector, writer, &counters);
    struct pyro_profile *profile = finish();
    CHECK_EQ(calls_of(profile, "f"), 5);
    CHECK_EQ(calls_of(profile, "g"), 6);
    pyro_profile_free(profile);
}

/* The frame at 0x1230 calls "{len}". */
static void say_call(struct pyro_thread_block *thread, uint32_t process)
{
    add_name(claim(PYRO_BLOCK_NAMES, process, 0), 2, "{len}", "");
    thread->callees[pyro_callee_slot_of(0x1230)] =
        (struct pyro_callee_slot){.frame = 0x1230, .code = 0x9990, .offset = 14, .callee = 2};
}

static bool is_heard(uint32_t native_id)
{
    return pyro_collector_callee(collector, writer, PID, native_id, 0x1230, 0x9990, 14) !=
           PYRO_NO_ID;
}

static void a_thread_goes_on_in_a_block(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
    say_call(thread, process);
    pyro_collector_drain(collector, writer, &counters);
    CHECK(is_heard(77) && !is_heard(78));
    thread->head.thread = 78;
    pyro_collector_drain(collector, writer, &counters);
    CHECK(is_heard(78));
    pyro_profile_free(finish());
}

static void a_thread_that_was_claiming_its_block_is_found(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t index = claim(PYRO_BLOCK_FREE, process, 77);
    say_call(block(index), process);
    CHECK(!is_heard(77)); /* looked at too early */
    ((struct pyro_block_head *)block(index))->kind = PYRO_BLOCK_THREAD;
    CHECK(is_heard(77));
    pyro_profile_free(finish());
}

static void a_callee_is_named_by_a_block_that_was_just_claimed(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
    thread->callees[pyro_callee_slot_of(0x1230)] =
        (struct pyro_callee_slot){.frame = 0x1230, .code = 0x9990, .offset = 14, .callee = 2};
    uint32_t names = claim(PYRO_BLOCK_FREE, process, 0);
    CHECK_EQ(pyro_collector_callee(collector, writer, PID, 77, 0x1230, 0x9990, 14), PYRO_NO_ID);
    add_name(names, 2, "{len}", "");
    ((struct pyro_block_head *)block(names))->kind = PYRO_BLOCK_NAMES;
    CHECK(pyro_collector_callee(collector, writer, PID, 77, 0x1230, 0x9990, 14) != PYRO_NO_ID);
    pyro_profile_free(finish());
}

static uint32_t add_traced_process(int32_t pid)
{
    uint32_t index = add_process(pid, 0, 0);
    struct pyro_process_block *process = block(index);
    process->traces = 1;
    process->tick_ns = 0.5;
    process->trace_costs = (struct pyro_trace_costs){.python = 100, .python_inside = 40};
    uint32_t names = claim(PYRO_BLOCK_NAMES, index, 0);
    add_name(names, 2, "main", "a.py");
    add_name(names, 3, "f", "a.py");
    return index;
}

static void contexts_grow(void)
{
    start();
    uint32_t process = add_traced_process(PID);
    uint32_t contexts = claim(PYRO_BLOCK_CONTEXTS, process, 77);
    uint32_t top = add_context(contexts, PYRO_CONTEXT_ROOT, 2, 1, 1000);
    uint32_t inner = add_context(contexts, top, 3, 10, 200);
    add_context(contexts, inner, 3, 0, 0);
    pyro_collector_drain(collector, writer, &counters);
    context_at(inner)->calls = 847;
    context_at(inner)->ticks = 500;
    context_at(inner)->lives = 3;
    context_at(inner)->life_ticks = 80;
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->traced_count, 2);
    CHECK_EQ(profile->threads[profile->traced[0].thread].native_id, 77);
    struct pyro_traced main_ = traced_of(profile, "main", ""), f = traced_of(profile, "f", "main");
    CHECK_EQ(main_.calls, 1);
    CHECK_EQ(main_.self_ns, 500);
    CHECK_EQ(f.calls, 847);
    CHECK_EQ(f.self_ns, 250);
    CHECK_EQ(f.lives, 3);
    CHECK_EQ(f.life_ns, 40);
    CHECK_EQ(profile->probes[0].trace.python_ns, 50);
    CHECK_EQ(profile->probes[0].trace.python_inside_ns, 20);
    pyro_profile_free(profile);
}

/* While a process measures its costs, what stands in its tables is not the program's. */
static void calls_of_the_start_are_not_read(void)
{
    start();
    uint32_t process = add_traced_process(PID);
    uint32_t contexts = claim(PYRO_BLOCK_CONTEXTS, process, 77);
    uint32_t edges = claim(PYRO_BLOCK_EDGES, process, 77);
    ((struct pyro_process_block *)block(process))->state = PYRO_PROBE_STARTING;
    uint32_t top = add_context(contexts, PYRO_CONTEXT_ROOT, 2, 1000, 1000);
    add_edge(edges, PYRO_ID_ROOT, 2, 1000);
    pyro_collector_drain(collector, writer, &counters);
    ((struct pyro_process_block *)block(process))->state = PYRO_PROBE_COUNTS;
    context_at(top)->calls = 5;
    edge_at(edges, 0)->count = 6;
    struct pyro_profile *profile = finish();
    CHECK_EQ(traced_of(profile, "main", "").calls, 5);
    CHECK_EQ(calls_of(profile, "main"), 6);
    pyro_profile_free(profile);
}

static void a_context_without_a_true_parent_is_not_read(void)
{
    start();
    uint32_t process = add_traced_process(PID), other = add_traced_process(PID + 1);
    uint32_t contexts = claim(PYRO_BLOCK_CONTEXTS, process, 77);
    uint32_t others = claim(PYRO_BLOCK_CONTEXTS, other, 78);
    uint32_t good = add_context(contexts, PYRO_CONTEXT_ROOT, 2, 1, 10);
    add_context(contexts, contexts << 8 | 1, 3, 2, 10);   /* itself */
    add_context(contexts, contexts << 8 | 200, 3, 3, 10); /* a later one */
    add_context(contexts, 12345 << 8, 3, 4, 10);          /* nowhere */
    add_context(contexts, process << 8, 3, 5, 10);        /* no context */
    add_context(others, good, 3, 6, 10);                  /* of another process */
    add_context(contexts, good, 99, 7, 10);               /* no function */
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->traced_count, 1);
    CHECK_EQ(traced_of(profile, "main", "").calls, 1);
    pyro_profile_free(profile);
}

/* Costs were measured when nothing disturbed; events tell how fast the machine was since. */
static void a_slower_machine_makes_costs_larger(void)
{
    start();
    uint32_t process = add_traced_process(PID);
    struct pyro_process_block *shared = block(process);
    shared->start_ns = 20;
    shared->call_ns = 30;
    shared->gauge_ticks[PYRO_GAUGE_START] = 50;
    shared->gauge_ticks[PYRO_GAUGE_CALL] = 0; /* was not measured then: tells nothing */
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
    thread->gauges[PYRO_GAUGE_START] = (struct pyro_gauge){.ticks = 15000, .count = 200};
    thread->gauges[PYRO_GAUGE_CALL] = (struct pyro_gauge){.ticks = 999999, .count = 200};
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->probes[0].start_ns, 30);
    CHECK_EQ(profile->probes[0].call_ns, 45);
    CHECK_EQ(profile->probes[0].trace.python_ns, 75);
    pyro_profile_free(profile);
}

static void what_few_or_false_events_say_is_no_speed(void)
{
    const struct pyro_gauge gauges[] = {{15000, 20}, {UINT64_MAX, 200}, {1, 200}};
    const double factors[] = {1, 3, 1.0 / 3};
    for (int i = 0; i < 3; i++) {
        start();
        uint32_t process = add_traced_process(PID);
        struct pyro_process_block *shared = block(process);
        shared->start_ns = 30;
        shared->gauge_ticks[PYRO_GAUGE_START] = 50;
        struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
        thread->gauges[PYRO_GAUGE_START] = gauges[i];
        struct pyro_profile *profile = finish();
        CHECK_EQ(profile->probes[0].start_ns + 0.5, 30 * factors[i] + 0.5);
        pyro_profile_free(profile);
    }
}

/* The slice that a thread is in at the moment is in no entry yet. */
static void what_a_thread_is_in_counts(void)
{
    start();
    uint32_t process = add_traced_process(getpid());
    struct pyro_process_block *shared = block(process);
    shared->tick_ns = 1;
    uint32_t contexts = claim(PYRO_BLOCK_CONTEXTS, process, (uint32_t)getpid());
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, (uint32_t)getpid()));
    uint32_t top = add_context(contexts, PYRO_CONTEXT_ROOT, 2, 1, 1000);
    uint64_t before = pyro_ticks();
    thread->since = before;
    thread->context = top;
    pyro_collector_drain(collector, writer, &counters);
    uint64_t after = pyro_ticks();
    context_at(top)->ticks = 1000 + (after - before); /* the slice is over */
    thread->context = PYRO_CONTEXT_ROOT;
    pyro_collector_drain(collector, writer, &counters);
    context_at(top)->ticks += 7;
    struct pyro_profile *profile = finish();
    CHECK_EQ(traced_of(profile, "main", "").self_ns, 1000 + (after - before) + 7);
    pyro_profile_free(profile);
}

static void what_a_dead_thread_was_in_ended_with_it(void)
{
    start();
    const int32_t nobody = 0x7ffffffe;
    uint32_t process = add_traced_process(nobody);
    uint32_t contexts = claim(PYRO_BLOCK_CONTEXTS, process, 77);
    struct pyro_thread_block *thread = block(claim(PYRO_BLOCK_THREAD, process, 77));
    thread->context = add_context(contexts, PYRO_CONTEXT_ROOT, 2, 1, 1000);
    thread->since = pyro_ticks();
    struct pyro_profile *profile = finish();
    CHECK_EQ(traced_of(profile, "main", "").self_ns, 500);
    pyro_profile_free(profile);
}

static void a_name_that_leaves_its_block_is_not_read(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    add_name(names, 2, "good", "a.py");
    add_name(names, 3, "bad", "a.py");
    struct pyro_name_entry *bad =
        (struct pyro_name_entry *)((char *)block(names) + sizeof(struct pyro_block_head) + 24);
    CHECK_EQ(bad->id, 3);
    bad->name_size = 65535;
    uint32_t edges = claim(PYRO_BLOCK_EDGES, process, 77);
    add_edge(edges, PYRO_ID_ROOT, 2, 1);
    add_edge(edges, PYRO_ID_ROOT, 3, 1);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 1);
    pyro_profile_free(profile);
}

static void numbers_out_of_bounds_are_borne(void)
{
    start();
    uint32_t process = add_process(PID, UINT32_MAX, UINT32_MAX);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    add_name(names, UINT32_MAX, "far", "a.py");
    uint32_t edges = claim(PYRO_BLOCK_EDGES, process, 77);
    add_edge(edges, UINT32_MAX, UINT32_MAX, UINT64_MAX);
    ((struct pyro_block_head *)block(edges))->used = UINT32_MAX;
    claim(PYRO_BLOCK_EDGES, UINT32_MAX, 1);
    claim(PYRO_BLOCK_THREAD, 12345, 1);
    claim((enum pyro_block_kind)99, process, 1);
    head()->used = UINT32_MAX;
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 0);
    pyro_profile_free(profile);
}

/* An entry of a block of queries, with the text SHAPE; returns it. */
static struct pyro_query_entry *add_query(uint32_t index, uint32_t site, uint32_t sender,
                                          const char *shape)
{
    struct pyro_block_head *queries = block(index);
    struct pyro_query_entry *entry =
        (struct pyro_query_entry *)((char *)(queries + 1) + queries->used);
    *entry = (struct pyro_query_entry){.site = site,
                                       .line = 17,
                                       .sender = sender,
                                       .shape_size = (uint16_t)strlen(shape),
                                       .relation_size = 8,
                                       .owner_size = 5};
    memcpy(entry + 1, shape, strlen(shape));
    memcpy((char *)(entry + 1) + strlen(shape), "customerOrder", 13);
    queries->used += (uint32_t)((sizeof(*entry) + strlen(shape) + 13 + 7) & ~(size_t)7);
    return entry;
}

/* A process with a block of queries whose functions 2 and 3 have names. */
static uint32_t add_queries(void)
{
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    add_name(names, 2, "order_list", "/srv/views.py");
    add_name(names, 3, "CursorWrapper._execute", "/lib/django.py");
    return claim(PYRO_BLOCK_QUERIES, process, 0);
}

static void queries_grow(void)
{
    start();
    uint32_t queries = add_queries();
    struct pyro_query_entry *entry = add_query(queries, 2, 3, "SELECT ?");
    add_query(queries, PYRO_ID_ROOT, 3, "BEGIN")->count = 1;
    entry->count = entry->distinct = 5;
    entry->longest_ns = 70;
    pyro_collector_drain(collector, writer, &counters);
    entry->count = 846;
    entry->distinct = 843;
    entry->timed = 846;
    entry->time_ns = 9000;
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->query_count, 2);
    const struct pyro_query *query = &profile->queries[profile->queries[0].site == PYRO_NO_ID];
    CHECK_EQ(query->count, 846);
    CHECK_EQ(query->distinct, 843);
    CHECK_EQ(query->timed, 846);
    CHECK_EQ(query->time_ns, 9000);
    CHECK_EQ(query->longest_ns, 70);
    CHECK_EQ(query->line, 17);
    CHECK_STR(pyro_profile_text(profile, query->shape), "SELECT ?");
    CHECK_STR(pyro_profile_text(profile, query->relation), "customer");
    CHECK_STR(pyro_profile_text(profile, query->owner), "Order");
    CHECK_STR(pyro_profile_text(profile, profile->functions[query->site].name), "order_list");
    CHECK_EQ(profile->frame_count, 1); /* no sample saw it: its source is kept all the same */
    CHECK(profile->frames[0].function == query->site && profile->frames[0].line == 17);
    pyro_profile_free(profile);
}

static struct pyro_stack_entry *add_stack(uint32_t index, uint32_t parent, uint32_t function,
                                          uint32_t line)
{
    struct pyro_block_head *stacks = block(index);
    struct pyro_stack_entry *entry = (struct pyro_stack_entry *)(stacks + 1) + stacks->used++;
    *entry = (struct pyro_stack_entry){.parent = parent, .function = function, .line = line};
    return entry;
}

/* As they stand at last: what a stack held at the mark, and what one holds that has not changed since. */
static void stacks_are_as_they_were_last(void)
{
    start();
    uint32_t index = add_process(PID, 0, 0);
    struct pyro_process_block *process = block(index);
    process->tracks = 1;
    process->heap = (struct pyro_heap_totals){.live = 70, .peak = 90, .mark = 5, .lost = 2};
    uint32_t names = claim(PYRO_BLOCK_NAMES, index, 0);
    uint32_t stacks = claim(PYRO_BLOCK_STACKS, index, 0);
    add_name(names, 2, "order_list", "/srv/views.py");
    add_stack(stacks, PYRO_STACK_NONE, 2, 17);
    struct pyro_stack_entry *marked = add_stack(stacks, stacks << 8, 2, 18);
    struct pyro_stack_entry *quiet = add_stack(stacks, PYRO_STACK_NONE, PYRO_ID_ROOT, 0);
    *quiet = (struct pyro_stack_entry){.allocated = 30, .allocations = 3, .mark = 4, .held = 1};
    marked->allocated = marked->allocations = 1;
    pyro_collector_drain(collector, writer, &counters);
    marked->allocated = 100;
    marked->freed = 60;
    marked->allocations = 10;
    marked->frees = 6;
    marked->mark = 5;
    marked->held = 60;
    marked->held_count = 7;
    process->heap.rss = 4096;
    process->heap.sizes[3] = (struct pyro_sizes_of_blocks){.blocks = 10, .bytes = 70};
    process->heap.sizes[40] = (struct pyro_sizes_of_blocks){.blocks = UINT64_MAX, .bytes = 1};
    atomic_store(&process->state, PYRO_PROBE_STOPPED);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->memory_count, 2);
    const struct pyro_stack_memory *one = &profile->memory[0], *other = &profile->memory[1];
    CHECK_EQ(profile->stacks[one->stack].depth, 2);
    CHECK_EQ(profile->frames[profile->stacks[one->stack].frame].line, 18);
    CHECK_EQ(one->allocated - one->freed, 40);
    CHECK_EQ(one->held, 60);
    CHECK_EQ(one->held_blocks, 7);
    CHECK_EQ(profile->stacks[other->stack].depth, 1);
    const struct pyro_frame *native = &profile->frames[profile->stacks[other->stack].frame];
    CHECK_STR(pyro_profile_text(profile, profile->functions[native->function].name), "<native>");
    CHECK_EQ(other->held, 30);
    CHECK_EQ(profile->heaps[one->process].peak, 90);
    CHECK_EQ(profile->heaps[one->process].lost, 2);
    CHECK_EQ(profile->heaps[one->process].rss, 4096);
    CHECK(profile->heaps[one->process].stopped);
    CHECK_EQ(profile->size_count, 1);
    CHECK_EQ(profile->sizes[0].process, one->process);
    CHECK_EQ(profile->sizes[0].classes[3].blocks, 10);
    CHECK_EQ(profile->sizes[0].classes[3].bytes, 70);
    CHECK_EQ(profile->sizes[0].classes[40].blocks, UINT64_C(1) << 56); /* a lie is bounded */
    pyro_profile_free(profile);
}

/* What is alive of a process that is tracked; it is there, since it is this one. */
static void memory_is_looked_at_over_time(void)
{
    start();
    uint32_t index = add_process(getpid(), 0, 0);
    struct pyro_process_block *process = block(index);
    process->tracks = 1;
    process->heap = (struct pyro_heap_totals){.live = 70, .native = 20};
    pyro_collector_look(collector, writer, 5, false); /* the sampler has not named it yet */
    uint32_t recorded = pyro_writer_process(writer, getpid(), 1, "app.py", "3.12.1");
    pyro_collector_look(collector, writer, 10, true);
    process->heap.live = 41;
    pyro_collector_look(collector, writer, 15, false); /* too soon */
    pyro_collector_look(collector, writer, 20, true);
    process->heap.live = UINT64_MAX;
    pyro_collector_look(collector, writer, 30, true);
    process->pid = INT32_MAX; /* there is no such process */
    pyro_collector_look(collector, writer, 40, true);
    pyro_collector_look(collector, writer, 50, true);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->look_count, 4);
    CHECK_EQ(profile->looks[0].process, recorded);
    CHECK_EQ(profile->looks[0].time_us, 10);
    CHECK_EQ(profile->looks[0].live, 70);
    CHECK_EQ(profile->looks[0].native, 20);
    CHECK(profile->looks[0].rss > 100000 && profile->looks[0].tracked);
    CHECK_EQ(profile->looks[1].live, 41);
    CHECK_EQ(profile->looks[2].live, UINT64_C(1) << 56);
    CHECK(profile->looks[3].gone);
    CHECK_EQ(profile->watch.looks, 6);
    CHECK_EQ(profile->watch.until_us, 50);
    pyro_profile_free(profile);
}

/* One that becomes another program has an end, and the other one a beginning. */
static void a_replaced_program_is_looked_at_no_more(void)
{
    start();
    uint32_t first = add_process(getpid(), 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, first, 0);
    uint32_t stacks = claim(PYRO_BLOCK_STACKS, first, 0);
    ((struct pyro_process_block *)block(first))->tracks = 1;
    add_name(names, 2, "order_list", "/srv/views.py");
    add_stack(stacks, PYRO_STACK_NONE, 2, 17)->allocated = 9000;
    (void)pyro_writer_process(writer, getpid(), 1, "app.py", "3.12.1");
    pyro_collector_look(collector, writer, 10, true);
    pyro_collector_glance(collector, writer);
    uint32_t second = add_process(getpid(), 0, 0);
    ((struct pyro_process_block *)block(second))->tracks = 1;
    pyro_collector_look(collector, writer, 20, true);
    pyro_collector_look(collector, writer, 30, true);
    struct pyro_profile *profile = finish();
    CHECK(profile->look_count >= 3);
    CHECK(!profile->looks[0].gone && profile->looks[1].gone && !profile->looks[2].gone);
    CHECK_EQ(profile->looks[1].process, profile->looks[0].process);
    CHECK_EQ(profile->looks[1].time_us, 20);
    CHECK_EQ(profile->moment_count, 2);
    CHECK_EQ(profile->moments[0].live, 9000);
    CHECK_EQ(profile->moments[1].live, 0);
    pyro_profile_free(profile);
}

/* Of stacks with much, where it changed; the largest block is told with it. */
static void what_stacks_have_is_written_over_time(void)
{
    start();
    uint32_t index = add_process(getpid(), 0, 0);
    struct pyro_process_block *process = block(index);
    uint32_t names = claim(PYRO_BLOCK_NAMES, index, 0);
    uint32_t stacks = claim(PYRO_BLOCK_STACKS, index, 0);
    process->tracks = 1;
    add_name(names, 2, "order_list", "/srv/views.py");
    struct pyro_stack_entry *little = add_stack(stacks, PYRO_STACK_NONE, 2, 17);
    struct pyro_stack_entry *much = add_stack(stacks, stacks << 8, 2, 18);
    struct pyro_stack_entry *torn = add_stack(stacks, PYRO_STACK_NONE, 2, 19);
    (void)pyro_writer_process(writer, getpid(), 1, "app.py", "3.12.1");
    little->allocated = 4095;
    torn->freed = 1;
    much->allocated = 9000;
    much->freed = 1000;
    much->largest = 3;
    pyro_collector_glance(collector, writer);
    much->freed = 9000;
    pyro_collector_glance(collector, writer); /* too soon */
    much->allocated = 9001;
    process->heap.stopped_ns = pyro_clock_ns();
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->moment_count, 3);
    const struct pyro_stack_moment *first = &profile->moments[0], *stop = &profile->moments[1],
                                   *last = &profile->moments[2];
    CHECK_EQ(profile->frames[profile->stacks[first->stack].frame].line, 18);
    CHECK_EQ(first->live, 8000);
    CHECK_EQ(first->largest, 3 * PYRO_STACK_LARGEST_UNIT);
    CHECK_EQ(stop->stack, PYRO_STACK_ROOT);
    CHECK_EQ(last->stack, first->stack);
    CHECK_EQ(last->live, 1); /* less than is worth it, but it had more */
    CHECK(first->time_us <= stop->time_us && stop->time_us <= last->time_us);
    pyro_profile_free(profile);
}

static void lies_about_stacks_are_not_written(void)
{
    start();
    uint32_t index = add_process(PID, 0, 0);
    struct pyro_process_block *process = block(index);
    process->tracks = 1;
    process->heap.peak = UINT64_MAX;
    uint32_t names = claim(PYRO_BLOCK_NAMES, index, 0);
    uint32_t stacks = claim(PYRO_BLOCK_STACKS, index, 0);
    add_name(names, 2, "order_list", "/srv/views.py");
    add_stack(stacks, stacks << 8, 2, 17)->allocations = 1;     /* its own caller */
    add_stack(stacks, UINT32_MAX, 2, 18)->allocations = 1;      /* a caller that is nowhere */
    add_stack(stacks, PYRO_STACK_NONE, 9, 19)->allocations = 1; /* no name */
    add_stack(stacks, PYRO_STACK_NONE, 2, 20)->allocations = UINT64_MAX;
    struct pyro_stack_entry *entry = add_stack(stacks, PYRO_STACK_NONE, 2, 21);
    entry->allocations = entry->allocated = 1;
    entry->freed = 2; /* more than there was */
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->memory_count, 0);
    CHECK_EQ(profile->heaps[0].peak, UINT64_C(1) << 56);
    pyro_profile_free(profile);
    start();
    index = add_process(PID, 0, 0);
    ((struct pyro_process_block *)block(index))->tracks = 1;
    stacks = claim(PYRO_BLOCK_STACKS, index, 0);
    ((struct pyro_block_head *)block(stacks))->used = UINT32_MAX;
    profile = finish();
    CHECK_EQ(profile->memory_count, 0);
    pyro_profile_free(profile);
}

/* Entry AT of a block of lines. */
static struct pyro_line_entry *line_at(uint32_t index, uint32_t at)
{
    return (struct pyro_line_entry *)((struct pyro_block_head *)block(index) + 1) + at;
}

static struct pyro_line_entry *add_line(uint32_t index, uint32_t function, uint32_t line,
                                        uint64_t hits, int64_t ticks)
{
    struct pyro_block_head *lines = block(index);
    struct pyro_line_entry *entry = line_at(index, lines->used++);
    *entry =
        (struct pyro_line_entry){.function = function, .line = line, .hits = hits, .ticks = ticks};
    return entry;
}

static const struct pyro_line_count *line_of(const struct pyro_profile *profile, uint32_t line)
{
    for (size_t i = 0; i < profile->line_count; i++)
        if (profile->lines[i].line == line)
            return &profile->lines[i];
    return NULL;
}

/* What grows is written; function 3 has no name yet; a tick is 2 ns. */
static void lines_grow(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    ((struct pyro_process_block *)block(process))->tick_ns = 2;
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    uint32_t lines = claim(PYRO_BLOCK_LINES, process, 77);
    add_name(names, 2, "order_list", "/srv/views.py");
    struct pyro_line_entry *entry = add_line(lines, 2, 17, 3, 500);
    add_line(lines, 2, 0, 0, 700);
    add_line(lines, 3, 18, 1, 1);
    add_line(lines, 2, 19, 2, -40); /* more was taken out than there was */
    pyro_collector_drain(collector, writer, &counters);
    entry->hits = 846;
    entry->ticks = 4500;
    ((struct pyro_process_block *)block(process))->lines_lost = 5;
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->line_count, 3);
    CHECK_EQ(line_of(profile, 17)->hits, 846);
    CHECK_EQ(line_of(profile, 17)->time_ns, 9000);
    CHECK_EQ(profile->threads[line_of(profile, 17)->thread].native_id, 77);
    CHECK_STR(pyro_profile_text(profile, profile->functions[line_of(profile, 17)->function].name),
              "order_list");
    CHECK_EQ(line_of(profile, 0)->time_ns, 1400);
    CHECK_EQ(line_of(profile, 19)->hits, 2);
    CHECK_EQ(line_of(profile, 19)->time_ns, 0);
    CHECK_EQ(counters.lines_lost, 5);
    pyro_profile_free(profile);
}

/* A line that the thread of this test stands in has the time since then, but not that of a thread that is no more. */
static void open_lines_have_the_time_since(void)
{
    start();
    uint32_t own = add_process(getpid(), 0, 0), other = add_process(PID, 0, 0);
    uint32_t processes[] = {own, other};
    uint32_t native_ids[] = {(uint32_t)getpid(), 1 << 30};
    for (int i = 0; i < 2; i++) {
        ((struct pyro_process_block *)block(processes[i]))->tick_ns = 1;
        uint32_t names = claim(PYRO_BLOCK_NAMES, processes[i], 0);
        uint32_t thread = claim(PYRO_BLOCK_THREAD, processes[i], native_ids[i]);
        uint32_t lines = claim(PYRO_BLOCK_LINES, processes[i], native_ids[i]);
        ((struct pyro_thread_block *)block(thread))->lines_cost = 1000;
        add_name(names, 2, "wait", "/srv/views.py");
        add_line(lines, 2, 17 + (uint32_t)i, 1, 0)->since = pyro_ticks() - 1000;
    }
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->line_count, 2);
    CHECK(line_of(profile, 17)->time_ns > 0);
    CHECK_EQ(line_of(profile, 18)->time_ns, 0);
    pyro_profile_free(profile);
}

static void lies_about_lines_are_not_written(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    ((struct pyro_process_block *)block(process))->tick_ns = 1;
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    uint32_t lines = claim(PYRO_BLOCK_LINES, process, 77);
    add_name(names, 2, "order_list", "/srv/views.py");
    add_line(lines, 2, UINT32_MAX, 1, 1);
    add_line(lines, 2, 17, UINT64_MAX, 1);
    add_line(lines, 2, 18, 1, INT64_MAX);
    add_line(lines, 2, 19, 1, 1)->since =
        12; /* before there was a thread, of which nothing is known */
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->line_count, 2); /* the last two: what cannot be is no time */
    CHECK_EQ(line_of(profile, 18)->time_ns, 0);
    CHECK_EQ(line_of(profile, 19)->time_ns, 1);
    pyro_profile_free(profile);
    start();
    process = add_process(PID, 0, 0);
    lines = claim(PYRO_BLOCK_LINES, process, 77);
    ((struct pyro_block_head *)block(lines))->used = UINT32_MAX;
    profile = finish();
    CHECK_EQ(profile->line_count, 0);
    pyro_profile_free(profile);
}

static void queries_without_names_wait_and_lies_are_not_written(void)
{
    start();
    uint32_t queries = add_queries();
    add_query(queries, 2, 9, "SELECT 1")->count = 1;          /* sent by nobody known */
    add_query(queries, 9, 3, "SELECT 2")->count = 1;          /* from nowhere known */
    add_query(queries, 2, 3, "SELECT 3")->count = UINT64_MAX; /* more than can be */
    add_query(queries, 2, 3, "SELECT 4")->count = 1;
    struct pyro_query_entry *last = add_query(queries, 2, 3, "SELECT 5");
    last->count = 1;
    last->shape_size = UINT16_MAX; /* leaves the block */
    ((struct pyro_process_block *)block(1))->queries_lost = 7;
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->query_count, 1);
    CHECK_STR(pyro_profile_text(profile, profile->queries[0].shape), "SELECT 4");
    CHECK_EQ(counters.queries_lost, 7);
    pyro_profile_free(profile);
}

static void add_operand(uint32_t index, uint64_t code, uint32_t offset, uint32_t slot)
{
    struct pyro_block_head *operands = block(index);
    ((struct pyro_operand_entry *)(operands + 1))[operands->used++] =
        (struct pyro_operand_entry){code, offset, slot};
}

static void operands_are_told_and_inherited(void)
{
    start();
    uint32_t parent = add_process(PID, 0, 0);
    uint32_t operands = claim(PYRO_BLOCK_OPERANDS, parent, 0);
    add_operand(operands, 0x7f0000001000, 40, 3);
    CHECK_EQ(pyro_collector_operand(collector, PID, 0x7f0000001000, 40), 3);
    CHECK_EQ(pyro_collector_operand(collector, PID, 0x7f0000001000, 42), UINT32_MAX);
    CHECK_EQ(pyro_collector_operand(collector, PID + 1, 0x7f0000001000, 40), UINT32_MAX);
    uint32_t child = add_process(PID + 1, parent, 0);
    add_operand(claim(PYRO_BLOCK_OPERANDS, child, 0), 0x7f0000002000, 40, 5);
    add_operand(operands, 0x7f0000001000, 40, 4); /* the address was used again */
    CHECK_EQ(pyro_collector_operand(collector, PID + 1, 0x7f0000001000, 40), 4);
    CHECK_EQ(pyro_collector_operand(collector, PID + 1, 0x7f0000002000, 40), 5);
    CHECK_EQ(pyro_collector_operand(collector, PID, 0x7f0000002000, 40), UINT32_MAX);
    ((struct pyro_block_head *)block(operands))->used = UINT32_MAX;
    CHECK_EQ(pyro_collector_operand(collector, PID, 0x7f0000003000, 40), UINT32_MAX);
    pyro_profile_free(finish());
}

static void arguments_grow_and_wait_for_names(void)
{
    start();
    uint32_t process = add_process(PID, 0, 0);
    uint32_t names = claim(PYRO_BLOCK_NAMES, process, 0);
    add_name(names, 2, "rate", "/srv/rates.py");
    struct pyro_block_head *arguments = block(claim(PYRO_BLOCK_ARGUMENTS, process, 0));
    struct pyro_argument_entry *entries = (struct pyro_argument_entry *)(arguments + 1);
    arguments->used = 3;
    entries[0] = (struct pyro_argument_entry){2, 0, 10, 4, 1};
    entries[1] = (struct pyro_argument_entry){9, 0, 10, 4, 1};         /* of nobody known */
    entries[2] = (struct pyro_argument_entry){2, 0, UINT64_MAX, 0, 0}; /* more than can be */
    pyro_collector_drain(collector, writer, &counters);
    entries[0] = (struct pyro_argument_entry){2, 0, 100, 6, 2};
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->argument_count, 1);
    CHECK_EQ(profile->arguments[0].looked, 100);
    CHECK_EQ(profile->arguments[0].distinct, 6);
    CHECK_EQ(profile->arguments[0].unknown, 2);
    CHECK_STR(pyro_profile_text(profile, profile->functions[profile->arguments[0].function].name),
              "rate");
    pyro_profile_free(profile);
}

static void random_memory_is_borne(void)
{
    start();
    uint64_t state = 88172645463325252u;
    for (int round = 0; round < 200; round++) {
        uint64_t *words = block(0);
        for (size_t i = 0; i < 40 * PYRO_BLOCK_SIZE / 8; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words[i] = i % (PYRO_BLOCK_SIZE / 8) == 0 ? state % 10 : state >> (state % 64);
        }
        head()->used = 40;
        pyro_collector_drain(collector, writer, &counters);
        (void)pyro_collector_callee(collector, writer, (int32_t)state, 1, state, state, 2);
        (void)pyro_collector_operand(collector, (int32_t)state, state, 2);
    }
    pyro_profile_free(finish());
}

/* What the recording says of the process PID. */
static const char *reason_of(const struct pyro_profile *profile)
{
    return pyro_profile_text(profile, profile->probes[0].reason);
}

static void a_program_in_which_no_probe_is_is_told_of(void)
{
    for (int follows = 0; follows < 2; follows++) {
        start_following(follows);
        struct pyro_process_block *process = block(add_process(PID, 0, 0));
        process->image = 1001;
        pyro_collector_runs(collector, PID, 1001, 5000);
        pyro_collector_drain(collector, writer, &counters);
        pyro_collector_runs(collector, PID, 1002, 1250000);
        pyro_collector_runs(collector, PID, 1004, 3000000); /* once more */
        pyro_collector_runs(collector, PID + 1, 1003,
                            2000000); /* of a process that never counted */
        struct pyro_profile *profile = finish();
        CHECK(profile->probes[0].counted);
        CHECK_STR(reason_of(profile),
                  follows ? "after 1.25 s the program replaced itself by another Python program "
                            "(exec), in which calls are not counted"
                          : "after 1.25 s the program replaced itself by another Python program "
                            "(exec), in which calls are only counted with --subprocesses");
        pyro_profile_free(profile);
    }
}

static void a_program_whose_probe_comes_later_is_counted(void)
{
    start();
    struct pyro_process_block *process = block(add_process(PID, 0, 0));
    process->image = 1001;
    pyro_collector_runs(collector, PID, 1002, 1250000);
    pyro_collector_drain(collector, writer, &counters);
    process = block(add_process(PID, 0, 0));
    process->image = 1002;
    struct pyro_profile *profile = finish();
    CHECK_STR(reason_of(profile), "");
    pyro_profile_free(profile);
}

static void what_the_head_says_is_in_the_counters(void)
{
    start();
    head()->turned_away = 3;
    head()->sub_interpreters = 1;
    pyro_profile_free(finish());
    CHECK_EQ(counters.turned_away, 3);
    CHECK_EQ(counters.sub_interpreters, 1);
}

static void memory_cannot_be_cut_off(void)
{
    start();
    CHECK(ftruncate(pyro_collector_fd(collector), 0) < 0);
    pyro_profile_free(finish());
}

int main(void)
{
    return CHECK_MAIN(
        TEST(what_grew_is_written_once), TEST(an_edge_waits_for_its_names),
        TEST(a_fork_shares_names_given_before_it), TEST(a_callee_is_told_where_all_fits),
        TEST(a_thread_that_was_claiming_its_block_is_found),
        TEST(a_callee_is_named_by_a_block_that_was_just_claimed),
        TEST(a_block_that_says_nothing_hides_no_other), TEST(a_thread_goes_on_in_a_block),
        TEST(a_name_that_leaves_its_block_is_not_read), TEST(numbers_out_of_bounds_are_borne),
        TEST(contexts_grow), TEST(calls_of_the_start_are_not_read),
        TEST(a_context_without_a_true_parent_is_not_read),
        TEST(a_slower_machine_makes_costs_larger), TEST(what_few_or_false_events_say_is_no_speed),
        TEST(what_a_thread_is_in_counts), TEST(what_a_dead_thread_was_in_ended_with_it),
        TEST(stacks_are_as_they_were_last), TEST(memory_is_looked_at_over_time),
        TEST(a_replaced_program_is_looked_at_no_more), TEST(what_stacks_have_is_written_over_time),
        TEST(lies_about_stacks_are_not_written), TEST(lines_grow),
        TEST(open_lines_have_the_time_since), TEST(lies_about_lines_are_not_written),
        TEST(queries_grow), TEST(queries_without_names_wait_and_lies_are_not_written),
        TEST(operands_are_told_and_inherited), TEST(arguments_grow_and_wait_for_names),
        TEST(random_memory_is_borne), TEST(memory_cannot_be_cut_off),
        TEST(a_program_in_which_no_probe_is_is_told_of),
        TEST(a_program_whose_probe_comes_later_is_counted),
        TEST(what_the_head_says_is_in_the_counters));
}
