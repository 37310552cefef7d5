/* view/compare.c - the baseline of a page: its tree, told in the page's functions, and what moved. */
#include "analyze/diff.h"
#include "view/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- which function of the page is one of the baseline ----------------------------------------------- */

struct joiner {
    struct pyro_page_data *data;
    const struct pyro_profile *baseline;
    uint32_t *numbers; /* [function_count of the baseline]; PYRO_NO_ID: not known yet */
};

static void take_matches(const struct joiner *joiner, const struct pyro_diff *diff)
{
    for (size_t i = 0; i < diff->row_count; i++) {
        const uint32_t *functions = diff->rows[i].match.function;
        if (functions[PYRO_BEFORE] != PYRO_NO_ID && functions[PYRO_AFTER] != PYRO_NO_ID)
            joiner->numbers[functions[PYRO_BEFORE]] = functions[PYRO_AFTER];
    }
}

static uint32_t page_function(const struct joiner *joiner, uint32_t function)
{
    uint32_t *number = &joiner->numbers[function];
    if (*number == PYRO_NO_ID)
        *number = pyro_page_add_function(joiner->data, joiner->baseline, function);
    return *number;
}

/* -- its tree --------------------------------------------------------------------------------------- */

static int put_tree(const struct joiner *joiner, size_t count, const uint32_t *parents,
                    const uint32_t *functions, const float *self_us)
{
    uint32_t *steps = calloc(count + 1, sizeof(*steps));
    uint32_t *numbers = calloc(count + 1, sizeof(*numbers));
    bool ok = steps && numbers;
    for (uint32_t i = 1; ok && i < count; i++) {
        steps[i] = i - parents[i];
        numbers[i] = page_function(joiner, functions[i]);
    }
    if (ok) {
        pyro_page_columns_u32(&joiner->data->columns, "base_parent", steps, count);
        pyro_page_columns_u32(&joiner->data->columns, "base_function", numbers, count);
        pyro_page_columns_f32(&joiner->data->columns, "base_us", self_us, count);
    }
    free(steps);
    free(numbers);
    return ok ? 0 : -ENOMEM;
}

static int put_stacks_of(const struct joiner *joiner, const struct pyro_totals *totals)
{
    const struct pyro_profile *baseline = joiner->baseline;
    size_t count = baseline->stack_count;
    uint32_t *parents = calloc(count + 1, sizeof(*parents));
    uint32_t *functions = calloc(count + 1, sizeof(*functions));
    float *self_us = calloc(count + 1, sizeof(*self_us));
    int result = parents && functions && self_us ? 0 : -ENOMEM;
    for (uint32_t i = 0; result == 0 && i < count; i++) {
        parents[i] = baseline->stacks[i].parent;
        functions[i] = pyro_profile_function_of(baseline, i);
        self_us[i] = (float)totals->stacks[i].self_us;
    }
    if (result == 0)
        result = put_tree(joiner, count, parents, functions, self_us);
    free(parents);
    free(functions);
    free(self_us);
    return result;
}

static int put_sampled_tree(const struct joiner *joiner)
{
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    int result = pyro_clock_view_init(&view, joiner->baseline, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    result = pyro_totals_init(&totals, &view, &PYRO_TOTALS_ALL);
    if (result == 0)
        result = put_stacks_of(joiner, &totals);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    return result;
}

static int put_baseline_tree(const struct joiner *joiner)
{
    if (!joiner->baseline->timed)
        return put_sampled_tree(joiner);
    struct pyro_guess tree;
    int result = pyro_guess_make(&tree, joiner->baseline);
    if (result == 0)
        result = put_tree(joiner, tree.count, tree.parents, tree.functions, tree.self_us);
    pyro_guess_clear(&tree);
    return result;
}

/* -- what moved ------------------------------------------------------------------------------------- */

static void put_pair(struct pyro_json *json, const char *key, double before, double after)
{
    pyro_json_array(json, key);
    pyro_json_seconds(json, NULL, before);
    pyro_json_seconds(json, NULL, after);
    pyro_json_end(json);
}

static void put_calls(struct pyro_json *json, const struct pyro_diff_figures side[PYRO_SIDES])
{
    struct pyro_move calls = pyro_diff_calls(side);
    put_pair(json, "calls", calls.before, calls.after);
}

static void put_row(const struct joiner *joiner, struct pyro_json *json,
                    const struct pyro_diff_row *row)
{
    int side;
    uint32_t function = pyro_diff_function(row, &side);
    const struct pyro_move self = pyro_diff_time(row->side, false);
    const struct pyro_move total = pyro_diff_time(row->side, true);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "function",
                  side == PYRO_AFTER ? function : page_function(joiner, function));
    pyro_json_bool(json, "was", row->side[PYRO_BEFORE].there);
    pyro_json_bool(json, "is", row->side[PYRO_AFTER].there);
    put_pair(json, "self", self.before, self.after);
    put_pair(json, "total", total.before, total.after);
    pyro_json_bool(json, "self_sure", self.sure);
    pyro_json_bool(json, "total_sure", total.sure);
    put_calls(json, row->side);
    pyro_json_end(json);
}

static void put_moves(const struct joiner *joiner, struct pyro_json *json,
                      const struct pyro_diff *diff)
{
    pyro_json_object(json, "difference");
    put_pair(json, "total", diff->stats[PYRO_BEFORE]->total_s, diff->stats[PYRO_AFTER]->total_s);
    pyro_json_array(json, "rows");
    for (size_t i = 0; i < diff->row_count; i++)
        put_row(joiner, json, &diff->rows[i]);
    pyro_json_end(json);
    pyro_json_end(json);
}

static uint32_t number_of(void *context, uint32_t function)
{
    return page_function(context, function);
}

int pyro_page_compare(struct pyro_page_data *data, const struct pyro_profile *baseline,
                      struct pyro_json *json, struct pyro_error *error)
{
    const struct pyro_diff_options options = {.sort = PYRO_DIFF_BY_TIME};
    struct joiner joiner = {.data = data, .baseline = baseline};
    struct pyro_diff *diff = NULL;
    int result = pyro_diff_make(baseline, data->profile, &options, &diff, error);
    joiner.numbers = calloc(baseline->function_count + 1, sizeof(*joiner.numbers));
    if (result == 0 && !joiner.numbers)
        result = -ENOMEM;
    if (result == 0) {
        memset(joiner.numbers, 0xff, baseline->function_count * sizeof(*joiner.numbers));
        take_matches(&joiner, diff);
        put_moves(&joiner, json, diff);
        result = put_baseline_tree(&joiner);
    }
    if (result == 0)
        result = pyro_page_findings(json, "findings_before", baseline, number_of, &joiner, error);
    free(joiner.numbers);
    pyro_diff_free(diff);
    return result;
}
