/* cli/print.h - everything this program says about itself, and how wide and colourful it may be. */
#ifndef PYRO_CLI_PRINT_H
#define PYRO_CLI_PRINT_H

#include "base/error.h"
#include "report/report.h"

#include <stdio.h>

/* "pyrometer: MESSAGE; HINT" on standard error. */
void pyro_print_error(const struct pyro_error *error);
/* "pyrometer: ..." on standard error. */
__attribute__((format(printf, 1, 2))) void pyro_print_note(const char *format, ...);

/* A note that Python VERSION is newer than what this program was made for. */
void pyro_print_guessed(const char *version);

/* What OUT can show. DIRECTORY as in struct pyro_report_style. */
struct pyro_report_style pyro_print_style(FILE *out, const char *directory);

/* "1.2 GiB", "512 KiB" into TEXT. */
void pyro_print_bytes(char *text, size_t size, uint64_t bytes);

/* Flush OUT: false and an error printed when what was written did not arrive (full disk). */
bool pyro_print_finish(FILE *out);

#endif
