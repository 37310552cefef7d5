/* tests/unit/fixture_findings.h - findings of a profile that was made by hand. */
#ifndef PYRO_TESTS_FIXTURE_FINDINGS_H
#define PYRO_TESTS_FIXTURE_FINDINGS_H

#include "analyze/findings.h"
#include "fixture_profile.h"

#include <math.h>

static inline void fixture_end(struct pyro_profile *profile, struct pyro_findings *findings)
{
    pyro_findings_free(findings);
    fixture_free(profile);
}

/* Figures of a finding are reckoned from times and bytes, by fractions. */
static inline bool fixture_near(double actual, double expected)
{
    return fabs(actual - expected) <= 1e-3 * expected;
}

#endif
