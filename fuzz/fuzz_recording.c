/* fuzz/fuzz_recording.c - the reader of .pyro files against any bytes.
 *
 * The first byte chooses: even, the rest is a file as it is; odd, it is chunks without checksums (type, size in two
 * bytes, payload), which are framed rightly here so that the decoders behind the checksums are reached. What comes
 * out must hold the promises of profile/profile.h. */
#include "profile/chunk.h"
#include "profile/clock.h"
#include "profile/held.h"
#include "profile/profile.h"
#include "profile/timeline.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_tables(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->function_count; i++)
        require(profile->functions[i].name < profile->strings.count &&
                profile->functions[i].file < profile->strings.count);
    for (size_t i = 0; i < profile->frame_count; i++)
        require(profile->frames[i].function < profile->function_count);
    for (size_t i = 1; i < profile->stack_count; i++) {
        const struct pyro_stack *stack = &profile->stacks[i];
        require(stack->parent < i && stack->frame < profile->frame_count &&
                stack->depth == profile->stacks[stack->parent].depth + 1);
    }
    for (size_t i = 0; i < profile->thread_count; i++)
        require(profile->threads[i].process < profile->process_count &&
                profile->threads[i].name < profile->strings.count);
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct pyro_calls *calls = &profile->calls[i];
        require(calls->thread < profile->thread_count);
        require(calls->caller == PYRO_NO_ID || calls->caller < profile->function_count);
        require(calls->callee == PYRO_NO_ID || calls->callee < profile->function_count);
    }
    for (size_t i = 0; profile->probes && i < profile->process_count; i++)
        require(profile->probes[i].reason < profile->strings.count);
    for (size_t i = 0; i < profile->memory_count; i++) {
        const struct pyro_stack_memory *memory = &profile->memory[i];
        require(memory->process < profile->process_count && memory->stack < profile->stack_count);
        require(memory->freed <= memory->allocated && memory->frees <= memory->allocations);
        require(memory->sampled_freed.blocks <= memory->sampled.blocks);
        require(memory->sampled_freed.bytes <= memory->sampled.bytes);
    }
    for (size_t i = 0; profile->heaps && i < profile->process_count; i++) {
        require(profile->heaps[i].tracked || !profile->heaps[i].live);
        require(profile->heaps[i].period <= PYRO_SAMPLING_PERIOD_MAX);
    }
    for (size_t i = 0; i < profile->size_count; i++)
        require(profile->sizes[i].process < profile->process_count);
    require(profile->confinement.cgroup < profile->strings.count);
    for (size_t i = 1; i < profile->source_count; i++)
        require(profile->sources[i - 1].file <= profile->sources[i].file);
}

static void check_looks(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->look_count; i++) {
        require(profile->looks[i].process < profile->process_count);
        require(i == 0 || profile->looks[i - 1].time_us <= profile->looks[i].time_us);
    }
}

static void check_held(void *context, size_t step, const struct pyro_held *held)
{
    const struct pyro_profile *profile = context;
    require(step < 7 && held->process < profile->process_count);
    require(held->count > 0 && held->count <= PYRO_HELD_LINES);
    for (size_t i = 0; i < held->count; i++)
        require(held->lines[i].frame < profile->frame_count);
}

static void ask_timeline(const struct pyro_profile *profile)
{
    struct pyro_timeline *timeline;
    size_t columns[7];
    if (pyro_timeline_make(profile, &timeline, NULL) < 0)
        return;
    require(timeline->step_count && timeline->life_count);
    require(timeline->peak < timeline->step_count && timeline->holder < timeline->life_count);
    for (size_t i = 0; i < timeline->life_count; i++)
        require(timeline->lives[i].process < profile->process_count);
    pyro_timeline_columns(timeline, columns, 7);
    for (size_t i = 0; i < 7; i++)
        require(columns[i] < timeline->step_count || columns[i] == PYRO_NO_STEP);
    require(columns[6] < timeline->step_count);
    pyro_timeline_free(timeline);
}

static void check_samples(const struct pyro_profile *profile)
{
    const struct pyro_profile_samples *samples = &profile->samples;
    uint64_t unsure = 0;
    for (size_t i = 0; i < samples->count; i++) {
        require(pyro_sample_at(profile, i)->kind < samples->kind_count &&
                pyro_sample_at(profile, i)->sweep < samples->sweep_count);
        require(pyro_sample_thread(profile, i) < profile->thread_count &&
                pyro_sample_stack(profile, i) < profile->stack_count &&
                pyro_sample_state(profile, i) < PYRO_STATE_COUNT &&
                pyro_sample_weight_us(profile, i) >= 0);
        uint32_t wait = pyro_sample_wait(profile, i);
        require(wait == PYRO_NO_ID || wait < profile->wait_count);
        require(i == 0 || pyro_sample_time_us(profile, i) >= pyro_sample_time_us(profile, i - 1));
        unsure += (pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE) != 0;
    }
    require(unsure == profile->counters.unsure && samples->count == profile->counters.samples);
    for (size_t i = 0; i < samples->stretch_count; i++)
        require(samples->stretches[i].first_sweep < samples->sweep_count &&
                (i ? samples->stretches[i].first_sweep > samples->stretches[i - 1].first_sweep
                   : samples->stretches[i].first_sweep == 0));
}

static void ask_clock(const struct pyro_profile *profile)
{
    struct pyro_clock_view view;
    if (pyro_clock_view_init(&view, profile, PYRO_CLOCK_WAIT, false) < 0)
        return;
    for (size_t i = 0; i < profile->samples.count; i++)
        require(!pyro_clock_counts(&view, i) || pyro_clock_wait_category(&view, i)[0]);
    pyro_clock_view_clear(&view);
}

static void read_bytes(const void *data, size_t size)
{
    struct pyro_profile *profile;
    if (pyro_profile_parse(data, size, &profile, NULL) < 0)
        return;
    check_tables(profile);
    check_samples(profile);
    check_looks(profile);
    ask_clock(profile);
    ask_timeline(profile);
    (void)pyro_held_each(profile, 7, check_held, profile);
    pyro_profile_free(profile);
}

/* Make a file of the right form out of chunks without heads. */
static void frame_chunks(struct pyro_reader input, struct pyro_buffer *file)
{
    pyro_file_put_header(file);
    while (pyro_reader_left(&input) >= 3) {
        uint8_t type = pyro_reader_u8(&input);
        size_t size = pyro_reader_u8(&input);
        size |= (size_t)pyro_reader_u8(&input) << 8;
        if (size > pyro_reader_left(&input))
            size = pyro_reader_left(&input);
        size_t begin = pyro_chunk_begin(file, (enum pyro_chunk_type)type);
        pyro_buffer_put(file, pyro_reader_take(&input, size), size);
        pyro_chunk_end(file, begin);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        read_bytes(data + 1, size - 1);
        return 0;
    }
    struct pyro_buffer file = {0};
    frame_chunks(pyro_reader_over(data + 1, size - 1), &file);
    read_bytes(file.data, file.size);
    pyro_buffer_free(&file);
    return 0;
}
