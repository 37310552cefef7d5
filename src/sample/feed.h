/* sample/feed.h - a process watched for a live view: a recorder in a thread of its own, that records in pieces.
 *
 * Each piece is a whole recording in memory, readable while it grows. A piece ends after a while, when it holds many samples,
 * or when asked; then the process is attached to anew and the next one begins, some milliseconds later. So nothing grows for
 * as long as a view stays open: neither a piece, nor what the recorder remembers of the process.
 *
 * The thread blocks all signals. All calls below are made by one other thread. */
#ifndef PYRO_SAMPLE_FEED_H
#define PYRO_SAMPLE_FEED_H

#include "base/error.h"
#include "sample/recorder.h"

#include <stdatomic.h>

struct pyro_feed_piece {
    int fd;                        /* the recording: anonymous memory */
    char path[48];                 /* by which it is read */
    atomic_bool complete;          /* closed: it grows no more. Its partner is record_piece() */
    struct pyro_feed_piece *after; /* the feed's */
};
void pyro_feed_piece_free(
    struct pyro_feed_piece *piece); /* NULL is fine; only complete ones, or after the feed */

struct pyro_feed_options {
    struct pyro_recorder_options recorder; /* stop, progress and duration_ns are the feed's own */
    const char *directory, *command;       /* for struct pyro_recording_info; kept by the caller */
    uint64_t piece_ns;                     /* a piece ends after that, */
    uint64_t piece_samples;                /* or when it holds so many samples */
};

struct pyro_feed_status {
    bool ended;              /* nothing more comes: the target is gone, or see error */
    struct pyro_error error; /* code 0: none */
    uint32_t processes;      /* that are Pythons and being read; 0: none at present */
    char python[32];         /* "3.12.1"; "": not known */
    bool guesses;            /* a newer Python than is known */
};

struct pyro_feed;
/* Returns when the process was attached to, or could not be: errors as of pyro_recorder_attach(). */
int pyro_feed_start(const struct pyro_feed_options *options, struct pyro_feed **ret_feed,
                    struct pyro_error *error);
/* Readable about four times a second, while something may have changed: read 8 bytes off it. */
int pyro_feed_fd(const struct pyro_feed *feed);
/* The next piece, as soon as it is begun: the caller's from then on. NULL: none. */
struct pyro_feed_piece *pyro_feed_next(struct pyro_feed *feed);
/* Have the current piece written out up to now; that takes up to a quarter of a second. Then the descriptor is readable, and
 * _flushed is true, once. */
void pyro_feed_flush(struct pyro_feed *feed);
bool pyro_feed_flushed(struct pyro_feed *feed);
void pyro_feed_cut(struct pyro_feed *feed); /* end the current piece soon, and begin another */
void pyro_feed_status(struct pyro_feed *feed, struct pyro_feed_status *ret_status);
void pyro_feed_free(struct pyro_feed *feed); /* ends the thread; NULL is fine */

#endif
