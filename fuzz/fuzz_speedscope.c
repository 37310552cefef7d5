/* fuzz/fuzz_speedscope.c - the reader of speedscope files against any bytes. */
#include "stacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_profile *profile = NULL;
    pyro_speedscope_recognise(data, size);
    if (pyro_speedscope_read("input", data, size, &profile, NULL) == 0)
        check_stacks(profile);
    pyro_profile_free(profile);
    return 0;
}
