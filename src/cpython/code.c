/* cpython/code.c - code objects and the strings they hold. */
#include "cpython/code.h"
#include "cpython/internal.h"
#include "cpython/linetable.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE_MAX (1u << 30)
#define ARGCOUNT_MAX   (1u << 24)
#define GC_TRACKED     1          /* _PyGC_BITS_TRACKED of pycore_gc.h */
#define IMMORTAL       UINT32_MAX /* _Py_IMMORTAL_REFCNT_LOCAL of object.h */
/* 3.14+: ob_refcnt and ob_overflow of object.h, without ob_flags */
#define REFCOUNT_MASK_314 0xffffffffffff
#define FRAME_WORDS_MAX   (1u << 20)
#define BYTECODE_MAX      (1u << 30)
#define COPIES_MAX        65536 /* of one code object's bytecode: a thread has one at most */

/* -- strings ---------------------------------------------------------------------------------- */

struct unicode {
    uint64_t length; /* characters */
    unsigned width;  /* bytes each: 1, 2, 4 */
    bool ascii;
    pyro_addr data;
};

/* The state's bit field (Include/cpython/unicodeobject.h): interned, kind:3, compact:1, ascii:1.
 * "interned" takes two bits, or the whole first byte in free-threaded builds since 3.14. */
static bool decode_state(uint32_t state, unsigned shift, struct unicode *unicode, bool *ret_compact)
{
    unsigned kind = state >> shift & 7;
    unicode->width = kind;
    *ret_compact = state >> (shift + 3) & 1;
    unicode->ascii = state >> (shift + 4) & 1;
    return (kind == 1 || kind == 2 || kind == 4) && (!unicode->ascii || kind == 1);
}

static int unicode_header(const struct pyro_memory *memory, const struct pyro_layout *layout,
                          pyro_addr addr, struct unicode *unicode)
{
    uint8_t header[PYRO_OBJECT_SIZE_MAX + 8];
    uint32_t data_pointer = layout->unicode.compact_data;
    if (!pyro_addr_aligned(addr))
        return -EINVAL;
    /* The pointer after the header exists only in strings that are not compact: it is read apart.
     */
    int code = pyro_memory_read(memory, addr, header, layout->unicode.ascii_data);
    if (code != 0)
        return code;
    uint32_t state = pyro_field_u32(header, layout->unicode.state);
    bool compact;
    unicode->length = pyro_field_u64(header, layout->unicode.length);
    if (!decode_state(state, 2, unicode, &compact) &&
        !(layout->free_threaded && decode_state(state, 8, unicode, &compact)))
        return -EINVAL;
    if (unicode->length > UINT32_MAX)
        return -EINVAL;
    if (compact) {
        uint32_t offset = unicode->ascii ? layout->unicode.ascii_data : data_pointer;
        unicode->data = pyro_addr_plus(addr, offset);
        return 0;
    }
    return pyro_memory_read_addr(memory, pyro_addr_plus(addr, data_pointer), &unicode->data);
}

static size_t put_utf8(char *out, uint32_t point)
{
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        point = 0xfffd; /* a lone surrogate has no UTF-8 */
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

static uint32_t point_at(const uint8_t *chars, size_t index, unsigned width)
{
    if (width == 1)
        return chars[index];
    if (width == 2)
        return (uint32_t)chars[index * 2] | (uint32_t)chars[index * 2 + 1] << 8;
    return pyro_field_u32(chars, (uint32_t)(index * 4));
}

static int read_ascii(const struct pyro_memory *memory, pyro_addr data, size_t count,
                      struct pyro_arena *arena, const char **ret_text, uint32_t *ret_length)
{
    char *text = pyro_arena_alloc(arena, count + 1);
    if (!text)
        return -ENOMEM;
    int code = count ? pyro_memory_read(memory, data, text, count) : 0;
    if (code != 0)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (text[i] & 0x80)
            text[i] = '?'; /* torn: what says it is ASCII is not */
    }
    text[count] = '\0';
    *ret_text = text;
    *ret_length = (uint32_t)count;
    return 0;
}

static int read_wide(const struct pyro_memory *memory, const struct unicode *unicode, size_t count,
                     struct pyro_arena *arena, const char **ret_text, uint32_t *ret_length)
{
    uint8_t *chars = malloc(count * unicode->width + 1);
    char *text = malloc(count * 4 + 1);
    int code = chars && text ? 0 : -ENOMEM;
    if (code == 0 && count)
        code = pyro_memory_read(memory, unicode->data, chars, count * unicode->width);
    size_t length = 0;
    for (size_t i = 0; code == 0 && i < count && length + 4 <= PYRO_NAME_MAX; i++)
        length += put_utf8(text + length, point_at(chars, i, unicode->width));
    if (code == 0) {
        *ret_text = pyro_arena_strndup(arena, text, length);
        *ret_length = (uint32_t)length;
        code = *ret_text ? 0 : -ENOMEM;
    }
    free(chars);
    free(text);
    return code;
}

int pyro_unicode_read_some(const struct pyro_memory *memory, const struct pyro_layout *layout,
                           pyro_addr addr, size_t max, struct pyro_arena *arena,
                           const char **ret_text, uint32_t *ret_length)
{
    struct unicode unicode;
    int code = unicode_header(memory, layout, addr, &unicode);
    if (code != 0)
        return code;
    size_t count = unicode.length < max ? unicode.length : max;
    if (unicode.ascii)
        return read_ascii(memory, unicode.data, count, arena, ret_text, ret_length);
    return read_wide(memory, &unicode, count, arena, ret_text, ret_length);
}

int pyro_unicode_read(const struct pyro_memory *memory, const struct pyro_layout *layout,
                      pyro_addr addr, struct pyro_arena *arena, const char **ret_text,
                      uint32_t *ret_length)
{
    return pyro_unicode_read_some(memory, layout, addr, PYRO_NAME_MAX, arena, ret_text, ret_length);
}

/* -- code objects ----------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return pyro_hash_u64(hash ^ value) + 0x9e3779b97f4a7c15u;
}

/* A hash of what never changes in a living code object; HEADER is the object's first bytes. Fields
 * one by one, because what lies between them (versions, counters) may change. */
static uint64_t identity_of(const struct pyro_layout *layout, const uint8_t *header)
{
    uint64_t hash = (uint64_t)pyro_field_u32(header, layout->code.first_line) << 32 |
                    pyro_field_u32(header, layout->code.argcount);
    hash = mix(hash, pyro_field_u32(header, layout->code.flags));
    hash = mix(hash, pyro_field_u64(header, layout->object.type));
    hash = mix(hash, pyro_field_u64(header, layout->code.filename));
    hash = mix(hash, pyro_field_u64(header, layout->code.name));
    if (layout->code.qualname != PYRO_ABSENT)
        hash = mix(hash, pyro_field_u64(header, layout->code.qualname));
    return mix(hash, pyro_field_u64(header, layout->code.linetable));
}

/* The fields that the identity is made of lie close together: one read of this much. */
static uint32_t identity_size(const struct pyro_layout *layout)
{
    uint32_t size = layout->code.linetable;
    if (layout->code.name > size)
        size = layout->code.name;
    if (layout->code.filename > size)
        size = layout->code.filename;
    if (layout->code.qualname != PYRO_ABSENT && layout->code.qualname > size)
        size = layout->code.qualname;
    if (layout->code.first_line > size)
        size = layout->code.first_line;
    if (layout->code.argcount > size)
        size = layout->code.argcount;
    if (layout->object.type > size)
        size = layout->object.type;
    return size + 8;
}

int pyro_code_identity(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                       pyro_addr addr, uint64_t *ret_identity)
{
    uint8_t header[PYRO_CODE_SIZE_MAX + 8];
    if (!pyro_addr_aligned(addr))
        return -EINVAL;
    int code = pyro_memory_read(memory, addr, header, identity_size(&runtime->layout));
    if (code != 0)
        return code;
    *ret_identity = identity_of(&runtime->layout, header);
    return 0;
}

static bool plausible(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                      const uint8_t *header)
{
    const struct pyro_layout *layout = &runtime->layout;
    pyro_addr type = pyro_field_addr(header, layout->object.type);
    if (pyro_addr_is_null(runtime->code_type)) {
        if (!pyro_type_named(memory, layout, type, "code"))
            return false;
    } else if (type.u != runtime->code_type.u) {
        return false;
    }
    return pyro_field_u32(header, layout->code.argcount) <= ARGCOUNT_MAX &&
           pyro_field_u32(header, layout->code.first_line) <= FIRST_LINE_MAX &&
           pyro_addr_aligned(pyro_field_addr(header, layout->code.filename)) &&
           pyro_addr_aligned(pyro_field_addr(header, layout->code.name)) &&
           pyro_addr_aligned(pyro_field_addr(header, layout->code.linetable));
}

static int read_linetable(const struct pyro_memory *memory, const struct pyro_layout *layout,
                          pyro_addr addr, struct pyro_arena *arena, struct pyro_code *code)
{
    uint64_t size;
    int result =
        pyro_memory_read(memory, pyro_addr_plus(addr, layout->bytes.size), &size, sizeof size);
    if (result != 0)
        return result;
    if (size > PYRO_LINETABLE_MAX)
        return -EINVAL;
    uint8_t end;
    if (size) /* before memory is taken for a size that may be invented */
        result =
            pyro_memory_read(memory, pyro_addr_plus(addr, layout->bytes.data + size - 1), &end, 1);
    if (result != 0)
        return result;
    uint8_t *table = pyro_arena_alloc(arena, size ? size : 1);
    if (!table)
        return -ENOMEM;
    if (size)
        result = pyro_memory_read(memory, pyro_addr_plus(addr, layout->bytes.data), table, size);
    code->linetable = table;
    code->linetable_size = (uint32_t)size;
    return result;
}

/* The bytes of a frame of this code in a chunk: locals, stack and the header before them. */
static uint32_t framesize_of(const struct pyro_layout *layout, const uint8_t *header)
{
    uint64_t words = 0;
    if (layout->code.framesize != PYRO_ABSENT)
        words = pyro_field_u32(header, layout->code.framesize);
    else if (layout->code.slot_count != PYRO_ABSENT)
        words = (uint64_t)pyro_field_u32(header, layout->code.slot_count) +
                pyro_field_u32(header, layout->code.stacksize) + layout->frame.localsplus / 8;
    return words <= FRAME_WORDS_MAX ? (uint32_t)words * 8 : 0;
}

static uint32_t bytecode_size(uint64_t units)
{
    return units <= BYTECODE_MAX / 2 ? (uint32_t)units * 2 : 0;
}

/* Code that CPython itself makes to enter a function from C (_Py_MakeShimCode) has one string for
 * name and file, and no line anywhere: every entry of its table is of the kind "no location" (15).
 */
static bool is_shim(const struct pyro_layout *layout, const uint8_t *header,
                    const struct pyro_code *code)
{
    if (layout->minor == 12 && strcmp(code->file, "<shim>") == 0 &&
        strcmp(code->name, "<interpreter trampoline>") == 0)
        return true; /* the interpreter's own, while its frame is being set up */
    if (layout->minor < 12 ||
        pyro_field_u64(header, layout->code.name) != pyro_field_u64(header, layout->code.filename))
        return false;
    for (uint32_t i = 0; i < code->linetable_size; i++) {
        if (code->linetable[i] >> 3 != (0x80 >> 3 | 15))
            return false;
    }
    return true;
}

int pyro_code_read(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                   pyro_addr addr, struct pyro_arena *arena, struct pyro_code *ret_code)
{
    const struct pyro_layout *layout = &runtime->layout;
    uint8_t header[PYRO_CODE_SIZE_MAX + 8];
    if (!pyro_addr_aligned(addr))
        return -EINVAL;
    int result = pyro_memory_read(memory, addr, header, layout->code.size);
    if (result != 0)
        return result;
    if (!plausible(memory, runtime, header))
        return -EINVAL;

    uint32_t name_field =
        layout->code.qualname != PYRO_ABSENT ? layout->code.qualname : layout->code.name;
    struct pyro_code code = {
        .addr = addr,
        .identity = identity_of(layout, header),
        .first_line = pyro_field_u32(header, layout->code.first_line),
        .flags = pyro_field_u32(header, layout->code.flags),
        .framesize = framesize_of(layout, header),
    };
    if (layout->free_threaded) /* ob_size of a PyVarObject, in code units */
        code.bytecode_size = bytecode_size(pyro_field_u64(header, layout->object.size));
    if (layout->minor >= 11)
        code.bytecode = pyro_addr_plus(addr, layout->code.bytecode);
    else
        code.bytecode =
            pyro_addr_plus(pyro_field_addr(header, layout->code.bytecode), layout->bytes.data);
    result = pyro_unicode_read(memory, layout, pyro_field_addr(header, layout->code.filename),
                               arena, &code.file, &code.file_length);
    if (result == 0)
        result = pyro_unicode_read(memory, layout, pyro_field_addr(header, name_field), arena,
                                   &code.name, &code.name_length);
    if (result == 0)
        result = read_linetable(memory, layout, pyro_field_addr(header, layout->code.linetable),
                                arena, &code);
    if (result != 0)
        return result;
    code.shim = is_shim(layout, header, &code);
    *ret_code = code;
    return 0;
}

/* A code object that is freed leaves its fields behind for a while. The allocator puts a link where its reference count was;
 * in a free-threaded build it is taken from the collector first (code_dealloc()), to which immortal ones are not known. */
bool pyro_code_alive(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                     pyro_addr addr)
{
    const struct pyro_layout *layout = &runtime->layout;
    uint64_t word = 0;
    uint8_t bits[5];
    if (layout->free_threaded)
        return pyro_memory_read(memory, pyro_addr_plus(addr, layout->object.gc_bits), bits,
                                sizeof bits) == 0 &&
               (bits[0] & GC_TRACKED || pyro_field_u32(bits, 1) == IMMORTAL);
    if (pyro_memory_read(memory, addr, &word, sizeof word) != 0 || word == 0)
        return false;
    if (layout->minor >= 14)
        word &= REFCOUNT_MASK_314;
    return word >> 32 == 0;
}

/* Which of the copies of CODE's bytecode INSTRUCTION lies in: co_tlbc points to their count and their addresses, null where a
 * thread has none; the first is the one in the code object (Include/cpython/code.h). */
static uint64_t copy_with(const struct pyro_memory *memory, const struct pyro_layout *layout,
                          const struct pyro_code *code, uint64_t instruction)
{
    pyro_addr array, entries[64];
    uint64_t count;
    if (instruction - code->bytecode.u < code->bytecode_size ||
        pyro_memory_read_addr(memory, pyro_addr_plus(code->addr, layout->code.tlbc), &array) != 0 ||
        pyro_memory_read(memory, array, &count, sizeof count) != 0 || count > COPIES_MAX)
        return code->bytecode.u;
    for (uint64_t i = 0; i < count; i += 64) {
        uint64_t batch = count - i < 64 ? count - i : 64;
        if (pyro_memory_read(memory, pyro_addr_plus(array, 8 + i * 8), entries, batch * 8) != 0)
            break;
        for (uint64_t k = 0; k < batch; k++)
            if (entries[k].u && instruction - entries[k].u < code->bytecode_size)
                return entries[k].u;
    }
    return code->bytecode.u;
}

/* Where in its bytecode the frame is, in bytes; negative before the first instruction. */
static int64_t bytecode_offset(const struct pyro_memory *memory, const struct pyro_layout *layout,
                               const struct pyro_code *code, uint64_t instruction)
{
    if (layout->code.tlbc != PYRO_ABSENT)
        return (int64_t)(instruction - copy_with(memory, layout, code, instruction));
    if (layout->minor >= 11)
        return (int64_t)(instruction - code->bytecode.u);
    if (layout->minor == 10) /* f_lasti counts code units there, bytes before */
        return (int64_t)instruction < 0 ? -1 : (int64_t)(instruction * 2);
    return (int64_t)instruction;
}

uint32_t pyro_code_line(const struct pyro_memory *memory, const struct pyro_runtime *runtime,
                        const struct pyro_code *code, uint64_t instruction)
{
    const struct pyro_linetable table = {code->linetable, code->linetable_size, code->first_line};
    int64_t offset = bytecode_offset(memory, &runtime->layout, code, instruction);
    if (offset < 0)
        return code->first_line;
    if (runtime->layout.minor >= 11)
        return pyro_linetable_locations(&table, (uint64_t)offset);
    if (runtime->layout.minor == 10)
        return pyro_linetable_ranges(&table, (uint64_t)offset);
    return pyro_linetable_lnotab(&table, (uint64_t)offset);
}
