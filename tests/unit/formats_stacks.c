/* formats/import.h: what is read from the stacks of other tools, and what is refused. */
#include "check.h"
#include "failing_malloc.h"
#include "formats/bounded.h"
#include "formats/formats.h"
#include "formats/import.h"
#include "profile/totals.h"

#include <errno.h>
#include <math.h>

typedef int reader(const char *name, const void *data, size_t size,
                   struct pyro_profile **ret_profile, struct pyro_error *error);

/* A copy of exactly its size, so that ASan sees one byte too many. */
static int read_bytes(reader *read, const void *data, size_t size,
                      struct pyro_profile **ret_profile, struct pyro_error *error)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    int code = read("shop/x.txt", copy, size, ret_profile, error);
    free(copy);
    return code;
}

static struct pyro_profile *read_good(reader *read, const char *text, size_t size)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    if (read_bytes(read, text, size, &profile, &error) < 0)
        printf("# %s\n", error.message);
    CHECK(profile && profile->foreign);
    CHECK_STR(profile->info.command, "x.txt");
    return profile;
}

static struct pyro_profile *read_text(reader *read, const char *text)
{
    return read_good(read, text, strlen(text));
}

static void check_refused(reader *read, const void *data, size_t size, const char *reason)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error = {0};
    char expected[256];
    snprintf(expected, sizeof(expected), "cannot read 'shop/x.txt': %s", reason);
    CHECK_EQ(read_bytes(read, data, size, &profile, &error), -EBADMSG);
    CHECK_STR(error.message, expected);
}

static void check_refused_text(reader *read, const char *text, const char *reason)
{
    check_refused(read, text, strlen(text), reason);
}

/* "thread/root/caller/callee@line", as much as of the first sample with that callee. */
static void path_text(char *text, size_t size, const struct pyro_profile *profile, uint32_t stack)
{
    const struct pyro_stack *it = &profile->stacks[stack];
    if (stack == PYRO_STACK_ROOT) {
        *text = '\0';
        return;
    }
    path_text(text, size, profile, it->parent);
    size_t used = strlen(text);
    const struct pyro_function *function =
        &profile->functions[pyro_profile_function_of(profile, stack)];
    snprintf(text + used, size - used, "/%s:%s:%u", pyro_profile_text(profile, function->file),
             pyro_profile_text(profile, function->name), profile->frames[it->frame].line);
}

/* How long THREAD stood in PATH. */
static double time_of(const struct pyro_profile *profile, const char *thread, const char *path)
{
    double time_us = 0;
    char text[1024];
    for (size_t i = 0; i < profile->samples.count; i++) {
        const struct pyro_thread *it = &profile->threads[pyro_sample_thread(profile, i)];
        path_text(text, sizeof(text), profile, pyro_sample_stack(profile, i));
        if (strcmp(pyro_profile_text(profile, it->name), thread) == 0 && strcmp(text, path) == 0)
            time_us += (double)pyro_sample_weight_us(profile, i);
    }
    return time_us;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-4 * fabs(b);
}

/* -- collapsed ---------------------------------------------------------------------------------- */

static void collapsed_frames_of_every_kind(void)
{
    struct pyro_profile *profile = read_text(
        pyro_collapsed_read, "# a comment\n"
                             "\n"
                             "a/b.py:main:7;a/b.py:Shop.price:12 3\r\n"
                             "main (C:\\b.py:7);lambda (b.py:2) 4\n"
                             "main;{built-in method time.sleep};[gc];std::sort(int, int) 2.5\n"
                             "a/b.py:main:7;a/b.py:Shop.price:12 5");
    CHECK(profile->timeless && profile->stateless);
    CHECK(is_near(time_of(profile, "", "/a/b.py:main:7/a/b.py:Shop.price:12"), 8000));
    CHECK(is_near(time_of(profile, "", "/C:\\b.py:main:7/b.py:lambda:2"), 4000));
    CHECK(is_near(time_of(profile, "",
                          "/:main:0/:{built-in method time.sleep}:0/:[gc]:0/"
                          ":std::sort(int, int):0"),
                  2500));
    CHECK_EQ(profile->samples.count, 8 + 4 + 3);
    CHECK_EQ(profile->counters.duration_us, 14500);
    enum pyro_function_kind kinds[] = {PYRO_FUNCTION_C, PYRO_FUNCTION_SPECIAL,
                                       PYRO_FUNCTION_PYTHON};
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(profile->functions[profile->function_count - 3 + i].kind, kinds[i]);
    pyro_profile_free(profile);
}

static void collapsed_roots_are_threads(void)
{
    struct pyro_profile *profile =
        read_text(pyro_collapsed_read, "process 7 python3 x.py;thread 9 worker 1;f 1\n"
                                       "P7;T0:11;f 2\n"
                                       "tid:12;f 4\n"
                                       "Pay;Tax;f 8\n");
    CHECK(is_near(time_of(profile, "worker 1", "/:f:0"), 1000));
    CHECK(is_near(time_of(profile, "", "/:f:0"), 6000));
    CHECK(is_near(time_of(profile, "", "/:Pay:0/:Tax:0/:f:0"), 8000));
    CHECK_EQ(profile->thread_count, 4);
    CHECK_EQ(profile->threads[0].native_id, 9);
    CHECK_EQ(profile->processes[profile->threads[0].process].pid, 7);
    CHECK_EQ(profile->threads[1].native_id, 11);
    CHECK_EQ(profile->processes[profile->threads[1].process].pid, 7);
    CHECK_EQ(profile->threads[2].native_id, 12);
    pyro_profile_free(profile);
}

static void collapsed_of_austin_is_in_microseconds(void)
{
    struct pyro_profile *profile =
        read_text(pyro_collapsed_read, "# austin: 3.7.0\n# mode: wall\nP1;T0:1;a.py:f:3 1500\n");
    CHECK(!profile->timeless);
    CHECK(is_near(time_of(profile, "", "/a.py:f:3"), 1500));
    pyro_profile_free(profile);
    check_refused_text(pyro_collapsed_read, "# mode: memory\nP1;T0:1;a.py:f:3 1500\n",
                       "it holds memory, and no times alone");
}

/* More samples than are made: their time stays. */
static void collapsed_counts_of_any_size(void)
{
    struct pyro_profile *profile =
        read_text(pyro_collapsed_read, "f;g 900000000000\nf 100000000000\nh 1\n");
    CHECK(profile->samples.count < 300000);
    CHECK_EQ(profile->counters.samples, 1000000000001);
    CHECK(is_near(time_of(profile, "", "/:f:0/:g:0"), 9e14));
    CHECK(is_near(time_of(profile, "", "/:h:0"), 1000));
    pyro_profile_free(profile);
}

static void collapsed_that_is_none(void)
{
    check_refused_text(pyro_collapsed_read, "", "it holds no samples");
    check_refused_text(pyro_collapsed_read, "f 0\n", "it holds no samples");
    check_refused_text(pyro_collapsed_read, "f 1\nf;g\n", "line 2 does not end in a count");
    check_refused_text(pyro_collapsed_read, "f -1\n", "line 1 does not end in a count");
    check_refused_text(pyro_collapsed_read, "f 1e9\n", "line 1 does not end in a count");
    check_refused_text(pyro_collapsed_read, "f 99999999999999999999\n",
                       "line 1 does not end in a count");
    check_refused_text(pyro_collapsed_read, "f 999999999999999\n",
                       "a weight in it is out of range");
    char name[70000];
    memset(name, 'n', sizeof(name));
    memcpy(name + sizeof(name) - 2, " 1", 2);
    check_refused(pyro_collapsed_read, name, sizeof(name), "a name in it is too long");
}

static void text_is_not_always_stacks(void)
{
    static const char good[] = "# x\n\nf;g 1\nwhatever", cut[] = "f;g";
    CHECK(pyro_collapsed_recognise(good, sizeof(good) - 1));
    CHECK(!pyro_collapsed_recognise(cut, sizeof(cut) - 1));
    CHECK(!pyro_collapsed_recognise("f;g 1\0", 6));
    CHECK(!pyro_collapsed_recognise("", 0));
    CHECK(!pyro_collapsed_recognise("import os\nx = 1\n", 16));
}

/* -- speedscope --------------------------------------------------------------------------------- */

#define FRAMES                                                                                  \
    "\"shared\": {\"frames\": [{\"name\": \"f\", \"file\": \"a.py\", \"line\": 3}, {\"name\": " \
    "\"g\"}]}"
#define SAMPLED(unit, samples, weights)                                                          \
    "{" FRAMES ", \"profiles\": [{\"type\": \"sampled\", \"name\": \"main (pid 7, thread 9)\", " \
    "\"unit\": \"" unit "\", \"startValue\": 5, \"endValue\": 9, \"samples\": " samples          \
    ", \"weights\": " weights "}]}"
#define EVENTED(events)                                                        \
    "{" FRAMES ", \"profiles\": [{\"type\": \"evented\", \"name\": \"main\", " \
    "\"unit\": \"milliseconds\", \"startValue\": 0, \"endValue\": 10, \"events\": [" events "]}]}"
#define OPEN(frame, at)  "{\"type\": \"O\", \"frame\": " #frame ", \"at\": " #at "}"
#define CLOSE(frame, at) "{\"type\": \"C\", \"frame\": " #frame ", \"at\": " #at "}"

static const char sampled[] = " " SAMPLED("seconds", "[[0], [0, 1], [0]]", "[1, 2, 0.5]");

static void speedscope_samples_in_their_order(void)
{
    struct pyro_profile *profile = read_text(pyro_speedscope_read, sampled);
    CHECK(pyro_speedscope_recognise(sampled, sizeof(sampled) - 1));
    CHECK(!profile->timeless && profile->stateless);
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3"), 1.5e6));
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3/:g:0"), 2e6));
    CHECK_EQ(profile->threads[0].native_id, 9);
    CHECK_EQ(profile->processes[0].pid, 7);
    CHECK_EQ(profile->counters.duration_us, 3500000);
    CHECK_EQ(profile->samples.count, 2 + 4 + 1); /* of 0.5 s */
    for (size_t i = 0; i < 7; i++)
        CHECK_EQ(pyro_sample_time_us(profile, i), i * 500000);
    pyro_profile_free(profile);
}

static void speedscope_events_are_times(void)
{
    struct pyro_profile *profile = read_text(
        pyro_speedscope_read,
        EVENTED(OPEN(0, 1) ", " OPEN(1, 2) ", " CLOSE(1, 4) ", " CLOSE(0, 5) ", " OPEN(1, 7)));
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3"), 2000));
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3/:g:0"), 2000));
    CHECK(is_near(time_of(profile, "main", "/:g:0"), 3000)); /* to the end */
    CHECK_EQ(profile->counters.duration_us, 9000);
    pyro_profile_free(profile);
}

static void speedscope_that_is_none(void)
{
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"{\n\"a\": ", "it is no JSON from line 2 on"},
        {"{\"a\": 1}", "it is no pyrometer recording, and no speedscope file"},
        {"{\"shared\": {\"frames\": []}, \"profiles\": []}", "it holds no samples"},
        {"{\"shared\": {\"frames\": [7]}, \"profiles\": []}", "a frame in it has no name"},
        {SAMPLED("bytes", "[[0]]", "[1]"), "what it holds are no times, or of an unknown unit"},
        {SAMPLED("seconds", "[[0]]", "[1, 1]"), "it has not as many weights as stacks"},
        {SAMPLED("seconds", "[[2]]", "[1]"), "it refers to a frame that is not there"},
        {SAMPLED("seconds", "[[-1]]", "[1]"), "it refers to a frame that is not there"},
        {SAMPLED("seconds", "[0]", "[1]"), "a stack in it is no list"},
        {SAMPLED("seconds", "[[0]]", "[-1]"), "a weight in it is out of range"},
        {SAMPLED("seconds", "[[0]]", "[1e300]"), "a weight in it is out of range"},
        {SAMPLED("seconds", "[[0]]", "[null]"), "a weight in it is out of range"},
        {EVENTED(OPEN(0, 2) ", " CLOSE(0, 1)), "its events are not in the order of time"},
        {EVENTED(OPEN(0, 1) ", " CLOSE(1, 2)), "its events close what is not open"},
        {EVENTED(CLOSE(0, 1)), "its events close what is not open"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        check_refused_text(pyro_speedscope_read, bad[i].text, bad[i].reason);
    char deep[8192];
    memset(deep, '[', sizeof(deep));
    deep[0] = '{';
    memcpy(deep + 1, "\"a\":", 4);
    check_refused(pyro_speedscope_read, deep, sizeof(deep), "it is no JSON from line 1 on");
}

/* -- pprof -------------------------------------------------------------------------------------- */

/* What reading a speedscope file makes, written in FORMAT; to be freed. */
static char *written_as(const char *format, size_t *ret_size)
{
    struct pyro_profile *profile = read_text(pyro_speedscope_read, sampled);
    const struct pyro_export_options options = {0};
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);
    CHECK_EQ(pyro_format_by_name(format)->write(profile, &options, out, NULL), 0);
    fclose(out);
    pyro_profile_free(profile);
    return text;
}

static void pprof_by_ours(void)
{
    size_t size;
    char *file = written_as("pprof", &size);
    CHECK(pyro_pprof_recognise(file, size));
    struct pyro_profile *profile = read_good(pyro_pprof_read, file, size);
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3"), 1.5e6));
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3/:g:0"), 2e6));
    CHECK_EQ(profile->samples.count, 7);
    CHECK_EQ(profile->counters.duration_us, 3500000);
    CHECK_EQ(profile->threads[0].native_id, 9);
    pyro_profile_free(profile);
    for (size_t cut = 3; cut < size; cut++) {
        struct pyro_profile *torn = NULL;
        CHECK_EQ(read_bytes(pyro_pprof_read, file, cut, &torn, NULL), -EBADMSG);
    }
    free(file);
}

/* Fields and messages by hand: 1 to 6 as in pprof.proto; numbers below 128. */
struct message {
    char field;
    size_t size;
    const char *bytes;
};
#define TYPE(type, unit)                 \
    {                                    \
        0x0a, 4, "\x08" type "\x10" unit \
    }
#define TEXT(text)                   \
    {                                \
        0x32, sizeof(text) - 1, text \
    }
#define TEXTS \
    TEXT(""), TEXT("samples"), TEXT("count"), TEXT("cpu"), TEXT("ms"), TEXT("f"), TEXT("a.py")
#define FUNCTION_1                                  \
    {                                               \
        0x2a, 8, "\x08\x01\x10\x05\x20\x06\x28\x02" \
    }
#define LOCATION_1                                  \
    {                                               \
        0x22, 8, "\x08\x01\x22\x04\x08\x01\x10\x03" \
    }

static size_t put_messages(char *file, const struct message *messages)
{
    size_t size = 0;
    for (; messages->bytes; messages++) {
        file[size++] = messages->field;
        file[size++] = (char)messages->size;
        memcpy(file + size, messages->bytes, messages->size);
        size += messages->size;
    }
    return size;
}

static void pprof_by_hand(void)
{
    char file[512];
    /* two values a sample: 2 samples, 6 ms; the stack is the same place twice */
    const struct message good[] = {TYPE("\x01", "\x02"),
                                   TYPE("\x03", "\x04"),
                                   TEXTS,
                                   FUNCTION_1,
                                   LOCATION_1,
                                   {0x12, 8, "\x0a\x02\x01\x01\x12\x02\x02\x06"},
                                   {0}};
    struct pyro_profile *profile = read_good(pyro_pprof_read, file, put_messages(file, good));
    CHECK(is_near(time_of(profile, "", "/a.py:f:3/a.py:f:3"), 6000));
    CHECK_EQ(profile->samples.count, 2);
    CHECK_EQ(profile->functions[0].first_line, 2);
    pyro_profile_free(profile);
    /* samples alone, and no period */
    const struct message counts[] = {TYPE("\x01", "\x02"),
                                     TEXTS,
                                     FUNCTION_1,
                                     LOCATION_1,
                                     {0x12, 6, "\x0a\x01\x01\x12\x01\x07"},
                                     {0}};
    profile = read_good(pyro_pprof_read, file, put_messages(file, counts));
    CHECK(profile->timeless);
    CHECK(is_near(time_of(profile, "", "/a.py:f:3"), 7000));
    pyro_profile_free(profile);
}

static void pprof_that_is_none(void)
{
    char file[512];
    const struct message place[] = {
        TYPE("\x03", "\x04"), TEXTS, {0x12, 6, "\x0a\x01\x01\x12\x01\x07"}, {0}};
    const struct message function[] = {TYPE("\x03", "\x04"), TEXTS, LOCATION_1, {0}};
    const struct message values[] = {TYPE("\x03", "\x04"), TEXTS, {0x12, 2, "\x12\x00"}, {0}};
    const struct message bytes[] = {TYPE("\x05", "\x06"), TEXTS, {0}};
    const struct message twice[] = {TYPE("\x03", "\x04"), TEXTS, FUNCTION_1, FUNCTION_1, {0}};
    check_refused(pyro_pprof_read, file, put_messages(file, place),
                  "it refers to a place that is not there");
    check_refused(pyro_pprof_read, file, put_messages(file, function),
                  "it refers to a function that is not there");
    check_refused(pyro_pprof_read, file, put_messages(file, values),
                  "a sample in it has too many values, or too few");
    check_refused(pyro_pprof_read, file, put_messages(file, bytes),
                  "it holds neither times nor samples");
    check_refused(pyro_pprof_read, file, put_messages(file, twice),
                  "two things in it have the same number");
    check_refused_text(pyro_pprof_read, "\x0a\x7f\x08", "it is no pprof file, or a damaged one");
    check_refused_text(pyro_pprof_read, "\x1f\x8b", "it breaks off");
    check_refused_text(pyro_pprof_read, "\x1f\x8bnonsense", "what is packed in it is damaged");
}

/* -- all of them -------------------------------------------------------------------------------- */

static void what_is_written_is_read_again(void)
{
    size_t size;
    char *file = written_as("speedscope", &size);
    struct pyro_profile *profile = read_good(pyro_speedscope_read, file, size);
    CHECK(is_near(time_of(profile, "main", "/a.py:f:3/:g:0"), 2e6));
    CHECK_EQ(profile->threads[0].native_id, 9);
    pyro_profile_free(profile);
    free(file);
    file = written_as("collapsed", &size);
    CHECK(pyro_collapsed_recognise(file, size));
    profile = read_good(pyro_collapsed_read, file, size);
    CHECK_EQ(profile->samples.count, 7);
    pyro_profile_free(profile);
    free(file);
}

static void memory_has_a_limit(void)
{
    pyro_bounded_begin(1000);
    void *first = pyro_bounded_alloc(600);
    CHECK(first && !pyro_bounded_was_hit());
    CHECK(!pyro_bounded_alloc(600) && pyro_bounded_was_hit());
    pyro_bounded_free(first);
    pyro_bounded_free(NULL);
    first = pyro_bounded_alloc(600); /* what was given back counts no more */
    CHECK(first);
    pyro_bounded_free(first);
    pyro_bounded_begin(SIZE_MAX);
    CHECK(!pyro_bounded_was_hit());
}

static void any_changed_byte_is_harmless(void)
{
    static reader *const readers[] = {pyro_collapsed_read, pyro_speedscope_read, pyro_pprof_read};
    static const char *const formats[] = {"collapsed", "speedscope", "pprof"};
    size_t read = 0, refused = 0;
    for (int format = 0; format < 3; format++) {
        size_t size;
        char *file = written_as(formats[format], &size);
        for (size_t at = 0; at < size; at++) {
            char was = file[at];
            for (int value = 0; value < 256; value += 51) {
                struct pyro_profile *profile = NULL;
                file[at] = (char)value;
                *(read_bytes(readers[format], file, size, &profile, NULL) == 0 ? &read
                                                                               : &refused) += 1;
                pyro_profile_free(profile);
            }
            file[at] = was;
        }
        free(file);
    }
    CHECK(read > 100 && refused > 100);
}

static void failing_memory_is_told(void)
{
#ifdef SANITIZED
    SKIP("a sanitizer has its own malloc");
#else
    static reader *const readers[] = {pyro_collapsed_read, pyro_speedscope_read, pyro_pprof_read};
    static const char *const formats[] = {"collapsed", "speedscope", "pprof"};
    for (int format = 0; format < 3; format++) {
        size_t size;
        int code = -ENOMEM;
        char *file = written_as(formats[format], &size);
        for (long at = 1; code < 0; at++) {
            struct pyro_profile *profile = NULL;
            long before = alive;
            allocations = 0;
            fail_at = at;
            code = readers[format]("x", file, size, &profile, NULL);
            fail_at = 0;
            CHECK(code == 0 || code == -ENOMEM ||
                  code == -EBADMSG); /* jansson and protobuf-c do not tell */
            pyro_profile_free(profile);
            CHECK_EQ(alive, before);
        }
        free(file);
    }
#endif
}

int main(void)
{
    return CHECK_MAIN(TEST(collapsed_frames_of_every_kind), TEST(collapsed_roots_are_threads),
                      TEST(collapsed_of_austin_is_in_microseconds),
                      TEST(collapsed_counts_of_any_size), TEST(collapsed_that_is_none),
                      TEST(text_is_not_always_stacks), TEST(speedscope_samples_in_their_order),
                      TEST(speedscope_events_are_times), TEST(speedscope_that_is_none),
                      TEST(pprof_by_ours), TEST(pprof_by_hand), TEST(pprof_that_is_none),
                      TEST(what_is_written_is_read_again), TEST(any_changed_byte_is_harmless),
                      TEST(failing_memory_is_told), TEST(memory_has_a_limit));
}
