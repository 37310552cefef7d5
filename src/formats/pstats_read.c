/* formats/pstats_read.c - read what cProfile's dump_stats() and its like leave: a .prof file.
 *
 * The dictionary is drawn in pstats.c. What else is met:
 * - The figures of a function begin with cc, nc, those of a caller with nc, cc (Lib/cProfile.py, snapshot_stats).
 * - Lib/profile.py has only a count for a caller.
 * - profiling.sampling of Python 3.15 (pstats_collector.py) adds a key ('__sampled__',). Its nc are samples with the
 *   function on the stack, its cc those with it at the top, its callers counts of samples.
 * Several files are added up as pstats.Stats(first, ...) does: the first, then the others from the last one on. The
 * order is of consequence for the last digits of a sum. */
#include "base/buffer.h"
#include "base/grow.h"
#include "formats/import.h"
#include "formats/marshal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX (64u << 10)
#define CALLS_MAX      (UINT64_C(1) << 53) /* in all: what a double, and JSON, holds exactly */
#define TIME_MAX_S     1e12                /* no sum of them leaves the range of a double */

#define SAMPLED_MARK "__sampled__"

struct figures {
    uint64_t ncalls, primitive_calls;
    double self_s, total_s;
};

struct load {
    struct pyro_profile *profile;
    struct pyro_map functions;  /* file and line, name and kind: function */
    struct pyro_map timed;      /* function: index of timed_functions */
    struct pyro_map edges;      /* caller, callee: index of timed_edges */
    struct pyro_buffer scratch; /* a name while it is put together */
    uint64_t calls;             /* of all functions */
    size_t function_capacity, timed_capacity, edge_capacity;
    struct pyro_marshal marshal; /* the file being read */
    bool sampled;                /* it has the mark */
};

static int bad(struct load *load, const char *problem)
{
    return pyro_marshal_bad(&load->marshal, problem);
}

/* -- parts -------------------------------------------------------------------------------------- */

/* The next object, of this type. */
static int take(struct load *load, enum pyro_marshal_type type, const char *problem,
                struct pyro_marshal_object *ret_object)
{
    int error = pyro_marshal_next(&load->marshal, ret_object);
    if (error == 0 && ret_object->type != type)
        error = bad(load, problem);
    return error;
}

/* What was made of an object when it was read first; 0: nothing yet, or it never comes again. */
static uint64_t noted(const struct load *load, const struct pyro_marshal_object *object)
{
    return object->ref == PYRO_MARSHAL_NO_REF ? 0 : load->marshal.refs[object->ref].note;
}

static void note(struct load *load, const struct pyro_marshal_object *object, uint64_t value)
{
    if (object->ref != PYRO_MARSHAL_NO_REF)
        load->marshal.refs[object->ref].note = value;
}

static int take_name(struct load *load, uint32_t *ret_string)
{
    struct pyro_marshal_object object;
    int error = take(load, PYRO_MARSHAL_TEXT, "a name in it is no text", &object);
    if (error < 0)
        return error;
    int64_t string = (int64_t)noted(load, &object) - 1;
    if (string < 0 && object.count > NAME_BYTES_MAX)
        return bad(load, "a name in it is too long");
    if (string < 0)
        string = pyro_strings_intern(&load->profile->strings, object.text, object.count);
    if (string < 0)
        return (int)string;
    note(load, &object, (uint64_t)string + 1);
    *ret_string = (uint32_t)string;
    return 0;
}

static int take_line(struct load *load, uint32_t *ret_line)
{
    struct pyro_marshal_object object;
    int error = take(load, PYRO_MARSHAL_INTEGER, "a line in it is no number", &object);
    if (error < 0)
        return error;
    if (object.integer < 0 || object.integer > UINT32_MAX)
        return bad(load, "a line in it is out of range");
    *ret_line = (uint32_t)object.integer;
    return 0;
}

static int count_of(struct load *load, const struct pyro_marshal_object *object,
                    uint64_t *ret_count)
{
    if (object->type != PYRO_MARSHAL_INTEGER)
        return bad(load, "a count in it is no number");
    if (object->integer < 0 || (uint64_t)object->integer > CALLS_MAX)
        return bad(load, "a count in it is out of range");
    *ret_count = (uint64_t)object->integer;
    return 0;
}

static int take_count(struct load *load, uint64_t *ret_count)
{
    struct pyro_marshal_object object;
    int error = pyro_marshal_next(&load->marshal, &object);
    return error < 0 ? error : count_of(load, &object, ret_count);
}

static int take_time(struct load *load, double *ret_time_s)
{
    struct pyro_marshal_object object;
    int error = pyro_marshal_next(&load->marshal, &object);
    if (error < 0)
        return error;
    if (object.type == PYRO_MARSHAL_INTEGER)
        object.number = (double)object.integer;
    else if (object.type != PYRO_MARSHAL_FLOAT)
        return bad(load, "a time in it is no number");
    if (!(fabs(object.number) <= TIME_MAX_S)) /* or it is NAN */
        return bad(load, "a time in it is out of range");
    *ret_time_s = object.number;
    return 0;
}

static int take_times(struct load *load, struct figures *figures)
{
    int error = take_time(load, &figures->self_s);
    return error < 0 ? error : take_time(load, &figures->total_s);
}

/* -- functions ---------------------------------------------------------------------------------- */

/* "{built-in method time.sleep}" of "<built-in method time.sleep>", as pstats prints it. */
static int64_t shown_name(struct load *load, uint32_t string)
{
    const char *name = pyro_profile_text(load->profile, string);
    size_t length = pyro_strings_length(&load->profile->strings, string);
    if (length < 2 || name[0] != '<' || name[length - 1] != '>')
        return string;
    pyro_buffer_clear(&load->scratch);
    pyro_buffer_put_u8(&load->scratch, '{');
    pyro_buffer_put(&load->scratch, name + 1, length - 2);
    pyro_buffer_put_u8(&load->scratch, '}');
    if (load->scratch.failed)
        return -ENOMEM;
    return pyro_strings_intern(&load->profile->strings, (const char *)load->scratch.data, length);
}

static int add_function(struct load *load, const struct pyro_function *function, uint32_t *ret_id)
{
    struct pyro_profile *profile = load->profile;
    bool is_new;
    uint64_t *id = pyro_map_insert(
        &load->functions, (uint64_t)function->file << 32 | function->first_line,
        (uint64_t)function->name << 1 | (function->kind == PYRO_FUNCTION_C), &is_new);
    if (!id || (is_new && pyro_grow(&profile->functions, profile->function_count,
                                    &load->function_capacity, sizeof(*function)) < 0))
        return -ENOMEM;
    if (is_new) {
        *id = profile->function_count;
        profile->functions[profile->function_count++] = *function;
    }
    *ret_id = (uint32_t)*id;
    return 0;
}

static int take_key_parts(struct load *load, uint32_t *ret_id)
{
    struct pyro_function function = {.kind = PYRO_FUNCTION_PYTHON};
    int error = take_name(load, &function.file);
    if (error == 0)
        error = take_line(load, &function.first_line);
    if (error == 0)
        error = take_name(load, &function.name);
    if (error < 0)
        return error;
    if (!function.first_line && strcmp(pyro_profile_text(load->profile, function.file), "~") == 0) {
        int64_t name = shown_name(load, function.name);
        if (name < 0)
            return (int)name;
        function = (struct pyro_function){.name = (uint32_t)name, .kind = PYRO_FUNCTION_C};
    }
    return add_function(load, &function, ret_id);
}

/* The function that KEY, a tuple just entered, stands for. */
static int take_key(struct load *load, const struct pyro_marshal_object *key, uint32_t *ret_id)
{
    if (key->type != PYRO_MARSHAL_TUPLE || key->count != 3)
        return bad(load, "it is no profile: a key is no (file, line, name)");
    uint64_t known = noted(load, key);
    int error = known ? 0 : take_key_parts(load, ret_id);
    if (error < 0)
        return error;
    if (known)
        *ret_id = (uint32_t)(known - 1);
    note(load, key, (uint64_t)*ret_id + 1);
    pyro_marshal_leave(&load->marshal, key);
    return 0;
}

/* -- callers ------------------------------------------------------------------------------------ */

static int add_edge(struct load *load, uint32_t caller, uint32_t callee,
                    const struct figures *figures)
{
    struct pyro_profile *profile = load->profile;
    bool is_new;
    uint64_t *index = pyro_map_insert(&load->edges, caller, callee, &is_new);
    if (!index || (is_new && pyro_grow(&profile->timed_edges, profile->timed_edge_count,
                                       &load->edge_capacity, sizeof(*profile->timed_edges)) < 0))
        return -ENOMEM;
    if (is_new) {
        *index = profile->timed_edge_count++;
        profile->timed_edges[*index] = (struct pyro_timed_edge){.caller = caller, .callee = callee};
    }
    struct pyro_timed_edge *edge = &profile->timed_edges[*index];
    edge->ncalls += figures->ncalls;
    edge->primitive_calls += figures->primitive_calls;
    edge->self_s += figures->self_s;
    edge->total_s += figures->total_s;
    if (edge->ncalls > CALLS_MAX || edge->primitive_calls > CALLS_MAX)
        return bad(load, "a count in it is out of range");
    return 0;
}

/* (nc, cc, tt, ct), or nc alone. */
static int take_caller_figures(struct load *load, struct figures *figures)
{
    struct pyro_marshal_object object;
    int error = pyro_marshal_next(&load->marshal, &object);
    if (error < 0)
        return error;
    if (object.type == PYRO_MARSHAL_INTEGER) {
        *figures = (struct figures){.self_s = NAN, .total_s = NAN};
        return count_of(load, &object, &figures->ncalls);
    }
    if (object.type != PYRO_MARSHAL_TUPLE || object.count != 4)
        return bad(load, "the figures of a caller in it are not four");
    error = take_count(load, &figures->ncalls);
    if (error == 0)
        error = take_count(load, &figures->primitive_calls);
    if (error == 0)
        error = take_times(load, figures);
    pyro_marshal_leave(&load->marshal, &object);
    return error;
}

static int take_callers(struct load *load, uint32_t callee)
{
    struct pyro_marshal_object dict, key;
    int error = take(load, PYRO_MARSHAL_DICT, "the callers in it are no dictionary", &dict);
    while (error == 0 && (error = pyro_marshal_next(&load->marshal, &key)) == 0 &&
           key.type != PYRO_MARSHAL_END) {
        uint32_t caller = PYRO_NO_ID;
        struct figures figures = {0};
        error = take_key(load, &key, &caller);
        if (error == 0)
            error = take_caller_figures(load, &figures);
        if (error == 0)
            error = add_edge(load, caller, callee, &figures);
    }
    if (error == 0)
        pyro_marshal_leave(&load->marshal, &dict);
    return error;
}

/* -- the dictionary ----------------------------------------------------------------------------- */

static int add_timed(struct load *load, uint32_t function, const struct figures *figures)
{
    struct pyro_profile *profile = load->profile;
    bool is_new;
    uint64_t *index = pyro_map_insert(&load->timed, function, 0, &is_new);
    if (!index ||
        (is_new && pyro_grow(&profile->timed_functions, profile->timed_function_count,
                             &load->timed_capacity, sizeof(*profile->timed_functions)) < 0))
        return -ENOMEM;
    if (is_new) {
        *index = profile->timed_function_count++;
        profile->timed_functions[*index] = (struct pyro_timed_function){.function = function};
    }
    struct pyro_timed_function *timed = &profile->timed_functions[*index];
    timed->ncalls += figures->ncalls;
    timed->primitive_calls += figures->primitive_calls;
    timed->self_s += figures->self_s;
    timed->total_s += figures->total_s;
    load->calls += figures->ncalls + figures->primitive_calls;
    return load->calls > CALLS_MAX ? bad(load, "a count in it is out of range") : 0;
}

/* (cc, nc, tt, ct, callers) */
static int take_entry(struct load *load, uint32_t function)
{
    struct pyro_marshal_object tuple;
    struct figures figures = {0};
    int error = take(load, PYRO_MARSHAL_TUPLE, "it is no profile: an entry is no tuple", &tuple);
    if (error == 0 && tuple.count != 5)
        error = bad(load, "the figures of a function in it are not five");
    if (error == 0)
        error = take_count(load, &figures.primitive_calls);
    if (error == 0)
        error = take_count(load, &figures.ncalls);
    if (error == 0)
        error = take_times(load, &figures);
    if (error == 0)
        error = add_timed(load, function, &figures);
    if (error == 0)
        error = take_callers(load, function);
    if (error == 0)
        pyro_marshal_leave(&load->marshal, &tuple);
    return error;
}

/* ('__sampled__',): True, its tuple just entered. */
static int take_mark(struct load *load)
{
    struct pyro_marshal_object name, value;
    int error = take(load, PYRO_MARSHAL_TEXT, "a name in it is no text", &name);
    if (error == 0 &&
        (name.count != strlen(SAMPLED_MARK) || memcmp(name.text, SAMPLED_MARK, name.count) != 0))
        error = bad(load, "it has a mark that is not known");
    if (error == 0)
        error = take(load, PYRO_MARSHAL_CONSTANT, "its mark is neither true nor false", &value);
    load->sampled = true;
    return error;
}

static int take_dictionary(struct load *load)
{
    struct pyro_marshal_object dict, key;
    int error = take(load, PYRO_MARSHAL_DICT, "it is no profile", &dict);
    while (error == 0 && (error = pyro_marshal_next(&load->marshal, &key)) == 0 &&
           key.type != PYRO_MARSHAL_END) {
        uint32_t function = PYRO_NO_ID;
        if (key.type == PYRO_MARSHAL_TUPLE && key.count == 1 && !key.back) {
            error = take_mark(load);
            continue;
        }
        error = take_key(load, &key, &function);
        if (error == 0)
            error = take_entry(load, function);
    }
    return error;
}

/* -- files -------------------------------------------------------------------------------------- */

static int read_file(struct load *load, const struct pyro_prof_file *file, bool first)
{
    struct pyro_profile *profile = load->profile;
    load->marshal = pyro_marshal_over(file->data, file->size);
    load->sampled = false;
    int error = file->size > PYRO_PROF_BYTES_MAX ? bad(load, "it is larger than 64 MiB")
                                                 : take_dictionary(load);
    pyro_marshal_free(&load->marshal);
    if (error == 0 && !first && load->sampled != profile->timed_by_samples)
        error = bad(load, load->sampled ? "it holds samples, but the first file timed calls"
                                        : "it holds timed calls, but the first file samples");
    profile->timed_by_samples = load->sampled;
    return error;
}

static int read_files(struct load *load, const struct pyro_prof_file *files, size_t count,
                      const struct pyro_prof_file **ret_bad)
{
    for (size_t i = 0; i < count; i++) {
        *ret_bad = &files[i ? count - i : 0];
        int error = read_file(load, *ret_bad, i == 0);
        if (error < 0)
            return error;
    }
    return 0;
}

bool pyro_pstats_recognise(const void *data, size_t size)
{
    return pyro_marshal_is_dict_of_tuples(data, size);
}

int pyro_pstats_read(const struct pyro_prof_file *files, size_t count,
                     struct pyro_profile **ret_profile, struct pyro_error *error)
{
    struct load load = {.profile = pyro_import_profile_new()};
    const struct pyro_prof_file *at = files;
    int code = load.profile ? read_files(&load, files, count, &at) : -ENOMEM;
    pyro_map_free(&load.functions);
    pyro_map_free(&load.timed);
    pyro_map_free(&load.edges);
    pyro_buffer_free(&load.scratch);
    if (code == 0) {
        load.profile->timed = true;
        load.profile->info.mode = load.profile->timed_by_samples ? "samples" : "trace";
        *ret_profile = load.profile;
        return 0;
    }
    pyro_profile_free(load.profile);
    return pyro_error_set(error, code, "cannot read '%s': %s", at->name,
                          code == -EBADMSG ? load.marshal.problem : "out of memory");
}
