/* probe/sent.h - the queries of a request that is measured.
 *
 * Nearly all such requests are forgotten. So of their first queries no more is noted than it takes to tell of them later: the text, the line,
 * a number for the parameters, the times. Who asks gets them as one object of the Python part's (Queries of python/pyrometer/web/_queries.py),
 * which has what comes after that, too; so it has what is sent from where this cannot tell. All want the GIL, and set exceptions where they fail. */
#ifndef PYRO_PROBE_SENT_H
#define PYRO_PROBE_SENT_H

#include "probe/python.h"

/* What the requests of a service have in common. */
struct pyro_sent_by {
    PyObject *make; /* makes a Queries */
    /* path -> True: the program's own; None: _queries.py; else a library's: the end of the name of its function that loads lazily, or False. And who says so. */
    PyObject *files, *look_at;
    bool reads_frames; /* else all is left to Queries */
    bool reads_locals; /* of these frames */
};

/* Of MAKE, with its attributes `files`, a dict, and `look_at`. -1: it has them not. */
int pyro_sent_by_init(struct pyro_sent_by *by, PyObject *make);
void pyro_sent_by_clear(struct pyro_sent_by *by);

/* Of one request. Begins zeroed. */
struct pyro_sent {
    struct pyro_sent_query *items;
    uint32_t count, room;
    PyObject *queries; /* NULL until somebody asks */
    PyObject *
        begun; /* of those that were noted before, a list of what its end() wants; NULL: none were */
};

/* A query begins: what pyro_sent_end() wants. MANY: it is sent with a list of parameters. */
PyObject *pyro_sent_begin(struct pyro_sent *sent, const struct pyro_sent_by *by, PyObject *sql,
                          PyObject *parameters, bool many);
int pyro_sent_end(struct pyro_sent *sent, PyObject *begun);

/* All of them. */
PyObject *pyro_sent_queries(struct pyro_sent *sent, const struct pyro_sent_by *by);

int pyro_sent_traverse(struct pyro_sent *sent, visitproc visit, void *arg);
void pyro_sent_clear(struct pyro_sent *sent);

#endif
