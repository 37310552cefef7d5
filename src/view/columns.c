/* view/columns.c - arrays of numbers, each as narrow as its largest one allows. */
#include "view/internal.h"

#define ALIGNMENT 8 /* of the widest type */

static void begin(struct pyro_page_columns *columns, const char *name, const char *type,
                  size_t count)
{
    static const uint8_t zeros[ALIGNMENT];
    size_t past = columns->bytes.size % ALIGNMENT;
    if (past)
        pyro_buffer_put(&columns->bytes, zeros, ALIGNMENT - past);
    if (columns->count == PYRO_PAGE_COLUMNS_MAX) {
        columns->bytes.failed = true;
        return;
    }
    columns->items[columns->count++] = (struct pyro_page_column){
        .name = name, .type = type, .offset = columns->bytes.size, .count = count};
}

static uint32_t largest(const uint32_t *values, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++)
        found = values[i] > found ? values[i] : found;
    return found;
}

void pyro_page_columns_u32(struct pyro_page_columns *columns, const char *name,
                           const uint32_t *values, size_t count)
{
    uint32_t most = largest(values, count);
    size_t width = most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : 4;
    begin(columns, name, width == 1 ? "u8" : width == 2 ? "u16" : "u32", count);
    for (size_t i = 0; i < count; i++) {
        const uint8_t bytes[] = {(uint8_t)values[i], (uint8_t)(values[i] >> 8),
                                 (uint8_t)(values[i] >> 16), (uint8_t)(values[i] >> 24)};
        pyro_buffer_put(&columns->bytes, bytes, width);
    }
}

void pyro_page_columns_f32(struct pyro_page_columns *columns, const char *name, const float *values,
                           size_t count)
{
    begin(columns, name, "f32", count);
    pyro_buffer_put(&columns->bytes, values, count * sizeof(*values));
}

void pyro_page_columns_f64(struct pyro_page_columns *columns, const char *name,
                           const double *values, size_t count)
{
    begin(columns, name, "f64", count);
    pyro_buffer_put(&columns->bytes, values, count * sizeof(*values));
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
