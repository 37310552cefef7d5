/* analyze/rule.h - what rules are made of: what all of them ask, added up once. */
#ifndef PYRO_ANALYZE_RULE_H
#define PYRO_ANALYZE_RULE_H

#include "analyze/findings.h"
#include "profile/counted.h"

struct pyro_rule_context {
    const struct pyro_profile *profile;
    const struct pyro_rule *rule; /* that is asked */
    struct pyro_totals totals;    /* wall time */
    struct pyro_counted counted;
    bool *library;   /* [function_count]: not the program's own; C functions too */
    bool *explained; /* [query_count]: a finding is about them */
    struct pyro_findings *findings;
};

extern const struct pyro_rule pyro_rule_connection_churn, pyro_rule_gil_contention,
    pyro_rule_n_plus_one, pyro_rule_sequential_wait, pyro_rule_slow_query;
extern const struct pyro_rule pyro_rule_garbage_collection, pyro_rule_hot_line,
    pyro_rule_unused_import;
extern const struct pyro_rule pyro_rule_growth, pyro_rule_unbounded_cache, pyro_rule_whole_file;
extern const struct pyro_rule pyro_rule_list_membership, pyro_rule_repeated_call;

/* A finding to be filled, with the context's rule and a PLACE. NULL: out of memory. */
struct pyro_finding *pyro_finding_new(struct pyro_rule_context *context, uint32_t function,
                                      uint32_t line);
/* A text that lives with the findings; NULL: out of memory. */
__attribute__((format(printf, 2, 3))) const char *pyro_finding_text(
    struct pyro_rule_context *context, const char *format, ...);
void pyro_finding_count(struct pyro_finding *finding, const char *key, uint64_t count);
void pyro_finding_seconds(struct pyro_finding *finding, const char *key, double seconds);
void pyro_finding_say(struct pyro_finding *finding, const char *key, const char *text);
void pyro_finding_place(struct pyro_finding *finding, const char *key, uint32_t function,
                        uint32_t line);

/* Is GAIN_S so large a part of all time that it is worth a line? */
bool pyro_worth_it(const struct pyro_rule_context *context, double gain_s);
/* The same of memory at the peak, which below a mebibyte is worth none. */
bool pyro_worth_its_bytes(const struct pyro_rule_context *context, double gain_bytes);
/* "35.2 MiB"; lives with the findings. NULL: out of memory. */
const char *pyro_finding_size(struct pyro_rule_context *context, double bytes);

/* -- loops -------------------------------------------------------------------------------------- */

/* Where something is called again and again. */
struct pyro_loop {
    uint32_t function; /* the loop is in it; PYRO_NO_ID: none was found */
    uint32_t callee;   /* what it calls so often */
    uint64_t count;    /* times in all */
    uint64_t per_call; /* times for each call of the function */
};
#define PYRO_LOOP_CALLS 10 /* or more times for each call */

/* COUNT things were done in FUNCTION by way of CALLEE: up along its callers to the first one that does LEAST or more for each of its
 * calls. */
struct pyro_loop pyro_loop_find(const struct pyro_rule_context *context, uint32_t function,
                                uint32_t callee, uint64_t count, uint64_t least);
/* How often FUNCTION called CALLEE. */
uint64_t pyro_loop_calls(const struct pyro_rule_context *context, uint32_t function,
                         uint32_t callee);
/* Where FUNCTION calls CALLEE, by the samples: the line with the most time; 0: not known. */
uint32_t pyro_loop_line(const struct pyro_rule_context *context, uint32_t function,
                        uint32_t callee);
/* The time in CALLEE, when called by FUNCTION. */
double pyro_loop_time_s(const struct pyro_rule_context *context, uint32_t function,
                        uint32_t callee);

/* -- queries ------------------------------------------------------------------------------------ */

/* Is it a request that pyrometer.web recorded? Then its queries were told, and no calls counted. */
bool pyro_is_of_request(const struct pyro_profile *profile);

/* A line of the program, and what it led to. */
struct pyro_site {
    uint32_t function, line;
    double time_us; /* of the library's calls that led to queries, with all they did */
    uint64_t samples;
    double query_ns, queries; /* of all queries that came from there: in the driver, and how many */
};
struct pyro_sites {
    struct pyro_site *items;
    struct pyro_map ids; /* function, line -> item */
    size_t count, capacity;
};
/* Each line that a query came from. 0 or -ENOMEM. */
int pyro_sites_make(struct pyro_sites *sites, const struct pyro_rule_context *context);
void pyro_sites_clear(struct pyro_sites *sites);
/* The sampled part of QUERY: where other queries came from the same line, by the time each took in the driver. */
struct pyro_site pyro_sites_of(const struct pyro_sites *sites,
                               const struct pyro_rule_context *context,
                               const struct pyro_query *query);
/* What part QUERY is of all that came from its line: by the time in the driver, or else their numbers. */
double pyro_sites_part(const struct pyro_sites *sites, const struct pyro_rule_context *context,
                       const struct pyro_query *query);

/* Calls of a database driver written in C by code of which no text is known. */
struct pyro_driver_calls {
    uint32_t caller;  /* the program's own */
    uint32_t execute; /* the driver's function */
    uint64_t count;
};
/* One after the other: *AT begins at 0. False: there is no more. */
bool pyro_driver_calls_next(const struct pyro_rule_context *context, size_t *at,
                            struct pyro_driver_calls *ret_calls);
/* The time of them, fetching rows included. */
double pyro_driver_time_s(const struct pyro_rule_context *context,
                          const struct pyro_driver_calls *calls);
/* What part CALLS are of the drivers' sampled time below what LOOP calls; 0: there is none. */
double pyro_driver_part(const struct pyro_rule_context *context,
                        const struct pyro_driver_calls *calls, const struct pyro_loop *loop);

#endif
