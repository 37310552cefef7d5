/* cli/ask.c - headline and table, or JSON, for all of a recording or for each thread or process of it. */
#include "cli/ask.h"

#include "analyze/findings.h"
#include "base/json.h"
#include "cli/print.h"

#include <inttypes.h>
#include <string.h>

/* One table: of process PID (0: all) and thread THREAD (PYRO_NO_ID: all). */
static int print_part(FILE *out, const struct pyro_profile *profile,
                      const struct pyro_question *question, int32_t pid, uint32_t thread,
                      struct pyro_error *error)
{
    struct pyro_stats_options options = {
        .clock = question->clock,
        .sort = question->sort,
        .idle = question->idle,
        .pid = pid,
        .thread = thread,
    };
    struct pyro_report_table table = {
        .limit = question->limit,
        .only = question->only,
        .callers = question->callers,
        .callees = question->callees,
        .fold_libraries = !profile->timed && !question->only,
    };
    struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
    struct pyro_stats *stats = NULL;
    int code = pyro_stats_make(profile, &options, &stats, error);
    if (code < 0)
        return code;
    if (question->json) {
        code = pyro_report_stats_json(out, stats, error);
    } else {
        if (pid == 0 && thread == PYRO_NO_ID)
            pyro_report_headline(out, stats, &style);
        code = pyro_report_stats(out, stats, &table, &style, error);
    }
    pyro_stats_free(stats);
    return code;
}

/* A heading, or the members before "stats" of a JSON object. */
static void print_part_head(FILE *out, const struct pyro_profile *profile,
                            const struct pyro_question *question, size_t index)
{
    bool by_thread = question->split == PYRO_SPLIT_THREAD;
    const struct pyro_thread *thread = by_thread ? &profile->threads[index] : NULL;
    const struct pyro_process *process = &profile->processes[by_thread ? thread->process : index];
    const char *name = pyro_profile_text(profile, by_thread ? thread->name : process->command);
    uint64_t id = by_thread ? thread->native_id : (uint64_t)process->pid;
    if (!question->json) {
        char shown[1024];
        pyro_report_plain(shown, sizeof(shown), name);
        fprintf(out, "\n%s %" PRIu64 "  %s\n", by_thread ? "thread" : "process", id, shown);
        return;
    }
    struct pyro_json json = pyro_json_to(out);
    fputs(index ? ",\n" : "\n", out);
    pyro_json_object(&json, NULL);
    pyro_json_i64(&json, "pid", process->pid);
    if (by_thread)
        pyro_json_u64(&json, "native_id", id);
    pyro_json_string(&json, by_thread ? "name" : "command", name);
    fputs(",\"stats\":", out);
}

/* Each thread or each process. */
static int print_parts(FILE *out, const struct pyro_profile *profile,
                       const struct pyro_question *question, struct pyro_error *error)
{
    bool by_thread = question->split == PYRO_SPLIT_THREAD;
    size_t count = by_thread ? profile->thread_count : profile->process_count;
    int code = 0;
    if (question->json)
        fputs(by_thread ? "{\"threads\":[" : "{\"processes\":[", out);
    for (size_t i = 0; i < count && code == 0; i++) {
        print_part_head(out, profile, question, i);
        code = print_part(out, profile, question, by_thread ? 0 : profile->processes[i].pid,
                          by_thread ? (uint32_t)i : PYRO_NO_ID, error);
        if (question->json)
            fputs("}", out);
    }
    if (question->json)
        fputs("]}\n", out);
    return code;
}

int pyro_question_answer(FILE *out, const struct pyro_profile *profile,
                         const struct pyro_question *question, struct pyro_error *error)
{
    if (question->split == PYRO_SPLIT_NONE)
        return print_part(out, profile, question, 0, PYRO_NO_ID, error);
    if (!question->json) { /* line 1 is about all of it */
        struct pyro_stats_options options = {.clock = question->clock, .thread = PYRO_NO_ID};
        struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
        struct pyro_stats *stats = NULL;
        int code = pyro_stats_make(profile, &options, &stats, error);
        if (code < 0)
            return code;
        pyro_report_headline(out, stats, &style);
        pyro_stats_free(stats);
    }
    return print_parts(out, profile, question, error);
}

int pyro_print_findings(FILE *out, const struct pyro_profile *profile, struct pyro_error *error)
{
    const struct pyro_report_style style = pyro_print_style(out, profile->info.directory);
    struct pyro_findings *findings = NULL;
    int code = pyro_findings_make(profile, &findings, error);
    if (code == 0 && findings->count) {
        fputc('\n', out);
        pyro_report_findings(out, findings, &style);
    }
    pyro_findings_free(findings);
    return code;
}
