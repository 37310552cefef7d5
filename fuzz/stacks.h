/* fuzz/stacks.h - what must hold of a profile that was made of other tools' stacks, whatever the file held. */
#ifndef PYRO_FUZZ_STACKS_H
#define PYRO_FUZZ_STACKS_H

#include "formats/formats.h"
#include "formats/import.h"
#include "profile/totals.h"

#include <math.h>
#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_ids(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->function_count; i++)
        require(profile->functions[i].name < profile->strings.count &&
                profile->functions[i].file < profile->strings.count);
    for (size_t i = 0; i < profile->frame_count; i++)
        require(profile->frames[i].function < profile->function_count);
    for (uint32_t i = 1; i < profile->stack_count; i++)
        require(profile->stacks[i].parent < i && profile->stacks[i].frame < profile->frame_count);
    for (size_t i = 0; i < profile->thread_count; i++)
        require(profile->threads[i].process < profile->process_count);
}

static void require_samples(const struct pyro_profile *profile)
{
    uint64_t before_us = 0;
    for (size_t i = 0; i < profile->samples.count; i++) {
        require(pyro_sample_stack(profile, i) < profile->stack_count);
        require(pyro_sample_thread(profile, i) < profile->thread_count);
        require(pyro_sample_time_us(profile, i) >= before_us);
        require(isfinite(pyro_sample_weight_us(profile, i)));
        before_us = pyro_sample_time_us(profile, i);
    }
}

/* The promises of profile/profile.h; then it is added up, and written as collapsed stacks. */
static void check_stacks(const struct pyro_profile *profile)
{
    struct pyro_clock_view view;
    struct pyro_totals totals = {0};
    const struct pyro_totals_filter all = PYRO_TOTALS_ALL;
    const struct pyro_export_options options = {0};
    char *written = NULL;
    size_t size = 0;
    require(profile->foreign && profile->samples.count > 0);
    require_ids(profile);
    require_samples(profile);
    require(pyro_clock_view_init(&view, profile, PYRO_CLOCK_WALL, true) == 0);
    require(pyro_totals_init(&totals, &view, &all) == 0);
    require(totals.counted_us >= 0);
    pyro_totals_clear(&totals);
    pyro_clock_view_clear(&view);
    FILE *out = open_memstream(&written, &size);
    require(out && pyro_format_by_name("collapsed")->write(profile, &options, out, NULL) == 0);
    fclose(out);
    free(written);
}

#endif
