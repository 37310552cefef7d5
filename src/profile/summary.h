/* profile/summary.h - what a recording says before any table: computing or waiting, and for what.
 *
 * Line 1 of every report, the title of every picture and the "recording" object of every JSON are made
 * from this. Always of wall time; parked time stands apart and is part of no other figure. */
#ifndef PYRO_PROFILE_SUMMARY_H
#define PYRO_PROFILE_SUMMARY_H

#include "base/json.h"
#include "profile/totals.h"

#define PYRO_SUMMARY_CATEGORIES 16

struct pyro_summary_waiting {
    const char *category; /* "database", ..., as pyro_clock_wait_category() names them */
    double time_us;
};

struct pyro_summary {
    bool stateless; /* of a file that does not tell who ran and who waited: all of it is unknown */
    uint64_t samples, unsure_samples; /* all of the recording that the filter lets through */
    double parked_us;
    double running_us, runnable_us, waiting_us, gil_wait_us,
        unknown_us;   /* by state, parked left out */
    double native_us; /* of running_us: in C code that let go of the GIL; 0 where there is no GIL */
    double database_us; /* of native_us: in a database driver, which counts as waiting for it */
    double gc_us, unsure_us; /* across those states */
    double
        probe_us; /* what counting calls cost; for whoever adds up totals to set: they do not hold it any more */
    struct pyro_summary_waiting
        waiting[PYRO_SUMMARY_CATEGORIES]; /* largest first; the GIL is one */
    size_t waiting_count;
};

/* 0 or -ENOMEM. */
int pyro_summary_make(struct pyro_summary *summary, const struct pyro_profile *profile,
                      const struct pyro_totals_filter *filter);

/* To add up summaries: the waiting of another one, then the order of all. CATEGORY stays the caller's. */
void pyro_summary_add_waiting(struct pyro_summary *summary, const char *category, double time_us);
void pyro_summary_sort_waiting(struct pyro_summary *summary);

/* "91 % waiting (database 88, other 3) · 9 % Python": whole percent that add up to 100. UTF8 allows the dot. */
void pyro_summary_split(char *text, size_t size, const struct pyro_summary *summary, bool utf8);

/* "orders.py" of "python3 -X dev shop/orders.py --all"; the module of "python3 -m NAME"; "python" of none; "GET /orders" of a
 * web request. */
void pyro_summary_program(char *text, size_t size, const struct pyro_profile *profile);
/* "830 ms", "4.02 s", "12 min 03 s". */
void pyro_summary_duration(char *text, size_t size, double seconds);
/* "80 B", "4.0 MiB". */
void pyro_summary_size(char *text, size_t size, uint64_t bytes);
/* "1 kHz", "100 Hz", "2.5 kHz". */
void pyro_summary_rate(char *text, size_t size, double hertz);
/* Sweeps a second that were really taken; 0 when not known. */
double pyro_summary_rate_reached(const struct pyro_profile *profile);

/* The members "recording" of the JSON contract (docs/json.md), as an object under KEY. */
void pyro_summary_json(struct pyro_json *json, const char *key, const struct pyro_profile *profile,
                       const struct pyro_summary *summary);

#endif
