/* cli/installed.c - what lies beside this program, wherever it was copied to. */
#include "cli/installed.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* From the folder of this program. */
static const char *const places[] = {
    "src/probe",                              /* a build */
    "../lib/pyrometer",                       /* meson install */
    "../lib/python3*/*-packages/pyrometer",   /* environments, ~/.local, /usr/local of Debian */
    "../lib64/python3*/*-packages/pyrometer", /* systems that keep compiled packages apart */
    "../pyrometer",                           /* pip install --target */
};

/* When the probe in FOLDER was installed, 0 if there is none. */
static int64_t installed_ns(const char *folder)
{
    char path[PATH_MAX + 64];
    struct stat probe;
    snprintf(path, sizeof(path), "%s/" PYRO_PROBE_BOOTSTRAP "/sitecustomize.py", folder);
    if (access(path, R_OK) < 0)
        return 0;
    snprintf(path, sizeof(path), "%s/" PYRO_PROBE_FILE, folder);
    if (access(path, R_OK) < 0 || stat(path, &probe) < 0)
        return 0;
    return probe.st_mtim.tv_sec * INT64_C(1000000000) + probe.st_mtim.tv_nsec;
}

/* Of the folders that PATTERN matches the one with the newest probe: where several Pythons share a folder of programs,
 * each with a package of its own, the program there is that of the last installation. */
static bool find_in(const char *pattern, char ret_folder[PATH_MAX])
{
    glob_t found;
    int64_t newest_ns = 0;
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int64_t ns = installed_ns(found.gl_pathv[i]);
        if (ns > newest_ns && realpath(found.gl_pathv[i], ret_folder))
            newest_ns = ns;
    }
    globfree(&found);
    return newest_ns > 0;
}

int pyro_installed_probe(char ret_folder[PATH_MAX])
{
    char self[PATH_MAX], pattern[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        return -errno;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(pattern, sizeof(pattern), "%s/%s", self, places[i]);
        if (find_in(pattern, ret_folder))
            return 0;
    }
    return -ENOENT;
}

/* Cut the last part off PATH and return it; "" when there is none. */
static const char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return "";
    *slash = '\0';
    return slash + 1;
}

int pyro_installed_package(struct pyro_installed_package *ret_package)
{
    char *path = ret_package->prefix;
    int code = pyro_installed_probe(path);
    if (code < 0)
        return code;
    cut_last(path); /* pyrometer */
    cut_last(path); /* site-packages */
    const char *python = cut_last(path);
    size_t length = strlen(python);
    if (strncmp(python, "python3", 7) != 0 || length >= sizeof(ret_package->python))
        return -ENOENT;
    memcpy(ret_package->python, python, length + 1);
    cut_last(path); /* lib */
    return 0;
}
