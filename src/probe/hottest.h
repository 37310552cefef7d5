/* probe/hottest.h - functions that were found to be the hottest after the program began: their lines are counted from then on.
 *
 * The sampler finds them and the collector writes their ids into our process block. Nobody can interrupt us, so it is at the next
 * call of a Python function, or of a C function where these are counted, that we look. Functions that the calling thread is in at that moment
 * are taken up where they are. All calls want the GIL. */
#ifndef PYRO_PROBE_HOTTEST_H
#define PYRO_PROBE_HOTTEST_H

#include "probe/names.h"

#if !PYRO_FREE_THREADED

extern bool pyro_hottest_awaited; /* some of them were not told, or did not run since */

/* From now on they are. Lines are counted already, of none. */
void pyro_hottest_await(void);

void pyro_hottest_look(PyObject *code, struct pyro_code_record *record, const void *frame);
/* FRAME, of CODE, begins or calls something. */
static inline void pyro_hottest_seen(PyObject *code, struct pyro_code_record *record,
                                     const void *frame)
{
    if (__builtin_expect(pyro_hottest_awaited, 0))
        pyro_hottest_look(code, record, frame);
}

#else /* lines are not counted there */

static inline void pyro_hottest_seen(PyObject *code, struct pyro_code_record *record,
                                     const void *frame)
{
}

#endif

#endif
