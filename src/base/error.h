/* base/error.h - what failed, why, and what the user can do.
 *
 * Calls return 0 or a negative errno. Slow paths also fill a struct pyro_error: MESSAGE is one line,
 * lower case, cause first ("cannot open '/x': permission denied"); HINT is what the user can do
 * ("run: sudo pyrometer ..."), or empty. Only cli/ prints them. A NULL error is fine everywhere. */
#ifndef PYRO_BASE_ERROR_H
#define PYRO_BASE_ERROR_H

struct pyro_error {
    int code; /* negative errno, 0 when nothing failed */
    char message[512];
    char hint[1024];
};

/* Fill ERROR (hint emptied) and return CODE, so that `return pyro_error_set(...)` reads well. */
__attribute__((format(printf, 3, 4))) int pyro_error_set(struct pyro_error *error, int code,
                                                         const char *format, ...);

/* Fill only the hint. */
__attribute__((format(printf, 2, 3))) void pyro_error_hint(struct pyro_error *error,
                                                           const char *format, ...);

#endif
