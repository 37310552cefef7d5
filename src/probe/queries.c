/* probe/queries.c - entries in shared memory, found by shape and line. */
#include "probe/queries.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/sql.h"
#include "probe/blocks.h"
#include "probe/lock.h"
#include "probe/orms.h"
#include "probe/values.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX    64         /* a power of two; coroutines and greenlets are open at once */
#define SEEN_MAX    (1u << 16) /* parameters that are remembered, over all entries */
#define SENDERS_MAX 254

static bool recognises;
static int (*watch_code)(PyObject *code);
/* By record->sender; under the lock until a record says so. */
static const struct pyro_orm_sender *senders[SENDERS_MAX + 1];
static uint8_t sender_slots[SENDERS_MAX + 1], sender_count;

/* -- entries: all under the lock ---------------------------------------------------------------- */

static struct pyro_map ids;               /* shape, line -> its place in entries */
static struct pyro_query_entry **entries; /* in shared memory */
static uint32_t entry_count, entry_room;
static struct pyro_block_head *block; /* the newest one */
static struct pyro_map seen;          /* parameters, entry */

static struct open_query {
    const void *frame, *code; /* frames are used again, by other code */
    struct pyro_query_entry *entry;
    uint64_t begin_ns;
} open_queries[OPEN_MAX];
uint32_t pyro_queries_open;

static void add(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED); /* reader: collect/collect.c */
}

static void lose(void)
{
    struct pyro_process_block *process = pyro_blocks_process();
    atomic_store_explicit(&process->queries_lost,
                          atomic_load_explicit(&process->queries_lost, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* What a new entry holds. */
struct description {
    uint32_t site, line, sender;
    bool many;
    const char *shape, *relation, *owner;
    size_t shape_size, relation_size, owner_size;
};

static size_t entry_size(const struct description *query)
{
    size_t size = sizeof(struct pyro_query_entry) + query->shape_size + query->relation_size +
                  query->owner_size;
    return (size + 7) & ~(size_t)7;
}

/* Room for SIZE bytes in shared memory; NULL: none. */
static struct pyro_query_entry *claim(size_t size, uint32_t *ret_used)
{
    const uint32_t room = PYRO_BLOCK_SIZE - sizeof(*block);
    uint32_t used = block ? atomic_load_explicit(&block->used, memory_order_relaxed) : room;
    if (used + size > room) {
        struct pyro_block_head *claimed = pyro_blocks_claim(PYRO_BLOCK_QUERIES, 0);
        if (!claimed)
            return NULL;
        block = claimed;
        used = 0;
    }
    *ret_used = used + (uint32_t)size;
    return (struct pyro_query_entry *)((char *)(block + 1) + used);
}

static bool room_for_entry(void)
{
    if (entry_count == PYRO_PROCESS_QUERIES)
        return false;
    if (entry_count < entry_room)
        return true;
    uint32_t room = entry_room ? 2 * entry_room : 64;
    struct pyro_query_entry **grown = realloc(entries, room * sizeof(*entries));
    if (!grown)
        return false;
    entries = grown;
    entry_room = room;
    return true;
}

static struct pyro_query_entry *entry_new(const struct description *query)
{
    uint32_t used;
    struct pyro_query_entry *entry = room_for_entry() ? claim(entry_size(query), &used) : NULL;
    if (!entry)
        return NULL;
    *entry = (struct pyro_query_entry){
        .site = query->site,
        .line = query->line,
        .sender = query->sender,
        .shape_size = (uint16_t)query->shape_size,
        .relation_size = (uint16_t)query->relation_size,
        .owner_size = (uint16_t)query->owner_size,
        .many = query->many,
    };
    char *texts = (char *)(entry + 1);
    memcpy(texts, query->shape, query->shape_size);
    memcpy(texts + query->shape_size, query->relation, query->relation_size);
    memcpy(texts + query->shape_size + query->relation_size, query->owner, query->owner_size);
    entries[entry_count++] = entry;
    atomic_store_explicit(&block->used, used, memory_order_release);
    return entry;
}

/* -- the text ----------------------------------------------------------------------------------- */

/* The shape of TEXT into SHAPE, its middle left out if it is long; what remains is the beginning and the conditions. */
static size_t take_shape(PyObject *text, char shape[PYRO_SQL_SHAPE_MAX], uint64_t *ret_hash)
{
    static const char gap[] = " ... ";
    Py_ssize_t size = 0;
    const char *sql = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (!sql)
        PyErr_Clear(); /* lone surrogates */
    size_t length = sql ? pyro_sql_shape(sql, (size_t)size, shape) : 0;
    *ret_hash = pyro_hash_bytes(shape, length);
    if (length <= PYRO_QUERY_TEXT_MAX)
        return length;
    size_t head = PYRO_QUERY_TEXT_MAX / 3, tail = PYRO_QUERY_TEXT_MAX - head - strlen(gap);
    memcpy(shape + head, gap, strlen(gap));
    memmove(shape + head + strlen(gap), shape + length - tail, tail);
    return PYRO_QUERY_TEXT_MAX;
}

/* -- the parameters ----------------------------------------------------------------------------- */

/* What the parameters of a query are, as one number. */
struct parameters {
    bool known;
    uint64_t hash;
};

static void note_parameters(struct pyro_query_entry *entry, uint32_t id,
                            struct parameters parameters)
{
    bool is_new = false, known = parameters.known;
    if (known && seen.count >= SEEN_MAX && !pyro_map_find(&seen, parameters.hash, id))
        known = false;
    if (known)
        known = pyro_map_insert(&seen, parameters.hash, id, &is_new) != NULL;
    if (!known)
        add(&entry->unknown, 1);
    else if (is_new)
        add(&entry->distinct, 1);
}

/* -- the line ----------------------------------------------------------------------------------- */

/* Where a query comes from. */
struct origin {
    uint32_t site, line;
    const void *loader_frame; /* the lazy loader that is nearest; NULL: none */
    uint8_t loader;
};

/* False: another sender is at work already, and this query is a part of its. */
static bool find_origin(const void *frame, struct origin *origin)
{
    *origin = (struct origin){.site = PYRO_ID_ROOT};
    while ((frame = pyro_caller_frame(frame))) {
        PyObject *code = pyro_frame_code(frame);
        const struct pyro_code_record *record = pyro_record_of(code);
        if (!record)
            return true;
        if (!record->library) {
            int line = pyro_python.line_of(code, pyro_frame_offset(frame, code));
            origin->site = record->id;
            origin->line = line > 0 ? (uint32_t)line : 0;
            return true;
        }
        if (record->sender)
            return false;
        if (record->loader && !origin->loader) {
            origin->loader = record->loader;
            origin->loader_frame = frame;
        }
    }
    return true;
}

/* -- one query ---------------------------------------------------------------------------------- */

/* What is known of a query before anything is looked up. */
struct query {
    struct origin origin;
    char shape[PYRO_SQL_SHAPE_MAX];
    size_t shape_size;
    uint64_t key[2]; /* what its entry is found by */
    struct parameters parameters;
};

/* Where the query comes from is known. */
static void read_query(struct query *query, const struct pyro_code_record *record,
                       const void *frame)
{
    uint32_t slot = sender_slots[record->sender];
    uint64_t hash;
    query->shape_size = take_shape(pyro_frame_local(frame, slot), query->shape, &hash);
    query->key[0] = hash ^ record->id;
    query->key[1] = (uint64_t)query->origin.site << 32 | query->origin.line;
    query->parameters = (struct parameters){0};
    if (!senders[record->sender]->many)
        query->parameters.known =
            pyro_value_hash(pyro_frame_local(frame, slot + 1), &query->parameters.hash);
}

static struct pyro_query_entry *find(const struct query *query, uint32_t *ret_id)
{
    const uint64_t *known = pyro_map_find(&ids, query->key[0], query->key[1]);
    if (!known)
        return NULL;
    *ret_id = (uint32_t)*known;
    return entries[*known];
}

static struct pyro_query_entry *make(const struct query *query,
                                     const struct pyro_code_record *record, const char *relation,
                                     const char *owner, uint32_t *ret_id)
{
    const struct description description = {
        .site = query->origin.site,
        .line = query->origin.line,
        .sender = record->id,
        .many = senders[record->sender]->many,
        .shape = query->shape,
        .shape_size = query->shape_size,
        .relation = relation,
        .relation_size = strlen(relation),
        .owner = owner,
        .owner_size = strlen(owner),
    };
    *ret_id = entry_count;
    struct pyro_query_entry *entry = entry_new(&description);
    uint64_t *id = entry ? pyro_map_insert(&ids, query->key[0], query->key[1], NULL) : NULL;
    if (id)
        *id = *ret_id;
    return entry;
}

/* Under the lock, which is let go of where the interpreter is asked. NULL: no room. */
static struct pyro_query_entry *find_or_make(const struct query *query,
                                             const struct pyro_code_record *record,
                                             uint32_t *ret_id)
{
    const struct origin *origin = &query->origin;
    char relation[PYRO_QUERY_NAME_MAX] = "", owner[PYRO_QUERY_NAME_MAX] = "";
    struct pyro_query_entry *entry = find(query, ret_id);
    if (entry)
        return entry;
    if (origin->loader) {
        pyro_unlock();
        int paused = pyro_collection_pause();
        pyro_orm_relation(origin->loader, pyro_frame_local(origin->loader_frame, 0), relation,
                          sizeof(relation), owner, sizeof(owner));
        pyro_collection_resume(paused);
        pyro_lock();
        entry = find(query, ret_id); /* another thread's, meanwhile */
    }
    return entry ? entry : make(query, record, relation, owner, ret_id);
}

static struct open_query *place_of(const void *frame)
{
    return &open_queries[((uintptr_t)frame >> 4 ^ (uintptr_t)frame >> 12) & (OPEN_MAX - 1)];
}

/* One that never ended, as after an exception, makes room: it has no time. */
static void open_at(const PyObject *code, const void *frame, struct pyro_query_entry *entry,
                    uint64_t now_ns)
{
    struct open_query *open = place_of(frame);
    pyro_queries_open += open->frame == NULL;
    *open = (struct open_query){frame, code, entry, now_ns};
}

/* Under the lock. */
static void begin(const struct query *query, const struct pyro_code_record *record, PyObject *code,
                  const void *frame)
{
    uint32_t id = 0;
    struct pyro_query_entry *entry = find_or_make(query, record, &id);
    if (!entry) {
        lose();
        return;
    }
    uint64_t now_ns = pyro_clock_ns();
    if (!entry->count)
        entry->first_ns = now_ns;
    __atomic_store_n(&entry->last_ns, now_ns, __ATOMIC_RELAXED);
    note_parameters(entry, id, query->parameters);
    add(&entry->count, 1);
    open_at(code, frame, entry, now_ns);
}

void pyro_queries_begin(PyObject *code, const struct pyro_code_record *record, const void *frame)
{
    struct query query;
    if (!recognises || !find_origin(frame, &query.origin))
        return;
    read_query(&query, record, frame);
    pyro_lock();
    begin(&query, record, code, frame);
    pyro_unlock();
}

static bool is_of(const struct open_query *open, const PyObject *code, const void *frame)
{
    return open->frame == frame && open->code == code;
}

/* Under the lock. */
static void end(struct open_query *open)
{
    uint64_t took_ns = pyro_clock_ns() - open->begin_ns;
    struct pyro_query_entry *entry = open->entry;
    add(&entry->time_ns, took_ns);
    add(&entry->timed, 1);
    if (took_ns > entry->longest_ns)
        __atomic_store_n(&entry->longest_ns, took_ns, __ATOMIC_RELAXED);
    *open = (struct open_query){0};
    pyro_queries_open--;
}

void pyro_queries_end(const PyObject *code, const void *frame)
{
    struct open_query *open = place_of(frame);
    if (!is_of(open, code, frame)) /* this thread put it there, if it is there */
        return;
    pyro_lock();
    if (is_of(open, code, frame))
        end(open);
    pyro_unlock();
}

/* -- senders ------------------------------------------------------------------------------------ */

/* Which parameter of CODE is called NAME; -1: none. */
static int find_parameter(PyObject *code, const char *name)
{
    PyObject *names = PyObject_GetAttrString(code, "co_varnames");
    PyObject *count = PyObject_GetAttrString(code, "co_argcount");
    long parameters = count ? PyLong_AsLong(count) : 0;
    int found = -1;
    for (long i = 0; names && i < parameters && i < PyTuple_Size(names) && found < 0; i++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, i), name) == 0)
            found = (int)i;
    Py_XDECREF(count);
    Py_XDECREF(names);
    PyErr_Clear();
    return found;
}

/* The number of a sender with its text in SLOT; 0: no more room. */
static uint8_t sender_number(const struct pyro_orm_sender *sender, uint8_t slot)
{
    pyro_lock();
    uint8_t number = 1;
    while (number <= sender_count && (senders[number] != sender || sender_slots[number] != slot))
        number++;
    if (number > SENDERS_MAX) {
        number = 0;
    } else if (number > sender_count) {
        senders[number] = sender;
        sender_slots[number] = slot;
        sender_count = number;
    }
    pyro_unlock();
    return number;
}

void pyro_queries_recognise(PyObject *code, const char *name, const char *file,
                            struct pyro_code_record *record, bool first)
{
    if (!recognises)
        return;
    record->loader = pyro_orm_loader(name, file);
    if (record->loader && !pyro_orm_has_self(code))
        record->loader = 0;
    const struct pyro_orm_sender *sender = pyro_orm_sender(name, file);
    int slot = sender ? find_parameter(code, sender->text) : -1;
    if (slot < 0 || slot > UINT8_MAX)
        return;
    record->sender = sender_number(sender, (uint8_t)slot);
    if (record->sender && first && watch_code && watch_code(code) < 0)
        PyErr_Clear(); /* its queries are counted, but not timed */
}

/* -- start and stop ----------------------------------------------------------------------------- */

bool pyro_queries_start(int (*watch)(PyObject *code))
{
    watch_code = watch;
    recognises = pyro_inside_proves_locals();
    if (!recognises)
        pyro_blocks_say("queries are not seen: the frames of this Python keep their variables "
                        "elsewhere");
    return recognises;
}

void pyro_queries_stop(void)
{
    recognises = false;
    watch_code = NULL;
}

void pyro_queries_forked(void)
{
    pyro_map_free(&ids);
    pyro_map_free(&seen);
    memset(open_queries, 0, sizeof(open_queries));
    pyro_queries_open = 0;
    entry_count = 0;
    block = NULL;
}
