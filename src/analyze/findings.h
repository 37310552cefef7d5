/* analyze/findings.h - what is worth changing: rules over measurements.
 *
 * A rule is one file in analyze/rules/ and a row of pyro_rules. It looks at what was measured first, never at source alone, and says
 * what it saw, what to do, and how much time that would give back. Pure functions over a profile. */
#ifndef PYRO_ANALYZE_FINDINGS_H
#define PYRO_ANALYZE_FINDINGS_H

#include "base/arena.h"
#include "base/error.h"
#include "profile/profile.h"

struct pyro_rule_context; /* analyze/rule.h */

/* What kind of change it asks for: those that give back most come first, and MICRO ones are not shown while a large one of
 * ALGORITHM is open. */
enum pyro_tier {
    PYRO_TIER_ALGORITHM,
    PYRO_TIER_WAITING,
    PYRO_TIER_MEMORY,
    PYRO_TIER_MICRO,
    PYRO_TIER_NATIVE,
};
const char *pyro_tier_name(enum pyro_tier tier); /* "algorithm", ... */

/* What a recording must have, or a rule sees nothing in it: bits. */
enum pyro_need {
    PYRO_NEED_CALLS = 1 << 0,   /* counted, or timed */
    PYRO_NEED_SAMPLES = 1 << 1, /* of stacks ... */
    PYRO_NEED_STATES = 1 << 2,  /* ... with what their threads did: ran, waited, held the GIL */
};
#define PYRO_NEED_COUNT 3

/* The texts are those of docs/findings.md: one sentence each. */
struct pyro_rule {
    const char *name;
    enum pyro_tier tier;
    unsigned needs;
    bool by_queries;  /* of a request, its queries do in place of calls */
    const char *mode; /* what must be recorded: "run" is plain `pyrometer run`, "run --memory" */
    const char *looks_for, *evidence, *fix, *gain, *refuted_by, *blind_spots;
    int (*find)(struct pyro_rule_context *context); /* 0 or -ENOMEM */
};
extern const struct pyro_rule *const pyro_rules[]; /* ends with NULL */

enum pyro_confidence { PYRO_CONFIDENCE_LOW, PYRO_CONFIDENCE_MEDIUM, PYRO_CONFIDENCE_HIGH };
const char *pyro_confidence_name(enum pyro_confidence confidence); /* "low", ... */

struct pyro_evidence {
    const char *key; /* of the JSON */
    enum pyro_evidence_kind {
        PYRO_EVIDENCE_COUNT,
        PYRO_EVIDENCE_SECONDS,
        PYRO_EVIDENCE_TEXT,
        PYRO_EVIDENCE_PLACE, /* a function and a line in it */
    } kind;
    double number;
    const char *text;
    uint32_t function, line;
};
#define PYRO_EVIDENCE_MAX 12

/* Texts live as long as the findings or the profile. */
struct pyro_finding {
    const struct pyro_rule *rule;
    enum pyro_confidence confidence;
    const char *title;       /* "N+1: 846 queries of one shape" */
    uint32_t function, line; /* where to change something; line 0: not known */
    const char *why;         /* what was seen, in one line */
    const char *query;       /* the shape of a query, or what sends it; NULL: it is about none */
    const char *fix;
    const char *doubt;                                  /* what speaks against it; NULL: nothing */
    double gain_s, gain_low_s, gain_high_s;             /* of the time that was recorded */
    double gain_bytes, gain_low_bytes, gain_high_bytes; /* of the peak; 0: it is about time */
    const char
        *innocent;     /* a file or function that one might suspect instead; NULL: there is none */
    double innocent_s; /* the most it could give back: its time, and that of what it called */
    struct pyro_evidence evidence[PYRO_EVIDENCE_MAX];
    size_t evidence_count;
};

struct pyro_findings {
    const struct pyro_profile *profile;
    double total_s;    /* of all that was recorded: what gains are a part of */
    double peak_bytes; /* of all processes whose memory was tracked: the same; 0: of none */
    struct pyro_finding *items; /* the largest gain first, by the part that it is of these */
    size_t count;
    size_t hidden;    /* MICRO ones that wait for a larger one */
    unsigned missing; /* needs that the recording does not have: some rules saw nothing */
    struct pyro_arena texts;
    size_t capacity;
};

/* Which of its needs the recording does not have; 0: it saw all that it looks for. */
unsigned pyro_rule_lacks(const struct pyro_rule *rule, const struct pyro_findings *findings);

/* Gains below this part of all time are not worth a line. */
#define PYRO_FINDING_SHARE 0.05

/* A database was asked how it would do the query of finding INDEX: PLAN, its steps, a line each; SCAN, one that reads all of a table, or "".
 * 0 or -ENOMEM; then sort them again. */
int pyro_finding_take_plan(struct pyro_findings *findings, size_t index, const char *plan,
                           const char *scan);
void pyro_findings_sort(struct pyro_findings *findings);

int pyro_findings_make(const struct pyro_profile *profile, struct pyro_findings **ret_findings,
                       struct pyro_error *error);
void pyro_findings_free(struct pyro_findings *findings); /* NULL is fine */

#endif
