/* sample/recorder.c - the loop: wait for a tick, sweep, now and then look around. */
#include "sample/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "sample/schedule.h"
#include "sample/processes.h"
#include "target/process.h"

#define ATTACH_STEP_NS (1 * PYRO_NS_PER_MS)
#define PROGRESS_NS    (250 * PYRO_NS_PER_MS)
#define TEND_NS        (5 * PYRO_NS_PER_MS)

struct pyro_recorder {
    struct pyro_recorder_options options;
    struct pyro_processes processes;
    struct pyro_schedule schedule;
    struct pyro_counters counters;
    uint64_t began_ns, cpu_began_ns, progress_ns, tend_ns;
};

/* -- attaching -------------------------------------------------------------------------------- */

static bool stopped(const struct pyro_recorder *recorder)
{
    return recorder->options.stop && *recorder->options.stop;
}

/* -ENOEXEC and -EAGAIN may pass: the process may be on its way to exec a Python, or to start one up. */
static int wait_for_python(struct pyro_recorder *recorder, struct pyro_error *error)
{
    uint64_t until = pyro_clock_ns() + recorder->options.attach_timeout_ns;
    for (;;) {
        int status = pyro_processes_open_root(&recorder->processes, error);
        if (status != -ENOEXEC && status != -EAGAIN)
            return status;
        const struct pyro_watched *root = &recorder->processes.items[0];
        if (!pyro_process_alive(root->pid, root->start_ticks))
            return status;
        uint64_t now = pyro_clock_ns();
        pid_t child;
        if (recorder->options.tolerate_no_python && pyro_process_children(root->pid, &child, 1) > 0)
            return status; /* whatever it is, it has begun its work: its children are what counts */
        if (now >= until || stopped(recorder))
            return status;
        pyro_clock_sleep_until(now + ATTACH_STEP_NS);
    }
}

int pyro_recorder_attach(const struct pyro_recorder_options *options,
                         struct pyro_recorder **ret_recorder, struct pyro_error *error)
{
    if (options->rate_hz < 1 || options->rate_hz > 1000000)
        return pyro_error_set(error, -EINVAL, "rate %u is not between 1 and 1000000",
                              options->rate_hz);
    struct pyro_recorder *recorder = calloc(1, sizeof(*recorder));
    if (!recorder)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    recorder->options = *options;
    recorder->cpu_began_ns = pyro_clock_process_cpu_ns();
    struct pyro_sampler_options sampler = {.exact = options->exact, .gil_only = options->gil_only};
    int status =
        pyro_processes_init(&recorder->processes, options->pid, &sampler, options->subprocesses);
    if (status < 0)
        pyro_error_set(error, status, "no process %d", (int)options->pid);
    else
        status = wait_for_python(recorder, error);
    if (status < 0 && !(options->tolerate_no_python && (status == -ENOEXEC || status == -EAGAIN))) {
        pyro_recorder_free(recorder);
        return status;
    }
    *ret_recorder = recorder;
    return 0;
}

void pyro_recorder_free(struct pyro_recorder *recorder)
{
    if (!recorder)
        return;
    pyro_processes_clear(&recorder->processes);
    free(recorder);
}

const char *pyro_recorder_python(const struct pyro_recorder *recorder)
{
    const struct pyro_sampler *sampler = recorder->processes.items[0].sampler;
    return sampler ? pyro_sampler_python(sampler) : "";
}

const struct pyro_counters *pyro_recorder_counters(const struct pyro_recorder *recorder)
{
    return &recorder->counters;
}

/* -- recording -------------------------------------------------------------------------------- */

static void count(struct pyro_recorder *recorder, struct pyro_writer *writer, uint64_t now_ns)
{
    struct pyro_counters *counters = &recorder->counters;
    counters->duration_us = (now_ns - recorder->began_ns) / PYRO_NS_PER_US;
    counters->missed_ticks = recorder->schedule.missed;
    counters->late = recorder->schedule.late;
    counters->sampler_cpu_us =
        (pyro_clock_process_cpu_ns() - recorder->cpu_began_ns) / PYRO_NS_PER_US;
    pyro_writer_counters(writer, counters);
}

static void show_progress(struct pyro_recorder *recorder, struct pyro_writer *writer,
                          uint64_t now_ns)
{
    recorder->progress_ns = now_ns + PROGRESS_NS;
    count(recorder, writer, now_ns);
    if (!recorder->options.progress)
        return;
    uint64_t elapsed = now_ns - recorder->began_ns;
    struct pyro_recorder_progress progress = {
        .counters = recorder->counters,
        .elapsed_ns = elapsed,
        .rate_hz = elapsed ? (double)recorder->counters.sweeps * 1e9 / (double)elapsed : 0,
        .processes = (uint32_t)pyro_processes_count(&recorder->processes),
        .threads = (uint32_t)pyro_processes_threads(&recorder->processes),
    };
    recorder->options.progress(&progress, recorder->options.progress_context);
}

static uint64_t mean_gap_ns(const struct pyro_recorder *recorder, uint64_t now_ns)
{
    uint32_t first = recorder->options.first_second_hz;
    bool in_first = first && now_ns - recorder->began_ns < PYRO_NS_PER_S;
    return PYRO_NS_PER_S / (in_first ? first : recorder->options.rate_hz);
}

static bool over(const struct pyro_recorder *recorder, struct pyro_writer *writer, uint64_t now_ns,
                 enum pyro_recorder_end *ret_end)
{
    uint64_t duration = recorder->options.duration_ns;
    if (pyro_processes_ended(&recorder->processes))
        *ret_end = PYRO_END_TARGET;
    else if (stopped(recorder))
        *ret_end = PYRO_END_STOP;
    else if (duration && now_ns - recorder->began_ns >= duration)
        *ret_end = PYRO_END_DURATION;
    else if (pyro_writer_error(writer) < 0)
        *ret_end = PYRO_END_WRITE;
    else
        return false;
    return true;
}

static void sweep(struct pyro_recorder *recorder, struct pyro_writer *writer, uint64_t now_ns)
{
    pyro_writer_sweep(writer, (now_ns - recorder->began_ns) / PYRO_NS_PER_US);
    pyro_processes_sweep(&recorder->processes, now_ns, &recorder->counters);
    recorder->counters.sweeps++;
}

static void begin(struct pyro_recorder *recorder, struct pyro_writer *writer)
{
    (void)prctl(PR_SET_TIMERSLACK, 1);
    uint64_t now = pyro_clock_ns();
    recorder->began_ns = now;
    recorder->progress_ns = now + PROGRESS_NS;
    pyro_schedule_start(&recorder->schedule, mean_gap_ns(recorder, now), now);
#ifdef PYRO_FAULTS
    const char *fault = getenv("PYRO_FAULT");
    recorder->schedule.fixed = fault && strstr(fault, "fixed-period");
#endif
    pyro_processes_start(&recorder->processes, writer, now);
}

int pyro_recorder_run(struct pyro_recorder *recorder, struct pyro_writer *writer,
                      enum pyro_recorder_end *ret_end, struct pyro_error *error)
{
    (void)error;
    begin(recorder, writer);
    uint64_t now = recorder->began_ns;
    while (!over(recorder, writer, now, ret_end)) {
        bool due;
        uint64_t duration = recorder->options.duration_ns;
        uint64_t latest = duration ? recorder->began_ns + duration : UINT64_MAX;
        now = pyro_schedule_wait(&recorder->schedule, latest, recorder->options.stop, &due);
        if (due)
            sweep(recorder, writer, now);
        if (now >= recorder->tend_ns) {
            recorder->tend_ns = now + TEND_NS;
            pyro_processes_tend(&recorder->processes, now);
            pyro_schedule_set_mean(&recorder->schedule, mean_gap_ns(recorder, now));
        }
        if (now >= recorder->progress_ns)
            show_progress(recorder, writer, now);
    }
    for (size_t i = 0; i < recorder->processes.count; i++)
        if (recorder->processes.items[i].sampler)
            pyro_sampler_settle(recorder->processes.items[i].sampler);
    count(recorder, writer, pyro_clock_ns());
    return 0;
}
