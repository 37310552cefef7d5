/* sample/sampler.c - one process: open it, close it. Looking at it is sweep.c. */
#include "sample/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpython/context.h"
#include "sample/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "target/process.h"

/* -- life ------------------------------------------------------------------------------------- */

int pyro_sampler_open(pid_t pid, const struct pyro_sampler_options *options,
                      struct pyro_sampler **ret_sampler, struct pyro_error *error)
{
    struct pyro_sampler *sampler = calloc(1, sizeof(*sampler));
    if (!sampler)
        return pyro_error_set(error, -ENOMEM, "out of memory");
    sampler->pid = pid;
    sampler->options = *options;
    sampler->stack.buffer =
        calloc(PYRO_STACK_FRAMES_MAX + PYRO_STACK_ENTERED_MAX, sizeof(*sampler->stack.buffer));
    int status = sampler->stack.buffer ? 0 : pyro_error_set(error, -ENOMEM, "out of memory");
    if (status == 0)
        status = pyro_memory_open(pid, &sampler->memory, error);
    if (status == 0)
        status = pyro_runtime_find(pid, sampler->memory, &sampler->runtime, error);
    if (status == 0 && options->exact)
        status = pyro_pauser_new(pid, &sampler->pauser, error);
    if (status == 0 && !options->exact &&
        pyro_seat_find_note(pid, sampler->memory, &sampler->note_offset) < 0)
        sampler->note_offset = 0;
    if (status < 0) {
        pyro_sampler_free(sampler);
        return status;
    }
    *ret_sampler = sampler;
    return 0;
}

void pyro_sampler_free(struct pyro_sampler *sampler)
{
    if (!sampler)
        return;
    for (size_t i = 0; i < sampler->thread_count; i++)
        pyro_sampled_thread_free(sampler->threads[i]);
    free(sampler->threads);
    free(sampler->due);
    free(sampler->spans);
    free(sampler->copies);
    free(sampler->stack.buffer);
    pyro_codes_clear(&sampler->codes);
    pyro_map_free(&sampler->edge_ids);
    free(sampler->edges);
    pyro_map_free(&sampler->frame_sizes);
    pyro_lookups_clear(&sampler->lookups);
    pyro_pauser_free(sampler->pauser);
    pyro_memory_free(sampler->memory);
    free(sampler);
}

static uint32_t special_function(struct pyro_writer *writer, const char *name)
{
    struct pyro_function function = {
        .name = pyro_writer_string(writer, name, strlen(name)),
        .file = pyro_writer_string(writer, "", 0),
        .kind = PYRO_FUNCTION_SPECIAL,
    };
    return pyro_writer_function(writer, &function);
}

int pyro_sampler_start(struct pyro_sampler *sampler, struct pyro_writer *writer, int32_t parent_pid,
                       const char *command)
{
    sampler->writer = writer;
    sampler->process = pyro_writer_process(writer, sampler->pid, parent_pid, command,
                                           sampler->runtime.version_text);
    pyro_codes_init(&sampler->codes, sampler->memory, &sampler->runtime, writer);
    sampler->unsure_frame = pyro_writer_frame(writer, special_function(writer, "[unsure]"), 0);
    sampler->elided_function = special_function(writer, "[frames elided]");
    sampler->relist = true;
#ifdef PYRO_FAULTS
    const char *fault = getenv("PYRO_FAULT");
    sampler->no_edge_check = fault && strstr(fault, "no-edge-check");
    sampler->torn_copy = fault && strstr(fault, "torn-copy");
    sampler->false_proof = fault && strstr(fault, "false-proof");
#endif
    return 0;
}

int pyro_sampler_image(const struct pyro_sampler *sampler, uint64_t *ret_image)
{
    return pyro_process_image(sampler->pid, sampler->memory, ret_image);
}

const char *pyro_sampler_python(const struct pyro_sampler *sampler)
{
    return sampler->runtime.version_text;
}

bool pyro_sampler_guesses(const struct pyro_sampler *sampler)
{
    return sampler->runtime.layout.guessed;
}

int pyro_sampler_copy(const struct pyro_sampler *sampler, uint64_t address, void *data, size_t size)
{
    return pyro_memory_read(sampler->memory, pyro_addr_at(address), data, size);
}

static int variable_of(const struct pyro_sampler *sampler, const struct pyro_sampled_thread *thread,
                       pyro_addr variable, uint32_t hash, uint64_t *ret_value)
{
    pyro_addr value;
    uint64_t now[2];
    if (!thread->context[0])
        return -ENOENT;
    int code = pyro_context_value(sampler->memory, pyro_addr_at(thread->context[0]), variable, hash,
                                  &value);
    if (code == 0)
        code = pyro_memory_read(sampler->memory,
                                pyro_addr_plus(thread->info.tstate, sampler->options.context_at),
                                now, sizeof(now));
    if (code < 0)
        return code;
    *ret_value = value.u;
    return memcmp(now, thread->context, sizeof(now)) == 0 ? 0 : -EAGAIN;
}

int pyro_sampler_variable(const struct pyro_sampler *sampler, uint64_t variable, uint32_t hash,
                          uint64_t *ret_value)
{
    struct pyro_sampled_thread *thread = sampler->written;
    if (!thread)
        return -ENOENT;
    if (!thread->asked)
        thread->variable_code =
            variable_of(sampler, thread, pyro_addr_at(variable), hash, &thread->variable_value);
    thread->asked = true; /* until it has run: that of the sample before is this one's, too */
    *ret_value = thread->variable_value;
    return thread->variable_code;
}

size_t pyro_sampler_threads(const struct pyro_sampler *sampler)
{
    return sampler->thread_count;
}

void pyro_sampler_settle(struct pyro_sampler *sampler)
{
    pyro_sampler_write_edges(sampler);
    pyro_lookups_write(&sampler->lookups, sampler->writer);
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        pyro_writer_thread_cpu(sampler->writer, thread->id,
                               pyro_thread_state_cpu_us(&thread->state));
    }
}
