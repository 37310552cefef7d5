/* analyze/rules/gil_contention.c - threads that compute in turn, because one alone may hold the GIL.
 *
 * Asked sweep by sweep, since it is about what happens at once: where K threads of a process want to compute and have one GIL,
 * K of them get done on K CPUs in the time of one. Gains are elapsed time, not that of all threads. */
#include "analyze/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define COMPUTES_SHARE 0.5  /* of its time: less, and the thread merely brushes the GIL */
#define WAITS_SHARE    0.25 /* of the time of these threads, for something else: doubtful */

/* What processes cost in place of threads: to start them, to send them what they need. */
#define LEFT_LIKELY 0.1
#define LEFT_MOST   0.5

struct worker {       /* a thread */
    double all_us;    /* in which it was not parked */
    double wanted_us; /* of it, it computed, or would have */
    double gil_us;    /* of that, it waited for the GIL */
    double held_us;   /* of that, it held the GIL and others waited for it */
};
struct crowd { /* a process */
    /* in the sweep that is looked at */
    unsigned waiting, holding; /* threads that compute: for the GIL, and it */
    double left;               /* of them: 1 each, less what counting their calls cost */
    bool seen;
    /* in all */
    double turns_us;  /* in which two or more threads wanted to compute */
    double thread_us; /* of these threads meanwhile */
    double saved_us;  /* of turns_us, with a GIL for each */
};
struct sweep {
    size_t begin, end; /* samples */
    float weight_us;
    unsigned running; /* threads that use a CPU, of all processes */
};
struct look {
    struct pyro_rule_context *context;
    const struct pyro_profile *profile;
    struct pyro_clock_view view;
    struct worker *workers; /* [thread_count] */
    struct crowd *crowds;   /* [process_count] */
    float *left;            /* [stack_count], or NULL: nothing was counted */
    double *waits_us;       /* [stack_count]: for the GIL, less what was computed without it */
    double *turns_us;       /* [stack_count]: of who held the GIL in the process that is reported */
};

/* -- threads ------------------------------------------------------------------------------------ */

static bool holds_gil(const struct pyro_profile *profile, size_t sample)
{
    enum pyro_state state = pyro_sample_state(profile, sample);
    return (pyro_sample_flags(profile, sample) & PYRO_SAMPLE_GIL) &&
           (state == PYRO_STATE_RUNNING || state == PYRO_STATE_RUNNABLE);
}

static bool lacks_gil(const struct pyro_sample_kind *kind)
{
    return !(kind->flags & PYRO_SAMPLE_GIL) &&
           (kind->state == PYRO_STATE_RUNNING || kind->state == PYRO_STATE_RUNNABLE);
}

/* Who waits for the GIL wakes up every few milliseconds to ask for it: found awake, it waits all the same. C code that let go
 * of the GIL is told from it by what mostly happens at that place. */
static bool waits_for_gil(const struct look *look, size_t sample)
{
    return pyro_sample_state(look->profile, sample) == PYRO_STATE_GIL_WAIT ||
           (lacks_gil(pyro_sample_kind(look->profile, sample)) &&
            look->waits_us[pyro_sample_stack(look->profile, sample)] > 0);
}

static void add_to_thread(struct look *look, const struct pyro_sample_sum *sum)
{
    const struct pyro_sample_kind *kind = &look->profile->samples.kinds[sum->kind];
    struct worker *worker = &look->workers[kind->thread];
    if (pyro_clock_parked_sum(&look->view, sum))
        return;
    worker->all_us += sum->weight_us;
    if (kind->state != PYRO_STATE_WAITING && kind->state != PYRO_STATE_UNKNOWN)
        worker->wanted_us += sum->weight_us;
    if (kind->state == PYRO_STATE_GIL_WAIT) {
        worker->gil_us += sum->weight_us;
        look->waits_us[sum->stack] += sum->weight_us;
    } else if (lacks_gil(kind)) {
        look->waits_us[sum->stack] -= sum->weight_us;
    }
}

static void add_up_threads(struct look *look)
{
    for (size_t i = 0; i < pyro_sample_part_count(look->profile); i++) {
        const struct pyro_sample_sum sum = pyro_sample_part(look->profile, i);
        add_to_thread(look, &sum);
    }
}

static bool anybody_waited(const struct look *look)
{
    for (size_t i = 0; i < look->profile->thread_count; i++)
        if (look->workers[i].gil_us > 0)
            return true;
    return false;
}

static bool computes(const struct worker *worker)
{
    return worker->wanted_us > 0 && worker->wanted_us >= COMPUTES_SHARE * worker->all_us;
}

/* Does this sample's thread compute, or would it, had it the GIL? */
static bool takes_turns(const struct look *look, size_t sample)
{
    return computes(&look->workers[pyro_sample_thread(look->profile, sample)]) &&
           (waits_for_gil(look, sample) || holds_gil(look->profile, sample));
}

/* -- sweeps ------------------------------------------------------------------------------------- */

static struct crowd *crowd_of(const struct look *look, size_t sample)
{
    uint32_t thread = pyro_sample_thread(look->profile, sample);
    return &look->crowds[look->profile->threads[thread].process];
}

static float left_of(const struct look *look, size_t sample)
{
    return look->left ? look->left[pyro_sample_stack(look->profile, sample)] : 1;
}

/* The sweep after SWEEP, who is in it counted; one of zeros is before the first. False: there is none. */
static bool next_sweep(const struct look *look, struct sweep *sweep)
{
    const struct pyro_profile *profile = look->profile;
    size_t begin = sweep->end, count = profile->samples.count;
    if (begin >= count)
        return false;
    *sweep = (struct sweep){begin, begin, pyro_sample_weight_us(profile, begin), 0};
    uint32_t id = pyro_sample_at(profile, begin)->sweep;
    while (sweep->end < count && pyro_sample_at(profile, sweep->end)->sweep == id)
        crowd_of(look, sweep->end++)->seen = false;
    for (size_t i = begin; i < sweep->end; i++) {
        struct crowd *crowd = crowd_of(look, i);
        if (!crowd->seen)
            crowd->waiting = crowd->holding = 0, crowd->left = 0;
        crowd->seen = true;
        sweep->running +=
            pyro_sample_state(profile, i) == PYRO_STATE_RUNNING && !waits_for_gil(look, i);
        if (!takes_turns(look, i))
            continue;
        crowd->left += (double)left_of(look, i);
        if (holds_gil(profile, i))
            crowd->holding++;
        else
            crowd->waiting++;
    }
    return true;
}

static unsigned wanting(const struct crowd *crowd)
{
    return crowd->waiting ? crowd->waiting + crowd->holding : 0;
}

/* Not known how many: two, the least that lets a second thread compute. */
static uint32_t cpus_of(const struct pyro_profile *profile)
{
    return profile->info.cpus ? profile->info.cpus : 2;
}

/* What CROWD would have won in SWEEP: the CPUs that nobody used are there for it. */
static void add_turn(const struct look *look, const struct sweep *sweep, struct crowd *crowd)
{
    unsigned threads = wanting(crowd), cpus = cpus_of(look->profile);
    unsigned at_once = 1 + (cpus > sweep->running ? cpus - sweep->running : 0);
    if (at_once > cpus)
        at_once = cpus;
    if (at_once > threads)
        at_once = threads;
    double time_us = (double)sweep->weight_us * crowd->left / threads;
    crowd->turns_us += time_us;
    crowd->thread_us += time_us * threads;
    crowd->saved_us += time_us * (1 - 1.0 / at_once);
}

static void add_up_sweeps(struct look *look)
{
    struct sweep sweep = {0};
    while (next_sweep(look, &sweep))
        for (size_t i = sweep.begin; i < sweep.end; i++) {
            struct crowd *crowd = crowd_of(look, i);
            if (wanting(crowd) >= 2 && holds_gil(look->profile, i))
                look->workers[pyro_sample_thread(look->profile, i)].held_us +=
                    (double)(sweep.weight_us * left_of(look, i));
            if (crowd->seen && wanting(crowd) >= 2)
                add_turn(look, &sweep, crowd);
            crowd->seen = false; /* once a sweep */
        }
}

/* The part of the turns in which the thread that held the GIL for longest did not: all that the others can take off it, whatever the
 * number of CPUs. Next to nothing where one thread computes and others only look in. */
static double others_part(const struct look *look, uint32_t process)
{
    double all_us = 0, most_us = 0;
    for (size_t i = 0; i < look->profile->thread_count; i++) {
        double held_us = look->workers[i].held_us;
        if (look->profile->threads[i].process != process)
            continue;
        all_us += held_us;
        if (held_us > most_us)
            most_us = held_us;
    }
    return all_us > 0 ? 1 - most_us / all_us : 0;
}

static void limit_gain(const struct look *look, uint32_t process)
{
    struct crowd *crowd = &look->crowds[process];
    double most_us = crowd->turns_us * others_part(look, process);
    if (crowd->saved_us > most_us)
        crowd->saved_us = most_us;
}

/* Where WANTED's threads compute meanwhile: who holds the GIL tells it. Where the others wait for it is chance. */
static void add_up_stacks(struct look *look, const struct crowd *wanted)
{
    struct sweep sweep = {0};
    for (size_t i = 0; i < look->profile->stack_count; i++)
        look->turns_us[i] = 0;
    while (next_sweep(look, &sweep))
        for (size_t i = sweep.begin; i < sweep.end; i++)
            if (crowd_of(look, i) == wanted && wanting(wanted) >= 2 && takes_turns(look, i) &&
                holds_gil(look->profile, i))
                look->turns_us[pyro_sample_stack(look->profile, i)] +=
                    (double)(sweep.weight_us * left_of(look, i));
}

/* -- places ------------------------------------------------------------------------------------- */

enum end { INNERMOST, OUTERMOST };

/* The frame of the program's own at that end of STACK; PYRO_STACK_ROOT: there is none. */
static uint32_t own_stack(const struct look *look, uint32_t stack, enum end end)
{
    uint32_t found = PYRO_STACK_ROOT;
    for (; stack != PYRO_STACK_ROOT; stack = look->profile->stacks[stack].parent) {
        if (look->context->library[pyro_profile_function_of(look->profile, stack)])
            continue;
        found = stack;
        if (end == INNERMOST)
            break;
    }
    return found;
}

/* The key with the most time: functions, or lines of FUNCTION. */
static int find_most(const struct look *look, enum end end, uint32_t function, uint32_t *ret_key)
{
    const struct pyro_profile *profile = look->profile;
    struct pyro_map times = {0}; /* key -> nanoseconds */
    uint64_t most_ns = 0;
    int result = 0;
    *ret_key = PYRO_NO_ID;
    for (uint32_t i = 1; i < profile->stack_count && result == 0; i++) {
        uint32_t own = look->turns_us[i] > 0 ? own_stack(look, i, end) : PYRO_STACK_ROOT;
        if (own == PYRO_STACK_ROOT)
            continue;
        const struct pyro_frame *frame = &profile->frames[profile->stacks[own].frame];
        if (function != PYRO_NO_ID && frame->function != function)
            continue;
        uint32_t key = function == PYRO_NO_ID ? frame->function : frame->line;
        uint64_t *time_ns = pyro_map_insert(&times, key, 0, NULL);
        if (!time_ns) {
            result = -ENOMEM;
            break;
        }
        *time_ns += (uint64_t)(look->turns_us[i] * 1000);
        if (*time_ns > most_ns) {
            most_ns = *time_ns;
            *ret_key = key;
        }
    }
    pyro_map_free(&times);
    return result;
}

/* -- words -------------------------------------------------------------------------------------- */

static void set_gain(const struct crowd *crowd, struct pyro_finding *finding)
{
    finding->gain_s = (1 - LEFT_LIKELY) * crowd->saved_us / 1e6;
    finding->gain_low_s = (1 - LEFT_MOST) * crowd->saved_us / 1e6;
    finding->gain_high_s = crowd->saved_us / 1e6;
}

/* What the threads of PROCESS that compute wait for besides, as a part of their time. */
static double other_waits(const struct look *look, uint32_t process)
{
    double all_us = 0, wanted_us = 0;
    for (size_t i = 0; i < look->profile->thread_count; i++) {
        const struct worker *worker = &look->workers[i];
        if (look->profile->threads[i].process != process || !computes(worker) ||
            worker->gil_us <= 0)
            continue;
        all_us += worker->all_us;
        wanted_us += worker->wanted_us;
    }
    return all_us > 0 ? 1 - wanted_us / all_us : 0;
}

static void set_doubt(const struct look *look, uint32_t process, struct pyro_finding *finding)
{
    double waits = other_waits(look, process);
    finding->confidence = PYRO_CONFIDENCE_LOW;
    if (!look->profile->info.cpus)
        finding->doubt = "how many CPUs it may use was not recorded: two are assumed";
    else if (waits >= WAITS_SHARE)
        finding->doubt = pyro_finding_text(
            look->context, "these threads wait for other things too: %.0f %% of their time",
            100 * waits);
    else
        finding->confidence = PYRO_CONFIDENCE_HIGH;
}

static int report(struct look *look, uint32_t process)
{
    struct pyro_rule_context *context = look->context;
    const struct crowd *crowd = &look->crowds[process];
    uint32_t function, line, task;
    add_up_stacks(look, crowd);
    int result = find_most(look, INNERMOST, PYRO_NO_ID, &function);
    if (result < 0 || function == PYRO_NO_ID)
        return result;
    if ((result = find_most(look, INNERMOST, function, &line)) < 0 ||
        (result = find_most(look, OUTERMOST, PYRO_NO_ID, &task)) < 0)
        return result;
    struct pyro_finding *finding = pyro_finding_new(context, function, line);
    if (!finding)
        return -ENOMEM;
    double threads = crowd->thread_us / crowd->turns_us;
    const char *name = pyro_profile_text(look->profile, look->profile->functions[task].name);
    set_gain(crowd, finding);
    set_doubt(look, process, finding);
    finding->title = pyro_finding_text(context, "one at a time: %.0f threads compute", threads);
    finding->why = pyro_finding_text(
        context, "for %.2f s about %.1f threads wanted to compute at once; the GIL lets one",
        crowd->turns_us / 1e6, threads);
    finding->fix = pyro_finding_text(
        context, "processes in place of threads (ProcessPoolExecutor) that run %s()", name);
    pyro_finding_seconds(finding, "threads", threads);
    pyro_finding_count(finding, "cpus", look->profile->info.cpus);
    pyro_finding_seconds(finding, "in_turn_s", crowd->turns_us / 1e6);
    pyro_finding_place(finding, "task", task, 0);
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* -- the rule ----------------------------------------------------------------------------------- */

static int look_at_processes(struct look *look)
{
    const struct pyro_counters *counters = &look->profile->counters;
    double elapsed_us = (double)(counters->duration_us - counters->gap_us);
    int result = 0;
    add_up_threads(look);
    if (!anybody_waited(look))
        return 0;
    add_up_sweeps(look);
    for (uint32_t i = 0; i < look->profile->process_count && result == 0; i++) {
        limit_gain(look, i);
        double gain_us = (1 - LEFT_LIKELY) * look->crowds[i].saved_us;
        if (gain_us > 0 && gain_us >= PYRO_FINDING_SHARE * elapsed_us)
            result = report(look, i);
    }
    return result;
}

static int find(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct look look = {.context = context, .profile = profile};
    if (context->totals.traced || profile->timed || profile->info.cpus == 1)
        return 0;
    int result = pyro_clock_view_init(&look.view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    look.workers = calloc(profile->thread_count + 1, sizeof(*look.workers));
    look.crowds = calloc(profile->process_count + 1, sizeof(*look.crowds));
    look.waits_us = calloc(profile->stack_count + 1, sizeof(*look.waits_us));
    look.turns_us = calloc(profile->stack_count + 1, sizeof(*look.turns_us));
    result = pyro_totals_left(&look.view, &look.left);
    if (result == 0 && !(look.workers && look.crowds && look.waits_us && look.turns_us))
        result = -ENOMEM;
    if (result == 0 && look.view.has_gil)
        result = look_at_processes(&look);
    free(look.left);
    free(look.turns_us);
    free(look.waits_us);
    free(look.crowds);
    free(look.workers);
    pyro_clock_view_clear(&look.view);
    return result;
}

const struct pyro_rule pyro_rule_gil_contention = {
    .name = "gil-contention",
    .tier = PYRO_TIER_WAITING,
    .needs = PYRO_NEED_SAMPLES | PYRO_NEED_STATES,
    .mode = "run",
    .looks_for =
        "threads of one process that all compute, and so wait for each other: one alone may "
        "hold the GIL",
    .evidence =
        "samples taken at one time: who holds the GIL, who waits for it, how many threads are on a "
        "CPU, how many CPUs there are; the line of the program's own where most of it is computed",
    .fix = "a process pool (concurrent.futures.ProcessPoolExecutor), C code that lets go of the "
           "GIL, a "
           "free-threaded build",
    .gain = "elapsed time, not that of all threads: what as many threads as there were unused CPUs "
            "would have saved at once, no more than all threads but the one that computes most, "
            "less 0 to 50 % for starting processes and sending data",
    .refuted_by = "what the threads share is too large to send, or changed by all of them",
    .blind_spots =
        "threads that wait for other things half of their time; limits of a container below "
        "its number of CPUs; programs that were traced (--trace)",
    .find = find,
};
