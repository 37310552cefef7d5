/* large.c - write a recording as large as one gets: 10 million samples of a program made up to be like a real one.
 *
 *   large FILE SAMPLES
 *
 * Four threads at 1 kHz, 20,000 stacks of 15 to 40 frames, which samples show by Zipf's law and for some time each; 3,000 functions, a
 * third of them in libraries; exact counts of each caller and callee; 300 shapes of queries. The same in every run. */
#include "profile/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FUNCTIONS = 3000,
    STACKS = 20000,
    THREADS = 4,
    QUERIES = 300,
    DEPTH_MIN = 15,
    DEPTH_MAX = 40
};
#define STAY 0.7 /* probability that a sample shows the stack of the one before */

static uint64_t random_state = 88172645463325252u;

static double random_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static uint32_t below(uint32_t count)
{
    return (uint32_t)(random_unit() * count);
}

struct program {
    struct pyro_writer *writer;
    uint32_t functions[FUNCTIONS];
    uint32_t stacks[STACKS];
    double cumulated[STACKS];
    uint32_t threads[THREADS], current[THREADS];
    uint32_t process;
};

static uint32_t text(struct pyro_writer *writer, const char *text_of)
{
    return pyro_writer_string(writer, text_of, strlen(text_of));
}

static void make_functions(struct program *program)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char name[64], file[128];
        snprintf(name, sizeof(name), "Class%u.method_%u", i % 200, i);
        if (i % 3 == 0)
            snprintf(file, sizeof(file), "/usr/lib/python3/dist-packages/library/part_%u.py",
                     i % 90);
        else
            snprintf(file, sizeof(file), "/srv/app/module_%u.py", i % 150);
        const struct pyro_function function = {.name = text(program->writer, name),
                                               .file = text(program->writer, file),
                                               .kind = PYRO_FUNCTION_PYTHON,
                                               .first_line = 1 + 20 * (i % 60)};
        program->functions[i] = pyro_writer_function(program->writer, &function);
    }
}

/* A stack begins as another one does, and goes on with functions of its own. */
static void make_stacks(struct program *program)
{
    double sum = 0;
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t stack = PYRO_STACK_ROOT, depth = DEPTH_MIN + below(DEPTH_MAX - DEPTH_MIN);
        uint32_t shared = i % 50, way = i / 50;
        for (uint32_t level = 0; level < depth; level++) {
            uint32_t which = level < 8    ? level
                             : level < 14 ? shared * 7 + level
                                          : way * 31 + shared + level;
            uint32_t function = program->functions[which % FUNCTIONS];
            uint32_t line =
                pyro_writer_function_at(program->writer, function).first_line + 1 + which % 5;
            stack = pyro_writer_stack(program->writer, stack,
                                      pyro_writer_frame(program->writer, function, line));
        }
        program->stacks[i] = stack;
        program->cumulated[i] = sum += 1.0 / (i + 1);
    }
}

static uint32_t next_stack(struct program *program, uint32_t thread)
{
    uint32_t low = 0, high = STACKS - 1;
    if (random_unit() < STAY)
        return program->current[thread];
    double at = random_unit() * program->cumulated[STACKS - 1];
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (program->cumulated[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return program->current[thread] = program->stacks[low];
}

static void put_counts(struct program *program)
{
    const struct pyro_written_probe probe = {.process = program->process,
                                             .counted = true,
                                             .c_calls = true,
                                             .start_ns = 20,
                                             .call_ns = 10,
                                             .reason = ""};
    pyro_writer_probe(program->writer, &probe);
    for (uint32_t i = 0; i < 10 * FUNCTIONS; i++)
        pyro_writer_calls(program->writer, &(struct pyro_written_calls){
                                               .thread = program->threads[i % THREADS],
                                               .caller = program->functions[below(FUNCTIONS)],
                                               .callee = program->functions[i % FUNCTIONS],
                                               .count = 1 + below(100000),
                                           });
}

static void put_queries(struct program *program)
{
    for (uint32_t i = 0; i < QUERIES; i++) {
        char shape[128];
        snprintf(shape, sizeof(shape), "SELECT a, b FROM table_%u WHERE id = ?", i);
        uint32_t site = program->functions[3 * below(FUNCTIONS / 3) + 1],
                 none = text(program->writer, "");
        pyro_writer_query(program->writer,
                          &(struct pyro_query){
                              .process = program->process,
                              .site = site,
                              .line = pyro_writer_function_at(program->writer, site).first_line + 1,
                              .sender = program->functions[3 * below(FUNCTIONS / 3)],
                              .shape = text(program->writer, shape),
                              .relation = none,
                              .owner = none,
                              .count = 1 + below(5000),
                              .first_us = i,
                              .last_us = 1000000,
                          });
    }
}

static void put_sweep(struct program *program)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        uint32_t stack = next_stack(program, i);
        bool runs = random_unit() < 0.25;
        const struct pyro_written_sample sample = {
            .thread = program->threads[i],
            .stack = stack,
            .agreed = stack,
            .state = runs ? PYRO_STATE_RUNNING : PYRO_STATE_WAITING,
            .flags = runs ? PYRO_SAMPLE_GIL : 0,
            .wait = PYRO_NO_ID,
        };
        pyro_writer_sample(program->writer, &sample);
    }
}

int main(int argc, char **argv)
{
    static struct program program;
    const struct pyro_recording_info info = {.command = "python app.py",
                                             .mode = "wall",
                                             .directory = "/srv/app",
                                             .rate_hz = 1000,
                                             .pid = 1};
    struct pyro_counters counters = {0};
    uint64_t wanted = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    double time_us = 0;
    if (!wanted || pyro_writer_open(argv[1], &info, &program.writer, NULL) < 0)
        return 2;
    program.process = pyro_writer_process(program.writer, 1, 0, "python app.py", "3.12.1");
    for (uint32_t i = 0; i < THREADS; i++)
        program.threads[i] = pyro_writer_thread(program.writer, program.process, 100 + i);
    make_functions(&program);
    make_stacks(&program);
    for (uint32_t i = 0; i < THREADS; i++)
        program.current[i] = program.stacks[i];
    while (counters.samples < wanted) {
        time_us -= log(1 - random_unit()) * 1000;
        pyro_writer_sweep(program.writer, (uint64_t)time_us);
        put_sweep(&program);
        counters.sweeps++;
        counters.samples += THREADS;
        counters.duration_us = (uint64_t)time_us;
        pyro_writer_counters(program.writer, &counters);
    }
    put_counts(&program);
    put_queries(&program);
    return pyro_writer_close(program.writer, NULL) < 0;
}
