/* sample/recorder.c - the loop: wait for a tick, sweep, now and then look around. */
#include "sample/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/resident.h"
#include "sample/schedule.h"
#include "sample/processes.h"
#include "target/process.h"
#include "target/seat.h"

#define ATTACH_STEP_NS (1 * PYRO_NS_PER_MS)
#define PROGRESS_NS    (250 * PYRO_NS_PER_MS)
#define TEND_NS        (5 * PYRO_NS_PER_MS)
#define LOOK_NS        (100 * PYRO_NS_PER_MS)
#define LOST_NS        (20 * PYRO_NS_PER_MS)

/* Sitting beside the target: not at gaps so short that it would hardly run, and not where we are not let in at once. */
#define SEAT_GAP_NS   (50 * PYRO_NS_PER_US)
#define SEAT_LATE_NS  PYRO_NS_PER_MS
#define SEAT_WINDOW   256 /* ticks, of which at most SEAT_LATE_MAX may come late */
#define SEAT_LATE_MAX 64
#define SEAT_BACK_NS  (5 * PYRO_NS_PER_S) /* after which it is tried again */

struct pyro_recorder {
    struct pyro_recorder_options options;
    struct pyro_processes processes;
    struct pyro_schedule schedule;
    struct pyro_counters counters;
    uint64_t began_ns, cpu_began_ns, progress_ns, tend_ns, others_ns, look_ns, lost;
    struct pyro_seats *seats;
    unsigned seat_ticks, seat_late; /* since the window began */
    uint64_t seat_back_ns;          /* sit nowhere before */
    struct pyro_writer *writer;     /* while it runs: where samples go, and how it ends */
    enum pyro_recorder_end *end;
    uint64_t gap_ns;              /* with cpu_share: the mean gap */
    uint64_t thrift_ns, spent_ns; /* when that was last set, and the CPU time by then */
    uint64_t left_ns;             /* for a seat */
    bool sweeping;                /* in the middle of a sweep that goes on on another seat */
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
    struct pyro_sampler_options sampler = {
        .exact = options->exact,
        .gil_only = options->gil_only,
        .callees = options->callees,
        .context_at = options->context_at,
    };
    int status =
        pyro_processes_init(&recorder->processes, options->pid, &sampler, options->subprocesses);
    if (status < 0)
        pyro_error_set(error, status, "no process %d", (int)options->pid);
    else if ((status = pyro_seats_new(&recorder->seats)) < 0)
        pyro_error_set(error, status, "out of memory");
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
    pyro_seats_free(recorder->seats);
    free(recorder);
}

const char *pyro_recorder_python(const struct pyro_recorder *recorder)
{
    const struct pyro_sampler *sampler = recorder->processes.items[0].sampler;
    return sampler ? pyro_sampler_python(sampler) : "";
}

bool pyro_recorder_guesses(const struct pyro_recorder *recorder)
{
    const struct pyro_sampler *sampler = recorder->processes.items[0].sampler;
    return sampler && pyro_sampler_guesses(sampler);
}

int pyro_recorder_copy(const struct pyro_recorder *recorder, uint64_t address, void *data,
                       size_t size)
{
    const struct pyro_sampler *sampler = recorder->processes.items[0].sampler;
    return sampler ? pyro_sampler_copy(sampler, address, data, size) : -ESRCH;
}

int pyro_recorder_variable(const struct pyro_recorder *recorder, uint64_t variable, uint32_t hash,
                           uint64_t *ret_value)
{
    const struct pyro_sampler *sampler = recorder->processes.items[0].sampler;
    return sampler ? pyro_sampler_variable(sampler, variable, hash, ret_value) : -ESRCH;
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
    struct pyro_resident own;
    if (pyro_resident_read(0, &own) == 0)
        counters->sampler_rss = own.most;
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
    if (recorder->options.cpu_share > 0)
        return recorder->gap_ns;
    uint32_t first = recorder->options.first_second_hz;
    bool in_first = first && now_ns - recorder->began_ns < PYRO_NS_PER_S;
    return PYRO_NS_PER_S / (in_first ? first : recorder->options.rate_hz);
}

uint32_t pyro_recorder_rate_hz(const struct pyro_recorder *recorder)
{
    return recorder->options.cpu_share > 0 ? (uint32_t)(PYRO_NS_PER_S / recorder->gap_ns)
                                           : recorder->options.rate_hz;
}

/* Once a second: no more of a core than we may have. */
static void be_thrifty(struct pyro_recorder *recorder, uint64_t now_ns)
{
    uint64_t took_ns = now_ns - recorder->thrift_ns, cpu_ns = pyro_clock_process_cpu_ns();
    double share = (double)(cpu_ns - recorder->spent_ns) / (double)took_ns;
    recorder->gap_ns =
        pyro_schedule_thrifty_gap_ns(recorder->gap_ns, PYRO_NS_PER_S / recorder->options.rate_hz,
                                     share / recorder->options.cpu_share);
    recorder->thrift_ns = now_ns;
    recorder->spent_ns = cpu_ns;
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

/* Beside the target? Else anywhere. */
static bool may_sit(const struct pyro_recorder *recorder, uint64_t now_ns)
{
    return !recorder->options.exact && !recorder->options.apart &&
           mean_gap_ns(recorder, now_ns) >= SEAT_GAP_NS && now_ns >= recorder->seat_back_ns;
}

/* Were we let in too late too often? Then the target has a higher priority than we, and it is no place for us. */
static void watch_seat(struct pyro_recorder *recorder, uint64_t late_ns, uint64_t now_ns)
{
    recorder->seat_late += late_ns > SEAT_LATE_NS;
    if (recorder->seat_late > SEAT_LATE_MAX)
        recorder->seat_back_ns = now_ns + SEAT_BACK_NS;
    if (++recorder->seat_ticks == SEAT_WINDOW || recorder->seat_late > SEAT_LATE_MAX)
        recorder->seat_ticks = recorder->seat_late = 0;
}

/* Returns as pyro_processes_sweep(). */
static int sweep(struct pyro_recorder *recorder, struct pyro_seat *seat, uint64_t now_ns)
{
    if (!recorder->sweeping)
        pyro_writer_sweep(recorder->writer, (now_ns - recorder->began_ns) / PYRO_NS_PER_US);
    int cpu = pyro_processes_sweep(&recorder->processes, seat, now_ns, &recorder->counters);
    recorder->sweeping = cpu != PYRO_SEAT_DONE;
    recorder->counters.sweeps += cpu == PYRO_SEAT_DONE;
    if (recorder->options.swept && !recorder->sweeping)
        recorder->options.swept(recorder->options.swept_context);
    return cpu;
}

static void begin(struct pyro_recorder *recorder, struct pyro_writer *writer)
{
    (void)prctl(PR_SET_TIMERSLACK, 1);
    pyro_seat_short_turns();
    uint64_t now = pyro_clock_ns();
    uint32_t begin_hz = recorder->options.begin_hz;
    recorder->began_ns = now;
    recorder->gap_ns = PYRO_NS_PER_S / (begin_hz ? begin_hz : recorder->options.rate_hz);
    recorder->thrift_ns = now;
    recorder->spent_ns = pyro_clock_process_cpu_ns();
    recorder->progress_ns = now + PROGRESS_NS;
    recorder->others_ns = now + PYRO_RECORDER_FIRST_S * PYRO_NS_PER_S;
    pyro_schedule_start(&recorder->schedule, mean_gap_ns(recorder, now), now);
    recorder->schedule.pause = recorder->options.pause;
    recorder->schedule.pause_context = recorder->options.pause_context;
#ifdef PYRO_FAULTS
    const char *fault = getenv("PYRO_FAULT");
    recorder->schedule.fixed = fault && strstr(fault, "fixed-period");
    if (fault && !recorder->schedule.fixed)
        recorder->options.apart =
            true; /* the other faults are those of a copy that is of several moments */
#endif
    pyro_processes_start(&recorder->processes, writer, now);
}

static void look(struct pyro_recorder *recorder, uint64_t now_ns, bool last)
{
    recorder->options.look(recorder->options.tend_context, recorder->writer,
                           (now_ns - recorder->began_ns) / PYRO_NS_PER_US, last);
}

/* Look around now and then. */
static void tend(struct pyro_recorder *recorder, uint64_t now_ns)
{
    if (now_ns >= recorder->tend_ns) {
        recorder->tend_ns = now_ns + TEND_NS;
        pyro_processes_tend(&recorder->processes, now_ns);
        if (recorder->options.cpu_share > 0 && now_ns >= recorder->thrift_ns + PYRO_NS_PER_S)
            be_thrifty(recorder, now_ns);
        pyro_schedule_set_mean(&recorder->schedule, mean_gap_ns(recorder, now_ns));
    }
    if (recorder->processes.lost !=
        recorder->lost) { /* soon: what a dead process was in is told by when it is seen */
        recorder->lost = recorder->processes.lost;
        if (recorder->others_ns > now_ns + LOST_NS)
            recorder->others_ns = now_ns + LOST_NS;
    }
    if (recorder->options.look && now_ns >= recorder->look_ns) {
        recorder->look_ns = now_ns + LOOK_NS;
        look(recorder, now_ns, false);
    }
    if (recorder->options.tend && now_ns >= recorder->others_ns) {
        bool soon = recorder->options.tend(recorder->options.tend_context, recorder->writer,
                                           &recorder->counters);
        recorder->others_ns =
            now_ns + (soon ? PYRO_RECORDER_FIRST_S : PYRO_RECORDER_TEND_S) * PYRO_NS_PER_S;
    }
    if (now_ns >= recorder->progress_ns)
        show_progress(recorder, recorder->writer, now_ns);
}

/* The loop, on whichever seat: it goes on elsewhere in the middle of a sweep. Where there is something to do in the pauses, nobody sits there then. */
static int work(struct pyro_seat *seat, void *context)
{
    struct pyro_recorder *recorder = context;
    bool away = recorder->options.pause != NULL;
    uint64_t duration = recorder->options.duration_ns;
    uint64_t latest = duration ? recorder->began_ns + duration : UINT64_MAX;
    uint64_t now = pyro_clock_ns();
    if (away && recorder->sweeping && seat->cpu != PYRO_SEAT_NONE)
        watch_seat(recorder, now - recorder->left_ns, now);
    while (!over(recorder, recorder->writer, now, recorder->end)) {
        bool due = recorder->sweeping, sits = may_sit(recorder, now);
        uint64_t until = recorder->options.cpu_share > 0 ? now + PROGRESS_NS : UINT64_MAX;
        if ((!sits || (away && !due)) && seat->cpu != PYRO_SEAT_NONE)
            return PYRO_SEAT_NONE;
        if (!due) {
            /* With --exact we may share the target's CPU, too: the kernel puts us where the target is that wakes us. */
            recorder->schedule.polite =
                seat->cpu != PYRO_SEAT_NONE || recorder->options.exact || away;
            now = pyro_schedule_wait(&recorder->schedule, until < latest ? until : latest,
                                     recorder->options.stop, &due);
            if (due && seat->cpu != PYRO_SEAT_NONE)
                watch_seat(recorder, recorder->schedule.late_ns, now);
            if (due && recorder->options.due)
                due = recorder->options.due(recorder->options.due_context, now);
        }
        int cpu = due ? sweep(recorder, sits ? seat : NULL, now) : PYRO_SEAT_DONE;
        recorder->left_ns = now;
        if (cpu != PYRO_SEAT_DONE && pyro_seats_offer(recorder->seats, cpu))
            return cpu;
        if (cpu == PYRO_SEAT_DONE)
            tend(recorder, now);
    }
    return PYRO_SEAT_DONE;
}

int pyro_recorder_run(struct pyro_recorder *recorder, struct pyro_writer *writer,
                      enum pyro_recorder_end *ret_end, struct pyro_error *error)
{
    (void)error;
    recorder->writer = writer;
    recorder->end = ret_end;
    begin(recorder, writer);
    pyro_seats_run(recorder->seats, work, recorder);
    for (size_t i = 0; i < recorder->processes.count; i++)
        if (recorder->processes.items[i].sampler)
            pyro_sampler_settle(recorder->processes.items[i].sampler);
    if (recorder->options.tend)
        (void)recorder->options.tend(recorder->options.tend_context, writer, &recorder->counters);
    if (recorder->options.look)
        look(recorder, pyro_clock_ns(), true);
    count(recorder, writer, pyro_clock_ns());
    return 0;
}
