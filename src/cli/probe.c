/* cli/probe.c - the environment that makes a Python load the probe. */
#include "cli/probe.h"

#include "analyze/hottest.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "cli/installed.h"
#include "collect/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILD_FD 100 /* or above: out of the way of what a program counts on */

/* -- the environment ---------------------------------------------------------------------------- */

#define PATH_VARIABLE  "PYTHONPATH"
#define PROBE_VARIABLE "PYROMETER_PROBE" /* as probe/bootstrap/sitecustomize.py reads it */

static int set_environment(const struct pyro_run_probe *probe,
                           const struct pyro_probe_options *options, const char *folder)
{
    const char *before = getenv(PATH_VARIABLE);
    char path[2 * PATH_MAX];
    struct pyro_buffer value = {0};
    int length = snprintf(path, sizeof(path), "%s/" PYRO_PROBE_BOOTSTRAP "%s%s", folder,
                          before && *before ? ":" : "", before ? before : "");
    if (length < 0 || (size_t)length >= sizeof(path))
        return -ENAMETOOLONG;
    pyro_buffer_printf(
        &value,
        "%s/" PYRO_PROBE_FILE "\n%d\n/proc/%d/fd/%d\n%d\n%d\n%d\n%s%s\n%d\n%d\n%" PRIu64 "\n%s%s",
        folder, probe->child_fd, (int)getpid(), pyro_collector_fd(probe->collector),
        options->c_calls, options->traces, options->follow, options->lines ? "=" : "",
        options->lines ? options->lines : "", !options->sampled_times, options->memory,
        options->period, before ? "=" : "", before ? before : "");
    pyro_buffer_put_u8(&value, '\0');
    int code = value.failed ? -ENOMEM : 0;
    if (code == 0 && (setenv(PROBE_VARIABLE, (const char *)value.data, 1) < 0 ||
                      setenv(PATH_VARIABLE, path, 1) < 0))
        code = -errno;
    pyro_buffer_free(&value);
    return code;
}

static void restore_environment(void)
{
    const char *value = getenv(PROBE_VARIABLE);
    const char *before = value ? strrchr(value, '\n') : NULL;
    if (before && before[1] == '=')
        setenv(PATH_VARIABLE, before + 2, 1);
    else if (before)
        unsetenv(PATH_VARIABLE);
    unsetenv(PROBE_VARIABLE);
}

/* -- a run -------------------------------------------------------------------------------------- */

static uint32_t callee(void *context, struct pyro_writer *writer, int32_t pid, uint64_t native_id,
                       uint64_t frame, uint64_t code, uint64_t offset)
{
    return pyro_collector_callee(context, writer, pid, native_id, frame, code, offset);
}

static uint32_t operand(void *context, int32_t pid, uint64_t code, uint64_t offset)
{
    return pyro_collector_operand(context, pid, code, offset);
}

static void runs(void *context, int32_t pid, uint64_t image, uint64_t since_us)
{
    pyro_collector_runs(context, pid, image, since_us);
}

static void read_counts(struct pyro_run_probe *probe, const struct pyro_probe_options *options)
{
    probe->chooses = options->lines && !*options->lines;
    probe->began_ns = pyro_clock_ns();
    probe->lines_sampled = options->lines && options->sampled_times;
    probe->callees = (struct pyro_callee_source){callee, operand, runs, probe->collector};
}

int pyro_run_probe_adopt(struct pyro_run_probe *probe, const struct pyro_probe_options *options,
                         int fd, struct pyro_error *error)
{
    *probe = (struct pyro_run_probe){.child_fd = -1};
    int code = pyro_collector_adopt(&probe->collector, fd, error);
    if (code == 0)
        read_counts(probe, options);
    return code;
}

int pyro_run_probe_begin(struct pyro_run_probe *probe, const struct pyro_probe_options *options,
                         struct pyro_error *error)
{
    char folder[PATH_MAX];
    *probe = (struct pyro_run_probe){.child_fd = -1};
    int code = pyro_installed_probe(folder);
    if (code < 0)
        return pyro_error_set(error, code, "no probe beside this program: calls are not counted");
    code = pyro_collector_new(&probe->collector, options->follow, error);
    if (code < 0)
        return code;
    read_counts(probe, options);
    probe->child_fd = fcntl(pyro_collector_fd(probe->collector), F_DUPFD, CHILD_FD);
    code = probe->child_fd < 0 ? -errno : set_environment(probe, options, folder);
    if (code < 0) {
        pyro_run_probe_end(probe);
        return pyro_error_set(error, code, "calls cannot be counted: %s", strerror(-code));
    }
    return 0;
}

void pyro_run_probe_started(struct pyro_run_probe *probe)
{
    if (!probe->collector)
        return;
    restore_environment();
    close(probe->child_fd);
    probe->child_fd = -1;
}

#define CHOOSE_US         UINT64_C(900000) /* not sooner: the last sample of the first second */
#define CHOOSE_MODULES_US UINT64_C(10000000)

/* How far the samples go; 0: that is not far enough to choose. */
static uint64_t sampled_until_us(const struct pyro_profile *profile)
{
    size_t count = profile->samples.count;
    uint64_t until_us = count ? pyro_sample_time_us(profile, count - 1) : 0;
    bool enough = profile->samples.sweep_count >= PYRO_RUN_PROBE_SWEEPS && until_us >= CHOOSE_US;
    return enough ? until_us : 0;
}

/* The functions of PROFILE whose lines are worth counting; 0: not yet. What stands in a module outside of functions runs
 * once, mostly while the program is starting. */
static int find_hottest(const struct pyro_profile *profile, uint32_t *ret_functions,
                        uint64_t *ret_until_us)
{
    uint64_t until_us = sampled_until_us(profile);
    int count = until_us ? pyro_hottest_find(profile, ret_functions, PYRO_HOTTEST_MAX) : 0;
    if (count <= 0)
        return count;
    const char *first = pyro_profile_text(profile, profile->functions[ret_functions[0]].name);
    if (strcmp(first, "<module>") == 0 && until_us < CHOOSE_MODULES_US)
        return 0;
    *ret_until_us = until_us;
    return count;
}

/* Once, from the recording that is being written: of a program that marks functions, those are it. */
static void choose(struct pyro_run_probe *probe, struct pyro_writer *writer,
                   struct pyro_counters *counters)
{
    uint32_t functions[PYRO_HOTTEST_MAX];
    struct pyro_profile *profile = NULL;
    uint64_t elapsed_ns = pyro_clock_ns() - probe->began_ns;
    if (counters->marked)
        probe->chooses = false;
    if (!probe->chooses || !probe->recording || elapsed_ns < probe->look_ns)
        return;
    probe->look_ns = elapsed_ns + elapsed_ns / 2; /* reading takes longer each time */
    if (pyro_writer_flush(writer) < 0 || pyro_profile_read(probe->recording, &profile, NULL) < 0)
        return;
    int count = find_hottest(profile, functions, &counters->lines_from_us);
    pyro_profile_free(profile);
    if (count <= 0)
        return;
    probe->chooses = false;
    pyro_collector_count_lines(probe->collector, functions, (size_t)count);
}

bool pyro_run_probe_tend(void *context, struct pyro_writer *writer, struct pyro_counters *counters)
{
    struct pyro_run_probe *probe = context;
    counters->lines_sampled = probe->lines_sampled;
    if (probe->collector)
        pyro_collector_drain(probe->collector, writer, counters);
    if (probe->collector)
        choose(probe, writer, counters);
    return probe->chooses;
}

void pyro_run_probe_look(void *context, struct pyro_writer *writer, uint64_t time_us, bool last)
{
    struct pyro_run_probe *probe = context;
    if (probe->collector)
        pyro_collector_look(probe->collector, writer, time_us, last);
}

void pyro_run_probe_swept(void *context)
{
    struct pyro_run_probe *probe = context;
    if (probe->collector && probe->writer)
        pyro_collector_glance(probe->collector, probe->writer);
}

void pyro_run_probe_end(struct pyro_run_probe *probe)
{
    if (probe->child_fd >= 0)
        close(probe->child_fd);
    pyro_collector_free(probe->collector);
    *probe = (struct pyro_run_probe){.child_fd = -1};
}
