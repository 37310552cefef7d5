/* A recording is small: what a sample costs in the file, by programs made up to be like real ones.
 *
 * docs/format.md tells these figures; the bounds here are a little above them. */
#include "check.h"
#include "profile/profile.h"
#include "profile/writer.h"

#include <math.h>
#include <sys/stat.h>

enum { STACKS = 300, SECONDS = 60 };

static uint64_t random_state = 88172645463325252u;
static double random_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

struct program {
    struct pyro_writer *writer;
    uint32_t stacks[STACKS]; /* in order of frequency, which is not the order of their ids */
    double cumulated[STACKS];
    double stay; /* probability that a sample shows the stack of the one before */
    uint32_t process;
    uint32_t current;
};

static uint32_t make_frame(struct pyro_writer *writer, int i)
{
    char name[32];
    int length = snprintf(name, sizeof(name), "Module.function_%d", i % 100);
    static const char file[] = "/usr/lib/python3.12/site-packages/app/module.py";
    struct pyro_function function = {.name = pyro_writer_string(writer, name, (size_t)length),
                                     .file = pyro_writer_string(writer, file, sizeof(file) - 1),
                                     .first_line = (uint32_t)(i % 100) * 20 + 1};
    uint32_t id = pyro_writer_function(writer, &function);
    return pyro_writer_frame(writer, id, function.first_line + 1 + (uint32_t)i / 100);
}

static void make_program(struct program *program, const char *path)
{
    const struct pyro_recording_info info = {.command = "python app.py", .rate_hz = 1000};
    CHECK_EQ(pyro_writer_open(path, &info, &program->writer, NULL), 0);
    double sum = 0;
    for (int i = 0; i < STACKS; i++) {
        uint32_t parent = i ? program->stacks[(int)(random_unit() * i)] : PYRO_STACK_ROOT;
        program->stacks[i] =
            pyro_writer_stack(program->writer, parent, make_frame(program->writer, i));
        program->cumulated[i] = sum += 1.0 / (i + 1);
    }
    for (int i = STACKS - 1; i > 0; i--) {
        int k = (int)(random_unit() * (i + 1));
        uint32_t stack = program->stacks[i];
        program->stacks[i] = program->stacks[k];
        program->stacks[k] = stack;
    }
    program->process = pyro_writer_process(program->writer, 1, 0, "python app.py", "3.12.1");
    program->current = program->stacks[0];
}

/* The next stack, by Zipf's law. */
static uint32_t next_stack(struct program *program)
{
    if (random_unit() < program->stay)
        return program->current;
    double at = random_unit() * program->cumulated[STACKS - 1];
    int i = 0;
    while (program->cumulated[i] < at)
        i++;
    return program->current = program->stacks[i];
}

static void put_sample(struct program *program, uint32_t thread, uint32_t stack, bool runs)
{
    struct pyro_written_sample sample = {
        .thread = thread,
        .stack = stack,
        .agreed = stack,
        .state = runs ? PYRO_STATE_RUNNING : PYRO_STATE_WAITING,
        .flags = runs && random_unit() < 0.97 ? PYRO_SAMPLE_GIL : 0,
        .wait = PYRO_NO_ID,
    };
    pyro_writer_sample(program->writer, &sample);
}

/* Bytes of the file for each sweep. */
static double record(double rate_hz, double stay, uint32_t parked)
{
    static const char path[] = "profile_size.pyro";
    struct program program = {.stay = stay};
    make_program(&program, path);
    struct pyro_counters counters = {0};
    double time_us = 0;
    while (time_us < SECONDS * 1e6) {
        time_us -= log(1 - random_unit()) * 1e6 / rate_hz;
        pyro_writer_sweep(program.writer, (uint64_t)time_us);
        for (uint32_t i = 0; i <= parked; i++) {
            uint32_t thread = pyro_writer_thread(program.writer, program.process, 100 + i);
            put_sample(&program, thread, i ? program.stacks[i] : next_stack(&program), i == 0);
        }
        counters.sweeps++;
        counters.samples += parked + 1;
        counters.sampler_cpu_us = counters.sweeps * 8;
        counters.late = counters.sweeps / 50;
        counters.duration_us = (uint64_t)time_us;
        pyro_writer_counters(program.writer, &counters);
    }
    CHECK_EQ(pyro_writer_close(program.writer, NULL), 0);
    struct stat status;
    CHECK_EQ(stat(path, &status), 0);
    unlink(path);
    double bytes = (double)status.st_size / (double)counters.sweeps;
    printf("# %5.0f Hz, stay %.1f, %u parked: %.3f bytes a sweep\n", rate_hz, stay, parked, bytes);
    return bytes;
}

static void a_sample_at_1_khz_costs_under_3_bytes(void)
{
    CHECK(record(1000, 0, 0) < 2.9);
    CHECK(record(1000, 0.7, 0) < 2.3);
}

static void a_sample_at_10_khz_costs_less(void)
{
    CHECK(record(10000, 0, 0) < 2.1);
    CHECK(record(10000, 0.7, 0) < 1.7);
}

static void threads_that_stand_still_cost_nothing(void)
{
    double alone = record(1000, 0.7, 0);
    double with_others = record(1000, 0.7, 100);
    CHECK((with_others - alone) / 100 < 0.005);
}

int main(void)
{
    return CHECK_MAIN(TEST(a_sample_at_1_khz_costs_under_3_bytes),
                      TEST(a_sample_at_10_khz_costs_less),
                      TEST(threads_that_stand_still_cost_nothing));
}
