/* probe/orms.c - the tables of functions. Versions: Django 2.0 to 5.2, SQLAlchemy 1.4 to 2.1, psycopg 3, PyMySQL, mysqlclient,
 * peewee 3; and our own count_queries(). */
#include "probe/orms.h"

#include <string.h>

/* -- senders ------------------------------------------------------------------------------------ */

/* Where one calls another of them, the first counts: probe/queries.c. */
static const struct {
    const char *folder; /* in the path of the file ... */
    const char *file;   /* ... and its end; NULL: any */
    const char *name;   /* the end of the qualified name, from a dot or the beginning on */
    struct pyro_orm_sender sender;
} senders[] = {
    {"/django/", "/db/backends/utils.py", "CursorWrapper._execute", {"sql", false}},
    {"/django/", "/db/backends/utils.py", "CursorWrapper._executemany", {"sql", true}},
    {"/sqlalchemy/", NULL, "do_execute", {"statement", false}},
    {"/sqlalchemy/", NULL, "do_execute_no_params", {"statement", false}},
    {"/sqlalchemy/", NULL, "do_executemany", {"statement", true}},
    {"/psycopg/", "/cursor.py", "Cursor.execute", {"query", false}},
    {"/psycopg/", "/cursor.py", "Cursor.executemany", {"query", true}},
    {"/psycopg/", "/cursor_async.py", "AsyncCursor.execute", {"query", false}},
    {"/psycopg/", "/cursor_async.py", "AsyncCursor.executemany", {"query", true}},
    {"/pymysql/", "/cursors.py", "Cursor.execute", {"query", false}},
    {"/MySQLdb/", "/cursors.py", "BaseCursor.execute", {"query", false}},
    {"/", "/peewee.py", "Database.execute_sql", {"sql", false}},
    {"/pyrometer/", "/web/_queries.py", "_Proxy._execute", {"sql", false}},
    {"/pyrometer/", "/web/_queries.py", "_Proxy._executemany", {"sql", true}},
};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool is_named(const char *name, const char *end)
{
    size_t size = strlen(name), end_size = strlen(end);
    return ends_with(name, end) && (size == end_size || name[size - end_size - 1] == '.');
}

const struct pyro_orm_sender *pyro_orm_sender(const char *name, const char *file)
{
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
        if (is_named(name, senders[i].name) && strstr(file, senders[i].folder) &&
            (!senders[i].file || ends_with(file, senders[i].file)))
            return &senders[i].sender;
    return NULL;
}

/* -- lazy loaders ------------------------------------------------------------------------------- */

#define PATH_MAX_ATTRIBUTES 3

/* Attributes to go along from the loader itself. */
static const struct {
    const char *file;
    const char *name; /* the end of the qualified one: since SQLAlchemy 2.1 it is _LazyLoader's */
    const char *relation[PATH_MAX_ATTRIBUTES]; /* to a str */
    const char *owner[PATH_MAX_ATTRIBUTES];    /* to a class */
} loaders[] = {
    {"/django/db/models/fields/related_descriptors.py",
     "ForwardManyToOneDescriptor.__get__",
     {"field", "name"},
     {"field", "model"}},
    {"/sqlalchemy/orm/strategies.py", "LazyLoader._load_for_state", {"key"}, {"parent", "class_"}},
};

uint8_t pyro_orm_loader(const char *name, const char *file)
{
    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        if (ends_with(name, loaders[i].name) && ends_with(file, loaders[i].file))
            return (uint8_t)(i + 1);
    return 0;
}

const char *pyro_orm_loader_in(const char *file)
{
    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        if (ends_with(file, loaders[i].file))
            return loaders[i].name;
    return NULL;
}

bool pyro_orm_has_self(PyObject *code)
{
    PyObject *count = PyObject_GetAttrString(code, "co_argcount");
    bool has = count && PyLong_AsLong(count) > 0;
    Py_XDECREF(count);
    PyErr_Clear();
    return has;
}

static bool is_slot_or_value(PyObject *found)
{
    return Py_TYPE(found) == &PyMemberDescr_Type ||
           !PyType_GetSlot(Py_TYPE(found), Py_tp_descr_get);
}

/* Would a look at the attribute NAME of an object run code of the program's? CLASSES is the __mro__ of its class. Where a
 * metaclass may have a say, too. */
static bool is_computed(PyObject *classes, PyObject *name)
{
    bool computed = !classes || !PyTuple_Check(classes);
    for (Py_ssize_t i = 0; !computed && i < PyTuple_Size(classes); i++) {
        PyObject *class = PyTuple_GetItem(classes, i);
        PyObject *names =
            Py_IS_TYPE(class, &PyType_Type) ? PyObject_GetAttrString(class, "__dict__") : NULL;
        PyObject *found = names ? PyObject_GetItem(names, name) : NULL;
        computed = !names || (found && !is_slot_or_value(found));
        Py_XDECREF(found);
        Py_XDECREF(names);
        PyErr_Clear();
    }
    return computed;
}

/* What OBJECT has in a slot or in its dictionary. A new reference, or NULL. */
static PyObject *attribute(PyObject *object, const char *name)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject *text = PyUnicode_FromString(name);
    PyObject *classes = Py_IS_TYPE((PyObject *)type, &PyType_Type)
                            ? PyObject_GetAttrString((PyObject *)type, "__mro__")
                            : NULL;
    PyObject *value =
        text && !is_computed(classes, text) ? PyObject_GenericGetAttr(object, text) : NULL;
    Py_XDECREF(classes);
    Py_XDECREF(text);
    PyErr_Clear();
    return value;
}

static PyObject *follow(PyObject *object, const char *const *path)
{
    Py_XINCREF(object);
    for (int i = 0; object && i < PATH_MAX_ATTRIBUTES && path[i]; i++) {
        PyObject *next = attribute(object, path[i]);
        Py_DECREF(object);
        object = next;
    }
    return object;
}

/* TEXT, a str, or nothing. */
static void take_text(char *out, size_t size, PyObject *text)
{
    const char *bytes = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    PyErr_Clear();
    if (bytes)
        strncpy(out, bytes, size - 1);
}

void pyro_orm_relation(uint8_t loader, PyObject *self, char *relation, size_t relation_size,
                       char *owner, size_t owner_size)
{
    memset(relation, 0, relation_size);
    memset(owner, 0, owner_size);
    PyObject *name = follow(self, loaders[loader - 1].relation);
    PyObject *class = follow(self, loaders[loader - 1].owner);
    PyObject *class_name =
        class && PyType_Check(class) ? PyType_GetName((PyTypeObject *)class) : NULL;
    PyErr_Clear();
    take_text(relation, relation_size, name);
    take_text(owner, owner_size, class_name);
    Py_XDECREF(class_name);
    Py_XDECREF(class);
    Py_XDECREF(name);
}
