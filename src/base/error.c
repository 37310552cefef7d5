/* base/error.c - fills struct pyro_error; long texts are cut, never overrun. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int pyro_error_set(struct pyro_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    /* Formatted aside first: the arguments may point into ERROR itself. */
    char message[sizeof(error->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    error->code = code;
    error->hint[0] = '\0';
    snprintf(error->message, sizeof(error->message), "%s", message);
    return code;
}

void pyro_error_hint(struct pyro_error *error, const char *format, ...)
{
    if (!error)
        return;
    char hint[sizeof(error->hint)];
    va_list args;
    va_start(args, format);
    vsnprintf(hint, sizeof(hint), format, args);
    va_end(args);
    snprintf(error->hint, sizeof(error->hint), "%s", hint);
}
