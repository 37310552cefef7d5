/* formats/json.c - the whole profile, for programs: tables of things and columns of samples.
 *
 * Nothing is left out and nothing added up, so the options of the other formats do not apply. Streamed: a recording
 * of any length costs no memory here. docs/json.md is the contract. */
#include "base/json.h"

#include "formats/internal.h"
#include "profile/summary.h"

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

int pyro_write_json(const struct pyro_profile *profile, const struct pyro_export_options *options,
                    FILE *out, struct pyro_error *error)
{
    (void)options;
    struct pyro_summary summary;
    int result = pyro_summary_make(&summary, profile, &PYRO_TOTALS_ALL);
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
        pyro_json_end(&json);
        putc('\n', out);
    }
    return pyro_export_done(result, out, "JSON", error);
}
