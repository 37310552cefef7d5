/* sample/feed.c - attach, record a piece, let go, and again. */
#include "sample/feed.h"

#include "base/clock.h"
#include "target/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define RETRY_NS \
    (200 * PYRO_NS_PER_MS) /* a process that cannot be read now may be on its way through exec */

struct pyro_feed {
    struct pyro_feed_options options;
    pthread_t thread;
    bool running;
    int event_fd;
    volatile sig_atomic_t stop_piece; /* for the recorder: set by both threads */
    atomic_bool quit;                 /* set by _free; its partner is work() */
    atomic_bool flush;                /* set by _flush; its partner is on_progress() */
    atomic_bool flushed;              /* set by on_progress(); its partner is _flushed */

    pthread_mutex_t mutex; /* over all below */
    pthread_cond_t attached;
    bool attach_done;
    struct pyro_feed_status status;
    struct pyro_feed_piece *first; /* not yet taken */

    /* of the thread: */
    struct pyro_writer *writer;
    uint64_t target_start_ticks;
    uint64_t began_ns,
        began_unix_us; /* pieces follow each other, even if somebody sets the clock */
};

/* -- pieces ------------------------------------------------------------------------------------- */

static struct pyro_feed_piece *piece_new(void)
{
    struct pyro_feed_piece *piece = calloc(1, sizeof(*piece));
    if (!piece)
        return NULL;
    piece->fd = memfd_create("pyrometer", MFD_CLOEXEC);
    if (piece->fd < 0) {
        free(piece);
        return NULL;
    }
    snprintf(piece->path, sizeof(piece->path), "/proc/self/fd/%d", piece->fd);
    return piece;
}

void pyro_feed_piece_free(struct pyro_feed_piece *piece)
{
    if (!piece)
        return;
    close(piece->fd);
    free(piece);
}

static void add_piece(struct pyro_feed *feed, struct pyro_feed_piece *piece)
{
    pthread_mutex_lock(&feed->mutex);
    struct pyro_feed_piece **last = &feed->first;
    while (*last)
        last = &(*last)->after;
    *last = piece;
    pthread_mutex_unlock(&feed->mutex);
}

struct pyro_feed_piece *pyro_feed_next(struct pyro_feed *feed)
{
    pthread_mutex_lock(&feed->mutex);
    struct pyro_feed_piece *piece = feed->first;
    if (piece)
        feed->first = piece->after;
    pthread_mutex_unlock(&feed->mutex);
    return piece;
}

/* -- the thread --------------------------------------------------------------------------------- */

static void wake(struct pyro_feed *feed)
{
    const uint64_t one = 1;
    if (write(feed->event_fd, &one, sizeof(one)) < 0)
        return; /* it is readable already */
}

/* What the attempt to attach came to. */
static void tell_attached(struct pyro_feed *feed, const struct pyro_recorder *recorder,
                          const struct pyro_error *error)
{
    pthread_mutex_lock(&feed->mutex);
    feed->attach_done = true;
    if (recorder) {
        if (*pyro_recorder_python(recorder))
            snprintf(feed->status.python, sizeof(feed->status.python), "%s",
                     pyro_recorder_python(recorder));
        feed->status.guesses = pyro_recorder_guesses(recorder);
    } else {
        feed->status.error = *error;
        feed->status.ended = true;
    }
    pthread_cond_signal(&feed->attached);
    pthread_mutex_unlock(&feed->mutex);
    wake(feed);
}

static void tell_ended(struct pyro_feed *feed, const struct pyro_error *error)
{
    pthread_mutex_lock(&feed->mutex);
    feed->status.ended = true;
    feed->status.processes = 0;
    if (error)
        feed->status.error = *error;
    pthread_mutex_unlock(&feed->mutex);
    wake(feed);
}

/* Called by the recorder, about four times a second. */
static void on_progress(const struct pyro_recorder_progress *progress, void *context)
{
    struct pyro_feed *feed = context;
    pthread_mutex_lock(&feed->mutex);
    feed->status.processes = progress->processes;
    pthread_mutex_unlock(&feed->mutex);
    if (progress->counters.samples >= feed->options.piece_samples)
        feed->stop_piece = 1;
    if (atomic_exchange(&feed->flush, false)) {
        (void)pyro_writer_flush(feed->writer);
        atomic_store(&feed->flushed, true);
    }
    wake(feed);
}

static int open_piece(struct pyro_feed *feed, const struct pyro_recorder *recorder,
                      struct pyro_feed_piece **ret_piece, struct pyro_error *error)
{
    const struct pyro_recorder_options *options = &feed->options.recorder;
    struct pyro_feed_piece *piece = piece_new();
    if (!piece)
        return pyro_error_set(error, -errno, "cannot make memory for samples: %s", strerror(errno));
    const struct pyro_recording_info info = {
        .command = feed->options.command,
        .python = pyro_recorder_python(recorder),
        .mode = "wall",
        .pyrometer = PYRO_VERSION,
        .directory = feed->options.directory,
        .pid = options->pid,
        .started_unix_us =
            feed->began_unix_us + (pyro_clock_ns() - feed->began_ns) / PYRO_NS_PER_US,
        .rate_hz = options->rate_hz,
        .exact = options->exact,
        .cpus = pyro_process_cpus(options->pid),
    };
    int code = pyro_writer_open(piece->path, &info, &feed->writer, error);
    if (code < 0) {
        pyro_feed_piece_free(piece);
        return code;
    }
    *ret_piece = piece;
    return 0;
}

/* -ECHILD: the target is gone. */
static int record_piece(struct pyro_feed *feed, struct pyro_recorder *recorder,
                        struct pyro_error *error)
{
    struct pyro_feed_piece *piece;
    enum pyro_recorder_end end = PYRO_END_STOP;
    int code = open_piece(feed, recorder, &piece, error);
    if (code < 0)
        return code;
    add_piece(feed, piece);
    code = pyro_recorder_run(recorder, feed->writer, &end, error);
    feed->options.recorder.begin_hz = pyro_recorder_rate_hz(recorder);
    int closed = pyro_writer_close(feed->writer, code < 0 ? NULL : error);
    feed->writer = NULL;
    atomic_store(&piece->complete, true);
    wake(feed);
    if (code < 0 || closed < 0)
        return code < 0 ? code : closed;
    return end == PYRO_END_TARGET ? -ECHILD : 0;
}

static bool target_alive(const struct pyro_feed *feed)
{
    return pyro_process_alive(feed->options.recorder.pid, feed->target_start_ticks);
}

/* One piece. Not 0: nothing more comes; an error without a code if the target is gone. */
static int next_piece(struct pyro_feed *feed, bool first, struct pyro_error *error)
{
    struct pyro_recorder *recorder = NULL;
    struct pyro_recorder_options options = feed->options.recorder;
    /* What was a Python once may be another program for a while. */
    options.tolerate_no_python = options.tolerate_no_python || !first;
    if (!first)
        options.attach_timeout_ns = 0;
    feed->stop_piece = 0;
    if (atomic_load(&feed->quit))
        return -EINTR;
    int code = pyro_recorder_attach(&options, &recorder, error);
    if (code < 0 && !first && !target_alive(feed))
        return -ECHILD;
    if (first || code == 0)
        tell_attached(feed, recorder, error);
    if (code == 0)
        code = record_piece(feed, recorder, error);
    pyro_recorder_free(recorder);
    if ((code == -EAGAIN || code == -ENOEXEC) && !first) {
        pyro_clock_sleep_until(pyro_clock_ns() + RETRY_NS);
        return 0;
    }
    return code;
}

static void *work(void *context)
{
    struct pyro_feed *feed = context;
    struct pyro_error error = {0};
    int code = next_piece(feed, true, &error);
    while (code == 0 && !atomic_load(&feed->quit)) {
        error = (struct pyro_error){0};
        code = next_piece(feed, false, &error);
    }
    tell_ended(feed, code == -ECHILD || code == 0 ? NULL : &error);
    return NULL;
}

/* -- for the other thread ----------------------------------------------------------------------- */

static int start_thread(struct pyro_feed *feed)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&feed->thread, NULL, work, feed);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    feed->running = error == 0;
    return -error;
}

static int wait_attached(struct pyro_feed *feed, struct pyro_error *error)
{
    pthread_mutex_lock(&feed->mutex);
    while (!feed->attach_done)
        pthread_cond_wait(&feed->attached, &feed->mutex);
    if (feed->status.error.code < 0 && error)
        *error = feed->status.error;
    int code = feed->status.error.code;
    pthread_mutex_unlock(&feed->mutex);
    return code;
}

int pyro_feed_start(const struct pyro_feed_options *options, struct pyro_feed **ret_feed,
                    struct pyro_error *error)
{
    struct pyro_process_info info;
    struct pyro_feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    feed->options = *options;
    feed->options.recorder.stop = &feed->stop_piece;
    feed->options.recorder.duration_ns = options->piece_ns;
    feed->options.recorder.progress = on_progress;
    feed->options.recorder.progress_context = feed;
    pthread_mutex_init(&feed->mutex, NULL);
    pthread_cond_init(&feed->attached, NULL);
    if (pyro_process_info(options->recorder.pid, &info) == 0)
        feed->target_start_ticks = info.start_ticks;
    feed->began_ns = pyro_clock_ns();
    feed->began_unix_us = pyro_clock_unix_us();
    feed->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = feed->event_fd < 0 ? -errno : start_thread(feed);
    if (code < 0)
        pyro_error_set(error, code, "cannot start a thread: %s", strerror(-code));
    else
        code = wait_attached(feed, error);
    if (code < 0) {
        pyro_feed_free(feed);
        return code;
    }
    *ret_feed = feed;
    return 0;
}

int pyro_feed_fd(const struct pyro_feed *feed)
{
    return feed->event_fd;
}

void pyro_feed_flush(struct pyro_feed *feed)
{
    atomic_store(&feed->flush, true);
}

bool pyro_feed_flushed(struct pyro_feed *feed)
{
    return atomic_exchange(&feed->flushed, false);
}

void pyro_feed_cut(struct pyro_feed *feed)
{
    feed->stop_piece = 1;
}

void pyro_feed_status(struct pyro_feed *feed, struct pyro_feed_status *ret_status)
{
    pthread_mutex_lock(&feed->mutex);
    *ret_status = feed->status;
    pthread_mutex_unlock(&feed->mutex);
}

void pyro_feed_free(struct pyro_feed *feed)
{
    if (!feed)
        return;
    atomic_store(&feed->quit, true);
    feed->stop_piece = 1;
    if (feed->running)
        pthread_join(feed->thread, NULL);
    for (struct pyro_feed_piece *piece = feed->first; piece;) {
        struct pyro_feed_piece *after = piece->after;
        pyro_feed_piece_free(piece);
        piece = after;
    }
    if (feed->event_fd >= 0)
        close(feed->event_fd);
    pthread_cond_destroy(&feed->attached);
    pthread_mutex_destroy(&feed->mutex);
    free(feed);
}
