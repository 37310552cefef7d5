/* analyze/share.c - which functions a name means; then a bit for each item on every stack it stands in. */
#include "analyze/share.h"

#include "base/edit_distance.h"
#include "profile/paths.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 1024 /* what is longer is never meant */

/* -- names -------------------------------------------------------------------------------------- */

/* "shop.orm" of "shop/orm.py", "json" of "json/__init__.py". */
static void module_of(const struct pyro_profile *profile, const struct pyro_function *function,
                      char *module)
{
    static const char frozen[] = "<frozen ";
    const char *path = pyro_profile_text(profile, function->file);
    const char *place = pyro_path_short(path, profile->info.directory);
    if (strncmp(place, frozen, strlen(frozen)) == 0)
        place += strlen(frozen);
    while (*place == '/' || strncmp(place, "./", 2) == 0)
        place++;
    snprintf(module, NAME_BYTES, "%s", place);
    size_t length = strlen(module);
    if (length && module[length - 1] == '>')
        module[--length] = '\0';
    if (length > 3 && strcmp(module + length - 3, ".py") == 0)
        module[length -= 3] = '\0';
    if (length > 9 && strcmp(module + length - 9, "/__init__") == 0)
        module[length - 9] = '\0';
    for (char *slash = module; (slash = strchr(slash, '/'));)
        *slash = '.';
}

/* "sqlite3.Cursor.execute" of "{method 'execute' of 'sqlite3.Cursor' objects}", "time.sleep" of "{built-in method
 * time.sleep}"; others as they are. */
static void c_name(const char *text, char *name)
{
    static const char built_in[] = "{built-in method ";
    char method[NAME_BYTES / 2], type[NAME_BYTES / 2 - 2];
    size_t length = strlen(text);
    if (sscanf(text, "{method '%511[^']' of '%509[^']' objects}", method, type) == 2)
        snprintf(name, NAME_BYTES, "%s.%s", type, method);
    else if (length > strlen(built_in) && strncmp(text, built_in, strlen(built_in)) == 0)
        snprintf(name, NAME_BYTES, "%.*s", (int)(length - strlen(built_in) - 1),
                 text + strlen(built_in));
    else
        snprintf(name, NAME_BYTES, "%s", text);
}

/* With its module before it: "shop.orm.Query.get". */
static void full_name(const struct pyro_profile *profile, const struct pyro_function *function,
                      char *name)
{
    const char *text = pyro_profile_text(profile, function->name);
    char module[NAME_BYTES];
    if (function->kind != PYRO_FUNCTION_PYTHON) {
        c_name(text, name);
        return;
    }
    module_of(profile, function, module);
    size_t length = strlen(module);
    snprintf(name, NAME_BYTES, "%s", module);
    if (length < NAME_BYTES)
        snprintf(name + length, NAME_BYTES - length, "%s%s", length ? "." : "", text);
}

/* TEXT is NAME, or ends with it behind a SEPARATOR. */
static bool ends_with(const char *text, const char *name, char separator)
{
    size_t length = strlen(text), name_length = strlen(name);
    if (length < name_length || strcmp(text + length - name_length, name) != 0)
        return false;
    return length == name_length || text[length - name_length - 1] == separator;
}

/* TEXT is NAME, or begins with it before a dot. */
static bool begins_with(const char *text, const char *name)
{
    size_t length = strlen(name);
    return strncmp(text, name, length) == 0 && (!text[length] || text[length] == '.');
}

/* What the user typed, in the forms it is looked for. */
struct wanted {
    const char *name;
    char dotted[NAME_BYTES]; /* as a package: slashes are dots */
};

static void wanted_init(struct wanted *wanted, const char *name)
{
    size_t length;
    wanted->name = strncmp(name, "./", 2) == 0 ? name + 2 : name;
    snprintf(wanted->dotted, sizeof(wanted->dotted), "%s", wanted->name);
    length = strlen(wanted->dotted);
    while (length && wanted->dotted[length - 1] == '/')
        wanted->dotted[--length] = '\0';
    for (char *slash = wanted->dotted; (slash = strchr(slash, '/'));)
        *slash = '.';
}

static bool is_function(const struct wanted *wanted, const struct pyro_profile *profile,
                        const struct pyro_function *function)
{
    char full[NAME_BYTES];
    full_name(profile, function, full);
    return ends_with(full, wanted->name, '.') ||
           strcmp(pyro_profile_text(profile, function->name), wanted->name) == 0;
}

static bool is_in_file(const struct wanted *wanted, const struct pyro_profile *profile,
                       const struct pyro_function *function)
{
    return function->kind == PYRO_FUNCTION_PYTHON &&
           ends_with(pyro_profile_text(profile, function->file), wanted->name, '/');
}

/* The C functions of a module are in its package too: "sqlite3". */
static bool is_in_package(const struct wanted *wanted, const struct pyro_profile *profile,
                          const struct pyro_function *function)
{
    char name[NAME_BYTES];
    if (function->kind == PYRO_FUNCTION_SPECIAL || !*wanted->dotted)
        return false;
    if (function->kind == PYRO_FUNCTION_PYTHON) {
        module_of(profile, function, name);
        return begins_with(name, wanted->dotted);
    }
    full_name(profile, function, name);
    return begins_with(name, wanted->dotted) && name[strlen(wanted->dotted)] == '.';
}

/* Somewhere in the path, where no root is known below which it would begin the module's name. */
static bool is_in_folder(const struct wanted *wanted, const struct pyro_profile *profile,
                         const struct pyro_function *function)
{
    char module[NAME_BYTES];
    size_t length = strlen(wanted->dotted);
    if (function->kind != PYRO_FUNCTION_PYTHON || !length)
        return false;
    module_of(profile, function, module);
    for (const char *at = module; (at = strstr(at, wanted->dotted)); at++)
        if ((at == module || at[-1] == '.') && (!at[length] || at[length] == '.'))
            return true;
    return false;
}

/* -- items -------------------------------------------------------------------------------------- */

struct job {
    const struct pyro_profile *profile;
    struct pyro_shares *shares;
    uint64_t *of_function; /* [function_count] bit I: it belongs to item I */
    uint64_t *of_stack;    /* [stack_count] and so do those it stands on */
};

/* One more item, of all functions that IS lets through; none, if there are none. */
static void add_item(struct job *job, const struct wanted *wanted, enum pyro_share_kind kind,
                     bool (*is)(const struct wanted *, const struct pyro_profile *,
                                const struct pyro_function *))
{
    const struct pyro_stats *stats = job->shares->stats;
    size_t at = job->shares->count;
    struct pyro_share item = {.kind = kind, .function = PYRO_NO_ID, .ncalls = PYRO_NO_CALLS};
    for (size_t i = 0; i < stats->row_count; i++) {
        uint32_t id = stats->rows[i].function;
        const struct pyro_function *function = &job->profile->functions[id];
        if (!is(wanted, job->profile, function))
            continue;
        job->of_function[id] |= UINT64_C(1) << at;
        if (item.functions++ == 0)
            item.file = function->file;
        else if (item.file != function->file)
            item.file = PYRO_NO_ID;
    }
    if (item.functions)
        job->shares->items[job->shares->count++] = item;
}

/* The rows are sorted by time, so the largest come first. */
static void add_functions(struct job *job, const struct wanted *wanted)
{
    struct pyro_shares *shares = job->shares;
    for (size_t i = 0; i < shares->stats->row_count; i++) {
        uint32_t id = shares->stats->rows[i].function;
        const struct pyro_function *function = &job->profile->functions[id];
        if (!is_function(wanted, job->profile, function))
            continue;
        if (shares->count == PYRO_SHARE_ITEMS) {
            shares->more++;
            continue;
        }
        job->of_function[id] |= UINT64_C(1) << shares->count;
        shares->items[shares->count++] = (struct pyro_share){.kind = PYRO_SHARE_FUNCTION,
                                                             .function = id,
                                                             .file = function->file,
                                                             .functions = 1,
                                                             .ncalls = PYRO_NO_CALLS};
    }
    if (shares->count > 1)
        add_item(job, wanted, PYRO_SHARE_FUNCTIONS, is_function);
}

/* -- times -------------------------------------------------------------------------------------- */

static void mark_stacks(struct job *job)
{
    const struct pyro_profile *profile = job->profile;
    for (uint32_t i = 1; i < profile->stack_count; i++)
        job->of_stack[i] = job->of_stack[profile->stacks[i].parent] |
                           job->of_function[pyro_profile_function_of(profile, i)];
}

/* Where a stack enters an item, all that is above it is the item's. */
static void add_times(struct job *job, const struct pyro_totals *totals)
{
    const struct pyro_profile *profile = job->profile;
    double squares_us2[PYRO_SHARE_ITEMS + 3] = {0};
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        const struct pyro_stack_total *stack = &totals->stacks[i];
        uint64_t entered = job->of_stack[i] & ~job->of_stack[profile->stacks[i].parent];
        uint64_t own = job->of_function[pyro_profile_function_of(profile, i)];
        for (size_t item = 0; (entered | own) && item < job->shares->count; item++) {
            struct pyro_share *share = &job->shares->items[item];
            if (own >> item & 1)
                share->self_s += stack->self_us / 1e6;
            if (!(entered >> item & 1))
                continue;
            share->time_s += stack->tree_us / 1e6;
            share->samples += totals->traced ? 0 : stack->tree_samples;
            squares_us2[item] += stack->tree_squares_us2;
        }
    }
    for (size_t item = 0; item < job->shares->count; item++) {
        struct pyro_share *share = &job->shares->items[item];
        double error_us =
            pyro_totals_error_us(share->time_s * 1e6, squares_us2[item], totals->counted_us);
        share->sigma_s = totals->traced ? 0 : error_us / 1e6;
    }
}

/* What samples tell of each item: in which state, and when any thread was in it. */
struct seen {
    double all_s, waiting_s, computing_s, any_s;
    double sweep_s; /* in the sweep that is looked at */
};

static void end_sweep(struct seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        seen[i].any_s += seen[i].sweep_s;
        seen[i].sweep_s = 0;
    }
}

static void see_sample(const struct job *job, const struct pyro_clock_view *view, size_t sample,
                       double weight_s, struct seen *seen)
{
    uint64_t in = job->of_stack[pyro_sample_stack(job->profile, sample)];
    bool waits = in && *pyro_clock_wait_category(view, sample);
    bool runs = !waits && pyro_sample_state(job->profile, sample) == PYRO_STATE_RUNNING;
    for (size_t i = 0; in && i < job->shares->count; i++) {
        if (!(in >> i & 1))
            continue;
        seen[i].all_s += weight_s;
        seen[i].waiting_s += waits ? weight_s : 0;
        seen[i].computing_s += runs ? weight_s : 0;
        if (weight_s > seen[i].sweep_s)
            seen[i].sweep_s = weight_s;
    }
}

static int see_samples(const struct job *job, const struct pyro_clock_view *view, struct seen *seen)
{
    const struct pyro_profile *profile = job->profile;
    const bool tells_when =
        pyro_profile_tells_when(profile); /* else none is known to be beside another */
    float *left = NULL;
    uint32_t sweep = 0;
    int result = pyro_totals_left(view, &left);
    for (size_t i = 0; result == 0 && i < profile->samples.count; i++) {
        if (!pyro_clock_counts(view, i))
            continue;
        double weight_s = (double)pyro_sample_weight_us(profile, i) / 1e6;
        if (left)
            weight_s *= (double)left[pyro_sample_stack(profile, i)];
        if (!tells_when || pyro_sample_at(profile, i)->sweep != sweep)
            end_sweep(seen, job->shares->count);
        sweep = pyro_sample_at(profile, i)->sweep;
        see_sample(job, view, i, weight_s, seen);
    }
    end_sweep(seen, job->shares->count);
    free(left);
    return result;
}

/* Parts of the time; where it was traced, by what the samples beside it say. */
static void take_seen(struct job *job, const struct seen *seen)
{
    for (size_t i = 0; i < job->shares->count; i++) {
        struct pyro_share *share = &job->shares->items[i];
        bool any = seen[i].all_s > 0, told = any && !job->profile->stateless;
        share->computing_s = told ? share->time_s * seen[i].computing_s / seen[i].all_s : NAN;
        share->waiting_s = told ? share->time_s * seen[i].waiting_s / seen[i].all_s : NAN;
        share->saves_s = any ? share->time_s * seen[i].any_s / seen[i].all_s : share->time_s;
        share->saves_s = fmin(share->saves_s, job->shares->duration_s);
    }
}

static int add_sampled(struct job *job)
{
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    struct seen seen[PYRO_SHARE_ITEMS + 3] = {{0}};
    int result = pyro_clock_view_init(&view, job->profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    if (result == 0) {
        mark_stacks(job);
        add_times(job, &totals);
        result = see_samples(job, &view, seen);
    }
    if (result == 0)
        take_seen(job, seen);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result;
}

/* Without stacks: a function's own figure; of a file or package what its functions took when called from outside. */
static void add_timed(struct job *job)
{
    const struct pyro_stats *stats = job->shares->stats;
    for (size_t item = 0; item < job->shares->count; item++) {
        struct pyro_share *share = &job->shares->items[item];
        bool one = share->kind == PYRO_SHARE_FUNCTION;
        for (size_t i = 0; i < stats->row_count; i++) {
            const struct pyro_stats_row *row = &stats->rows[i];
            size_t callers;
            if (!(job->of_function[row->function] >> item & 1))
                continue;
            pyro_stats_callers(stats, row->function, &callers);
            share->self_s += row->tottime_s;
            share->samples += row->samples_total;
            if (one || !callers)
                share->time_s += row->cumtime_s;
        }
        for (size_t i = 0; !one && i < stats->edge_count; i++) {
            const struct pyro_stats_edge *edge = &stats->edges[i];
            bool inside = edge->caller != PYRO_NO_ID && job->of_function[edge->caller] >> item & 1;
            if (!inside && job->of_function[edge->callee] >> item & 1 && !isnan(edge->time_s))
                share->time_s += edge->time_s;
        }
        share->time_s = fmin(share->time_s, job->shares->total_s);
        share->saves_s = share->time_s;
        share->computing_s = share->waiting_s = NAN;
        share->sigma_s = share->samples ? share->time_s / sqrt((double)share->samples) : 0;
    }
    job->shares->at_most = true;
}

/* -- calls -------------------------------------------------------------------------------------- */

static void count_calls(struct job *job)
{
    const struct pyro_stats *stats = job->shares->stats;
    for (size_t i = 0; i < stats->edge_count; i++) {
        const struct pyro_stats_edge *edge = &stats->edges[i];
        uint64_t outside =
            edge->caller == PYRO_NO_ID ? UINT64_MAX : ~job->of_function[edge->caller];
        uint64_t into = job->of_function[edge->callee] & outside;
        for (size_t item = 0; into && item < job->shares->count; item++) {
            uint64_t *ncalls = &job->shares->items[item].ncalls;
            if (!(into >> item & 1) || edge->ncalls == PYRO_NO_CALLS)
                continue;
            *ncalls = *ncalls == PYRO_NO_CALLS ? edge->ncalls : *ncalls + edge->ncalls;
        }
    }
    for (size_t i = 0; i < stats->row_count; i++) /* recursion is a call, too */
        for (size_t item = 0; item < job->shares->count; item++)
            if (job->shares->items[item].function == stats->rows[i].function)
                job->shares->items[item].ncalls = stats->rows[i].ncalls;
}

/* -- all of it ---------------------------------------------------------------------------------- */

static int fill(struct job *job, const char *name)
{
    struct wanted wanted;
    const struct pyro_profile *profile = job->profile;
    job->of_function = calloc(profile->function_count + 1, sizeof(*job->of_function));
    job->of_stack = calloc(profile->stack_count + 1, sizeof(*job->of_stack));
    if (!job->of_function || !job->of_stack)
        return -ENOMEM;
    job->shares->total_s = job->shares->stats->total_s;
    job->shares->duration_s =
        profile->timed ? job->shares->total_s : job->shares->stats->duration_s;
    wanted_init(&wanted, name);
    add_functions(job, &wanted);
    add_item(job, &wanted, PYRO_SHARE_FILE, is_in_file);
    size_t before = job->shares->count;
    add_item(job, &wanted, PYRO_SHARE_PACKAGE, is_in_package);
    if (job->shares->count == before)
        add_item(job, &wanted, PYRO_SHARE_PACKAGE, is_in_folder);
    count_calls(job);
    if (profile->timed) {
        add_timed(job);
        return 0;
    }
    return add_sampled(job);
}

int pyro_shares_make(const struct pyro_profile *profile, const char *name,
                     struct pyro_shares **ret_shares, struct pyro_error *error)
{
    const struct pyro_stats_options options = {.thread = PYRO_NO_ID};
    struct job job = {.profile = profile, .shares = calloc(1, sizeof(*job.shares))};
    if (!job.shares)
        return pyro_error_set(error, -ENOMEM, "no memory");
    int result = pyro_stats_make(profile, &options, &job.shares->stats, error);
    if (result == 0) {
        result = fill(&job, name);
        if (result < 0)
            pyro_error_set(error, result, "cannot add up the samples: %s", strerror(-result));
    }
    free(job.of_function);
    free(job.of_stack);
    if (result < 0)
        pyro_shares_free(job.shares);
    else
        *ret_shares = job.shares;
    return result;
}

void pyro_shares_free(struct pyro_shares *shares)
{
    if (!shares)
        return;
    pyro_stats_free(shares->stats);
    free(shares);
}

/* -- nearest names ------------------------------------------------------------------------------ */

struct near {
    unsigned distance;
    char name[128];
};

static bool holds(const char *text, const char *part)
{
    return strlen(part) >= 3 && strcasestr(text, part);
}

/* In small letters, and of a file without its suffix. */
static void simplify(char *simple, size_t size, const char *name)
{
    snprintf(simple, size, "%s", name);
    size_t length = strlen(simple);
    if (length > 3 && strcmp(simple + length - 3, ".py") == 0)
        simple[length - 3] = '\0';
    for (char *at = simple; *at; at++)
        *at = (char)tolower((unsigned char)*at);
}

/* Keep CANDIDATE where it is nearer than what is there. */
static void consider(struct near best[PYRO_SHARE_NEAREST], const char *candidate, const char *name)
{
    char simple[128], simple_name[128];
    simplify(simple, sizeof(simple), candidate);
    simplify(simple_name, sizeof(simple_name), name);
    unsigned distance = pyro_edit_distance(simple, simple_name);
    if (holds(candidate, name) && distance > 1)
        distance = 1;
    if (distance > 2 && distance > strlen(name) / 3)
        return;
    for (size_t i = 0; i < PYRO_SHARE_NEAREST; i++)
        if (best[i].name[0] && strcmp(best[i].name, candidate) == 0)
            return;
    for (size_t i = 0; i < PYRO_SHARE_NEAREST; i++) {
        if (best[i].name[0] && best[i].distance <= distance)
            continue;
        memmove(&best[i + 1], &best[i], (PYRO_SHARE_NEAREST - 1 - i) * sizeof(*best));
        best[i].distance = distance;
        snprintf(best[i].name, sizeof(best[i].name), "%s", candidate);
        return;
    }
}

size_t pyro_share_nearest(const struct pyro_profile *profile, const char *name,
                          char near[PYRO_SHARE_NEAREST][128])
{
    struct near best[PYRO_SHARE_NEAREST] = {{0}};
    size_t count = 0;
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct pyro_function *function = &profile->functions[i];
        char full[NAME_BYTES];
        if (function->kind == PYRO_FUNCTION_SPECIAL)
            continue;
        full_name(profile, function, full);
        const char *dot = strrchr(full, '.');
        consider(best, dot && dot[1] ? dot + 1 : full, name);
        if (function->kind != PYRO_FUNCTION_PYTHON)
            continue;
        consider(best, pyro_profile_text(profile, function->name), name);
        consider(best, pyro_path_basename(pyro_profile_text(profile, function->file)), name);
        full[strcspn(full, ".")] = '\0';
        consider(best, full, name);
    }
    for (; count < PYRO_SHARE_NEAREST && best[count].name[0]; count++)
        memcpy(near[count], best[count].name, sizeof(near[count]));
    return count;
}
