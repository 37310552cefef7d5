/* profile/line_counts.c - a recorder writes what lines grew by; a reader wants their sum. */
#include "profile/line_counts.h"

#include <stdlib.h>

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_place(const void *left, const void *right)
{
    const struct pyro_line_count *a = left, *b = right;
    int order = compare_numbers(a->function, b->function);
    if (order == 0)
        order = compare_numbers(a->line, b->line);
    return order ? order : compare_numbers(a->thread, b->thread);
}

void pyro_line_counts_merge(struct pyro_profile *profile)
{
    struct pyro_line_count *lines = profile->lines;
    if (profile->line_count == 0)
        return;
    qsort(lines, profile->line_count, sizeof(*lines), by_place);
    size_t last = 0;
    for (size_t i = 1; i < profile->line_count; i++) {
        if (by_place(&lines[last], &lines[i]) != 0) {
            lines[++last] = lines[i];
            continue;
        }
        lines[last].hits += lines[i].hits;
        lines[last].time_ns += lines[i].time_ns;
    }
    profile->line_count = last + 1;
}

size_t pyro_line_counts_find(const struct pyro_profile *profile, uint32_t function, uint32_t line)
{
    const struct pyro_line_count key = {.function = function, .line = line};
    size_t low = 0, high = profile->line_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_place(&profile->lines[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t pyro_line_counts_since_us(const struct pyro_profile *profile)
{
    uint64_t from_us = profile->counters.lines_from_us;
    return from_us ? from_us + 1 : 0;
}
