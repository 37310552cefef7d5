/* cli/token.c - `pyrometer token`: allow requests of one path to be profiled, for a while.
 *
 * A token is "1.EXPIRES.MAC": when it ends in seconds since 1970, and in hexadecimal the HMAC-SHA256, by the secret, of
 * "pyrometer profile 1\nEXPIRES\nPATH". python/pyrometer/web/_tokens.py checks it. */
#include "base/clock.h"
#include "base/sha256.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MIN 16
#define SECRET_MAX 4096
#define PATH_BYTES 4096
#define TTL_MAX_S  86400

struct options {
    const char *secret_file;
    uint64_t ttl_ns;
};

static int parse_ttl(const char *text, void *field, struct pyro_error *error)
{
    uint64_t ttl_ns;
    if (pyro_parse_duration(text, &ttl_ns, NULL) < 0 || ttl_ns < PYRO_NS_PER_S ||
        ttl_ns > TTL_MAX_S * PYRO_NS_PER_S)
        return pyro_error_set(error, -EINVAL, "'%s' is not 1s to 24h: say 30s, 10m or 12h", text);
    *(uint64_t *)field = ttl_ns;
    return 0;
}

static const struct pyro_option token_options[] = {
    {.name = "secret-file",
     .value = "FILE",
     .summary = "the secret that the server has, too: 16 bytes or more",
     .choices = "FILE",
     .parse = pyro_parse_text,
     .field = offsetof(struct options, secret_file)},
    {.name = "ttl",
     .value = "SEC",
     .summary = "how long it is good for: 30s, 10m (default), at most 24h",
     .parse = parse_ttl,
     .field = offsetof(struct options, ttl_ns)},
    {0},
};

static void hint_to_make(const char *path, struct pyro_error *error)
{
    pyro_error_hint(error, "make one: head -c 32 /dev/urandom | base64 > %s", path);
}

/* Without the line break at its end. */
static int read_secret(const char *path, char secret[SECRET_MAX], size_t *ret_size,
                       struct pyro_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, secret, SECRET_MAX);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (size < 0) {
        pyro_error_set(error, -code, "cannot read '%s': %s", path, strerror(code));
        if (code == ENOENT)
            hint_to_make(path, error);
        return -code;
    }
    while (size > 0 && (secret[size - 1] == '\n' || secret[size - 1] == '\r'))
        size--;
    if (size >= SECRET_MIN && size < SECRET_MAX) {
        *ret_size = (size_t)size;
        return 0;
    }
    pyro_error_set(error, -EINVAL, "the secret in '%s' has %zd bytes, and needs %d to %d", path,
                   size, SECRET_MIN, SECRET_MAX - 1);
    hint_to_make(path, error);
    return -EINVAL;
}

static int check(const struct options *options, const struct pyro_operands *operands,
                 struct pyro_error *error)
{
    if (!options->secret_file)
        return pyro_error_set(error, -EINVAL, "token: --secret-file FILE is needed");
    if (operands->count != 1 || operands->items[0][0] != '/' ||
        strpbrk(operands->items[0], "?#\n") || strlen(operands->items[0]) > PATH_BYTES)
        return pyro_error_set(
            error, -EINVAL,
            "token: for which path? /orders/7, as it stands in the URL before the "
            "question mark, without %%-escapes");
    return 0;
}

static void print_token(const char *secret, size_t secret_size, uint64_t expires_s,
                        const char *path)
{
    char message[PATH_BYTES + 64];
    uint8_t mac[PYRO_SHA256_SIZE];
    int size =
        snprintf(message, sizeof(message), "pyrometer profile 1\n%" PRIu64 "\n%s", expires_s, path);
    (void)pyro_hmac_sha256(secret, secret_size, message, (size_t)size, mac);
    printf("1.%" PRIu64 ".", expires_s);
    for (size_t i = 0; i < sizeof(mac); i++)
        printf("%02x", mac[i]);
    putchar('\n');
}

static int run_token(const struct pyro_command *self, int argc, char **argv)
{
    struct options options = {.ttl_ns = 600 * PYRO_NS_PER_S};
    struct pyro_operands operands;
    struct pyro_error error = {0};
    char secret[SECRET_MAX];
    size_t size = 0;
    int status;
    if (!pyro_options_read(self, argc, argv, &options, &operands, &status))
        return status;
    if (check(&options, &operands, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_USAGE;
    }
    if (read_secret(options.secret_file, secret, &size, &error) < 0) {
        pyro_print_error(&error);
        return PYRO_EXIT_FAILED;
    }
    uint64_t expires_s = pyro_clock_unix_us() / 1000000 + options.ttl_ns / PYRO_NS_PER_S;
    print_token(secret, size, expires_s, operands.items[0]);
    explicit_bzero(secret, sizeof(secret));
    return pyro_print_finish(stdout) ? PYRO_EXIT_OK : PYRO_EXIT_FAILED;
}

const struct pyro_command pyro_command_token = {
    .name = "token",
    .group = "service",
    .summary = "print a token that has pyrometer.web profile requests of one path",
    .usage = {"token --secret-file FILE [--ttl SEC] PATH"},
    .about =
        "The token is signed with the secret, expires, and is good for PATH only. Send it in a "
        "header: pyrometer.web then profiles that request and answers with X-Profile. Who has no "
        "token learns nothing.",
    .examples = {"curl -H \"X-Pyrometer-Token: $(pyrometer token --secret-file F /orders)\" URL",
                 "pyrometer token --secret-file /run/secrets/pyrometer --ttl 30s /orders/7"},
    .options = token_options,
    .operands_max = 1,
    .run = run_token,
};
