/* top/pages.c - threads, the stack of one, processes, help, and the list to pick from. */
#include "top/internal.h"

#include "base/utf8.h"
#include "profile/paths.h"
#include "report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 1024
#define DEPTH_MAX  64 /* of processes: those further down stand at the left again */

static double percent(const struct pyro_making *making, double seconds)
{
    double window_s = making->live->window_s;
    return window_s > 0 ? 100 * seconds / window_s : 0;
}

static int columns_of(const char *text)
{
    return (int)pyro_utf8_columns(text, strlen(text));
}

static void put_heading(struct pyro_making *making, const char *text)
{
    pyro_making_line(making, PYRO_TOP_HEADING, "%s", text);
}

/* -- threads ------------------------------------------------------------------------------------ */

static void write_name(char *text, size_t size, const struct pyro_live_thread *thread)
{
    const struct pyro_profile *profile = thread->profile;
    const char *name = pyro_profile_text(profile, profile->threads[thread->thread].name);
    if (*name)
        pyro_report_plain(text, size, name);
    else
        snprintf(text, size, "thread %" PRIu64, thread->native_id);
}

static void write_state(char *text, size_t size, const struct pyro_live_thread *thread)
{
    static const char *const names[] = {
        [PYRO_STATE_UNKNOWN] = "unknown",      [PYRO_STATE_RUNNING] = "running",
        [PYRO_STATE_RUNNABLE] = "ready",       [PYRO_STATE_WAITING] = "waiting",
        [PYRO_STATE_GIL_WAIT] = "for the GIL",
    };
    const struct pyro_profile *profile = thread->profile;
    const char *on = "";
    if (thread->state == PYRO_STATE_WAITING && thread->wait < profile->wait_count)
        on = pyro_profile_text(profile, profile->waits[thread->wait].text);
    snprintf(text, size, "%s%s%s%s", thread->gone ? "gone" : names[thread->state],
             *on && !thread->gone ? ": " : "", thread->gone ? "" : on,
             thread->flags & PYRO_SAMPLE_GC && !thread->gone ? " (GC)" : "");
}

/* "path:line(name)" of the frame on top of STACK; "" of none. */
static void write_frame(char *text, size_t size, const struct pyro_making *making,
                        const struct pyro_profile *profile, uint32_t stack)
{
    text[0] = '\0';
    if (stack == PYRO_STACK_ROOT)
        return;
    const struct pyro_frame *frame = &profile->frames[profile->stacks[stack].frame];
    const struct pyro_function *function = &profile->functions[frame->function];
    const char *name = pyro_profile_text(profile, function->name);
    if (function->kind != PYRO_FUNCTION_PYTHON)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s:%u(%s)",
                 pyro_path_short(pyro_profile_text(profile, function->file), making->directory),
                 frame->line ? frame->line : function->first_line, name);
}

/* All, or if FILTERED those that pass the filter, in their order. */
static const struct pyro_live_thread **choose_threads(const struct pyro_making *making,
                                                      bool filtered, size_t *ret_count)
{
    const struct pyro_live *live = making->live;
    const struct pyro_live_thread **threads = calloc(live->thread_count + 1, sizeof(*threads));
    size_t count = 0;
    for (size_t i = 0; threads && i < live->thread_count; i++) {
        const struct pyro_live_thread *thread = &live->threads[i];
        char name[TEXT_BYTES], frame[TEXT_BYTES];
        write_name(name, sizeof(name), thread);
        write_frame(frame, sizeof(frame), making, thread->profile, thread->stack);
        if (!filtered || pyro_top_view_passes(making->view, name) ||
            pyro_top_view_passes(making->view, frame))
            threads[count++] = thread;
    }
    *ret_count = count;
    return threads;
}

static int name_width(const struct pyro_making *making)
{
    return making->screen->columns / 6;
}

/* At 80 columns, "waiting: recv 127.0.0.1:9" fits. */
static int state_width(const struct pyro_making *making)
{
    return making->screen->columns * 5 / 16;
}

static void put_thread(struct pyro_making *making, size_t i, const struct pyro_live_thread *thread)
{
    char name[TEXT_BYTES], shown[TEXT_BYTES], state[TEXT_BYTES], state_shown[TEXT_BYTES],
        frame[TEXT_BYTES];
    int name_columns = name_width(making), state_columns = state_width(making);
    bool utf8 = making->facts->utf8;
    write_name(name, sizeof(name), thread);
    pyro_report_fit(shown, sizeof(shown), name, (size_t)name_columns, utf8);
    write_state(state, sizeof(state), thread);
    pyro_report_fit(state_shown, sizeof(state_shown), state, (size_t)state_columns, utf8);
    write_frame(frame, sizeof(frame), making, thread->profile, thread->stack);
    enum pyro_top_ink ink = thread->gone                          ? PYRO_TOP_GREY
                            : thread->state == PYRO_STATE_RUNNING ? PYRO_TOP_HOT
                                                                  : PYRO_TOP_PLAIN;
    int name_pad = name_columns - columns_of(shown);
    int state_pad = state_columns - columns_of(state_shown);
    pyro_making_line(making, pyro_making_ink(making, i, ink), "%5.1f %5.1f %5.1f%s%s%*s %s%*s %s",
                     percent(making, thread->running_s), percent(making, thread->gil_s),
                     percent(making, thread->waiting_s + thread->gil_wait_s),
                     thread->flags & PYRO_SAMPLE_GIL ? " *" : "  ", shown,
                     name_pad > 0 ? name_pad : 0, "", state_shown, state_pad > 0 ? state_pad : 0,
                     "", frame);
}

int pyro_page_threads(struct pyro_making *making)
{
    size_t count;
    const struct pyro_live_thread **threads = choose_threads(making, true, &count);
    if (!threads)
        return -ENOMEM;
    pyro_making_line(making, PYRO_TOP_HEADING, " %%CPU  %%GIL %%Wait  %-*s %-*s %s",
                     name_width(making), "Thread", state_width(making), "State", "In");
    size_t end = pyro_making_rows(making, count);
    for (size_t i = making->view->first; i < end; i++)
        put_thread(making, i, threads[i]);
    free(threads);
    return 0;
}

/* -- one stack ---------------------------------------------------------------------------------- */

/* Which of THREADS the view means; COUNT: it is not among them. */
static size_t find_shown(struct pyro_top_view *view, const struct pyro_live_thread **threads,
                         size_t count)
{
    size_t at = view->thread_pid ? 0 : view->selected;
    while (view->thread_pid && at < count &&
           (threads[at]->pid != view->thread_pid || threads[at]->native_id != view->thread_id))
        at++;
    if (view->step && count)
        at = at >= count ? 0 : (at + count + (size_t)(view->step < 0 ? -1 : 1)) % count;
    if (!view->thread_pid || view->step)
        view->selected = view->first = 0;
    view->step = 0;
    if (at < count) {
        view->thread_pid = threads[at]->pid;
        view->thread_id = threads[at]->native_id;
    }
    return at;
}

static void put_frames(struct pyro_making *making, const struct pyro_live_thread *thread)
{
    const struct pyro_profile *profile = thread->profile;
    size_t count = profile->stacks[thread->stack].depth, end = pyro_making_rows(making, count);
    uint32_t stack = thread->stack;
    for (size_t i = 0; i < end; i++, stack = profile->stacks[stack].parent) {
        char frame[TEXT_BYTES], shown[TEXT_BYTES];
        if (i < making->view->first)
            continue;
        write_frame(frame, sizeof(frame), making, profile, stack);
        size_t columns = making->screen->columns > 4 ? (size_t)making->screen->columns - 2 : 2;
        pyro_report_fit(shown, sizeof(shown), frame, columns, making->facts->utf8);
        pyro_making_line(making, pyro_making_ink(making, i, PYRO_TOP_PLAIN), "  %s", shown);
    }
}

int pyro_making_thread(struct pyro_making *making, bool filtered, const char *rest,
                       const struct pyro_live_thread **ret_thread)
{
    size_t count;
    const struct pyro_live_thread **threads = choose_threads(making, filtered, &count);
    if (!threads)
        return -ENOMEM;
    size_t at = find_shown(making->view, threads, count);
    const struct pyro_live_thread *thread = at < count ? threads[at] : NULL;
    char name[TEXT_BYTES], state[TEXT_BYTES];
    free(threads);
    *ret_thread = thread;
    if (!thread) {
        put_heading(making, "this thread is gone (left, right: another one)");
        return 0;
    }
    write_name(name, sizeof(name), thread);
    write_state(state, sizeof(state), thread);
    pyro_making_line(making, PYRO_TOP_HEADING,
                     "%s  %s%s  (%zu of %zu; left, right: another thread%s)", name, state,
                     thread->flags & PYRO_SAMPLE_GIL ? ", holds the GIL" : "", at + 1, count, rest);
    return 0;
}

int pyro_page_stack(struct pyro_making *making)
{
    const struct pyro_live_thread *thread;
    int error = pyro_making_thread(making, true, "", &thread);
    if (error < 0)
        return error;
    if (thread)
        put_frames(making, thread);
    else
        pyro_making_rows(making, 0);
    return 0;
}

/* -- processes ---------------------------------------------------------------------------------- */

struct tree {
    struct pyro_making *making;
    const struct pyro_live_process **order;
    int *depths;
    bool *placed;
    size_t count;
};

/* Below PID, in the order in which they were seen. A process is placed once, whatever its parents say. */
static void place_children(struct tree *tree, int32_t pid, int depth)
{
    const struct pyro_live *live = tree->making->live;
    for (size_t i = 0; i < live->process_count; i++) {
        if (tree->placed[i] || live->processes[i].parent_pid != pid)
            continue;
        tree->placed[i] = true;
        tree->depths[tree->count] = depth;
        tree->order[tree->count++] = &live->processes[i];
        if (depth < DEPTH_MAX)
            place_children(tree, live->processes[i].pid, depth + 1);
    }
}

static bool is_known(const struct pyro_live *live, int32_t pid)
{
    for (size_t i = 0; i < live->process_count; i++)
        if (live->processes[i].pid == pid)
            return true;
    return false;
}

static int make_tree(struct tree *tree)
{
    const struct pyro_live *live = tree->making->live;
    tree->order = calloc(live->process_count + 1, sizeof(*tree->order));
    tree->depths = calloc(live->process_count + 1, sizeof(*tree->depths));
    tree->placed = calloc(live->process_count + 1, sizeof(*tree->placed));
    if (!tree->order || !tree->depths || !tree->placed)
        return -ENOMEM;
    for (size_t i = 0; i < live->process_count; i++)
        if (!is_known(live, live->processes[i].parent_pid))
            place_children(tree, live->processes[i].parent_pid, 0);
    for (size_t i = 0; i < live->process_count; i++) /* parents in a circle: pids were used again */
        if (!tree->placed[i])
            place_children(tree, live->processes[i].parent_pid, 0);
    return 0;
}

static void put_process(struct pyro_making *making, size_t i,
                        const struct pyro_live_process *process, int depth)
{
    const struct pyro_profile *profile = process->profile;
    const struct pyro_process *from = &profile->processes[process->process];
    char command[TEXT_BYTES];
    pyro_report_plain(command, sizeof(command), pyro_profile_text(profile, from->command));
    enum pyro_top_ink ink = process->gone ? PYRO_TOP_GREY : PYRO_TOP_PLAIN;
    pyro_making_line(making, pyro_making_ink(making, i, ink), "%8d %5.1f %5.1f %4zu  %-8s %*s%s%s",
                     (int)process->pid, percent(making, process->running_s),
                     percent(making, process->gil_s), process->threads,
                     pyro_profile_text(profile, from->python_version), 2 * depth, "",
                     process->gone ? "(no samples now) " : "", command);
}

int pyro_page_processes(struct pyro_making *making)
{
    struct tree tree = {.making = making};
    int error = make_tree(&tree);
    put_heading(making, "     PID  %CPU  %GIL  Thr  Python   Command");
    size_t end = error == 0 ? pyro_making_rows(making, tree.count) : 0;
    for (size_t i = making->view->first; i < end; i++)
        put_process(making, i, tree.order[i], tree.depths[i]);
    if (error == 0 && making->facts->children && !making->facts->subprocesses)
        pyro_making_line(making, PYRO_TOP_GREY,
                         "%d child%s not watched: pyrometer top -s follows them",
                         making->facts->children, making->facts->children == 1 ? " is" : "ren are");
    free(tree.order);
    free(tree.depths);
    free(tree.placed);
    return error;
}

/* -- help and list ------------------------------------------------------------------------------ */

static const char *const help_lines[] = {
    "f  functions        l, L  lines             v, V  process tree",
    "t, T  of one thread, of all again           left, right  another thread",
    "a  all threads with their states            Enter, on one of them: its stack",
    "1 2 3 4             sort by %Own, %Total (now), Own, Total (since the start)",
    "s S                 the next, the previous way to sort (the fifth: by name)",
    "/ c, C              show only what matches a regular expression; clear that",
    "p, P                pause: the screen stays, times go on being added up",
    "r, R                reset: begin anew",
    "w                   write what was sampled in the last minutes to a .pyro file",
    "+ = - _             refresh more often, less often",
    "x, X                colours by what grows and shrinks, not by what is hot",
    "up down k j  space  move; also K, J, PgUp, PgDn, Home, End",
    "?, h, H  this help, which any key closes    Esc  back      q, Q, Ctrl-C  quit",
    "",
    "%Own: of the last 5 seconds, how much a function was on top of a stack, running",
    "or waiting; %Total: anywhere on it. More than 100: in several threads at once.",
    "Parked threads (idle workers) count only with -i. * holds the GIL.",
    "unsure: samples whose top was not certain. own: CPU that this program takes.",
};

int pyro_page_help(struct pyro_making *making)
{
    size_t count = sizeof(help_lines) / sizeof(*help_lines);
    put_heading(making, "Keys");
    size_t end = pyro_making_rows(making, count);
    for (size_t i = making->view->first; i < end; i++)
        pyro_making_line(making, PYRO_TOP_PLAIN, "%s", help_lines[i]);
    return 0;
}

int pyro_page_pick(struct pyro_making *making)
{
    const struct pyro_top_facts *facts = making->facts;
    put_heading(making, facts->listed_count ? facts->listed[0] : "");
    size_t count = facts->listed_count ? facts->listed_count - 1 : 0;
    size_t end = pyro_making_rows(making, count);
    for (size_t i = making->view->first; i < end; i++)
        pyro_making_line(making, pyro_making_ink(making, i, PYRO_TOP_PLAIN), "%s",
                         facts->listed[i + 1]);
    return 0;
}
