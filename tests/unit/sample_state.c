/* What a thread is doing: told by the sweep where that is enough, else asked of the kernel. */
#include "check.h"
#include "target_child.h"

#include "base/clock.h"
#include "sample/state.h"

#define GIL 0x10000

struct watch {
    struct pyro_thread_state state;
    struct pyro_writer *writer;
    char path[32];
};

static void watch_open(struct watch *watch, pid_t pid)
{
    const struct pyro_recording_info info = {.command = "test"};
    *watch = (struct watch){.path = "/tmp/pyrometer-test-XXXXXX"};
    int fd = mkstemp(watch->path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(pyro_writer_open(watch->path, &info, &watch->writer, NULL), 0);
    pyro_thread_state_init(&watch->state, pid, pid, NULL);
}

static void watch_close(struct watch *watch)
{
    pyro_thread_state_close(&watch->state);
    pyro_thread_state_close(&watch->state); /* twice is fine */
    CHECK_EQ(pyro_writer_close(watch->writer, NULL), 0);
    unlink(watch->path);
}

/* At the time HINTS says, or now. */
static enum pyro_state update(struct watch *watch, struct pyro_state_hints hints)
{
    if (!hints.now_ns)
        hints.now_ns = pyro_clock_ns();
    pyro_thread_state_update(&watch->state, &hints, watch->writer);
    return watch->state.state;
}

static void sleeper(int ready_fd)
{
    child_ready(ready_fd);
    for (;;)
        sleep_ms(1000000);
}

static void spinner(int ready_fd)
{
    child_ready(ready_fd);
    for (volatile int i = 0;; i++)
        ;
}

static void who_holds_the_gil_and_moves_runs(void)
{
    struct watch watch;
    pid_t child = child_start(sleeper); /* whatever the kernel says */
    watch_open(&watch, child);
    CHECK_EQ(update(&watch, (struct pyro_state_hints){.moved = true, .may_run = true}),
             PYRO_STATE_RUNNING);
    CHECK_EQ(watch.state.wait, PYRO_NO_ID);
    watch_close(&watch);
    child_kill(child);
}

/* One that sleeps with the GIL in its hand: it moved, so it ran; only when it stands still for longer is the kernel asked. */
static void who_moved_just_now_is_believed_to_run(void)
{
    struct watch watch;
    pid_t child = child_start(sleeper);
    watch_open(&watch, child);
    CHECK(
        EVENTUALLY(update(&watch, (struct pyro_state_hints){.moved = true}) == PYRO_STATE_WAITING));
    struct pyro_state_hints hints = {.now_ns = pyro_clock_ns(), .moved = true, .may_run = true};
    CHECK_EQ(update(&watch, hints), PYRO_STATE_RUNNING);
    hints.moved = false;
    hints.now_ns += PYRO_NS_PER_MS / 10;
    CHECK_EQ(update(&watch, hints), PYRO_STATE_RUNNING);
    hints.now_ns += PYRO_NS_PER_MS;
    CHECK_EQ(update(&watch, hints), PYRO_STATE_WAITING);
    watch_close(&watch);
    child_kill(child);
}

/* One that runs with the GIL in its hand and is found standing still is not asked about each time. */
static void who_got_its_cpu_lately_is_not_asked_about(void)
{
    struct watch watch;
    pid_t child = child_start(spinner);
    watch_open(&watch, child);
    CHECK(
        EVENTUALLY(update(&watch, (struct pyro_state_hints){.moved = true}) == PYRO_STATE_RUNNING &&
                   watch.state.calm));
    kill(child, SIGSTOP); /* nothing of it is seen as long as nobody asks */
    struct pyro_kernel_state kernel;
    CHECK(EVENTUALLY(pyro_kernel_thread_stat(&watch.state.kernel, &kernel) == 0 &&
                     kernel.state == 'T'));
    uint64_t asked_ns = watch.state.asked_ns;
    struct pyro_state_hints hints = {
        .now_ns = asked_ns + PYRO_NS_PER_MS, .moved = true, .may_run = true};
    CHECK_EQ(update(&watch, hints), PYRO_STATE_RUNNING);
    hints.moved = false;
    hints.now_ns = asked_ns + 5 * PYRO_NS_PER_MS;
    CHECK_EQ(update(&watch, hints), PYRO_STATE_RUNNING);
    hints.now_ns = asked_ns + 11 * PYRO_NS_PER_MS;
    CHECK_EQ(update(&watch, hints), PYRO_STATE_WAITING);
    watch_close(&watch);
    child_kill(child);
}

/* It let go of the GIL: the kernel may see it run on its way to sleep. */
static void who_runs_without_the_gil_is_asked_about_again_soon(void)
{
    struct watch watch;
    pid_t child = child_start(spinner);
    watch_open(&watch, child);
    CHECK(
        EVENTUALLY(update(&watch, (struct pyro_state_hints){.moved = true}) == PYRO_STATE_RUNNING));
    kill(child, SIGSTOP);
    struct pyro_kernel_state kernel;
    CHECK(EVENTUALLY(pyro_kernel_thread_stat(&watch.state.kernel, &kernel) == 0 &&
                     kernel.state == 'T'));
    struct pyro_state_hints hints = {.now_ns = watch.state.asked_ns + PYRO_NS_PER_MS / 4};
    CHECK_EQ(update(&watch, hints), PYRO_STATE_RUNNING);
    hints.now_ns += PYRO_NS_PER_MS;
    CHECK_EQ(update(&watch, hints), PYRO_STATE_WAITING);
    watch_close(&watch);
    child_kill(child);
}

/* C code that computes for long: not each time. */
static void who_goes_on_without_the_gil_is_asked_about_ever_later(void)
{
    struct watch watch;
    pid_t child = child_start(spinner);
    watch_open(&watch, child);
    CHECK(
        EVENTUALLY(update(&watch, (struct pyro_state_hints){.moved = true}) == PYRO_STATE_RUNNING));
    struct pyro_state_hints hints = {.now_ns = watch.state.asked_ns};
    unsigned asked = 0;
    for (int i = 0; i < 1000; i++) { /* 100 ms */
        uint64_t before_ns = watch.state.asked_ns;
        hints.now_ns += PYRO_NS_PER_MS / 10;
        update(&watch, hints);
        asked += watch.state.asked_ns != before_ns;
    }
    CHECK(asked >= 10 && asked <= 15);
    watch_close(&watch);
    child_kill(child);
}

static void who_wants_the_gil_waits_for_it(void)
{
    struct watch watch;
    pid_t child = child_start(spinner);
    watch_open(&watch, child);
    CHECK_EQ(update(&watch, (struct pyro_state_hints){.moved = true, .wants_gil = true}),
             PYRO_STATE_GIL_WAIT);
    CHECK_EQ(watch.state.wait, PYRO_NO_ID);
    watch_close(&watch);
    child_kill(child);
}

static void a_sleeper_waits_and_what_for_is_kept(void)
{
    struct watch watch;
    pid_t child = child_start(sleeper);
    watch_open(&watch, child);
    CHECK(
        EVENTUALLY(update(&watch, (struct pyro_state_hints){.moved = true}) == PYRO_STATE_WAITING));
    uint32_t wait = watch.state.wait;
    CHECK(wait != PYRO_NO_ID);
    for (int i = 0; i < 100; i++) { /* it stands still: the same wait, asked of the kernel or not */
        CHECK_EQ(update(&watch, (struct pyro_state_hints){.gil = GIL}), PYRO_STATE_WAITING);
        CHECK_EQ(watch.state.wait, wait);
    }
    watch_close(&watch);
    child_kill(child);
}

static void a_busy_thread_runs_or_wants_to(void)
{
    struct watch watch;
    pid_t child = child_start(spinner);
    watch_open(&watch, child);
    for (int i = 0; i < 100; i++) {
        enum pyro_state state = update(&watch, (struct pyro_state_hints){.moved = i % 2});
        CHECK(state == PYRO_STATE_RUNNING || state == PYRO_STATE_RUNNABLE);
        CHECK_EQ(watch.state.wait, PYRO_NO_ID);
    }
    CHECK(EVENTUALLY(pyro_thread_state_cpu_us(&watch.state) > 1000));
    watch_close(&watch);
    child_kill(child);
}

static void a_thread_that_ended_is_unknown(void)
{
    struct watch watch;
    pid_t child = child_start(sleeper);
    watch_open(&watch, child);
    child_kill(child);
    CHECK_EQ(update(&watch, (struct pyro_state_hints){.moved = true}), PYRO_STATE_UNKNOWN);
    CHECK_EQ(watch.state.wait, PYRO_NO_ID);
    (void)pyro_thread_state_cpu_us(&watch.state);
    watch_close(&watch);
}

static void without_a_thread_id_nothing_is_asked(void)
{
    struct watch watch;
    watch_open(&watch, 0);
    CHECK_EQ(update(&watch, (struct pyro_state_hints){.moved = true}), PYRO_STATE_UNKNOWN);
    CHECK_EQ(pyro_thread_state_cpu_us(&watch.state), 0);
    watch_close(&watch);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(who_holds_the_gil_and_moves_runs), TEST(who_moved_just_now_is_believed_to_run),
        TEST(who_got_its_cpu_lately_is_not_asked_about),
        TEST(who_runs_without_the_gil_is_asked_about_again_soon),
        TEST(who_goes_on_without_the_gil_is_asked_about_ever_later),
        TEST(who_wants_the_gil_waits_for_it), TEST(a_sleeper_waits_and_what_for_is_kept),
        TEST(a_busy_thread_runs_or_wants_to), TEST(a_thread_that_ended_is_unknown),
        TEST(without_a_thread_id_nothing_is_asked));
}
