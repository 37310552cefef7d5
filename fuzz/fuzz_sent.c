/* fuzz/fuzz_sent.c - what a server tells of a request's queries, as any bytes: the recording can be read, and no query is told twice. */
#include "profile/profile.h"
#include "requests/sent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Write TEXT's queries to PATH. Returns how many are lost. */
static uint64_t write_sent(const char *path, const char *text)
{
    const struct pyro_recording_info info = {.python = "3.13.0", .mode = "wall", .pid = 1};
    struct pyro_writer *writer;
    require(pyro_writer_open(path, &info, &writer, NULL) == 0);
    uint32_t process = pyro_writer_process(writer, 1, 0, "GET /", "3.13.0");
    uint64_t lost = pyro_request_put_sent(writer, process, 1000000, text);
    require(pyro_writer_close(writer, NULL) == 0);
    return lost;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), path[32];
    int fd = memfd_create("sent", MFD_CLOEXEC);
    struct pyro_profile *profile;
    require(text != NULL && fd >= 0);
    memcpy(text, data, size);
    text[size] = '\0';
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    uint64_t lost = write_sent(path, text), all = strtoull(text, NULL, 10);
    require(pyro_profile_read(path, &profile, NULL) == 0);
    require(profile->complete);
    for (size_t i = 0; i < profile->query_count; i++) {
        require(profile->queries[i].sender < profile->function_count);
        lost += profile->queries[i].count;
    }
    size_t digits = strspn(text, "0123456789");
    bool told =
        digits > 0 && digits < 17 && text[digits] == '\n'; /* so many are no more than 2^56 */
    require(told ? lost >= all : lost == 0 || lost >= all);
    pyro_profile_free(profile);
    close(fd);
    free(text);
    return 0;
}
