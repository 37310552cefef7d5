/* analyze/imported.h - which module imports which, by the lines that recordings hold of them.
 *
 * An import of what is loaded already leaves no event: these lines tell of it. They are those that run while a module is imported
 * (base/statements.h), whatever a condition around them says, and what else of imports was sampled. Of the program's own modules there
 * are also the lines that run then and use what is imported; a line of a frame may be within a function. */
#ifndef PYRO_ANALYZE_IMPORTED_H
#define PYRO_ANALYZE_IMPORTED_H

#include "profile/profile.h"

struct pyro_import_line {
    uint32_t importer, imported; /* files of modules */
    uint32_t line;               /* of the importer, the first of the statement */
    bool at_once;                /* the importer uses it while it is imported itself */
};
struct pyro_import_lines {
    struct pyro_import_line *items; /* by importer, then by line */
    size_t count, capacity;
};

/* Of modules whose body is marked in BODY, [function_count]. 0 or -ENOMEM. */
int pyro_import_lines_make(struct pyro_import_lines *lines, const struct pyro_profile *profile,
                           const bool *body);
/* The first one of IMPORTER, or the place where it would be. */
size_t pyro_import_lines_of(const struct pyro_import_lines *lines, uint32_t importer);
void pyro_import_lines_clear(struct pyro_import_lines *lines);

#endif
