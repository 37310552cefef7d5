/* probe/sent.c - notes of queries, and their way to who asks. */
#include "probe/sent.h"

#if !PYRO_FREE_THREADED

#include "base/clock.h"
#include "probe/inside.h"
#include "probe/orms.h"
#include "probe/values.h"

#define SENT_FIRST 4  /* of most requests: room for so many */
#define SENT_MAX   32 /* who sends more takes so long that the Python part's time does not matter */
#define FRAMES_MAX 200        /* as there */
#define GOES_ON    UINT64_MAX /* took_ns */

struct pyro_sent_query {
    PyObject *sql;  /* a str; NULL: it was none */
    PyObject *code; /* NULL: no line of the program's own */
    int offset;     /* in it */
    bool many, comparable;
    uint64_t hash; /* of its parameters, if they are comparable */
    PyObject *loader,
        *loads; /* code of a library that loads what an object refers to, and its first variable; NULL */
    PyObject *sender; /* code of _queries.py, of that function which was called; NULL */
    uint64_t began_ns, took_ns;
};

/* -- a service ---------------------------------------------------------------------------------- */

int pyro_sent_by_init(struct pyro_sent_by *by, PyObject *make)
{
    *by = (struct pyro_sent_by){
        .make = Py_NewRef(make),
        .files = PyObject_GetAttrString(make, "files"),
        .look_at = PyObject_GetAttrString(make, "look_at"),
    };
    if (!by->files || !by->look_at || !PyDict_Check(by->files)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "files is no dict");
        return -1;
    }
    by->reads_frames = pyro_inside_init() == 0;
    by->reads_locals = by->reads_frames && pyro_inside_proves_locals();
    PyErr_Clear(); /* why not: the probe says that where it is wanted */
    return 0;
}

void pyro_sent_by_clear(struct pyro_sent_by *by)
{
    Py_CLEAR(by->make);
    Py_CLEAR(by->files);
    Py_CLEAR(by->look_at);
}

/* -- the line ----------------------------------------------------------------------------------- */

/* Borrowed: what `files` has of PATH; NULL: it cannot be had. */
static PyObject *whose(const struct pyro_sent_by *by, PyObject *path)
{
    PyObject *known = PyDict_GetItemWithError(by->files, path);
    if (known)
        return known;
    PyObject *said = PyObject_CallFunctionObjArgs(by->look_at, path, NULL);
    Py_XDECREF(said);
    PyErr_Clear();
    known = PyDict_GetItemWithError(by->files, path);
    PyErr_Clear();
    return known;
}

/* CODE of a file that FOUND was said of, in FRAME: what is to be known of it? */
static void pass(const struct pyro_sent_by *by, struct pyro_sent_query *query, const void *frame,
                 PyObject *code, PyObject *found)
{
    if (found == Py_None) {
        query->sender = code;
    } else if (found && PyUnicode_Check(found) && !query->loader &&
               PyUnicode_Tailmatch(pyro_at(code, pyro_inside.code_qualname), found, 0,
                                   PY_SSIZE_T_MAX, 1) == 1 &&
               pyro_orm_has_self(code)) {
        query->loader = code;
        query->loads = by->reads_locals ? pyro_frame_local(frame, 0) : NULL;
    }
}

/* The line of the program's own that is nearest, and what lies between: borrowed, these frames have it. */
static void find_origin(const struct pyro_sent_by *by, struct pyro_sent_query *query)
{
    void *frame = pyro_current_frame(PyThreadState_Get());
    if (frame && pyro_inside.minor >= 12 && pyro_is_shim(frame))
        frame = pyro_caller_frame(frame);
    for (int i = 0; frame && i < FRAMES_MAX; i++, frame = pyro_caller_frame(frame)) {
        PyObject *code = pyro_frame_code(frame);
        PyObject *found = whose(by, pyro_at(code, pyro_inside.code_file));
        if (found != Py_True) {
            pass(by, query, frame, code, found);
            continue;
        }
        query->code = code;
        query->offset = pyro_frame_offset(frame, code);
        return;
    }
}

/* Then the line may be in a greenlet that waits, which is not among these frames. */
static bool has_greenlets(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    return modules && PyDict_GetItemString(modules, "greenlet");
}

/* -- notes -------------------------------------------------------------------------------------- */

static void hold(struct pyro_sent_query *query)
{
    Py_XINCREF(query->sql);
    Py_XINCREF(query->code);
    Py_XINCREF(query->loader);
    Py_XINCREF(query->loads);
    Py_XINCREF(query->sender);
}

static void let_go(struct pyro_sent_query *query)
{
    Py_XDECREF(query->sql);
    Py_XDECREF(query->code);
    Py_XDECREF(query->loader);
    Py_XDECREF(query->loads);
    Py_XDECREF(query->sender);
}

static void forget(struct pyro_sent_query *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        let_go(&items[i]);
    PyMem_Free(items);
}

static bool has_room(struct pyro_sent *sent)
{
    if (sent->count < sent->room)
        return true;
    if (sent->room == SENT_MAX)
        return false;
    uint32_t room = sent->room ? SENT_MAX : SENT_FIRST;
    struct pyro_sent_query *grown = PyMem_Realloc(sent->items, room * sizeof(*grown));
    if (!grown)
        return false;
    sent->items = grown;
    sent->room = room;
    return true;
}

/* False: it is not for here. */
static bool note(struct pyro_sent *sent, const struct pyro_sent_by *by, PyObject *sql,
                 PyObject *parameters, bool many)
{
    struct pyro_sent_query query = {.many = many, .took_ns = GOES_ON};
    find_origin(by, &query);
    query.comparable = !many && pyro_value_hash(parameters, &query.hash);
    /* look_at may have let other threads of this request run: what follows lets none */
    if (sent->queries || (!query.code && has_greenlets()) || !has_room(sent))
        return false;
    query.sql = PyUnicode_CheckExact(sql) ? sql : NULL;
    hold(&query);
    query.began_ns = pyro_clock_ns();
    sent->items[sent->count++] = query;
    return true;
}

PyObject *pyro_sent_begin(struct pyro_sent *sent, const struct pyro_sent_by *by, PyObject *sql,
                          PyObject *parameters, bool many)
{
    if (by->reads_frames && !sent->queries && note(sent, by, sql, parameters, many))
        return PyLong_FromUnsignedLong(sent->count - 1);
    PyObject *queries = pyro_sent_queries(sent, by);
    if (!queries)
        return NULL;
    PyObject *begun =
        PyObject_CallMethod(queries, "begin", "OOO", sql, parameters, many ? Py_True : Py_False);
    Py_DECREF(queries);
    return begun;
}

int pyro_sent_end(struct pyro_sent *sent, PyObject *begun)
{
    if (PyLong_Check(begun)) {
        size_t which = PyLong_AsSize_t(begun);
        if (PyErr_Occurred())
            return -1;
        if (!sent->queries) {
            if (which < sent->count && sent->items[which].took_ns == GOES_ON)
                sent->items[which].took_ns = pyro_clock_ns() - sent->items[which].began_ns;
            return 0;
        }
        begun = sent->begun && which < (size_t)PyList_Size(sent->begun)
                    ? PyList_GetItem(sent->begun, (Py_ssize_t)which)
                    : NULL; /* another thread is just about to tell of it */
    }
    if (!begun || !sent->queries)
        return 0;
    PyObject *done = PyObject_CallMethod(sent->queries, "end", "(O)", begun);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* -- who asks ----------------------------------------------------------------------------------- */

static PyObject *number_or_none(bool known, uint64_t number)
{
    return known ? PyLong_FromUnsignedLongLong(number) : Py_NewRef(Py_None);
}

static PyObject *or_none(PyObject *object)
{
    return object ? object : Py_None;
}

/* (code, line, loader, sender), as Origin there. */
static PyObject *origin_of(const struct pyro_sent_query *query)
{
    int line = query->code ? pyro_python.line_of(query->code, query->offset) : 0;
    PyObject *loader =
        query->loader ? PyTuple_Pack(2, query->loader, or_none(query->loads)) : Py_NewRef(Py_None);
    return loader ? Py_BuildValue("OiNO", or_none(query->code), line > 0 ? line : 0, loader,
                                  or_none(query->sender))
                  : NULL;
}

/* (sql, hash, many, origin, began_ns, took_ns), as Queries.take() wants them. */
static PyObject *told(const struct pyro_sent_query *query)
{
    PyObject *origin = origin_of(query);
    return origin ? Py_BuildValue("ONONKN", or_none(query->sql),
                                  number_or_none(query->comparable, query->hash),
                                  query->many ? Py_True : Py_False, origin,
                                  (unsigned long long)query->began_ns,
                                  number_or_none(query->took_ns != GOES_ON, query->took_ns))
                  : NULL;
}

static PyObject *all_told(const struct pyro_sent_query *items, uint32_t count)
{
    PyObject *list = PyList_New(count);
    for (uint32_t i = 0; list && i < count; i++) {
        PyObject *one = told(&items[i]);
        if (!one || PyList_SetItem(list, i, one) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* What was noted goes to QUERIES, which has all that comes from now on. */
static int hand_over(struct pyro_sent *sent, PyObject *queries)
{
    struct pyro_sent_query *items = sent->items;
    uint32_t count = sent->count;
    sent->queries = Py_NewRef(queries);
    sent->items = NULL;
    sent->count = sent->room = 0;
    if (!count)
        return 0;
    PyObject *list = all_told(items, count);
    PyObject *begun = list ? PyObject_CallMethod(queries, "take", "(O)", list) : NULL;
    Py_XDECREF(list);
    if (begun && !PyList_Check(begun)) {
        PyErr_SetString(PyExc_TypeError, "take() returned no list");
        Py_CLEAR(begun);
    }
    sent->begun = begun;
    forget(items, count);
    return begun ? 0 : -1;
}

PyObject *pyro_sent_queries(struct pyro_sent *sent, const struct pyro_sent_by *by)
{
    if (sent->queries)
        return Py_NewRef(sent->queries);
    PyObject *made = PyObject_CallNoArgs(by->make);
    if (!made)
        return NULL;
    if (!sent->queries && hand_over(sent, made) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    Py_DECREF(made);
    return Py_NewRef(sent->queries); /* perhaps another thread's, meanwhile */
}

int pyro_sent_traverse(struct pyro_sent *sent, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < sent->count; i++)
        Py_VISIT(sent->items[i].loads); /* no other of them refers to anything */
    Py_VISIT(sent->queries);
    Py_VISIT(sent->begun);
    return 0;
}

void pyro_sent_clear(struct pyro_sent *sent)
{
    struct pyro_sent_query *items = sent->items;
    uint32_t count = sent->count;
    sent->items = NULL;
    sent->count = sent->room = 0;
    forget(items, count);
    Py_CLEAR(sent->queries);
    Py_CLEAR(sent->begun);
}

#endif
