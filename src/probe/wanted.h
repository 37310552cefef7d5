/* probe/wanted.h - which functions a user means: "total,Cart.total,shop.cart,cart.py:31".
 *
 * A name between commas is a function or method by its qualified name or the end of that, a class with all of its methods, a
 * module or package by its dotted name or the end of that, a function behind its module's name, or the function that a line
 * of a file belongs to. What is defined within a function is not meant by the function's name. */
#ifndef PYRO_PROBE_WANTED_H
#define PYRO_PROBE_WANTED_H

#include <stdbool.h>
#include <stdint.h>

/* Is the function called NAME, as it is qualified, in FILE meant by one of NAMES, lines left aside? */
bool pyro_wanted(const char *names, const char *name, const char *file);
/* The line of FILE that the first of *NAMES asks for, which is moved behind it. 0: none of them does. */
uint32_t pyro_wanted_line(const char **names, const char *file);

#endif
