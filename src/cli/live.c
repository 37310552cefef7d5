/* cli/live.c - one poll over everything that can happen. */
#include "cli/live.h"

#include "base/clock.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/print.h"
#include "cli/session.h"
#include "profile/copy.h"
#include "target/process.h"
#include "top/live.h"
#include "top/screen.h"
#include "top/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTACH_NS     (500 * PYRO_NS_PER_MS) /* for a process that is just starting */
#define COMMAND_NS    (50 * PYRO_NS_PER_MS) /* of a command: what it starts is looked for after that */
#define PIECE_NS      (30 * PYRO_NS_PER_S) /* read whole at each refresh */
#define PIECE_SAMPLES 100000
#define RATE_HZ       50    /* unless a rate is asked for; then that is the rate, */
#define CPU_SHARE     0.009 /* else as far as we take no more of a core */
#define END_MS        1000 /* from when the memory of a process is gone until it is over, at most */
#define KEEP_US       (10 * 60 * 1000000ull) /* of what w saves, ... */
#define KEEP_BYTES    (64ull << 20)          /* ... packed */

/* A piece that is kept to be saved. */
struct kept {
    struct pyro_feed_piece *piece;
    uint64_t bytes, end_us;
    struct kept *after;
};

struct show {
    const struct pyro_live_options *options;
    pid_t pid;
    int signal_fd;
    struct pyro_feed *feed;          /* NULL: still picking */
    struct pyro_feed_piece *current; /* it still grows */
    bool drop_current;               /* it began before a reset */
    struct kept *kept;               /* oldest first */
    struct pyro_live live;
    struct pyro_top_view view;
    struct pyro_top_screen screen;
    struct pyro_top_facts facts;
    struct pyro_session session; /* of a save: where the sources are */
    uint64_t refresh_ns;         /* when the next one is due */
    bool refresh_asked;          /* the feed is writing out what there is */
    bool done, over;             /* over: the program that we started is */
    int status;                  /* to exit with */
    struct pyro_error error;     /* to be told when the terminal is back */
    char directory[PATH_MAX], program[256], python[32], state[640];
    struct pyro_buffer command;
    char *list; /* the text of the rows to pick from */
    char **listed;
};

/* -- signals ------------------------------------------------------------------------------------ */

static void taken_signals(sigset_t *set)
{
    static const int signals[] = {SIGINT,  SIGQUIT, SIGTERM,  SIGHUP,
                                  SIGTSTP, SIGCONT, SIGWINCH, SIGCHLD};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(set, signals[i]);
}

/* Ctrl-Z: the shell gets its terminal back, and we go on when it lets us. */
static void stop(void)
{
    sigset_t set;
    pyro_terminal_suspend();
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP); /* pending, as it is blocked: */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pyro_terminal_resume();
}

/* True: there were some, and the screen is to be drawn. */
static bool take_signals(struct show *show)
{
    bool any = false;
    struct signalfd_siginfo info;
    while (read(show->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        any = true;
        switch (info.ssi_signo) {
        case SIGTSTP:
            stop();
            break;
        case SIGCONT:
        case SIGWINCH:
            pyro_terminal_resize();
            break;
        case SIGCHLD:
            break; /* looked at by child_over() */
        default:
            show->done = true;
        }
    }
    return any;
}

static bool child_over(const struct show *show)
{
    return show->options->child && pyro_child_over(show->options->child);
}

/* -- drawing ------------------------------------------------------------------------------------ */

static void draw(struct show *show)
{
    int rows, columns;
    pyro_terminal_size(&rows, &columns);
    if (pyro_top_screen_make(&show->screen, rows, columns, &show->live, &show->view, &show->facts) <
        0)
        snprintf(show->view.message, sizeof(show->view.message), "out of memory");
    pyro_terminal_draw(&show->screen);
}

/* What the header says of the target's state. */
static void look_at_target(struct show *show)
{
    struct pyro_feed_status status;
    struct pyro_process_info info;
    pyro_feed_status(show->feed, &status);
    snprintf(show->python, sizeof(show->python), "%s", status.python);
    show->state[0] = '\0';
    if (status.ended && status.error.code)
        snprintf(show->state, sizeof(show->state), "NOT READ: %s", status.error.message);
    else if (status.ended)
        snprintf(show->state, sizeof(show->state), "ENDED");
    else if (pyro_process_info(show->pid, &info) == 0 && info.state == 't')
        snprintf(show->state, sizeof(show->state), "STOPPED by a debugger");
    else if (pyro_process_info(show->pid, &info) == 0 && info.state == 'T')
        snprintf(show->state, sizeof(show->state), "STOPPED");
    else if (!status.processes)
        snprintf(show->state, sizeof(show->state), "no Python in it now");
    else if (status.guesses)
        snprintf(show->state, sizeof(show->state), "newer than known");
    if (show->view.page == PYRO_PAGE_PROCESSES && !show->options->subprocesses)
        show->facts.children = pyro_process_children(show->pid, &(pid_t){0}, 0);
}

/* -- pieces ------------------------------------------------------------------------------------- */

static void drop_first_kept(struct show *show)
{
    struct kept *first = show->kept;
    show->kept = first->after;
    pyro_feed_piece_free(first->piece);
    free(first);
}

/* Keep PIECE to be saved; what is too old or too much goes. */
static void keep(struct show *show, struct pyro_feed_piece *piece, uint64_t end_us)
{
    struct stat status;
    struct kept *kept = calloc(1, sizeof(*kept)), **last = &show->kept;
    if (!kept || fstat(piece->fd, &status) < 0) {
        free(kept);
        pyro_feed_piece_free(piece);
        return;
    }
    *kept = (struct kept){.piece = piece, .bytes = (uint64_t)status.st_size, .end_us = end_us};
    uint64_t bytes = kept->bytes;
    for (; *last; last = &(*last)->after)
        bytes += (*last)->bytes;
    *last = kept;
    while (show->kept != kept && (bytes > KEEP_BYTES || show->kept->end_us + KEEP_US < end_us)) {
        bytes -= show->kept->bytes;
        drop_first_kept(show);
    }
}

/* False: it cannot be read, which is told. */
static bool read_piece(struct show *show, bool over)
{
    struct pyro_profile *profile = NULL;
    struct pyro_error error;
    int code = pyro_profile_read(show->current->path, &profile, &error);
    if (code == 0) {
        uint64_t end_us = profile->info.started_unix_us + profile->counters.duration_us;
        code = pyro_live_take(&show->live, profile, over);
        if (over) {
            keep(show, show->current, end_us);
            show->current = NULL;
        }
        if (code < 0)
            pyro_error_set(&error, code, "out of memory");
    } else if (over) {
        pyro_feed_piece_free(show->current);
        show->current = NULL;
    }
    if (code < 0)
        snprintf(show->view.message, sizeof(show->view.message), "%s", error.message);
    return code == 0;
}

/* All that are over, and, if GROWING, the one that is not. */
static void take_pieces(struct show *show, bool growing)
{
    while (show->current || (show->current = pyro_feed_next(show->feed))) {
        bool over = atomic_load(&show->current->complete);
        if (show->drop_current && over) {
            pyro_feed_piece_free(show->current);
            show->current = NULL;
            show->drop_current = false;
            continue;
        }
        if (show->drop_current || (!over && (!growing || show->view.paused)))
            return;
        if (!read_piece(show, over) || !over)
            return;
    }
}

static void refresh(struct show *show)
{
    take_pieces(show, true);
    if (pyro_live_refresh(&show->live) < 0)
        snprintf(show->view.message, sizeof(show->view.message), "out of memory");
    look_at_target(show);
}

static void reset(struct show *show)
{
    take_pieces(show, false);
    while (show->kept)
        drop_first_kept(show);
    pyro_live_reset(&show->live);
    show->drop_current = show->current != NULL;
    pyro_feed_cut(show->feed);
}

/* -- saving ------------------------------------------------------------------------------------- */

struct saving {
    struct pyro_copy copy;
    uint64_t began_us, end_us; /* of what was copied */
};

static int copy_piece(struct show *show, struct saving *saving, const struct pyro_feed_piece *piece,
                      struct pyro_error *error)
{
    struct pyro_profile *profile = NULL;
    int code = pyro_profile_read(piece->path, &profile, error);
    if (code < 0)
        return code;
    if (!show->session.writer) {
        saving->began_us = profile->info.started_unix_us;
        code = pyro_session_open(&show->session, &profile->info, error);
        saving->copy.writer = show->session.writer;
    }
    uint64_t offset_us = profile->info.started_unix_us - saving->began_us;
    if (code == 0) {
        code = pyro_copy_add(&saving->copy, profile, offset_us);
        if (code < 0)
            pyro_error_set(error, code, "out of memory");
        saving->end_us = offset_us + profile->counters.duration_us;
        saving->copy.counters.duration_us = saving->end_us;
    }
    pyro_profile_free(profile);
    return code;
}

static int copy_pieces(struct show *show, struct saving *saving, struct pyro_error *error)
{
    int code = 0;
    for (const struct kept *kept = show->kept; kept && code == 0; kept = kept->after)
        code = copy_piece(show, saving, kept->piece, error);
    if (code == 0 && show->current && !show->drop_current)
        code = copy_piece(show, saving, show->current, error);
    if (code == 0 && !show->session.writer)
        code = pyro_error_set(error, -ENODATA, "nothing was sampled yet");
    pyro_copy_clear(&saving->copy);
    return code;
}

static int save_to(struct show *show, const char *path, struct saving *saving,
                   struct pyro_error *error)
{
    struct pyro_output *output = &show->session.output;
    int code = pyro_output_resolve(path, NULL, output, error);
    if (code == 0 && (output->format || pyro_output_is_stdout(output)))
        code = pyro_error_set(error, -EINVAL, "'%s' does not end in .pyro", path);
    if (code == 0 && access(path, F_OK) == 0)
        code = pyro_error_set(error, -EEXIST, "'%s' exists: choose another name", path);
    if (code == 0)
        code = copy_pieces(show, saving, error);
    if (show->session.writer) {
        int closed = pyro_session_close(&show->session, code < 0 ? NULL : error);
        code = code < 0 ? code : closed;
        if (code < 0)
            pyro_session_discard(&show->session);
    }
    return code;
}

static void save(struct show *show)
{
    struct saving saving = {0};
    struct pyro_error error = {0};
    char path[sizeof(show->view.input)], duration[32];
    snprintf(path, sizeof(path), "%s", show->view.input);
    if (save_to(show, path, &saving, &error) < 0) {
        snprintf(show->view.message, sizeof(show->view.message), "not saved: %.400s",
                 error.message);
        return;
    }
    pyro_summary_duration(duration, sizeof(duration), (double)saving.end_us / 1e6);
    snprintf(show->view.message, sizeof(show->view.message), "saved the last %s to %.400s",
             duration, path);
}

/* -- watching ----------------------------------------------------------------------------------- */

static void name_target(struct show *show)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/cwd", (int)show->pid);
    ssize_t length = readlink(link, show->directory, sizeof(show->directory) - 1);
    show->directory[length < 0 ? 0 : length] = '\0';
    pyro_buffer_clear(&show->command);
    pyro_process_command(show->pid, &show->command);
    pyro_buffer_put_u8(&show->command, '\0');
    const struct pyro_profile named = {
        .info.command = show->command.failed ? "" : (const char *)show->command.data};
    pyro_summary_program(show->program, sizeof(show->program), &named);
    snprintf(show->view.save_name, sizeof(show->view.save_name), "top-%d.pyro", (int)show->pid);
    show->facts.pid = show->pid;
}

static int start_feed(struct show *show, struct pyro_error *error)
{
    const struct pyro_live_options *options = show->options;
    const struct pyro_feed_options feed = {
        .recorder =
            {
                .pid = show->pid,
                .rate_hz = options->rate_hz ? options->rate_hz : RATE_HZ,
                .cpu_share = options->rate_hz ? 0 : CPU_SHARE,
                .attach_timeout_ns = options->child ? COMMAND_NS : ATTACH_NS,
                .subprocesses = options->subprocesses,
                .gil_only = options->gil,
                .apart = options->apart,
                .tolerate_no_python = options->subprocesses,
            },
        .directory = show->directory,
        .command = show->command.failed ? "" : (const char *)show->command.data,
        .piece_ns = PIECE_NS,
        .piece_samples = PIECE_SAMPLES,
    };
    return pyro_feed_start(&feed, &show->feed, error);
}

/* -- picking ------------------------------------------------------------------------------------ */

/* The rows that `record` would print, one by one. */
static void list(struct show *show)
{
    size_t size = 0, count = 0;
    free(show->list);
    show->list = NULL;
    FILE *out = open_memstream(&show->list, &size);
    int processes = out ? pyro_list_print(out) : -ENOMEM;
    if (out)
        fclose(out);
    char **listed = processes > 0 ? calloc((size_t)processes + 1, sizeof(*listed)) : NULL;
    for (char *line = show->list; listed && line && *line && count <= (size_t)processes;) {
        listed[count++] = line;
        line = strchr(line, '\n');
        if (line)
            *line++ = '\0';
    }
    free(show->listed);
    show->listed = listed;
    show->facts.listed = (const char *const *)listed;
    show->facts.listed_count = count;
}

static void pick(struct show *show)
{
    size_t row = show->view.selected + 1; /* after the heading */
    if (row >= show->facts.listed_count)
        return;
    show->pid = (pid_t)strtol(show->listed[row], NULL, 10);
    show->view.page = PYRO_PAGE_FUNCTIONS;
    show->view.selected = 0;
}

/* -- the loop ----------------------------------------------------------------------------------- */

/* As take_signals(). */
static bool take_keys(struct show *show)
{
    bool any = false;
    uint32_t key;
    while (!show->done && (key = pyro_terminal_key())) {
        any = true;
        switch (pyro_top_view_key(&show->view, key)) {
        case PYRO_ACTION_QUIT:
            show->done = true;
            break;
        case PYRO_ACTION_PAUSE:
            show->live.paused = show->view.paused;
            refresh(show);
            break;
        case PYRO_ACTION_RESET:
            reset(show);
            break;
        case PYRO_ACTION_SAVE:
            save(show);
            break;
        case PYRO_ACTION_PICK:
            pick(show);
            return any;
        case PYRO_ACTION_RELIST:
            list(show);
            break;
        case PYRO_ACTION_NONE:
            break;
        }
    }
    return any;
}

/* The feed has something to say: it wrote out what there is, or a piece is over. As take_signals(). */
static bool take_samples(struct show *show)
{
    uint64_t count;
    if (read(pyro_feed_fd(show->feed), &count, sizeof(count)) < 0)
        return false;
    struct pyro_feed_status status;
    pyro_feed_status(show->feed, &status);
    take_pieces(show, false);
    if (!pyro_feed_flushed(show->feed) && !status.ended)
        return false;
    refresh(show);
    show->refresh_asked = false;
    return true;
}

static void ask_refresh(struct show *show, uint64_t now_ns)
{
    if (!show->feed || show->refresh_asked || now_ns < show->refresh_ns)
        return;
    show->refresh_ns = now_ns + show->view.delay_ms * PYRO_NS_PER_MS;
    show->refresh_asked = true;
    pyro_feed_flush(show->feed);
}

static int wait_ms(const struct show *show, uint64_t now_ns)
{
    if (!show->feed || show->refresh_asked)
        return -1;
    return show->refresh_ns > now_ns
               ? (int)((show->refresh_ns - now_ns + PYRO_NS_PER_MS - 1) / PYRO_NS_PER_MS)
               : 0;
}

static bool gone(const struct pollfd *fd)
{
    return fd->revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void loop(struct show *show)
{
    bool changed = true;
    while (!show->done && !(show->pid && !show->feed)) {
        if (changed)
            draw(show);
        uint64_t now = pyro_clock_ns();
        ask_refresh(show, now);
        struct pollfd fds[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = show->signal_fd, .events = POLLIN},
            {.fd = show->feed ? pyro_feed_fd(show->feed) : -1, .events = POLLIN},
        };
        if (poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms(show, now)) < 0 && errno != EINTR)
            return;
        if (gone(&fds[0])) /* the terminal is closed */
            return;
        changed = take_signals(show);
        changed = take_keys(show) || changed;
        if (show->feed && fds[2].revents)
            changed = take_samples(show) || changed;
        if (child_over(show))
            show->over = show->done = true;
    }
}

/* -- begin and end ------------------------------------------------------------------------------ */

static bool color_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");
    return !no_color || !*no_color;
}

/* Is it over, or about to be? Its memory goes a moment before. */
static bool child_ends(const struct show *show)
{
    for (int ms = 0; show->options->child && show->error.code == -ESRCH && ms < END_MS; ms++) {
        if (child_over(show))
            break;
        pyro_clock_sleep_until(pyro_clock_ns() + PYRO_NS_PER_MS);
    }
    return child_over(show);
}

static int watch(struct show *show)
{
    name_target(show);
    if (start_feed(show, &show->error) < 0) {
        show->over = child_ends(show); /* so soon that there was nothing to see */
        if (show->over)
            show->error.code = 0;
        return PYRO_EXIT_TARGET;
    }
    pyro_session_begin(&show->session, show->pid, true);
    loop(show);
    pyro_feed_free(show->feed);
    pyro_session_end(&show->session);
    return PYRO_EXIT_OK;
}

static void begin(struct show *show, const struct pyro_live_options *options)
{
    *show = (struct show){.options = options, .pid = options->pid};
    pyro_top_view_init(&show->view);
    show->view.delay_ms = options->delay_ms;
    show->live.idle = options->idle;
    show->facts = (struct pyro_top_facts){
        .program = show->program,
        .python = show->python,
        .state = show->state,
        .aside = options->aside,
        .subprocesses = options->subprocesses,
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
    };
}

static void end(struct show *show)
{
    if (show->current)
        pyro_feed_piece_free(show->current);
    while (show->kept)
        drop_first_kept(show);
    pyro_live_clear(&show->live);
    pyro_top_view_clear(&show->view);
    pyro_top_screen_clear(&show->screen);
    pyro_buffer_free(&show->command);
    free(show->list);
    free(show->listed);
}

/* With signals taken and the terminal ours: pick, if need be, and watch. */
static int show_all(struct show *show)
{
    int status = PYRO_EXIT_OK;
    if (!show->pid) {
        show->view.page = PYRO_PAGE_PICK;
        list(show);
        if (!show->facts.listed_count) {
            pyro_error_set(&show->error, -ESRCH, "no Python is running");
            pyro_error_hint(&show->error, "to start one: pyrometer top -- CMD");
            return PYRO_EXIT_USAGE;
        }
        loop(show);
    }
    if (show->pid)
        status = watch(show);
    return status;
}

int pyro_live_show(const struct pyro_live_options *options, bool *ret_over)
{
    struct show show;
    sigset_t set, before;
    begin(&show, options);
    taken_signals(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    show.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int status = PYRO_EXIT_FAILED;
    if (show.signal_fd < 0)
        pyro_error_set(&show.error, -errno, "cannot take signals: %s", strerror(errno));
    else if (pyro_terminal_open(color_wanted(), &show.error) == 0)
        status = show_all(&show);
    pyro_terminal_close();
    if (show.error.code < 0)
        pyro_print_error(&show.error);
    *ret_over = show.over;
    end(&show);
    if (show.signal_fd >= 0)
        close(show.signal_fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
