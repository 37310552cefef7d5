/* requests/serve.c - between two sweeps: what does the server ask? */
#include "requests/serve.h"

#include "base/clock.h"
#include "base/json.h"
#include "requests/cut.h"
#include "requests/spool.h"
#include "sample/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAID_MAX 1024
#define HEARD_MAX \
    (1 << 14) /* HEAD_MAX of _sampler.py and WRITTEN_BYTES of _queries.py: longer ones are cut */
#define MESSAGES       4  /* that are answered before something else has its turn */
#define PENDING_MAX    64 /* recordings yet to be written */
#define GO_MS          5000
#define ATTACH_NS      (2 * PYRO_NS_PER_S)
#define WRITE_TRIES    8 /* where the disk is full, the oldest goes each time */
#define NOWHERE        "/dev/null"
#define UNDER_WAY_MAX  1024
#define CONTEXT_AT_MAX 4096

struct pending {
    struct pyro_request request;
    char id[PYRO_REQUEST_ID_MAX];
    char *title, *sent; /* what REQUEST has; ours */
};

/* What the server says of the requests that are under way, by slot: a number each, 0 where there is none, else when it began, odd if somebody asked; and
 * behind these numbers the address of the object that its context has. */
struct under_way {
    uint64_t address; /* 0: it does not say */
    uint32_t count;
    uint32_t context_at;     /* as struct pyro_recorder_options */
    uint64_t variable;       /* that has the object, */
    uint32_t hash;           /* as pyro_recorder_variable() wants it */
    uint64_t old_ns;         /* one that lasts longer may turn out slow */
    uint32_t every, skipped; /* while none is asked for, nor old: one look in so many */
};

struct server {
    const struct pyro_serve_options *options;
    const struct pyro_recorder *recorder;
    struct under_way under_way;
    struct pending pending[PENDING_MAX];
    size_t pending_first, pending_count;
    struct pyro_recording_info info;
    char directory[PATH_MAX]; /* the program's */
    struct pyro_ring ring;
    struct pyro_spool spool;
    volatile sig_atomic_t stop;
};

/* -- messages ----------------------------------------------------------------------------------- */

/* A server that reads nothing loses answers, not us our time. */
static void say(const struct server *server, const char *text, size_t size)
{
    (void)!send(server->options->socket, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

__attribute__((format(printf, 2, 3))) static void say_words(const struct server *server,
                                                            const char *format, ...)
{
    char text[SAID_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say(server, text, strlen(text));
}

/* The next message; false: there is none now. The end of the socket is the end of us. */
static bool hear(struct server *server, char text[HEARD_MAX])
{
    ssize_t size = recv(server->options->socket, text, HEARD_MAX - 1, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        server->stop = 1;
    if (size <= 0)
        return false;
    text[size] = '\0';
    return true;
}

/* -- cut ---------------------------------------------------------------------------------------- */

/* Under another name until it is whole: who sees it there can read it. */
static int write_recording(struct server *server, const struct pyro_request *request,
                           const char *id, struct pyro_error *error)
{
    const struct pyro_serve_options *options = server->options;
    char part[PATH_MAX], path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s.pyro", options->directory, id);
    if (length < 0 || (size_t)length >= sizeof(path))
        return pyro_error_set(error, -ENAMETOOLONG, "the path of the recording is too long");
    snprintf(part, sizeof(part), "%.*s.part", length - (int)strlen(".pyro"), path);
    pyro_spool_make_room(&server->spool, pyro_clock_ns());
    int code = -ENOSPC;
    for (int i = 0; i < WRITE_TRIES && (code == -ENOSPC || code == -EDQUOT); i++) {
        if (i > 0 && !pyro_spool_remove_oldest(&server->spool, pyro_clock_ns()))
            break;
        code = pyro_request_write(&server->ring, request, &server->info, &options->source, part,
                                  error);
        if (code == 0 && rename(part, path) < 0)
            code = pyro_error_set(error, -errno, "%s: %s", path, strerror(errno));
        if (code < 0)
            (void)unlink(part);
    }
    if (code == 0)
        pyro_spool_wrote(&server->spool, id);
    return code;
}

static void put_figures(struct pyro_json *json, const struct pyro_request_figures *figures)
{
    pyro_json_u64(json, "sweeps", figures->sweeps);
    pyro_json_u64(json, "samples", figures->samples);
    pyro_json_u64(json, "unclear", figures->unclear);
    pyro_json_seconds(json, "missed_s", (double)figures->missed_ns / 1e9);
    pyro_json_seconds(json, "running_s", figures->running_s);
    pyro_json_seconds(json, "waiting_s", figures->waiting_s);
    pyro_json_seconds(json, "off_stack_s", figures->off_stack_s);
    pyro_json_string(json, "top_file", figures->top_file);
    pyro_json_u64(json, "top_line", figures->top_line);
    pyro_json_seconds(json, "top_s", figures->top_s);
}

/* FIGURES may be NULL: they were told before. */
static void answer(const struct server *server, const char *id, bool recording, const char *error,
                   const struct pyro_request_figures *figures)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    struct pyro_json json = pyro_json_to(out);
    pyro_json_object(&json, NULL);
    pyro_json_string(&json, "id", id);
    pyro_json_bool(&json, "recording", recording);
    pyro_json_string(&json, "error", error);
    if (figures)
        put_figures(&json, figures);
    pyro_json_end(&json);
    if (fclose(out) == 0)
        say(server, text, size);
    free(text);
}

static void write_pending(struct server *server)
{
    struct pending *oldest = &server->pending[server->pending_first];
    struct pyro_error error = {0};
    if (!server->pending_count)
        return;
    if (write_recording(server, &oldest->request, oldest->id, &error) < 0)
        answer(server, oldest->id, false, error.message, NULL);
    free(oldest->title);
    free(oldest->sent);
    server->pending_first = (server->pending_first + 1) % PENDING_MAX;
    server->pending_count--;
}

static void put_pending(struct server *server, const struct pyro_request *request, const char *id)
{
    if (server->pending_count == PENDING_MAX)
        write_pending(server);
    size_t next = (server->pending_first + server->pending_count++) % PENDING_MAX;
    struct pending *pending = &server->pending[next];
    *pending = (struct pending){
        .request = *request, .title = strdup(request->title), .sent = strdup(request->sent)};
    pending->request.title = pending->title ? pending->title : "";
    pending->request.sent = pending->sent; /* without memory, it has no queries */
    snprintf(pending->id, sizeof(pending->id), "%s", id);
}

/* Somebody may wait for the figures: the recording, which takes a hundred times as long, is written when there is time. Nothing is written of a
 * request without a sample. */
static void cut(struct server *server, const struct pyro_request *request, const char *id)
{
    struct pyro_request_figures figures;
    bool known = pyro_request_figures(&server->ring, request, &figures) == 0;
    bool write = known && figures.samples > 0;
    answer(server, id, write, known ? NULL : "out of memory", known ? &figures : NULL);
    if (write)
        put_pending(server, request, id);
}

/* What is not understood is from another version, and ignored. */
static void obey(struct server *server, char *text)
{
    struct pyro_request request = {0};
    char id[PYRO_REQUEST_ID_MAX] = "";
    int title = 0;
    int found = sscanf(text, "cut %" SCNu32 " %" SCNu64 " %" SCNu64 " %47s %n", &request.slot,
                       &request.begin_ns, &request.end_ns, id, &title);
    if (found != 4 || !title || request.end_ns < request.begin_ns || !pyro_request_id_valid(id))
        return;
    request.title = text + title;
    char *end = strchrnul(text + title, '\n');
    request.sent = *end ? end + 1 : end;
    *end = '\0';
    cut(server, &request, id);
}

static void on_swept(void *context)
{
    struct server *server = context;
    char text[HEARD_MAX];
    pyro_ring_swept(&server->ring);
    for (int i = 0; i < MESSAGES && hear(server, text); i++) /* where there is never a pause */
        obey(server, text);
    if (server->ring.failed || pyro_writer_stack_count(server->ring.names) > PYRO_RING_STACKS)
        server->stop = 1;
}

/* Is anything under way of which samples are wanted? */
static bool any_wanted(const struct server *server, uint64_t now_ns)
{
    const struct under_way *under_way = &server->under_way;
    uint64_t began_ns[UNDER_WAY_MAX];
    if (pyro_recorder_copy(server->recorder, under_way->address, began_ns,
                           under_way->count * sizeof(*began_ns)) < 0)
        return true;
    for (uint32_t i = 0; i < under_way->count; i++)
        if (began_ns[i] & 1 ||
            (began_ns[i] && now_ns > began_ns[i] && now_ns - began_ns[i] >= under_way->old_ns))
            return true;
    return false;
}

/* The request whose context the thread of this sample has. */
static uint32_t whose_context(void *context)
{
    const struct server *server = context;
    const struct under_way *under_way = &server->under_way;
    uint64_t objects[UNDER_WAY_MAX], object, address = under_way->address + 8 * under_way->count;
    if (pyro_recorder_variable(server->recorder, under_way->variable, under_way->hash, &object) <
            0 ||
        !object ||
        pyro_recorder_copy(server->recorder, address, objects,
                           under_way->count * sizeof(*objects)) < 0)
        return PYRO_RING_NOBODY;
    for (uint32_t slot = 0; slot < under_way->count; slot++)
        if (objects[slot] == object)
            return slot;
    return PYRO_RING_NOBODY;
}

/* While nothing is wanted, every so many looks one, which stands for all of them: what turns out slow or failed has few samples of its
 * beginning. */
static bool on_due(void *context, uint64_t now_ns)
{
    struct server *server = context;
    struct under_way *under_way = &server->under_way;
    bool all = under_way->every <= 1 || any_wanted(server, now_ns);
    server->ring.stands = all ? 1 : under_way->every;
    if (!all && ++under_way->skipped < under_way->every)
        return false;
    under_way->skipped = 0;
    return true;
}

/* Until the next sweep, messages are answered as they come; a recording is written when there are none. */
static void on_pause(void *context, uint64_t until_ns)
{
    struct server *server = context;
    struct pollfd socket = {.fd = server->options->socket, .events = POLLIN};
    uint64_t now_ns = pyro_clock_ns();
    uint64_t left_ns = until_ns > now_ns && !server->pending_count ? until_ns - now_ns : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(left_ns / PYRO_NS_PER_S),
                                     .tv_nsec = (long)(left_ns % PYRO_NS_PER_S)};
    char text[HEARD_MAX];
    if (ppoll(&socket, 1, &timeout, NULL) > 0) {
        for (int i = 0; i < MESSAGES && hear(server, text); i++)
            obey(server, text);
    } else {
        write_pending(server);
    }
}

/* -- from the beginning to the end -------------------------------------------------------------- */

static int wait_for_go(struct server *server, struct pyro_error *error)
{
    char text[HEARD_MAX];
    struct pollfd socket = {.fd = server->options->socket, .events = POLLIN};
    say_words(server, "here %d", (int)getpid());
    if (poll(&socket, 1, GO_MS) <= 0 || !hear(server, text) ||
        (strcmp(text, "go") != 0 && strncmp(text, "go ", 3) != 0))
        return pyro_error_set(error, -ETIMEDOUT, "nobody said go");
    struct under_way under_way = {0};
    if (sscanf(text,
               "go %" SCNx64 " %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNx64
               " %" SCNx32,
               &under_way.address, &under_way.count, &under_way.old_ns, &under_way.every,
               &under_way.context_at, &under_way.variable, &under_way.hash) == 7 &&
        under_way.count <= UNDER_WAY_MAX && under_way.context_at <= CONTEXT_AT_MAX)
        server->under_way = under_way;
    return 0;
}

static void put_info(struct server *server, const struct pyro_recorder *recorder)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/cwd", (int)server->options->pid);
    ssize_t length = readlink(link, server->directory, sizeof(server->directory) - 1);
    server->directory[length < 0 ? 0 : length] = '\0';
    server->info = (struct pyro_recording_info){
        .python = pyro_recorder_python(recorder),
        .mode = "wall",
        .pyrometer = PYRO_VERSION,
        .directory = server->directory,
        .pid = server->options->pid,
        .rate_hz = server->options->rate_hz,
    };
}

static int sample(struct server *server, struct pyro_recorder *recorder, struct pyro_error *error)
{
    struct pyro_writer *names = NULL;
    enum pyro_recorder_end end;
    put_info(server, recorder);
    server->recorder = recorder;
    int code = pyro_writer_open(NOWHERE, &server->info, &names, error);
    if (code == 0 && pyro_ring_init(&server->ring, names) < 0)
        code = pyro_error_set(error, -ENOMEM, "out of memory");
    if (code == 0) {
        server->ring.otherwise = server->under_way.context_at ? whose_context : NULL;
        server->ring.otherwise_context = server;
        say_words(server, "ready %s", PYRO_VERSION);
        code = pyro_recorder_run(recorder, names, &end, error);
        while (server->pending_count)
            write_pending(server);
    }
    pyro_ring_clear(&server->ring);
    (void)pyro_writer_close(names, NULL);
    return code;
}

int pyro_requests_serve(const struct pyro_serve_options *options, struct pyro_error *error)
{
    struct server server = {
        .options = options,
        .spool = {.directory = options->directory,
                  .keep = options->keep,
                  .keep_bytes = options->keep_bytes},
    };
    struct pyro_recorder *recorder = NULL;
    struct pyro_recorder_options recording = {
        .pid = options->pid,
        .rate_hz = options->rate_hz,
        .attach_timeout_ns = ATTACH_NS,
        .stop = &server.stop,
        .due = on_due,
        .due_context = &server,
        .swept = on_swept,
        .swept_context = &server,
        .pause = on_pause,
        .pause_context = &server,
    };
    int code = wait_for_go(&server, error);
    recording.context_at = server.under_way.context_at;
    if (code == 0)
        code = pyro_recorder_attach(&recording, &recorder, error);
    if (code == 0)
        code = sample(&server, recorder, error);
    if (code < 0)
        say_words(&server, "error %s", error->message);
    pyro_recorder_free(recorder);
    pyro_spool_clear(&server.spool);
    return code;
}
