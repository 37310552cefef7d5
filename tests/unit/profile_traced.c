/* Calling contexts: written, added up, freed of what tracing cost, counted. */
#include "fixture_recording.h"
#include "profile/counted.h"
#include "profile/totals.h"

static const char path[] = "profile_traced.pyro";
static struct pyro_writer *writer;
static uint32_t process, thread, functions[4];

/* Functions "a", "b", "c" of Python, "{len}" of C. */
static void start(void)
{
    writer = fixture_record(path, 1000);
    process = pyro_writer_process(writer, 7, 1, "", "3.12.1");
    thread = pyro_writer_thread(writer, process, 7);
    const char *const names[] = {"a", "b", "c", "{len}"};
    for (uint32_t i = 0; i < 4; i++) {
        struct pyro_function function = {
            .name = pyro_writer_string(writer, names[i], strlen(names[i])),
            .kind = i < 3 ? PYRO_FUNCTION_PYTHON : PYRO_FUNCTION_C,
        };
        functions[i] = pyro_writer_function(writer, &function);
    }
}
#define A   0
#define B   1
#define C   2
#define LEN 3

static uint32_t on(uint32_t parent, int function)
{
    return pyro_writer_stack(writer, parent, pyro_writer_frame(writer, functions[function], 0));
}

static void context(uint32_t stack, uint64_t calls, uint64_t self_us)
{
    const struct pyro_written_context written = {
        .thread = thread, .stack = stack, .calls = calls, .self_ns = self_us * 1000};
    pyro_writer_context(writer, &written);
}

static struct pyro_profile *finish(void)
{
    return fixture_read_back(path, writer);
}

static struct pyro_totals totals_of(const struct pyro_profile *profile)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    CHECK_EQ(pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false), 0);
    CHECK_EQ(pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL), 0);
    pyro_clock_view_clear(&view);
    CHECK(totals.traced);
    return totals;
}

static void records_of_a_context_are_added_up(void)
{
    start();
    uint32_t a = on(PYRO_STACK_ROOT, A), ab = on(a, B);
    struct pyro_written_context written = {.thread = thread,
                                           .stack = ab,
                                           .calls = 3,
                                           .resumes = 4,
                                           .self_ns = 500,
                                           .calls_of_python = 6,
                                           .lives = 2,
                                           .life_ns = 80};
    pyro_writer_context(writer, &written);
    pyro_writer_flush(writer);
    pyro_writer_context(writer, &written);
    context(a, 1, 1);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->traced_count, 2);
    const struct pyro_traced *traced = &profile->traced[1];
    CHECK_EQ(traced->stack, ab);
    CHECK_EQ(traced->calls, 6);
    CHECK_EQ(traced->resumes, 8);
    CHECK_EQ(traced->self_ns, 1000);
    CHECK_EQ(traced->calls_of_python, 12);
    CHECK_EQ(traced->lives, 4);
    CHECK_EQ(traced->life_ns, 160);
    pyro_profile_free(profile);
}

static void what_stands_nowhere_is_not_written(void)
{
    start();
    context(PYRO_STACK_ROOT, 1, 1);
    context(99, 1, 1);
    context(on(PYRO_STACK_ROOT, A), 0, 0);
    thread = 5;
    context(on(PYRO_STACK_ROOT, A), 1, 1);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->traced_count, 0);
    pyro_profile_free(profile);
}

static void times_are_the_tracers(void)
{
    start();
    uint32_t a = on(PYRO_STACK_ROOT, A), ab = on(a, B), aba = on(ab, A), len = on(aba, LEN);
    context(a, 1, 100);
    context(ab, 1, 20);
    context(aba, 2, 3);
    context(len, 7, 4);
    pyro_writer_sweep(writer, 1000); /* what was sampled besides is no time of theirs */
    const struct pyro_written_sample sample = {
        .thread = thread, .stack = a, .agreed = a, .state = PYRO_STATE_RUNNING, .wait = PYRO_NO_ID};
    pyro_writer_sample(writer, &sample);
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_of(profile);
    CHECK_EQ(totals.counted_us, 127);
    CHECK_EQ(totals.functions[functions[A]].self_us, 103);
    CHECK_EQ(totals.functions[functions[A]].total_us, 127); /* not twice */
    CHECK_EQ(totals.functions[functions[B]].total_us, 27);
    CHECK_EQ(totals.functions[functions[LEN]].total_us, 4);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

static void costs_are_taken_out_of_callee_and_caller(void)
{
    start();
    const struct pyro_written_probe probe = {
        .process = process,
        .counted = true,
        .c_calls = true,
        .reason = "",
        .traced = true,
        .trace = {.python_ns = 100,
                  .python_inside_ns = 40,
                  .c_ns = 70,
                  .c_inside_ns = 20,
                  .call_ns = 30},
    };
    pyro_writer_probe(writer, &probe);
    uint32_t a = on(PYRO_STACK_ROOT, A), ab = on(a, B), len = on(a, LEN);
    const struct pyro_written_context caller = {
        .thread = thread, .stack = a, .calls = 1, .self_ns = 1000000, .calls_of_python = 1000};
    pyro_writer_context(writer, &caller);
    const struct pyro_written_context resumed = {
        .thread = thread, .stack = ab, .calls = 600, .resumes = 400, .self_ns = 90000};
    pyro_writer_context(writer, &resumed);
    context(len, 2000, 30); /* less than it is said to have cost */
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->probes[0].trace.call_ns, 30);
    struct pyro_totals totals = totals_of(profile);
    const double in_a_us = 1000 - 0.04 - 30 - 1000 * 0.06 - 2000 * 0.05;
    CHECK_EQ(totals.functions[functions[A]].self_us * 1000, in_a_us * 1000);
    CHECK_EQ(totals.functions[functions[B]].self_us, 90 - 40);
    CHECK_EQ(totals.functions[functions[LEN]].self_us, 0);
    CHECK_EQ(totals.functions[functions[LEN]].probe_us, 30);
    CHECK_EQ(totals.functions[functions[B]].probe_us, 40);
    CHECK_EQ(totals.probe_us * 1000, (1000 - in_a_us + 40 + 30) * 1000);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

static void calls_are_primitive_outside_of_themselves(void)
{
    struct pyro_counted counted;
    start();
    uint32_t a = on(PYRO_STACK_ROOT, A), ab = on(a, B), aba = on(ab, A), abac = on(aba, C);
    uint32_t c = on(PYRO_STACK_ROOT, C), cc = on(c, C), len = on(cc, LEN), by_len = on(len, B);
    context(a, 2, 1);
    context(ab, 5, 1);
    context(aba, 4, 1); /* through b */
    context(abac, 3, 1);
    context(c, 1, 1);
    context(cc, 9, 1);
    context(len, 6, 1);
    context(by_len, 8, 1); /* called by C: its caller is c */
    struct pyro_profile *profile = finish();
    CHECK_EQ(pyro_counted_make(&counted, profile, &PYRO_TOTALS_ALL), 0);
    const uint64_t all[] = {6, 13, 13, 6}, primitive[] = {2, 13, 4, 6};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(counted.ncalls[functions[i]], all[i]);
        CHECK_EQ(counted.primitive[functions[i]], primitive[i]);
    }
    uint64_t from_c = 0;
    for (size_t i = 0; i < counted.edge_count; i++)
        if (counted.edges[i].caller == functions[C] && counted.edges[i].callee == functions[B])
            from_c += counted.edges[i].ncalls;
    CHECK_EQ(from_c, 8);
    pyro_counted_clear(&counted);
    const struct pyro_totals_filter nobody = {.thread = 99};
    CHECK_EQ(pyro_counted_make(&counted, profile, &nobody), 0);
    CHECK_EQ(counted.ncalls[functions[A]], 0);
    pyro_counted_clear(&counted);
    pyro_profile_free(profile);
}

static void sample(uint32_t of_thread, uint32_t stack, enum pyro_state state)
{
    const struct pyro_written_sample sample = {
        .thread = of_thread, .stack = stack, .agreed = stack, .state = state, .wait = PYRO_NO_ID};
    pyro_writer_sample(writer, &sample);
}

static struct pyro_totals totals_with(const struct pyro_profile *profile, bool idle)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    CHECK_EQ(pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, idle), 0);
    CHECK_EQ(pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL), 0);
    pyro_clock_view_clear(&view);
    return totals;
}

/* A worker's loop; functions[LEN] is what it waits in. */
static uint32_t worker_loop(void)
{
    static const char file[] = "/usr/lib/python3.12/concurrent/futures/thread.py";
    const struct pyro_function function = {
        .name = pyro_writer_string(writer, "_worker", 7),
        .file = pyro_writer_string(writer, file, sizeof(file) - 1),
        .kind = PYRO_FUNCTION_PYTHON,
    };
    functions[C] = pyro_writer_function(writer, &function);
    return on(PYRO_STACK_ROOT, C);
}

static void parked_time_is_there_once(void)
{
    start();
    uint32_t loop = worker_loop(), wait = on(loop, LEN), work = on(loop, A);
    context(wait, 5, 3000);
    context(loop, 1, 1000);
    context(work, 5, 6000);
    for (uint64_t i = 1; i <= 10; i++) {
        pyro_writer_sweep(writer, i * 1000);
        sample(thread, i <= 3 ? loop : work, i <= 3 ? PYRO_STATE_WAITING : PYRO_STATE_RUNNING);
    }
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_with(profile, false);
    CHECK_EQ(totals.parked_us, 3000);
    CHECK_EQ(totals.counted_us, 7000);
    CHECK_EQ(totals.functions[functions[LEN]].self_us, 750);
    CHECK_EQ(totals.functions[functions[C]].self_us, 250);
    CHECK_EQ(totals.functions[functions[A]].self_us, 6000);
    pyro_totals_clear(&totals);
    totals = totals_with(profile, true);
    CHECK_EQ(totals.parked_us, 3000);
    CHECK_EQ(totals.counted_us, 10000);
    CHECK_EQ(totals.functions[functions[LEN]].self_us, 3000);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

/* THREAD is traced, from its first event on; two more have none. */
static void who_waits_from_the_beginning_on_has_that_time(void)
{
    start();
    uint32_t parked = pyro_writer_thread(writer, process, 8);
    uint32_t waits = pyro_writer_thread(writer, process, 9);
    uint32_t loop = worker_loop(), a = on(PYRO_STACK_ROOT, A), b = on(PYRO_STACK_ROOT, B);
    context(a, 1, 6000);
    for (uint64_t i = 1; i <= 10; i++) {
        pyro_writer_sweep(writer, i * 1000);
        sample(thread, i <= 4 ? b : a, i <= 4 ? PYRO_STATE_WAITING : PYRO_STATE_RUNNING);
        sample(parked, loop, PYRO_STATE_WAITING);
        sample(waits, b, PYRO_STATE_WAITING);
    }
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_with(profile, false);
    CHECK_EQ(totals.parked_us, 10000);
    CHECK_EQ(totals.counted_us, 20000);
    CHECK_EQ(totals.functions[functions[A]].self_us, 6000);
    CHECK_EQ(totals.functions[functions[B]].self_us, 4000 + 10000);
    CHECK_EQ(totals.functions[functions[C]].total_samples, 0); /* no row of nothing */
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

/* All threads were stopped to put the tracer in: one goes back to sleep when it gets a CPU. Another one runs all the while, so it has events. */
static void who_goes_back_to_sleep_has_waited(void)
{
    start();
    uint32_t runs = pyro_writer_thread(writer, process, 9);
    uint32_t a = on(PYRO_STACK_ROOT, A), b = on(PYRO_STACK_ROOT, B);
    context(on(PYRO_STACK_ROOT, C), 1, 1000);
    for (uint64_t i = 1; i <= 10; i++) {
        pyro_writer_sweep(writer, i * 1000);
        sample(thread, b,
               i <= 2   ? PYRO_STATE_RUNNING
               : i <= 9 ? PYRO_STATE_WAITING
                        : PYRO_STATE_RUNNING);
        sample(runs, a, i <= 5 ? PYRO_STATE_RUNNING : PYRO_STATE_GIL_WAIT);
    }
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_with(profile, false);
    CHECK_EQ(totals.functions[functions[B]].self_us, 9000);
    CHECK_EQ(totals.functions[functions[A]].self_us, 0);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

/* It waited, but not from the first sweep on: all of it was traced, whatever samples add up to. */
static void who_began_later_is_traced_from_its_beginning_on(void)
{
    start();
    uint32_t b = on(PYRO_STACK_ROOT, B);
    context(b, 1, 6000);
    pyro_writer_sweep(writer, 1000);
    for (uint64_t i = 2; i <= 10; i++) {
        pyro_writer_sweep(writer, i * 1000);
        sample(thread, b, PYRO_STATE_WAITING);
    }
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_with(profile, false);
    CHECK_EQ(totals.counted_us, 6000);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(records_of_a_context_are_added_up), TEST(what_stands_nowhere_is_not_written),
        TEST(times_are_the_tracers), TEST(costs_are_taken_out_of_callee_and_caller),
        TEST(calls_are_primitive_outside_of_themselves), TEST(parked_time_is_there_once),
        TEST(who_waits_from_the_beginning_on_has_that_time),
        TEST(who_goes_back_to_sleep_has_waited),
        TEST(who_began_later_is_traced_from_its_beginning_on));
}
