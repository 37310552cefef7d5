/* probe/values.h - are two values the same? By a hash, without any code of the program's.
 *
 * Taken apart are exact tuples, lists and dicts; hashed are exact str, bytes, int, float, bool, None, Decimal, date, and
 * datetime without a time zone (one with it asks that for its offset, which a class of the program's may answer). Hashes never
 * leave the process. Wants the GIL. */
#ifndef PYRO_PROBE_VALUES_H
#define PYRO_PROBE_VALUES_H

#include "probe/python.h"

/* The same for what a function returned: of long lists and dicts the first items count, of sets their length. False: something in it is
 * of another type, an object that whoever gets it may change. */
bool pyro_value_sketch(PyObject *value, uint64_t *hash);

/* Mix VALUE into *HASH. False: it is of another type, too deep or too much, or NULL. No exception is left behind. */
bool pyro_value_hash(PyObject *value, uint64_t *hash);

#endif
