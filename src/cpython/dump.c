/* cpython/dump.c - a thread's stack, frame by frame.
 *
 * Simple rather than fast: one read a frame, code objects read once each. The chain may be torn or
 * hostile, so it is followed for a bounded number of frames, and a circle in it ends it. */
#include "cpython/dump.h"
#include "cpython/internal.h"

#include "base/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_SHIM 3      /* FRAME_OWNED_BY_CSTACK and _INTERPRETER: no function of the user's */
#define SLOTS_MAX  4096   /* locals, cells and free variables of one code object */
#define WORK_MAX   200000 /* reads for all values of a dump; later ones are cut short */
#define LOCALS_MAX 16384  /* of a whole dump; deeper frames are shown without */

/* Kinds of a slot, Include/internal/pycore_code.h */
#define KIND_HIDDEN 0x10 /* of a comprehension that 3.12+ runs inline */
#define KIND_CELL   0x40
#define KIND_FREE   0x80

/* Low bits of a stack reference, Include/internal/pycore_stackref.h of 3.14 */
#define TAG_MASK 3u
#define TAG_INT  3u

struct slot_names {
    const char **names;
    uint8_t *kinds;
    size_t count;
    bool loaded;
};
struct known_code {
    struct pyro_code code;
    struct slot_names slots;
};

/* One dump under way. */
struct dumper {
    const struct pyro_memory *memory;
    const struct pyro_runtime *runtime;
    const struct pyro_layout *layout;
    struct pyro_arena *arena;
    struct pyro_map code_indexes; /* address -> index + 1; 0: no code object there */
    struct known_code *codes;
    size_t code_count, code_capacity;
    struct pyro_dump_frame *frames;
    size_t count, capacity;
    size_t local_count;
    int work;
    bool with_locals;
};

/* A frame's header, the same for every version. */
struct frame {
    pyro_addr addr, previous, executable;
    uint64_t instruction; /* as pyro_code_line() wants it */
    uint8_t owner;
};

/* -- frames ----------------------------------------------------------------------------------- */

static int read_frame(const struct dumper *dumper, pyro_addr addr, struct frame *frame)
{
    const struct pyro_layout *layout = dumper->layout;
    uint8_t copy[PYRO_FRAME_SIZE_MAX + 8];
    int code = pyro_memory_read(dumper->memory, addr, copy, layout->frame.size);
    if (code != 0)
        return code;
    frame->addr = addr;
    frame->previous = pyro_field_addr(copy, layout->frame.previous);
    frame->executable = pyro_field_addr(copy, layout->frame.executable);
    frame->owner = layout->frame.owner == PYRO_ABSENT ? 0 : copy[layout->frame.owner];
    if (layout->frames == PYRO_FRAMES_LINKED)
        frame->instruction =
            (uint64_t)(int64_t)(int32_t)pyro_field_u32(copy, layout->frame.instruction);
    else
        frame->instruction = pyro_field_u64(copy, layout->frame.instruction);
    if (layout->minor >= 14)
        frame->executable.u &= ~(uint64_t)TAG_MASK;
    return 0;
}

static int first_frame(const struct dumper *dumper, pyro_addr tstate, pyro_addr *ret_frame)
{
    const struct pyro_layout *layout = dumper->layout;
    int code = pyro_memory_read_addr(dumper->memory, pyro_addr_plus(tstate, layout->tstate.frame),
                                     ret_frame);
    if (code == 0 && layout->frames == PYRO_FRAMES_CFRAME && !pyro_addr_is_null(*ret_frame))
        code = pyro_memory_read_addr(
            dumper->memory, pyro_addr_plus(*ret_frame, layout->cframe_current_frame), ret_frame);
    return code;
}

/* -- code objects ----------------------------------------------------------------------------- */

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(items, wanted * size);
    if (grown)
        *capacity = wanted;
    return grown;
}

/* The code object at ADDR; *ret_known NULL when there is none. -ENOMEM, -ESRCH, -EPERM only. */
static int know_code(struct dumper *dumper, pyro_addr addr, struct known_code **ret_known)
{
    bool new;
    *ret_known = NULL;
    uint64_t *index = pyro_map_insert(&dumper->code_indexes, addr.u, 0, &new);
    if (!index)
        return -ENOMEM;
    if (!new) {
        *ret_known = *index ? &dumper->codes[*index - 1] : NULL;
        return 0;
    }
    struct known_code *grown =
        grow(dumper->codes, dumper->code_count, &dumper->code_capacity, sizeof *dumper->codes);
    if (!grown)
        return -ENOMEM;
    dumper->codes = grown;
    struct known_code *known = &grown[dumper->code_count];
    memset(known, 0, sizeof *known);
    int code = pyro_code_read(dumper->memory, dumper->runtime, addr, dumper->arena, &known->code);
    if (code == -EINVAL || code == -EFAULT)
        return 0;
    if (code != 0)
        return code;
    *index = ++dumper->code_count;
    *ret_known = known;
    return 0;
}

/* -- names of locals -------------------------------------------------------------------------- */

static int read_names(struct dumper *dumper, pyro_addr tuple, struct slot_names *slots)
{
    const struct pyro_layout *layout = dumper->layout;
    uint64_t size;
    pyro_addr items[64];
    int code = pyro_memory_read(dumper->memory, pyro_addr_plus(tuple, layout->tuple.size), &size,
                                sizeof size);
    if (code != 0)
        return code;
    for (uint64_t i = 0; i < size && slots->count < SLOTS_MAX; i++) {
        uint64_t batch = size - i < 64 ? size - i : 64;
        if (i % 64 == 0)
            code =
                pyro_memory_read(dumper->memory, pyro_addr_plus(tuple, layout->tuple.items + i * 8),
                                 items, batch * 8);
        uint32_t length;
        const char *name = "?";
        if (code == 0)
            code = pyro_unicode_read_some(dumper->memory, layout, items[i % 64],
                                          PYRO_DUMP_VALUE_MAX, dumper->arena, &name, &length);
        if (code != 0)
            return code;
        slots->names[slots->count++] = name;
    }
    return 0;
}

/* 3.8-3.10: three tuples, one after another in the frame. */
static int load_names_to_310(struct dumper *dumper, pyro_addr code_addr, struct slot_names *slots)
{
    const struct pyro_layout *layout = dumper->layout;
    const uint32_t fields[] = {layout->code.local_names, layout->code.cell_names,
                               layout->code.free_names};
    const uint8_t kinds[] = {0, KIND_CELL, KIND_FREE};
    for (int i = 0; i < 3; i++) {
        pyro_addr tuple;
        size_t before = slots->count;
        int code =
            pyro_memory_read_addr(dumper->memory, pyro_addr_plus(code_addr, fields[i]), &tuple);
        if (code == 0)
            code = read_names(dumper, tuple, slots);
        if (code != 0)
            return code;
        memset(slots->kinds + before, kinds[i], slots->count - before);
    }
    return 0;
}

/* 3.11+: one tuple, and a bytes object with the kind of each. */
static int load_names_from_311(struct dumper *dumper, pyro_addr code_addr, struct slot_names *slots)
{
    const struct pyro_layout *layout = dumper->layout;
    pyro_addr names, kinds;
    uint64_t size;
    int code = pyro_memory_read_addr(dumper->memory,
                                     pyro_addr_plus(code_addr, layout->code.local_names), &names);
    if (code == 0)
        code = pyro_memory_read_addr(dumper->memory,
                                     pyro_addr_plus(code_addr, layout->code.local_kinds), &kinds);
    if (code == 0)
        code = read_names(dumper, names, slots);
    if (code == 0)
        code = pyro_memory_read(dumper->memory, pyro_addr_plus(kinds, layout->bytes.size), &size,
                                sizeof size);
    if (code == 0 && size < slots->count)
        slots->count = size;
    if (code == 0 && slots->count)
        code = pyro_memory_read(dumper->memory, pyro_addr_plus(kinds, layout->bytes.data),
                                slots->kinds, slots->count);
    return code;
}

static int load_names(struct dumper *dumper, struct known_code *known)
{
    struct slot_names slots = {.loaded = true};
    const char *names[SLOTS_MAX];
    uint8_t kinds[SLOTS_MAX];
    slots.names = names;
    slots.kinds = kinds;
    int code = dumper->layout->minor >= 11 ? load_names_from_311(dumper, known->code.addr, &slots)
                                           : load_names_to_310(dumper, known->code.addr, &slots);
    known->slots.loaded = true;
    if (code == -EINVAL || code == -EFAULT)
        return 0; /* no names, no locals */
    if (code != 0 || slots.count == 0)
        return code;
    const char **kept_names = pyro_arena_alloc(dumper->arena, slots.count * sizeof *names);
    uint8_t *kept_kinds = pyro_arena_alloc(dumper->arena, slots.count);
    if (!kept_names || !kept_kinds)
        return -ENOMEM;
    memcpy(kept_names, names, slots.count * sizeof *names);
    memcpy(kept_kinds, kinds, slots.count);
    known->slots.names = kept_names;
    known->slots.kinds = kept_kinds;
    known->slots.count = slots.count;
    return 0;
}

/* -- values of locals ------------------------------------------------------------------------- */

/* What a cell holds; null when it is empty. An object that is no cell stands for itself: an
 * argument that has not been moved into its cell yet. */
static pyro_addr cell_content(const struct dumper *dumper, pyro_addr object)
{
    const struct pyro_layout *layout = dumper->layout;
    pyro_addr type, content;
    if (!pyro_addr_aligned(object) ||
        pyro_memory_read_addr(dumper->memory, pyro_addr_plus(object, layout->object.type), &type) !=
            0 ||
        !pyro_type_named(dumper->memory, layout, type, "cell") ||
        pyro_memory_read_addr(dumper->memory, pyro_addr_plus(object, layout->cell.content),
                              &content) != 0)
        return object;
    return content;
}

static int tagged_int_text(struct dumper *dumper, uint64_t bits, const char **ret_text)
{
    char line[32];
    int length = snprintf(line, sizeof line, "%lld", (long long)((int64_t)bits >> 2));
    *ret_text = pyro_arena_strndup(dumper->arena, line, (size_t)length);
    return *ret_text ? 0 : -ENOMEM;
}

/* *ret_text NULL: the local has no value now. */
static int slot_text(struct dumper *dumper, uint64_t bits, uint8_t kind, const char **ret_text)
{
    *ret_text = NULL;
    if (dumper->layout->minor >= 14) {
        if ((bits & TAG_MASK) == TAG_INT)
            return tagged_int_text(dumper, bits, ret_text);
        bits &= ~(uint64_t)TAG_MASK;
    }
    pyro_addr object = pyro_addr_at(bits);
    if (kind & (KIND_CELL | KIND_FREE))
        object = cell_content(dumper, object);
    if (pyro_addr_is_null(object))
        return 0;
    return pyro_value_text_within(dumper->memory, dumper->layout, object, dumper->arena,
                                  &dumper->work, ret_text);
}

static int add_locals(struct dumper *dumper, const struct frame *frame, struct known_code *known,
                      struct pyro_dump_frame *out)
{
    uint64_t values[SLOTS_MAX];
    int code = known->slots.loaded ? 0 : load_names(dumper, known);
    const struct slot_names *slots = &known->slots;
    if (code != 0 || slots->count == 0 || dumper->local_count + slots->count > LOCALS_MAX ||
        dumper->work <= 0)
        return code;
    code = pyro_memory_read(dumper->memory,
                            pyro_addr_plus(frame->addr, dumper->layout->frame.localsplus), values,
                            slots->count * sizeof *values);
    if (code != 0)
        return code == -EFAULT ? 0 : code;
    out->locals = pyro_arena_alloc(dumper->arena, slots->count * sizeof *out->locals);
    if (!out->locals)
        return -ENOMEM;
    for (size_t i = 0; i < slots->count; i++) {
        const char *text;
        if (slots->kinds[i] & KIND_HIDDEN)
            continue;
        code = slot_text(dumper, values[i], slots->kinds[i], &text);
        if (code != 0)
            return code;
        if (text)
            out->locals[out->local_count++] =
                (struct pyro_dump_local){.name = slots->names[i], .value = text};
    }
    dumper->local_count += slots->count;
    return 0;
}

/* -- the walk --------------------------------------------------------------------------------- */

static int add_frame(struct dumper *dumper, const struct frame *frame, struct known_code *known)
{
    struct pyro_dump_frame *grown =
        grow(dumper->frames, dumper->count, &dumper->capacity, sizeof *dumper->frames);
    if (!grown)
        return -ENOMEM;
    dumper->frames = grown;
    struct pyro_dump_frame *out = &grown[dumper->count];
    *out = (struct pyro_dump_frame){
        .name = known->code.name,
        .file = known->code.file,
        .first_line = known->code.first_line,
        .line = pyro_code_line(dumper->memory, dumper->runtime, &known->code, frame->instruction),
    };
    dumper->count++;
    return dumper->with_locals ? add_locals(dumper, frame, known, out) : 0;
}

/* 1: taken or skipped, go on; 0: the chain is broken here; negative errno. */
static int visit(struct dumper *dumper, const struct frame *frame)
{
    struct known_code *known;
    if (frame->owner >= OWNER_SHIM)
        return 1;
    if (dumper->arena->used_bytes > PYRO_DUMP_BYTES_MAX)
        return 0;
    int code = know_code(dumper, frame->executable, &known);
    if (code != 0)
        return code;
    if (!known)
        return 0;
    code = known->code.shim ? 0 : add_frame(dumper, frame, known);
    return code != 0 ? code : 1;
}

/* Follow the chain from AT on. A circle is found by remembering one frame of it, ever further
 * apart. */
static int walk(struct dumper *dumper, pyro_addr at, bool *ret_incomplete)
{
    pyro_addr remembered = {0};
    struct frame frame;
    size_t visited = 0, again = 64;
    *ret_incomplete = true;
    for (; pyro_addr_aligned(at) && visited < PYRO_DUMP_FRAMES_MAX; visited++) {
        if (at.u == remembered.u)
            return 0;
        if (visited == again) {
            remembered = at;
            again *= 2;
        }
        int code = read_frame(dumper, at, &frame);
        if (code == 0)
            code = visit(dumper, &frame);
        if (code == -EFAULT || code == 0)
            return 0;
        if (code < 0)
            return code;
        at = frame.previous;
    }
    *ret_incomplete = !pyro_addr_is_null(at);
    return 0;
}

static int keep(struct dumper *dumper, struct pyro_dump_stack *stack)
{
    size_t size = dumper->count * sizeof *dumper->frames;
    stack->count = dumper->count;
    stack->frames = pyro_arena_alloc(dumper->arena, size ? size : 1);
    if (!stack->frames)
        return -ENOMEM;
    if (size)
        memcpy(stack->frames, dumper->frames, size);
    return 0;
}

int pyro_dump_stack(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                    const struct pyro_thread_info *thread, bool with_locals,
                    struct pyro_arena *arena, struct pyro_dump_stack *ret_stack)
{
    struct dumper dumper = {
        .memory = memory,
        .runtime = runtime,
        .layout = &runtime->layout,
        .arena = arena,
        .with_locals = with_locals,
        .work = WORK_MAX,
    };
    struct pyro_dump_stack stack = {.incomplete = true};
    pyro_addr at;
    int code = first_frame(&dumper, thread->tstate, &at);
    if (code == 0)
        code = walk(&dumper, at, &stack.incomplete);
    if (code == -EFAULT)
        code = 0;
    if (code == 0)
        code = keep(&dumper, &stack);
    if (code == 0)
        *ret_stack = stack;
    pyro_map_free(&dumper.code_indexes);
    free(dumper.codes);
    free(dumper.frames);
    return code;
}
