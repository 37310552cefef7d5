/* formats/stacks.c - name what a file names, once each, and make samples of what its stacks weigh. */
#include "formats/stacks.h"

#include "base/grow.h"
#include "profile/samples.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pyro_stacks_init(struct pyro_stacks *stacks)
{
    *stacks = (struct pyro_stacks){.profile = pyro_import_profile_new()};
    return stacks->profile ? 0 : -ENOMEM;
}

int pyro_stacks_bad(struct pyro_stacks *stacks, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stacks->problem, sizeof(stacks->problem), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* -- names -------------------------------------------------------------------------------------- */

int64_t pyro_stacks_text(struct pyro_stacks *stacks, const char *text, size_t size)
{
    if (size > PYRO_STACKS_NAME_MAX)
        return pyro_stacks_bad(stacks, "a name in it is too long");
    return pyro_strings_intern(&stacks->profile->strings, text, size);
}

static enum pyro_function_kind kind_of(const char *name, size_t length, bool has_file)
{
    if (has_file || length < 2)
        return PYRO_FUNCTION_PYTHON;
    if (name[0] == '{' && name[length - 1] == '}')
        return PYRO_FUNCTION_C;
    return name[0] == '[' && name[length - 1] == ']' ? PYRO_FUNCTION_SPECIAL : PYRO_FUNCTION_PYTHON;
}

int64_t pyro_stacks_function(struct pyro_stacks *stacks, uint32_t name, uint32_t file,
                             uint32_t first_line)
{
    struct pyro_profile *profile = stacks->profile;
    bool is_new;
    uint64_t *id =
        pyro_map_insert(&stacks->functions, (uint64_t)file << 32 | name, first_line, &is_new);
    if (!id)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*id;
    if (pyro_grow(&profile->functions, profile->function_count, &stacks->function_capacity,
                  sizeof(*profile->functions)) < 0)
        return -ENOMEM;
    *id = profile->function_count++;
    profile->functions[*id] = (struct pyro_function){
        .name = name,
        .file = file,
        .first_line = first_line,
        .kind = kind_of(pyro_profile_text(profile, name),
                        pyro_strings_length(&profile->strings, name), file != 0),
    };
    return (int64_t)*id;
}

int64_t pyro_stacks_frame(struct pyro_stacks *stacks, uint32_t function, uint32_t line)
{
    struct pyro_profile *profile = stacks->profile;
    bool is_new;
    uint64_t *id = pyro_map_insert(&stacks->frames, function, line, &is_new);
    if (!id)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*id;
    if (pyro_grow(&profile->frames, profile->frame_count, &stacks->frame_capacity,
                  sizeof(*profile->frames)) < 0)
        return -ENOMEM;
    *id = profile->frame_count++;
    profile->frames[*id] = (struct pyro_frame){.function = function, .line = line};
    return (int64_t)*id;
}

int64_t pyro_stacks_child(struct pyro_stacks *stacks, uint32_t parent, uint32_t frame)
{
    struct pyro_profile *profile = stacks->profile;
    bool is_new;
    if (++stacks->steps > PYRO_STACKS_STEPS_MAX)
        return pyro_stacks_bad(stacks, "its stacks are too many, and too deep");
    uint64_t *id = pyro_map_insert(&stacks->children, parent, frame, &is_new);
    if (!id)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*id;
    if (profile->stack_count >= PYRO_STACKS_MAX)
        return pyro_stacks_bad(stacks, "it has more than %u different stacks", PYRO_STACKS_MAX);
    /* One is there already, without spare room. */
    if (pyro_grow(&profile->stacks, profile->stack_count, &stacks->stack_capacity,
                  sizeof(*profile->stacks)) < 0)
        return -ENOMEM;
    *id = profile->stack_count++;
    profile->stacks[*id] = (struct pyro_stack){
        .parent = parent, .frame = frame, .depth = profile->stacks[parent].depth + 1};
    return (int64_t)*id;
}

static int64_t process_of(struct pyro_stacks *stacks, int32_t pid)
{
    struct pyro_profile *profile = stacks->profile;
    bool is_new;
    uint64_t *id = pyro_map_insert(&stacks->processes, (uint32_t)pid, 0, &is_new);
    if (!id)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*id;
    if (pyro_grow(&profile->processes, profile->process_count, &stacks->process_capacity,
                  sizeof(*profile->processes)) < 0)
        return -ENOMEM;
    *id = profile->process_count++;
    profile->processes[*id] = (struct pyro_process){.pid = pid};
    return (int64_t)*id;
}

int64_t pyro_stacks_thread(struct pyro_stacks *stacks, int32_t pid, uint64_t native_id,
                           uint32_t name)
{
    struct pyro_profile *profile = stacks->profile;
    bool is_new;
    int64_t process = process_of(stacks, pid);
    if (process < 0)
        return process;
    uint64_t *id =
        pyro_map_insert(&stacks->threads, (uint64_t)(uint32_t)pid << 32 | name, native_id, &is_new);
    if (!id)
        return -ENOMEM;
    if (!is_new)
        return (int64_t)*id;
    if (pyro_grow(&profile->threads, profile->thread_count, &stacks->thread_capacity,
                  sizeof(*profile->threads)) < 0)
        return -ENOMEM;
    *id = profile->thread_count++;
    profile->threads[*id] =
        (struct pyro_thread){.process = (uint32_t)process, .native_id = native_id, .name = name};
    return (int64_t)*id;
}

/* -- weights ------------------------------------------------------------------------------------ */

/* The entry that ENTRY is to be added to; NULL: out of memory. */
static struct pyro_stacks_entry *place_of(struct pyro_stacks *stacks,
                                          const struct pyro_stacks_entry *entry)
{
    bool is_new = true;
    uint64_t *at = NULL;
    if (!stacks->ordered)
        at = pyro_map_insert(&stacks->added, (uint64_t)entry->stack << 32 | entry->thread,
                             entry->state, &is_new);
    if (!stacks->ordered && !at)
        return NULL;
    if (!is_new)
        return &stacks->entries[*at];
    if (pyro_grow(&stacks->entries, stacks->entry_count, &stacks->entry_capacity,
                  sizeof(*stacks->entries)) < 0)
        return NULL;
    if (at)
        *at = stacks->entry_count;
    struct pyro_stacks_entry *place = &stacks->entries[stacks->entry_count++];
    *place = *entry;
    place->weight_us = 0;
    place->count = 0;
    return place;
}

int pyro_stacks_add(struct pyro_stacks *stacks, const struct pyro_stacks_entry *entry)
{
    /* or one of them is NAN */
    if (!(entry->weight_us >= 0 && entry->weight_us <= PYRO_STACKS_TIME_MAX_US) ||
        !(fabs(entry->start_us) <= PYRO_STACKS_TIME_MAX_US))
        return pyro_stacks_bad(stacks, "a weight in it is out of range");
    if (entry->weight_us == 0)
        return 0;
    if (stacks->entry_count >= PYRO_STACKS_MAX)
        return pyro_stacks_bad(stacks, "it has more than %u entries", PYRO_STACKS_MAX);
    struct pyro_stacks_entry *place = place_of(stacks, entry);
    if (!place)
        return -ENOMEM;
    place->weight_us += entry->weight_us;
    place->count += entry->count;
    if (place->weight_us > PYRO_STACKS_TIME_MAX_US || place->count > UINT64_C(1) << 53)
        return pyro_stacks_bad(stacks, "a weight in it is out of range");
    return 0;
}

/* -- samples ------------------------------------------------------------------------------------ */

#define SAMPLES_TOLD_MAX 1e18

struct made {
    double time_us;
    float weight_us;
    uint32_t stack, kind;
};

static int by_time(const void *left, const void *right)
{
    const struct made *a = left, *b = right;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1)
                              : (a->stack > b->stack) - (a->stack < b->stack);
}

/* How many samples ENTRY becomes, where there are COUNT in all. */
static uint64_t share_of(const struct pyro_stacks_entry *entry, double count)
{
    if (count <= (double)PYRO_STACKS_SAMPLES)
        return entry->count;
    uint64_t share = (uint64_t)((double)entry->count * (double)PYRO_STACKS_SAMPLES / count);
    return share ? share : 1;
}

/* Of all entries, as the file tells. */
static double samples_told(const struct pyro_stacks *stacks)
{
    double all = 0;
    for (size_t i = 0; i < stacks->entry_count; i++)
        all += (double)stacks->entries[i].count;
    return all;
}

/* The samples of all entries, to be freed. */
static struct made *make_samples(const struct pyro_stacks *stacks, double first_us,
                                 size_t *ret_count)
{
    double all = samples_told(stacks);
    size_t count = 0, at = 0;
    for (size_t i = 0; i < stacks->entry_count; i++)
        count += share_of(&stacks->entries[i], all);
    struct made *made = calloc(count + 1, sizeof(*made));
    for (size_t i = 0; made && i < stacks->entry_count; i++) {
        const struct pyro_stacks_entry *entry = &stacks->entries[i];
        const struct pyro_sample_kind kind = {
            .thread = entry->thread, .wait = PYRO_NO_ID, .state = (uint8_t)entry->state};
        int64_t id = pyro_samples_kind(&stacks->profile->samples, &kind);
        uint64_t share = share_of(entry, all);
        double part_us = entry->weight_us / (double)share;
        if (id < 0) {
            free(made);
            return NULL;
        }
        for (uint64_t j = 0; j < share; j++)
            made[at++] = (struct made){
                .time_us = stacks->ordered ? entry->start_us - first_us + (double)j * part_us : 0,
                .weight_us = (float)part_us,
                .stack = entry->stack,
                .kind = (uint32_t)id,
            };
    }
    *ret_count = count;
    return made;
}

/* A sweep begins where the time or the weight is another one. */
static int put_samples(struct pyro_profile_samples *samples, const struct made *made, size_t count)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        bool heavier = i == 0 || made[i].weight_us != made[i - 1].weight_us;
        if (heavier || made[i].time_us != made[i - 1].time_us)
            error = pyro_samples_sweep(samples, (uint64_t)made[i].time_us);
        if (error == 0 && heavier)
            error = pyro_samples_weigh(samples, samples->sweep_count - 1, made[i].weight_us);
        if (error == 0)
            error = pyro_samples_add(samples, made[i].stack, made[i].kind);
    }
    return error;
}

/* From where to where the entries go; without the order of time, as long as all of it weighs. */
static void measure(const struct pyro_stacks *stacks, double *ret_first_us, double *ret_duration_us)
{
    double first_us = 0, last_us = 0, sum_us = 0;
    for (size_t i = 0; i < stacks->entry_count; i++) {
        const struct pyro_stacks_entry *entry = &stacks->entries[i];
        double end_us = entry->start_us + entry->weight_us;
        sum_us += entry->weight_us;
        if (i == 0 || entry->start_us < first_us)
            first_us = entry->start_us;
        if (i == 0 || end_us > last_us)
            last_us = end_us;
    }
    *ret_first_us = first_us;
    *ret_duration_us = stacks->ordered ? last_us - first_us : sum_us;
}

static int finish(struct pyro_stacks *stacks)
{
    struct pyro_profile *profile = stacks->profile;
    double first_us, duration_us;
    size_t count = 0;
    measure(stacks, &first_us, &duration_us);
    struct made *made = make_samples(stacks, first_us, &count);
    if (!made)
        return -ENOMEM;
    if (stacks->ordered)
        qsort(made, count, sizeof(*made), by_time);
    int error = put_samples(&profile->samples, made, count);
    free(made);
    double told = samples_told(stacks);
    profile->counters.samples = (uint64_t)(told < SAMPLES_TOLD_MAX ? told : SAMPLES_TOLD_MAX);
    if (!profile->counters.duration_us)
        profile->counters.duration_us = (uint64_t)(duration_us + 0.5);
    profile->stateless = true;
    for (size_t i = 0; i < profile->samples.kind_count; i++)
        if (profile->samples.kinds[i].state != PYRO_STATE_UNKNOWN)
            profile->stateless = false;
    return error;
}

/* The file's own name stands for the program, which it does not tell. */
static int name_it(struct pyro_stacks *stacks, const char *format, const char *path)
{
    struct pyro_profile *profile = stacks->profile;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int64_t text = pyro_strings_intern(&profile->strings, name, strlen(name));
    if (text < 0)
        return (int)text;
    profile->foreign = format;
    profile->info.command = pyro_profile_text(profile, (uint32_t)text);
    return 0;
}

static void clear(struct pyro_stacks *stacks)
{
    pyro_map_free(&stacks->functions);
    pyro_map_free(&stacks->frames);
    pyro_map_free(&stacks->children);
    pyro_map_free(&stacks->threads);
    pyro_map_free(&stacks->processes);
    pyro_map_free(&stacks->added);
    free(stacks->entries);
}

int pyro_stacks_done(struct pyro_stacks *stacks, int code, const char *format, const char *path,
                     struct pyro_profile **ret_profile, struct pyro_error *error)
{
    if (code == 0 && stacks->entry_count == 0)
        code = pyro_stacks_bad(stacks, "it holds no samples");
    if (code == 0)
        code = finish(stacks);
    if (code == 0)
        code = name_it(stacks, format, path);
    clear(stacks);
    if (code == 0) {
        *ret_profile = stacks->profile;
        return 0;
    }
    pyro_profile_free(stacks->profile);
    return pyro_error_set(error, code, "cannot read '%s': %s", path,
                          code == -EBADMSG ? stacks->problem : "out of memory");
}
