/* report/memory.h - where memory went, for a terminal and as JSON. */
#ifndef PYRO_REPORT_MEMORY_H
#define PYRO_REPORT_MEMORY_H

#include "analyze/allocations.h"
#include "report/report.h"

enum pyro_memory_by {
    PYRO_MEMORY_BY_TABLES,   /* for each function its lines, with what they called: inclusive */
    PYRO_MEMORY_BY_LINE,     /* lines alone, without what they called, as tracemalloc has it */
    PYRO_MEMORY_BY_FUNCTION, /* the same, of functions */
    PYRO_MEMORY_BY_FILE,
};
/* What is asked: it sorts, and lines without it are left out. */
enum pyro_memory_order {
    PYRO_MEMORY_PEAK,  /* held at the high-water mark */
    PYRO_MEMORY_LEAKS, /* alive at the end */
    PYRO_MEMORY_TEMPORARY,
};

struct pyro_report_memory {
    enum pyro_memory_by by;
    enum pyro_memory_order order;
    bool over_time;                 /* with a chart, where there are figures for one */
    struct pyro_report_limit limit; /* of rows, or of functions with tables of their own */
};

/* The peak, what was left, and what is resident besides; then the rows. */
int pyro_report_memory(FILE *out, const struct pyro_allocations *memory,
                       const struct pyro_report_memory *choice,
                       const struct pyro_report_style *style, struct pyro_error *error);
/* All lines: docs/json.md. */
int pyro_report_memory_json(FILE *out, const struct pyro_allocations *memory,
                            struct pyro_error *error);

#endif
