/* profile/paths.h - whose code a file is, and how to name it in few characters. */
#ifndef PYRO_PROFILE_PATHS_H
#define PYRO_PROFILE_PATHS_H

#include <stdbool.h>

/* The part of PATH worth showing, within PATH: below DIRECTORY (may be NULL), below site-packages, below the
 * standard library, else all of it. */
const char *pyro_path_short(const char *path, const char *directory);
/* Installed, or part of Python. Where a program was started from says nothing: /opt/shop/main.py is the same program in any folder. */
bool pyro_path_is_library(const char *path);
/* What stands after the last slash; "json/__init__.py" for names that say nothing alone. */
const char *pyro_path_basename(const char *path);

#endif
