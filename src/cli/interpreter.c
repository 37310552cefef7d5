/* cli/interpreter.c - the first Python in the order that the documentation gives. */
#include "cli/interpreter.h"

#include "cli/installed.h"

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

/* That of `python -m pyrometer`. */
static int find_running(struct pyro_interpreter *interpreter)
{
    const char *path = getenv(PYRO_INTERPRETER_VARIABLE);
    size_t length = path ? strlen(path) : 0;
    interpreter->origin = "python -m pyrometer";
    if (length == 0 || length >= sizeof(interpreter->path))
        return -ENOENT;
    memcpy(interpreter->path, path, length + 1);
    interpreter->name = interpreter->path;
    return check_program(path);
}

static int find_active(struct pyro_interpreter *interpreter)
{
    const char *environment = getenv("VIRTUAL_ENV");
    interpreter->origin = "$VIRTUAL_ENV";
    return environment && *environment ? find_in(environment, interpreter) : -ENOENT;
}

static int find_local(struct pyro_interpreter *interpreter)
{
    interpreter->origin = "./.venv";
    return find_in(".venv", interpreter);
}

static bool holds(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* That whose package this program came with: the environment's own, or PREFIX/bin/python3.12, or that of the same name on
 * PATH, as for packages in ~/.local. pipx and uv make an environment that holds a tool alone, and no user's packages: in
 * there no program of theirs would run. */
static int find_own(struct pyro_interpreter *interpreter)
{
    struct pyro_installed_package package;
    int code = pyro_installed_package(&package);
    interpreter->origin = "the environment of pyrometer";
    if (code < 0)
        return code;
    if (holds(package.prefix, "pipx_metadata.json") || holds(package.prefix, "uv-receipt.toml"))
        return -ENOENT;
    if (holds(package.prefix, "pyvenv.cfg"))
        return find_in(package.prefix, interpreter);
    int length = snprintf(interpreter->path, sizeof(interpreter->path), "%s/bin/%s", package.prefix,
                          package.python);
    if (length < 0 || (size_t)length >= sizeof(interpreter->path))
        return -ENAMETOOLONG;
    interpreter->name = interpreter->path;
    if (check_program(interpreter->path) == 0)
        return 0;
    code = pyro_program_find(package.python, interpreter->path, sizeof(interpreter->path));
    if (code == 0)
        interpreter->name = strrchr(interpreter->path, '/') + 1;
    return code;
}

static int find_on_path(struct pyro_interpreter *interpreter)
{
    interpreter->origin = "PATH";
    interpreter->name = "python3";
    return pyro_program_find("python3", interpreter->path, sizeof(interpreter->path));
}

int pyro_interpreter_find(const char *wanted, struct pyro_interpreter *ret_interpreter,
                          struct pyro_error *error)
{
    static int (*const find[])(struct pyro_interpreter *) = {
        find_running, find_active, find_local, find_own, find_on_path,
    };
    int code = -ENOENT;
    if (wanted)
        return find_wanted(wanted, ret_interpreter, error);
    for (size_t i = 0; i < sizeof(find) / sizeof(find[0]); i++) {
        code = find[i](ret_interpreter);
        if (code == 0)
            return 0;
    }
    pyro_error_set(error, code, "no python3 on PATH");
    pyro_error_hint(error, "name one: pyrometer run --python PATH ...");
    return code;
}
