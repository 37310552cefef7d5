/* profile/copy.c - everything is named again in the writer, which gives it the ids of the new recording. */
#include "profile/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the ids of a profile are in the writer. */
struct names {
    uint32_t *functions, *frames, *stacks, *waits, *threads;
};

static void names_clear(struct names *names)
{
    free(names->functions);
    free(names->frames);
    free(names->stacks);
    free(names->waits);
    free(names->threads);
}

static uint32_t *room(size_t count)
{
    return calloc(count + 1, sizeof(uint32_t));
}

static uint32_t copy_text(struct pyro_writer *writer, const struct pyro_profile *profile,
                          uint32_t string)
{
    return pyro_writer_string(writer, pyro_profile_text(profile, string),
                              pyro_strings_length(&profile->strings, string));
}

static void name_stacks(struct names *names, struct pyro_writer *writer,
                        const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->function_count; i++) {
        struct pyro_function function = profile->functions[i];
        function.name = copy_text(writer, profile, function.name);
        function.file = copy_text(writer, profile, function.file);
        names->functions[i] = pyro_writer_function(writer, &function);
    }
    for (size_t i = 0; i < profile->frame_count; i++)
        names->frames[i] = pyro_writer_frame(writer, names->functions[profile->frames[i].function],
                                             profile->frames[i].line);
    for (size_t i = 1; i < profile->stack_count; i++) /* a parent comes before its children */
        names->stacks[i] = pyro_writer_stack(writer, names->stacks[profile->stacks[i].parent],
                                             names->frames[profile->stacks[i].frame]);
}

/* CPU is counted anew in each recording: the sum is that of all. */
static int add_cpu(struct pyro_copy *copy, uint32_t thread, uint64_t cpu_us)
{
    uint64_t *sum = pyro_map_insert(&copy->cpu_us, thread, 0, NULL);
    if (!sum)
        return -ENOMEM;
    *sum += cpu_us;
    pyro_writer_thread_cpu(copy->writer, thread, *sum);
    return 0;
}

static int name_threads(struct names *names, struct pyro_copy *copy,
                        const struct pyro_profile *profile)
{
    struct pyro_writer *writer = copy->writer;
    int error = 0;
    for (size_t i = 0; i < profile->thread_count && error == 0; i++) {
        const struct pyro_thread *thread = &profile->threads[i];
        const struct pyro_process *process = &profile->processes[thread->process];
        uint32_t of = pyro_writer_process(writer, process->pid, process->parent_pid,
                                          pyro_profile_text(profile, process->command),
                                          pyro_profile_text(profile, process->python_version));
        names->threads[i] = pyro_writer_thread(writer, of, thread->native_id);
        if (*pyro_profile_text(profile, thread->name))
            pyro_writer_thread_name(writer, names->threads[i],
                                    pyro_profile_text(profile, thread->name));
        error = add_cpu(copy, names->threads[i], thread->cpu_kernel_us);
    }
    for (size_t i = 0; i < profile->wait_count; i++)
        names->waits[i] =
            pyro_writer_wait(writer, pyro_profile_text(profile, profile->waits[i].kind),
                             pyro_profile_text(profile, profile->waits[i].text));
    return error;
}

static int name_all(struct names *names, struct pyro_copy *copy, const struct pyro_profile *profile)
{
    *names = (struct names){
        .functions = room(profile->function_count),
        .frames = room(profile->frame_count),
        .stacks = room(profile->stack_count),
        .waits = room(profile->wait_count),
        .threads = room(profile->thread_count),
    };
    if (!names->functions || !names->frames || !names->stacks || !names->waits || !names->threads)
        return -ENOMEM;
    name_stacks(names, copy->writer, profile);
    return name_threads(names, copy, profile);
}

/* An unsure top is the frame [unsure] here: what stands below it was agreed. */
static void copy_sample(const struct names *names, struct pyro_writer *writer,
                        const struct pyro_profile *profile, size_t i)
{
    uint32_t stack = pyro_sample_stack(profile, i), wait = pyro_sample_wait(profile, i);
    bool unsure = pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE;
    const struct pyro_written_sample sample = {
        .thread = names->threads[pyro_sample_thread(profile, i)],
        .stack = names->stacks[stack],
        .agreed = names->stacks[unsure ? profile->stacks[stack].parent : stack],
        .state = pyro_sample_state(profile, i),
        .flags = pyro_sample_flags(profile, i) & (PYRO_SAMPLE_GIL | PYRO_SAMPLE_GC),
        .wait = wait == PYRO_NO_ID ? PYRO_NO_ID : names->waits[wait],
    };
    pyro_writer_sample(writer, &sample);
}

static void copy_samples(const struct names *names, struct pyro_writer *writer,
                         const struct pyro_profile *profile, uint64_t offset_us)
{
    size_t sample = 0;
    for (size_t sweep = 0; sweep < profile->samples.sweep_count; sweep++) {
        pyro_writer_sweep(writer, offset_us + pyro_sweep_time_us(profile, sweep));
        for (; sample < profile->samples.count && pyro_sample_at(profile, sample)->sweep == sweep;
             sample++)
            copy_sample(names, writer, profile, sample);
    }
}

static void copy_records(const struct names *names, struct pyro_writer *writer,
                         const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->lookup_count; i++) {
        struct pyro_lookup lookup = profile->lookups[i];
        lookup.frame = names->frames[lookup.frame];
        pyro_writer_lookup(writer, &lookup);
    }
    for (size_t i = 0; i < profile->source_count; i++) {
        const struct pyro_source_line *line = &profile->sources[i];
        pyro_writer_source(writer, copy_text(writer, profile, line->file), line->line,
                           pyro_profile_text(profile, line->text),
                           pyro_strings_length(&profile->strings, line->text));
    }
}

/* Those that reading does not derive from the samples. */
static void add_counters(struct pyro_copy *copy, const struct pyro_counters *more)
{
    struct pyro_counters *all = &copy->counters;
    all->missed_ticks += more->missed_ticks;
    all->late += more->late;
    all->empty += more->empty;
    all->moved += more->moved;
    all->failed += more->failed;
    all->second_reads += more->second_reads;
    all->stopped += more->stopped;
    all->still += more->still;
    all->sampler_cpu_us += more->sampler_cpu_us;
    if (more->sampler_rss > all->sampler_rss)
        all->sampler_rss = more->sampler_rss;
    all->code_reread += more->code_reread;
    pyro_writer_counters(copy->writer, all);
}

int pyro_copy_add(struct pyro_copy *copy, const struct pyro_profile *profile, uint64_t offset_us)
{
    struct names names;
    int error = name_all(&names, copy, profile);
    if (error == 0) {
        copy_samples(&names, copy->writer, profile, offset_us);
        copy_records(&names, copy->writer, profile);
        add_counters(copy, &profile->counters);
    }
    names_clear(&names);
    return error;
}

void pyro_copy_clear(struct pyro_copy *copy)
{
    pyro_map_free(&copy->cpu_us);
    copy->counters = (struct pyro_counters){0};
}
