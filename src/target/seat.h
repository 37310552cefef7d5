/* target/seat.h - work on the CPU that a thread of the target runs on: as long as we sit there, it does not run.
 *
 * A seat is a thread of ours bound to one CPU. The work moves from seat to seat, and only one of them is awake at any
 * time. Who wakes up on a CPU is let in at once by the kernel, and whoever ran there waits: it is not stopped, and
 * needs no rights for it. What it costs the target is our own time, some microseconds.
 *
 * That a thread T stood still while its memory was copied is proved by three facts together: we sat on CPU c all the
 * time, awake (pyro_seat_begin(), pyro_seat_kept()); after the copy, the kernel's note in T's own memory (pyro_seat_find_note()) says that T was
 * last let run on c; and the kernel brings that note up to date before T runs one instruction on another CPU. */
#ifndef PYRO_TARGET_SEAT_H
#define PYRO_TARGET_SEAT_H

#include "target/memory.h"

#include <stdbool.h>
#include <sys/types.h>

#define PYRO_SEAT_NONE (-1) /* bound to no CPU: the thread that called pyro_seats_run() */
#define PYRO_SEAT_DONE (-2)

struct pyro_seat {
    int cpu;       /* or PYRO_SEAT_NONE */
    long switches; /* how often this thread had left its CPU, at the last pyro_seat_begin() */
};

/* Before a copy, and after it: did we stay awake on this seat's CPU, so that nobody else ran there? Not if a page had to be
 * waited for, or a lock. */
void pyro_seat_begin(struct pyro_seat *seat);
bool pyro_seat_kept(const struct pyro_seat *seat);

/* The calling thread wants to be let in soon when it wakes up, and never stays for long. */
void pyro_seat_short_turns(void);

/* What is done on the seats. Returns the CPU to go on at (PYRO_SEAT_NONE: any), or PYRO_SEAT_DONE. Called again
 * there, or here if there is no seat to be had (a CPU we may not use). */
typedef int (*pyro_seat_work)(struct pyro_seat *seat, void *context);

struct pyro_seats;
int pyro_seats_new(struct pyro_seats **ret_seats); /* -ENOMEM */
void pyro_seats_free(struct pyro_seats *seats);    /* ends the threads; NULL is fine */
/* Work until it is done. The first call is made in the calling thread, which sits nowhere. */
void pyro_seats_run(struct pyro_seats *seats, pyro_seat_work work, void *context);
/* May CPU be asked for? False once it was refused. */
bool pyro_seats_offer(const struct pyro_seats *seats, int cpu);

/* Where the kernel notes the CPU a thread runs on: the cpu_id of its rseq area (glibc 2.35 and later registers one for
 * each thread), *RET_OFFSET bytes from its pthread_self(). -ENOENT: there is none; -ENOTSUP: known
 * on x86-64 and aarch64 alone. */
int pyro_seat_find_note(pid_t pid, const struct pyro_memory *memory, int64_t *ret_offset);

#endif
