/* probe/orms.h - the functions of libraries that send queries, and those that load what an object refers to when it is first asked
 * for. What is known of Django, SQLAlchemy and drivers written in Python stands here and nowhere else.
 *
 * They are recognised by file and qualified name, and only if they have the parameters that are read. */
#ifndef PYRO_PROBE_ORMS_H
#define PYRO_PROBE_ORMS_H

#include "probe/python.h"

#include <stddef.h>

struct pyro_orm_sender {
    const char *text; /* name of the parameter with the SQL; the one behind it has the values */
    bool many;        /* these are a list of such */
};
/* The sender that is the function NAME of FILE; NULL: it is none. */
const struct pyro_orm_sender *pyro_orm_sender(const char *name, const char *file);

/* What the qualified name of the lazy loader in FILE ends in; NULL: there is none. */
const char *pyro_orm_loader_in(const char *file);
/* 1 and up: a lazy loader; 0: it is none. */
uint8_t pyro_orm_loader(const char *name, const char *file);
/* Has CODE, of a function that is called like a loader, a parameter? Else its frame has no `self` to be read. */
bool pyro_orm_has_self(PyObject *code);
/* What the lazy loader SELF loads: the attribute of a class, as texts that are cut to the sizes, "" where not known. */
void pyro_orm_relation(uint8_t loader, PyObject *self, char *relation, size_t relation_size,
                       char *owner, size_t owner_size);

#endif
