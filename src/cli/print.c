/* cli/print.c - messages on standard error; terminal width and colour. */
#include "cli/print.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN     80
#define WIDTH_MAX     400
#define WIDTH_UNKNOWN 100 /* a file or a pipe */

void pyro_print_error(const struct pyro_error *error)
{
    fflush(stdout);
    fprintf(stderr, "pyrometer: %s%s%s\n", error->message, error->hint[0] ? "; " : "", error->hint);
}

void pyro_print_note(const char *format, ...)
{
    char line[4096 + 256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "pyrometer: %s\n", line);
}

void pyro_print_guessed(const char *version)
{
    pyro_print_note("warning: Python %s is newer than this pyrometer knows; it is read by the "
                    "offsets it tells of itself, "
                    "which passed every check",
                    version);
}

static int terminal_width(FILE *out)
{
    struct winsize size;
    if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width < 100000 ? (int)width : WIDTH_UNKNOWN;
}

static bool may_color(FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (no_color && *no_color)
        return false;
    return isatty(fileno(out)) && !(terminal && strcmp(terminal, "dumb") == 0);
}

struct pyro_report_style pyro_print_style(FILE *out, const char *directory)
{
    int width = terminal_width(out);
    if (width < WIDTH_MIN)
        width = WIDTH_MIN;
    if (width > WIDTH_MAX)
        width = WIDTH_MAX;
    return (struct pyro_report_style){
        .width = width,
        .color = may_color(out),
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .directory = directory && *directory ? directory : NULL,
    };
}

void pyro_print_bytes(char *text, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

bool pyro_print_finish(FILE *out)
{
    errno = 0;
    if (fflush(out) == 0 && !ferror(out))
        return true;
    pyro_print_note("cannot write the output: %s", strerror(errno ? errno : EIO));
    return false;
}
