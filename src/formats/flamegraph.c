/* formats/flamegraph.c - one interactive SVG: a still drawing, the data, and the script that works on it.
 *
 * A viewer without scripts shows the drawing; a browser runs flamegraph.js, which draws anew for its width and zoom.
 * Root at the top, the largest child first. Every text passes pyro_put_xml() or the JSON writer, which escape what XML
 * or a script could take for its own. */
#include "base/json.h"
#include "base/utf8.h"
#include "formats/internal.h"
#include "formats/picture.h"
#include "profile/paths.h"
#include "profile/summary.h"

#include <inttypes.h>
#include <string.h>

/* The same as in flamegraph.js. */
#define ROW_HEIGHT 19
#define BOX_HEIGHT 18
#define TOP        98
#define FOOT       30

extern const unsigned char pyro_file_flamegraph_css[], pyro_file_flamegraph_js[];
extern const size_t pyro_file_flamegraph_css_size, pyro_file_flamegraph_js_size;

struct writer {
    FILE *out;
    const struct pyro_profile *profile;
    const struct pyro_export_options *options;
    const struct pyro_tree *tree;
    const struct pyro_picture *picture;
    const struct pyro_summary *summary;
};

/* -- text --------------------------------------------------------------------------------------- */

static const char *xml_entity(uint32_t code_point)
{
    switch (code_point) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void pyro_put_xml(FILE *out, const char *text)
{
    for (const char *end = text + strlen(text); text < end;) {
        uint32_t code_point = pyro_utf8_next(&text, end);
        const char *entity = xml_entity(code_point);
        if (entity) {
            fputs(entity, out);
            continue;
        }
        bool allowed = code_point >= 0x20 && code_point != 0xfffe && code_point != 0xffff;
        char bytes[4];
        fwrite(bytes, 1, pyro_utf8_put(bytes, allowed ? code_point : PYRO_UTF8_REPLACEMENT), out);
    }
}

/* A share in percent, without printf's decimal comma. */
static void put_percent(FILE *out, double share)
{
    uint64_t thousandths = share > 0 ? (uint64_t)(share * 100000 + 0.5) : 0;
    fprintf(out, "%" PRIu64 ".%03" PRIu64 "%%", thousandths / 1000, thousandths % 1000);
}

/* -- what a box is ------------------------------------------------------------------------------ */

enum look { LOOK_OWN, LOOK_LIBRARY, LOOK_C, LOOK_PLAIN };

/* Class in flamegraph.css, range of hues, and saturation and lightness in percent for viewers that know no
 * variables. One's own code is warm and strong, everything else steps back. */
static const struct {
    const char *name;
    unsigned hue_from, hue_to, saturation, lightness;
} looks[] = {
    [LOOK_OWN] = {"own", 12, 50, 88, 72},
    [LOOK_LIBRARY] = {"lib", 180, 270, 36, 80},
    [LOOK_C] = {"c", 95, 165, 34, 74},
    [LOOK_PLAIN] = {"plain", 30, 30, 12, 85},
};

struct face {
    char name[PYRO_NAME_BYTES];
    char where[PYRO_NAME_BYTES]; /* "orm.py:312" */
    char file[PYRO_NAME_BYTES];  /* "/srv/shop/orm.py:312" */
    enum look look;
    unsigned hue;
};

/* The same file always has the same hue. */
static unsigned hue_of(enum look look, const char *module)
{
    unsigned range = looks[look].hue_to - looks[look].hue_from + 1;
    return looks[look].hue_from + (unsigned)(pyro_hash_bytes(module, strlen(module)) % range);
}

static void make_face(struct face *face, const struct writer *writer, uint32_t node)
{
    const struct pyro_profile *profile = writer->profile;
    uint32_t id = pyro_tree_function(writer->tree, node), line = pyro_tree_line(writer->tree, node);
    *face = (struct face){.look = LOOK_PLAIN};
    pyro_tree_name(face->name, sizeof(face->name), writer->tree, node);
    if (id != PYRO_NO_ID && profile->functions[id].kind == PYRO_FUNCTION_C)
        face->look = LOOK_C;
    if (id != PYRO_NO_ID && profile->functions[id].kind == PYRO_FUNCTION_PYTHON) {
        const char *path = pyro_profile_text(profile, profile->functions[id].file);
        const char *module = pyro_path_short(path, profile->info.directory);
        face->look = pyro_path_is_library(path) ? LOOK_LIBRARY : LOOK_OWN;
        snprintf(face->where, sizeof(face->where), "%s:%" PRIu32, pyro_path_basename(path), line);
        snprintf(face->file, sizeof(face->file), "%s:%" PRIu32, path, line);
        face->hue = hue_of(face->look, module);
    } else {
        face->hue = hue_of(face->look, face->name);
    }
}

/* One channel of a colour given as HSL: 0 red, 8 green, 4 blue (the usual short form of the conversion). */
static unsigned channel(const struct face *face, unsigned which)
{
    double saturation = looks[face->look].saturation / 100.0,
           light = looks[face->look].lightness / 100.0;
    double reach = saturation * (light < 0.5 ? light : 1 - light), k = which + face->hue / 30.0;
    while (k >= 12)
        k -= 12;
    double slope = k - 3 < 9 - k ? k - 3 : 9 - k;
    slope = slope > 1 ? 1 : slope < -1 ? -1 : slope;
    return (unsigned)((light - reach * slope) * 255 + 0.5);
}

/* -- data for the script ------------------------------------------------------------------------ */

static void put_names(struct pyro_json *json, const struct writer *writer)
{
    pyro_json_array(json, "names");
    for (size_t i = 0; i < writer->picture->name_count; i++) {
        struct face face;
        make_face(&face, writer, writer->picture->names[i]);
        pyro_json_array(json, NULL);
        pyro_json_string(json, NULL, face.name);
        pyro_json_string(json, NULL, face.where);
        pyro_json_string(json, NULL, looks[face.look].name);
        pyro_json_u64(json, NULL, face.hue);
        pyro_json_string(json, NULL, face.file);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

/* One column of the boxes under KEY; EXPRESSION may use box and node. */
#define COLUMN(key, expression)                                             \
    do {                                                                    \
        pyro_json_line(&json);                                              \
        pyro_json_array(&json, key);                                        \
        for (size_t i = 0; i < writer->picture->count; i++) {               \
            const struct pyro_box *box = &writer->picture->boxes[i];        \
            const struct pyro_node *node = &writer->tree->nodes[box->node]; \
            (void)node;                                                     \
            pyro_json_u64(&json, NULL, (uint64_t)(expression));             \
        }                                                                   \
        pyro_json_end(&json);                                               \
    } while (0)

static bool of_samples(const struct writer *writer)
{
    return !writer->tree->traced && !writer->tree->bytes;
}

static const char *counted_unit(const struct writer *writer)
{
    return writer->tree->bytes ? "block" : writer->tree->traced ? "call" : "sample";
}

static void put_data(const struct writer *writer)
{
    struct pyro_json json = pyro_json_to(writer->out);
    fputs("<metadata>", writer->out);
    pyro_json_object(&json, NULL);
    put_names(&json, writer);
    COLUMN("depth", box->depth);
    COLUMN("name", box->name);
    COLUMN("total", node->total + 0.5);
    COLUMN("self", node->self + 0.5);
    COLUMN("samples", of_samples(writer) ? node->total_count : node->self_count);
    pyro_json_string(&json, "unit", counted_unit(writer));
    pyro_json_bool(&json, "bytes", writer->options->bytes != PYRO_BYTES_NONE);
    pyro_json_end(&json);
    fputs("</metadata>\n", writer->out);
}

/* -- the still drawing -------------------------------------------------------------------------- */

#define STILL_COLUMNS 165 /* letters in the width of a usual screen */

static void put_box(const struct writer *writer, const struct pyro_box *box)
{
    FILE *out = writer->out;
    const struct pyro_node *node = &writer->tree->nodes[box->node];
    double whole = writer->tree->nodes[0].total, share = whole > 0 ? node->total / whole : 1;
    struct face face;
    char amount[32];
    make_face(&face, writer, box->node);
    if (writer->tree->bytes)
        pyro_summary_size(amount, sizeof(amount), (uint64_t)node->total);
    else
        pyro_summary_duration(amount, sizeof(amount), node->total / 1e6);
    fprintf(out, "<svg class=\"box %s\" style=\"--h:%u\" x=\"", looks[face.look].name, face.hue);
    put_percent(out, whole > 0 ? box->start / whole : 0);
    fprintf(out, "\" y=\"%u\" height=\"%d\" width=\"", box->depth * ROW_HEIGHT, BOX_HEIGHT);
    put_percent(out, share);
    fputs("\"><title>", out);
    pyro_put_xml(out, face.name);
    fprintf(out, " %s ", *face.file ? "in" : "");
    pyro_put_xml(out, face.file);
    fprintf(out, " %s, ", amount);
    put_percent(out, share);
    fprintf(out, "</title><rect width=\"100%%\" height=\"100%%\" rx=\"2\" fill=\"#%02x%02x%02x\"/>",
            channel(&face, 0), channel(&face, 8), channel(&face, 4));
    if (share * STILL_COLUMNS >= 3) {
        fputs("<text x=\"4\" y=\"13\" font-size=\"11.5\" font-family=\"monospace\">", out);
        pyro_put_xml(out, face.name);
        fputs("</text>", out);
    }
    fputs("</svg>\n", out);
}

static void put_boxes(const struct writer *writer)
{
    size_t height = (writer->picture->deepest + 1) * ROW_HEIGHT;
    fprintf(
        writer->out,
        "<svg class=\"boxes\" x=\"16\" y=\"%d\" width=\"97%%\" height=\"%zu\" overflow=\"visible\" "
        "style=\"width:calc(100%% - 32px)\">\n",
        TOP, height);
    for (size_t i = 0; i < writer->picture->count; i++)
        if (writer->picture->boxes[i].drawn)
            put_box(writer, &writer->picture->boxes[i]);
    fputs("</svg>\n", writer->out);
}

/* -- head and foot ------------------------------------------------------------------------------ */

static void put_text_line(FILE *out, const char *class_name, int x, size_t y, int font_size,
                          const char *text)
{
    fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%zu\" font-size=\"%d\">", class_name, x, y,
            font_size);
    pyro_put_xml(out, text);
    fputs("</text>\n", out);
}

static const char *clock_words(enum pyro_clock clock)
{
    static const char *const words[] = {"", ", only CPU time", ", only with the GIL held",
                                        ", only waiting"};
    return words[clock];
}

/* "1 kHz, 4012 samples, 0 unsure" */
static void sampling_words(char *text, size_t size, const struct writer *writer)
{
    const struct pyro_summary *summary = writer->summary;
    char rate[32] = "";
    if (writer->profile->info.rate_hz)
        pyro_summary_rate(rate, sizeof(rate), writer->profile->info.rate_hz);
    snprintf(text, size, "%s%s%" PRIu64 " samples, %" PRIu64 " unsure%s", rate, *rate ? ", " : "",
             summary->samples, summary->unsure_samples, clock_words(writer->options->clock));
}

/* What is in no box is told. */
static void tracking_words(char *text, size_t size, const struct writer *writer)
{
    struct pyro_export_bytes sums;
    char lost[64] = "", period[32];
    pyro_export_bytes(&sums, writer->profile);
    if (sums.lost)
        snprintf(lost, sizeof(lost), ", %" PRIu64 " blocks in no figure", sums.lost);
    if (sums.period)
        pyro_summary_size(period, sizeof(period), sums.period);
    snprintf(text, size, "%s%s%s by Python's allocators%s was seen%s",
             sums.period ? "estimated: a sample each " : "", sums.period ? period : "",
             sums.period     ? " of what is allocated"
             : sums.unhooked ? "not all that was allocated"
                             : "every allocation and free",
             sums.native ? " and C's" : "", lost);
}

/* "python 3.14.10, 1 kHz, 4012 samples, 0 unsure", "python 3.14.10, every allocation and free ..." */
static void put_how(const struct writer *writer)
{
    const char *python = writer->profile->info.python;
    bool known = python && *python;
    char words[224], text[256];
    if (writer->options->bytes)
        tracking_words(words, sizeof(words), writer);
    else
        sampling_words(words, sizeof(words), writer);
    snprintf(text, sizeof(text), "%s%.40s%s%s", known ? "python " : "", known ? python : "",
             known ? ", " : "", words);
    put_text_line(writer->out, "how", 16, 70, 12, text);
}

/* "peak 9.0 MiB, 4.0 MiB left at the end, 11.7 MiB allocated in 7841 blocks" */
static void memory_line(char *text, size_t size, const struct pyro_profile *profile)
{
    struct pyro_export_bytes sums;
    char peak[32], live[32], allocated[32];
    pyro_export_bytes(&sums, profile);
    pyro_summary_size(peak, sizeof(peak), sums.peak);
    pyro_summary_size(live, sizeof(live), sums.live);
    pyro_summary_size(allocated, sizeof(allocated), sums.allocated);
    snprintf(text, size, "peak %s, %s left %s, %s allocated in %" PRIu64 " blocks", peak, live,
             sums.stopped ? "at the end" : "when it was last seen", allocated, sums.blocks);
}

static void put_bar_part(FILE *out, const char *class_name, const char *fill, double *at,
                         double share)
{
    fprintf(out, "<rect class=\"%s\" fill=\"%s\" height=\"6\" x=\"", class_name, fill);
    put_percent(out, *at);
    fputs("\" width=\"", out);
    put_percent(out, share);
    fputs("\"/>", out);
    *at += share;
}

/* Waiting, Python, no CPU: one line across the top. */
static void put_bar(const struct writer *writer)
{
    const struct pyro_summary *summary = writer->summary;
    double waiting_us = summary->waiting_us + summary->gil_wait_us;
    double python_us = summary->running_us + summary->unknown_us;
    double all_us = waiting_us + python_us + summary->runnable_us, at = 0;
    if (all_us <= 0)
        return;
    put_bar_part(writer->out, "bar-wait", "#4f86c6", &at, waiting_us / all_us);
    put_bar_part(writer->out, "bar-python", "#f2a33a", &at, python_us / all_us);
    put_bar_part(writer->out, "bar-nocpu", "#a8a29a", &at, summary->runnable_us / all_us);
    fputs("\n", writer->out);
}

static void put_head(const struct writer *writer, size_t height)
{
    char title[PYRO_NAME_BYTES], split[256];
    FILE *out = writer->out;
    pyro_export_title(title, sizeof(title), writer->profile, writer->options);
    if (writer->options->bytes)
        memory_line(split, sizeof(split), writer->profile);
    else
        pyro_summary_split(split, sizeof(split), writer->summary, true);
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
            "width=\"100%%\" height=\"%zu\" font-family=\"sans-serif\">\n<title>",
            height);
    pyro_put_xml(out, title);
    fputs("</title>\n<style><![CDATA[\n", out);
    fwrite(pyro_file_flamegraph_css, 1, pyro_file_flamegraph_css_size, out);
    fputs("]]></style>\n<rect class=\"back\" width=\"100%\" height=\"100%\" fill=\"#fdfcfa\"/>\n",
          out);
    if (!writer->options->bytes)
        put_bar(writer);
    put_text_line(out, "title", 16, 32, 17, title);
    put_text_line(out, "split", 16, 52, 14, split);
    put_how(writer);
    put_text_line(out, "status", 16, 87, 12, "");
}

static void put_foot(const struct writer *writer, size_t height)
{
    char text[256] = "";
    double whole = writer->tree->nodes[0].total;
    if (writer->picture->left_out && whole > 0)
        snprintf(text, sizeof(text),
                 "%zu of the narrowest boxes are left out, together %.2f %% of the %s",
                 writer->picture->left_out, 100 * writer->picture->left_out_weight / whole,
                 writer->tree->bytes ? "bytes" : "time");
    put_text_line(writer->out, "foot", 16, height - 10, 12, text);
}

static void put_picture(const struct writer *writer)
{
    size_t height = TOP + (writer->picture->deepest + 1) * ROW_HEIGHT + FOOT;
    put_head(writer, height);
    put_boxes(writer);
    put_foot(writer, height);
    put_data(writer);
    fputs("<script><![CDATA[\n", writer->out);
    fwrite(pyro_file_flamegraph_js, 1, pyro_file_flamegraph_js_size, writer->out);
    fputs("]]></script>\n</svg>\n", writer->out);
}

int pyro_write_flamegraph(const struct pyro_profile *profile,
                          const struct pyro_export_options *options, FILE *out,
                          struct pyro_error *error)
{
    struct pyro_tree tree = {0};
    struct pyro_picture picture = {0};
    struct pyro_summary summary;
    int result = pyro_summary_make(&summary, profile, &PYRO_TOTALS_ALL);
    if (result == 0)
        result = pyro_tree_init(&tree, profile, options);
    if (result == 0) {
        result = pyro_tree_fill(&tree);
        if (result == 0)
            result = pyro_picture_init(&picture, &tree);
        if (result == 0)
            put_picture(&(struct writer){out, profile, options, &tree, &picture, &summary});
        pyro_picture_clear(&picture);
        pyro_tree_clear(&tree);
    }
    return pyro_export_done(result, out, "the flamegraph", error);
}
