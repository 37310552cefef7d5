/* profile/timeline.c - looks at processes, added up. */
#include "profile/timeline.h"

#include "base/grow.h"

#include <errno.h>
#include <stdlib.h>

/* Of a process of the recording, while looks are added up. */
struct now {
    bool there;
    uint32_t life;
    struct pyro_look look; /* the last one */
};

struct adding {
    struct pyro_timeline *timeline;
    struct now *now;        /* [process_count] */
    uint32_t *life_of;      /* [look_count] */
    struct pyro_map by_pid; /* pid -> the last life of it, + 1 */
    struct pyro_timeline_step sum;
    size_t step_capacity, life_capacity;
};

static void add_to(struct pyro_timeline_step *sum, const struct pyro_look *look, bool more)
{
    const uint64_t sign = more ? 1 : UINT64_MAX; /* unsigned: minus one */
    sum->rss += sign * look->rss;
    sum->files += sign * look->files;
    sum->swapped += sign * look->swapped;
    sum->live += sign * look->live;
    sum->native += sign * look->native;
    sum->processes += more ? 1 : UINT32_MAX;
}

/* The life that the process of LOOK begins or goes on with; PYRO_NO_ID: no memory. */
static uint32_t begin_life(struct adding *adding, const struct pyro_look *look)
{
    struct pyro_timeline *timeline = adding->timeline;
    const struct pyro_process *process = &timeline->profile->processes[look->process];
    uint64_t *last = pyro_map_insert(&adding->by_pid, (uint32_t)process->pid, 0, NULL);
    if (!last)
        return PYRO_NO_ID;
    if (*last && timeline->lives[*last - 1].went_us == look->time_us) { /* exec */
        struct pyro_life *life = &timeline->lives[*last - 1];
        life->process = look->process;
        life->went_us = PYRO_LIFE_GOES_ON;
        return (uint32_t)*last - 1;
    }
    if (pyro_grow(&timeline->lives, timeline->life_count, &adding->life_capacity,
                  sizeof(*timeline->lives)) < 0)
        return PYRO_NO_ID;
    timeline->lives[timeline->life_count++] = (struct pyro_life){
        .process = look->process, .came_us = look->time_us, .went_us = PYRO_LIFE_GOES_ON};
    *last = timeline->life_count;
    return (uint32_t)timeline->life_count - 1;
}

static int take(struct adding *adding, const struct pyro_look *look)
{
    struct now *now = &adding->now[look->process];
    if (now->there)
        add_to(&adding->sum, &now->look, false);
    if (look->gone && now->there)
        adding->timeline->lives[now->life].went_us = look->time_us;
    if (!look->gone && !now->there && (now->life = begin_life(adding, look)) == PYRO_NO_ID)
        return -ENOMEM;
    now->there = !look->gone;
    if (look->gone)
        return 0;
    now->look = *look;
    add_to(&adding->sum, look, true);
    struct pyro_life *life = &adding->timeline->lives[now->life];
    if (look->rss > life->peak) {
        life->peak = look->rss;
        life->peak_us = look->time_us;
    }
    if (look->most > life->most)
        life->most = look->most;
    return 0;
}

static int end_step(struct adding *adding, uint64_t time_us)
{
    struct pyro_timeline *timeline = adding->timeline;
    if (pyro_grow(&timeline->steps, timeline->step_count, &adding->step_capacity,
                  sizeof(*timeline->steps)) < 0)
        return -ENOMEM;
    adding->sum.time_us = time_us;
    timeline->steps[timeline->step_count++] = adding->sum;
    if (adding->sum.rss > timeline->steps[timeline->peak].rss)
        timeline->peak = timeline->step_count - 1;
    if (adding->sum.swapped > timeline->swapped)
        timeline->swapped = adding->sum.swapped;
    if (adding->sum.processes > timeline->together)
        timeline->together = adding->sum.processes;
    return 0;
}

/* Looks of one moment are one step. */
static int add_looks(struct adding *adding)
{
    const struct pyro_profile *profile = adding->timeline->profile;
    int error = 0;
    for (size_t i = 0; error == 0 && i < profile->look_count; i++) {
        const struct pyro_look *look = &profile->looks[i];
        adding->timeline->tracked = adding->timeline->tracked || look->tracked;
        error = take(adding, look);
        adding->life_of[i] = adding->now[look->process].life;
        bool last = i + 1 == profile->look_count || look[1].time_us != look->time_us;
        if (error == 0 && last)
            error = end_step(adding, look->time_us);
    }
    return error;
}

/* Who had what at the peak: the last look at each until then. */
static void share_peak(struct adding *adding)
{
    struct pyro_timeline *timeline = adding->timeline;
    const struct pyro_profile *profile = timeline->profile;
    uint64_t peak_us = timeline->steps[timeline->peak].time_us;
    for (size_t i = 0; i < profile->look_count && profile->looks[i].time_us <= peak_us; i++)
        if (adding->life_of[i] < timeline->life_count)
            timeline->lives[adding->life_of[i]].at_peak = profile->looks[i].rss;
    for (size_t i = 0; i < timeline->life_count; i++)
        if (timeline->lives[i].at_peak > timeline->lives[timeline->holder].at_peak)
            timeline->holder = (uint32_t)i;
}

static int make(struct pyro_timeline *timeline)
{
    const struct pyro_profile *profile = timeline->profile;
    struct adding adding = {.timeline = timeline,
                            .now = calloc(profile->process_count + 1, sizeof(struct now)),
                            .life_of = calloc(profile->look_count + 1, sizeof(uint32_t))};
    int error = adding.now && adding.life_of ? add_looks(&adding) : -ENOMEM;
    if (error == 0) {
        uint64_t last_us = timeline->steps[timeline->step_count - 1].time_us;
        timeline->until_us = profile->watch.until_us > last_us ? profile->watch.until_us : last_us;
        share_peak(&adding);
    }
    free(adding.now);
    free(adding.life_of);
    pyro_map_free(&adding.by_pid);
    return error;
}

int pyro_timeline_make(const struct pyro_profile *profile, struct pyro_timeline **ret_timeline,
                       struct pyro_error *error)
{
    if (!profile->look_count) {
        int result =
            pyro_error_set(error, -ENODATA, "nobody looked at what was resident in this recording");
        pyro_error_hint(error, "record it anew with: pyrometer run --rss SCRIPT");
        return result;
    }
    struct pyro_timeline *timeline = calloc(1, sizeof(*timeline));
    if (timeline)
        timeline->profile = profile;
    int result = timeline ? make(timeline) : -ENOMEM;
    if (result == 0 && !timeline->life_count)
        result = -EBADMSG; /* ends of what never was */
    if (result < 0) {
        pyro_timeline_free(timeline);
        return pyro_error_set(error, result,
                              result == -ENOMEM ? "no memory" : "looks that cannot be");
    }
    *ret_timeline = timeline;
    return 0;
}

void pyro_timeline_free(struct pyro_timeline *timeline)
{
    if (!timeline)
        return;
    free(timeline->steps);
    free(timeline->lives);
    free(timeline);
}

void pyro_timeline_columns(const struct pyro_timeline *timeline, size_t *columns, size_t count)
{
    size_t at = 0;
    uint64_t begin_us = 0;
    for (size_t column = 0; column < count; column++) {
        uint64_t end_us =
            (uint64_t)((double)timeline->until_us * (double)(column + 1) / (double)count);
        if (timeline->steps[0].time_us >= end_us && column + 1 < count) {
            columns[column] = PYRO_NO_STEP;
            continue;
        }
        while (at + 1 < timeline->step_count && timeline->steps[at + 1].time_us <= begin_us)
            at++;
        columns[column] = at; /* as it was when this part of the time began */
        begin_us = end_us;
        while (at + 1 < timeline->step_count &&
               (timeline->steps[at + 1].time_us < end_us || column + 1 == count)) {
            at++;
            if (timeline->steps[at].rss > timeline->steps[columns[column]].rss)
                columns[column] = at;
        }
    }
}
