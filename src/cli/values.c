/* cli/values.c - the text after an option, turned into what the command wants. */
#include "cli/options.h"
#include "cli/output.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "formats/formats.h"
#include "profile/clock.h"
#include "report/report.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

int pyro_parse_switch(const char *text, void *field, struct pyro_error *error)
{
    *(bool *)field = true;
    return 0;
}

int pyro_parse_off(const char *text, void *field, struct pyro_error *error)
{
    *(bool *)field = false;
    return 0;
}

int pyro_parse_nothing(const char *text, void *field, struct pyro_error *error)
{
    return 0;
}

int pyro_parse_text(const char *text, void *field, struct pyro_error *error)
{
    if (!*text)
        return pyro_error_set(error, -EINVAL, "it may not be empty");
    *(const char **)field = text;
    return 0;
}

/* A whole number in BASE without sign or space. */
static int parse_number(const char *text, int base, uint64_t max, uint64_t *ret_number)
{
    if (!isxdigit((unsigned char)*text))
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, base);
    if (errno || *end || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

int pyro_parse_names(const char *text, void *field, struct pyro_error *error)
{
    if (strchr(text, '\n'))
        return pyro_error_set(error, -EINVAL, "names stand in one line, with commas between them");
    *(const char **)field = text;
    return 0;
}

int pyro_parse_pid(const char *text, void *field, struct pyro_error *error)
{
    bool hex = strncasecmp(text, "0x", 2) == 0;
    uint64_t pid = 0;
    if (parse_number(hex ? text + 2 : text, hex ? 16 : 10, INT32_MAX, &pid) < 0 || pid == 0) {
        pyro_error_set(error, -EINVAL, "'%s' is no process id", text);
        pyro_error_hint(error, "pyrometer record lists the Python processes");
        return -EINVAL;
    }
    *(pid_t *)field = (pid_t)pid;
    return 0;
}

/* A decimal number and the unit that follows it; -EINVAL unless it is finite and positive. */
static int parse_quantity(const char *text, double *ret_number, const char **ret_unit)
{
    if (!isdigit((unsigned char)*text) && *text != '.')
        return -EINVAL;
    if (strncasecmp(text, "0x", 2) == 0)
        return -EINVAL;
    char *end;
    double number = strtod(text, &end);
    if (!isfinite(number) || number <= 0)
        return -EINVAL;
    *ret_number = number;
    *ret_unit = end + strspn(end, " ");
    return 0;
}

struct unit {
    const char *name;
    double factor;
};

static int apply_unit(const struct unit *units, const char *name, double *number)
{
    for (; units->name; units++) {
        if (strcasecmp(units->name, name) == 0) {
            *number *= units->factor;
            return 0;
        }
    }
    return -EINVAL;
}

int pyro_parse_rate(const char *text, void *field, struct pyro_error *error)
{
    static const struct unit units[] = {
        {"", 1}, {"hz", 1}, {"k", 1e3}, {"khz", 1e3}, {"mhz", 1e6}, {NULL, 0},
    };
    double rate_hz;
    const char *unit;
    if (parse_quantity(text, &rate_hz, &unit) < 0 || apply_unit(units, unit, &rate_hz) < 0)
        return pyro_error_set(error, -EINVAL, "'%s' is no rate: say 100, 20hz or 1khz", text);
    if (rate_hz < 1 || rate_hz > PYRO_RATE_MAX_HZ)
        return pyro_error_set(error, -EINVAL, "a rate lies between 1 and %u samples a second",
                              PYRO_RATE_MAX_HZ);
    *(uint32_t *)field = (uint32_t)(rate_hz + 0.5);
    return 0;
}

int pyro_parse_duration(const char *text, void *field, struct pyro_error *error)
{
    static const struct unit units[] = {
        {"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}, {NULL, 0},
    };
    if (strcasecmp(text, "unlimited") == 0) {
        *(uint64_t *)field = 0;
        return 0;
    }
    double seconds;
    const char *unit;
    if (parse_quantity(text, &seconds, &unit) < 0 || apply_unit(units, unit, &seconds) < 0)
        return pyro_error_set(error, -EINVAL, "'%s' is no duration: say 10, 10s, 2m or unlimited",
                              text);
    if (seconds < 0.001 || seconds > 1e9)
        return pyro_error_set(error, -EINVAL, "a duration lies between 1ms and 1e9 seconds");
    *(uint64_t *)field = (uint64_t)(seconds * (double)PYRO_NS_PER_S);
    return 0;
}

/* A decimal number between 0 and 1, such as 0.1 or .25. */
static int parse_share(const char *text, double *ret_share)
{
    char *end;
    if (!text[strspn(text, "0123456789.")]) {
        *ret_share = strtod(text, &end);
        if (!*end && *ret_share > 0 && *ret_share < 1)
            return 0;
    }
    return -EINVAL;
}

int pyro_parse_limit(const char *text, void *field, struct pyro_error *error)
{
    struct pyro_report_limit *limit = field;
    uint64_t rows = 0;
    double share = 0;
    bool whole = isdigit((unsigned char)*text) && parse_number(text, 10, INT32_MAX, &rows) == 0;
    if (!whole && parse_share(text, &share) < 0)
        return pyro_error_set(
            error, -EINVAL, "'%s' is no number of rows: say 20, or 0.1 for a tenth of them", text);
    *limit = (struct pyro_report_limit){(size_t)rows, share};
    return 0;
}

int pyro_parse_sort(const char *text, void *field, struct pyro_error *error)
{
    return pyro_stats_key_by_name(text, field, error);
}

int pyro_parse_clock(const char *text, void *field, struct pyro_error *error)
{
    if (pyro_clock_by_name(text, field) < 0)
        return pyro_error_set(error, -EINVAL, "'%s' is no clock: say wall, cpu, gil or wait", text);
    return 0;
}

static int unknown_format(const char *text, struct pyro_error *error)
{
    struct pyro_buffer names = {0};
    for (const struct pyro_format *format = pyro_formats; format->name; format++)
        pyro_buffer_printf(&names, " %s", format->name);
    pyro_buffer_put_u8(&names, '\0');
    pyro_error_set(error, -EINVAL, "'%s' is no format: say one of pyro html%s", text,
                   names.failed ? "" : (const char *)names.data);
    pyro_buffer_free(&names);
    return -EINVAL;
}

int pyro_parse_format(const char *text, void *field, struct pyro_error *error)
{
    if (strcmp(text, "pyro") != 0 && !pyro_output_format_by_name(text))
        return unknown_format(text, error);
    *(const char **)field = text;
    return 0;
}

/* 65536, 64k, 1m: bytes between samples. */
static int parse_period(const char *text, uint64_t *ret_period)
{
    static const char units[] = "kKmM";
    char digits[16];
    size_t length = strspn(text, "0123456789");
    const char *unit = text[length] ? strchr(units, text[length]) : NULL;
    if (!length || length >= sizeof(digits) || (text[length] && (!unit || text[length + 1])))
        return -EINVAL;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (parse_number(digits, 10, PYRO_SAMPLING_PERIOD_MAX, ret_period) < 0)
        return -EINVAL;
    if (unit)
        *ret_period <<= unit - units < 2 ? 10 : 20;
    return *ret_period < PYRO_SAMPLING_PERIOD_MIN || *ret_period > PYRO_SAMPLING_PERIOD_MAX
               ? -EINVAL
               : 0;
}

int pyro_parse_memory(const char *text, void *field, struct pyro_error *error)
{
    static const char sampled[] = "sampled";
    struct pyro_memory_choice *choice = field;
    *choice = (struct pyro_memory_choice){.tracks = PYRO_TRACKS_ALL};
    if (!text || !*text || strcmp(text, "all") == 0)
        return 0;
    if (strcmp(text, "python") == 0) {
        choice->tracks = PYRO_TRACKS_PYTHON;
        return 0;
    }
    if (strncmp(text, sampled, strlen(sampled)) != 0 || !strchr(":", text[strlen(sampled)]))
        return pyro_error_set(error, -EINVAL,
                              "cannot track memory of '%s': say all, python or sampled", text);
    text += strlen(sampled);
    choice->period = PYRO_SAMPLING_PERIOD;
    if (*text && parse_period(text + 1, &choice->period) < 0)
        return pyro_error_set(error, -EINVAL,
                              "'%s' is no number of bytes between samples: say sampled:64k, from "
                              "64 to 16m",
                              text + 1);
    return 0;
}

int pyro_parse_regex(const char *text, void *field, struct pyro_error *error)
{
    regex_t regex;
    int code = regcomp(&regex, text, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        char reason[128];
        regerror(code, &regex, reason, sizeof(reason));
        return pyro_error_set(error, -EINVAL, "'%s' is no regular expression: %s", text, reason);
    }
    regfree(&regex);
    *(const char **)field = text;
    return 0;
}

int pyro_parse_report(const char *text, void *field, struct pyro_error *error)
{
    bool to_stderr = strcmp(text, "stderr") == 0;
    if (!to_stderr && strcmp(text, "stdout") != 0)
        return pyro_error_set(error, -EINVAL, "'%s' is no place for a report: say stdout or stderr",
                              text);
    *(bool *)field = to_stderr;
    return 0;
}

int pyro_parse_split(const char *text, void *field, struct pyro_error *error)
{
    bool by_thread = strcmp(text, "thread") == 0;
    if (!by_thread && strcmp(text, "process") != 0)
        return pyro_error_set(error, -EINVAL, "cannot divide by '%s': say thread or process", text);
    *(enum pyro_split *)field = by_thread ? PYRO_SPLIT_THREAD : PYRO_SPLIT_PROCESS;
    return 0;
}
