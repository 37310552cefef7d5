/* analyze/allocations.c - each stack's figures, given to its lines and functions. */
#include "analyze/allocations.h"

#include "base/grow.h"
#include "profile/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct adding {
    const struct pyro_profile *profile;
    struct pyro_allocations *memory;
    size_t line_capacity;
    struct pyro_map ids;                  /* (function, line) -> its line */
    struct pyro_allocation_figures *self; /* [stack_count] of each stack ... */
    struct pyro_allocation_figures *tree; /* ... and with those above it */
    uint32_t *line_of;                    /* [frame_count] place among the lines */
    uint32_t *function_of; /* [function_count] place among the functions, or PYRO_NO_ID */
    uint32_t *line_depth, *function_depth; /* how often each is on the path of the walk */
};

static void add_samples(struct pyro_allocation_samples *sum,
                        const struct pyro_allocation_samples *more)
{
    sum->blocks += more->blocks;
    sum->bytes += more->bytes;
    sum->bytes_variance += more->bytes_variance;
    sum->blocks_variance += more->blocks_variance;
}

void pyro_allocation_add(struct pyro_allocation_figures *sum,
                         const struct pyro_allocation_figures *more)
{
    sum->blocks += more->blocks;
    sum->allocated += more->allocated;
    sum->freed += more->freed;
    sum->live += more->live;
    sum->peak += more->peak;
    sum->brief += more->brief;
    sum->brief_bytes += more->brief_bytes;
    add_samples(&sum->of_allocated, &more->of_allocated);
    add_samples(&sum->of_live, &more->of_live);
    add_samples(&sum->of_peak, &more->of_peak);
}

static struct pyro_allocation_samples samples_of(const struct pyro_sampled *sums, uint64_t period)
{
    return (struct pyro_allocation_samples){
        .blocks = sums->blocks,
        .bytes = sums->bytes,
        .bytes_variance = (double)sums->bytes_variance * (double)period,
        .blocks_variance = (double)sums->blocks_variance,
    };
}

/* PERIOD: of its process. */
static struct pyro_allocation_figures figures_of(const struct pyro_stack_memory *stack,
                                                 uint64_t period)
{
    const struct pyro_sampled left = pyro_sampled_left(&stack->sampled, &stack->sampled_freed);
    return (struct pyro_allocation_figures){
        .blocks = stack->allocations,
        .allocated = stack->allocated,
        .freed = stack->freed,
        .live = stack->allocated - stack->freed,
        .peak = stack->held,
        .brief = stack->brief,
        .brief_bytes = stack->brief_bytes,
        .of_allocated = samples_of(&stack->sampled, period),
        .of_live = samples_of(&left, period),
        .of_peak = samples_of(&stack->sampled_held, period),
    };
}

/* Each stack's own figures, and those of all: a parent has a smaller id. */
static void add_stacks(struct adding *adding)
{
    const struct pyro_profile *profile = adding->profile;
    for (size_t i = 0; i < profile->memory_count; i++) {
        const struct pyro_allocation_figures figures =
            figures_of(&profile->memory[i], profile->heaps[profile->memory[i].process].period);
        pyro_allocation_add(&adding->memory->all, &figures);
        pyro_allocation_add(&adding->self[profile->memory[i].stack], &figures);
    }
    memcpy(adding->tree, adding->self, profile->stack_count * sizeof(*adding->tree));
    for (size_t i = profile->stack_count; i-- > 1;)
        pyro_allocation_add(&adding->tree[profile->stacks[i].parent], &adding->tree[i]);
}

static bool has_memory(void *context, uint32_t stack)
{
    const struct adding *adding = context;
    return adding->tree[stack].blocks > 0;
}

/* The place of FRAME's line; PYRO_NO_ID: no memory. */
static uint32_t line_of(struct adding *adding, uint32_t frame_id)
{
    const struct pyro_frame *frame = &adding->profile->frames[frame_id];
    struct pyro_allocations *memory = adding->memory;
    bool is_new;
    uint64_t *id = pyro_map_insert(&adding->ids, frame->function, frame->line, &is_new);
    if (!id)
        return PYRO_NO_ID;
    if (is_new) {
        if (pyro_grow(&memory->lines, memory->line_count, &adding->line_capacity,
                      sizeof(*memory->lines)) < 0)
            return PYRO_NO_ID;
        const struct pyro_function *function = &adding->profile->functions[frame->function];
        memory->lines[memory->line_count] = (struct pyro_allocation_line){
            .function = frame->function,
            .line = frame->line,
            .source = pyro_profile_source(adding->profile, function->file, frame->line),
        };
        *id = memory->line_count++;
    }
    return (uint32_t)*id;
}

static struct pyro_allocation_function *function_of(struct adding *adding, uint32_t function)
{
    uint32_t *at = &adding->function_of[function];
    if (*at == PYRO_NO_ID) {
        *at = (uint32_t)adding->memory->function_count++;
        adding->memory->functions[*at].function = function;
    }
    return &adding->memory->functions[*at];
}

static bool enter(void *context, uint32_t stack)
{
    struct adding *adding = context;
    uint32_t frame = adding->profile->stacks[stack].frame;
    uint32_t function_id = adding->profile->frames[frame].function;
    uint32_t id = adding->line_of[frame] = line_of(adding, frame);
    if (id == PYRO_NO_ID)
        return false;
    struct pyro_allocation_line *line = &adding->memory->lines[id];
    struct pyro_allocation_function *function = function_of(adding, function_id);
    pyro_allocation_add(&line->self, &adding->self[stack]);
    pyro_allocation_add(&function->self, &adding->self[stack]);
    if (adding->line_depth[id]++ == 0)
        pyro_allocation_add(&line->total, &adding->tree[stack]);
    if (adding->function_depth[function_id]++ == 0)
        pyro_allocation_add(&function->total, &adding->tree[stack]);
    return true;
}

static void leave(void *context, uint32_t stack)
{
    struct adding *adding = context;
    uint32_t frame = adding->profile->stacks[stack].frame;
    adding->line_depth[adding->line_of[frame]]--;
    adding->function_depth[adding->profile->frames[frame].function]--;
}

static int by_function_and_line(const void *left, const void *right)
{
    const struct pyro_allocation_line *a = left, *b = right;
    if (a->function != b->function)
        return a->function < b->function ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static int largest_first(const void *left, const void *right)
{
    const struct pyro_allocation_function *a = left, *b = right;
    if (a->total.peak != b->total.peak)
        return a->total.peak > b->total.peak ? -1 : 1;
    if (a->total.allocated != b->total.allocated)
        return a->total.allocated > b->total.allocated ? -1 : 1;
    return (a->function > b->function) - (a->function < b->function);
}

static void sort(struct adding *adding)
{
    struct pyro_allocations *memory = adding->memory;
    if (!memory->line_count)
        return;
    qsort(memory->lines, memory->line_count, sizeof(*memory->lines), by_function_and_line);
    for (size_t i = 0; i < memory->line_count; i++) {
        struct pyro_allocation_function *function = function_of(adding, memory->lines[i].function);
        if (!function->count++)
            function->first = i;
    }
    qsort(memory->functions, memory->function_count, sizeof(*memory->functions), largest_first);
}

static void add_heaps(struct pyro_allocations *memory)
{
    memory->period = pyro_profile_memory_period(memory->profile);
    const struct pyro_profile *profile = memory->profile;
    memory->stopped = memory->has_native = true;
    for (size_t i = 0; i < profile->process_count; i++) {
        const struct pyro_process_memory *heap = &profile->heaps[i];
        if (!heap->tracked)
            continue;
        memory->process_count++;
        memory->lost += heap->lost;
        memory->unseen += heap->unseen;
        memory->cut += heap->cut;
        memory->rss += heap->rss;
        memory->rss_peak += heap->rss_peak;
        memory->own += heap->own;
        memory->native += heap->native;
        memory->files += heap->files;
        memory->slack += heap->slack;
        memory->swapped += heap->swapped;
        memory->unhooked = memory->unhooked || heap->unhooked;
        memory->has_native = memory->has_native && heap->all;
        memory->stopped = memory->stopped && heap->stopped;
    }
}

static void add_sizes(struct pyro_allocations *memory)
{
    const struct pyro_profile *profile = memory->profile;
    memory->has_sizes = profile->size_count > 0;
    for (size_t i = 0; i < profile->size_count; i++)
        for (int at = 0; at < PYRO_BLOCK_SIZES; at++) {
            memory->sizes.classes[at].blocks += profile->sizes[i].classes[at].blocks;
            memory->sizes.classes[at].bytes += profile->sizes[i].classes[at].bytes;
        }
}

static int make(struct pyro_allocations *memory)
{
    const struct pyro_profile *profile = memory->profile;
    struct adding adding = {
        .profile = profile,
        .memory = memory,
        .self = calloc(profile->stack_count + 1, sizeof(*adding.self)),
        .tree = calloc(profile->stack_count + 1, sizeof(*adding.tree)),
        .line_of = calloc(profile->frame_count + 1, sizeof(uint32_t)),
        .function_of = malloc((profile->function_count + 1) * sizeof(uint32_t)),
        .line_depth = calloc(profile->frame_count + 1, sizeof(uint32_t)),
        .function_depth = calloc(profile->function_count + 1, sizeof(uint32_t)),
    };
    const struct pyro_walk walk = {profile, has_memory, enter, leave, &adding};
    memory->functions = calloc(profile->function_count + 1, sizeof(*memory->functions));
    bool there = adding.self && adding.tree && adding.line_of && adding.function_of &&
                 adding.line_depth && adding.function_depth && memory->functions;
    for (size_t i = 0; there && i < profile->function_count; i++)
        adding.function_of[i] = PYRO_NO_ID;
    if (there)
        add_stacks(&adding);
    int result = there ? pyro_walk_stacks(&walk) : -ENOMEM;
    if (result == 0)
        sort(&adding);
    add_heaps(memory);
    add_sizes(memory);
    free(adding.self);
    free(adding.tree);
    free(adding.line_of);
    free(adding.function_of);
    free(adding.line_depth);
    free(adding.function_depth);
    pyro_map_free(&adding.ids);
    return result;
}

/* -- intervals ---------------------------------------------------------------------------------- */

static struct pyro_interval bytes_of(const struct pyro_allocations *memory, uint64_t estimate,
                                     const struct pyro_allocation_samples *samples)
{
    const struct pyro_estimated sums = {(double)samples->bytes, (double)estimate,
                                        samples->bytes_variance};
    return pyro_interval_bytes(&sums, (double)memory->period);
}

struct pyro_interval pyro_allocation_allocated(const struct pyro_allocations *memory,
                                               const struct pyro_allocation_figures *figures)
{
    return bytes_of(memory, figures->allocated, &figures->of_allocated);
}

struct pyro_interval pyro_allocation_live(const struct pyro_allocations *memory,
                                          const struct pyro_allocation_figures *figures)
{
    return bytes_of(memory, figures->live, &figures->of_live);
}

struct pyro_interval pyro_allocation_peak(const struct pyro_allocations *memory,
                                          const struct pyro_allocation_figures *figures)
{
    return bytes_of(memory, figures->peak, &figures->of_peak);
}

struct pyro_interval pyro_allocation_blocks(const struct pyro_allocation_figures *figures)
{
    const struct pyro_estimated sums = {(double)figures->of_allocated.blocks,
                                        (double)figures->blocks,
                                        figures->of_allocated.blocks_variance};
    const struct pyro_estimated bytes = {(double)figures->of_allocated.bytes,
                                         (double)figures->allocated,
                                         figures->of_allocated.bytes_variance};
    return pyro_interval_blocks(&sums, &bytes);
}

int pyro_allocations_make(const struct pyro_profile *profile, struct pyro_allocations **ret_memory,
                          struct pyro_error *error)
{
    if (!profile->heaps) {
        int result = pyro_error_set(error, -ENODATA, "memory was not tracked in this recording");
        pyro_error_hint(error, "record it anew with: pyrometer run --memory SCRIPT");
        return result;
    }
    struct pyro_allocations *memory = calloc(1, sizeof(*memory));
    if (memory)
        memory->profile = profile;
    int result = memory ? make(memory) : -ENOMEM;
    if (result < 0) {
        pyro_allocations_free(memory);
        return pyro_error_set(error, result, "no memory");
    }
    *ret_memory = memory;
    return 0;
}

void pyro_allocations_free(struct pyro_allocations *memory)
{
    if (!memory)
        return;
    free(memory->lines);
    free(memory->functions);
    free(memory);
}
