/* cli/recorded.c - have this program run each command. */
#include "cli/recorded.h"

#include "cli/print.h"
#include "cli/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct recording {
    const char *text, *directory; /* the command, and where it runs */
    const char *path;             /* absolute: it may run elsewhere */
    const struct pyro_recorded_options *options;
};

/* "r.json" has "r.1.pyro" and so on beside it, whose names alone are at *RET_NAME. */
static int beside(const char *output, size_t number, char *path, const char **ret_name)
{
    char folder[PATH_MAX] = "";
    size_t length = strlen(output);
    if (length > 5 && strcmp(output + length - 5, ".json") == 0)
        length -= 5;
    if (output[0] != '/' && !getcwd(folder, sizeof(folder)))
        return -errno;
    int size = snprintf(path, PATH_MAX, "%s%s%.*s.%zu.pyro", folder, *folder ? "/" : "",
                        (int)length, output, number);
    *ret_name = strrchr(path, '/') + 1;
    return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* pyrometer run -o PATH -- WORDS; to be freed, and so are *RET_WORDS. */
static char **recording_words(const struct recording *recording, char *program, char ***ret_words,
                              struct pyro_error *error)
{
    char *in_shell[] = {(char *)"/bin/sh", (char *)"-c", (char *)recording->text, NULL};
    *ret_words = NULL;
    if (!recording->options->shell && !(*ret_words = pyro_bench_split(recording->text, error)))
        return NULL;
    char **words = recording->options->shell ? in_shell : *ret_words;
    size_t count = 0;
    while (words[count])
        count++;
    char **argv = calloc(count + 6, sizeof(*argv));
    if (!argv)
        return NULL;
    char *const before[] = {program, (char *)"run", (char *)"-o", (char *)recording->path,
                            (char *)"--"};
    memcpy(argv, before, sizeof(before));
    memcpy(argv + 5, words, count * sizeof(*words));
    return argv;
}

static int record(const struct recording *recording, struct pyro_bench_signals *signals,
                  struct pyro_error *error)
{
    char program[PATH_MAX], **words;
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length < 0)
        return pyro_error_set(error, -errno, "cannot find this program: %s", strerror(errno));
    program[length] = '\0';
    char **argv = recording_words(recording, program, &words, error);
    struct pyro_bench_process process = {
        .argv = argv,
        .directory = recording->directory,
        .hash_seed = recording->options->hash_seed,
        .output = PYRO_BENCH_CAPTURE,
    };
    struct pyro_bench_run run = {0};
    int code = argv ? 0 : -ENOMEM;
    unlink(recording->path); /* an older one would be taken for this one */
    if (code == 0)
        code = pyro_bench_process_run(&process, signals, &run, error);
    if (code == 0 && access(recording->path, R_OK) < 0)
        code = pyro_error_set(error, -errno, "it left no recording");
    free(argv);
    free(words);
    return code;
}

static int record_command(struct pyro_recorded *recorded, struct pyro_bench *bench, size_t i,
                          const char *text, const struct pyro_recorded_options *options,
                          struct pyro_bench_signals *signals)
{
    const struct pyro_bench_command *command = &bench->commands[i];
    bool kept = options->output && strcmp(options->output, "-") != 0;
    char *path = recorded->paths[i];
    const char *name = "";
    struct pyro_error error = {0};
    int code = kept ? beside(options->output, i + 1, path, &name)
                    : pyro_store_new(command->name, getpid(), path, PATH_MAX, &error);
    const struct recording recording = {text, command->directory, path, options};
    if (code == 0)
        code = record(&recording, signals, &error);
    if (code == -EINTR)
        return code;
    if (code < 0) {
        pyro_print_note("cannot record '%s': %s", command->name,
                        error.message[0] ? error.message : strerror(-code));
        *path = '\0';
        return 0;
    }
    return pyro_bench_set_recording(bench, i, name);
}

int pyro_recorded_make(struct pyro_recorded *recorded, struct pyro_bench *bench,
                       const char *const *texts, const struct pyro_recorded_options *options,
                       struct pyro_bench_signals *signals)
{
    recorded->paths = calloc(bench->command_count + 1, sizeof(*recorded->paths));
    int code = recorded->paths ? 0 : -ENOMEM;
    for (size_t i = 0; code == 0 && i < bench->command_count; i++)
        code = record_command(recorded, bench, i, texts[i], options, signals);
    return code;
}

void pyro_recorded_free(struct pyro_recorded *recorded)
{
    free(recorded->paths);
    recorded->paths = NULL;
}
