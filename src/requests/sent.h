/* requests/sent.h - the queries of a request, as pyrometer.web tells of them (Queries.written() of python/pyrometer/web/_queries.py).
 *
 *     COUNT\n                        all that it sent; then a line for each shape from each line of the program's own:
 *     NUMBERS\tFUNCTION\tFILE\tSENDER\tFILE\tRELATION\tOWNER\tSHAPE\n
 *
 * The numbers, with a space between them, are: how many were sent, and seen to end; nanoseconds of all, and of the longest; how many had
 * other parameters than each before, had such as cannot be compared, and had lists of them; CLOCK_MONOTONIC when the first and the last
 * began; the line; the first line of the function, and of the sender. What the texts are, struct pyro_query of profile/model.h tells; an
 * empty FUNCTION is none. */
#ifndef PYRO_REQUESTS_SENT_H
#define PYRO_REQUESTS_SENT_H

#include "profile/writer.h"

/* Write what TEXT tells as sent by PROCESS, with frames for their lines; the recording begins at BEGIN_NS. A line that is not as above, or
 * cut off, is left out. Returns how many queries are in none that was written. */
uint64_t pyro_request_put_sent(struct pyro_writer *writer, uint32_t process, uint64_t begin_ns,
                               const char *text);

#endif
