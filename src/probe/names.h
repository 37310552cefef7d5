/* probe/names.h - dense ids of functions: by file, qualified name and first line, Python's and C's alike.
 *
 * The same function made anew (a code object compiled again, a type's method seen twice) gets the same id. Ids are
 * never used again in a recording. All calls want the GIL, but _python(). */
#ifndef PYRO_PROBE_NAMES_H
#define PYRO_PROBE_NAMES_H

#include "probe/inside.h"
#if PYRO_FREE_THREADED
#include "probe/records.h"
#endif

/* What a code object carries as extra data, or without a GIL each thread has of it (probe/records.h): its id, and counters
 * that were used lately. */
#define PYRO_RECORD_STARTS 4 /* powers of two */
#define PYRO_RECORD_CALLS  8
struct pyro_code_record {
    uint32_t id;
    bool library; /* installed, or part of Python: not the program's own */
    uint8_t
        sender; /* it sends queries: the slot of its local variable with the text + 1; 0: it does not */
    uint8_t loader;                     /* it loads lazily: pyro_orm_loader() */
    uint8_t parameters;                 /* whose values are compared; 0: never (arguments.h) */
    uint8_t results;                    /* how many returns are looked at yet, */
    bool judged;                        /* once it is promising (arguments.c) */
    uint32_t until_look;                /* starts until they are looked at */
    uint32_t recording;                 /* pyro_names_recording when it was made */
    struct pyro_line_code *lines;       /* its lines are counted: probe/lines.h; else NULL */
    struct pyro_line_code *known_lines; /* the same, from an earlier recording; or NULL */
    struct pyro_record_start {          /* by the caller's id */
        uint64_t key; /* thread's serial << 32 | caller: whom the counter is for */
        uint64_t *count;
    } starts[PYRO_RECORD_STARTS];
    struct pyro_record_call { /* by the instruction's offset: what it called last */
        const void *callee;   /* pyro_callee_key() */
        uint64_t *count;
        uint32_t thread, id; /* thread's serial */
    } calls[PYRO_RECORD_CALLS];
};

/* Which recording of this process it is: what code objects carry from an earlier one tells nothing. */
extern uint32_t pyro_names_recording;

/* Once, before anything else. -1: out of memory. */
int pyro_names_init(void);
/* The id of a function that is no code object. 0: no room for its name. */
uint32_t pyro_names_c(const char *name, size_t size);
/* The id of a Python function. 0: no room for its name. Calls no allocator. */
uint32_t pyro_names_python(const char *name, size_t name_size, const char *file, size_t file_size,
                           uint32_t first_line);
static inline struct pyro_code_record *pyro_names_known(const PyObject *code)
{
#if PYRO_FREE_THREADED
    return pyro_records_find(code);
#else
    struct pyro_code_record *record = pyro_code_extra(code);
    return record && record->recording == pyro_names_recording ? record : NULL;
#endif
}

/* Make CODE's record. NULL: out of memory, or no room for its name. */
struct pyro_code_record *pyro_names_record(PyObject *code);

static inline struct pyro_code_record *pyro_record_of(PyObject *code)
{
    struct pyro_code_record *record = pyro_names_known(code);
    return record ? record : pyro_names_record(code);
}

uint32_t pyro_names_next_id(void);
/* In a forked child: names go on in blocks of its own. */
void pyro_names_forked(void);
/* Another recording begins: no function has an id. */
void pyro_names_forget(void);

#endif
