/* fuzz/fuzz_pprof.c - the reader of pprof files, packed or not, against any bytes. */
#include "stacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_profile *profile = NULL;
    pyro_pprof_recognise(data, size);
    if (pyro_pprof_read("input", data, size, &profile, NULL) == 0)
        check_stacks(profile);
    pyro_profile_free(profile);
    return 0;
}
