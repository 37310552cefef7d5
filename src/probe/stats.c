/* probe/stats.c - profiler_entry and profiler_subentry, with the fields that cProfile's have. */
#include "probe/stats.h"

static PyTypeObject *entry_type, *subentry_type;

/* -- types -------------------------------------------------------------------------------------- */

static PyStructSequence_Field entry_fields[] = {
    {"code", "code object, or name of a C function"},
    {"callcount", "how many calls ended"},
    {"reccallcount", "how many of them were within another one of the same function"},
    {"totaltime", "seconds from begin to end of the outermost calls"},
    {"inlinetime", "seconds without what it called"},
    {"calls", "list of profiler_subentry, or None"},
    {0},
};
static PyStructSequence_Field subentry_fields[] = {
    {"code", "code object, or name of a C function, that was called"},
    {"callcount", "how many of these calls ended"},
    {"reccallcount", "how many of them were within another one of the same function"},
    {"totaltime", "seconds from begin to end of the outermost calls"},
    {"inlinetime", "seconds without what it called"},
    {0},
};
static PyStructSequence_Desc entry_desc = {
    .name = "pyrometer._probe.profiler_entry",
    .doc = "What was measured of one function.",
    .fields = entry_fields,
    .n_in_sequence = 6,
};
static PyStructSequence_Desc subentry_desc = {
    .name = "pyrometer._probe.profiler_subentry",
    .doc = "What was measured of one function, as called by another one.",
    .fields = subentry_fields,
    .n_in_sequence = 5,
};

int pyro_stats_init(PyObject *module)
{
    if (!entry_type)
        entry_type = PyStructSequence_NewType(&entry_desc);
    if (!subentry_type)
        subentry_type = PyStructSequence_NewType(&subentry_desc);
    if (!entry_type || !subentry_type)
        return -1;
    if (PyModule_AddObjectRef(module, "profiler_entry", (PyObject *)entry_type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "profiler_subentry", (PyObject *)subentry_type);
}

/* -- figures ------------------------------------------------------------------------------------ */

struct reader {
    double factor;  /* seconds a tick */
    bool only_time; /* a clock of ours, of which too much may have been taken out */
    bool (*hides)(const void *key);
};

static double seconds(const struct reader *reader, int64_t ticks)
{
    return reader->only_time && ticks < 0 ? 0 : reader->factor * (double)ticks;
}

static bool is_shown(const struct reader *reader, const struct pyro_entry *entry,
                     const struct pyro_figures *figures)
{
    return (figures->calls || figures->resumes) && !(reader->hides && reader->hides(entry->key));
}

/* Fields 0 to 4, which both types have. Takes over OBJECT, which may be NULL; so does the result. */
static PyObject *fill(const struct reader *reader, PyObject *object, const struct pyro_entry *entry,
                      const struct pyro_figures *figures)
{
    if (!object)
        return NULL;
    PyObject *values[] = {
        Py_NewRef(entry->what),
        PyLong_FromLong((long)figures->calls),
        PyLong_FromLong((long)figures->recursive),
        PyFloat_FromDouble(seconds(reader, figures->total)),
        PyFloat_FromDouble(seconds(reader, figures->own)),
    };
    bool complete = true;
    for (int i = 0; i < 5; i++) {
        complete = complete && values[i];
        PyStructSequence_SetItem(object, i, values[i] ? values[i] : Py_NewRef(Py_None));
    }
    if (complete)
        return object;
    Py_DECREF(object);
    return NULL;
}

static int append(PyObject *list, PyObject *item)
{
    int result = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

static PyObject *calls_of(const struct reader *reader, const struct pyro_entry *entry)
{
    if (!entry->edges)
        return Py_NewRef(Py_None);
    PyObject *list = PyList_New(0);
    for (const struct pyro_edge *edge = entry->edges; list && edge; edge = edge->next)
        if (is_shown(reader, edge->callee, &edge->figures) &&
            append(list, fill(reader, PyStructSequence_New(subentry_type), edge->callee,
                              &edge->figures)) < 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *entry_object(const struct reader *reader, const struct pyro_entry *entry)
{
    PyObject *calls = calls_of(reader, entry);
    PyObject *object = calls ? PyStructSequence_New(entry_type) : NULL;
    if (!object) {
        Py_XDECREF(calls);
        return NULL;
    }
    PyStructSequence_SetItem(object, 5, calls);
    return fill(reader, object, entry, &entry->figures);
}

PyObject *pyro_stats_list(const struct pyro_profile *profile, bool (*hides)(const void *key))
{
    const struct reader reader = {
        .factor = profile->timer && profile->timeunit > 0 ? profile->timeunit : 1 / 1e9,
        .only_time = !profile->timer,
        .hides = hides,
    };
    struct pyro_entries sum = {0};
    PyObject *list = pyro_profile_sum(profile, &sum) == 0 ? PyList_New(0) : NULL;
    for (const struct pyro_entry *entry = sum.first; list && entry; entry = entry->next)
        if (is_shown(&reader, entry, &entry->figures) &&
            append(list, entry_object(&reader, entry)) < 0)
            Py_CLEAR(list);
    pyro_entries_clear(&sum);
    return list;
}

/* -- costs -------------------------------------------------------------------------------------- */

PyObject *pyro_stats_costs(const struct pyro_profile *profile)
{
    const struct pyro_event_costs *costs = pyro_costs_of(&profile->rules);
    double removed_ns = (double)pyro_profile_removed(profile);
    return Py_BuildValue("{sdsdsdsd}", "python_call", (double)pyro_cost(&costs->python) / 1e9,
                         "c_call", (double)pyro_cost(&costs->c) / 1e9, "call_instruction",
                         (double)pyro_cost(&costs->ignored) / 1e9, "removed", removed_ns / 1e9);
}
