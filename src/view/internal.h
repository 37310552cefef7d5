/* view/internal.h - what makes up the data of a page.
 *
 * The data are a head and columns. The head is JSON: what is small, and where in the bytes behind it each column
 * lies. A column is an array of numbers, as narrow as its largest one allows: the lowest byte of each, then the next
 * one of each, and so on, which packs a quarter better than whole numbers. viewer/src/data.ts reads it. */
#ifndef PYRO_VIEW_INTERNAL_H
#define PYRO_VIEW_INTERNAL_H

#include "analyze/stats.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/map.h"
#include "base/strings.h"
#include "profile/timeline.h"
#include "view/page.h"

/* -- columns ------------------------------------------------------------------------------------ */

#define PYRO_PAGE_COLUMNS_MAX 64

struct pyro_page_columns {
    struct pyro_buffer bytes;
    struct pyro_page_column {
        const char *name, *type; /* static */
        size_t offset, count;    /* of the type "same": the number stands for the offset */
    } items[PYRO_PAGE_COLUMNS_MAX];
    size_t count;
};

/* Append a column; NAME lives as long as the program. Out of memory: bytes.failed. Of numbers that are all the same only that one is kept: no bytes. */
void pyro_page_columns_u32(struct pyro_page_columns *columns, const char *name,
                           const uint32_t *values, size_t count);
void pyro_page_columns_f32(struct pyro_page_columns *columns, const char *name, const float *values,
                           size_t count);
void pyro_page_columns_f64(struct pyro_page_columns *columns, const char *name,
                           const double *values, size_t count);
/* The way from one number to the next, as one that is small where they are near: 0, -1, 1, -2, 2 ... are 0, 1, 2, 3, 4 ... */
static inline uint32_t pyro_page_way(uint32_t from, uint32_t to)
{
    uint32_t way = to - from;
    return way << 1 ^ (way >> 31 ? UINT32_MAX : 0);
}
/* Of each value its way from the one before, of the first from 0. */
void pyro_page_columns_ways(struct pyro_page_columns *columns, const char *name,
                            const uint32_t *values, size_t count);
/* What counts something: as u32 where all are whole and small enough for that, else as f64. */
void pyro_page_columns_counts(struct pyro_page_columns *columns, const char *name,
                              const double *values, size_t count);
/* The member "columns" of the head. */
void pyro_page_columns_json(struct pyro_json *json, const struct pyro_page_columns *columns);
void pyro_page_columns_free(struct pyro_page_columns *columns);

/* -- stacks with time of their own --------------------------------------------------------------- */

/* A tree of functions; a parent comes before its children, 0 is the root. */
struct pyro_guess {
    uint32_t *parents, *functions; /* [count] */
    float *self_us;
    size_t count, capacity;
    double folded_us; /* of self_us: what is below was too little, too deep or a recursion */
};
#define PYRO_GUESS_NODES 200000
#define PYRO_GUESS_DEPTH 200
#define PYRO_GUESS_SHARE 1e-5 /* of all time: less is not followed */

/* Where calls were timed only their callers are known, no stacks. This is the tree in which each function spends its
 * time on its callees in the same proportion wherever it is called from: a guess. 0 or -ENOMEM. */
int pyro_guess_make(struct pyro_guess *estimate, const struct pyro_profile *profile);
void pyro_guess_clear(struct pyro_guess *estimate); /* a zeroed struct is fine */

/* -- stacks in the order of a flame graph ---------------------------------------------------------- */

/* A tree of stacks; a parent comes before its children, 0 is the root. */
struct pyro_page_stacks {
    const uint32_t *parents, *functions; /* [count] */
    const double *self_us;               /* [count]: what they are ordered by */
    size_t count;
};
/* The same, merged by function: nodes in preorder, the heaviest child first. */
struct pyro_page_order {
    uint32_t *
        node_up; /* [node_count] how many levels it begins above where the node before it ended: 0 is a child of that one */
    uint32_t *node_function; /* [node_count] */
    uint32_t *
        node_stacks; /* [node_count] how many stacks it was merged from; they follow those of the node before */
    uint32_t *stack_parent; /* [stack_count] which one of the stacks of the parent's node */
    uint32_t *stacks;       /* [stack_count] what was the number of each stack */
    uint32_t *numbers;      /* [stack_count] what is the number of each stack now */
    size_t node_count, stack_count;
};
int pyro_page_order_make(struct pyro_page_order *order, const struct pyro_page_stacks *stacks);
void pyro_page_order_clear(struct pyro_page_order *order); /* a zeroed struct is fine */

/* -- cells: samples that a page need not tell apart ------------------------------------------------ */

#define PYRO_CELL_BUCKETS 2000 /* parts of the duration */
#define PYRO_WEIGHTS_A_US 8 /* the mean weight of a bucket's samples is in parts of a microsecond */

/* What the samples of a cell had in common besides. */
struct pyro_cell_kind {
    enum pyro_state state;
    bool gil, gc, parked;
    const char *waits; /* pyro_clock_wait_category() */
    uint8_t clocks;    /* bit: enum pyro_clock, under which it counts; no bit of a parked one */
};
/* Cells of the same stack, thread and kind, whatever their bucket. */
struct pyro_cell_sum {
    uint32_t stack, thread, kind;
    double samples, time_us; /* without what counting cost */
};
struct pyro_cells {
    uint32_t *bucket, *thread, *stack, *kind,
        *samples;   /* [count], by bucket, then by thread, then as first seen */
    float *time_us; /* with what counting cost, of parked samples too: see pyro_cell_time_us() */
    float *left; /* [stack_count of the profile] what of the time is left without that; NULL: all */
    size_t count, capacity;
    struct pyro_cell_kind *kinds;
    size_t kind_count, kind_capacity;
    struct pyro_cell_sum *sums; /* of all samples, some perhaps twice; NULL: nobody added them up */
    size_t sum_count;
    uint32_t bucket_count;
    double bucket_us;
    bool traced; /* no samples: any times, in one bucket */
};
/* Of samples, or of what was traced, which knows no time of day: then there is one bucket. 0 or -ENOMEM. */
int pyro_cells_make(struct pyro_cells *cells, const struct pyro_profile *profile);
void pyro_cells_clear(struct pyro_cells *cells); /* a zeroed struct is fine */
/* Without what counting cost, as tables have it. */
static inline double pyro_cell_time_us(const struct pyro_cells *cells, size_t cell)
{
    bool whole = !cells->left || cells->kinds[cells->kind[cell]].parked;
    return (double)cells->time_us[cell] * (whole ? 1 : (double)cells->left[cells->stack[cell]]);
}

/* Their sums, to be freed, by NUMBERS of their stacks, which take the place of these, then by thread and kind. 0 or -ENOMEM. */
int pyro_cells_sum_up(const struct pyro_cells *cells, const uint32_t *numbers,
                      struct pyro_cell_sum **ret_sums, size_t *ret_count);

/* -- packing -------------------------------------------------------------------------------------- */

struct pyro_packed_data {
    struct piece *pieces; /* NULL: nothing was packed */
    size_t count;
};
/* Compress DATA, which may go then. A zeroed PACKED is to be cleared whatever came of it. 0 or a negative errno. */
int pyro_page_pack(struct pyro_packed_data *packed, const struct pyro_buffer *data);
/* Write it as text. 0 or -ENOMEM; OUT tells of itself. */
int pyro_page_put_packed(FILE *out, const struct pyro_packed_data *packed);
void pyro_page_packed_clear(struct pyro_packed_data *packed); /* a zeroed struct is fine */

/* -- the data ------------------------------------------------------------------------------------- */

struct pyro_page_data {
    const struct pyro_profile *profile;
    struct pyro_page_columns columns;
    struct pyro_strings strings;
    struct pyro_map files; /* texts of a path and of what is shown of it -> place in FILE_LIST */
    struct pyro_page_file {
        uint32_t path, shown; /* texts */
        bool library;
    } * file_list;
    size_t file_count, file_capacity;
    struct pyro_page_function {
        uint32_t name, file, line, kind; /* file: place in FILE_LIST */
    } * functions;                       /* those of the profile, then what only the baseline has */
    size_t function_count, function_capacity;
    struct pyro_stats *stats;
    double lines_from_s; /* lines were counted from then on; 0: always, or never */
    bool failed;         /* out of memory: later calls do nothing */
};
/* The number of a text; 0 is "". */
uint32_t pyro_page_text(struct pyro_page_data *data, const char *text);
/* The number of FUNCTION of SIDE, a profile, in the page's list, where it is put at the end. */
uint32_t pyro_page_add_function(struct pyro_page_data *data, const struct pyro_profile *side,
                                uint32_t function);
/* The findings of PROFILE as an array under KEY; none if its calls were timed, since rules ask samples. NUMBER tells which function of the page
 * one of PROFILE is; NULL: it has the same number. 0 or a negative errno. */
int pyro_page_findings(struct pyro_json *json, const char *key, const struct pyro_profile *profile,
                       uint32_t (*number)(void *context, uint32_t function), void *context,
                       struct pyro_error *error);
/* The head's "difference" and "findings_before", and the columns of the baseline's tree. 0 or a negative errno. */
int pyro_page_compare(struct pyro_page_data *data, const struct pyro_profile *baseline,
                      struct pyro_json *json, struct pyro_error *error);

/* Memory over time, if somebody looked: columns of steps (KiB) and of lines that had what was alive, and the head's "over_time". 0 or a negative
 * errno. */
int pyro_page_over_time(struct pyro_page_columns *columns, struct pyro_json *json,
                        const struct pyro_profile *profile, struct pyro_error *error);

/* More cells than this, and a page that was to open them first would open late: it begins with their sums. */
#define PYRO_CELLS_AT_ONCE 200000

/* What a page begins with, and what it opens when it needs that, if anything: each a head and columns, packed. */
struct pyro_page_packed {
    struct pyro_packed_data at_once, later;
};
/* Both are to be cleared whatever came of it. 0 or a negative errno. */
int pyro_page_make(const struct pyro_profile *profile, const struct pyro_page_options *options,
                   struct pyro_page_packed *ret, struct pyro_error *error);

#endif
