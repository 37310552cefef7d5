/* analyze/rules/whole_file.c - a file that is read whole where it is gone through once.
 *
 * Where the bytes are is exact. That they are of a file the source says: of Python's own calls in C nothing else tells. Records that
 * stay for much longer than it took to load them are left alone, an index, say; text is doubted. What is put in order afterwards is all
 * needed at once. */
#include "analyze/kept.h"

#include "base/grow.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS     PYRO_KEPT_STEPS
#define BYTES_MIN (4.0 * 1024 * 1024)
#define SHARE_MIN 0.2  /* of the peak */
#define TOLD_MAX  16   /* more than have that share, but in a file that was made to be slow */
#define COPY_MIN  0.05 /* of the peak, for what another line of the function holds */
#define LOADED    0.9  /* of the most that is alive: from then on it is there */
#define GONE      0.5
#define STAYS_MAX 6   /* times as long as it took to load */
#define LOW       0.5 /* of what the line holds: where not all of it is of the file */

static const struct pattern {
    const char *parts[2]; /* that the source has, one after the other; NULL: one is enough */
    const char *fix;
    bool parsed; /* objects, which may be an index */
} patterns[] = {
    {{"json.load(", NULL}, "a record at a time: JSON Lines, or ijson.items(); keep none", true},
    {{"list(", "eader("}, "for row in the reader: take each, and keep none", true},
    {{"list(reader", NULL}, "for row in reader: take each, and keep none", true},
    {{".readlines(", NULL}, "for line in f: take each, and keep none", false},
    {{".read().split", NULL}, "for line in f: take each, and keep none", false},
    {{".read()", NULL}, "a part at a time: for line in f, or f.read(65536) in a loop", false},
    {{"join(", ".read("}, "a part at a time: take each, and do not join them", false},
    {{".read_text(", NULL}, "a line at a time: for line in path.open()", false},
    {{".read_bytes(", NULL},
     "a part at a time: path.open(\"rb\"), and read(65536) in a loop",
     false},
    {{"list(open(", NULL}, "for line in open(...): take each, and keep none", false},
    {{"list(f)", NULL}, "for line in f: take each, and keep none", false},
    {{"list(file)", NULL}, "for line in file: take each, and keep none", false},
    {{"ree.parse(", NULL}, "ElementTree.iterparse(), with element.clear() after each", true},
    {{"ET.parse(", NULL}, "ElementTree.iterparse(), with element.clear() after each", true},
    {{"read_csv(", NULL}, "read_csv(..., chunksize=100_000): a part at a time", true},
};
static const char *const files[] = {"f",      "fp",     "fh",     "file", "handle",
                                    "infile", "stream", "reader", "rows", "lines"};

/* "[... for line in f]": a list of all that a file has. */
static bool lists_a_file(const char *source)
{
    const char *at = strstr(source, " in ");
    if (!at || !strstr(source, "[") || !strstr(source, " for ") || strstr(source, "[") > at)
        return false;
    at += 4;
    size_t size = strcspn(at, "]) ,");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strlen(files[i]) == size && strncmp(at, files[i], size) == 0)
            return true;
    return strncmp(at, "open(", 5) == 0 || strncmp(at, "csv.", 4) == 0;
}

static const struct pattern list_of_all = {
    {NULL, NULL}, "take each as it is read, and keep none", true};

/* What SOURCE does; NULL: it reads no whole file, as far as one sees. */
static const struct pattern *pattern_of(const char *source)
{
    for (size_t i = 0; source && i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const char *at = strstr(source, patterns[i].parts[0]);
        if (at && (!patterns[i].parts[1] || strstr(at, patterns[i].parts[1])))
            return &patterns[i];
    }
    return source && lists_a_file(source) ? &list_of_all : NULL;
}

/* A line of the program's own, with all that it and what it called in libraries has. */
struct line {
    uint32_t function, line;
    uint32_t file;
    uint32_t stack; /* one that ends in it */
    double held;    /* at the peak */
    double live[STEPS + 1];
};

struct lines {
    struct line *items;
    size_t count, capacity;
    struct pyro_map ids;
};

static struct line *line_of(struct lines *lines, const struct pyro_profile *profile, uint32_t stack)
{
    const struct pyro_frame *frame = &profile->frames[profile->stacks[stack].frame];
    uint32_t file = profile->functions[frame->function].file;
    bool is_new;
    uint64_t *id = pyro_map_insert(&lines->ids, file, frame->line, &is_new);
    if (!id)
        return NULL;
    if (is_new) {
        if (pyro_grow(&lines->items, lines->count, &lines->capacity, sizeof(*lines->items)) < 0)
            return NULL;
        lines->items[lines->count] = (struct line){
            .function = frame->function, .line = frame->line, .file = file, .stack = stack};
        *id = lines->count++;
    }
    return &lines->items[*id];
}

static int add_lines(struct lines *lines, const struct pyro_kept *kept)
{
    const struct pyro_profile *profile = kept->context->profile;
    for (size_t i = 0; i < kept->count; i++) {
        const struct pyro_kept_row *row = &kept->rows[i];
        if (row->own == PYRO_STACK_ROOT)
            continue;
        struct line *line = line_of(lines, profile, row->own);
        if (!line)
            return -ENOMEM;
        line->held += (double)row->figures.held;
        for (size_t k = 0; k <= STEPS; k++)
            line->live[k] += row->live[k];
    }
    return 0;
}

/* The sampled time of the line, with all that it called. */
static double time_us_of(const struct pyro_rule_context *context, const struct line *line)
{
    const struct pyro_profile *profile = context->profile;
    double time_us = 0;
    for (uint32_t i = 1; i < profile->stack_count; i++) {
        const struct pyro_frame *frame = &profile->frames[profile->stacks[i].frame];
        if (frame->function == line->function && frame->line == line->line)
            time_us += context->totals.stacks[i].tree_us;
    }
    return time_us;
}

/* What stays is there for long: it was loaded to be looked at again and again. */
static bool stays(const struct pyro_kept *kept, const struct line *line)
{
    const double step_us = kept->total_us / STEPS;
    double most = 0, time_us = time_us_of(kept->context, line);
    size_t first = 0, loaded, gone;
    for (size_t k = 0; k <= STEPS; k++)
        most = line->live[k] > most ? line->live[k] : most;
    while (first < STEPS && line->live[first] <= 0)
        first++;
    for (loaded = first; loaded < STEPS && line->live[loaded] < LOADED * most;)
        loaded++;
    for (gone = loaded; gone <= STEPS && line->live[gone] > GONE * most;)
        gone++;
    if (time_us < (double)(loaded - first) * step_us) /* the sampler was held up */
        time_us = (double)(loaded - first) * step_us;
    return (double)(gone - loaded) * step_us > STAYS_MAX * (time_us + step_us);
}

/* -- is all of it needed at once? --------------------------------------------------------------- */

static bool is_name(char letter)
{
    return isalnum((unsigned char)letter) || letter == '_' || letter == '.';
}

/* "rows = ...", "self.rows = ...": the size of what is assigned to, which *SOURCE is at then; 0: nothing, or it is not one name. */
static size_t assigned(const char **source)
{
    size_t size = 0;
    *source += strspn(*source, " \t");
    while (is_name((*source)[size]))
        size++;
    const char *sign = *source + size + strspn(*source + size, " ");
    return sign[0] == '=' && sign[1] != '=' ? size : 0;
}

static bool ends_in(const char *text, size_t size, const char *end)
{
    size_t end_size = strlen(end);
    return size >= end_size && memcmp(text + size - end_size, end, end_size) == 0;
}

/* "rows.sort(", "sorted(rows": SOURCE wants all of NAME. */
static bool orders(const char *source, const char *name, size_t size)
{
    static const char *const calls[] = {"sorted(", "shuffle(", "reversed("};
    char text[128];
    if (!source || size >= sizeof(text))
        return false;
    memcpy(text, name, size);
    text[size] = '\0';
    for (const char *at = source; (at = strstr(at, text)); at++) {
        if (at > source && is_name(at[-1]))
            continue;
        if (strncmp(at + size, ".sort(", 6) == 0)
            return true;
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
            if (!is_name(at[size]) && ends_in(source, (size_t)(at - source), calls[i]))
                return true;
    }
    return false;
}

/* Does FUNCTION put NAME in order in a line behind LINE, as far as those are known that ran? */
static bool is_ordered_behind(const struct pyro_profile *profile, uint32_t function, uint32_t line,
                              const char *name, size_t size)
{
    const uint32_t file = profile->functions[function].file;
    for (size_t i = 0; i < profile->frame_count; i++) {
        const struct pyro_frame *frame = &profile->frames[i];
        if (frame->function == function && frame->line > line &&
            orders(pyro_profile_source(profile, file, frame->line), name, size))
            return true;
    }
    return false;
}

/* Where it is loaded, or where what loads it returns to. */
static bool is_ordered(const struct pyro_profile *profile, uint32_t stack)
{
    for (; stack != PYRO_STACK_ROOT; stack = profile->stacks[stack].parent) {
        const struct pyro_frame *frame = &profile->frames[profile->stacks[stack].frame];
        const char *source =
            pyro_profile_source(profile, profile->functions[frame->function].file, frame->line);
        if (!source)
            return false;
        if (strstr(source, "sorted("))
            return true;
        const size_t size = assigned(&source);
        if (size)
            return is_ordered_behind(profile, frame->function, frame->line, source, size);
        if (strncmp(source, "return ", 7) != 0)
            return false;
    }
    return false;
}

/* -- telling it --------------------------------------------------------------------------------- */

/* What other lines of the same function hold at the peak: made of it, mostly. */
static double copies_of(const struct lines *lines, const struct line *line, double peak)
{
    double held = 0;
    for (size_t i = 0; i < lines->count; i++) {
        const struct line *other = &lines->items[i];
        if (other != line && other->function == line->function && other->held >= COPY_MIN * peak &&
            other->line > line->line)
            held += other->held;
    }
    return held;
}

static int report(struct pyro_rule_context *context, const struct line *line, double copies,
                  const struct pattern *pattern, bool doubted)
{
    struct pyro_finding *finding = pyro_finding_new(context, line->function, line->line);
    if (!finding)
        return -ENOMEM;
    const char *size = pyro_finding_size(context, line->held);
    const char *more = pyro_finding_size(context, copies);
    if (!size || !more)
        return -ENOMEM;
    double share = 100 * line->held / context->findings->peak_bytes;
    finding->title = pyro_finding_text(context, "a whole file in memory: %s", size);
    finding->fix = pattern->fix;
    if (doubted) {
        finding->confidence = PYRO_CONFIDENCE_LOW;
        finding->doubt = "it stays for long: what is looked at again and again has to";
    }
    finding->why = copies > 0
                       ? pyro_finding_text(context,
                                           "%.0f %% of the peak; what is made of it in the lines "
                                           "below holds another %s",
                                           share, more)
                       : pyro_finding_text(context, "%.0f %% of the peak", share);
    pyro_finding_count(finding, "bytes", (uint64_t)line->held);
    pyro_finding_count(finding, "copies_bytes", (uint64_t)copies);
    finding->gain_bytes = line->held + copies;
    finding->gain_low_bytes = LOW * line->held;
    finding->gain_high_bytes = line->held + copies;
    return finding->title && finding->why ? 0 : -ENOMEM;
}

static int find_in(struct pyro_rule_context *context, const struct pyro_kept *kept,
                   const struct lines *lines)
{
    const double peak = context->findings->peak_bytes;
    int result = 0, told = 0;
    for (size_t i = 0; i < lines->count && result == 0 && told < TOLD_MAX; i++) {
        const struct line *line = &lines->items[i];
        const struct pattern *pattern =
            pattern_of(pyro_profile_source(context->profile, line->file, line->line));
        if (!pattern || line->held < BYTES_MIN || line->held < SHARE_MIN * peak)
            continue;
        bool doubted = stays(kept, line);
        if ((doubted && pattern->parsed) || is_ordered(context->profile, line->stack))
            continue;
        result = report(context, line, copies_of(lines, line, peak), pattern, doubted);
        told++;
    }
    return result;
}

static int find(struct pyro_rule_context *context)
{
    struct pyro_kept kept;
    struct lines lines = {0};
    int result = pyro_kept_make(&kept, context);
    if (result == 0)
        result = add_lines(&lines, &kept);
    if (result == 0)
        result = find_in(context, &kept, &lines);
    free(lines.items);
    pyro_map_free(&lines.ids);
    pyro_kept_clear(&kept);
    return result;
}

const struct pyro_rule pyro_rule_whole_file = {
    .name = "whole-file",
    .tier = PYRO_TIER_MEMORY,
    .mode = "run --memory",
    .looks_for = "a line that loads a whole file where it is gone through once: `json.load(f)`, "
                 "`f.read()`, `f.readlines()`, `list(csv.reader(f))`, a list of all lines",
    .evidence =
        "exact bytes that the line holds at the peak, 4 MiB and a fifth of it or more, what "
        "it called in libraries included, and what other lines of the function made of it; "
        "how long it stayed; the source, for what is called",
    .fix = "a generator over lines, rows or records; ijson, iterparse(), chunksize=",
    .gain = "what the line and those of its function that follow hold at the peak; at the least "
            "half of the line's own",
    .refuted_by = "all of it is needed at once, by more than one pass, say",
    .blind_spots =
        "records that stay over 6 times as long as it took to load, which may be an index; what is "
        "sorted, shuffled or reversed where it is loaded, or where it is returned to: all of that "
        "is needed at once; "
        "readers that the source does not name, a file that is read in pieces and joined; "
        "Python before 3.11",
    .find = find,
};
