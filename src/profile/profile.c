/* profile/profile.c - from the bytes of a file to a profile that can be asked. */
#include "profile/profile.h"

#include "profile/arguments.h"
#include "profile/calls.h"
#include "profile/line_counts.h"
#include "profile/lookups.h"
#include "profile/own.h"
#include "profile/parse.h"
#include "profile/queries.h"
#include "profile/resolve.h"
#include "profile/samples.h"
#include "profile/standing.h"
#include "profile/traced.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- finishing ---------------------------------------------------------------------------------- */

static int keep_info(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    const char **const texts[PYRO_INFO_TEXTS] = {
        &profile->info.command,   &profile->info.python,    &profile->info.mode,
        &profile->info.pyrometer, &profile->info.directory,
    };
    for (int i = 0; i < PYRO_INFO_TEXTS; i++) {
        const struct pyro_text_slice *slice = &parse->info_texts[i];
        if (!slice->text)
            continue;
        int64_t id = pyro_strings_intern(&profile->strings, (const char *)slice->text, slice->size);
        if (id < 0)
            return (int)id;
        *texts[i] = pyro_strings_text(&profile->strings, (uint32_t)id);
    }
    return 0;
}

static int compare_sources(const void *a, const void *b)
{
    const struct pyro_source_line *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int finish(struct pyro_parse *parse)
{
    struct pyro_profile *profile = parse->profile;
    int error = keep_info(parse);
    if (error == 0)
        error = pyro_resolve_unsure(parse);
    if (error == 0)
        error = pyro_resolve_weights(profile);
    if (error == 0)
        error = pyro_own_set_apart(profile);
    if (error == 0)
        pyro_calls_merge(profile);
    if (error == 0)
        error = pyro_standing_add(profile);
    if (error == 0)
        pyro_traced_merge(profile);
    if (error == 0)
        pyro_queries_merge(profile);
    if (error == 0)
        pyro_lookups_merge(profile);
    if (error == 0)
        pyro_arguments_merge(profile);
    if (error == 0)
        pyro_line_counts_merge(profile);
    if (error == 0 && profile->source_count > 0)
        qsort(profile->sources, profile->source_count, sizeof(*profile->sources), compare_sources);
    return error;
}

/* -- reading ------------------------------------------------------------------------------------ */

static int tell(const struct pyro_parse *parse, int code, const char *path,
                struct pyro_error *error)
{
    if (code == -EBADMSG)
        return pyro_error_set(error, code, "cannot read '%s': %s", path, parse->problem);
    if (code == -EFBIG)
        return pyro_error_set(error, code, "cannot read '%s': it unfolds into too much", path);
    if (code != -EPROTONOSUPPORT)
        return pyro_error_set(error, code, "cannot read '%s': out of memory", path);
    pyro_error_set(error, -EBADMSG, "cannot read '%s': it was written by a newer pyrometer", path);
    pyro_error_hint(error, "update pyrometer");
    return -EBADMSG;
}

int pyro_profile_read_input(struct pyro_input *input, const char *path,
                            struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_parse parse = {.profile = calloc(1, sizeof(struct pyro_profile))};
    int code = parse.profile ? 0 : -ENOMEM;
    if (code == 0)
        code = pyro_parse_run(&parse, input);
    if (code == 0)
        code = finish(&parse);
    pyro_parse_clear(&parse);
    if (code < 0) {
        pyro_profile_free(parse.profile);
        return input->error < 0 ? pyro_input_tell(input->error, path, error)
                                : tell(&parse, code, path, error);
    }
    *ret_profile = parse.profile;
    return 0;
}

int pyro_profile_parse(const void *data, size_t size, struct pyro_profile **ret_profile,
                       struct pyro_error *error)
{
    struct pyro_input input = pyro_input_over(data, size);
    return pyro_profile_read_input(&input, "recording", ret_profile, error);
}

int pyro_profile_read(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_input input;
    int code = pyro_input_open(&input, path);
    if (code < 0)
        return pyro_input_tell(code, path, error);
    code = pyro_profile_read_input(&input, path, ret_profile, error);
    pyro_input_close(&input);
    return code;
}

void pyro_profile_free(struct pyro_profile *profile)
{
    if (!profile)
        return;
    pyro_strings_free(&profile->strings);
    free(profile->functions);
    free(profile->frames);
    free(profile->stacks);
    free(profile->processes);
    free(profile->threads);
    free(profile->waits);
    free(profile->sources);
    free(profile->calls);
    free(profile->traced);
    free(profile->queries);
    free(profile->lookups);
    free(profile->arguments);
    free(profile->lines);
    free(profile->memory);
    free(profile->moments);
    free(profile->heaps);
    free(profile->sizes);
    free(profile->looks);
    free(profile->probes);
    free(profile->timed_functions);
    free(profile->timed_edges);
    pyro_samples_free(&profile->samples);
    free(profile);
}

/* -- asking ------------------------------------------------------------------------------------- */

const char *pyro_profile_text(const struct pyro_profile *profile, uint32_t string)
{
    return pyro_strings_text(&profile->strings, string);
}

uint32_t pyro_profile_python_below(const struct pyro_profile *profile, uint32_t stack)
{
    while (stack != PYRO_STACK_ROOT &&
           profile->functions[pyro_profile_function_of(profile, stack)].kind == PYRO_FUNCTION_C)
        stack = profile->stacks[stack].parent;
    return stack;
}

const char *pyro_profile_source(const struct pyro_profile *profile, uint32_t file, uint32_t line)
{
    if (profile->source_count == 0)
        return NULL;
    struct pyro_source_line key = {.file = file, .line = line};
    const struct pyro_source_line *found = bsearch(&key, profile->sources, profile->source_count,
                                                   sizeof(*profile->sources), compare_sources);
    return found ? pyro_profile_text(profile, found->text) : NULL;
}
