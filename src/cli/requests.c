/* cli/requests.c - `pyrometer requests`: the sampler that pyrometer.web starts. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/source.h"
#include "requests/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    pid_t pid;
    uint32_t rate_hz;
    const char *directory, *keep, *keep_bytes;
};

static const struct pyro_option requests_options[] = {
    {.letter = 'p',
     .name = "pid",
     .value = "PID",
     .summary = "the server's process",
     .parse = pyro_parse_pid,
     .field = offsetof(struct options, pid)},
    {.letter = 'r',
     .name = "rate",
     .value = "HZ",
     .summary = "samples a second, on average (default 200)",
     .parse = pyro_parse_rate,
     .field = offsetof(struct options, rate_hz)},
    {.name = "directory",
     .value = "DIR",
     .summary = "where recordings of requests go",
     .choices = "FILE",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, directory)},
    {.name = "keep",
     .value = "N",
     .summary = "so many recordings (default 200): the oldest go",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, keep)},
    {.name = "keep-bytes",
     .value = "N",
     .summary = "of so many bytes together (default 200000000)",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, keep_bytes)},
    {0},
};

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static bool is_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Nobody's child: the server, which may wait for any child of its own, shall not find us among them. */
static bool leave_server(void)
{
    pid_t pid = fork();
    if (pid > 0)
        _exit(PYRO_EXIT_OK);
    if (pid < 0 || setsid() < 0)
        return false;
    static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
        signal(ignored[i], SIG_IGN);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0) { /* its logs and pipes are not ours to hold open */
        (void)dup2(nothing, STDOUT_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
    }
    return chdir("/") == 0;
}

static void put_source(const void *roots, struct pyro_writer *writer)
{
    pyro_source_write(roots, writer);
}

static int serve_requests(struct pyro_serve_options *serve)
{
    struct pyro_source_roots roots;
    pyro_source_roots_open(&roots, serve->pid);
    serve->source = (struct pyro_source){.put = put_source, .roots = &roots};
    int code = pyro_requests_serve(serve, NULL); /* the server is told why */
    pyro_source_roots_close(&roots);
    return code < 0 ? PYRO_EXIT_TARGET : PYRO_EXIT_OK;
}

static int refuse(const char *what)
{
    pyro_print_note("requests: %s", what);
    return PYRO_EXIT_USAGE;
}

static int run_requests(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.rate_hz = 200, .keep = "200", .keep_bytes = "200000000"};
    struct pyro_operands operands;
    uint64_t keep;
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    struct pyro_serve_options serve = {
        .pid = options.pid, .socket = STDIN_FILENO, .rate_hz = options.rate_hz};
    if (!options.pid || !options.directory || options.directory[0] != '/')
        return refuse("--pid and --directory, an absolute path, are needed");
    if (!parse_number(options.keep, &keep) || keep < 1 || keep > UINT32_MAX ||
        !parse_number(options.keep_bytes, &serve.keep_bytes))
        return refuse("--keep and --keep-bytes are numbers, of recordings and of bytes");
    if (!is_socket(STDIN_FILENO))
        return refuse("standard input is no socket: pyrometer.web starts this itself");
    serve.keep = (uint32_t)keep;
    serve.directory = options.directory;
    (void)umask(077);
    if (!leave_server())
        return PYRO_EXIT_FAILED;
    return serve_requests(&serve);
}

const struct pyro_command pyro_command_requests = {
    .name = "requests",
    .group = "service",
    .summary = "the sampler of pyrometer.web, which starts it itself",
    .usage = {"requests --pid PID --directory DIR [-r RATE] [--keep N] [--keep-bytes N]"},
    .about =
        "Samples a server from outside and keeps the last samples in memory; what belongs to a "
        "request that pyrometer.web asks for is written to DIR as a recording, mode 0600. "
        "It is spoken to by a socket that is its standard input, and ends with the server.",
    .examples = {"pyrometer requests --pid 12345 --directory /var/lib/shop/requests -r 200"},
    .options = requests_options,
    .run = run_requests,
};
