/* Counted calls: written, added up, taken out of the times, told apart from recursion. */
#include "fixture_recording.h"
#include "profile/counted.h"
#include "profile/profile.h"
#include "profile/totals.h"
#include "profile/uncounted.h"
#include "profile/writer.h"

#include <math.h>

static const char path[] = "profile_calls.pyro";
static struct pyro_writer *writer;
static uint32_t process, thread, functions[8];

/* Functions "a" ... "g" of Python, "{len}" of C. */
static void start(void)
{
    writer = fixture_record(path, 1000);
    process = pyro_writer_process(writer, 7, 1, "", "3.12.1");
    thread = pyro_writer_thread(writer, process, 7);
    for (uint32_t i = 0; i < 8; i++) {
        const char name[] = {i < 7 ? (char)('a' + i) : '{', i < 7 ? '\0' : 'l', '}', '\0'};
        struct pyro_function function = {
            .name = pyro_writer_string(writer, name, strlen(name)),
            .kind = i < 7 ? PYRO_FUNCTION_PYTHON : PYRO_FUNCTION_C,
        };
        functions[i] = pyro_writer_function(writer, &function);
    }
}
#define C_FUNCTION 7

static struct pyro_profile *finish(void)
{
    return fixture_read_back(path, writer);
}

static void calls_on(uint32_t on_thread, uint32_t caller, uint32_t callee, uint64_t count)
{
    const struct pyro_written_calls calls = {on_thread, caller, callee, count};
    pyro_writer_calls(writer, &calls);
}

static void calls(uint32_t caller, uint32_t callee, uint64_t count)
{
    calls_on(thread, caller, callee, count);
}

static void records_of_the_same_pair_are_added_up(void)
{
    start();
    calls(PYRO_NO_ID, functions[0], 1);
    calls(functions[0], functions[1], 5);
    pyro_writer_flush(writer);
    calls(functions[0], functions[1], 847000);
    calls(functions[0], functions[C_FUNCTION], 3);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 3);
    CHECK_EQ(profile->calls[0].caller, functions[0]);
    CHECK_EQ(profile->calls[0].callee, functions[1]);
    CHECK_EQ(profile->calls[0].count, 847005);
    CHECK_EQ(profile->calls[2].caller, PYRO_NO_ID);
    CHECK(!profile->probes);
    pyro_profile_free(profile);
}

static void what_no_function_did_is_not_written(void)
{
    start();
    calls(functions[0], 99, 1);
    calls(99, functions[0], 1);
    calls_on(5, functions[0], functions[1], 1);
    calls(functions[0], functions[1], 0);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 0);
    pyro_profile_free(profile);
}

static void a_probe_tells_how_it_counted(void)
{
    start();
    struct pyro_written_probe probe = {.process = process, .reason = "not yet"};
    pyro_writer_probe(writer, &probe);
    probe = (struct pyro_written_probe){.process = process,
                                        .counted = true,
                                        .c_calls = true,
                                        .lost = 12,
                                        .start_ns = 17.25,
                                        .call_ns = 40,
                                        .reason = ""};
    pyro_writer_probe(writer, &probe);
    (void)pyro_writer_process(writer, 8, 7, "child", "3.12.1"); /* has none */
    struct pyro_profile *profile = finish();
    const struct pyro_probe *read = profile->probes;
    CHECK(read && read[0].counted && read[0].c_calls && !read[1].counted);
    CHECK_EQ(read[0].lost, 12);
    CHECK_EQ(read[0].start_ns * 100, 1725);
    CHECK_EQ(read[0].call_ns, 40);
    CHECK_STR(pyro_profile_text(profile, read[0].reason), "");
    pyro_profile_free(profile);
}

static void primitive_calls_are_known_but_in_larger_cycles(void)
{
    struct pyro_counted counted;
    start();
    uint32_t *f = functions;
    calls(PYRO_NO_ID, f[0], 1);
    calls(f[0], f[1], 10);
    calls(f[1], f[1], 90); /* itself only */
    calls(f[0], f[2], 1);
    calls(f[2], f[3], 5); /* c -> d -> e -> c */
    calls(f[3], f[4], 5);
    calls(f[4], f[2], 4);
    calls(f[4], f[5], 2); /* a leaf below the cycle */
    calls(f[1], f[C_FUNCTION], 100);
    struct pyro_profile *profile = finish();
    CHECK_EQ(pyro_counted_make(&counted, profile, &PYRO_TOTALS_ALL), 0);
    const uint64_t all[] = {1, 100, 5, 5, 5, 2, 0, 100};
    const uint64_t primitive[] = {1, 10, PYRO_NO_CALLS, PYRO_NO_CALLS, PYRO_NO_CALLS, 2, 0, 100};
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(counted.ncalls[f[i]], all[i]);
        CHECK_EQ(counted.primitive[f[i]], primitive[i]);
    }
    CHECK_EQ(counted.edge_count, 9);
    pyro_counted_clear(&counted);
    pyro_profile_free(profile);
}

static void threads_are_counted_together_or_apart(void)
{
    struct pyro_counted counted;
    start();
    uint32_t other = pyro_writer_thread(writer, process, 8);
    calls(functions[0], functions[1], 3);
    calls_on(other, functions[0], functions[1], 4);
    struct pyro_profile *profile = finish();
    CHECK_EQ(pyro_counted_make(&counted, profile, &PYRO_TOTALS_ALL), 0);
    CHECK_EQ(counted.ncalls[functions[1]], 7);
    CHECK_EQ(counted.edge_count, 1);
    pyro_counted_clear(&counted);
    const struct pyro_totals_filter filter = {.thread = other};
    CHECK_EQ(pyro_counted_make(&counted, profile, &filter), 0);
    CHECK_EQ(counted.ncalls[functions[1]], 4);
    pyro_counted_clear(&counted);
    pyro_profile_free(profile);
}

/* -- costs -------------------------------------------------------------------------------------- */

#define SWEEPS 10000 /* a millisecond apart */

/* a -> b in HITS of 10 samples, else a alone. */
static void sample_a_and_b(int hits)
{
    uint32_t a =
        pyro_writer_stack(writer, PYRO_STACK_ROOT, pyro_writer_frame(writer, functions[0], 1));
    uint32_t b = pyro_writer_stack(writer, a, pyro_writer_frame(writer, functions[1], 2));
    for (int i = 0; i < SWEEPS; i++) {
        pyro_writer_sweep(writer, (uint64_t)(i + 1) * 1000);
        bool hit = i % 10 < hits;
        struct pyro_written_sample sample = {.thread = thread,
                                             .stack = hit ? b : a,
                                             .agreed = hit ? b : a,
                                             .state = PYRO_STATE_RUNNING,
                                             .wait = PYRO_NO_ID};
        pyro_writer_sample(writer, &sample);
    }
}

static void costs(double start_ns, double call_ns)
{
    const struct pyro_written_probe probe = {.process = process,
                                             .counted = true,
                                             .start_ns = start_ns,
                                             .call_ns = call_ns,
                                             .reason = ""};
    pyro_writer_probe(writer, &probe);
}

static struct pyro_totals totals_of(const struct pyro_profile *profile)
{
    struct pyro_clock_view view;
    struct pyro_totals totals;
    CHECK_EQ(pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false), 0);
    CHECK_EQ(pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL), 0);
    pyro_clock_view_clear(&view);
    return totals;
}

static bool near(double actual, double expected)
{
    bool ok = fabs(actual - expected) <= 1e-3 * fabs(expected) + 1e-3;
    if (!ok)
        printf("# %f, expected %f\n", actual, expected);
    return ok;
}

static void starts_are_taken_out_of_the_callee_and_calls_out_of_the_caller(void)
{
    start();
    sample_a_and_b(5); /* 5 s each */
    calls(PYRO_NO_ID, functions[0], 1);
    calls(functions[0], functions[1], 100000000);
    calls(functions[0], PYRO_NO_ID, 100000000);
    costs(20, 10); /* 2 s of b, 1 s of a */
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_of(profile);
    CHECK(near(totals.functions[functions[1]].self_us, 3e6));
    CHECK(near(totals.functions[functions[1]].probe_us, 2e6));
    CHECK(near(totals.functions[functions[0]].self_us, 4e6));
    CHECK(near(totals.functions[functions[0]].total_us, 7e6));
    CHECK(near(totals.probe_us, 3e6));
    CHECK(near(totals.counted_us, 7e6));
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

/* Lines 1 of a and 2 of b were counted; an event cost 2 us. */
static void events_of_lines_are_taken_out_of_these_lines(void)
{
    start();
    sample_a_and_b(5); /* 5 s each */
    calls(functions[0], functions[1], 1);
    costs(0, 0);
    const struct pyro_line_count lines[] = {{thread, functions[0], 1, 500000, 7},
                                            {thread, functions[1], 2, 1000000, 7},
                                            {thread, functions[1], 3, 500000, 7}};
    for (size_t i = 0; i < 3; i++)
        pyro_writer_line(writer, &lines[i]);
    const struct pyro_counters counters = {.lines_cost_us = 4000000};
    pyro_writer_counters(writer, &counters);
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_of(profile);
    CHECK(near(totals.functions[functions[0]].self_us, 4e6));
    CHECK(near(totals.functions[functions[1]].self_us, 3e6));
    CHECK(near(totals.probe_us, 3e6)); /* of the fourth there was no sample */
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

static void no_more_is_taken_than_is_there(void)
{
    start();
    sample_a_and_b(1);
    calls(functions[0], functions[1], 1000000000);
    costs(50, 0);
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_of(profile);
    CHECK(near(totals.functions[functions[1]].self_us, 0));
    CHECK(near(totals.functions[functions[0]].self_us, 9e6));
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

static void edges_pass_over_c_functions(void)
{
    start();
    uint32_t a =
        pyro_writer_stack(writer, PYRO_STACK_ROOT, pyro_writer_frame(writer, functions[0], 1));
    uint32_t c = pyro_writer_stack(writer, a, pyro_writer_frame(writer, functions[C_FUNCTION], 0));
    uint32_t b = pyro_writer_stack(writer, c, pyro_writer_frame(writer, functions[1], 2));
    for (int i = 0; i < 100; i++) {
        pyro_writer_sweep(writer, (uint64_t)(i + 1) * 1000);
        struct pyro_written_sample sample = {
            .thread = thread, .stack = b, .agreed = b, .wait = PYRO_NO_ID};
        pyro_writer_sample(writer, &sample);
    }
    struct pyro_profile *profile = finish();
    struct pyro_totals totals = totals_of(profile);
    bool found = false;
    for (size_t i = 0; i < totals.edge_count; i++)
        found |= totals.edges[i].caller == functions[0] && totals.edges[i].callee == functions[1];
    CHECK(found);
    CHECK_EQ(pyro_profile_python_below(profile, c), a);
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

static void a_stack_keeps_what_is_not_the_probes(void)
{
    start();
    sample_a_and_b(5); /* 5 s each */
    calls(functions[0], functions[1], 100000000);
    calls(functions[0], PYRO_NO_ID, 100000000);
    costs(20, 10); /* 2 s of b, 1 s of a */
    struct pyro_profile *profile = finish();
    struct pyro_clock_view view;
    float *left;
    CHECK_EQ(pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, false), 0);
    CHECK_EQ(pyro_totals_left(&view, &left), 0);
    CHECK(near((double)left[1], 0.8) && near((double)left[2], 0.6));
    CHECK(near((double)left[PYRO_STACK_ROOT], 1));
    free(left);
    pyro_clock_view_clear(&view);
    pyro_profile_free(profile);
}

/* -- our own ------------------------------------------------------------------------------------ */

static uint32_t own_function(const char *name)
{
    const struct pyro_function function = {
        .name = pyro_writer_string(writer, name, strlen(name)),
        .file = pyro_writer_string(writer, "<pyrometer>", strlen("<pyrometer>")),
        .first_line = 3,
    };
    return pyro_writer_function(writer, &function);
}

static void our_own_code_is_one_row_without_calls(void)
{
    start();
    uint32_t begin = own_function("_begin"), nothing = own_function("nothing");
    uint32_t a =
        pyro_writer_stack(writer, PYRO_STACK_ROOT, pyro_writer_frame(writer, functions[0], 1));
    uint32_t b = pyro_writer_stack(writer, a, pyro_writer_frame(writer, begin, 5));
    uint32_t c = pyro_writer_stack(writer, b, pyro_writer_frame(writer, nothing, 6));
    for (int i = 0; i < 100; i++) {
        pyro_writer_sweep(writer, (uint64_t)(i + 1) * 1000);
        const struct pyro_written_sample sample = {
            .thread = thread, .stack = c, .agreed = c, .wait = PYRO_NO_ID};
        pyro_writer_sample(writer, &sample);
    }
    calls(functions[0], begin, 1);
    calls(begin, nothing, 1000);
    calls(begin, functions[C_FUNCTION], 1000);
    calls(begin, PYRO_NO_ID, 1000);
    calls(functions[0], functions[1], 7);
    struct pyro_profile *profile = finish();
    CHECK_EQ(profile->call_count, 1);
    CHECK_EQ(profile->calls[0].callee, functions[1]);
    uint32_t own = pyro_profile_function_of(profile, c);
    CHECK_EQ(pyro_profile_function_of(profile, b), own);
    CHECK_EQ(profile->functions[own].kind, PYRO_FUNCTION_SPECIAL);
    CHECK_STR(pyro_profile_text(profile, profile->functions[own].name),
              "[pyrometer starts to count]");
    CHECK_STR(pyro_profile_text(profile, profile->functions[own].file), "");
    struct pyro_totals totals = totals_of(profile);
    CHECK(near(totals.functions[own].self_us, 100e3));
    CHECK(near(totals.functions[own].total_us, 100e3));
    pyro_totals_clear(&totals);
    pyro_profile_free(profile);
}

/* -- what was not counted ----------------------------------------------------------------------- */

static void add_probe(uint32_t of, bool counted, uint64_t lost, const char *reason)
{
    const struct pyro_written_probe probe = {
        .process = of, .counted = counted, .lost = lost, .reason = reason};
    pyro_writer_probe(writer, &probe);
}

static void check_uncounted(const char *const *lines, size_t count, bool nothing)
{
    struct pyro_profile *profile = finish();
    struct pyro_uncounted uncounted;
    pyro_uncounted_make(&uncounted, profile);
    CHECK_EQ(uncounted.nothing, nothing);
    CHECK_EQ(uncounted.count, count);
    for (size_t i = 0; i < count; i++)
        CHECK_STR(uncounted.lines[i], lines[i]);
    pyro_profile_free(profile);
}

static void all_that_was_not_counted_is_told(void)
{
    start();
    const struct pyro_counters counters = {.turned_away = 2, .sub_interpreters = 1};
    pyro_writer_counters(writer, &counters);
    calls(functions[0], functions[1], 7);
    (void)pyro_writer_process(writer, 7, 1, "became", "3.12.1");
    add_probe(process, true, 3, "");
    for (int32_t pid = 20; pid < 26; pid++)
        add_probe(pyro_writer_process(writer, pid, 7, "", "3.12.1"), false, 0,
                  pid < 22 ? "bad\033[1mluck" : "other");
    for (int32_t pid = 30; pid < 33; pid++)
        (void)pyro_writer_process(writer, pid, 7, "", "3.12.1");
    static const char *const lines[] = {
        "bad?[1mluck",
        "other",
        "1 of 11 processes, whose Python did not load the probe",
        "3 calls that found no room",
        "2 processes, for which there was no room",
        "calls in sub-interpreters, since only the main interpreter is counted",
    };
    check_uncounted(lines, sizeof(lines) / sizeof(lines[0]), false);
}

static void why_nothing_was_counted_is_told(void)
{
    start();
    add_probe(process, false, 0, "no luck");
    static const char *const lines[] = {"no luck"};
    check_uncounted(lines, 1, true);
}

static void where_all_was_counted_nothing_is_told(void)
{
    start();
    calls(functions[0], functions[1], 7);
    add_probe(process, true, 0, "");
    check_uncounted(NULL, 0, false);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(records_of_the_same_pair_are_added_up), TEST(what_no_function_did_is_not_written),
        TEST(a_probe_tells_how_it_counted), TEST(primitive_calls_are_known_but_in_larger_cycles),
        TEST(threads_are_counted_together_or_apart),
        TEST(starts_are_taken_out_of_the_callee_and_calls_out_of_the_caller),
        TEST(events_of_lines_are_taken_out_of_these_lines), TEST(no_more_is_taken_than_is_there),
        TEST(edges_pass_over_c_functions), TEST(a_stack_keeps_what_is_not_the_probes),
        TEST(our_own_code_is_one_row_without_calls), TEST(all_that_was_not_counted_is_told),
        TEST(why_nothing_was_counted_is_told), TEST(where_all_was_counted_nothing_is_told));
}
