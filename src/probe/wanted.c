/* probe/wanted.c - names compared from their ends. */
#include "probe/wanted.h"

#include <stdlib.h>
#include <string.h>

#define LOCALS  ".<locals>."
#define PY      ".py"
#define PACKAGE "/__init__.py"

struct text {
    const char *at;
    size_t size;
};

/* Does TEXT end in END, with nothing or one of MARKS before that? */
static bool ends_in(struct text text, struct text end, const char *marks)
{
    if (!end.size || end.size > text.size ||
        memcmp(text.at + text.size - end.size, end.at, end.size) != 0)
        return false;
    return end.size == text.size || strchr(marks, text.at[text.size - end.size - 1]);
}

static bool is_local(struct text name)
{
    return name.size >= 8 && memmem(name.at, name.size, LOCALS, strlen(LOCALS));
}

/* NAME itself, or of a class: all of its methods. */
static bool names_function(struct text name, const char *qualified)
{
    struct text all = {qualified, strlen(qualified)};
    if (ends_in(all, name, ".>"))
        return true;
    for (const char *dot = strchr(qualified, '.'); dot; dot = strchr(dot + 1, '.')) {
        struct text head = {qualified, (size_t)(dot - qualified)};
        struct text rest = {dot + 1, strlen(dot + 1)};
        if (strncmp(dot, LOCALS, strlen(LOCALS)) != 0 && !is_local(rest) &&
            ends_in(head, name, ".>"))
            return true;
    }
    return false;
}

/* "shop/cart" of "/srv/shop/cart.py", "/srv/shop" of "/srv/shop/__init__.py". */
static struct text module_path(const char *file)
{
    struct text path = {file, strlen(file)};
    if (path.size > strlen(PACKAGE) && strcmp(file + path.size - strlen(PACKAGE), PACKAGE) == 0)
        path.size -= strlen(PACKAGE);
    else if (path.size > strlen(PY) && strcmp(file + path.size - strlen(PY), PY) == 0)
        path.size -= strlen(PY);
    return path;
}

/* Does PATH end in the dotted NAME, each dot being a slash there? */
static bool path_is(struct text path, struct text name)
{
    if (!name.size || name.size > path.size)
        return false;
    const char *at = path.at + path.size - name.size;
    for (size_t i = 0; i < name.size; i++)
        if (at[i] != (name.at[i] == '.' ? '/' : name.at[i]))
            return false;
    return name.size == path.size || at[-1] == '/';
}

/* A module or package: PATH, or a folder above it. */
static bool names_module(struct text name, struct text path)
{
    for (size_t size = path.size; size; size--)
        if ((size == path.size || path.at[size] == '/') &&
            path_is((struct text){path.at, size}, name))
            return true;
    return false;
}

/* "shop.cart.Cart.total": a function behind its module. */
static bool names_both(struct text name, struct text path, const char *qualified)
{
    for (size_t i = 1; i + 1 < name.size; i++) {
        struct text rest = {name.at + i + 1, name.size - i - 1};
        if (name.at[i] == '.' && path_is(path, (struct text){name.at, i}) &&
            rest.size <= strlen(qualified) && memcmp(qualified, rest.at, rest.size) == 0 &&
            names_function(rest, qualified))
            return true;
    }
    return false;
}

/* "cart.py:31" into its two parts. False: it is no such thing. */
static bool split_line(struct text name, struct text *ret_file, uint32_t *ret_line)
{
    const char *colon = memrchr(name.at, ':', name.size);
    char number[12] = "", *end;
    size_t digits = colon ? name.size - (size_t)(colon + 1 - name.at) : 0;
    if (!digits || digits >= sizeof(number) || colon == name.at)
        return false;
    memcpy(number, colon + 1, digits);
    unsigned long line = strtoul(number, &end, 10);
    *ret_file = (struct text){name.at, (size_t)(colon - name.at)};
    *ret_line = (uint32_t)line;
    return !*end && line && line < UINT32_MAX;
}

/* The next name of *NAMES, which is moved behind it; size 0 with at NULL: there is none. */
static struct text next_name(const char **names)
{
    if (!**names)
        return (struct text){NULL, 0};
    size_t size = strcspn(*names, ",");
    struct text name = {*names, size};
    *names += size + ((*names)[size] == ',');
    return name;
}

bool pyro_wanted(const char *names, const char *qualified, const char *file)
{
    struct text path = module_path(file), unused;
    uint32_t line;
    for (struct text name = next_name(&names); name.at; name = next_name(&names))
        if (name.size && !split_line(name, &unused, &line) &&
            (names_function(name, qualified) || names_module(name, path) ||
             names_both(name, path, qualified)))
            return true;
    return false;
}

uint32_t pyro_wanted_line(const char **names, const char *path)
{
    struct text file;
    uint32_t line;
    for (struct text name = next_name(names); name.at; name = next_name(names))
        if (split_line(name, &file, &line) && ends_in((struct text){path, strlen(path)}, file, "/"))
            return line;
    return 0;
}
