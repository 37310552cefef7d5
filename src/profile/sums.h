/* profile/sums.h - samples that have stack and kind in common, added up.
 *
 * Of ten million samples there are some hundred thousand such sums: whoever asks nothing about their order or time asks these. */
#ifndef PYRO_PROFILE_SUMS_H
#define PYRO_PROFILE_SUMS_H

#include "profile/profile.h"

/* Add up the samples of PROFILE, of which there may come no more then, nor may any be changed: samples.sums is the answer. 0 or -ENOMEM, then all is as
 * it was. Who reads them does without where they are NULL: nobody has asked for them. */
int pyro_sums_make(struct pyro_profile *profile);

#endif
