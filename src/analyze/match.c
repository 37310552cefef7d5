/* analyze/match.c - functions in groups of one name and file; groups paired by keys, from the strictest key on. */
#include "analyze/match.h"

#include "base/buffer.h"
#include "base/grow.h"
#include "profile/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOLDERS_MAX 8 /* how many components of a path are looked at */

/* -- groups ------------------------------------------------------------------------------------- */

/* Functions of one side that have kind, name and file in common. */
struct group {
    uint32_t first; /* its first function, by line; in functions[] below */
    uint32_t count;
    uint32_t partner; /* a group of the other side; PYRO_NO_ID: none yet */
};

struct groups {
    const struct pyro_match_side *side;
    bool bare;           /* names are compared without what qualifies them */
    uint32_t *functions; /* sorted, so that a group is a stretch */
    size_t function_count;
    struct group *items;
    size_t count;
};

static bool is_python(const struct pyro_function *function)
{
    return function->kind == PYRO_FUNCTION_PYTHON;
}

static const char *name_of(const struct groups *groups, const struct pyro_function *function)
{
    const char *name = pyro_profile_text(groups->side->profile, function->name);
    const char *dot = groups->bare && is_python(function) ? strrchr(name, '.') : NULL;
    return dot && dot[1] ? dot + 1 : name;
}

static int compare_ids(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_names(const struct groups *groups, uint32_t x, uint32_t y)
{
    const struct pyro_function *functions = groups->side->profile->functions;
    const struct pyro_function *a = &functions[x], *b = &functions[y];
    int result = compare_ids(a->kind, b->kind);
    if (result == 0)
        result = compare_ids(a->file, b->file);
    return result ? result : strcmp(name_of(groups, a), name_of(groups, b));
}

static int compare_members(const void *left, const void *right, void *data)
{
    const struct groups *groups = data;
    const struct pyro_function *functions = groups->side->profile->functions;
    uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;
    int result = compare_names(groups, x, y);
    if (result == 0)
        result = compare_ids(functions[x].first_line, functions[y].first_line);
    return result ? result : compare_ids(x, y);
}

/* Python has qualified names from 3.11 on; before, and in a .prof file of cProfile, all are bare. */
static bool has_qualified(const struct pyro_match_side *side)
{
    for (size_t i = 0; i < side->profile->function_count; i++) {
        const struct pyro_function *function = &side->profile->functions[i];
        if (is_python(function) && strchr(pyro_profile_text(side->profile, function->name), '.'))
            return true;
    }
    return false;
}

static int groups_make(struct groups *groups, const struct pyro_match_side *side, bool bare)
{
    const struct pyro_profile *profile = side->profile;
    *groups = (struct groups){
        .side = side,
        .bare = bare,
        .functions = calloc(profile->function_count + 1, sizeof(*groups->functions)),
        .items = calloc(profile->function_count + 1, sizeof(*groups->items)),
    };
    if (!groups->functions || !groups->items)
        return -ENOMEM;
    for (uint32_t i = 0; i < profile->function_count; i++)
        if (side->wanted[i])
            groups->functions[groups->function_count++] = i;
    qsort_r(groups->functions, groups->function_count, sizeof(*groups->functions), compare_members,
            groups);
    for (uint32_t i = 0; i < groups->function_count; i++) {
        bool begins =
            i == 0 || compare_names(groups, groups->functions[i - 1], groups->functions[i]) != 0;
        if (begins)
            groups->items[groups->count++] = (struct group){.first = i, .partner = PYRO_NO_ID};
        groups->items[groups->count - 1].count++;
    }
    return 0;
}

static void groups_clear(struct groups *groups)
{
    free(groups->functions);
    free(groups->items);
}

/* -- keys --------------------------------------------------------------------------------------- */

enum step {
    STEP_PATH,    /* the whole path */
    STEP_SHORT,   /* below what is known to be a root */
    STEP_FOLDERS, /* its last FOLDERS_MAX components; the next step is one less, to 1 */
    STEP_SCRIPT = STEP_FOLDERS + FOLDERS_MAX,
    STEP_COUNT,
};

/* The last COUNT components of PATH. "__init__.py" alone says nothing. */
static const char *last_components(const char *path, int count)
{
    const char *at = path + strlen(path);
    if (count == 1)
        return pyro_path_basename(path);
    for (int i = 0; i < count && at; i++)
        at = memrchr(path, '/', (size_t)(at - path));
    return at ? at + 1 : path;
}

/* Modules that newer Pythons have frozen are files for older ones: "<frozen os>" is os.py. */
static void put_file(struct pyro_buffer *key, const char *path)
{
    static const char frozen[] = "<frozen ";
    size_t prefix = sizeof(frozen) - 1, length = strlen(path);
    if (strncmp(path, frozen, prefix) != 0 || length < prefix + 2 || path[length - 1] != '>') {
        pyro_buffer_put(key, path, length);
        return;
    }
    for (const char *at = path + prefix; at < path + length - 1; at++)
        pyro_buffer_put_u8(key, (uint8_t)(*at == '.' ? '/' : *at));
    pyro_buffer_put(key, ".py", 3);
}

/* What stands for the file of FUNCTION at STEP; false: it takes no part. */
static bool put_place(struct pyro_buffer *key, const struct pyro_match_side *side,
                      const struct pyro_function *function, int step)
{
    const char *path = pyro_profile_text(side->profile, function->file);
    if (!is_python(function))
        return step == STEP_PATH; /* its name is all there is */
    if (step == STEP_SCRIPT)
        return function->file == side->script;
    if (step == STEP_PATH) {
        pyro_buffer_puts(key, path);
        return true;
    }
    if (step == STEP_SHORT) {
        put_file(key, pyro_path_short(path, side->profile->info.directory));
        return true;
    }
    int components = FOLDERS_MAX - (step - STEP_FOLDERS);
    if (components == 1 && pyro_path_is_library(path)) /* all of them have a utils.py */
        return false;
    pyro_buffer_puts(key, last_components(path, components));
    return true;
}

/* Who has a key, on each side: the last of COUNT groups. */
struct holders {
    uint32_t group[PYRO_SIDES], count[PYRO_SIDES];
};

struct keys {
    struct pyro_strings strings;
    struct holders *holders; /* by string */
    size_t count, capacity;
    struct pyro_buffer text;
};

static int add_key(struct keys *keys, const struct groups *groups, uint32_t group, int which,
                   int step)
{
    const struct pyro_profile *profile = groups->side->profile;
    const struct pyro_function *function =
        &profile->functions[groups->functions[groups->items[group].first]];
    const char *name = name_of(groups, function);
    keys->text.size = 0;
    pyro_buffer_put_u8(&keys->text, (uint8_t)('0' + function->kind));
    pyro_buffer_put(&keys->text, name, strlen(name) + 1);
    if (!put_place(&keys->text, groups->side, function, step))
        return 0;
    int64_t id =
        keys->text.failed
            ? -ENOMEM
            : pyro_strings_intern(&keys->strings, (const char *)keys->text.data, keys->text.size);
    if (id < 0)
        return -ENOMEM;
    while ((int64_t)keys->count <= id) {
        if (pyro_grow(&keys->holders, keys->count, &keys->capacity, sizeof(*keys->holders)) < 0)
            return -ENOMEM;
        keys->holders[keys->count++] = (struct holders){0};
    }
    keys->holders[id].group[which] = group;
    keys->holders[id].count[which]++;
    return 0;
}

static void pair_holders(const struct keys *keys, struct groups sides[PYRO_SIDES])
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct holders *holders = &keys->holders[i];
        if (holders->count[PYRO_BEFORE] != 1 || holders->count[PYRO_AFTER] != 1)
            continue;
        sides[PYRO_BEFORE].items[holders->group[PYRO_BEFORE]].partner = holders->group[PYRO_AFTER];
        sides[PYRO_AFTER].items[holders->group[PYRO_AFTER]].partner = holders->group[PYRO_BEFORE];
    }
}

static int pair_groups(struct groups sides[PYRO_SIDES], int step)
{
    struct keys keys = {0};
    int result = 0;
    for (int which = 0; which < PYRO_SIDES; which++)
        for (uint32_t i = 0; result == 0 && i < sides[which].count; i++)
            if (sides[which].items[i].partner == PYRO_NO_ID)
                result = add_key(&keys, &sides[which], i, which, step);
    if (result == 0)
        pair_holders(&keys, sides);
    pyro_strings_free(&keys.strings);
    pyro_buffer_free(&keys.text);
    free(keys.holders);
    return result;
}

/* -- rows --------------------------------------------------------------------------------------- */

/* COUNT functions of each side from those at AT on; AT is NULL where a side has none. */
static int add_row(struct pyro_match *match, const uint32_t *const at[PYRO_SIDES],
                   const uint32_t count[PYRO_SIDES])
{
    if (pyro_grow(&match->rows, match->count, &match->capacity, sizeof(*match->rows)) < 0)
        return -ENOMEM;
    struct pyro_match_row *row = &match->rows[match->count];
    for (int which = 0; which < PYRO_SIDES; which++) {
        row->function[which] = at[which] ? at[which][0] : PYRO_NO_ID;
        row->count[which] = at[which] ? count[which] : 0;
        for (uint32_t i = 0; i < row->count[which]; i++)
            match->row_of[which][at[which][i]] = (uint32_t)match->count;
    }
    match->count++;
    return 0;
}

static int add_pair(struct pyro_match *match, const struct groups sides[PYRO_SIDES],
                    const struct group *before, const struct group *after)
{
    const uint32_t *at[PYRO_SIDES] = {
        before ? &sides[PYRO_BEFORE].functions[before->first] : NULL,
        after ? &sides[PYRO_AFTER].functions[after->first] : NULL,
    };
    uint32_t count[PYRO_SIDES] = {before ? before->count : 0, after ? after->count : 0};
    if (before && after && before->count != after->count)
        return add_row(match, at, count);
    uint32_t each = before ? before->count : after->count;
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < each; i++) {
        const uint32_t *one[PYRO_SIDES] = {at[0] ? at[0] + i : NULL, at[1] ? at[1] + i : NULL};
        result = add_row(match, one, (const uint32_t[PYRO_SIDES]){1, 1});
    }
    return result;
}

static int add_rows(struct pyro_match *match, const struct groups sides[PYRO_SIDES])
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < sides[PYRO_BEFORE].count; i++) {
        const struct group *before = &sides[PYRO_BEFORE].items[i];
        const struct group *after =
            before->partner == PYRO_NO_ID ? NULL : &sides[PYRO_AFTER].items[before->partner];
        result = add_pair(match, sides, before, after);
    }
    for (size_t i = 0; result == 0 && i < sides[PYRO_AFTER].count; i++)
        if (sides[PYRO_AFTER].items[i].partner == PYRO_NO_ID)
            result = add_pair(match, sides, NULL, &sides[PYRO_AFTER].items[i]);
    return result;
}

static int make_row_of(struct pyro_match *match, const struct pyro_match_side sides[PYRO_SIDES])
{
    for (int which = 0; which < PYRO_SIDES; which++) {
        size_t size = (sides[which].profile->function_count + 1) * sizeof(uint32_t);
        match->row_of[which] = malloc(size);
        if (!match->row_of[which])
            return -ENOMEM;
        memset(match->row_of[which], 0xff, size); /* PYRO_NO_ID */
    }
    return 0;
}

int pyro_match_make(struct pyro_match *match, const struct pyro_match_side sides[PYRO_SIDES])
{
    struct groups groups[PYRO_SIDES] = {{0}};
    bool bare = has_qualified(&sides[PYRO_BEFORE]) != has_qualified(&sides[PYRO_AFTER]);
    *match = (struct pyro_match){0};
    int result = make_row_of(match, sides);
    for (int which = 0; result == 0 && which < PYRO_SIDES; which++)
        result = groups_make(&groups[which], &sides[which], bare);
    for (int step = 0; result == 0 && step < STEP_COUNT; step++)
        result = pair_groups(groups, step);
    if (result == 0)
        result = add_rows(match, groups);
    for (int which = 0; which < PYRO_SIDES; which++)
        groups_clear(&groups[which]);
    if (result < 0)
        pyro_match_clear(match);
    return result;
}

void pyro_match_clear(struct pyro_match *match)
{
    free(match->rows);
    for (int which = 0; which < PYRO_SIDES; which++)
        free(match->row_of[which]);
    *match = (struct pyro_match){0};
}
