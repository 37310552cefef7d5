/* probe/names.c - ids and the log of their names. */
#include "probe/names.h"

#include "base/map.h"
#include "probe/arguments.h"
#include "probe/blocks.h"
#include "probe/contains.h"
#include "probe/lines.h"
#include "probe/lock.h"
#include "probe/queries.h"
#include "profile/own.h"
#include "profile/paths.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KIND_PYTHON 0 /* enum pyro_function_kind, profile/model.h */
#define KIND_C      1

/* Whoever holds it calls neither the interpreter nor an allocator: memory asks for ids in the middle of an allocation, and without
 * the GIL. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* Under it: */
static struct pyro_map ids = {.of_pages = true}; /* two hashes of an identity -> id */
static uint32_t next_id = PYRO_ID_FIRST;
static struct pyro_block_head *log_block;

uint32_t pyro_names_recording = 1;

struct identity {
    const char *name, *file;
    size_t name_size, file_size;
    uint32_t first_line, kind;
};

static size_t entry_size(const struct identity *identity)
{
    size_t size = sizeof(struct pyro_name_entry) + identity->name_size + identity->file_size;
    return (size + 3) & ~(size_t)3;
}

/* Append to the log. False: no room. */
static bool log_name(uint32_t id, const struct identity *identity)
{
    const uint32_t room = PYRO_BLOCK_SIZE - sizeof(*log_block);
    size_t size = entry_size(identity);
    uint32_t used = log_block ? atomic_load_explicit(&log_block->used, memory_order_relaxed) : room;
    if (used + size > room) {
        struct pyro_block_head *block = pyro_blocks_claim(PYRO_BLOCK_NAMES, 0);
        if (!block)
            return false;
        log_block = block;
        used = 0;
    }
    struct pyro_name_entry *entry = (struct pyro_name_entry *)((char *)(log_block + 1) + used);
    *entry = (struct pyro_name_entry){
        .id = id,
        .first_line = identity->first_line,
        .name_size = (uint16_t)identity->name_size,
        .file_size = (uint16_t)identity->file_size,
        .kind = identity->kind,
    };
    memcpy(entry + 1, identity->name, identity->name_size);
    memcpy((char *)(entry + 1) + identity->name_size, identity->file, identity->file_size);
    atomic_store_explicit(&log_block->used, used + (uint32_t)size, memory_order_release);
    return true;
}

static uint32_t known_or_new_id(const struct identity *identity)
{
    uint64_t by_name = pyro_hash_bytes_here(identity->name, identity->name_size);
    uint64_t by_place = pyro_hash_bytes_here(identity->file, identity->file_size) +
                        pyro_hash_u64((uint64_t)identity->first_line << 1 | identity->kind);
    const uint64_t *known = pyro_map_find(&ids, by_name, by_place);
    if (known)
        return (uint32_t)*known;
    if (next_id == UINT32_MAX || !log_name(next_id, identity))
        return 0;
    uint64_t *added = pyro_map_insert(&ids, by_name, by_place, NULL);
    if (added)
        *added =
            next_id; /* without memory it gets another id the next time: the reader joins them */
    return next_id++;
}

static void lock(void)
{
    (void)pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&mutex);
}

int pyro_names_init(void)
{
    static bool prepared;
    if (!prepared && pthread_atfork(lock, unlock, unlock) != 0)
        return -1;
    prepared = true;
    return 0;
}

static uint32_t id_of(struct identity *identity)
{
    if (identity->name_size > PYRO_PROBE_NAME_MAX)
        identity->name_size = PYRO_PROBE_NAME_MAX;
    if (identity->file_size > PYRO_PROBE_NAME_MAX)
        identity->file_size = PYRO_PROBE_NAME_MAX;
    lock();
    uint32_t id = known_or_new_id(identity);
    unlock();
    return id;
}

uint32_t pyro_names_c(const char *name, size_t size)
{
    struct identity identity = {.name = name, .name_size = size, .file = "", .kind = KIND_C};
    return id_of(&identity);
}

uint32_t pyro_names_python(const char *name, size_t name_size, const char *file, size_t file_size,
                           uint32_t first_line)
{
    struct identity identity = {.name = name,
                                .file = file,
                                .name_size = name_size,
                                .file_size = file_size,
                                .first_line = first_line,
                                .kind = KIND_PYTHON};
    return id_of(&identity);
}

static const char *text_of(PyObject *unicode, size_t *ret_size)
{
    Py_ssize_t size = 0;
    const char *text = unicode ? PyUnicode_AsUTF8AndSize(unicode, &size) : NULL;
    if (!text) {
        PyErr_Clear(); /* lone surrogates */
        *ret_size = 1;
        return "?";
    }
    *ret_size = (size_t)size;
    return text;
}

/* RECORD is CODE's, from now until that dies. *RET_FIRST: it has none as yet, in no thread. NULL: out of memory, and RECORD
 * is freed. */
static struct pyro_code_record *attach(PyObject *code, struct pyro_code_record *record,
                                       bool *ret_first)
{
#if PYRO_FREE_THREADED
    return pyro_records_add(code, record, ret_first);
#else
    *ret_first = true;
    if (record == pyro_code_extra(code) ||
        pyro_python.set_code_extra(code, pyro_inside.extra_index, record) == 0)
        return record;
    PyErr_Clear();
    free(record);
    return NULL;
#endif
}

/* An empty record for CODE: the one it carries from an earlier recording, or a new one. NULL: out of memory. */
static struct pyro_code_record *record_new(PyObject *code)
{
#if PYRO_FREE_THREADED
    return calloc(1, sizeof(struct pyro_code_record));
#else
    struct pyro_code_record *record = pyro_code_extra(code);
    if (!record)
        return calloc(1, sizeof(*record));
    struct pyro_line_code *lines = record->lines ? record->lines : record->known_lines;
    *record = (struct pyro_code_record){.known_lines = lines};
    return record;
#endif
}

static struct pyro_code_record *make_record(PyObject *code)
{
    struct identity identity = {.first_line = pyro_u32_at(code, pyro_inside.code_line),
                                .kind = KIND_PYTHON};
    identity.name = text_of(pyro_at(code, pyro_inside.code_qualname), &identity.name_size);
    identity.file = text_of(pyro_at(code, pyro_inside.code_file), &identity.file_size);
    uint32_t id = id_of(&identity);
    struct pyro_code_record *record = id ? record_new(code) : NULL;
    if (!record)
        return NULL;
    record->id = id;
    record->recording = pyro_names_recording;
    record->library = pyro_path_is_library(identity.file);
    record->until_look = PYRO_ARGUMENTS_NEVER;
    if (!record->library)
        pyro_arguments_recognise(code, record);
    record->judged =
        strcmp(identity.file, PYRO_OWN_FILE) == 0; /* loops that time what others pay */
    bool first;
    record = attach(code, record, &first);
    if (record && record->library)
        pyro_queries_recognise(code, identity.name, identity.file, record, first);
    else if (record && first)
        pyro_contains_note(code);
    if (record && first)
        pyro_lines_recognise(code, identity.name, identity.file, record);
    return record;
}

struct pyro_code_record *pyro_names_record(PyObject *code)
{
    int paused = pyro_collection_pause();
    struct pyro_code_record *record = make_record(code);
    pyro_collection_resume(paused);
    return record;
}

uint32_t pyro_names_next_id(void)
{
    return next_id;
}

void pyro_names_forked(void)
{
    log_block = NULL;
    pyro_contains_forked();
    pyro_arguments_forked();
}

void pyro_names_forget(void)
{
    pyro_names_forked();
    pyro_map_free(&ids);
    next_id = PYRO_ID_FIRST;
    pyro_names_recording++;
}
