/* No bytes may crash the reader, make it believe what cannot be, or cost memory out of proportion. */
#include "check.h"
#include "profile/chunk.h"
#include "profile/columns.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <errno.h>
#include <sys/resource.h>
#include <zstd.h>

/* -- a good recording to start from ------------------------------------------------------------- */

static const char path[] = "profile_hostile.pyro";
static uint8_t good[65536];
static size_t good_size;

static void write_good(void)
{
    const struct pyro_recording_info info = {.command = "a.py", .rate_hz = 1000};
    struct pyro_writer *writer;
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
    uint32_t stacks[40] = {0};
    for (uint32_t i = 1; i < 40; i++) {
        char name[16];
        int length = snprintf(name, sizeof(name), "f%u", i);
        struct pyro_function function = {.name = pyro_writer_string(writer, name, (size_t)length)};
        uint32_t frame = pyro_writer_frame(writer, pyro_writer_function(writer, &function), i);
        stacks[i] = pyro_writer_stack(writer, stacks[i / 2], frame);
    }
    pyro_writer_source(writer, 1, 7, "x = 1", 5);
    pyro_writer_edge(writer, 1, 2);
    pyro_writer_wait(writer, "lock", "futex");
    uint32_t process = pyro_writer_process(writer, 1, 0, "a.py", "3.12.1");
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t stack = stacks[1 + i * 7 % 39];
        struct pyro_written_sample sample = {.thread = pyro_writer_thread(writer, process, i % 3),
                                             .stack = stack,
                                             .agreed = i % 5 ? stack : PYRO_STACK_ROOT,
                                             .state = (enum pyro_state)(i % PYRO_STATE_COUNT),
                                             .wait = i % 2 ? 0 : PYRO_NO_ID};
        pyro_writer_sweep(writer, i * 1000);
        pyro_writer_sample(writer, &sample);
        if (i == 100)
            pyro_writer_flush(writer);
    }
    CHECK_EQ(pyro_writer_close(writer, NULL), 0);
    FILE *file = fopen(path, "re");
    good_size = fread(good, 1, sizeof(good), file);
    fclose(file);
    unlink(path);
    CHECK(good_size > 500 && good_size < sizeof(good));
}

/* Read bytes in memory of exactly their size, so that ASan sees one too many. */
static int parse_copy(const uint8_t *data, size_t size, struct pyro_profile **ret_profile,
                      struct pyro_error *error)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    int code = pyro_profile_parse(copy, size, ret_profile, error);
    free(copy);
    return code;
}

static void every_cut_keeps_the_chunks_before_it(void)
{
    write_good();
    size_t last_count = 0;
    for (size_t size = 0; size < good_size; size++) {
        struct pyro_profile *profile;
        int code = parse_copy(good, size, &profile, NULL);
        if (code < 0) {
            CHECK_EQ(code, -EBADMSG);
            CHECK_EQ(last_count, 0);
            continue;
        }
        CHECK(!profile->complete);
        CHECK(profile->samples.count >= last_count);
        last_count = profile->samples.count;
        pyro_profile_free(profile);
    }
    CHECK_EQ(last_count, 200);
}

static void every_wrong_byte_is_noticed(void)
{
    write_good();
    for (size_t i = 0; i < good_size; i++) {
        good[i] ^= 0x10;
        struct pyro_profile *profile;
        int code = parse_copy(good, good_size, &profile, NULL);
        CHECK(code == -EBADMSG || (code == 0 && profile->torn && !profile->complete));
        if (code == 0)
            pyro_profile_free(profile);
        good[i] ^= 0x10;
    }
}

static void bytes_after_the_end_are_told(void)
{
    write_good();
    struct pyro_profile *profile;
    CHECK_EQ(parse_copy(good, good_size + 1, &profile, NULL), 0);
    CHECK(profile->complete && profile->torn);
    CHECK_EQ(profile->samples.count, 200);
    pyro_profile_free(profile);
}

/* -- files made by hand: rightly framed, but wrong inside --------------------------------------- */

static struct pyro_buffer file;

static void start(void)
{
    pyro_buffer_clear(&file);
    pyro_file_put_header(&file);
    pyro_chunk_end(&file, pyro_chunk_begin(&file, PYRO_CHUNK_INFO));
}

/* A chunk of one block that is not packed. */
static void add(enum pyro_chunk_type type, const void *block, size_t size)
{
    size_t begin = pyro_chunk_begin(&file, type);
    pyro_buffer_put_varint(&file, size);
    pyro_buffer_put_bytes(&file, block, size);
    pyro_chunk_end(&file, begin);
}
#define ADD(type, bytes) add(type, bytes, sizeof(bytes) - 1)

static void add_basics(void)
{
    ADD(PYRO_CHUNK_STRINGS, "\1a\1b");
    ADD(PYRO_CHUNK_FUNCTIONS, "\2\2\1\0");
    ADD(PYRO_CHUNK_FRAMES, "\0\2");
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_STACKS);
    pyro_buffer_put(&file, "\1\1\1\1\1\0", 6);
    pyro_chunk_end(&file, begin);
    ADD(PYRO_CHUNK_PROCESSES, "\2\0\0\0");
    ADD(PYRO_CHUNK_THREADS, "\0\0\5\0\0");
}

static int parse_it(struct pyro_error *error)
{
    struct pyro_profile *profile;
    int code = parse_copy(file.data, file.size, &profile, error);
    if (code == 0)
        pyro_profile_free(profile);
    pyro_buffer_free(&file);
    return code;
}

#define CHECK_BAD(type, bytes)                                      \
    do {                                                            \
        struct pyro_error error_ = {0};                             \
        start();                                                    \
        add_basics();                                               \
        ADD(type, bytes);                                           \
        CHECK_EQ(parse_it(&error_), -EBADMSG);                      \
        CHECK(strstr(error_.message, "cannot read 'recording': ")); \
    } while (0)

static void ids_that_are_not_known_are_bad(void)
{
    start();
    add_basics();
    CHECK_EQ(parse_it(NULL), 0);
    CHECK_BAD(PYRO_CHUNK_STRINGS, "\1a");                                /* twice */
    CHECK_BAD(PYRO_CHUNK_STRINGS, "\0");                                 /* empty */
    CHECK_BAD(PYRO_CHUNK_STRINGS, "\5c");                                /* longer than the block */
    CHECK_BAD(PYRO_CHUNK_FUNCTIONS, "\10\0\1\0");                        /* name 5 */
    CHECK_BAD(PYRO_CHUNK_FUNCTIONS, "\0\3\1\0");                         /* file -1 */
    CHECK_BAD(PYRO_CHUNK_FUNCTIONS, "\0\0\1\3");                         /* kind 3 */
    CHECK_BAD(PYRO_CHUNK_FUNCTIONS, "\0\0\1");                           /* half of one */
    CHECK_BAD(PYRO_CHUNK_FRAMES, "\2\0");                                /* function 1 */
    CHECK_BAD(PYRO_CHUNK_WAITS, "\3\0");                                 /* kind 3 */
    CHECK_BAD(PYRO_CHUNK_PROCESSES, "\0\0\0\3");                         /* version 3 */
    CHECK_BAD(PYRO_CHUNK_THREADS, "\2\0\0\0\0");                         /* thread 2 before 1 */
    CHECK_BAD(PYRO_CHUNK_THREADS, "\1\1\0\0\0");                         /* process 1 */
    CHECK_BAD(PYRO_CHUNK_THREADS, "\1\0\0\7\0");                         /* name 7 */
    CHECK_BAD(PYRO_CHUNK_EDGES, "\0\2");                                 /* function 1 */
    CHECK_BAD(PYRO_CHUNK_SOURCES, "\6\0\0");                             /* file 3 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0");   /* process 1 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\0\2\0\0\0\0\0\0\1\0\0\0\0\0\0\0");   /* site 1 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\0\0\0\1\0\0\0\0\1\0\0\0\0\0\0\0");   /* sender 1 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\0\0\0\0\x7f\0\0\0\1\0\0\0\0\0\0\0"); /* text 127 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\0\0\0\0\0\0\0\2\1\0\0\0\0\0\0\0");   /* many 2 */
    CHECK_BAD(PYRO_CHUNK_QUERIES, "\0\0\0\0\0\0\0\0\1");                 /* half of one */
    CHECK_BAD(PYRO_CHUNK_LINES, "\1\0\3\5\5");                           /* thread 1 */
    CHECK_BAD(PYRO_CHUNK_LINES, "\0\1\3\5\5");                           /* function 1 */
    CHECK_BAD(PYRO_CHUNK_LINES, "\0\0\3\5");                             /* half of one */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\1\0\5\5\1\1\0\0\0\0");                /* process 1 */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\0\7\5\5\1\1\0\0\0\0");                /* stack 7 */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\0\0\5\6\1\1\0\0\0\0");                /* freed more */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\0\0\5\5\1\2\0\0\0\0");                /* and more often */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\0\0\5\5\1\1\0\0\2\0");                /* briefly, too */
    CHECK_BAD(PYRO_CHUNK_MEMORY, "\0\0\5\5\1\1\0\0\0");                  /* half of one */
    CHECK_BAD(PYRO_CHUNK_HEAPS, "\1\1\1\0\0\0\0\0\1\0");                 /* process 1 */
    CHECK_BAD(PYRO_CHUNK_HEAPS, "\0\1\1\0\0\0\0\0\1");                   /* half of one */
    CHECK_BAD(PYRO_CHUNK_RESIDENT, "\1\1\1\1\1");                        /* process 1 */
    CHECK_BAD(PYRO_CHUNK_RESIDENT, "\0\1\1\1");                          /* half of one */
    CHECK_BAD(PYRO_CHUNK_MOMENTS, "\1\0\1\1\1");                         /* process 1 */
    CHECK_BAD(PYRO_CHUNK_MOMENTS, "\0\7\1\1\1");                         /* stack 7 */
    CHECK_BAD(PYRO_CHUNK_MOMENTS, "\0\0\1\1");                           /* half of one */
    CHECK_BAD(PYRO_CHUNK_PERIODS, "\1\1");                               /* process 1 */
    CHECK_BAD(PYRO_CHUNK_PERIODS, "\0\0");                               /* no period */
    CHECK_BAD(PYRO_CHUNK_PERIODS, "\0\xff\xff\xff\x7f");                 /* too large */
    CHECK_BAD(PYRO_CHUNK_SAMPLED, "\0\1\1\1\1\1\0\0\0\0\0\0\0\0");       /* of no memory */
    CHECK_BAD(PYRO_CHUNK_CALLS, "\1\1\1\1");                             /* thread 1 */
    CHECK_BAD(PYRO_CHUNK_CALLS, "\0\2\1\1");                             /* caller 1 */
    CHECK_BAD(PYRO_CHUNK_CALLS, "\0\1\2\1");                             /* callee 1 */
    CHECK_BAD(PYRO_CHUNK_CALLS, "\0\1\1");                               /* half of one */
    CHECK_BAD(PYRO_CHUNK_CALLS, "\0\1\1\xff\xff\xff\xff\xff\xff\xff\xff\x7f"); /* too many */
    CHECK_BAD(PYRO_CHUNK_PROBES, "\1\3\0\0\1\1\1\1");                          /* process 1 */
    CHECK_BAD(PYRO_CHUNK_PROBES, "\0\3\7\0\1\1\1\1");                          /* reason 7 */
    CHECK_BAD(PYRO_CHUNK_PROBES, "\0\3\0\0\1\1\1");                            /* half of one */
    CHECK_BAD(PYRO_CHUNK_STACKS, "\0"); /* its own parent, and no second block */
    CHECK_BAD(PYRO_CHUNK_INFO, "");     /* a second one */
    CHECK_BAD(PYRO_CHUNK_FRAMES, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0"); /* a huge step */
}

/* A SAMPLES chunk of columns that are not packed. */
static void add_samples(unsigned sweeps, const char *const columns[PYRO_COLUMN_COUNT],
                        const uint8_t sizes[PYRO_COLUMN_COUNT])
{
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_SAMPLES);
    pyro_buffer_put_varint(&file, sweeps);
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++) {
        pyro_buffer_put_varint(&file, sizes[i]);
        pyro_buffer_put_bytes(&file, columns[i], sizes[i]);
    }
    pyro_chunk_end(&file, begin);
}

static int parse_samples(unsigned sweeps, const char *const columns[PYRO_COLUMN_COUNT],
                         const uint8_t sizes[PYRO_COLUMN_COUNT])
{
    start();
    add_basics();
    add_samples(sweeps, columns, sizes);
    return parse_it(NULL);
}

static void samples_that_cannot_be_are_bad(void)
{
    /* gap low, high, lists, runs, tokens, stacks, states, drops, waits */
    const char *good_columns[] = {"\1", "\0", "\0\1\0", "\0", "\xff", "\2", "\1", "", ""};
    const uint8_t good_sizes[] = {1, 1, 3, 1, 1, 1, 1, 0, 0};
    CHECK_EQ(parse_samples(1, good_columns, good_sizes), 0);
    CHECK_EQ(parse_samples(2, good_columns, good_sizes), -EBADMSG); /* too few gaps */
    const struct {
        enum pyro_column column;
        const char *bytes;
        uint8_t size;
    } wrong[] = {
        {PYRO_COLUMN_GAP_HIGH, "", 0},
        {PYRO_COLUMN_GAP_HIGH, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10},
        {PYRO_COLUMN_LISTS, "", 0},
        {PYRO_COLUMN_LISTS, "\0\1\2", 3}, /* thread 1 */
        {PYRO_COLUMN_LISTS, "\0\1\1", 3}, /* thread -1 */
        {PYRO_COLUMN_LISTS, "\0\2\0", 3}, /* two, but one */
        {PYRO_COLUMN_LISTS, "\0\xff\xff\xff\xff\x0f", 6},
        {PYRO_COLUMN_RUNS, "", 0}, /* equal to nothing */
        {PYRO_COLUMN_RUNS, "\1", 1},
        {PYRO_COLUMN_TOKENS, "\0", 1}, /* an empty list has no place 0 */
        {PYRO_COLUMN_TOKENS, "", 0},
        {PYRO_COLUMN_STACKS, "\4", 1}, /* stack 2 */
        {PYRO_COLUMN_STACKS, "\1", 1}, /* stack -1 */
        {PYRO_COLUMN_STATES, "\5", 1},
        {PYRO_COLUMN_STATES, "\x21", 1}, /* a wait that is not there */
        {PYRO_COLUMN_STATES, "\x41", 1}, /* a drop that is not there */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        const char *columns[PYRO_COLUMN_COUNT];
        uint8_t sizes[PYRO_COLUMN_COUNT];
        memcpy(columns, good_columns, sizeof(columns));
        memcpy(sizes, good_sizes, sizeof(sizes));
        columns[wrong[i].column] = wrong[i].bytes;
        sizes[wrong[i].column] = wrong[i].size;
        int code = parse_samples(1, columns, sizes);
        if (code != -EBADMSG)
            printf("# case %zu\n", i);
        CHECK_EQ(code, -EBADMSG);
    }
}

static void a_drop_beyond_the_root_is_bad(void)
{
    const char *columns[] = {"\1", "\0", "\0\1\0", "\0", "\xff", "\2", "\x41", "\1", ""};
    const uint8_t sizes[] = {1, 1, 3, 1, 1, 1, 1, 1, 0};
    CHECK_EQ(parse_samples(1, columns, sizes), 0);
    columns[PYRO_COLUMN_DROPS] = "\2";
    CHECK_EQ(parse_samples(1, columns, sizes), -EBADMSG);
}

static void what_a_later_version_adds_is_passed_over(void)
{
    start();
    size_t begin = pyro_chunk_begin(&file, (enum pyro_chunk_type)200);
    pyro_buffer_puts(&file, "who knows");
    pyro_chunk_end(&file, begin);
    begin = pyro_chunk_begin(&file, PYRO_CHUNK_STRINGS);
    pyro_buffer_put(&file, "\2\2\1a\1\1x", 7); /* a second block */
    pyro_chunk_end(&file, begin);
    begin = pyro_chunk_begin(&file, PYRO_CHUNK_COUNTERS);
    for (int i = 0; i < 40; i++)
        pyro_buffer_put_varint(&file, 1);
    pyro_chunk_end(&file, begin);
    CHECK_EQ(parse_it(NULL), 0);
}

static void a_newer_version_is_refused_with_a_hint(void)
{
    write_good();
    struct pyro_error error;
    struct pyro_profile *profile;
    good[8] = 2;
    struct pyro_reader header = pyro_reader_over(good, 16);
    CHECK_EQ(pyro_file_take_header(&header), -EBADMSG); /* its checksum covers the version */
    /* CRC-32C of the header of version 2, by another program */
    memcpy(good + 12, "\x4f\x3b\x4b\x18", 4);
    CHECK_EQ(parse_copy(good, good_size, &profile, &error), -EBADMSG);
    CHECK(strstr(error.message, "newer pyrometer"));
    CHECK(error.hint[0]);
}

/* -- bytes made to unfold ----------------------------------------------------------------------- */

/* SIZE equal bytes, packed. */
static void put_bomb_block(size_t size, uint8_t byte)
{
    uint8_t *raw = malloc(size), *packed = malloc(ZSTD_compressBound(size));
    memset(raw, byte, size);
    size_t packed_size = ZSTD_compress(packed, ZSTD_compressBound(size), raw, size, 3);
    CHECK(!ZSTD_isError(packed_size));
    pyro_buffer_put_varint(&file, size);
    pyro_buffer_put_bytes(&file, packed, packed_size);
    free(raw);
    free(packed);
}

/* What the reader used at most, in bytes. Sanitizers need memory of their own, so this is a coarse bound. */
static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static void blocks_that_unfold_without_end_are_refused(void)
{
    start();
    add_basics();
    for (int i = 0; i < 100; i++) {
        size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_WAITS);
        put_bomb_block(PYRO_BLOCK_SIZE_MAX, 0);
        pyro_chunk_end(&file, begin);
    }
    CHECK(file.size < 100000);
    CHECK_EQ(parse_it(NULL), -EBADMSG); /* too many waits before the budget is used up */
    CHECK(peak_bytes() < (size_t)600 << 20);
}

static void a_budget_bounds_what_is_unpacked(void)
{
    start();
    add_basics();
    for (int i = 0; i < 100; i++) {
        size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_EDGES);
        put_bomb_block(PYRO_BLOCK_SIZE_MAX, 0); /* the same edge, again and again */
        pyro_chunk_end(&file, begin);
    }
    struct pyro_error error;
    CHECK_EQ(parse_it(&error), -EFBIG);
    CHECK_STR(error.message, "cannot read 'recording': it unfolds into too much");
    CHECK(peak_bytes() < (size_t)600 << 20);
}

static void samples_that_unfold_without_end_are_refused(void)
{
    start();
    add_basics();
    uint8_t list[2003] = {0, 0xd0, 0x0f}; /* at once, 2000 times thread 0; then the same for ever */
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_SAMPLES);
    unsigned sweeps = 1000000;
    pyro_buffer_put_varint(&file, sweeps);
    put_bomb_block(sweeps, 1);
    put_bomb_block(sweeps, 0);
    struct pyro_buffer lists = {0};
    pyro_buffer_put(&lists, list, sizeof(list));
    pyro_buffer_put_varint(&lists, sweeps);
    pyro_buffer_put_varint(&file, lists.size);
    pyro_buffer_put_bytes(&file, lists.data, lists.size);
    pyro_buffer_free(&lists);
    pyro_buffer_put(&file, "\1\1\0\1\1\xff\1\1\2\1\1\1\0\0\0\0", 16);
    pyro_chunk_end(&file, begin);
    CHECK_EQ(parse_it(NULL), -EFBIG);
    CHECK(peak_bytes() < (size_t)600 << 20);
}

/* RAW as a block, packed as well as it goes. */
static void put_packed(struct pyro_buffer *raw)
{
    size_t bound = ZSTD_compressBound(raw->size);
    uint8_t *packed = malloc(bound);
    size_t size = ZSTD_compress(packed, bound, raw->data, raw->size, 19);
    CHECK(!ZSTD_isError(size));
    pyro_buffer_put_varint(&file, raw->size);
    if (size < raw->size)
        pyro_buffer_put_bytes(&file, packed, size);
    else
        pyro_buffer_put_bytes(&file, raw->data, raw->size);
    free(packed);
    pyro_buffer_free(raw);
}

static void add_many_threads(uint32_t count)
{
    struct pyro_buffer block = {0};
    for (uint32_t i = 1; i < count; i++) { /* basics have the first one */
        pyro_buffer_put_varint(&block, i);
        pyro_buffer_put(&block, "\0\5\0\0", 4);
    }
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_THREADS);
    put_packed(&block);
    pyro_chunk_end(&file, begin);
}

/* SWEEPS sweeps of THREADS threads, which all wait for another reason in each. */
static void add_many_kinds(uint32_t sweeps, uint32_t threads)
{
    struct pyro_buffer columns[PYRO_COLUMN_COUNT] = {0};
    pyro_buffer_put_varint(&columns[PYRO_COLUMN_LISTS], 0);
    pyro_buffer_put_varint(&columns[PYRO_COLUMN_LISTS], threads);
    for (uint32_t i = 0; i < threads; i++)
        pyro_buffer_put_zigzag(&columns[PYRO_COLUMN_LISTS], i > 0);
    pyro_buffer_put_varint(&columns[PYRO_COLUMN_LISTS], sweeps);
    for (uint32_t i = 0; i < sweeps * threads; i++) {
        pyro_buffer_put_u8(&columns[PYRO_COLUMN_RUNS], 0);
        pyro_buffer_put_u8(&columns[PYRO_COLUMN_TOKENS], i < threads ? PYRO_TOKEN_ESCAPE : 0);
        pyro_buffer_put_u8(&columns[PYRO_COLUMN_STATES], PYRO_STATE_WAITING | PYRO_STATE_WAIT);
        pyro_buffer_put_varint(&columns[PYRO_COLUMN_WAITS], i / threads);
        if (i < threads)
            pyro_buffer_put_zigzag(&columns[PYRO_COLUMN_STACKS], 0);
    }
    for (uint32_t i = 0; i < sweeps; i++) {
        pyro_buffer_put_u8(&columns[PYRO_COLUMN_GAP_LOW], 1);
        pyro_buffer_put_u8(&columns[PYRO_COLUMN_GAP_HIGH], 0);
    }
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_SAMPLES);
    pyro_buffer_put_varint(&file, sweeps);
    for (int i = 0; i < PYRO_COLUMN_COUNT; i++)
        put_packed(&columns[i]);
    pyro_chunk_end(&file, begin);
}

/* Samples are slim by what they share, so those that share nothing count more. */
static void kinds_of_samples_without_end_are_refused(void)
{
    for (uint32_t sweeps = 10; sweeps <= 250; sweeps += 240) {
        start();
        add_basics();
        add_many_threads(4000);
        size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_WAITS);
        put_bomb_block(2 * 250, 0);
        pyro_chunk_end(&file, begin);
        add_many_kinds(sweeps, 4000);
        uint64_t allowed = (UINT64_C(1) << 20) + 512 * file.size;
        CHECK(sweeps * 4001 < allowed); /* as samples, they were good */
        CHECK_EQ(parse_it(NULL), sweeps == 10 ? 0 : -EFBIG);
    }
    CHECK(peak_bytes() < (size_t)600 << 20);
}

static void sizes_of_blocks_are_bounded(void)
{
    start();
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_WAITS);
    put_bomb_block(PYRO_BLOCK_SIZE_MAX + 2, 0);
    pyro_chunk_end(&file, begin);
    CHECK_EQ(parse_it(NULL), -EBADMSG);
    start();
    begin = pyro_chunk_begin(&file, PYRO_CHUNK_WAITS);
    pyro_buffer_put(&file, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\0", 12);
    pyro_chunk_end(&file, begin);
    CHECK_EQ(parse_it(NULL), -EBADMSG);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(every_cut_keeps_the_chunks_before_it), TEST(every_wrong_byte_is_noticed),
        TEST(bytes_after_the_end_are_told), TEST(ids_that_are_not_known_are_bad),
        TEST(samples_that_cannot_be_are_bad), TEST(a_drop_beyond_the_root_is_bad),
        TEST(what_a_later_version_adds_is_passed_over),
        TEST(a_newer_version_is_refused_with_a_hint),
        TEST(blocks_that_unfold_without_end_are_refused), TEST(a_budget_bounds_what_is_unpacked),
        TEST(samples_that_unfold_without_end_are_refused),
        TEST(kinds_of_samples_without_end_are_refused), TEST(sizes_of_blocks_are_bounded));
}
