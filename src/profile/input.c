/* profile/input.c - a window that moves over a file. */
#include "profile/input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (UINT64_C(4) << 30)
#define WINDOW_STEP   (64u << 10)  /* windows are a multiple of this */
#define WHOLE_STEP    (256u << 10) /* of what is read whole */

struct pyro_input pyro_input_over(const void *data, size_t size)
{
    return (struct pyro_input){.bytes = pyro_reader_over(data, size), .size = size, .fd = -1};
}

uint64_t pyro_input_left(const struct pyro_input *input)
{
    return pyro_reader_left(&input->bytes) + input->unread;
}

/* Room for SIZE bytes in all. */
static int reserve(struct pyro_input *input, size_t size)
{
    if (size <= input->capacity)
        return 0;
    uint8_t *memory = realloc(input->memory, size);
    if (!memory)
        return -ENOMEM;
    input->memory = memory;
    input->capacity = size;
    return 0;
}

/* Up to SIZE bytes from FD, at least one; 0 at the end. */
static ssize_t read_some(int fd, uint8_t *memory, size_t size)
{
    ssize_t got;
    do
        got = read(fd, memory, size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* -- regular files ------------------------------------------------------------------------------ */

/* Move what is not yet taken to the start of the memory, with room for SIZE bytes. */
static int make_room(struct pyro_input *input, size_t size)
{
    size_t left = pyro_reader_left(&input->bytes);
    if (left > 0) {
        memmove(input->memory, input->bytes.next, left);
        input->bytes = pyro_reader_over(input->memory, left);
    }
    size_t steps = (size + WINDOW_STEP - 1) / WINDOW_STEP;
    int error = reserve(input, steps * WINDOW_STEP);
    if (error == 0)
        input->bytes = pyro_reader_over(input->memory, left);
    return error;
}

int pyro_input_need(struct pyro_input *input, size_t size)
{
    if (size > pyro_input_left(input))
        size = (size_t)pyro_input_left(input);
    if (pyro_reader_left(&input->bytes) >= size)
        return 0;
    int error = make_room(input, size);
    size_t here = pyro_reader_left(&input->bytes);
    while (error == 0 && here < size && input->unread > 0) {
        size_t room = input->capacity - here;
        if (room > input->unread)
            room = (size_t)input->unread;
        ssize_t got = read_some(input->fd, input->memory + here, room);
        if (got < 0)
            return input->error = (int)got;
        if (got == 0)
            input->unread = 0; /* it was cut meanwhile */
        input->unread -= (uint64_t)got;
        here += (size_t)got;
        input->bytes = pyro_reader_over(input->memory, here);
    }
    return error;
}

/* -- pipes -------------------------------------------------------------------------------------- */

static int read_whole(struct pyro_input *input)
{
    size_t size = 0;
    for (;;) {
        int error = reserve(input, size + WHOLE_STEP);
        if (error < 0)
            return error;
        ssize_t got = read_some(input->fd, input->memory + size, WHOLE_STEP);
        if (got < 0)
            return (int)got;
        size += (size_t)got;
        input->size = size;
        input->bytes = pyro_reader_over(input->memory, size);
        if (got == 0)
            return 0;
        if (size > FILE_SIZE_MAX)
            return -EFBIG;
    }
}

/* -- opening and closing ------------------------------------------------------------------------ */

static int begin(struct pyro_input *input)
{
    struct stat status;
    if (fstat(input->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || status.st_size == 0) /* 0: as files in /proc say */
        return read_whole(input);
    off_t at = lseek(input->fd, 0, SEEK_CUR); /* of standard input, some may be used up */
    if (at < 0)
        return -errno;
    input->size = at < status.st_size ? (uint64_t)(status.st_size - at) : 0;
    input->unread = input->size;
    return input->size > FILE_SIZE_MAX ? -EFBIG : 0;
}

int pyro_input_open(struct pyro_input *ret_input, const char *path)
{
    struct pyro_input input = {0};
    input.fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                      : open(path, O_RDONLY | O_CLOEXEC);
    if (input.fd < 0)
        return -errno;
    int error = begin(&input);
    if (error < 0)
        pyro_input_close(&input);
    else
        *ret_input = input;
    return error;
}

/* The system's reason, in the middle of a line. */
int pyro_input_tell(int code, const char *path, struct pyro_error *error)
{
    const char *reason = strerror(-code);
    return pyro_error_set(error, code, "cannot read '%s': %c%s", path,
                          tolower((unsigned char)reason[0]), reason + 1);
}

void pyro_input_close(struct pyro_input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    free(input->memory);
    *input = (struct pyro_input){.fd = -1};
}
