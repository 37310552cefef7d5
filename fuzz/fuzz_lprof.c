/* fuzz/fuzz_lprof.c - the reader of .lprof files against any bytes.
 *
 * What comes out must hold the promises of profile/profile.h, and written as a .lprof file it must say the same. */
#include "formats/formats.h"
#include "formats/import.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct pyro_profile *read_bytes(const void *data, size_t size)
{
    struct pyro_profile *profile = NULL;
    if (pyro_lprof_read("input", data, size, &profile, NULL) < 0)
        return NULL;
    require(profile->lines_alone && profile->stack_count == 1 && profile->samples.count == 0);
    for (size_t i = 0; i < profile->function_count; i++)
        require(profile->functions[i].name < profile->strings.count &&
                profile->functions[i].file < profile->strings.count);
    for (size_t i = 0; i < profile->line_count; i++)
        require(profile->lines[i].function < profile->function_count);
    return profile;
}

/* Of the lines with hits, which are those that are written. */
static uint64_t hits_of(const struct pyro_profile *profile)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < profile->line_count; i++)
        hits += profile->lines[i].hits;
    return hits;
}

static bool is_small(const struct pyro_profile *profile)
{
    for (size_t i = 0; i < profile->line_count; i++)
        if ((profile->lines[i].hits | profile->lines[i].time_ns) >> 40)
            return false;
    return true;
}

static void write_and_read(const struct pyro_profile *profile)
{
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    const struct pyro_export_options options = {0};
    if (!out)
        return;
    int code = pyro_format_by_name("lprof")->write(profile, &options, out, NULL);
    fclose(out);
    struct pyro_profile *again = code == 0 ? read_bytes(written, size) : NULL;
    require(code < 0 || again);
    require(!again || hits_of(again) == hits_of(profile));
    pyro_profile_free(again);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pyro_lprof_recognise(data, size);
    struct pyro_profile *profile = read_bytes(data, size);
    if (profile && is_small(profile))
        write_and_read(profile);
    pyro_profile_free(profile);
    return 0;
}
