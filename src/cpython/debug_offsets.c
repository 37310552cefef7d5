/* cpython/debug_offsets.c - the layout of 3.13 and newer, from the target's own _Py_DebugOffsets.
 *
 * Include/internal/pycore_debug_offsets.h: the cookie, PY_VERSION_HEX, a flag, then 64-bit numbers
 * in groups, each group led by the size of the struct it describes. Later minors put new numbers in
 * between but never reordered or dropped any, so one list with "since" describes them all. A newer
 * minor than we know is read as the newest known one and believed only if every check still holds.
 *
 * The bytes are hostile: each offset must lie within its struct, each struct within a limit. */
#include "cpython/layout.h"

#include <errno.h>
#include <string.h>

#define NEWEST_MINOR 15
#define HEADER_SIZE  24 /* cookie, version, free_threaded */

/* How large a struct may be, by what readers do with it. */
#define RUNTIME_SIZE_MAX (16u << 20)
#define GROUP_SIZE_MAX   PYRO_OFFSET_MAX

/* Where the numbers land: the layout, and what is only needed to complete it. */
struct exported {
    struct pyro_layout layout;
    uint32_t interp_size, gc, gil_state, gil_enabled, gil_locked, gil_holder, type_size;
};

/* One number of the struct. */
enum kind {
    SIZE,    /* of the struct that the numbers after it are about */
    OFFSET,  /* of a field we use */
    CHECKED, /* an offset we do not use: it must be in bounds all the same */
    BOUNDED, /* no more than that */
    IGNORED, /* no offset, or of a struct whose size is not told */
};
struct entry {
    uint8_t since; /* first minor that has it */
    uint8_t kind;
    uint16_t target; /* in struct exported */
    uint32_t limit;  /* SIZE, BOUNDED: the most it may be; OFFSET: the field's width */
    const char *name;
};

#define NOWHERE       UINT16_MAX
#define AT(field)     offsetof(struct exported, field)
#define LAYOUT(field) AT(layout.field)
#define GROUP(since, limit, name)         \
    {                                     \
        since, SIZE, NOWHERE, limit, name \
    }
#define FIELD(since, width, field, name)          \
    {                                             \
        since, OFFSET, LAYOUT(field), width, name \
    }
#define EXTRA(since, width, field, name)      \
    {                                         \
        since, OFFSET, AT(field), width, name \
    }
#define UNUSED(since, name)              \
    {                                    \
        since, CHECKED, NOWHERE, 1, name \
    }
/* Of structs that were described further up: cpython/entry.c looks whether it fits. */
#define UP_TO(since, most, field, name)           \
    {                                             \
        since, BOUNDED, LAYOUT(field), most, name \
    }
#define GIL_ENABLED "interpreter_state.gil_runtime_state_enabled"
#define IGNORE(since, name)              \
    {                                    \
        since, IGNORED, NOWHERE, 0, name \
    }

static const struct entry entries[] = {
    GROUP(13, RUNTIME_SIZE_MAX, "runtime_state"),
    UNUSED(13, "runtime_state.finalizing"),
    FIELD(13, 8, runtime.interpreters_head, "runtime_state.interpreters_head"),

    {13, SIZE, AT(interp_size), GROUP_SIZE_MAX, "interpreter_state"},
    FIELD(13, 8, interp.id, "interpreter_state.id"),
    FIELD(13, 8, interp.next, "interpreter_state.next"),
    FIELD(13, 8, interp.threads_head, "interpreter_state.threads_head"),
    FIELD(14, 8, interp.threads_main, "interpreter_state.threads_main"),
    EXTRA(13, 8, gc, "interpreter_state.gc"),
    FIELD(13, 8, interp.modules, "interpreter_state.imports_modules"),
    UNUSED(13, "interpreter_state.sysdict"),
    UNUSED(13, "interpreter_state.builtins"),
    FIELD(13, 8, interp.gil, "interpreter_state.ceval_gil"),
    EXTRA(13, 8, gil_state, "interpreter_state.gil_runtime_state"),
    {13, IGNORED, AT(gil_enabled), 0,
     GIL_ENABLED}, /* within the GIL's struct, unlike the next ones; 0 where there always is one */
    EXTRA(13, 4, gil_locked, "interpreter_state.gil_runtime_state_locked"),
    EXTRA(13, 8, gil_holder, "interpreter_state.gil_runtime_state_holder"),
    FIELD(14, 8, interp.code_generation, "interpreter_state.code_object_generation"),
    UNUSED(14, "interpreter_state.tlbc_generation"),

    GROUP(13, PYRO_TSTATE_SIZE_MAX, "thread_state"),
    UNUSED(13, "thread_state.prev"),
    FIELD(13, 8, tstate.next, "thread_state.next"),
    FIELD(13, 8, tstate.interp, "thread_state.interp"),
    FIELD(13, 8, tstate.frame, "thread_state.current_frame"),
    FIELD(15, 8, tstate.base_frame, "thread_state.base_frame"),
    UNUSED(15, "thread_state.last_profiled_frame"),
    UNUSED(15, "thread_state.last_profiled_frame_seq"),
    FIELD(13, 8, tstate.thread_id, "thread_state.thread_id"),
    FIELD(13, 8, tstate.native_thread_id, "thread_state.native_thread_id"),
    FIELD(13, 16, tstate.chunk, "thread_state.datastack_chunk"), /* datastack_top follows */
    FIELD(13, 4, tstate.status, "thread_state.status"),
    FIELD(15, 4, tstate.holds_gil, "thread_state.holds_gil"),
    FIELD(15, 4, tstate.gil_requested, "thread_state.gil_requested"),
    UNUSED(15, "thread_state.current_exception"),
    UNUSED(15, "thread_state.exc_state"),
    IGNORE(15, "err_stackitem.exc_value"),

    GROUP(13, PYRO_FRAME_SIZE_MAX, "interpreter_frame"),
    FIELD(13, 8, frame.previous, "interpreter_frame.previous"),
    FIELD(13, 8, frame.executable, "interpreter_frame.executable"),
    FIELD(13, 8, frame.instruction, "interpreter_frame.instr_ptr"),
    FIELD(13, 8, frame.localsplus, "interpreter_frame.localsplus"),
    FIELD(13, 1, frame.owner, "interpreter_frame.owner"),
    FIELD(14, 8, frame.stackpointer, "interpreter_frame.stackpointer"),
    FIELD(14, 4, frame.tlbc_index, "interpreter_frame.tlbc_index"),

    GROUP(13, PYRO_CODE_SIZE_MAX, "code_object"),
    FIELD(13, 8, code.filename, "code_object.filename"),
    FIELD(13, 8, code.name, "code_object.name"),
    FIELD(13, 8, code.qualname, "code_object.qualname"),
    FIELD(13, 8, code.linetable, "code_object.linetable"),
    FIELD(13, 4, code.first_line, "code_object.firstlineno"),
    FIELD(13, 4, code.argcount, "code_object.argcount"),
    FIELD(13, 8, code.local_names, "code_object.localsplusnames"),
    FIELD(13, 8, code.local_kinds, "code_object.localspluskinds"),
    FIELD(13, 1, code.bytecode, "code_object.co_code_adaptive"),
    FIELD(14, 8, code.tlbc, "code_object.co_tlbc"),

    GROUP(13, PYRO_OBJECT_SIZE_MAX, "pyobject"),
    FIELD(13, 8, object.type, "pyobject.ob_type"),
    {13, SIZE, AT(type_size), PYRO_OBJECT_SIZE_MAX, "type_object"},
    FIELD(13, 8, type.name, "type_object.tp_name"),
    UNUSED(13, "type_object.tp_repr"),
    FIELD(13, 8, type.flags, "type_object.tp_flags"),
    FIELD(15, 8, type.basicsize, "type_object.tp_basicsize"),
    FIELD(15, 8, type.dictoffset, "type_object.tp_dictoffset"),
    GROUP(15, PYRO_OBJECT_SIZE_MAX, "heap_type_object"),
    FIELD(15, 8, type.cached_keys, "heap_type_object.ht_cached_keys"),

    GROUP(13, PYRO_OBJECT_SIZE_MAX, "tuple_object"),
    FIELD(13, 8, tuple.items, "tuple_object.ob_item"),
    FIELD(13, 8, tuple.size, "tuple_object.ob_size"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "list_object"),
    FIELD(13, 8, list.items, "list_object.ob_item"),
    FIELD(13, 8, list.size, "list_object.ob_size"),
    GROUP(14, PYRO_OBJECT_SIZE_MAX, "set_object"),
    UNUSED(14, "set_object.used"),
    UNUSED(14, "set_object.table"),
    UNUSED(14, "set_object.mask"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "dict_object"),
    FIELD(13, 8, dict.keys, "dict_object.ma_keys"),
    FIELD(13, 8, dict.values, "dict_object.ma_values"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "float_object"),
    FIELD(13, 8, floating.value, "float_object.ob_fval"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "long_object"),
    FIELD(13, 8, integer.tag, "long_object.lv_tag"),
    FIELD(13, 4, integer.digits, "long_object.ob_digit"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "bytes_object"),
    FIELD(13, 8, bytes.size, "bytes_object.ob_size"),
    FIELD(13, 1, bytes.data, "bytes_object.ob_sval"),
    GROUP(13, PYRO_OBJECT_SIZE_MAX, "unicode_object"),
    FIELD(13, 4, unicode.state, "unicode_object.state"),
    FIELD(13, 8, unicode.length, "unicode_object.length"),
    FIELD(13, 1, unicode.ascii_data, "unicode_object.asciiobject_size"),
    FIELD(15, 1, unicode.compact_data, "unicode_object.compactunicodeobject_size"),

    GROUP(13, GROUP_SIZE_MAX, "gc"),
    FIELD(13, 4, interp.gc_collecting, "gc.collecting"),
    UNUSED(15, "gc.frame"),
    IGNORE(15, "gc.generation_stats_size"),
    UNUSED(15, "gc.generation_stats"),
    GROUP(14, PYRO_OBJECT_SIZE_MAX, "gen_object"),
    UNUSED(14, "gen_object.gi_name"),
    FIELD(14, 8, generator.frame, "gen_object.gi_iframe"),
    FIELD(14, 1, generator.state, "gen_object.gi_frame_state"),
    IGNORE(14, "llist_node.next"),
    IGNORE(14, "llist_node.prev"),
    UP_TO(14, PYRO_TSTATE_SIZE_MAX, remote.eval_breaker, "debugger_support.eval_breaker"),
    UP_TO(14, PYRO_TSTATE_SIZE_MAX, remote.support, "debugger_support.remote_debugger_support"),
    UP_TO(14, PYRO_OFFSET_MAX, remote.enabled, "debugger_support.remote_debugging_enabled"),
    UP_TO(14, PYRO_OBJECT_SIZE_MAX, remote.pending_call, "debugger_support.debugger_pending_call"),
    UP_TO(14, PYRO_OBJECT_SIZE_MAX, remote.script_path, "debugger_support.debugger_script_path"),
    UP_TO(14, PYRO_TSTATE_SIZE_MAX, remote.script_path_size,
          "debugger_support.debugger_script_path_size"),
};

static uint64_t number_at(const uint8_t *bytes, size_t offset)
{
    uint64_t value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
}

static int refuse(struct pyro_error *error, const char *name, uint64_t value)
{
    return pyro_error_set(error, -EINVAL,
                          "the interpreter's debug offsets are not plausible: %s is %llu", name,
                          (unsigned long long)value);
}

/* Is VALUE a place for the field of ENTRY in a struct of GROUP_SIZE bytes? */
static bool fits(const struct entry *entry, uint64_t value, uint64_t group_size)
{
    if (entry->kind == IGNORED || entry->kind == BOUNDED)
        return entry->kind == IGNORED || value <= entry->limit;
    uint64_t alignment = entry->limit >= 8 ? 8 : entry->limit;
    return value < group_size && entry->limit <= group_size - value && value % alignment == 0;
}

static int decode(const uint8_t *bytes, size_t size, uint8_t minor, struct exported *exported,
                  struct pyro_error *error)
{
    size_t at = HEADER_SIZE;
    uint64_t group_size = 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const struct entry *entry = &entries[i];
        if (entry->since > minor)
            continue;
        if (at + 8 > size)
            return pyro_error_set(error, -EINVAL, "the interpreter's debug offsets end early");
        uint64_t value = number_at(bytes, at);
        at += 8;
        if (entry->kind == SIZE) {
            if (value == 0 || value > entry->limit)
                return refuse(error, entry->name, value);
            group_size = value;
        } else if (!fits(entry, value, group_size)) {
            return refuse(error, entry->name, value);
        }
        if (entry->target != NOWHERE) {
            uint32_t narrow = (uint32_t)value;
            memcpy((uint8_t *)exported + entry->target, &narrow, sizeof narrow);
        }
    }
    return 0;
}

/* The object header begins with its owner, flags, a mutex, a byte for the collector and the counts (Include/object.h). A
 * thread state's `state` follows `_status`, some ints later (Include/cpython/pystate.h). */
static void derive_free_threaded(struct exported *exported)
{
    static const uint32_t from_status[] = {[13] = 8, [14] = 12, [15] = 16};
    struct pyro_layout *layout = &exported->layout;
    layout->gil.enabled = exported->gil_enabled;
    if (!layout->guessed)
        layout->tstate.attachment = layout->tstate.status + from_status[layout->minor];
    if (layout->minor == 13)
        layout->object.gc_bits = 11;
}

/* What debug offsets leave out, from neighbours that have not moved since 3.13 (checked with the
 * headers). */
static void derive(struct exported *exported)
{
    struct pyro_layout *layout = &exported->layout;
    layout->chunk.previous = 0;
    layout->chunk.size = 8;
    layout->chunk.top = 16;
    layout->chunk.data = 24;
    layout->tstate.chunk_top = layout->tstate.chunk + 8;
    layout->interp.gc_collecting += exported->gc;
    layout->gil.holder = exported->gil_holder - exported->gil_state;
    layout->gil.locked = exported->gil_locked - exported->gil_state;
    layout->object.size = layout->floating.value;
    layout->frame.size = layout->frame.localsplus;
    layout->frame.function = layout->frame.executable + 16;
    layout->code.size = layout->code.bytecode;
    layout->code.flags = layout->code.argcount - 4;
    layout->dict.used = layout->dict.keys - 16;
    layout->cell.content = layout->object.size;
    if (layout->minor < 14)
        layout->frame.stacktop = layout->frame.instruction + 8;
    if (layout->minor < 15) {
        layout->unicode.compact_data = layout->unicode.ascii_data + 16;
        layout->type.basicsize = layout->type.name + 8;
        layout->type.dictoffset = layout->type.flags + 120;
        layout->type.cached_keys =
            exported->type_size + 464; /* after the slot tables and three names */
    }
    if (!layout->free_threaded || layout->minor < 14) {
        layout->frame.tlbc_index = PYRO_ABSENT;
        layout->code.tlbc = PYRO_ABSENT;
    }
    if (layout->free_threaded)
        derive_free_threaded(exported);
}

static uint32_t grown(uint32_t size, uint32_t offset, uint32_t width)
{
    if (offset == PYRO_ABSENT || offset + width <= size)
        return size;
    return offset + width;
}

/* Read no more of the large structs than what is used. */
static void shrink(struct pyro_layout *layout)
{
    const uint32_t of_interp[] = {layout->interp.next,          layout->interp.id,
                                  layout->interp.threads_head,  layout->interp.threads_main,
                                  layout->interp.gil,           layout->interp.modules,
                                  layout->interp.gc_collecting, layout->interp.code_generation};
    const uint32_t of_tstate[] = {
        layout->tstate.next,      layout->tstate.interp,           layout->tstate.frame,
        layout->tstate.thread_id, layout->tstate.native_thread_id, layout->tstate.chunk,
        layout->tstate.chunk_top, layout->tstate.holds_gil,        layout->tstate.gil_requested,
        layout->tstate.status,    layout->tstate.base_frame,       layout->tstate.attachment};
    layout->interp.size = layout->tstate.size = 0;
    for (size_t i = 0; i < sizeof of_interp / sizeof *of_interp; i++)
        layout->interp.size = grown(layout->interp.size, of_interp[i], 8);
    for (size_t i = 0; i < sizeof of_tstate / sizeof *of_tstate; i++)
        layout->tstate.size = grown(layout->tstate.size, of_tstate[i], 8);
}

/* Checks that need two numbers. They also keep the sums of derive() in bounds. */
static int cross_check(const struct exported *exported, struct pyro_error *error)
{
    const struct pyro_layout *layout = &exported->layout;
    if (exported->gil_holder < exported->gil_state ||
        exported->gil_holder - exported->gil_state > PYRO_OBJECT_SIZE_MAX)
        return refuse(error, "interpreter_state.gil_runtime_state_holder", exported->gil_holder);
    if (exported->gil_locked < exported->gil_state ||
        exported->gil_locked - exported->gil_state > PYRO_OBJECT_SIZE_MAX)
        return refuse(error, "interpreter_state.gil_runtime_state_locked", exported->gil_locked);
    if (layout->free_threaded && exported->gil_enabled > exported->gil_holder - exported->gil_state)
        return refuse(error, GIL_ENABLED, exported->gil_enabled);
    if (layout->tstate.chunk <=
        layout->tstate.frame) /* one piece from there on: pyro_ends_span() */
        return refuse(error, "thread_state.datastack_chunk", layout->tstate.chunk);
    if (layout->interp.gc_collecting >= exported->interp_size - exported->gc)
        return refuse(error, "gc.collecting", layout->interp.gc_collecting);
    if (layout->frame.localsplus <= layout->frame.instruction ||
        layout->frame.localsplus < layout->frame.executable + 24 ||
        layout->frame.localsplus <= layout->frame.previous ||
        layout->frame.localsplus <= layout->frame.owner)
        return refuse(error, "interpreter_frame.localsplus", layout->frame.localsplus);
    if (layout->code.argcount < 4 || layout->code.bytecode <= layout->code.linetable ||
        layout->code.bytecode <= layout->code.filename ||
        layout->code.bytecode <= layout->code.qualname ||
        layout->code.bytecode <= layout->code.local_kinds ||
        layout->code.bytecode <= layout->code.local_names ||
        layout->code.bytecode <= layout->code.first_line ||
        layout->code.bytecode <= layout->code.argcount ||
        layout->code.bytecode <= layout->code.name)
        return refuse(error, "code_object.co_code_adaptive", layout->code.bytecode);
    if (layout->unicode.length + 8 > layout->unicode.ascii_data ||
        layout->unicode.state + 4 > layout->unicode.ascii_data)
        return refuse(error, "unicode_object.asciiobject_size", layout->unicode.ascii_data);
    if (layout->dict.keys < 16)
        return refuse(error, "dict_object.ma_keys", layout->dict.keys);
    return 0;
}

int pyro_layout_from_debug_offsets(const void *offsets, size_t size, struct pyro_layout *ret_layout,
                                   struct pyro_error *error)
{
    const uint8_t *bytes = offsets;
    if (size < HEADER_SIZE || memcmp(bytes, PYRO_DEBUG_OFFSETS_COOKIE, 8) != 0)
        return pyro_error_set(error, -EINVAL, "there are no debug offsets");
    uint64_t version = number_at(bytes, 8), free_threaded = number_at(bytes, 16);
    uint64_t minor = version >> 16 & 0xff;
    if (version >> 24 != 3)
        return refuse(error, "version", version);
    if (minor < 13)
        return pyro_error_set(error, -ENOTSUP, "debug offsets of a Python before 3.13");
    if (free_threaded > 1)
        return refuse(error, "free_threaded", free_threaded);

    struct exported exported;
    memset(&exported, 0xff, sizeof exported); /* every offset PYRO_ABSENT */
    struct pyro_layout *layout = &exported.layout;
    layout->version = (uint32_t)version;
    layout->minor = (uint8_t)minor;
    layout->free_threaded = free_threaded == 1;
    layout->guessed = minor > NEWEST_MINOR;
    layout->frames = PYRO_FRAMES_CHUNK;
    int code = decode(bytes, size, layout->minor, &exported, error);
    if (code == 0)
        code = cross_check(&exported, error);
    if (code != 0)
        return code;
    derive(&exported);
    shrink(layout);
    *ret_layout = *layout;
    return 0;
}
