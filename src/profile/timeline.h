/* profile/timeline.h - what was resident over time, of all processes together and of each.
 *
 * What processes share is counted in each of them, as other tools do that add up what is resident. A program that a process
 * became (exec) goes on with its life. A pure function over a profile. */
#ifndef PYRO_PROFILE_TIMELINE_H
#define PYRO_PROFILE_TIMELINE_H

#include "profile/profile.h"

/* All processes, from this moment to the next step. */
struct pyro_timeline_step {
    uint64_t time_us;
    uint64_t rss, files, swapped; /* bytes */
    uint64_t live, native;        /* of those that are tracked */
    uint32_t processes;           /* that were there */
};

#define PYRO_LIFE_GOES_ON UINT64_MAX
struct pyro_life {
    uint32_t process;          /* as it was named last */
    uint64_t came_us, went_us; /* went: PYRO_LIFE_GOES_ON, it was there at the last look */
    uint64_t peak, peak_us;    /* what it had at most at a look, and when */
    uint64_t most;    /* what it had at most at all until the last look at it, says the kernel */
    uint64_t at_peak; /* what it had when all together had the most */
};

struct pyro_timeline {
    const struct pyro_profile *profile;
    struct pyro_timeline_step *steps;
    size_t step_count;
    struct pyro_life *lives; /* in the order in which they came */
    size_t life_count;
    size_t peak;       /* the step with the most resident */
    uint32_t holder;   /* the life that had the most of it */
    uint64_t swapped;  /* bytes that were swapped out at most */
    uint64_t until_us; /* the last look */
    uint32_t together; /* processes that were there at once, at most */
    bool tracked;      /* `live` and `native` are known */
};

/* It has a step and a life at least. -ENODATA: nobody looked. -EBADMSG: looks of nothing. -ENOMEM. */
int pyro_timeline_make(const struct pyro_profile *profile, struct pyro_timeline **ret_timeline,
                       struct pyro_error *error);
void pyro_timeline_free(struct pyro_timeline *timeline); /* NULL is fine */

#define PYRO_NO_STEP SIZE_MAX
/* For a picture COUNT wide: of each part of the time, the step in it with the most resident (an index); PYRO_NO_STEP: before the
 * first one. The time goes on to until_us. */
void pyro_timeline_columns(const struct pyro_timeline *timeline, size_t *columns, size_t count);

#endif
