/* probe/records.c - tables with linear probing, and the log of deaths. */
#include "probe/records.h"

#include "probe/inside.h"
#include "probe/lock.h"

#include <stdlib.h>

#define PLACES_FIRST 256
#define PLACES_MAX   (UINT32_C(1) << 24)
#define DEATHS_KEPT  1024 /* a power of two; who is further behind forgets all */

__thread struct pyro_records pyro_records __attribute__((tls_model("initial-exec")));

_Atomic uint64_t pyro_record_deaths; /* written under the lock; readers: pyro_records_catch_up() */
static const PyObject *dead[DEATHS_KEPT]; /* under the lock, as is ... */
static struct pyro_map told; /* ... this: address -> does its code object tell us of its death? */

/* -- deaths ------------------------------------------------------------------------------------- */

void pyro_records_died(void *code)
{
    if (!code)
        return; /* of another tool's extra data, ours was never set */
    pyro_lock();
    uint64_t *tells = pyro_map_find(&told, (uintptr_t)code, 0);
    if (tells)
        *tells = false;
    uint64_t deaths = atomic_load_explicit(&pyro_record_deaths, memory_order_relaxed);
    dead[deaths & (DEATHS_KEPT - 1)] = code;
    atomic_store_explicit(&pyro_record_deaths, deaths + 1, memory_order_release);
    pyro_unlock();
}

/* Have CODE, which runs, tell us of its death; it does so by what it has as extra data. *RET_FIRST: it did not yet. False:
 * out of memory. */
static bool have_told(PyObject *code, bool *ret_first)
{
    pyro_lock();
    uint64_t *tells = pyro_map_insert(&told, (uintptr_t)code, 0, NULL);
    bool known = tells && *tells;
    if (tells)
        *tells = true;
    pyro_unlock();
    *ret_first = tells && !known;
    if (*ret_first && pyro_python.set_code_extra(code, pyro_inside.extra_index, code) < 0) {
        PyErr_Clear();
        Py_INCREF(code); /* out of memory: then it must not die */
    }
    return tells;
}

/* -- one thread's table ------------------------------------------------------------------------- */

/* Whoever was put behind its place because of this one moves up. */
static void forget(struct pyro_records *records, const PyObject *code)
{
    uint32_t hole = pyro_records_place(records, code);
    if (!records->places[hole].code)
        return;
    free(records->places[hole].record);
    records->places[hole] = (struct pyro_record_place){0};
    records->count--;
    for (uint32_t at = (hole + 1) & records->mask; records->places[at].code;
         at = (at + 1) & records->mask) {
        struct pyro_record_place moved = records->places[at];
        records->places[at] = (struct pyro_record_place){0};
        records->places[pyro_records_place(records, moved.code)] = moved;
    }
}

void pyro_records_clear(void)
{
    for (uint32_t i = 0; pyro_records.places && i <= pyro_records.mask; i++)
        free(pyro_records.places[i].record);
    free(pyro_records.places);
    pyro_records = (struct pyro_records){.deaths = pyro_records.deaths};
}

void pyro_records_forget_dead(void)
{
    struct pyro_records *records = &pyro_records;
    pyro_lock();
    uint64_t deaths = atomic_load_explicit(&pyro_record_deaths, memory_order_relaxed);
    if (deaths - records->deaths > DEATHS_KEPT)
        pyro_records_clear();
    for (uint64_t death = records->deaths; records->places && death != deaths; death++)
        forget(records, dead[death & (DEATHS_KEPT - 1)]);
    records->deaths = deaths;
    pyro_unlock();
}

static bool grow(struct pyro_records *records)
{
    uint32_t count = records->places ? (records->mask + 1) * 2 : PLACES_FIRST;
    struct pyro_records grown = {
        .places = count > PLACES_MAX ? NULL : calloc(count, sizeof(*grown.places)),
        .mask = count - 1,
        .count = records->count,
        .deaths = records->deaths,
    };
    if (!grown.places)
        return false;
    for (uint32_t i = 0; records->places && i <= records->mask; i++)
        if (records->places[i].code)
            grown.places[pyro_records_place(&grown, records->places[i].code)] = records->places[i];
    free(records->places);
    *records = grown;
    return true;
}

struct pyro_code_record *pyro_records_add(PyObject *code, struct pyro_code_record *record,
                                          bool *ret_first)
{
    struct pyro_records *records = &pyro_records;
    bool room = records->places && records->count < records->mask / 4 * 3;
    if ((!room && !grow(records)) || !have_told(code, ret_first)) {
        free(record);
        return NULL;
    }
    records->places[pyro_records_place(records, code)] = (struct pyro_record_place){code, record};
    records->count++;
    return record;
}
