/* profile/input.h - the bytes of a recording: all of them in memory, or piece by piece from a file.
 *
 * For profile/ and for the importers of formats/. A regular file is read as far as it went when it was opened, through memory that holds one
 * chunk, however long the recording. (Mapping it would be as slim, but a recorder may cut a file back, and that kills
 * who reads a mapping.) What does not tell its size, a pipe, is read whole: the limits of a reader depend on it. */
#ifndef PYRO_PROFILE_INPUT_H
#define PYRO_PROFILE_INPUT_H

#include "base/buffer.h"
#include "base/error.h"

struct pyro_input {
    struct pyro_reader bytes; /* in memory, not yet taken: take from it what was asked for */
    uint64_t size;            /* of the whole recording */
    uint64_t unread;          /* of these, not in memory yet */
    int error;                /* negative errno: the file could not be read */
    int fd;                   /* -1: nothing is unread */
    uint8_t *memory;
    size_t capacity;
};

/* Over SIZE bytes that the caller keeps. */
struct pyro_input pyro_input_over(const void *data, size_t size);
/* PATH may be "-", standard input. 0 or what cannot be done: -ENOENT, -EISDIR, -EFBIG ..., -ENOMEM; then there is
 * nothing to close. */
int pyro_input_open(struct pyro_input *ret_input, const char *path);
void pyro_input_close(struct pyro_input *input);
/* "cannot read 'PATH': no such file or directory", for CODE of a call of these; returns it. */
int pyro_input_tell(int code, const char *path, struct pyro_error *error);

/* Bring SIZE bytes into input->bytes, or all that are left if there are fewer. What was taken before is gone then.
 * -ENOMEM, or input->error. */
int pyro_input_need(struct pyro_input *input, size_t size);
/* How many are not yet taken. */
uint64_t pyro_input_left(const struct pyro_input *input);

#endif
