/* view/page.c - the page of viewer/ with the data behind it. */
#include "view/page.h"

#include "view/internal.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* Made by tools/page: the page up to its data, which stand last in it. */
extern const unsigned char pyro_file_page_html[];
extern const size_t pyro_file_page_html_size;
static const char after_data[] = "</script>\n</body>\n</html>\n";

#define GZIP_WINDOW_BITS (15 + 16) /* deflateInit2: a gzip header and trailer */
#define PIECE            (3 << 14) /* bytes that become base64 together: a multiple of three */

static void put_base64(FILE *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        const char four[] = {digits[three >> 18], digits[three >> 12 & 63],
                             left > 1 ? digits[three >> 6 & 63] : '=',
                             left > 2 ? digits[three & 63] : '='};
        fwrite(four, 1, sizeof(four), out);
    }
}

static int put_packed(FILE *out, const struct pyro_buffer *data)
{
    static unsigned char piece[PIECE];
    z_stream zip = {.next_in = data->data, .avail_in = (uInt)data->size};
    if (data->size > UINT32_MAX)
        return -EFBIG;
    if (deflateInit2(&zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int state = Z_OK;
    while (state != Z_STREAM_END) {
        zip.next_out = piece;
        zip.avail_out = sizeof(piece);
        while (zip.avail_out && state != Z_STREAM_END)
            state = deflate(&zip, Z_FINISH);
        put_base64(out, piece, sizeof(piece) - zip.avail_out);
    }
    deflateEnd(&zip);
    return 0;
}

int pyro_page_write(const struct pyro_profile *profile, const struct pyro_page_options *options,
                    FILE *out, struct pyro_error *error)
{
    struct pyro_buffer data = {0};
    int result = pyro_page_data(profile, options, &data, error);
    if (result == 0) {
        fwrite(pyro_file_page_html, 1, pyro_file_page_html_size, out);
        result = put_packed(out, &data);
        fwrite(after_data, 1, sizeof(after_data) - 1, out);
    }
    pyro_buffer_free(&data);
    if (result == 0 && (fflush(out) != 0 || ferror(out)))
        result = errno ? -errno : -EIO;
    if (result < 0 && (!error || !error->code)) /* who failed may have said more */
        pyro_error_set(error, result, "cannot write the page: %s", strerror(-result));
    return result;
}
