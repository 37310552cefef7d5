/* sample/codes.c - cache of code objects: names and lines are read once, staleness is looked for. */
#include "sample/codes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define CACHE_BYTES_MAX (64u << 20)
#define VERIFY_NS       (250 * PYRO_NS_PER_MS) /* an entry older than this is looked at again when used */
#define TRUST_NS        (1 * PYRO_NS_PER_MS) /* a new one is not looked at again before */
#define READ_TRIES      3
#define YOUNG_NS        (1 * PYRO_NS_PER_S)
#define CHURN_NS        (2 * PYRO_NS_PER_S) /* so long a replaced entry makes us careful with young ones */

void pyro_codes_init(struct pyro_codes *codes, const struct pyro_memory *memory,
                     const struct pyro_runtime *runtime, struct pyro_writer *writer)
{
    *codes = (struct pyro_codes){.memory = memory, .runtime = runtime, .writer = writer};
}

static void forget(struct pyro_codes *codes)
{
    pyro_arena_free(&codes->arena);
    pyro_map_clear(&codes->by_address);
    pyro_map_clear(&codes->frames);
    codes->count = 0;
}

void pyro_codes_clear(struct pyro_codes *codes)
{
    forget(codes);
    pyro_map_free(&codes->by_address);
    pyro_map_free(&codes->frames);
    free(codes->entries);
    *codes = (struct pyro_codes){0};
}

void pyro_codes_tick(struct pyro_codes *codes, uint64_t now_ns, uint64_t generation)
{
    codes->now_ns = now_ns;
    codes->generation = generation;
    if (codes->arena.used_bytes > CACHE_BYTES_MAX)
        forget(codes);
}

static uint32_t name_function(struct pyro_codes *codes, const struct pyro_code *code)
{
    struct pyro_function function = {
        .name = pyro_writer_string(codes->writer, code->name, code->name_length),
        .file = pyro_writer_string(codes->writer, code->file, code->file_length),
        .first_line = code->first_line,
        .kind = PYRO_FUNCTION_PYTHON,
    };
    return code->shim ? PYRO_NO_ID : pyro_writer_function(codes->writer, &function);
}

/* 3.14+: no death was counted since BEFORE either. (That alone does not tell of one that was dead by then, whose fields are
 * still there, while its name's memory holds that of the next.) */
static bool still_alive(const struct pyro_codes *codes, uint64_t address, uint64_t before)
{
    uint64_t word = 0;
    if (!pyro_addr_is_null(codes->generation_addr) &&
        (pyro_memory_read(codes->memory, codes->generation_addr, &word, 8) != 0 || word != before))
        return false;
    return pyro_code_alive(codes->memory, codes->runtime, pyro_addr_at(address));
}

/* Reading takes some microseconds, in which the code object may become another one: it must still be what it was. */
static int read_whole(struct pyro_codes *codes, uint64_t address, struct pyro_code *code)
{
    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint64_t identity, before = 0;
        if (!pyro_addr_is_null(codes->generation_addr))
            (void)pyro_memory_read(codes->memory, codes->generation_addr, &before, 8);
        int status = pyro_code_read(codes->memory, codes->runtime, pyro_addr_at(address),
                                    &codes->arena, code);
        if (status < 0)
            return status;
        status =
            pyro_code_identity(codes->memory, codes->runtime, pyro_addr_at(address), &identity);
        if (status == 0 && identity == code->identity && still_alive(codes, address, before))
            return 0;
    }
    return -EAGAIN;
}

static int64_t entry_add(struct pyro_codes *codes, uint64_t address)
{
    if (codes->count == codes->capacity) {
        size_t capacity = codes->capacity ? codes->capacity * 2 : 256;
        struct pyro_code_entry *grown = realloc(codes->entries, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        codes->entries = grown;
        codes->capacity = capacity;
    }
    struct pyro_code_entry *entry = &codes->entries[codes->count];
    int status = read_whole(codes, address, &entry->code);
    if (status < 0)
        return status;
    uint64_t *slot = pyro_map_insert(&codes->by_address, address, 0, NULL);
    if (!slot)
        return -ENOMEM;
    entry->function = name_function(codes, &entry->code);
    entry->generation = codes->generation;
    entry->verified_ns = entry->first_seen_ns = codes->now_ns;
    *slot = codes->count;
    return (int64_t)codes->count++;
}

static bool needs_look(const struct pyro_codes *codes, const struct pyro_code_entry *entry)
{
    if (codes->runtime->layout.interp.code_generation != PYRO_ABSENT)
        return entry->generation != codes->generation;
    uint64_t age_ns = codes->now_ns - entry->verified_ns;
    if (age_ns == 0)
        return false;
    /* What was only just seen is believed for no longer than it is known. */
    uint64_t known_ns = entry->verified_ns - entry->first_seen_ns;
    bool young = codes->now_ns - entry->first_seen_ns < YOUNG_NS;
    return age_ns > VERIFY_NS || (age_ns > known_ns && age_ns > TRUST_NS) ||
           (young && codes->now_ns < codes->churn_until_ns);
}

int64_t pyro_codes_find(struct pyro_codes *codes, uint64_t address)
{
    const uint64_t *known = pyro_map_find(&codes->by_address, address, 0);
    if (!known)
        return entry_add(codes, address);
    struct pyro_code_entry *entry = &codes->entries[*known];
    if (!needs_look(codes, entry))
        return (int64_t)*known;
    uint64_t identity;
    int status =
        pyro_code_identity(codes->memory, codes->runtime, pyro_addr_at(address), &identity);
    if (status == 0 && identity == entry->code.identity) {
        entry->generation = codes->generation;
        entry->verified_ns = codes->now_ns;
        return (int64_t)*known;
    }
    codes->reread++;
    codes->churn_until_ns = codes->now_ns + CHURN_NS;
    return entry_add(codes, address);
}

bool pyro_codes_settled(const struct pyro_codes *codes, uint64_t verified_ns, uint64_t generation)
{
    if (codes->runtime->layout.interp.code_generation != PYRO_ABSENT)
        return generation == codes->generation;
    return codes->now_ns - verified_ns < VERIFY_NS && codes->now_ns >= codes->churn_until_ns;
}

uint32_t pyro_codes_frame(struct pyro_codes *codes, int64_t entry, uint64_t instruction)
{
    bool is_new;
    uint64_t *frame = pyro_map_insert(&codes->frames, (uint64_t)entry, instruction, &is_new);
    if (!frame)
        return PYRO_NO_ID;
    if (is_new) {
        const struct pyro_code_entry *at = &codes->entries[entry];
        uint32_t line = pyro_code_line(codes->memory, codes->runtime, &at->code, instruction);
        *frame = pyro_writer_frame(codes->writer, at->function, line);
    }
    return (uint32_t)*frame;
}
