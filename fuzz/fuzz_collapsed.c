/* fuzz/fuzz_collapsed.c - the reader of collapsed stacks against any bytes. */
#include "stacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pyro_profile *profile = NULL;
    pyro_collapsed_recognise(data, size);
    if (pyro_collapsed_read("input", data, size, &profile, NULL) == 0)
        check_stacks(profile);
    pyro_profile_free(profile);
    return 0;
}
