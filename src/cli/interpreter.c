/* cli/interpreter.c - the first Python in the order that the documentation gives. */
#include "cli/interpreter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_program(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || access(path, X_OK) < 0)
        return -EACCES;
    return 0;
}

static int put_path(char *path, size_t size, const char *directory, int length, const char *name)
{
    /* An empty part of PATH is the working directory. */
    int written = snprintf(path, size, "%.*s%s%s", length, directory, length ? "/" : "./", name);
    return written < 0 || (size_t)written >= size ? -ENAMETOOLONG : 0;
}

int pyro_program_find(const char *name, char *path, size_t size)
{
    if (strchr(name, '/')) {
        int written = snprintf(path, size, "%s", name);
        return written < 0 || (size_t)written >= size ? -ENAMETOOLONG : check_program(path);
    }
    const char *search = getenv("PATH");
    int result = -ENOENT;
    if (!search || !*search)
        search = "/usr/local/bin:/usr/bin:/bin";
    for (const char *at = search; *name; at++) {
        size_t length = strcspn(at, ":");
        int error = put_path(path, size, at, (int)length, name);
        if (error == 0)
            error = check_program(path);
        if (error == 0)
            return 0;
        if (error == -EACCES)
            result = error;
        at += length;
        if (!*at)
            break;
    }
    return result;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The Python of the virtual environment in DIRECTORY. */
static int find_in(const char *directory, struct pyro_interpreter *interpreter)
{
    char absolute[PATH_MAX];
    /* Only the folder is made absolute: resolving the link bin/python would lead out of the environment. */
    if (!realpath(directory, absolute))
        return -errno;
    int length = snprintf(interpreter->path, sizeof(interpreter->path), "%s/bin/python", absolute);
    if (length < 0 || (size_t)length >= sizeof(interpreter->path))
        return -ENAMETOOLONG;
    interpreter->name = interpreter->path;
    return check_program(interpreter->path);
}

static int find_wanted(const char *wanted, struct pyro_interpreter *interpreter,
                       struct pyro_error *error)
{
    int code;
    interpreter->origin = "--python";
    if (is_directory(wanted)) {
        code = find_in(wanted, interpreter);
    } else {
        code = pyro_program_find(wanted, interpreter->path, sizeof(interpreter->path));
        interpreter->name = wanted;
    }
    if (code < 0)
        return pyro_error_set(error, code, "cannot run the Python '%s': %s", wanted,
                              strerror(-code));
    return 0;
}

int pyro_interpreter_find(const char *wanted, struct pyro_interpreter *ret_interpreter,
                          struct pyro_error *error)
{
    if (wanted)
        return find_wanted(wanted, ret_interpreter, error);
    const char *environment = getenv("VIRTUAL_ENV");
    ret_interpreter->origin = "$VIRTUAL_ENV";
    if (environment && *environment && find_in(environment, ret_interpreter) == 0)
        return 0;
    ret_interpreter->origin = "./.venv";
    if (find_in(".venv", ret_interpreter) == 0)
        return 0;
    ret_interpreter->origin = "PATH";
    ret_interpreter->name = "python3";
    int code = pyro_program_find("python3", ret_interpreter->path, sizeof(ret_interpreter->path));
    if (code < 0) {
        pyro_error_set(error, code, "no python3 on PATH");
        pyro_error_hint(error, "name one: pyrometer run --python PATH ...");
    }
    return code;
}
