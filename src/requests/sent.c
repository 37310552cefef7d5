/* requests/sent.c - one line after the other. */
#include "requests/sent.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum number {
    COUNT,
    TIMED,
    TIME_NS,
    LONGEST_NS,
    DISTINCT,
    UNKNOWN,
    MANY,
    FIRST_NS,
    LAST_NS,
    LINE,
    FIRST_LINE,
    SENDER_FIRST_LINE,
    NUMBERS,
};
enum text { FUNCTION, FILE_PATH, SENDER, SENDER_FILE, RELATION, OWNER, SHAPE, TEXTS };

struct told {
    uint64_t numbers[NUMBERS];
    struct span {
        const char *at;
        size_t size;
    } texts[TEXTS];
};

/* What follows a number that ends in END, in *TEXT; false: there is none. Times since the machine was started may be larger than counts. */
static bool take_number(const char **text, char end, uint64_t *ret_number)
{
    char *behind;
    errno = 0;
    if (!isdigit((unsigned char)**text))
        return false;
    *ret_number = strtoull(*text, &behind, 10);
    if (errno || *behind != end)
        return false;
    *text = behind + 1;
    return true;
}

/* The line that ends at END. */
static bool read_line(const char *text, const char *end, struct told *told)
{
    for (int i = 0; i < NUMBERS; i++)
        if (!take_number(&text, i < NUMBERS - 1 ? ' ' : '\t', &told->numbers[i]) ||
            (i != FIRST_NS && i != LAST_NS && told->numbers[i] > PYRO_COUNT_MAX))
            return false;
    for (int i = 0; i < TEXTS; i++) {
        const char *stop = i < TEXTS - 1 ? memchr(text, '\t', (size_t)(end - text)) : end;
        if (!stop)
            return false;
        told->texts[i] = (struct span){text, (size_t)(stop - text)};
        text = stop + 1;
    }
    return told->numbers[LINE] <= INT32_MAX && told->numbers[FIRST_LINE] <= INT32_MAX &&
           told->numbers[SENDER_FIRST_LINE] <= INT32_MAX;
}

static uint32_t put_text(struct pyro_writer *writer, const struct told *told, enum text which)
{
    return pyro_writer_string(writer, told->texts[which].at, told->texts[which].size);
}

static uint32_t put_function(struct pyro_writer *writer, const struct told *told, enum text name,
                             enum number first_line)
{
    const struct pyro_function function = {
        .name = put_text(writer, told, name),
        .file = put_text(writer, told, name + 1),
        .first_line = (uint32_t)told->numbers[first_line],
        .kind = PYRO_FUNCTION_PYTHON,
    };
    return pyro_writer_function(writer, &function);
}

static uint64_t us_after(uint64_t begin_ns, uint64_t now_ns)
{
    return now_ns > begin_ns ? (now_ns - begin_ns) / 1000 : 0;
}

static void put(struct pyro_writer *writer, uint32_t process, uint64_t begin_ns,
                const struct told *told)
{
    const uint64_t *numbers = told->numbers;
    bool has_site = told->texts[FUNCTION].size > 0;
    const struct pyro_query query = {
        .process = process,
        .site = has_site ? put_function(writer, told, FUNCTION, FIRST_LINE) : PYRO_NO_ID,
        .line = (uint32_t)numbers[LINE],
        .sender = put_function(writer, told, SENDER, SENDER_FIRST_LINE),
        .shape = put_text(writer, told, SHAPE),
        .relation = put_text(writer, told, RELATION),
        .owner = put_text(writer, told, OWNER),
        .many = numbers[MANY] > 0,
        .count = numbers[COUNT],
        .timed = numbers[TIMED],
        .time_ns = numbers[TIME_NS],
        .longest_ns = numbers[LONGEST_NS],
        .distinct = numbers[DISTINCT],
        .unknown = numbers[UNKNOWN],
        .first_us = us_after(begin_ns, numbers[FIRST_NS]),
        .last_us = us_after(begin_ns, numbers[LAST_NS]),
    };
    pyro_writer_query(writer, &query);
    if (has_site) /* its source belongs to the recording, though perhaps no sample stands there */
        (void)pyro_writer_frame(writer, query.site, query.line);
}

uint64_t pyro_request_put_sent(struct pyro_writer *writer, uint32_t process, uint64_t begin_ns,
                               const char *text)
{
    uint64_t left;
    const char *end;
    if (!take_number(&text, '\n', &left) || left > PYRO_COUNT_MAX)
        return 0;
    for (; (end = strchr(text, '\n')); text = end + 1) {
        struct told told;
        if (!read_line(text, end, &told))
            continue;
        left -= told.numbers[COUNT] < left ? told.numbers[COUNT]
                                           : left; /* all counted a moment before */
        put(writer, process, begin_ns, &told);
    }
    return left;
}
