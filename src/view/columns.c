/* view/columns.c - arrays of numbers, each as narrow as its largest one allows. */
#include "view/internal.h"

#include <math.h>
#include <stdlib.h>

static void begin(struct pyro_page_columns *columns, const char *name, const char *type,
                  size_t count)
{
    if (columns->count == PYRO_PAGE_COLUMNS_MAX) {
        columns->bytes.failed = true;
        return;
    }
    columns->items[columns->count++] = (struct pyro_page_column){
        .name = name, .type = type, .offset = columns->bytes.size, .count = count};
}

/* First all lowest bytes of COUNT numbers of SIZE bytes, then all that stand above those, and so on for WIDTH: the high ones are mostly the same. */
static void put_planes(struct pyro_page_columns *columns, const void *values, size_t size,
                       size_t width, size_t count)
{
    const uint8_t *bytes = values;
    uint8_t piece[4096];
    for (size_t plane = 0; plane < width; plane++)
        for (size_t begin = 0, many; begin < count; begin += many) {
            many = count - begin < sizeof(piece) ? count - begin : sizeof(piece);
            for (size_t i = 0; i < many; i++)
                piece[i] = bytes[(begin + i) * size + plane];
            pyro_buffer_put(&columns->bytes, piece, many);
        }
}

static uint32_t largest(const uint32_t *values, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++)
        found = values[i] > found ? values[i] : found;
    return found;
}

static bool all_same(const uint32_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (values[i] != values[0])
            return false;
    return count > 0;
}

void pyro_page_columns_u32(struct pyro_page_columns *columns, const char *name,
                           const uint32_t *values, size_t count)
{
    uint32_t most = largest(values, count);
    size_t width = most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : 4;
    if (all_same(values, count)) {
        begin(columns, name, "same", count);
        if (!columns->bytes.failed)
            columns->items[columns->count - 1].offset = values[0];
        return;
    }
    begin(columns, name, width == 1 ? "u8" : width == 2 ? "u16" : "u32", count);
    put_planes(columns, values, sizeof(*values), width, count);
}

void pyro_page_columns_ways(struct pyro_page_columns *columns, const char *name,
                            const uint32_t *values, size_t count)
{
    uint32_t *ways = calloc(count + 1, sizeof(*ways));
    for (size_t i = 0; ways && i < count; i++)
        ways[i] = pyro_page_way(i ? values[i - 1] : 0, values[i]);
    if (ways)
        pyro_page_columns_u32(columns, name, ways, count);
    else
        columns->bytes.failed = true;
    free(ways);
}

void pyro_page_columns_counts(struct pyro_page_columns *columns, const char *name,
                              const double *values, size_t count)
{
    uint32_t *whole = calloc(count + 1, sizeof(*whole));
    bool fits = whole != NULL;
    for (size_t i = 0; fits && i < count; i++) {
        fits = values[i] >= 0 && values[i] <= UINT32_MAX && values[i] == floor(values[i]);
        whole[i] = fits ? (uint32_t)values[i] : 0;
    }
    if (fits)
        pyro_page_columns_u32(columns, name, whole, count);
    else
        pyro_page_columns_f64(columns, name, values, count);
    free(whole);
}

void pyro_page_columns_f32(struct pyro_page_columns *columns, const char *name, const float *values,
                           size_t count)
{
    begin(columns, name, "f32", count);
    put_planes(columns, values, sizeof(*values), sizeof(*values), count);
}

void pyro_page_columns_f64(struct pyro_page_columns *columns, const char *name,
                           const double *values, size_t count)
{
    begin(columns, name, "f64", count);
    put_planes(columns, values, sizeof(*values), sizeof(*values), count);
}

void pyro_page_columns_json(struct pyro_json *json, const struct pyro_page_columns *columns)
{
    pyro_json_object(json, "columns");
    for (size_t i = 0; i < columns->count; i++) {
        pyro_json_array(json, columns->items[i].name);
        pyro_json_string(json, NULL, columns->items[i].type);
        pyro_json_u64(json, NULL, columns->items[i].offset);
        pyro_json_u64(json, NULL, columns->items[i].count);
        pyro_json_end(json);
    }
    pyro_json_end(json);
}

void pyro_page_columns_free(struct pyro_page_columns *columns)
{
    pyro_buffer_free(&columns->bytes);
    *columns = (struct pyro_page_columns){0};
}
