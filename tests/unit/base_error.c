/* tests/unit/base_error.c - base/error.h, base/log.h and base/clock.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include "check.h"

#include <errno.h>

static void an_error_says_what_and_why(void)
{
    struct pyro_error error = {.hint = "old"};
    CHECK_EQ(pyro_error_set(&error, -ENOENT, "cannot open '%s'", "/x"), -ENOENT);
    CHECK_EQ(error.code, -ENOENT);
    CHECK_STR(error.message, "cannot open '/x'");
    CHECK_STR(error.hint, "");
    pyro_error_hint(&error, "run: %s", "true");
    CHECK_STR(error.hint, "run: true");
    CHECK_STR(error.message, "cannot open '/x'");
}

static void an_error_may_quote_itself(void)
{
    struct pyro_error error;
    pyro_error_set(&error, -EIO, "inner");
    pyro_error_set(&error, -EIO, "outer: %s", error.message);
    CHECK_STR(error.message, "outer: inner");
}

static void long_texts_are_cut(void)
{
    struct pyro_error error;
    pyro_error_set(&error, -EIO, "%5000d", 1);
    pyro_error_hint(&error, "%5000d", 1);
    CHECK_EQ(strlen(error.message), sizeof(error.message) - 1);
    CHECK_EQ(strlen(error.hint), sizeof(error.hint) - 1);
}

static void nobody_needs_an_error(void)
{
    CHECK_EQ(pyro_error_set(NULL, -EPERM, "x"), -EPERM);
    pyro_error_hint(NULL, "x");
}

static void debug_domains_are_chosen_by_name(void)
{
    setenv("PYROMETER_DEBUG", "target,sample", 1);
    CHECK(pyro_log_on("target"));
    CHECK(pyro_log_on("sample"));
    CHECK(!pyro_log_on("samp"));
    CHECK(!pyro_log_on("cpython"));
}

static void all_debug_domains_at_once(void)
{
    setenv("PYROMETER_DEBUG", "all", 1);
    CHECK(pyro_log_on("anything"));
}

static void debug_is_silent_by_default(void)
{
    unsetenv("PYROMETER_DEBUG");
    CHECK(!pyro_log_on("target"));
    setenv("PYROMETER_DEBUG", "all", 1); /* asked once only */
    CHECK(!pyro_log_on("target"));
}

static void clocks_go_forward(void)
{
    uint64_t start_ns = pyro_clock_ns();
    pyro_clock_sleep_until(start_ns + 2 * PYRO_NS_PER_MS);
    CHECK(pyro_clock_ns() >= start_ns + 2 * PYRO_NS_PER_MS);
    pyro_clock_sleep_until(start_ns); /* in the past: returns */
    CHECK(pyro_clock_unix_us() > UINT64_C(1600000000000000));
    uint64_t thread_ns = pyro_clock_thread_cpu_ns();
    CHECK(thread_ns > 0);
    CHECK(pyro_clock_process_cpu_ns() >= thread_ns);
}

int main(void)
{
    return CHECK_MAIN(TEST(an_error_says_what_and_why), TEST(an_error_may_quote_itself),
                      TEST(long_texts_are_cut), TEST(nobody_needs_an_error),
                      TEST(debug_domains_are_chosen_by_name), TEST(all_debug_domains_at_once),
                      TEST(debug_is_silent_by_default), TEST(clocks_go_forward));
}
