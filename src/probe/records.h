/* probe/records.h - without a GIL: the records of code objects that one thread made for itself, found by address.
 *
 * With one, a code object carries its record as extra data. Without, that is no place to look: others may be about to move
 * it. So each thread has a table of its own, and no event waits for another thread's. A code object that dies must be
 * forgotten by all of them before one with its address runs: its death is written down, and each thread catches up with that
 * at its next event. Whatever is on a thread's stack then is alive as long as that event lasts. */
#ifndef PYRO_PROBE_RECORDS_H
#define PYRO_PROBE_RECORDS_H

#include "base/map.h"
#include "probe/python.h"

#include <stdatomic.h>

struct pyro_code_record;

struct pyro_record_place {
    const PyObject *code; /* NULL: free */
    struct pyro_code_record *record;
};
/* The calling thread's. Zeroed it is empty and ready. */
struct pyro_records {
    struct pyro_record_place *places;
    uint32_t mask, count;
    uint64_t deaths; /* up to this one it forgot */
};
extern __thread struct pyro_records pyro_records __attribute__((tls_model("initial-exec")));
extern _Atomic uint64_t pyro_record_deaths; /* of code objects with a record */

/* Own CODE's record, to be freed by free() when CODE dies. *RET_FIRST: no thread had one. NULL: out of memory, and RECORD is
 * freed. */
struct pyro_code_record *pyro_records_add(PyObject *code, struct pyro_code_record *record,
                                          bool *ret_first);
/* What a code object that dies has as extra data. */
void pyro_records_died(void *code);
void pyro_records_forget_dead(void);
/* The thread ends. */
void pyro_records_clear(void);

/* An event begins. */
static inline void pyro_records_catch_up(void)
{
    if (__builtin_expect(
            pyro_records.deaths !=
                atomic_load_explicit(&pyro_record_deaths, memory_order_acquire), /* records.c */
            0))
        pyro_records_forget_dead();
}

static inline uint32_t pyro_records_place(const struct pyro_records *records, const PyObject *code)
{
    uint32_t at = (uint32_t)((uintptr_t)code * UINT64_C(0x9e3779b97f4a7c15) >> 32) & records->mask;
    while (records->places[at].code && records->places[at].code != code)
        at = (at + 1) & records->mask;
    return at;
}

/* NULL: this thread has none. */
static inline struct pyro_code_record *pyro_records_find(const PyObject *code)
{
    if (__builtin_expect(!pyro_records.places, 0))
        return NULL;
    return pyro_records.places[pyro_records_place(&pyro_records, code)].record;
}

#endif
