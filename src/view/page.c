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

static int put(FILE *out, const struct pyro_page_packed *packed)
{
    fwrite(pyro_file_page_html, 1, pyro_file_page_html_size, out);
    int result = pyro_page_put_packed(out, &packed->at_once);
    if (result == 0 && packed->later.count) {
        fwrite(before_later, 1, sizeof(before_later) - 1, out);
        result = pyro_page_put_packed(out, &packed->later);
    }
    if (result == 0)
        fwrite(after_data, 1, sizeof(after_data) - 1, out);
    return result;
}

int pyro_page_write(const struct pyro_profile *profile, const struct pyro_page_options *options,
                    FILE *out, struct pyro_error *error)
{
    struct pyro_page_packed packed = {0};
    int result = pyro_page_make(profile, options, &packed, error);
    if (result == 0)
        result = put(out, &packed);
    pyro_page_packed_clear(&packed.at_once);
    pyro_page_packed_clear(&packed.later);
    if (result == 0 && (fflush(out) != 0 || ferror(out)))
        result = errno ? -errno : -EIO;
    if (result < 0 && (!error || !error->code)) /* who failed may have said more */
        pyro_error_set(error, result, "cannot write the page: %s", strerror(-result));
    return result;
}
