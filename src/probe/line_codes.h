/* probe/line_codes.h - the lines of a code object: which there are, and to which an instruction belongs.
 *
 * Lines have places, in the order in which the code has them; 0 is the function as a whole. What is made here lives on when
 * the code object dies. All calls want the GIL. */
#ifndef PYRO_PROBE_LINE_CODES_H
#define PYRO_PROBE_LINE_CODES_H

#include "probe/python.h"

struct pyro_line_code {
    uint32_t id;                     /* of the function: probe/names.h */
    uint32_t first_line, line_count; /* from the first to the last */
    uint32_t *place_of_line;         /* [line_count] from the first on; 0: none */
    uint32_t *place_of_unit;         /* [unit_count] by instruction, two bytes each; 0: none */
    uint32_t unit_count;
    uint32_t *lines; /* [place_count] */
    uint32_t place_count;
    bool listens;    /* by pyro_lines_listen() */
    bool silent;     /* not counted at the moment */
    void *in_thread; /* what lines.c keeps of it for the thread that was in it last */
};

/* The lines of CODE, a code object. NULL with an exception, or without: no memory, or too large. */
struct pyro_line_code *pyro_line_code_new(PyObject *code, uint32_t id);
void pyro_line_code_free(struct pyro_line_code *code); /* NULL is fine */

/* The place of a line. 0: it is none of CODE's. */
static inline uint32_t pyro_line_code_place(const struct pyro_line_code *code, uint32_t line)
{
    uint32_t at = line - code->first_line; /* below the first: wraps, and is too large */
    return at < code->line_count ? code->place_of_line[at] : 0;
}

/* The place of the line that the instruction at OFFSET belongs to. 0: it has none. */
static inline uint32_t pyro_line_code_at(const struct pyro_line_code *code, uint32_t offset)
{
    return offset / 2 < code->unit_count ? code->place_of_unit[offset / 2] : 0;
}

#endif
