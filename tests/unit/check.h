/* tests/unit/check.h - the smallest test harness that says where and why.
 *
 * A test program is one file: static functions named after the behaviour they show, listed in main():
 *
 *     int main(void) { return CHECK_MAIN(TEST(put_and_get), TEST(rejects_a_torn_varint)); }
 *
 * Each test runs in its own process with a time limit, so a crash or a loop is one failed test. Output is
 * TAP, which meson counts test by test.
 *
 * Where something is known not to work, $PYRO_TESTS_SKIPPED names a file that tells what to skip, and why: a
 * line "PROGRAM TEST REASON" for each. */
#ifndef PYRO_TESTS_CHECK_H
#define PYRO_TESTS_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            fflush(stdout);                                                    \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

#define CHECK_EQ(actual, expected)                                                               \
    do {                                                                                         \
        long long check_a_ = (long long)(actual), check_e_ = (long long)(expected);              \
        if (check_a_ != check_e_) {                                                              \
            printf("# %s:%d: %s is %lld (0x%llx), expected %lld (0x%llx)\n", __FILE__, __LINE__, \
                   #actual, check_a_, check_a_, check_e_, check_e_);                             \
            fflush(stdout);                                                                      \
            _exit(1);                                                                            \
        }                                                                                        \
    } while (0)

#define CHECK_STR(actual, expected)                                                         \
    do {                                                                                    \
        const char *check_a_ = (actual), *check_e_ = (expected);                            \
        if (!check_a_ || strcmp(check_a_, check_e_) != 0) {                                 \
            printf("# %s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual, \
                   check_a_ ? check_a_ : "(null)", check_e_);                               \
            fflush(stdout);                                                                 \
            _exit(1);                                                                       \
        }                                                                                   \
    } while (0)

/* Ends the test as skipped, with the reason shown. */
#define SKIP(reason)                   \
    do {                               \
        printf("# SKIP %s\n", reason); \
        fflush(stdout);                \
        _exit(77);                     \
    } while (0)

struct check_test {
    const char *name;
    void (*run)(void);
};
#define TEST(function)      \
    {                       \
#function, function \
    }
#define CHECK_MAIN(...) check_main((const struct check_test[]){__VA_ARGS__, {NULL, NULL}})

#define CHECK_SECONDS 60

/* In the process of test NAME: end it if it is to be skipped. */
static inline void check_skipped(const char *name)
{
    const char *path = getenv("PYRO_TESTS_SKIPPED");
    char start[256], line[512];
    if (!path)
        return;
    FILE *file = fopen(path, "re");
    CHECK(file);
    /* This program is "test-PROGRAM". */
    int length = snprintf(start, sizeof(start), "%s %s ", program_invocation_short_name + 5, name);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, start, (size_t)length) == 0)
            SKIP(line + length);
    }
    fclose(file);
}

static inline int check_main(const struct check_test *tests)
{
    int number = 0, failed = 0;
    for (const struct check_test *test = tests; test->name; test++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(CHECK_SECONDS);
            check_skipped(test->name);
            test->run();
            fflush(stdout);
            exit(0); /* so that leak checking runs */
        }
        int status = 0;
        waitpid(pid, &status, 0);
        int skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
        int ok = skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (WIFSIGNALED(status))
            printf("# killed by signal %d\n", WTERMSIG(status));
        printf("%sok %d %s%s\n", ok ? "" : "not ", ++number, test->name, skipped ? " # SKIP" : "");
        failed += !ok;
    }
    printf("1..%d\n", number);
    return failed != 0;
}

#endif
