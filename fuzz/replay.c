/* fuzz/replay.c - run a fuzz target over files, without a fuzzing engine.
 *
 *     replay-NAME FILE-OR-FOLDER...
 *
 * Folders are read one level deep, in order of their names. The result is one TAP test a target; what is
 * wrong with an input is told by the sanitizers, the file's name being the last line printed before. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_INPUT_BYTES (64u << 20)
#define SECONDS_A_FILE  20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads the whole of FILE into memory of exactly its size, so that ASan sees the first byte past it. */
static uint8_t *read_all(FILE *file, size_t *ret_size)
{
    struct stat status;
    if (fstat(fileno(file), &status) < 0 || status.st_size > MAX_INPUT_BYTES)
        return NULL;
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size ? size : 1);
    if (data && fread(data, 1, size, file) != size) {
        free(data);
        return NULL;
    }
    *ret_size = size;
    return data;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (!file) {
        fprintf(stderr, "cannot open '%s': %s\n", path, strerror(errno));
        return -1;
    }
    size_t size = 0;
    uint8_t *data = read_all(file, &size);
    fclose(file);
    if (!data) {
        fprintf(stderr, "cannot read '%s'\n", path);
        return -1;
    }
    printf("# %s\n", path);
    fflush(stdout);
    alarm(SECONDS_A_FILE);
    LLVMFuzzerTestOneInput(data, size);
    alarm(0);
    free(data);
    return 1;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The number of files replayed, or -1. */
static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, not_hidden, alphasort);
    int replayed = 0;
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        if (replayed >= 0 && asprintf(&path, "%s/%s", folder, entries[i]->d_name) >= 0)
            replayed = replay_file(path) < 0 ? -1 : replayed + 1;
        free(path);
        free(entries[i]);
    }
    free(entries);
    return count < 0 ? -1 : replayed;
}

static int replay(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        fprintf(stderr, "cannot open '%s': %s\n", path, strerror(errno));
        return -1;
    }
    return S_ISDIR(status.st_mode) ? replay_folder(path) : replay_file(path);
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc && total >= 0; i++) {
        int replayed = replay(argv[i]);
        total = replayed < 0 ? -1 : total + replayed;
    }
    printf("%sok 1 %d inputs replayed\n1..1\n", total > 0 ? "" : "not ", total);
    return total > 0 ? 0 : 1;
}
