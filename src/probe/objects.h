/* probe/objects.h - is it the same object, in the same state?
 *
 * Instances of classes written in Python, whose attributes are all that they hold. An address alone says nothing where objects come and
 * go, so their attributes are hashed along: numbers and texts by value, other things by their address, and their length if they have one.
 * No code of the program's runs, and no dict is made. Wants the GIL. */
#ifndef PYRO_PROBE_OBJECTS_H
#define PYRO_PROBE_OBJECTS_H

#include "probe/python.h"

/* Once: learn whether attributes lie where they should. Until then, and where they do not, no object is known. */
void pyro_objects_start(void);

/* Mix OBJECT into *HASH. False: it is another kind of thing, or has too many attributes. */
bool pyro_object_hash(PyObject *object, uint64_t *hash);

#endif
