/* cli/interpreter.h - which Python `run` starts, and other programs by their names. */
#ifndef PYRO_CLI_INTERPRETER_H
#define PYRO_CLI_INTERPRETER_H

#include "base/error.h"

#include <limits.h>
#include <stddef.h>

struct pyro_interpreter {
    char path[PATH_MAX];
    const char *name;   /* its argv[0]: what the user would have typed */
    const char *origin; /* "--python", "$VIRTUAL_ENV" ...: named in the report */
};

/* Set by `python -m pyrometer` to its own Python; nothing for the program's eyes. */
#define PYRO_INTERPRETER_VARIABLE "PYROMETER_PYTHON"

/* WANTED (a path, a name on PATH or the folder of a virtual environment), or NULL: the Python of `python -m pyrometer`,
 * $VIRTUAL_ENV, ./.venv, the Python this program was installed for, python3 on PATH. NAME may point into PATH: keep the
 * struct where it is. -ENOENT, -EACCES. */
int pyro_interpreter_find(const char *wanted, struct pyro_interpreter *ret_interpreter,
                          struct pyro_error *error);

/* Where a shell would find the program NAME. -ENOENT, -EACCES, -ENAMETOOLONG. */
int pyro_program_find(const char *name, char *path, size_t size);

#endif
