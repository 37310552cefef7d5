/* formats/import.c - whose file it is, and the reader it is for. */
#include "formats/import.h"

#include "profile/chunk.h"
#include "profile/input.h"
#include "profile/sums.h"

#include <errno.h>
#include <stdlib.h>

enum kind { RECORDING, PROF, LPROF, PPROF, SPEEDSCOPE, COLLAPSED };

/* Each by how it begins; what nobody knows may be a recording. */
static const struct {
    enum kind kind;
    bool (*recognise)(const void *data, size_t size);
} kinds[] = {
    {LPROF, pyro_lprof_recognise},         {PROF, pyro_pstats_recognise},
    {PPROF, pyro_pprof_recognise},         {SPEEDSCOPE, pyro_speedscope_recognise},
    {COLLAPSED, pyro_collapsed_recognise},
};

/* Which kind it is, or what went wrong. */
static int kind_of(struct pyro_input *input)
{
    int code =
        pyro_input_need(input, PYRO_STACKS_HEAD_BYTES + 1); /* one more: that there is more */
    if (code < 0)
        return code;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].recognise(input->bytes.next, pyro_reader_left(&input->bytes)))
            return (int)kinds[i].kind;
    return RECORDING;
}

/* All of INPUT into memory, if it is no larger than a file of KIND may be. */
static int take_whole(struct pyro_input *input, const char *path, const char *kind,
                      uint64_t limit_bytes, struct pyro_error *error)
{
    uint64_t size = pyro_input_left(input);
    if (size > limit_bytes)
        return pyro_error_set(error, -EBADMSG, "cannot read '%s': a %s file has %d MiB at most",
                              path, kind, (int)(limit_bytes >> 20));
    int code = pyro_input_need(input, (size_t)size);
    return code < 0 ? pyro_input_tell(code, path, error) : 0;
}

static int take_prof(struct pyro_input *input, const char *path, struct pyro_prof_file *ret_file,
                     struct pyro_error *error)
{
    int code = take_whole(input, path, ".prof", PYRO_PROF_BYTES_MAX, error);
    if (code == 0)
        *ret_file =
            (struct pyro_prof_file){path, input->bytes.next, pyro_reader_left(&input->bytes)};
    return code;
}

static int import_lprof(struct pyro_input *input, const char *path,
                        struct pyro_profile **ret_profile, struct pyro_error *error)
{
    int code = take_whole(input, path, ".lprof", PYRO_LPROF_BYTES_MAX, error);
    if (code < 0)
        return code;
    return pyro_lprof_read(path, input->bytes.next, pyro_reader_left(&input->bytes), ret_profile,
                           error);
}

static int import_stacks(struct pyro_input *input, enum kind kind, const char *path,
                         struct pyro_profile **ret_profile, struct pyro_error *error)
{
    static const struct {
        const char *name;
        int (*read)(const char *name, const void *data, size_t size,
                    struct pyro_profile **ret_profile, struct pyro_error *error);
    } readers[] = {
        [PPROF] = {"pprof", pyro_pprof_read},
        [SPEEDSCOPE] = {"speedscope", pyro_speedscope_read},
        [COLLAPSED] = {"collapsed", pyro_collapsed_read},
    };
    int code = take_whole(input, path, readers[kind].name, PYRO_STACKS_BYTES_MAX, error);
    if (code < 0)
        return code;
    return readers[kind].read(path, input->bytes.next, pyro_reader_left(&input->bytes), ret_profile,
                              error);
}

/* INPUT is of no kind that is known by how it begins. */
static int import_recording(struct pyro_input *input, const char *path,
                            struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_reader head = input->bytes;
    bool begins_well = pyro_file_take_header(&head) >= 0;
    int code = pyro_profile_read_input(input, path, ret_profile, error);
    if (code == -EBADMSG && !begins_well)
        pyro_error_hint(
            error, "what can be read: .pyro recordings, .prof files of cProfile, and stacks as "
                   "collapsed, speedscope's JSON or pprof (not pictures or pages)");
    if (code < 0 || pyro_sums_make(*ret_profile) == 0)
        return code;
    pyro_profile_free(*ret_profile);
    *ret_profile = NULL;
    return pyro_input_tell(-ENOMEM, path, error);
}

static int refuse_lprof(const char *path, struct pyro_error *error)
{
    pyro_error_set(error, -EBADMSG, "'%s' holds lines of functions, no calls and no samples", path);
    pyro_error_hint(error, "ask it with: pyrometer lines %s", path);
    return -EBADMSG;
}

/* Fill FILES, one for each of PATHS; INPUTS hold their bytes. */
static int take_profs(const char *const *paths, size_t count, struct pyro_input *inputs,
                      struct pyro_prof_file *files, struct pyro_error *error)
{
    for (size_t i = 0; i < count; i++) {
        int code = i ? pyro_input_open(&inputs[i], paths[i]) : 0; /* the first is open */
        int known = code < 0 ? code : kind_of(&inputs[i]);
        if (known < 0)
            return pyro_input_tell(known, paths[i], error);
        if (known != PROF)
            return pyro_error_set(error, -EBADMSG,
                                  "cannot add up '%s': only .prof files can be added", paths[i]);
        code = take_prof(&inputs[i], paths[i], &files[i], error);
        if (code < 0)
            return code;
    }
    return 0;
}

static int import_profs(const char *const *paths, size_t count, struct pyro_input *inputs,
                        struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_prof_file *files = calloc(count, sizeof(*files));
    if (!files)
        return pyro_input_tell(-ENOMEM, paths[0], error);
    int code = take_profs(paths, count, inputs, files, error);
    if (code == 0)
        code = pyro_pstats_read(files, count, ret_profile, error);
    free(files);
    return code;
}

/* What has nothing but these is welcome, too. */
enum { WANTS_LINES = 1, WANTS_LOOKS = 2 };

/* A recording of `run --rss` has nothing but its looks. */
static int check_looks(const char *path, unsigned wants, struct pyro_profile **profile,
                       struct pyro_error *error)
{
    const struct pyro_profile *read = *profile;
    bool alone = read->look_count && !read->samples.count && !read->heaps && !read->call_count;
    if (!alone || wants & WANTS_LOOKS)
        return 0;
    pyro_profile_free(*profile);
    *profile = NULL;
    pyro_error_set(error, -EINVAL, "'%s' holds only what was resident over time", path);
    pyro_error_hint(error, "pyrometer memory shows it");
    return -EINVAL;
}

/* The first of INPUTS is open. */
static int import_opened(const char *const *paths, size_t count, unsigned wants,
                         struct pyro_input *inputs, struct pyro_profile **ret_profile,
                         struct pyro_error *error)
{
    int known = kind_of(&inputs[0]);
    if (known < 0)
        return pyro_input_tell(known, paths[0], error);
    if (known == LPROF)
        return wants & WANTS_LINES ? import_lprof(&inputs[0], paths[0], ret_profile, error)
                                   : refuse_lprof(paths[0], error);
    if (count == 1 && known == RECORDING) {
        int code = import_recording(&inputs[0], paths[0], ret_profile, error);
        return code < 0 ? code : check_looks(paths[0], wants, ret_profile, error);
    }
    if (count == 1 && known != PROF)
        return import_stacks(&inputs[0], (enum kind)known, paths[0], ret_profile, error);
    return import_profs(paths, count, inputs, ret_profile, error);
}

static int import(const char *const *paths, size_t count, unsigned wants,
                  struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct pyro_input *inputs = calloc(count, sizeof(*inputs));
    if (!inputs)
        return pyro_input_tell(-ENOMEM, paths[0], error);
    for (size_t i = 0; i < count; i++)
        inputs[i].fd = -1;
    int code = pyro_input_open(&inputs[0], paths[0]);
    code = code < 0 ? pyro_input_tell(code, paths[0], error)
                    : import_opened(paths, count, wants, inputs, ret_profile, error);
    for (size_t i = 0; i < count; i++)
        pyro_input_close(&inputs[i]);
    free(inputs);
    return code;
}

int pyro_import(const char *const *paths, size_t count, struct pyro_profile **ret_profile,
                struct pyro_error *error)
{
    return import(paths, count, 0, ret_profile, error);
}

int pyro_import_lines(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error)
{
    return import(&path, 1, WANTS_LINES, ret_profile, error);
}

int pyro_import_looks(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error)
{
    return import(&path, 1, WANTS_LOOKS, ret_profile, error);
}

int pyro_import_any(const char *path, struct pyro_profile **ret_profile, struct pyro_error *error)
{
    return import(&path, 1, WANTS_LINES | WANTS_LOOKS, ret_profile, error);
}

struct pyro_profile *pyro_import_profile_new(void)
{
    struct pyro_profile *profile = calloc(1, sizeof(*profile));
    if (!profile)
        return NULL;
    profile->stacks = calloc(1, sizeof(*profile->stacks));
    if (!profile->stacks || pyro_strings_intern(&profile->strings, "", 0) < 0) {
        pyro_profile_free(profile);
        return NULL;
    }
    profile->stack_count = 1;
    profile->complete = true;
    return profile;
}
