/* probe/lines.h - count and time chosen functions line by line.
 *
 * A hit is a line event in sys.settrace's meaning: the line begins, or code jumps back onto its own line. On 3.12+ the events
 * are sys.monitoring's local ones, of the chosen code objects alone, which stay as they are: LINE, JUMP, and those of calls,
 * without which the interpreter would hide lines that share one with the beginning of the function. One event more is
 * everybody's, since it cannot be local: that an exception leaves a frame (PY_UNWIND).
 *
 * A line's time is that in which it stood on the thread's stack, what it called included; where its function recurses a
 * moment counts once. While a generator or coroutine is suspended it has none. So the lines of a function that does not
 * recurse add up to its time, and the line of a recursive call has the time of that call. What events cost is taken out
 * as they come: time is read from a clock that stands still meanwhile (struct pyro_line_costs, collect/tables.h).
 *
 * The activations of chosen functions that are open in a thread are kept, and compared with the real frames at each event: what
 * is not there any more (a switch of greenlets, a generator closed without an event) is ended then, what was there before we
 * began is taken up where it is. 3.11: by each thread's trace function, which lengthens all Python code; all calls want the
 * GIL. */
#ifndef PYRO_PROBE_LINES_H
#define PYRO_PROBE_LINES_H

#include "collect/tables.h"
#include "probe/blocks.h"
#include "probe/names.h"

enum pyro_lines_way {
    PYRO_LINES_LISTEN, /* timed, while somebody listens: then nothing of ours is left with the interpreter */
    PYRO_LINES_TIME,  /* until pyro_lines_stop() */
    PYRO_LINES_COUNT, /* the same, hits alone: no clock is read, and nothing kept of activations */
};

#if !PYRO_FREE_THREADED

/* Of functions that are named NAMES (probe/wanted.h; may be "") and of those that are watched. Measures what events cost,
 * which takes some ten milliseconds. Calls must be counted already, or timed. -1 with an exception; nothing is left
 * behind then. */
int pyro_lines_start(const char *names, enum pyro_lines_way way,
                     struct pyro_process_block *process);
/* Everything as before. Nothing happens if it was not started. */
void pyro_lines_stop(void);
/* Is it on? For a run, and not for who listens alone? */
bool pyro_lines_on(void);
bool pyro_lines_of_run(void);

/* Count the lines of CODE, or no more from now on; its activations that are open end then, in all threads. -1 with an exception. */
int pyro_lines_listen(PyObject *code, bool on);
/* What is known of CODE's lines. NULL: they were never counted. */
const struct pyro_line_code *pyro_lines_code(PyObject *code);
/* Count the lines of CODE from now on; done twice is fine. -1 with an exception. */
int pyro_lines_watch(PyObject *code);
/* FRAME runs already, and the lines of its code are counted since now: it stands where it is. Of a thread's frames the outermost
 * first; the calling thread's only. */
void pyro_lines_take_up(const void *frame);
/* CODE, called NAME in FILE, was seen for the first time, and begins in FRAME (NULL: it does not): if it is one of those that
 * are named, its lines are counted from here on. */
void pyro_lines_recognise(PyObject *code, const char *name, const char *file,
                          struct pyro_code_record *record);

/* 3.11: a thread was started. */
void pyro_lines_new_threads(void);

struct pyro_lines_thread;
/* A thread's state; NULL is fine. Those that are open in it end now. */
void pyro_lines_thread_ended(struct pyro_lines_thread *thread);
void pyro_lines_thread_free(struct pyro_lines_thread *thread);

#else /* lines are not counted there */

struct pyro_lines_thread;
static inline int pyro_lines_start(const char *names, enum pyro_lines_way way,
                                   struct pyro_process_block *process)
{
    pyro_blocks_say("lines are not counted in a free-threaded build of Python");
    return 0;
}
static inline void pyro_lines_stop(void)
{
}
static inline void pyro_lines_recognise(PyObject *code, const char *name, const char *file,
                                        struct pyro_code_record *record)
{
}
static inline void pyro_lines_new_threads(void)
{
}
static inline void pyro_lines_thread_ended(struct pyro_lines_thread *thread)
{
}
static inline void pyro_lines_thread_free(struct pyro_lines_thread *thread)
{
}

#endif

#endif
