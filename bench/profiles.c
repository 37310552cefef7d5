/* profiles.c - write recordings that are hard to show, the same in every run.
 *
 *   profiles nodes FILE COUNT     a tree of COUNT stacks, one sample each; 3,000 functions
 *   profiles deep FILE DEPTH      a recursion of that depth, of two functions in turns
 *   profiles threads FILE COUNT   that many threads, 2 s, each in a state of its own
 *   profiles empty FILE           nothing was seen */
#include "profile/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUNCTIONS = 3000, DEPTH_MAX = 90, SWEEP_US = 1000 };

static uint64_t random_state = 88172645463325252u;

static uint32_t below(uint32_t count)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 11) % count);
}

struct recording {
    struct pyro_writer *writer;
    struct pyro_counters counters;
    uint32_t functions[FUNCTIONS];
    uint32_t process, thread;
};

static uint32_t text(struct recording *recording, const char *text_of)
{
    return pyro_writer_string(recording->writer, text_of, strlen(text_of));
}

static void make_functions(struct recording *recording)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char name[64], file[128];
        snprintf(name, sizeof(name), "Class%u.method_%u", i % 200, i);
        snprintf(file, sizeof(file),
                 i % 3 ? "/srv/app/module_%u.py"
                       : "/usr/lib/python3/dist-packages/library/part_%u.py",
                 i % 150);
        recording->functions[i] = pyro_writer_function(
            recording->writer, &(struct pyro_function){.name = text(recording, name),
                                                       .file = text(recording, file),
                                                       .kind = PYRO_FUNCTION_PYTHON,
                                                       .first_line = 1 + 20 * (i % 60)});
    }
}

static uint32_t stack_on(struct recording *recording, uint32_t parent, uint32_t which)
{
    uint32_t function = recording->functions[which];
    uint32_t line = pyro_writer_function_at(recording->writer, function).first_line + 1 + which % 5;
    return pyro_writer_stack(recording->writer, parent,
                             pyro_writer_frame(recording->writer, function, line));
}

static void sweep(struct recording *recording)
{
    recording->counters.duration_us = ++recording->counters.sweeps * SWEEP_US;
    pyro_writer_sweep(recording->writer, recording->counters.duration_us);
}

static void sample(struct recording *recording, uint32_t thread, uint32_t stack,
                   enum pyro_state state)
{
    recording->counters.samples++;
    pyro_writer_sample(recording->writer,
                       &(struct pyro_written_sample){
                           .thread = thread,
                           .stack = stack,
                           .agreed = stack,
                           .state = state,
                           .flags = state == PYRO_STATE_RUNNING ? PYRO_SAMPLE_GIL : 0,
                           .wait = PYRO_NO_ID,
                       });
}

/* Mostly on top of the last stack, so that the tree gets deep as well as wide. */
static bool put_nodes(struct recording *recording, uint32_t count)
{
    uint32_t *stacks = calloc(count + 1, sizeof(*stacks));
    uint32_t *depths = calloc(count + 1, sizeof(*depths));
    bool ok = stacks && depths;
    for (uint32_t i = 1; ok && i <= count; i++) {
        uint32_t on = below(10) < 8 && depths[i - 1] < DEPTH_MAX ? i - 1 : below(i);
        on = depths[on] < DEPTH_MAX ? on : 0;
        /* rarely one that a sibling is of already: nearly each stack is a node */
        stacks[i] = stack_on(recording, stacks[on], (i * 7 + depths[on]) % FUNCTIONS);
        depths[i] = depths[on] + 1;
        sweep(recording);
        sample(recording, recording->thread, stacks[i], PYRO_STATE_RUNNING);
    }
    free(stacks);
    free(depths);
    return ok;
}

static bool put_deep(struct recording *recording, uint32_t depth)
{
    uint32_t stack = PYRO_STACK_ROOT;
    for (uint32_t i = 0; i < depth; i++)
        stack = stack_on(recording, stack, i % 2);
    for (int i = 0; i < 100; i++) {
        sweep(recording);
        sample(recording, recording->thread, stack, PYRO_STATE_RUNNING);
    }
    return true;
}

static bool put_threads(struct recording *recording, uint32_t count)
{
    for (uint32_t round = 0; round < 2000; round++) {
        sweep(recording);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t thread = pyro_writer_thread(recording->writer, recording->process, 1000 + i);
            uint32_t stack = stack_on(recording, PYRO_STACK_ROOT, i % FUNCTIONS);
            enum pyro_state state = i == round / 10 % count ? PYRO_STATE_RUNNING
                                    : i % 3                 ? PYRO_STATE_WAITING
                                                            : PYRO_STATE_GIL_WAIT;
            sample(recording, thread, stack, state);
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct recording recording;
    const struct pyro_recording_info info = {.command = "python app.py",
                                             .mode = "wall",
                                             .directory = "/srv/app",
                                             .rate_hz = 1000,
                                             .pid = 1};
    uint32_t count = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    if (argc < 3 || pyro_writer_open(argv[2], &info, &recording.writer, NULL) < 0)
        return 2;
    recording.process = pyro_writer_process(recording.writer, 1, 0, "python app.py", "3.12.1");
    recording.thread = pyro_writer_thread(recording.writer, recording.process, 100);
    make_functions(&recording);
    bool ok = strcmp(argv[1], "nodes") == 0     ? put_nodes(&recording, count)
              : strcmp(argv[1], "deep") == 0    ? put_deep(&recording, count)
              : strcmp(argv[1], "threads") == 0 ? put_threads(&recording, count)
                                                : strcmp(argv[1], "empty") == 0;
    pyro_writer_counters(recording.writer, &recording.counters);
    return pyro_writer_close(recording.writer, NULL) < 0 || !ok;
}
