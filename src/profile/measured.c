/* profile/measured.c - put what the probe counted and timed, and what findings noted, into pending chunks (writer.c). */
#include "profile/writer_internal.h"

void pyro_writer_calls(struct pyro_writer *writer, const struct pyro_written_calls *calls)
{
    size_t known = writer->functions.count;
    if (writer->error < 0 || calls->thread >= writer->threads.count || calls->count == 0 ||
        (calls->caller >= known && calls->caller != PYRO_NO_ID) ||
        (calls->callee >= known && calls->callee != PYRO_NO_ID) || writer->calls >= PYRO_CALLS_MAX)
        return;
    writer->calls++;
    struct pyro_buffer *out = &writer->pending[PENDING_CALLS];
    pyro_buffer_put_varint(out, calls->thread);
    pyro_buffer_put_varint(out, (uint32_t)(calls->caller + 1)); /* 0: none */
    pyro_buffer_put_varint(out, (uint32_t)(calls->callee + 1));
    pyro_buffer_put_varint(out, calls->count);
    pyro_writer_defined(writer, PENDING_CALLS);
}

static bool says_nothing(const struct pyro_written_context *context)
{
    return !(context->calls | context->resumes | context->self_ns | context->calls_of_python |
             context->lives | context->life_ns);
}

void pyro_writer_context(struct pyro_writer *writer, const struct pyro_written_context *context)
{
    if (writer->error < 0 || context->thread >= writer->threads.count ||
        context->stack == PYRO_STACK_ROOT || context->stack >= writer->stacks.count ||
        says_nothing(context) || writer->contexts >= PYRO_CONTEXTS_MAX)
        return;
    writer->contexts++;
    struct pyro_buffer *out = &writer->pending[PENDING_CONTEXTS];
    pyro_buffer_put_varint(out, context->thread);
    pyro_buffer_put_varint(out, context->stack);
    pyro_buffer_put_varint(out, context->calls);
    pyro_buffer_put_varint(out, context->resumes);
    pyro_buffer_put_varint(out, context->self_ns);
    pyro_buffer_put_varint(out, context->calls_of_python);
    pyro_buffer_put_varint(out, context->lives);
    pyro_buffer_put_varint(out, context->life_ns);
    pyro_writer_defined(writer, PENDING_CONTEXTS);
}

void pyro_writer_query(struct pyro_writer *writer, const struct pyro_query *query)
{
    size_t functions = writer->functions.count, strings = writer->strings.count;
    if (writer->error < 0 || query->process >= writer->process_ids.count ||
        !(query->count | query->timed) || (query->site >= functions && query->site != PYRO_NO_ID) ||
        query->sender >= functions || query->shape >= strings || query->relation >= strings ||
        query->owner >= strings || writer->queries >= PYRO_QUERIES_MAX)
        return;
    writer->queries++;
    const uint64_t fields[] = {
        query->process,  (uint32_t)(query->site + 1), /* 0: none */
        query->line,     query->sender,
        query->shape,    query->relation,
        query->owner,    query->many,
        query->count,    query->timed,
        query->time_ns,  query->longest_ns,
        query->distinct, query->unknown,
        query->first_us, query->last_us,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_QUERIES], fields[i]);
    pyro_writer_defined(writer, PENDING_QUERIES);
}

void pyro_writer_lookup(struct pyro_writer *writer, const struct pyro_lookup *lookup)
{
    if (writer->error < 0 || lookup->frame >= writer->frames.count ||
        writer->lookups >= PYRO_LOOKUPS_MAX)
        return;
    writer->lookups++;
    const uint64_t fields[] = {
        lookup->frame,  lookup->samples,  lookup->testing, lookup->looked,  lookup->lists,
        lookup->length, lookup->shortest, lookup->longest, lookup->changes,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_LOOKUPS], fields[i]);
    pyro_writer_defined(writer, PENDING_LOOKUPS);
}

void pyro_writer_arguments(struct pyro_writer *writer, const struct pyro_arguments *arguments)
{
    if (writer->error < 0 || arguments->function >= writer->functions.count ||
        writer->arguments >= PYRO_ARGUMENTS_MAX)
        return;
    writer->arguments++;
    struct pyro_buffer *out = &writer->pending[PENDING_ARGUMENTS];
    pyro_buffer_put_varint(out, arguments->function);
    pyro_buffer_put_varint(out, arguments->looked);
    pyro_buffer_put_varint(out, arguments->distinct);
    pyro_buffer_put_varint(out, arguments->unknown);
    pyro_writer_defined(writer, PENDING_ARGUMENTS);
}

void pyro_writer_line(struct pyro_writer *writer, const struct pyro_line_count *line)
{
    if (writer->error < 0 || line->thread >= writer->threads.count ||
        line->function >= writer->functions.count || !(line->hits | line->time_ns) ||
        writer->lines >= PYRO_LINES_MAX)
        return;
    writer->lines++;
    struct pyro_buffer *out = &writer->pending[PENDING_LINES];
    pyro_buffer_put_varint(out, line->thread);
    pyro_buffer_put_varint(out, line->function);
    pyro_buffer_put_varint(out, line->line);
    pyro_buffer_put_varint(out, line->hits);
    pyro_buffer_put_varint(out, line->time_ns);
    pyro_writer_defined(writer, PENDING_LINES);
}

static void put_sampled(struct pyro_writer *writer, const struct pyro_stack_memory *memory)
{
    const struct pyro_sampled *const sums[] = {&memory->sampled, &memory->sampled_freed,
                                               &memory->sampled_held};
    struct pyro_buffer *out = &writer->pending[PENDING_SAMPLED];
    pyro_buffer_put_varint(out, memory->process);
    pyro_buffer_put_varint(out, memory->stack);
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        pyro_buffer_put_varint(out, sums[i]->blocks);
        pyro_buffer_put_varint(out, sums[i]->bytes);
        pyro_buffer_put_varint(out, sums[i]->bytes_variance);
        pyro_buffer_put_varint(out, sums[i]->blocks_variance);
    }
    pyro_writer_defined(writer, PENDING_SAMPLED);
}

void pyro_writer_memory(struct pyro_writer *writer, const struct pyro_stack_memory *memory)
{
    if (writer->error < 0 || memory->process >= writer->process_ids.count ||
        memory->stack >= writer->stacks.count || writer->memory >= PYRO_MEMORY_MAX)
        return;
    writer->memory++;
    const uint64_t fields[] = {
        memory->process, memory->stack, memory->allocated,   memory->freed, memory->allocations,
        memory->frees,   memory->held,  memory->held_blocks, memory->brief, memory->brief_bytes,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_MEMORY], fields[i]);
    if (memory->sampled.blocks)
        put_sampled(writer, memory);
    pyro_writer_defined(writer, PENDING_MEMORY);
}

void pyro_writer_moment(struct pyro_writer *writer, const struct pyro_stack_moment *moment)
{
    if (writer->error < 0 || moment->process >= writer->process_ids.count ||
        moment->stack >= writer->stacks.count || writer->moments >= PYRO_MOMENTS_MAX)
        return;
    writer->moments++;
    const uint64_t fields[] = {moment->process, moment->stack, moment->time_us, moment->live,
                               moment->largest};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_MOMENTS], fields[i]);
    pyro_writer_defined(writer, PENDING_MOMENTS);
}

static void put_resident(struct pyro_writer *writer, uint32_t process,
                         const struct pyro_process_memory *heap)
{
    const uint64_t fields[] = {process, heap->native, heap->files, heap->slack, heap->swapped};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_RESIDENT], fields[i]);
    pyro_writer_defined(writer, PENDING_RESIDENT);
}

void pyro_writer_heap(struct pyro_writer *writer, uint32_t process,
                      const struct pyro_process_memory *heap)
{
    if (writer->error < 0 || process >= writer->process_ids.count)
        return;
    const uint64_t ended = heap->stopped | (uint64_t)heap->unhooked << 1;
    const uint64_t fields[] = {
        process,   heap->live,     heap->peak, heap->lost, heap->unseen,
        heap->rss, heap->rss_peak, heap->own,  ended,      heap->cut,
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        pyro_buffer_put_varint(&writer->pending[PENDING_HEAPS], fields[i]);
    pyro_writer_defined(writer, PENDING_HEAPS);
    if (heap->all)
        put_resident(writer, process, heap);
    if (heap->period) {
        pyro_buffer_put_varint(&writer->pending[PENDING_PERIODS], process);
        pyro_buffer_put_varint(&writer->pending[PENDING_PERIODS], heap->period);
        pyro_writer_defined(writer, PENDING_PERIODS);
    }
}

/* Nanoseconds in thousandths. */
static uint64_t picoseconds(double ns)
{
    return ns > 0 && ns < 1e9 ? (uint64_t)(ns * 1000 + 0.5) : 0;
}

static void put_trace(struct pyro_writer *writer, const struct pyro_written_probe *probe)
{
    struct pyro_buffer *out = &writer->pending[PENDING_TRACES];
    pyro_buffer_put_varint(out, probe->process);
    pyro_buffer_put_varint(out, picoseconds(probe->trace.python_ns));
    pyro_buffer_put_varint(out, picoseconds(probe->trace.python_inside_ns));
    pyro_buffer_put_varint(out, picoseconds(probe->trace.c_ns));
    pyro_buffer_put_varint(out, picoseconds(probe->trace.c_inside_ns));
    pyro_buffer_put_varint(out, picoseconds(probe->trace.call_ns));
    pyro_writer_defined(writer, PENDING_TRACES);
}

void pyro_writer_probe(struct pyro_writer *writer, const struct pyro_written_probe *probe)
{
    uint32_t reason = pyro_writer_string_of(writer, probe->reason);
    if (writer->error < 0 || probe->process >= writer->process_ids.count || reason == PYRO_NO_ID)
        return;
    struct pyro_buffer *out = &writer->pending[PENDING_PROBES];
    pyro_buffer_put_varint(out, probe->process);
    pyro_buffer_put_u8(out, (uint8_t)(probe->counted | probe->c_calls << 1));
    pyro_buffer_put_varint(out, reason);
    pyro_buffer_put_varint(out, probe->lost);
    pyro_buffer_put_varint(out, picoseconds(probe->start_ns));
    pyro_buffer_put_varint(out, picoseconds(probe->call_ns));
    pyro_writer_defined(writer, PENDING_PROBES);
    if (probe->traced)
        put_trace(writer, probe);
}
