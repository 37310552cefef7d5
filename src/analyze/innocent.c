/* analyze/innocent.c - what one might take for the culprit, and what it really costs.
 *
 * It stands where the culprit stands: the most that the same function calls from other lines, or else the functions that
 * led to it. What it costs is all of its time, wherever it was called from, as `share` has it. No finding says that of what
 * another one names, or itself. */
#include "analyze/internal.h"

#include "analyze/rule.h"
#include "profile/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MIN 5    /* less is not worth a name */
#define SMALL       0.25 /* of what the finding would give back: more may be a problem, too */
#define LEVELS_MAX  16   /* functions up from the culprit */

/* A file with what it called; of C, and of files that are on the way to the culprit, a function. */
struct group {
    uint32_t function;
    double time_us;
    uint64_t samples;
    bool own; /* the program's: that is what one suspects first */
};

struct search {
    const struct pyro_rule_context *context;
    const struct pyro_finding *finding;
    bool *culprit;         /* [stack_count]: the culprit's line, and all that it led to */
    bool *trunk;           /* [stack_count]: what led to it */
    bool *within;          /* [stack_count]: for whole_s() */
    struct pyro_map files; /* of the trunk's functions */
};

/* Children have larger ids than their parents. Returns the stack of the culprit that took longest; 0: there is none. */
static uint32_t mark(struct search *search)
{
    const struct pyro_profile *profile = search->context->profile;
    const struct pyro_stack_total *stacks = search->context->totals.stacks;
    uint32_t longest = 0;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        const struct pyro_frame *frame = &profile->frames[profile->stacks[i].frame];
        bool begins =
            frame->function == search->finding->function && frame->line == search->finding->line;
        search->culprit[i] = begins || search->culprit[profile->stacks[i].parent];
        if (begins && (!longest || stacks[i].tree_us > stacks[longest].tree_us))
            longest = i;
    }
    for (uint32_t i = (uint32_t)profile->stack_count; i-- > 1;) {
        uint32_t below = profile->stacks[i].parent;
        if ((search->culprit[i] || search->trunk[i]) && !search->culprit[below])
            search->trunk[below] = true;
    }
    return longest;
}

/* A file on the way has all the time that the culprit has: it would be none to name. -ENOMEM. */
static int note_files(struct search *search)
{
    const struct pyro_profile *profile = search->context->profile;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        const struct pyro_function *function =
            &profile->functions[pyro_profile_function_of(profile, i)];
        if (search->trunk[i] && function->kind == PYRO_FUNCTION_PYTHON &&
            !pyro_map_insert(&search->files, function->file, 0, NULL))
            return -ENOMEM;
    }
    return 0;
}

static bool is_known_by_file(const struct search *search, uint32_t function)
{
    const struct pyro_function *functions = search->context->profile->functions;
    uint32_t file = functions[function].file;
    return functions[function].kind == PYRO_FUNCTION_PYTHON &&
           file != functions[search->finding->function].file &&
           !pyro_map_find(&search->files, file, 0);
}

/* A string: the name of its group. */
static uint32_t key_of(const struct search *search, uint32_t function)
{
    const struct pyro_function *item = &search->context->profile->functions[function];
    return is_known_by_file(search, function) ? item->file : item->name;
}

/* -- what findings name ------------------------------------------------------------------------- */

static bool names_function(const struct search *search, const struct pyro_finding *finding,
                           uint32_t key)
{
    bool names = key_of(search, finding->function) == key;
    for (size_t i = 0; !names && i < finding->evidence_count; i++)
        names = finding->evidence[i].kind == PYRO_EVIDENCE_PLACE &&
                key_of(search, finding->evidence[i].function) == key;
    return names;
}

/* Is the group KEY, or something in it, a culprit, the loop it is called in, or what sends its queries? */
static bool is_named(const struct search *search, uint32_t key)
{
    const struct pyro_findings *findings = search->context->findings;
    const char *name = pyro_profile_text(search->context->profile, key);
    for (size_t i = 0; i < findings->count; i++) {
        const struct pyro_finding *finding = &findings->items[i];
        if (names_function(search, finding, key) ||
            (finding->query && strcmp(finding->query, name) == 0))
            return true;
    }
    return false;
}

/* -- what is large ------------------------------------------------------------------------------ */

static bool is_larger(const struct group *group, const struct group *than)
{
    if (group->samples < SAMPLES_MIN || group->own != than->own)
        return group->samples >= SAMPLES_MIN && (group->own || !than->samples);
    return group->time_us >= than->time_us;
}

/* The largest of what FUNCTION called beside the culprit. -ENOMEM. */
static int largest_in(const struct search *search, uint32_t function, struct group *ret_group)
{
    const struct pyro_profile *profile = search->context->profile;
    struct pyro_map samples = {0}, times = {0};
    int result = 0;
    *ret_group = (struct group){.function = PYRO_NO_ID};
    for (uint32_t i = 1; result == 0 && i < profile->stack_count; i++) {
        uint32_t below = profile->stacks[i].parent, callee = pyro_profile_function_of(profile, i);
        if (search->culprit[i] || search->trunk[i] || below == PYRO_STACK_ROOT ||
            pyro_profile_function_of(profile, below) != function || callee == function)
            continue;
        uint32_t key = key_of(search, callee);
        if (is_named(search, key))
            continue;
        uint64_t *count = pyro_map_insert(&samples, key, 0, NULL);
        uint64_t *time_us = pyro_map_insert(&times, key, 0, NULL);
        if (!count || !time_us) {
            result = -ENOMEM;
            break;
        }
        *count += search->context->totals.stacks[i].tree_samples;
        *time_us += (uint64_t)search->context->totals.stacks[i].tree_us;
        const struct group group = {callee, (double)*time_us, *count,
                                    !search->context->library[callee]};
        if (is_larger(&group, ret_group))
            *ret_group = group;
    }
    pyro_map_free(&samples);
    pyro_map_free(&times);
    return result;
}

/* All the time in the group KEY, and in what it called; recursion counts once. */
static double whole_s(const struct search *search, uint32_t key)
{
    const struct pyro_profile *profile = search->context->profile;
    double time_us = 0;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        bool below = search->within[profile->stacks[i].parent];
        search->within[i] = below || key_of(search, pyro_profile_function_of(profile, i)) == key;
        if (search->within[i] && !below)
            time_us += search->context->totals.stacks[i].tree_us;
    }
    return time_us / 1e6;
}

static const char *name_of(const struct search *search, uint32_t function)
{
    const struct pyro_profile *profile = search->context->profile;
    const char *name = pyro_profile_text(profile, key_of(search, function));
    return is_known_by_file(search, function) ? pyro_path_short(name, profile->info.directory)
                                              : name;
}

/* From the culprit's function up to the first that does something else, too. */
static int search_from(const struct search *search, uint32_t stack, struct pyro_finding *finding)
{
    const struct pyro_profile *profile = search->context->profile;
    struct group group;
    int result = 0;
    for (int i = 0; result == 0 && i < LEVELS_MAX && stack != PYRO_STACK_ROOT; i++) {
        result = largest_in(search, pyro_profile_function_of(profile, stack), &group);
        if (result == 0 && group.samples > 0) {
            double time_s = whole_s(search, key_of(search, group.function));
            if (time_s > SMALL * finding->gain_s)
                break;
            finding->innocent = name_of(search, group.function);
            finding->innocent_s = time_s;
            break;
        }
        stack = profile->stacks[stack].parent;
    }
    return result;
}

int pyro_find_innocent(const struct pyro_rule_context *context, struct pyro_finding *finding)
{
    struct search search = {
        .context = context,
        .finding = finding,
        .culprit = calloc(context->profile->stack_count + 1, sizeof(bool)),
        .trunk = calloc(context->profile->stack_count + 1, sizeof(bool)),
        .within = calloc(context->profile->stack_count + 1, sizeof(bool)),
    };
    int result = search.culprit && search.trunk && search.within ? 0 : -ENOMEM;
    uint32_t stack = result == 0 && finding->line && !context->totals.traced ? mark(&search) : 0;
    if (stack)
        result = note_files(&search);
    if (stack && result == 0)
        result = search_from(&search, stack, finding);
    free(search.culprit);
    free(search.trunk);
    free(search.within);
    pyro_map_free(&search.files);
    return result;
}
