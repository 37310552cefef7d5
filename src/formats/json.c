/* formats/json.c - the whole profile, for programs: tables of things and columns of samples.
 *
 * Nothing is left out and nothing added up, so the options of the other formats do not apply. Streamed: a recording
 * of any length costs no memory here. docs/json.md is the contract. */
#include "base/json.h"

#include "formats/internal.h"
#include "profile/summary.h"

#include <math.h>

static const char *text_of(const struct pyro_profile *profile, uint32_t string)
{
    return pyro_profile_text(profile, string);
}

static void json_states(struct pyro_json *json)
{
    pyro_json_array(json, "states");
    for (int state = 0; state < PYRO_STATE_COUNT; state++)
        pyro_json_string(json, NULL, pyro_state_name((enum pyro_state)state));
    pyro_json_end(json);
}

static void json_threads(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "threads");
    for (size_t i = 0; i < profile->thread_count; i++) {
        const struct pyro_thread *thread = &profile->threads[i];
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "id", i);
        pyro_json_i64(json, "pid", profile->processes[thread->process].pid);
        pyro_json_u64(json, "native_id", thread->native_id);
        pyro_json_string(json, "name", text_of(profile, thread->name));
        pyro_json_us_as_s(json, "cpu_kernel_s", thread->cpu_kernel_us);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_functions(struct pyro_json *json, const struct pyro_profile *profile)
{
    static const char *const kinds[] = {"python", "c", "special"};
    pyro_json_array(json, "functions");
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct pyro_function *function = &profile->functions[i];
        bool python = function->kind == PYRO_FUNCTION_PYTHON;
        pyro_json_object(json, NULL);
        pyro_json_string(json, "name", text_of(profile, function->name));
        pyro_json_string(json, "file", python ? text_of(profile, function->file) : NULL);
        if (python)
            pyro_json_u64(json, "line", function->first_line);
        else
            pyro_json_null(json, "line");
        pyro_json_string(json, "kind", kinds[function->kind]);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_frames(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "frames");
    for (size_t i = 0; i < profile->frame_count; i++) {
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "function", profile->frames[i].function);
        if (profile->frames[i].line)
            pyro_json_u64(json, "line", profile->frames[i].line);
        else
            pyro_json_null(json, "line");
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_stacks(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "stacks");
    for (size_t i = 0; i < profile->stack_count; i++) {
        pyro_json_object(json, NULL);
        pyro_json_i64(json, "parent", i ? (int64_t)profile->stacks[i].parent : -1);
        pyro_json_i64(json, "frame", i ? (int64_t)profile->stacks[i].frame : -1);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_waits(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "waits");
    for (size_t i = 0; i < profile->wait_count; i++) {
        pyro_json_object(json, NULL);
        pyro_json_string(json, "kind", text_of(profile, profile->waits[i].kind));
        pyro_json_string(json, "text", text_of(profile, profile->waits[i].text));
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* One column of the samples under KEY; EXPRESSION may use profile and i. */
#define COLUMN(key, put, expression)                        \
    do {                                                    \
        pyro_json_line(json);                               \
        pyro_json_array(json, key);                         \
        for (size_t i = 0; i < profile->samples.count; i++) \
            put(json, NULL, expression);                    \
        pyro_json_end(json);                                \
    } while (0)

static int64_t wait_or_minus_1(const struct pyro_profile *profile, size_t sample)
{
    uint32_t wait = pyro_sample_wait(profile, sample);
    return wait == PYRO_NO_ID ? -1 : (int64_t)wait;
}

static void json_samples(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_object(json, "samples");
    COLUMN("time_us", pyro_json_u64, pyro_sample_time_us(profile, i));
    COLUMN("thread", pyro_json_u64, pyro_sample_thread(profile, i));
    COLUMN("stack", pyro_json_u64, pyro_sample_stack(profile, i));
    COLUMN("state", pyro_json_u64, pyro_sample_state(profile, i));
    COLUMN("weight_us", pyro_json_double, (double)pyro_sample_weight_us(profile, i));
    COLUMN("flags", pyro_json_u64, pyro_sample_flags(profile, i));
    COLUMN("unsure", pyro_json_u64, (pyro_sample_flags(profile, i) & PYRO_SAMPLE_UNSURE) != 0);
    COLUMN("wait", pyro_json_i64, wait_or_minus_1(profile, i));
    pyro_json_end(json);
}

static void json_calls(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "calls");
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct pyro_calls *calls = &profile->calls[i];
        if (calls->callee == PYRO_NO_ID)
            continue; /* for the cost of counting only */
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "thread", calls->thread);
        if (calls->caller == PYRO_NO_ID)
            pyro_json_null(json, "caller");
        else
            pyro_json_u64(json, "caller", calls->caller);
        pyro_json_u64(json, "callee", calls->callee);
        pyro_json_u64(json, "ncalls", calls->count);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* What was traced: one of each thread and stack, as measured, tracing's own cost included. */
static void json_contexts(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "contexts");
    for (size_t i = 0; i < profile->traced_count; i++) {
        const struct pyro_traced *traced = &profile->traced[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "thread", traced->thread);
        pyro_json_u64(json, "stack", traced->stack);
        pyro_json_u64(json, "ncalls", traced->calls);
        pyro_json_u64(json, "resumes", traced->resumes);
        pyro_json_seconds(json, "tottime_s", (double)traced->self_ns / 1e9);
        pyro_json_u64(json, "lives", traced->lives);
        pyro_json_seconds(json, "life_s", (double)traced->life_ns / 1e9);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* What was allocated: one of each process and stack. */
static void json_memory(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "memory");
    for (size_t i = 0; i < profile->memory_count; i++) {
        const struct pyro_stack_memory *memory = &profile->memory[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_i64(json, "pid", profile->processes[memory->process].pid);
        pyro_json_u64(json, "stack", memory->stack);
        pyro_json_u64(json, "allocations", memory->allocations);
        pyro_json_u64(json, "allocated_bytes", memory->allocated);
        pyro_json_u64(json, "frees", memory->frees);
        pyro_json_u64(json, "freed_bytes", memory->freed);
        pyro_json_u64(json, "peak_blocks", memory->held_blocks);
        pyro_json_u64(json, "peak_bytes", memory->held);
        pyro_json_u64(json, "temporary_blocks", memory->brief);
        pyro_json_u64(json, "temporary_bytes", memory->brief_bytes);
        if (profile->heaps[memory->process].period)
            pyro_json_u64(json, "samples", memory->sampled.blocks);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* What stacks had alive over time. */
static void json_moments(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "memory_over_time");
    for (size_t i = 0; i < profile->moment_count; i++) {
        const struct pyro_stack_moment *moment = &profile->moments[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_i64(json, "pid", profile->processes[moment->process].pid);
        pyro_json_u64(json, "stack", moment->stack);
        pyro_json_double(json, "time_s", (double)moment->time_us / 1e6);
        pyro_json_u64(json, "live_bytes", moment->live);
        pyro_json_u64(json, "largest_bytes", moment->largest);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_known_bytes(struct pyro_json *json, const char *key, uint64_t bytes)
{
    if (bytes)
        pyro_json_u64(json, key, bytes);
    else
        pyro_json_null(json, key);
}

static void json_heap(struct pyro_json *json, const struct pyro_process_memory *heap, int32_t pid)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_i64(json, "pid", pid);
    pyro_json_u64(json, "peak_bytes", heap->peak);
    pyro_json_u64(json, "live_bytes", heap->live);
    json_known_bytes(json, "rss_bytes", heap->rss);
    json_known_bytes(json, "rss_peak_bytes", heap->rss_peak);
    json_known_bytes(json, "own_bytes", heap->own);
    if (heap->all) {
        pyro_json_u64(json, "native_live_bytes", heap->native);
        json_known_bytes(json, "files_bytes", heap->files);
        json_known_bytes(json, "free_in_malloc_bytes", heap->slack);
        pyro_json_u64(json, "swapped_bytes", heap->swapped);
    }
    pyro_json_u64(json, "lost", heap->lost);
    pyro_json_u64(json, "unseen", heap->unseen);
    pyro_json_u64(json, "cut", heap->cut);
    pyro_json_bool(json, "ended", heap->stopped);
    pyro_json_bool(json, "unhooked", heap->unhooked);
    json_known_bytes(json, "sampled_each_bytes", heap->period);
    pyro_json_end(json);
}

/* Processes whose memory was tracked. */
static void json_heaps(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "heaps");
    for (size_t i = 0; i < profile->process_count; i++)
        if (profile->heaps[i].tracked)
            json_heap(json, &profile->heaps[i], profile->processes[i].pid);
    pyro_json_end(json);
}

static void json_optional_text(struct pyro_json *json, const char *key, const char *text)
{
    pyro_json_string(json, key, *text ? text : NULL);
}

static void json_query(struct pyro_json *json, const struct pyro_profile *profile,
                       const struct pyro_query *query)
{
    pyro_json_line(json);
    pyro_json_object(json, NULL);
    pyro_json_u64(json, "process", query->process);
    if (query->site == PYRO_NO_ID)
        pyro_json_null(json, "function");
    else
        pyro_json_u64(json, "function", query->site);
    pyro_json_u64(json, "line", query->line);
    pyro_json_u64(json, "sender", query->sender);
    json_optional_text(json, "shape", pyro_profile_text(profile, query->shape));
    json_optional_text(json, "relation", pyro_profile_text(profile, query->relation));
    json_optional_text(json, "owner", pyro_profile_text(profile, query->owner));
    pyro_json_bool(json, "many", query->many);
    pyro_json_u64(json, "count", query->count);
    pyro_json_u64(json, "distinct", query->distinct);
    pyro_json_u64(json, "not_compared", query->unknown);
    pyro_json_u64(json, "timed", query->timed);
    pyro_json_seconds(json, "time_s", (double)query->time_ns / 1e9);
    pyro_json_seconds(json, "longest_s", (double)query->longest_ns / 1e9);
    pyro_json_us_as_s(json, "first_s", query->first_us);
    pyro_json_us_as_s(json, "last_s", query->last_us);
    pyro_json_end(json);
}

static void json_lookups(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "lookups");
    for (size_t i = 0; i < profile->lookup_count; i++) {
        const struct pyro_lookup *lookup = &profile->lookups[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "frame", lookup->frame);
        pyro_json_u64(json, "samples", lookup->samples);
        pyro_json_u64(json, "testing", lookup->testing);
        pyro_json_u64(json, "looked", lookup->looked);
        pyro_json_u64(json, "lists", lookup->lists);
        pyro_json_u64(json, "length", lookup->length);
        pyro_json_u64(json, "shortest", lookup->shortest);
        pyro_json_u64(json, "longest", lookup->longest);
        pyro_json_u64(json, "changes", lookup->changes);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_arguments(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "arguments");
    for (size_t i = 0; i < profile->argument_count; i++) {
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "function", profile->arguments[i].function);
        pyro_json_u64(json, "looked", profile->arguments[i].looked);
        pyro_json_u64(json, "distinct", profile->arguments[i].distinct);
        pyro_json_u64(json, "not_compared", profile->arguments[i].unknown);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_queries(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "queries");
    for (size_t i = 0; i < profile->query_count; i++)
        json_query(json, profile, &profile->queries[i]);
    pyro_json_end(json);
}

static void json_timed_functions(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "timed_functions");
    for (size_t i = 0; i < profile->timed_function_count; i++) {
        const struct pyro_timed_function *timed = &profile->timed_functions[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "function", timed->function);
        pyro_json_u64(json, "ncalls", timed->ncalls);
        pyro_json_u64(json, "primitive_calls", timed->primitive_calls);
        pyro_json_seconds(json, "tottime_s", timed->self_s);
        pyro_json_seconds(json, "cumtime_s", timed->total_s);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_timed_edges(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_array(json, "timed_edges");
    for (size_t i = 0; i < profile->timed_edge_count; i++) {
        const struct pyro_timed_edge *timed = &profile->timed_edges[i];
        pyro_json_line(json);
        pyro_json_object(json, NULL);
        pyro_json_u64(json, "caller", timed->caller);
        pyro_json_u64(json, "callee", timed->callee);
        pyro_json_u64(json, "ncalls", timed->ncalls);
        if (isnan(timed->total_s))
            pyro_json_null(json, "primitive_calls");
        else
            pyro_json_u64(json, "primitive_calls", timed->primitive_calls);
        pyro_json_seconds(json, "tottime_s", timed->self_s);
        pyro_json_seconds(json, "cumtime_s", timed->total_s);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

static void json_timed(struct pyro_json *json, const struct pyro_profile *profile)
{
    pyro_json_line(json);
    pyro_json_bool(json, "timed_by_samples", profile->timed_by_samples);
    pyro_json_line(json);
    json_timed_functions(json, profile);
    pyro_json_line(json);
    json_timed_edges(json, profile);
}

int pyro_write_json(const struct pyro_profile *profile, const struct pyro_export_options *options,
                    FILE *out, struct pyro_error *error)
{
    (void)options;
    struct pyro_summary summary;
    int result = pyro_summary_make(&summary, profile, &PYRO_TOTALS_ALL);
    if (result == 0)
        result = pyro_totals_probe_us(profile, &summary.probe_us);
    if (result == 0) {
        struct pyro_json json = pyro_json_to(out);
        pyro_json_object(&json, NULL);
        pyro_json_string(&json, "format", "pyrometer-profile");
        pyro_json_u64(&json, "version", 1);
        pyro_json_line(&json);
        pyro_summary_json(&json, "recording", profile, &summary);
        pyro_json_line(&json);
        json_states(&json);
        pyro_json_line(&json);
        json_threads(&json, profile);
        pyro_json_line(&json);
        json_functions(&json, profile);
        pyro_json_line(&json);
        json_frames(&json, profile);
        pyro_json_line(&json);
        json_stacks(&json, profile);
        pyro_json_line(&json);
        json_waits(&json, profile);
        pyro_json_line(&json);
        json_samples(&json, profile);
        pyro_json_line(&json);
        json_calls(&json, profile);
        pyro_json_line(&json);
        json_queries(&json, profile);
        pyro_json_line(&json);
        json_lookups(&json, profile);
        pyro_json_line(&json);
        json_arguments(&json, profile);
        if (profile->traced_count) {
            pyro_json_line(&json);
            json_contexts(&json, profile);
        }
        if (profile->heaps) {
            pyro_json_line(&json);
            json_memory(&json, profile);
            pyro_json_line(&json);
            json_heaps(&json, profile);
            pyro_json_line(&json);
            json_moments(&json, profile);
        }
        if (profile->timed)
            json_timed(&json, profile);
        pyro_json_end(&json);
        putc('\n', out);
    }
    return pyro_export_done(result, out, "JSON", error);
}
