/* analyze/rules/unused_import.c - a short run that spends its time on importing libraries that it does not use.
 *
 * Whether a module is used is told by exact counts: one of its functions is called on the way from the program's start, imports left
 * out, or by the body of a module that is used or the program's own; or what it wraps is, a C function of that name. What an import takes is sampled: its statement stands below the importing machinery, with
 * all that is loaded above it. Who imports a module that is there already leaves no event; of that the lines of modules tell, where a
 * recording has them. */
#include "analyze/rule.h"

#include "analyze/imported.h"
#include "profile/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MACHINERY   "<frozen importlib"
#define SAMPLES_MIN 20
#define GAIN_LIKELY 0.9 /* the rest would be imported by somebody else, a little later */

/* The lines of one module of the program's that import one library: who moves one of them moves the others. */
struct group {
    double saved_us, squares_us2;
    uint64_t samples;
    uint32_t frame; /* of the first line that was sampled */
    uint32_t modules, sampled_lines;
    uint32_t lines; /* of the module, as far as its source is known */
    bool stays;     /* it is not worth moving them */
};

/* One `import` line: a frame of the profile. */
struct statement {
    double saved_us, squares_us2;
    uint64_t samples;
    uint32_t module;  /* the function that is the body of what it imports; the first one seen */
    uint32_t modules; /* loaded by it, as far as sampled */
    bool known;       /* what it imports was seen */
    bool needed;      /* some of that is used, or may pass on what is */
    bool own;         /* some of that is the program's own */
};

struct imports {
    const struct pyro_rule_context *context;
    const struct pyro_profile *profile;
    bool *machinery; /* [function_count] */
    bool *body;      /* [function_count]: of a module */
    /* who is used */
    bool *reached;     /* [function_count] */
    bool *needed;      /* [strings]: files */
    uint32_t *body_of; /* [strings]: file -> its module's body, and PYRO_NO_ID */
    uint32_t *first;   /* [function_count + 1]: of a caller's edges in `by_caller` */
    uint32_t *by_caller;
    uint32_t *todo; /* [function_count]: reached, their edges not looked at yet */
    size_t todo_count;
    /* modules by the first part of their names: what is written in C belongs to one of them */
    struct pyro_map parts; /* hash of such a name -> one of the bodies */
    uint32_t *same_part;   /* [function_count]: another such body, and PYRO_NO_ID */
    /* what is imported where */
    bool *passes_on; /* [function_count]: a body; modules of its package that it loaded are used */
    bool *called;    /* [strings]: files, with functions that the program's own call */
    bool *named;     /* [strings]: files that the program's own modules import by name */
    uint32_t *below; /* [stack_count]: the nearest body of a module at or below it; ROOT */
    uint32_t *lead;  /* [stack_count]: the importing line's stack, while in the machinery; ROOT */
    uint32_t *cover; /* [stack_count]: 1 + the frame of the statement that would save this; 0 */
    struct statement *statements; /* [frame_count] */
    /* who else imports it */
    struct pyro_import_lines lines;
    struct pyro_map ids;  /* file, hash of a library's name -> its place in `groups` */
    struct group *groups; /* [frame_count]: of statements that are not used */
    uint32_t group_count;
    bool *covered; /* [stack_count]: loaded by such a statement */
    bool *kept;    /* [strings]: files, of modules that are loaded whatever becomes of them */
};

static int imports_make(struct imports *imports, const struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    size_t functions = profile->function_count + 2, strings = profile->strings.count + 1,
           stacks = profile->stack_count + 1;
    *imports = (struct imports){
        .context = context,
        .profile = profile,
        .machinery = calloc(functions, sizeof(bool)),
        .body = calloc(functions, sizeof(bool)),
        .reached = calloc(functions, sizeof(bool)),
        .needed = calloc(strings, sizeof(bool)),
        .body_of = calloc(strings, sizeof(uint32_t)),
        .first = calloc(functions, sizeof(uint32_t)),
        .by_caller = calloc(context->counted.edge_count + 1, sizeof(uint32_t)),
        .todo = calloc(functions, sizeof(uint32_t)),
        .same_part = calloc(functions, sizeof(uint32_t)),
        .passes_on = calloc(functions, sizeof(bool)),
        .called = calloc(strings, sizeof(bool)),
        .named = calloc(strings, sizeof(bool)),
        .below = calloc(stacks, sizeof(uint32_t)),
        .lead = calloc(stacks, sizeof(uint32_t)),
        .cover = calloc(stacks, sizeof(uint32_t)),
        .statements = calloc(profile->frame_count + 1, sizeof(struct statement)),
        .groups = calloc(profile->frame_count + 1, sizeof(struct group)),
        .covered = calloc(stacks, sizeof(bool)),
        .kept = calloc(strings, sizeof(bool)),
    };
    bool made = imports->machinery && imports->body && imports->reached && imports->needed &&
                imports->body_of && imports->first && imports->by_caller && imports->todo &&
                imports->same_part && imports->passes_on && imports->called && imports->named &&
                imports->below && imports->lead && imports->cover && imports->statements &&
                imports->groups && imports->covered && imports->kept;
    return made ? 0 : -ENOMEM;
}

static void imports_clear(struct imports *imports)
{
    free(imports->machinery);
    free(imports->body);
    free(imports->reached);
    free(imports->needed);
    free(imports->body_of);
    free(imports->first);
    free(imports->by_caller);
    free(imports->todo);
    pyro_map_free(&imports->parts);
    free(imports->same_part);
    free(imports->passes_on);
    free(imports->called);
    free(imports->named);
    free(imports->below);
    free(imports->lead);
    free(imports->cover);
    free(imports->statements);
    free(imports->covered);
    free(imports->kept);
    pyro_import_lines_clear(&imports->lines);
    free(imports->groups);
    pyro_map_free(&imports->ids);
}

/* -- who is used -------------------------------------------------------------------------------- */

/* "json" of "/usr/lib/python3.12/json/decoder.py": how long it is. */
static const char *first_part(const struct pyro_profile *profile, uint32_t function, size_t *length)
{
    const char *file = pyro_path_short(
        pyro_profile_text(profile, profile->functions[function].file), profile->info.directory);
    *length = strcspn(file, "/.");
    return file;
}

static int name_parts(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    for (uint32_t i = 0; i < profile->function_count; i++) {
        size_t length;
        const char *part = first_part(profile, i, &length);
        if (!imports->body[i] || length == 0)
            continue;
        bool is_new;
        uint64_t *body =
            pyro_map_insert(&imports->parts, pyro_hash_bytes_here(part, length), 0, &is_new);
        if (!body)
            return -ENOMEM;
        imports->same_part[i] = is_new ? PYRO_NO_ID : (uint32_t)*body;
        *body = i;
    }
    return 0;
}

static void name_functions(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    for (size_t i = 0; i < profile->strings.count; i++)
        imports->body_of[i] = PYRO_NO_ID;
    for (uint32_t i = 0; i < profile->function_count; i++) {
        const struct pyro_function *function = &profile->functions[i];
        const char *file = pyro_profile_text(profile, function->file);
        imports->machinery[i] = strncmp(file, MACHINERY, strlen(MACHINERY)) == 0;
        imports->body[i] = function->kind == PYRO_FUNCTION_PYTHON &&
                           strcmp(pyro_profile_text(profile, function->name), "<module>") == 0;
        if (imports->body[i])
            imports->body_of[function->file] = i;
    }
}

/* The edges of each caller, by counting how many there are. */
static void sort_edges(struct imports *imports)
{
    const struct pyro_counted *counted = &imports->context->counted;
    size_t functions = imports->profile->function_count;
    for (size_t i = 0; i < counted->edge_count; i++)
        if (counted->edges[i].caller != PYRO_NO_ID)
            imports->first[counted->edges[i].caller + 1]++;
    for (size_t i = 0; i < functions; i++)
        imports->first[i + 1] += imports->first[i];
    uint32_t end = imports->first[functions];
    for (size_t i = counted->edge_count; i-- > 0;)
        if (counted->edges[i].caller != PYRO_NO_ID)
            imports->by_caller[--imports->first[counted->edges[i].caller + 1]] = (uint32_t)i;
    /* the ends became beginnings, each one place too far */
    memmove(imports->first, imports->first + 1, functions * sizeof(*imports->first));
    imports->first[functions] = end;
}

static void reach(struct imports *imports, uint32_t function)
{
    if (imports->reached[function] || imports->machinery[function])
        return;
    imports->reached[function] = true;
    imports->todo[imports->todo_count++] = function;
}

/* What the body of a module that is needed calls is needed, too. */
static void need(struct imports *imports, uint32_t file)
{
    imports->needed[file] = true;
    if (imports->body_of[file] != PYRO_NO_ID)
        reach(imports, imports->body_of[file]);
}

/* "{method 'execute' of 'sqlite3.Cursor' objects}", "{built-in method _hashlib.new}": sqlite3 and hashlib, which are Python around it.
 * True: OWNER is the next name before a dot, AT is behind it. */
static bool next_owner(const char **at, const char **owner, size_t *length)
{
    for (; **at; *at += *length + !*length) {
        *length = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        if (!*length || (*at)[*length] != '.')
            continue;
        *owner = *at;
        *at += *length;
        while (*length > 1 && **owner == '_')
            ++*owner, --*length;
        return true;
    }
    return false;
}

static void use_c(struct imports *imports, uint32_t function)
{
    const struct pyro_profile *profile = imports->profile;
    const char *at = pyro_profile_text(profile, profile->functions[function].name), *owner;
    size_t length;
    while (next_owner(&at, &owner, &length)) {
        const uint64_t *first =
            pyro_map_find(&imports->parts, pyro_hash_bytes_here(owner, length), 0);
        uint32_t body = first ? (uint32_t)*first : PYRO_NO_ID;
        for (; body != PYRO_NO_ID; body = imports->same_part[body])
            need(imports, profile->functions[body].file);
    }
}

static void use(struct imports *imports, uint32_t function)
{
    const struct pyro_function *item = &imports->profile->functions[function];
    if (imports->reached[function] || imports->machinery[function])
        return;
    reach(imports, function);
    if (item->kind == PYRO_FUNCTION_PYTHON)
        need(imports, item->file);
    else if (item->kind == PYRO_FUNCTION_C)
        use_c(imports, function);
}

/* Of a module: is it the program's? */
static bool is_own(const struct imports *imports, uint32_t file)
{
    uint32_t body = imports->body_of[file];
    return body != PYRO_NO_ID && !imports->context->library[body];
}

static void find_used(struct imports *imports)
{
    const struct pyro_counted *counted = &imports->context->counted;
    for (size_t i = 0; i < counted->edge_count; i++)
        if (counted->edges[i].caller == PYRO_NO_ID)
            use(imports, counted->edges[i].callee);
    for (uint32_t i = 0; i < imports->profile->function_count; i++)
        if (imports->body[i] && !imports->context->library[i])
            need(imports, imports->profile->functions[i].file); /* the program's own modules stay */
    for (size_t i = 0; i < imports->lines.count; i++)
        if (imports->lines.items[i].at_once && is_own(imports, imports->lines.items[i].importer))
            need(imports, imports->lines.items[i].imported);
    while (imports->todo_count) {
        uint32_t caller = imports->todo[--imports->todo_count];
        for (uint32_t i = imports->first[caller]; i < imports->first[caller + 1]; i++)
            use(imports, counted->edges[imports->by_caller[i]].callee);
    }
}

/* -- what is imported where --------------------------------------------------------------------- */

static bool is_machinery(const struct imports *imports, uint32_t stack)
{
    return stack != PYRO_STACK_ROOT &&
           imports->machinery[pyro_profile_function_of(imports->profile, stack)];
}

/* Does an import begin at STACK? */
static bool begins(const struct imports *imports, uint32_t stack)
{
    uint32_t below = imports->profile->stacks[stack].parent;
    return is_machinery(imports, stack) && below != PYRO_STACK_ROOT &&
           imports->lead[below] == PYRO_STACK_ROOT;
}

static bool is_body(const struct imports *imports, uint32_t stack)
{
    return stack != PYRO_STACK_ROOT &&
           imports->body[pyro_profile_function_of(imports->profile, stack)];
}

/* Is FILE in the folder of BODY, or below it? A folder that libraries are installed into is nobody's. */
static bool is_of_package(const char *file, const char *body)
{
    const char *slash = strrchr(body, '/');
    return slash && strchr(pyro_path_short(body, NULL), '/') &&
           strncmp(file, body, (size_t)(slash - body) + 1) == 0;
}

static void find_called(struct imports *imports)
{
    const struct pyro_counted *counted = &imports->context->counted;
    const struct pyro_function *functions = imports->profile->functions;
    for (size_t i = 0; i < counted->edge_count; i++) {
        uint32_t caller = counted->edges[i].caller, callee = counted->edges[i].callee;
        if (caller != PYRO_NO_ID && !imports->context->library[caller] && !imports->body[callee])
            imports->called[functions[callee].file] = true;
    }
    for (size_t i = 0; i < imports->lines.count; i++)
        if (is_own(imports, imports->lines.items[i].importer))
            imports->named[imports->lines.items[i].imported] = true;
}

/* The program calls what stands in FILE, which no line of its own names: it has that from who loaded it ("pytest" from "_pytest"). */
static bool is_handed_out(const struct imports *imports, uint32_t file)
{
    return imports->lines.count && imports->called[file] && !imports->named[file];
}

/* `import networkx` is used by way of what networkx/__init__.py imports: a body passes on what is used of its package, and what the
 * program calls without a name of its own for it. What is loaded has a larger id than what loads it. */
static void find_passing_on(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    find_called(imports);
    for (uint32_t i = 1; i < profile->stack_count; i++)
        imports->below[i] = is_body(imports, i) ? i : imports->below[profile->stacks[i].parent];
    for (uint32_t i = (uint32_t)profile->stack_count; i-- > 1;) {
        uint32_t loader = imports->below[profile->stacks[i].parent];
        if (!is_body(imports, i) || loader == PYRO_STACK_ROOT)
            continue;
        uint32_t function = pyro_profile_function_of(profile, i);
        uint32_t by = pyro_profile_function_of(profile, loader);
        uint32_t file = profile->functions[function].file;
        bool is_passed = imports->needed[file] || imports->passes_on[function];
        if (is_handed_out(imports, file) ||
            (is_passed && is_of_package(pyro_profile_text(profile, file),
                                        pyro_profile_text(profile, profile->functions[by].file))))
            imports->passes_on[by] = true;
    }
}

/* STACK is a module's body, right above the machinery that FRAME's line started. */
static void note_module(struct imports *imports, uint32_t stack, uint32_t frame)
{
    const struct pyro_profile *profile = imports->profile;
    struct statement *statement = &imports->statements[frame];
    uint32_t function = pyro_profile_function_of(profile, stack);
    if (!statement->known)
        statement->module = function;
    statement->known = true;
    statement->needed |=
        imports->needed[profile->functions[function].file] || imports->passes_on[function];
    statement->own |= !imports->context->library[function];
}

static void find_statements(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        uint32_t below = profile->stacks[i].parent, lead = imports->lead[below];
        uint32_t function = pyro_profile_function_of(profile, i);
        if (begins(imports, i))
            imports->lead[i] = below;
        else if (lead != PYRO_STACK_ROOT && imports->body[function])
            note_module(imports, i, profile->stacks[lead].frame);
        else if (is_machinery(imports, i) || profile->functions[function].kind == PYRO_FUNCTION_C)
            imports->lead[i] = lead;
    }
}

/* -- groups ------------------------------------------------------------------------------------- */

/* FILE imports something of the library of MODULE, a body: the place of its group, NULL: none of that was ever not used. */
static uint64_t *group_of(const struct imports *imports, uint32_t file, uint32_t module)
{
    size_t length;
    const char *part = first_part(imports->profile, module, &length);
    return pyro_map_find(&imports->ids, file, pyro_hash_bytes_here(part, length));
}

static struct group *group_at(const struct imports *imports, uint32_t frame)
{
    const struct pyro_profile *profile = imports->profile;
    const uint64_t *id = group_of(imports, profile->functions[profile->frames[frame].function].file,
                                  imports->statements[frame].module);
    return id ? &imports->groups[*id] : NULL;
}

/* A line of no file ("<string>": -c, or what site runs) is nowhere to change. */
static bool is_unused(const struct imports *imports, uint32_t frame)
{
    const struct statement *statement = &imports->statements[frame];
    const struct pyro_profile *profile = imports->profile;
    uint32_t function = profile->frames[frame].function;
    if (!statement->known || statement->needed || statement->own ||
        imports->context->library[function] ||
        *pyro_profile_text(profile, profile->functions[function].file) == '<')
        return false;
    const struct group *group = group_at(imports, frame);
    return !group || !group->stays;
}

static int note_group(struct imports *imports, uint32_t frame)
{
    const struct pyro_profile *profile = imports->profile;
    size_t length;
    const char *part = first_part(profile, imports->statements[frame].module, &length);
    bool is_new;
    uint64_t *id =
        pyro_map_insert(&imports->ids, profile->functions[profile->frames[frame].function].file,
                        pyro_hash_bytes_here(part, length), &is_new);
    if (id && is_new)
        *id = imports->group_count++;
    return id ? 0 : -ENOMEM;
}

/* -- who else imports it ------------------------------------------------------------------------ */

/* What statements load that are not used. */
static int find_covered(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    int result = 0;
    for (uint32_t i = 1; i < profile->stack_count && result == 0; i++) {
        uint32_t below = profile->stacks[i].parent, frame = profile->stacks[below].frame;
        imports->covered[i] = imports->covered[below];
        if (!begins(imports, i))
            continue;
        if (imports->statements[frame].needed)
            imports->covered[i] = false;
        if (!is_unused(imports, frame))
            continue;
        imports->covered[i] = true;
        result = note_group(imports, frame);
    }
    return result;
}

static void keep(struct imports *imports, uint32_t file)
{
    if (imports->kept[file] || imports->body_of[file] == PYRO_NO_ID)
        return;
    imports->kept[file] = true;
    imports->todo[imports->todo_count++] = imports->body_of[file];
}

/* The program's own modules, those that are used, and what was loaded by way of others than the statements that are not. A module of which
 * nothing was sampled is small: it is left out. */
static void find_kept(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    for (uint32_t i = 0; i < profile->function_count; i++)
        if (imports->body[i] &&
            (!imports->context->library[i] || imports->needed[profile->functions[i].file]))
            keep(imports, profile->functions[i].file);
    for (uint32_t i = 1; i < profile->stack_count; i++)
        if (is_body(imports, i) && !imports->covered[i])
            keep(imports, profile->functions[pyro_profile_function_of(profile, i)].file);
}

/* Would it be moved, too? */
static bool is_moved(const struct imports *imports, const struct pyro_import_line *line)
{
    const uint64_t *id = group_of(imports, line->importer, imports->body_of[line->imported]);
    return id && !imports->groups[*id].stays && is_own(imports, line->importer);
}

/* What a module that is kept imports is kept, too, and so needed. */
static void pass_on(struct imports *imports)
{
    while (imports->todo_count) {
        uint32_t body = imports->todo[--imports->todo_count];
        uint32_t importer = imports->profile->functions[body].file;
        for (size_t i = pyro_import_lines_of(&imports->lines, importer);
             i < imports->lines.count && imports->lines.items[i].importer == importer; i++) {
            const struct pyro_import_line *line = &imports->lines.items[i];
            if (imports->kept[line->imported] || is_moved(imports, line))
                continue;
            imports->needed[line->imported] = true;
            keep(imports, line->imported);
        }
    }
}

/* A line alone wins nothing where another one imports the same. */
static int leave_what_others_import(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    memset(imports->statements, 0, profile->frame_count * sizeof(*imports->statements));
    memset(imports->kept, 0, profile->strings.count * sizeof(*imports->kept));
    find_statements(imports);
    int result = find_covered(imports);
    if (result < 0)
        return result;
    find_kept(imports);
    pass_on(imports);
    memset(imports->statements, 0, profile->frame_count * sizeof(*imports->statements));
    find_statements(imports);
    return 0;
}

/* -- what it takes ------------------------------------------------------------------------------ */

/* An import begins at STACK: is it a part of one that is not used, or one itself? */
static uint32_t cover_of(struct imports *imports, uint32_t stack)
{
    const struct pyro_profile *profile = imports->profile;
    const struct pyro_stack_total *total = &imports->context->totals.stacks[stack];
    uint32_t below = profile->stacks[stack].parent, frame = profile->stacks[below].frame;
    uint32_t cover = imports->cover[below];
    if (cover && imports->statements[frame].needed) {
        imports->statements[cover - 1].saved_us -= total->tree_us;
        return 0;
    }
    if (cover || !is_unused(imports, frame))
        return cover;
    imports->statements[frame].saved_us += total->tree_us;
    imports->statements[frame].squares_us2 += total->tree_squares_us2;
    imports->statements[frame].samples += total->tree_samples;
    return frame + 1;
}

/* A module's body may stand in several stacks, one for each line of it. */
static void add_up_statements(struct imports *imports)
{
    const struct pyro_profile *profile = imports->profile;
    bool *counted = imports->reached; /* not asked any more */
    memset(counted, 0, profile->function_count * sizeof(*counted));
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        uint32_t below = profile->stacks[i].parent, function = pyro_profile_function_of(profile, i);
        imports->cover[i] = begins(imports, i) ? cover_of(imports, i) : imports->cover[below];
        if (!imports->cover[i] || !imports->body[function] || counted[function])
            continue;
        counted[function] = true;
        imports->statements[imports->cover[i] - 1].modules++;
    }
}

/* Those that import what is loaded already have no samples. */
static void count_lines(struct imports *imports)
{
    const struct pyro_import_line *before = NULL;
    for (size_t i = 0; i < imports->lines.count; i++) {
        const struct pyro_import_line *line = &imports->lines.items[i];
        const uint64_t *id = group_of(imports, line->importer, imports->body_of[line->imported]);
        if (id && (!before || before->importer != line->importer || before->line != line->line)) {
            imports->groups[*id].lines++;
            before = line;
        }
    }
    for (uint32_t i = 0; i < imports->group_count; i++)
        if (imports->groups[i].lines < imports->groups[i].sampled_lines)
            imports->groups[i].lines = imports->groups[i].sampled_lines;
}

static void add_up(struct imports *imports)
{
    add_up_statements(imports);
    for (uint32_t i = 0; i < imports->group_count; i++)
        imports->groups[i] = (struct group){.frame = PYRO_NO_ID, .stays = imports->groups[i].stays};
    for (uint32_t i = 0; i < imports->profile->frame_count; i++) {
        const struct statement *statement = &imports->statements[i];
        struct group *group = statement->samples ? group_at(imports, i) : NULL;
        if (!group)
            continue;
        const struct pyro_frame *frames = imports->profile->frames;
        if (group->frame == PYRO_NO_ID || frames[i].line < frames[group->frame].line)
            group->frame = i;
        group->saved_us += statement->saved_us;
        group->squares_us2 += statement->squares_us2;
        group->samples += statement->samples;
        group->modules += statement->modules;
        group->sampled_lines++;
    }
    count_lines(imports);
}

/* Nobody moves what is not worth it: it stays, and what it imports. True: that is news. */
static bool leave_the_small(struct imports *imports)
{
    bool news = false;
    for (uint32_t i = 0; i < imports->group_count; i++) {
        struct group *group = &imports->groups[i];
        bool small = group->samples < SAMPLES_MIN ||
                     !pyro_worth_it(imports->context, GAIN_LIKELY * group->saved_us / 1e6);
        news |= small && !group->stays;
        group->stays |= small;
    }
    return news;
}

/* -- what is told ------------------------------------------------------------------------------- */

static const char *fix_of(struct pyro_rule_context *context, const struct group *group)
{
    if (group->lines == 1)
        return "import it where it is used, within the function";
    return pyro_finding_text(context,
                             "import it where it is used, within the function; %" PRIu32
                             " lines of this module do",
                             group->lines);
}

static int report(struct pyro_rule_context *context, const struct imports *imports,
                  const struct group *group)
{
    const struct pyro_profile *profile = context->profile;
    const struct pyro_frame *frame = &profile->frames[group->frame];
    uint32_t module = imports->statements[group->frame].module;
    double all_us = context->totals.counted_us;
    double error_us = pyro_totals_error_us(group->saved_us, group->squares_us2, all_us);
    const char *file = pyro_path_short(pyro_profile_text(profile, profile->functions[module].file),
                                       profile->info.directory);
    struct pyro_finding *finding = pyro_finding_new(context, frame->function, frame->line);
    if (!finding)
        return -ENOMEM;
    finding->gain_s = GAIN_LIKELY * group->saved_us / 1e6;
    finding->gain_high_s = (group->saved_us + 2 * error_us) / 1e6;
    finding->title = pyro_finding_text(context, "import that this run does not use: %.0f %%",
                                       100 * group->saved_us / all_us);
    finding->why = pyro_finding_text(context,
                                     "%" PRIu32 " modules, %s the first: nothing of them was "
                                     "called but for imports",
                                     group->modules, file);
    finding->fix = fix_of(context, group);
    finding->confidence = PYRO_CONFIDENCE_LOW;
    finding->doubt = "if what is used has a class or a constant of it, it stays";
    pyro_finding_say(finding, "imported", file);
    pyro_finding_count(finding, "modules", group->modules);
    pyro_finding_count(finding, "lines", group->lines);
    pyro_finding_seconds(finding, "time_s", group->saved_us / 1e6);
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* What stays lets other things stay, so it takes some rounds. */
static int weigh(struct imports *imports)
{
    int result;
    do {
        result = leave_what_others_import(imports);
        if (result == 0)
            add_up(imports);
    } while (result == 0 && leave_the_small(imports));
    return result;
}

static int find(struct pyro_rule_context *context)
{
    struct imports imports;
    if (context->counted.edge_count == 0)
        return 0; /* nobody knows what was called */
    int result = imports_make(&imports, context);
    if (result == 0) {
        name_functions(&imports);
        result = name_parts(&imports);
    }
    if (result == 0)
        result = pyro_import_lines_make(&imports.lines, context->profile, imports.body);
    if (result == 0) {
        sort_edges(&imports);
        find_used(&imports);
        find_passing_on(&imports);
        result = weigh(&imports);
    }
    for (uint32_t i = 0; result == 0 && i < imports.group_count; i++)
        if (!imports.groups[i].stays)
            result = report(context, &imports, &imports.groups[i]);
    imports_clear(&imports);
    return result;
}

const struct pyro_rule pyro_rule_unused_import = {
    .name = "unused-import",
    .tier = PYRO_TIER_ALGORITHM,
    .needs = PYRO_NEED_CALLS,
    .mode = "run",
    .looks_for =
        "imports of a library by a module of the program that take 5 % of all time or more, "
        "while nothing of what they load is used in that run",
    .evidence = "the sampled time below these lines, what is used left out; exact calls: none of a "
                "function of these modules, but by their own bodies and those of other modules "
                "that are not used, nor of a C function of their names; what modules that stay "
                "import, by their lines",
    .fix = "import it within the function that uses it",
    .gain = "the time of that import, less 10 %; at the least nothing",
    .refuted_by = "a constant of them is needed, or a class that is only asked for; other runs are "
                  "the common ones, and use it",
    .blind_spots = "imports by libraries, and of modules of the program's own, which mostly import "
                   "each other; imports of two modules of the program's that could wait only "
                   "together; where sources cannot be read, who else imports a module that is "
                   "loaded; modules that are used without a call; Python before 3.11",
    .find = find,
};
