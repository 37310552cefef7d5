/* The window over a file: what it shows, how much it holds, and that nobody can tell it from the whole. */
#include "check.h"
#include "profile/chunk.h"
#include "profile/input.h"
#include "profile/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

static const char path[] = "profile_input.pyro";

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % limit;
}

static void put_random(struct pyro_buffer *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++)
        pyro_buffer_put_u8(buffer, (uint8_t)random_below(256));
    CHECK(!buffer->failed);
}

static void write_file(const void *data, size_t size)
{
    FILE *file = fopen(path, "we");
    CHECK(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static struct pyro_input open_file(void)
{
    struct pyro_input input;
    CHECK_EQ(pyro_input_open(&input, path), 0);
    return input;
}

/* Reading that fails: this takes the place of the C library's. */
static int good_reads = -1; /* before the bad one; -1: all are good */
static int bad_errno;

ssize_t read(int fd, void *buffer, size_t size)
{
    if (good_reads == 0) {
        errno = bad_errno;
        return -1;
    }
    good_reads -= good_reads > 0;
    return syscall(SYS_read, fd, buffer, size);
}

/* -- the window --------------------------------------------------------------------------------- */

static void a_window_moves_over_the_file(void)
{
    enum { SIZE = 3000000 };
    struct pyro_buffer all = {0};
    put_random(&all, SIZE);
    write_file(all.data, SIZE);
    struct pyro_input input = open_file();
    CHECK_EQ(input.size, SIZE);
    size_t at = 0, largest = 0;
    while (at < SIZE) {
        size_t want = random_below(10) ? random_below(2000) : random_below(200000);
        size_t there = want < SIZE - at ? want : SIZE - at;
        CHECK_EQ(pyro_input_left(&input), SIZE - at);
        CHECK_EQ(pyro_input_need(&input, want), 0);
        CHECK(pyro_reader_left(&input.bytes) >= there);
        CHECK(memcmp(input.bytes.next, all.data + at, pyro_reader_left(&input.bytes)) == 0);
        largest = want > largest ? want : largest;
        size_t taken = random_below(4) ? there : there / 2;
        CHECK(pyro_reader_take(&input.bytes, taken));
        at += taken;
        CHECK(input.capacity < largest + (128 << 10));
    }
    CHECK_EQ(pyro_input_left(&input), 0);
    CHECK_EQ(pyro_input_need(&input, 1), 0);
    CHECK_EQ(pyro_reader_left(&input.bytes), 0);
    pyro_input_close(&input);
    pyro_buffer_free(&all);
    unlink(path);
}

/* A head may claim 16 MiB: that alone gets no memory. */
static void a_small_file_gets_a_small_window(void)
{
    write_file("abc", 3);
    struct pyro_input input = open_file();
    CHECK_EQ(pyro_input_need(&input, (size_t)1 << 30), 0);
    CHECK_EQ(pyro_reader_left(&input.bytes), 3);
    CHECK(input.capacity <= 64 << 10);
    pyro_input_close(&input);
    unlink(path);
}

static void a_file_that_is_cut_meanwhile_ends_there(void)
{
    struct pyro_buffer all = {0};
    put_random(&all, 200000);
    write_file(all.data, all.size);
    struct pyro_input input = open_file();
    CHECK_EQ(pyro_input_need(&input, 16), 0);
    CHECK_EQ(truncate(path, 100000), 0);
    CHECK_EQ(pyro_input_need(&input, 150000), 0);
    CHECK_EQ(pyro_reader_left(&input.bytes), 100000);
    CHECK_EQ(pyro_input_left(&input), 100000);
    CHECK(memcmp(input.bytes.next, all.data, 100000) == 0);
    pyro_input_close(&input);
    pyro_buffer_free(&all);
    unlink(path);
}

static void what_is_added_meanwhile_is_not_read(void)
{
    write_file("abcdef", 6);
    struct pyro_input input = open_file();
    write_file("abcdefghi", 9);
    CHECK_EQ(pyro_input_need(&input, 9), 0);
    CHECK_EQ(pyro_reader_left(&input.bytes), 6);
    pyro_input_close(&input);
    unlink(path);
}

static void what_cannot_be_opened_says_why(void)
{
    struct pyro_input input;
    CHECK_EQ(pyro_input_open(&input, "/nonexistent/x"), -ENOENT);
    CHECK_EQ(pyro_input_open(&input, "/"), -EISDIR);
    CHECK_EQ(pyro_input_open(&input, "/dev/null"), 0);
    CHECK_EQ(input.size, 0);
    pyro_input_close(&input);
    write_file("", 0);
    CHECK_EQ(truncate(path, ((off_t)4 << 30) + 1), 0);
    CHECK_EQ(pyro_input_open(&input, path), -EFBIG);
    unlink(path);
}

/* -- recordings read through it ----------------------------------------------------------------- */

/* Chunks nobody knows, of all sizes, between INFO and END. */
static void put_recording(struct pyro_buffer *file)
{
    pyro_file_put_header(file);
    size_t begin = pyro_chunk_begin(file, PYRO_CHUNK_INFO);
    pyro_buffer_put(file, "\1\4a.py\3\4wall", 12);
    CHECK_EQ(pyro_chunk_end(file, begin), 0);
    for (int i = 0; i < 60; i++) {
        begin = pyro_chunk_begin(file, (enum pyro_chunk_type)200);
        put_random(file, i == 30           ? 1000000
                         : random_below(2) ? random_below(100)
                                           : random_below(90000));
        CHECK_EQ(pyro_chunk_end(file, begin), 0);
    }
    begin = pyro_chunk_begin(file, PYRO_CHUNK_END);
    CHECK_EQ(pyro_chunk_end(file, begin), 0);
}

static void check_as_whole(const struct pyro_buffer *file, struct pyro_profile *read)
{
    struct pyro_profile *whole;
    CHECK_EQ(pyro_profile_parse(file->data, file->size, &whole, NULL), 0);
    CHECK_EQ(read->complete, whole->complete);
    CHECK_EQ(read->torn, whole->torn);
    CHECK_STR(read->info.command, "a.py"); /* long after its chunk left the window */
    CHECK_STR(read->info.mode, "wall");
    CHECK(!read->info.python);
    pyro_profile_free(whole);
    pyro_profile_free(read);
}

static void read_and_check(const struct pyro_buffer *file)
{
    struct pyro_profile *profile;
    write_file(file->data, file->size);
    CHECK_EQ(pyro_profile_read(path, &profile, NULL), 0);
    check_as_whole(file, profile);
    unlink(path);
}

static void a_recording_reads_as_from_memory(void)
{
    struct pyro_buffer file = {0};
    put_recording(&file);
    size_t whole = file.size;
    read_and_check(&file);
    for (int i = 0; i < 60; i++) { /* cut, or with a wrong byte */
        file.size = i % 2 ? whole : 100 + random_below((uint32_t)whole - 100);
        size_t wrong = 100 + random_below((uint32_t)file.size - 100);
        file.data[wrong] ^= i % 2;
        read_and_check(&file);
        file.data[wrong] ^= i % 2;
    }
    file.size = whole;
    pyro_buffer_put_u8(&file, 0); /* bytes after the end */
    read_and_check(&file);
    pyro_buffer_free(&file);
}

/* More follows where the first window ends, and END with it. */
static void bytes_behind_the_window_count(void)
{
    enum { WINDOW = 64 << 10 };
    struct pyro_buffer file = {0};
    pyro_file_put_header(&file);
    size_t begin = pyro_chunk_begin(&file, PYRO_CHUNK_INFO);
    pyro_buffer_put(&file, "\1\4a.py\3\4wall", 12);
    CHECK_EQ(pyro_chunk_end(&file, begin), 0);
    begin = pyro_chunk_begin(&file, (enum pyro_chunk_type)200);
    put_random(&file, WINDOW - PYRO_CHUNK_HEAD_SIZE - file.size);
    CHECK_EQ(pyro_chunk_end(&file, begin), 0);
    begin = pyro_chunk_begin(&file, PYRO_CHUNK_END);
    CHECK_EQ(pyro_chunk_end(&file, begin), 0);
    CHECK_EQ(file.size, WINDOW);
    pyro_buffer_put_u8(&file, 'x');
    read_and_check(&file);
    pyro_buffer_free(&file);
}

static void a_disk_that_fails_is_no_torn_end(void)
{
    static const struct {
        int number;
        const char *message;
    } errors[] = {{EIO, "cannot read 'profile_input.pyro': input/output error"},
                  {EBADMSG, "cannot read 'profile_input.pyro': bad message"}};
    struct pyro_buffer file = {0};
    put_recording(&file);
    write_file(file.data, file.size);
    for (int i = 0; i < 10; i++) {
        struct pyro_profile *profile;
        struct pyro_error error = {0};
        good_reads = i;
        bad_errno = errors[i % 2].number;
        CHECK_EQ(pyro_profile_read(path, &profile, &error), -bad_errno);
        CHECK_STR(error.message, errors[i % 2].message);
        good_reads = -1;
    }
    pyro_buffer_free(&file);
    unlink(path);
}

/* Reads "-" with FD as standard input. */
static struct pyro_profile *read_input(int fd)
{
    struct pyro_profile *profile;
    CHECK(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    close(fd);
    CHECK_EQ(pyro_profile_read("-", &profile, NULL), 0);
    return profile;
}

static void a_pipe_reads_as_from_memory(void)
{
    struct pyro_buffer file = {0};
    put_recording(&file);
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < file.size;) {
            ssize_t got = write(ends[1], file.data + at, file.size - at);
            if (got <= 0)
                _exit(1);
            at += (size_t)got;
        }
        _exit(0);
    }
    close(ends[1]);
    check_as_whole(&file, read_input(ends[0]));
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pyro_buffer_free(&file);
}

static void standard_input_is_read_from_where_it_stands(void)
{
    struct pyro_buffer file = {0}, behind = {0};
    put_recording(&file);
    pyro_buffer_puts(&behind, "a line before it\n");
    size_t before = behind.size;
    pyro_buffer_put(&behind, file.data, file.size);
    write_file(behind.data, behind.size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(lseek(fd, (off_t)before, SEEK_SET), before);
    check_as_whole(&file, read_input(fd));
    pyro_buffer_free(&file);
    pyro_buffer_free(&behind);
    unlink(path);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(a_window_moves_over_the_file), TEST(a_small_file_gets_a_small_window),
        TEST(a_file_that_is_cut_meanwhile_ends_there), TEST(what_is_added_meanwhile_is_not_read),
        TEST(what_cannot_be_opened_says_why), TEST(a_recording_reads_as_from_memory),
        TEST(bytes_behind_the_window_count), TEST(a_disk_that_fails_is_no_torn_end),
        TEST(a_pipe_reads_as_from_memory), TEST(standard_input_is_read_from_where_it_stands));
}
