/* top/tally.c - rows found by name, file, line and kind. */
#include "top/tally.h"

#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t intern(struct pyro_tally *tally, const struct pyro_profile *profile, uint32_t string)
{
    return pyro_strings_intern(&tally->names->strings, pyro_profile_text(profile, string),
                               pyro_strings_length(&profile->strings, string));
}

static int add_row(struct pyro_tally *tally, const struct pyro_function *function)
{
    struct pyro_profile *names = tally->names;
    int error = pyro_grow(&names->functions, names->function_count, &tally->function_capacity,
                          sizeof(*names->functions));
    if (error == 0)
        error = pyro_grow(&tally->rows, tally->count, &tally->capacity, sizeof(*tally->rows));
    if (error < 0)
        return error;
    names->functions[names->function_count++] = *function;
    tally->rows[tally->count] = (struct pyro_tally_row){.function = (uint32_t)tally->count};
    tally->count++;
    return 0;
}

/* The row of FUNCTION of PROFILE at LINE, made when new; NULL: out of memory. */
static struct pyro_tally_row *row_of(struct pyro_tally *tally, const struct pyro_profile *profile,
                                     uint32_t function, uint32_t line)
{
    if (!tally->names)
        tally->names = calloc(1, sizeof(*tally->names));
    if (!tally->names)
        return NULL;
    const struct pyro_function *from = &profile->functions[function];
    int64_t name = intern(tally, profile, from->name), file = intern(tally, profile, from->file);
    if (name < 0 || file < 0)
        return NULL;
    const struct pyro_function key = {(uint32_t)name, (uint32_t)file, line, from->kind};
    bool is_new;
    uint64_t *id = pyro_map_insert(&tally->ids, (uint64_t)key.name << 32 | key.file,
                                   (uint64_t)line << 8 | (uint64_t)key.kind, &is_new);
    if (!id)
        return NULL;
    if (is_new) {
        *id = tally->count;
        if (add_row(tally, &key) < 0)
            return NULL;
    }
    return *id < tally->count ? &tally->rows[*id] : NULL;
}

static void add_times(struct pyro_times *sum, struct pyro_times more)
{
    sum->own_s += more.own_s;
    sum->total_s += more.total_s;
}

int pyro_tally_add(struct pyro_tally *tally, const struct pyro_profile *profile, uint32_t function,
                   uint32_t line, enum pyro_tally_field field, struct pyro_times times)
{
    struct pyro_tally_row *row = row_of(tally, profile, function, line);
    if (!row)
        return -ENOMEM;
    struct pyro_times *const sums[] = {[PYRO_TALLY_NOW] = &row->now,
                                       [PYRO_TALLY_ENDED] = &row->ended,
                                       [PYRO_TALLY_GROWING] = &row->all};
    add_times(sums[field], times);
    return 0;
}

/* -- staying small ------------------------------------------------------------------------------ */

static int most_time_first(const void *left, const void *right)
{
    const struct pyro_tally_row *a = left, *b = right;
    if (a->ended.total_s != b->ended.total_s)
        return a->ended.total_s < b->ended.total_s ? 1 : -1;
    return (a->function > b->function) - (a->function < b->function);
}

/* Half of the rows are made anew, so that the texts of the others go, too. */
static int drop_rows(struct pyro_tally *tally)
{
    struct pyro_tally kept = {.dropped = tally->dropped, .dropped_s = tally->dropped_s};
    qsort(tally->rows, tally->count, sizeof(*tally->rows), most_time_first);
    for (size_t i = 0; i < tally->count; i++) {
        const struct pyro_tally_row *row = &tally->rows[i];
        if (i >= PYRO_TALLY_MAX / 2) {
            kept.dropped++;
            kept.dropped_s += row->ended.own_s;
            continue;
        }
        uint32_t line = tally->names->functions[row->function].first_line;
        struct pyro_tally_row *copy = row_of(&kept, tally->names, row->function, line);
        if (!copy) {
            pyro_tally_clear(&kept);
            return -ENOMEM;
        }
        copy->now = row->now;
        copy->before = row->before;
        copy->ended = row->ended;
        copy->all = row->all;
    }
    pyro_tally_clear(tally);
    *tally = kept;
    return 0;
}

int pyro_tally_trim(struct pyro_tally *tally)
{
    return tally->count > PYRO_TALLY_MAX ? drop_rows(tally) : 0;
}

void pyro_tally_begin(struct pyro_tally *tally)
{
    for (size_t i = 0; i < tally->count; i++) {
        struct pyro_tally_row *row = &tally->rows[i];
        row->before = row->now;
        row->now = (struct pyro_times){0};
        row->all = row->ended;
    }
}

void pyro_tally_clear(struct pyro_tally *tally)
{
    pyro_profile_free(tally->names);
    free(tally->rows);
    pyro_map_free(&tally->ids);
    *tally = (struct pyro_tally){0};
}
