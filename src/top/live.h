/* top/live.h - what a live view knows of a process: pieces of a recording come in, figures for a screen come out.
 *
 * "Now" is a window that slides: the last PYRO_LIVE_WINDOW_US of what was recorded. "Since the beginning" is the sum of all
 * pieces. Of a piece that is over, only its sums are kept once the window has left it. Pure: no clock, no terminal.
 *
 * Life: zero the struct; pyro_live_take() each piece as it grows; pyro_live_refresh() before a screen is made; _clear. */
#ifndef PYRO_TOP_LIVE_H
#define PYRO_TOP_LIVE_H

#include "profile/summary.h"
#include "top/tally.h"

#define PYRO_LIVE_WINDOW_US 5000000
#define PYRO_LIVE_PIECES    64 /* that the window may lie in; it is shorter where there are more */

/* A thread in the window. */
struct pyro_live_thread {
    int32_t pid;
    uint64_t native_id;
    const struct pyro_profile *profile; /* of its last sample */
    uint32_t thread, process, stack,
        wait; /* of that profile; stack and wait are those of the last sample */
    enum pyro_state state;
    uint8_t flags;
    uint64_t seen_us; /* its last sample, by the clock */
    bool gone;        /* it was in the window, but not in its last moments */
    double running_s, gil_s, waiting_s, gil_wait_s, seen_s; /* in the window */
};

struct pyro_live_process {
    int32_t pid, parent_pid;
    const struct pyro_profile *profile;
    uint32_t process; /* of that profile */
    size_t threads;
    bool gone;
    double running_s, gil_s;
};

struct pyro_live {
    bool idle;   /* parked threads are in the rows */
    bool paused; /* what is shown stays as it is; what is over is added up all the same */

    /* The screen's figures, as of the last refresh. */
    struct pyro_tally functions, lines;
    struct pyro_summary summary; /* of the window */
    double window_s;             /* how long it is */
    double all_s;                /* since the beginning, what was recorded */
    double gil_s;
    double rate_hz;                           /* reached in the piece that is read */
    double own_cpu;                           /* of a core: this program, in that piece */
    uint64_t missed, failed, unsure, samples; /* since the beginning */
    struct pyro_live_thread *threads;         /* by process, then as first seen */
    size_t thread_count;
    struct pyro_live_process *processes; /* a parent before its children */
    size_t process_count;

    /* The window's pieces, oldest first; the last one may still grow. */
    struct pyro_profile *pieces[PYRO_LIVE_PIECES];
    size_t piece_count;
    bool grows;
    /* Sums of pieces that are over. */
    double ended_s;
    uint64_t ended_missed, ended_failed, ended_unsure, ended_samples;
    size_t thread_capacity, process_capacity;
};

/* PROFILE is a piece as far as it can be read, OVER when it grows no more: the same piece as before if the last one was not
 * over. Takes it over in any case. 0 or -ENOMEM. */
int pyro_live_take(struct pyro_live *live, struct pyro_profile *profile, bool over);
/* Make the figures; does nothing while paused. 0 or -ENOMEM. */
int pyro_live_refresh(struct pyro_live *live);
void pyro_live_reset(struct pyro_live *live); /* begin anew; idle stays */
void pyro_live_clear(struct pyro_live *live); /* a zeroed struct is fine */
/* The thread's place in threads, or thread_count. */
size_t pyro_live_find_thread(const struct pyro_live *live, int32_t pid, uint64_t native_id);
/* FUNCTIONS and LINES, either of which may be NULL: what one thread did in the window, as `now`. 0 or -ENOMEM. */
int pyro_live_add_thread(const struct pyro_live *live, int32_t pid, uint64_t native_id,
                         struct pyro_tally *functions, struct pyro_tally *lines);
/* The newest piece that has something to tell: whose program it is. NULL: none yet. */
const struct pyro_profile *pyro_live_profile(const struct pyro_live *live);

#endif
