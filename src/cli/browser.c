/* cli/browser.c - $BROWSER or xdg-open, as a process of nobody. */
#include "cli/browser.h"

#include "cli/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

enum pyro_screen pyro_browser_screen(void)
{
    struct pyro_identity caller;
    if (is_set("SSH_CONNECTION") || is_set("SSH_TTY"))
        return PYRO_SCREEN_SSH;
    bool display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    return display && !pyro_identity_caller(&caller) ? PYRO_SCREEN_HERE : PYRO_SCREEN_NONE;
}

/* Is NAME, without a slash in it, a program on the path? */
static bool is_on_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char candidate[PATH_MAX];
        int length = (int)strcspn(path, ":");
        snprintf(candidate, sizeof(candidate), "%.*s/%s", length, path, name);
        if (access(candidate, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

static bool is_program(const char *name)
{
    return strchr(name, '/') ? access(name, X_OK) == 0 : is_on_path(name);
}

/* In a grandchild, so that nobody has to wait for it; what it says is not for this terminal. */
static void become(const char *program, const char *path)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    execlp(program, program, path, (char *)NULL);
    _exit(127);
}

int pyro_browser_open(const char *path)
{
    const char *chosen = getenv("BROWSER");
    const char *program = chosen && *chosen && is_program(chosen) ? chosen : "xdg-open";
    if (!is_program(program))
        return -ENOENT;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0)
            become(program, path);
        _exit(grandchild < 0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}
