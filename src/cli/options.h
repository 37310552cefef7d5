/* cli/options.h - parse a command line by its table, and say what is wrong with it. */
#ifndef PYRO_CLI_OPTIONS_H
#define PYRO_CLI_OPTIONS_H

#include "cli/command.h"
#include "collect/tables.h"

#include <stdint.h>

struct pyro_operands {
    int count;
    char **items; /* what is no option; for a program, it and all of its arguments */
    bool dashes;  /* "--" stood before them */
};

/* Fill VALUES, a struct of the command's own that its options' fields point into. ARGV is reordered, never copied:
 * texts stay valid as long as it. -EINVAL with a message and a hint for the user. -ECANCELED: --help was asked. */
int pyro_options_parse(const struct pyro_command *command, int argc, char **argv, void *values,
                       struct pyro_operands *ret_operands, struct pyro_error *error);

/* Parse, and on --help or a mistake print and set *ret_exit. False: return *ret_exit now. */
bool pyro_options_read(const struct pyro_command *command, int argc, char **argv, void *values,
                       struct pyro_operands *ret_operands, int *ret_exit);

/* -- values: each parses one kind of text into the type named ---------------------------------- */

int pyro_parse_switch(const char *text, void *field, struct pyro_error *error); /* bool */
int pyro_parse_off(const char *text, void *field,
                   struct pyro_error *error); /* bool, set to false */
int pyro_parse_nothing(const char *text, void *field,
                       struct pyro_error *error); /* accepted, no effect */
int pyro_parse_text(const char *text, void *field, struct pyro_error *error); /* const char * */
int pyro_parse_names(const char *text, void *field,
                     struct pyro_error *error); /* const char *, one line, may be "" */
int pyro_parse_pid(const char *text, void *field, struct pyro_error *error); /* pid_t: 12 or 0xc */
int pyro_parse_rate(const char *text, void *field,
                    struct pyro_error *error); /* uint32_t: 100, 1khz */
int pyro_parse_duration(const char *text, void *field,
                        struct pyro_error *error); /* uint64_t ns: 10, 2m; 0 for unlimited */
int pyro_parse_limit(const char *text, void *field,
                     struct pyro_error *error); /* struct pyro_report_limit: 20, 0.1 */
int pyro_parse_sort(const char *text, void *field,
                    struct pyro_error *error); /* enum pyro_stats_key */
int pyro_parse_clock(const char *text, void *field, struct pyro_error *error); /* enum pyro_clock */
int pyro_parse_format(const char *text, void *field,
                      struct pyro_error *error); /* const char *, a known name */
/* What memory is tracked. */
struct pyro_memory_choice {
    enum pyro_tracking tracks;
    uint64_t period; /* bytes between samples; 0: all of it is tracked */
};
int pyro_parse_memory(const char *text, void *field,
                      struct pyro_error *error); /* the same: all, python, sampled[:BYTES]; all */
int pyro_parse_regex(const char *text, void *field,
                     struct pyro_error *error); /* const char *, compiles */
int pyro_parse_report(const char *text, void *field,
                      struct pyro_error *error); /* bool: true for stderr */

enum pyro_split { PYRO_SPLIT_NONE, PYRO_SPLIT_THREAD, PYRO_SPLIT_PROCESS };
int pyro_parse_split(const char *text, void *field, struct pyro_error *error); /* enum pyro_split */

#define PYRO_RATE_MAX_HZ 1000000u

#endif
