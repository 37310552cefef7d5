/* profile/paths.c - decided by how Python lays out its directories on Linux. */
#include "profile/paths.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* After the last MARK in PATH, or NULL. */
static const char *after_last(const char *path, const char *mark)
{
    const char *found = NULL;
    for (const char *at = path; (at = strstr(at, mark)); at++)
        found = at + strlen(mark);
    return found;
}

/* "json/decoder.py" of "/usr/lib/python3.11/json/decoder.py", or NULL. */
static const char *in_standard_library(const char *path)
{
    const char *version = after_last(path, "/lib/python3");
    if (!version || (*version != '.' && *version != '/'))
        return NULL;
    while (*version == '.' || isdigit((unsigned char)*version) || *version == 't')
        version++;
    return *version == '/' ? version + 1 : NULL;
}

static const char *installed(const char *path)
{
    const char *found = after_last(path, "/site-packages/");
    if (!found)
        found = after_last(path, "/dist-packages/");
    return found ? found : in_standard_library(path);
}

static const char *below(const char *path, const char *directory)
{
    size_t length = directory ? strlen(directory) : 0;
    while (length > 1 && directory[length - 1] == '/')
        length--;
    if (length < 2 || strncmp(path, directory, length) != 0 || path[length] != '/')
        return NULL;
    return path + length + 1;
}

const char *pyro_path_short(const char *path, const char *directory)
{
    const char *found = installed(path);
    if (!found)
        found = below(path, directory);
    return found && *found ? found : path;
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), size = strlen(end);
    return length > size && strcmp(path + length - size, end) == 0;
}

/* Where Pyrometer runs from the folder it was built in: what starts the probe, and what stands between a program and its database. */
static bool is_ours(const char *path)
{
    return ends_with(path, "/src/probe/bootstrap/sitecustomize.py") ||
           ends_with(path, "/pyrometer/web/_queries.py");
}

bool pyro_path_is_library(const char *path)
{
    return strncmp(path, "<frozen ", 8) == 0 || installed(path) || is_ours(path);
}

const char *pyro_path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || !slash[1])
        return path;
    if (strncmp(slash, "/__", 3) != 0)
        return slash + 1;
    const char *above = memrchr(path, '/', (size_t)(slash - path));
    return above ? above + 1 : path;
}
