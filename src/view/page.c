/* view/page.c - the page of viewer/ with the data behind it. */
#include "view/page.h"

#include "view/internal.h"

#include <errno.h>
#include <string.h>

/* Made by tools/page: the page up to its data, which stand last in it. */
extern const unsigned char pyro_file_page_html[];
extern const size_t pyro_file_page_html_size;
static const char before_later[] =
    "</script>\n<script id=\"later\" type=\"application/octet-stream\">";
static const char after_data[] = "</script>\n</body>\n</html>\n";

enum { AT_ONCE, LATER, BOTH };

static int put(FILE *out, const struct pyro_buffer *data, const struct pyro_buffer *later)
{
    const struct pyro_buffer *const both[BOTH] = {data, later};
    struct pyro_packed_data packed = {0};
    size_t count = later->size ? BOTH : LATER;
    int result = pyro_page_pack(&packed, both, count);
    if (result == 0) {
        fwrite(pyro_file_page_html, 1, pyro_file_page_html_size, out);
        result = pyro_page_put_packed(out, &packed, AT_ONCE);
    }
    if (result == 0 && later->size) {
        fwrite(before_later, 1, sizeof(before_later) - 1, out);
        result = pyro_page_put_packed(out, &packed, LATER);
    }
    if (result == 0)
        fwrite(after_data, 1, sizeof(after_data) - 1, out);
    pyro_page_packed_clear(&packed, count);
    return result;
}

int pyro_page_write(const struct pyro_profile *profile, const struct pyro_page_options *options,
                    FILE *out, struct pyro_error *error)
{
    struct pyro_buffer data = {0}, later = {0};
    int result = pyro_page_data(profile, options, &data, &later, error);
    if (result == 0)
        result = put(out, &data, &later);
    pyro_buffer_free(&data);
    pyro_buffer_free(&later);
    if (result == 0 && (fflush(out) != 0 || ferror(out)))
        result = errno ? -errno : -EIO;
    if (result < 0 && (!error || !error->code)) /* who failed may have said more */
        pyro_error_set(error, result, "cannot write the page: %s", strerror(-result));
    return result;
}
