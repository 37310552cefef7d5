/* tests/unit/bench_files.c - command lines taken apart, files of measurements read, whatever is in
 * them. */
#include "bench/run.h"
#include "check.h"

#include <fcntl.h>
#include <math.h>

/* -- words ------------------------------------------------------------------------------------ */

/* The words of TEXT, with | between them; "!" and the message when it is refused. */
static const char *split(const char *text)
{
    static char joined[1024];
    struct pyro_error error = {0};
    char **words = pyro_bench_split(text, &error);
    if (!words) {
        snprintf(joined, sizeof(joined), "!%s", error.message);
        return joined;
    }
    size_t used = 0;
    for (char **word = words; *word; word++)
        used += (size_t)snprintf(joined + used, sizeof(joined) - used, "%s%s",
                                 word == words ? "" : "|", *word);
    free(words);
    return joined;
}

static void words_are_those_of_a_shell(void)
{
    CHECK_STR(split("python app.py"), "python|app.py");
    CHECK_STR(split("  python\t app.py  "), "python|app.py");
    CHECK_STR(split("a 'b c' \"d  e\""), "a|b c|d  e");
    CHECK_STR(split("a'b'\"c\"d"), "abcd");
    CHECK_STR(split("a '' b"), "a||b");
    CHECK_STR(split("a\\ b \\'"), "a b|'");
    CHECK_STR(split("'a\\b' \"a\\b\\\"\""), "a\\b|a\\b\"");
    CHECK_STR(split("python -c 'print(1); x = [2] > 1 | 3'"),
              "python|-c|print(1); x = [2] > 1 | 3");
}

static void what_needs_a_shell_is_refused(void)
{
    CHECK_STR(split("a > b"), "!'>' means nothing without a shell");
    CHECK_STR(split("a | b"), "!'|' means nothing without a shell");
    CHECK_STR(split("a $HOME"), "!'$' means nothing without a shell");
    CHECK_STR(split("a 'b"), "!a quote (') has no end");
    CHECK_STR(split("a \"b\\\""), "!a quote (\") has no end");
    CHECK_STR(split("   "), "!the command is empty");
}

/* -- files ------------------------------------------------------------------------------------ */

static char path[64];

static int read_text(const char *text, struct pyro_bench *bench, struct pyro_error *error)
{
    snprintf(path, sizeof(path), "/tmp/pyro-bench-test-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    int code = pyro_bench_read(path, bench, error);
    unlink(path);
    return code;
}

#define HEAD                                                                                  \
    "{\"format\":\"pyrometer-bench\",\"version\":1,\"commands\":[{\"name\":\"a\"},{\"name\":" \
    "\"b\"}],"

static void pairs_are_runs_of_one_round(void)
{
    struct pyro_bench bench;
    struct pyro_comparison comparison;
    const struct pyro_compare_options options = {.confidence = 0.99, .margin = 0.01};
    CHECK_EQ(read_text(HEAD "\"runs\":["
                            "{\"command\":0,\"round\":0,\"wall_s\":9,\"warmup\":true},"
                            "{\"command\":1,\"round\":0,\"wall_s\":9,\"warmup\":true},"
                            "{\"command\":0,\"round\":0,\"wall_s\":1},"
                            "{\"command\":1,\"round\":0,\"wall_s\":2,\"peak_bytes\":4096},"
                            "{\"command\":1,\"round\":1,\"wall_s\":4},"
                            "{\"command\":0,\"round\":1,\"wall_s\":2},"
                            "{\"command\":0,\"round\":2,\"wall_s\":5}]}",
                       &bench, NULL),
             0);
    CHECK_EQ(bench.run_count, 7);
    CHECK_EQ(pyro_bench_compare(&bench, 0, 1, PYRO_METRIC_WALL, &options, &comparison), 0);
    CHECK_EQ(comparison.pairs, 2);
    CHECK(fabs(comparison.ratio - 2) < 1e-9);
    CHECK_EQ(pyro_bench_compare(&bench, 0, 1, PYRO_METRIC_PEAK, &options, &comparison), 0);
    CHECK_EQ(comparison.pairs, 0);
    CHECK(isnan(comparison.ratio));
    pyro_bench_free(&bench);
}

static void a_written_file_reads_back(void)
{
    struct pyro_bench bench = {0}, again;
    char *text = NULL;
    size_t size = 0;
    CHECK_EQ(pyro_bench_add_command(&bench, "old", "python a.py", ""), 0);
    CHECK_EQ(pyro_bench_add_command(&bench, "new", "python b.py", "/srv"), 1);
    struct pyro_bench_run run = {.command = 1, .round = 3, .wall_s = 0.123456789, .peak_bytes = 77};
    CHECK_EQ(pyro_bench_add_run(&bench, &run), 0);
    FILE *out = open_memstream(&text, &size);
    pyro_bench_write(out, &bench);
    fclose(out);
    CHECK_EQ(read_text(text, &again, NULL), 0);
    CHECK_EQ(again.command_count, 2);
    CHECK_STR(again.commands[1].name, "new");
    CHECK_STR(again.commands[1].directory, "/srv");
    CHECK_EQ(again.runs[0].round, 3);
    CHECK_EQ(again.runs[0].peak_bytes, 77);
    CHECK(again.runs[0].wall_s == 0.123456789);
    free(text);
    pyro_bench_free(&bench);
    pyro_bench_free(&again);
}

static void hostile_files_are_refused(void)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{\"format\":\"pyrometer-bench\"}",
        "{\"format\":\"pyrometer-bench\",\"version\":2}",
        HEAD "\"runs\":[{\"command\":2,\"round\":0}]}",
        HEAD "\"runs\":[{\"command\":-1,\"round\":0}]}",
        HEAD "\"runs\":[{\"command\":0,\"round\":-1}]}",
        "{\"benchmarks\":[]}",
        "{\"benchmarks\":[1]}",
        "{\"benchmarks\":[{\"runs\":3}]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pyro_bench bench;
        struct pyro_error error = {0};
        printf("# %s\n", texts[i]);
        CHECK(read_text(texts[i], &bench, &error) < 0);
        CHECK(error.message[0]);
    }
}

static void strange_values_are_unknown(void)
{
    struct pyro_bench bench;
    double values[8];
    CHECK_EQ(read_text(HEAD "\"runs\":[{\"command\":0,\"round\":0,\"wall_s\":\"1\"},"
                            "{\"command\":0,\"round\":1,\"wall_s\":-1},7,"
                            "{\"command\":0,\"round\":2,\"wall_s\":0},"
                            "{\"command\":0,\"round\":3,\"wall_s\":2,\"peak_bytes\":-5}]}",
                       &bench, NULL),
             0);
    CHECK_EQ(pyro_bench_values(&bench, 0, PYRO_METRIC_WALL, values), 1);
    CHECK(values[0] == 2);
    CHECK_EQ(pyro_bench_values(&bench, 0, PYRO_METRIC_PEAK, values), 0);
    pyro_bench_free(&bench);
}

/* -- judgement -------------------------------------------------------------------------------- */

/* Ten rounds in which b takes WALL of a's time and PEAK of its memory. */
static struct pyro_judgement judge(double wall, double peak, bool one_metric)
{
    static struct pyro_bench bench;
    pyro_bench_free(&bench);
    pyro_bench_add_command(&bench, "a", "", "");
    pyro_bench_add_command(&bench, "b", "", "");
    for (uint32_t i = 0; i < 20; i++) {
        struct pyro_bench_run run = {
            .command = i % 2,
            .round = i / 2,
            .wall_s = i % 2 ? wall : 1,
            .peak_bytes = (uint64_t)((i % 2 ? peak : 1) * 1e6),
        };
        CHECK_EQ(pyro_bench_add_run(&bench, &run), 0);
    }
    const struct pyro_judge_options options = {
        .compare = {.confidence = 0.99, .margin = 0.01},
        .one_metric = one_metric,
    };
    struct pyro_judgement judgement;
    CHECK_EQ(pyro_judge(&bench, 0, &bench, 1, &options, &judgement), 0);
    return judgement;
}

static void a_tradeoff_gets_no_single_word(void)
{
    CHECK(judge(0.5, 1.5, false).tradeoff);
    CHECK_EQ(judge(0.5, 1.5, false).keep, PYRO_KEEP_UNKNOWN);
    CHECK(judge(1.5, 0.5, false).tradeoff);
    CHECK_EQ(judge(0.5, 1.5, true).keep, PYRO_KEEP);
    CHECK(!judge(0.5, 1.03, false).tradeoff);
    CHECK_EQ(judge(0.5, 1.03, false).keep, PYRO_KEEP);
    CHECK_EQ(judge(1, 0.5, false).keep, PYRO_KEEP);
    CHECK_EQ(judge(1, 0.5, true).keep, PYRO_REVERT);
    CHECK_EQ(judge(1, 1, false).keep, PYRO_REVERT);
    CHECK_EQ(judge(1.5, 1.5, false).keep, PYRO_REVERT);
}

static void fail_if_wants_the_whole_interval(void)
{
    struct pyro_judgement slower = judge(1.03, 1, false), same = judge(1, 1, false);
    CHECK(pyro_judgement_fails(&slower, &(struct pyro_fail_if){.slower = true}));
    CHECK(pyro_judgement_fails(&slower, &(struct pyro_fail_if){.slower = true, .slower_by = 0.02}));
    CHECK(
        !pyro_judgement_fails(&slower, &(struct pyro_fail_if){.slower = true, .slower_by = 0.05}));
    CHECK(
        !pyro_judgement_fails(&slower, &(struct pyro_fail_if){.faster = true, .undecided = true}));
    CHECK(pyro_judgement_fails(&same, &(struct pyro_fail_if){.same = true}));
    CHECK(!pyro_judgement_fails(&same, &(struct pyro_fail_if){.slower = true}));
}

/* Whoever wrote the file shall not choose what else is read. */
static void a_recording_lies_beside_its_file(void)
{
    static const char *const cases[][2] = {
        {"r.1.pyro", "r.1.pyro"}, {"/etc/x.pyro", ""}, {"../x.pyro", ""},
        {"/dev/stdin", ""},       {"a", ""},           {".pyro", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pyro_bench bench;
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"format\":\"pyrometer-bench\",\"version\":1,\"commands\":[{\"name\":\"a\","
                 "\"recording\":\"%s\"}],\"runs\":[]}",
                 cases[i][0]);
        CHECK_EQ(read_text(text, &bench, NULL), 0);
        CHECK_STR(bench.commands[0].recording, cases[i][1]);
        pyro_bench_free(&bench);
    }
}

int main(void)
{
    return CHECK_MAIN(TEST(words_are_those_of_a_shell), TEST(what_needs_a_shell_is_refused),
                      TEST(pairs_are_runs_of_one_round), TEST(a_written_file_reads_back),
                      TEST(hostile_files_are_refused), TEST(a_recording_lies_beside_its_file),
                      TEST(strange_values_are_unknown), TEST(a_tradeoff_gets_no_single_word),
                      TEST(fail_if_wants_the_whole_interval));
}
