/* view/page.h - a profile as one HTML page that explains it, without a network.
 *
 * The page is the program of viewer/, built into this one, followed by its data: what view/data.c takes from a
 * profile, packed, as text (viewer/src/packed.ts). Nothing of the profile stands in the page as markup. */
#ifndef PYRO_VIEW_PAGE_H
#define PYRO_VIEW_PAGE_H

#include "base/error.h"
#include "profile/profile.h"

#include <stdio.h>

struct pyro_page_options {
    const struct pyro_profile *baseline; /* what it is compared with; NULL: nothing */
    const char *title;                   /* NULL: made from the recording */
};

/* 0 or a negative errno. */
int pyro_page_write(const struct pyro_profile *profile, const struct pyro_page_options *options,
                    FILE *out, struct pyro_error *error);

#endif
