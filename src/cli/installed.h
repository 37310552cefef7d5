/* cli/installed.h - what was installed with this program: the probe, and the Python it belongs to. */
#ifndef PYRO_CLI_INSTALLED_H
#define PYRO_CLI_INSTALLED_H

#include <limits.h>

#define PYRO_PROBE_FILE      "_probe.abi3.so"
#define PYRO_PROBE_BOOTSTRAP "bootstrap" /* the folder of our sitecustomize.py, beside the probe */

/* The folder that holds the probe and its bootstrap, absolute. -ENOENT: this program lies alone. */
int pyro_installed_probe(char ret_folder[PATH_MAX]);

/* A Python package in PREFIX/lib/PYTHON/site-packages. */
struct pyro_installed_package {
    char prefix[PATH_MAX];
    char python[32]; /* "python3.12"; Debian also has "python3" */
};

/* The package this program came with. -ENOENT: it came without one, as from a build or from `meson install`. */
int pyro_installed_package(struct pyro_installed_package *ret_package);

#endif
