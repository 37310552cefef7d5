/* probe/arguments.c - which calls are looked at, and what is remembered of them.
 *
 * The first LOOK_ALL calls of a function, then one in some 128, in no fixed rhythm: programs have rhythms. Where most of the first
 * ones differ, or cannot be compared, it is not looked at any more. Where most of them were there before, the next returns are told: a
 * function that makes objects, or answers the same question differently, has nothing that could be kept. */
#include "probe/arguments.h"

#if !PYRO_FREE_THREADED

#include "base/map.h"
#include "probe/blocks.h"
#include "probe/objects.h"
#include "probe/values.h"

#include <string.h>

#define LOOK_ALL       1000
#define LOOK_GAP       255 /* between two looks at most, later; a power of two less one */
#define TRIES          64  /* whose arguments cannot be compared: none can */
#define PARAMETERS_MAX 16
#define PROMISING      8          /* looks at least, half of them at what was asked before */
#define RESULTS        32         /* returns that are looked at then */
#define WATCHED_MAX    256        /* functions of which they are */
#define OPEN_MAX       16         /* calls whose returns are waited for; a power of two */
#define SEEN_MAX       (1u << 14) /* arguments that are remembered, over all functions */
#define MAY_SUSPEND    (0x20 | 0x80 | 0x200) /* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR */
#define IS_FUNCTION    0x3                   /* CO_OPTIMIZED, CO_NEWLOCALS */
#define HAS_ARGS       0x4
#define HAS_KEYWORDS   0x8

static bool locals_known;
static struct pyro_map ids;  /* a function's id -> its place in shared memory */
static struct pyro_map seen; /* arguments, function */
static struct pyro_block_head *block;
static uint32_t random_state = 1;

static int (*watch_code)(PyObject *code);
static uint32_t watched;        /* functions */
static struct pyro_map answers; /* arguments, function -> what it returned */
static struct open_call {
    const void *frame;  /* NULL: none */
    uint64_t hash;      /* of the arguments */
} open_calls[OPEN_MAX]; /* by their frame */
uint32_t pyro_arguments_open;

void pyro_arguments_start(bool locals_are_known, int (*watch)(PyObject *code))
{
    locals_known = locals_are_known;
    watch_code = watch;
    if (locals_known)
        pyro_objects_start();
}

void pyro_arguments_stop(void)
{
    watch_code = NULL;
    watched = 0;
    pyro_map_free(&answers);
    memset(open_calls, 0, sizeof(open_calls));
    pyro_arguments_open = 0;
}

void pyro_arguments_forked(void)
{
    pyro_map_free(&ids);
    pyro_map_free(&seen);
    pyro_map_free(&answers);
    block = NULL;
}

/* -- does a function return anything? ----------------------------------------------------------- */

/* Include/opcode.h, 3.13: opcode_ids.h; LOAD_CONST with what the interpreter may make of it. 0: there is none. */
static const struct returns {
    uint8_t value, constant; /* RETURN_VALUE, RETURN_CONST */
    uint8_t load[3];
    uint8_t common, none; /* LOAD_COMMON_CONSTANT, and its argument for None */
} returns[] = {
    {83, 0, {100, 0, 0}, 0, 0},    {83, 121, {100, 0, 0}, 0, 0}, {36, 103, {83, 0, 0}, 0, 0},
    {35, 0, {82, 190, 191}, 0, 0}, {33, 0, {81, 0, 0}, 80, 7},
};
#define FIRST_MINOR 11

static bool loads(const struct returns *numbers, uint8_t opcode)
{
    return opcode &&
           (opcode == numbers->load[0] || opcode == numbers->load[1] || opcode == numbers->load[2]);
}

/* Is the instruction at AT of BYTES one that returns something else than a None that stands there? A cache that looks like one
 * does no harm. */
static bool returns_value(const struct returns *numbers, const uint8_t *bytes, Py_ssize_t at,
                          PyObject *constants)
{
    uint8_t opcode = bytes[2 * at];
    if (numbers->constant && opcode == numbers->constant)
        return PyTuple_GetItem(constants, bytes[2 * at + 1]) != Py_None;
    if (opcode != numbers->value)
        return false;
    uint8_t before = at ? bytes[2 * at - 2] : 0, argument = at ? bytes[2 * at - 1] : 0;
    if (numbers->common && before == numbers->common)
        return argument != numbers->none;
    return !loads(numbers, before) || PyTuple_GetItem(constants, argument) != Py_None;
}

/* A function that returns only None is called for what it does. */
static bool has_result(PyObject *code)
{
    unsigned version = pyro_inside.minor - FIRST_MINOR;
    const uint8_t *bytes = (const uint8_t *)code + pyro_inside.code_bytecode;
    PyObject *constants = PyObject_GetAttrString(code, "co_consts");
    bool found = false;
    if (constants && version < sizeof(returns) / sizeof(returns[0]))
        for (Py_ssize_t i = 0; !found && i < Py_SIZE(code); i++)
            found = returns_value(&returns[version], bytes, i, constants);
    Py_XDECREF(constants);
    PyErr_Clear();
    return found;
}

/* -- functions ---------------------------------------------------------------------------------- */

static long number_of(PyObject *code, const char *name)
{
    PyObject *value = PyObject_GetAttrString(code, name);
    long number = value ? PyLong_AsLong(value) : 0;
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

/* What it finds in variables of the function around it is another thing for each call of that one. */
static bool has_free_variables(PyObject *code)
{
    PyObject *names = PyObject_GetAttrString(code, "co_freevars");
    bool found = names && PyTuple_Size(names) > 0;
    Py_XDECREF(names);
    PyErr_Clear();
    return found;
}

void pyro_arguments_recognise(PyObject *code, struct pyro_code_record *record)
{
    uint32_t flags = pyro_u32_at(code, pyro_inside.code_flags);
    if (!locals_known || (flags & IS_FUNCTION) != IS_FUNCTION || (flags & MAY_SUSPEND))
        return;
    long count = number_of(code, "co_argcount") + number_of(code, "co_kwonlyargcount") +
                 ((flags & HAS_ARGS) != 0) + ((flags & HAS_KEYWORDS) != 0);
    if (count < 1 || count > PARAMETERS_MAX || has_free_variables(code) || !has_result(code))
        return;
    record->parameters = (uint8_t)count;
    record->until_look = 1;
}

/* -- calls -------------------------------------------------------------------------------------- */

static struct pyro_argument_entry *entry_new(uint32_t id)
{
    uint32_t used = block ? atomic_load_explicit(&block->used, memory_order_relaxed)
                          : PYRO_BLOCK_ARGUMENT_COUNT;
    if (used == PYRO_BLOCK_ARGUMENT_COUNT) {
        struct pyro_block_head *claimed = pyro_blocks_claim(PYRO_BLOCK_ARGUMENTS, 0);
        if (!claimed)
            return NULL;
        block = claimed;
        used = 0;
    }
    struct pyro_argument_entry *entry = (struct pyro_argument_entry *)(block + 1) + used;
    *entry = (struct pyro_argument_entry){.function = id};
    atomic_store_explicit(&block->used, used + 1, memory_order_release);
    return entry;
}

static struct pyro_argument_entry *entry_of(uint32_t id)
{
    bool is_new;
    uint64_t *place = pyro_map_insert(&ids, id, 0, &is_new);
    if (place && is_new)
        *place = (uintptr_t)entry_new(id);
    return place ? (struct pyro_argument_entry *)(uintptr_t)*place : NULL;
}

static void add(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); /* reader: collect/collect.c */
}

/* A parameter that an inner function uses lies in a cell, as soon as its function begins. */
static PyObject *parameter_of(const void *frame, uint32_t slot)
{
    PyObject *value = pyro_frame_local(frame, slot);
    if (value && pyro_python.cell_type && Py_TYPE(value) == pyro_python.cell_type)
        return pyro_at(value, pyro_inside.cell_content);
    return value;
}

static bool hash_parameter(PyObject *value, uint64_t *hash)
{
    uint64_t before = *hash;
    if (pyro_value_hash(value, hash))
        return true;
    *hash = before;
    return pyro_object_hash(value, hash);
}

/* False: they could not be compared. */
static bool note(const struct pyro_code_record *record, struct pyro_argument_entry *entry,
                 const void *frame, uint64_t *ret_hash)
{
    uint64_t hash = 0;
    bool known = true, is_new = false;
    for (uint32_t i = 0; known && i < record->parameters; i++)
        known = hash_parameter(parameter_of(frame, i), &hash);
    *ret_hash = hash;
    if (known && seen.count >= SEEN_MAX && !pyro_map_find(&seen, hash, record->id))
        known = false;
    if (known)
        known = pyro_map_insert(&seen, hash, record->id, &is_new) != NULL;
    if (!known)
        add(&entry->unknown);
    else if (is_new)
        add(&entry->distinct);
    add(&entry->looked);
    return known;
}

/* -- results ------------------------------------------------------------------------------------ */

static bool is_promising(const struct pyro_argument_entry *entry)
{
    return entry->looked >= PROMISING && 2 * (entry->distinct + entry->unknown) <= entry->looked;
}

/* Have its returns told. */
static void judge(PyObject *code, struct pyro_code_record *record)
{
    record->judged = true;
    if (watched == WATCHED_MAX || (watch_code && watch_code(code) < 0)) {
        PyErr_Clear(); /* what it returns is not known */
        return;
    }
    watched++;
    record->results = RESULTS;
}

static struct open_call *open_call_of(const void *frame)
{
    return &open_calls[pyro_hash_u64((uintptr_t)frame) & (OPEN_MAX - 1)];
}

/* An older one in its place is not waited for any more. */
static void wait_for(const void *frame, uint64_t hash)
{
    struct open_call *call = open_call_of(frame);
    pyro_arguments_open += !call->frame;
    *call = (struct open_call){frame, hash};
}

/* Is VALUE a list or dict that the function was called with, and now gives back? */
static bool was_given(const struct pyro_code_record *record, const void *frame, PyObject *value)
{
    bool found = false;
    for (uint32_t i = 0; !found && i < record->parameters; i++)
        found = parameter_of(frame, i) == value;
    return found && (PyList_CheckExact(value) || PyDict_CheckExact(value));
}

/* Is VALUE one that could be kept, and the answer that was given before? */
static bool is_answer(const struct pyro_code_record *record, const void *frame, uint64_t arguments,
                      PyObject *value)
{
    uint64_t hash = 0;
    bool is_new;
    if (!pyro_value_sketch(value, &hash) || was_given(record, frame, value))
        return false;
    uint64_t *before = pyro_map_insert(&answers, arguments, record->id, &is_new);
    if (before && is_new)
        *before = hash;
    return !before || *before == hash;
}

/* Nothing of it could be kept: as if its arguments could not be compared. */
static void give_up(struct pyro_code_record *record)
{
    struct pyro_argument_entry *entry = entry_of(record->id);
    if (entry)
        __atomic_store_n(&entry->unknown, entry->looked, __ATOMIC_RELAXED);
    record->results = 0;
    record->until_look = PYRO_ARGUMENTS_NEVER;
}

bool pyro_arguments_end(PyObject *code, const void *frame, PyObject *value)
{
    struct pyro_code_record *record = pyro_names_known(code);
    struct open_call *call = open_call_of(frame);
    if (!record || record->sender)
        return false;
    if (!record->results || call->frame != frame)
        return !record->results;
    call->frame = NULL;
    pyro_arguments_open--;
    record->results--;
    if (value && !is_answer(record, frame, call->hash, value))
        give_up(record);
    return !record->results;
}

/* -- when to look ------------------------------------------------------------------------------- */

/* Most of what was looked at says that there is nothing to find. */
static bool is_hopeless(const struct pyro_argument_entry *entry)
{
    if (entry->looked == TRIES)
        return 2 * entry->unknown > entry->looked;
    return entry->looked == LOOK_ALL && 2 * (entry->distinct + entry->unknown) > entry->looked;
}

static uint32_t gap_after(const struct pyro_argument_entry *entry)
{
    if (entry->looked < LOOK_ALL)
        return 1;
    random_state = random_state * 1664525 + 1013904223;
    return 1 + (random_state >> 16 & LOOK_GAP);
}

void pyro_arguments_look(PyObject *code, struct pyro_code_record *record, const void *frame)
{
    struct pyro_argument_entry *entry = record->parameters ? entry_of(record->id) : NULL;
    uint64_t hash;
    bool known = entry && note(record, entry, frame, &hash);
    if (known && !record->judged && is_promising(entry))
        judge(code, record);
    if (known && record->results)
        wait_for(frame, hash);
    record->until_look = !entry || is_hopeless(entry) ? PYRO_ARGUMENTS_NEVER : gap_after(entry);
}

#endif /* PYRO_FREE_THREADED */
