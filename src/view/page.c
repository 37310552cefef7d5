/* view/page.c - the page of viewer/ with the data behind it. */
#include "view/page.h"

#include "view/internal.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* Made by tools/page: the page up to its data, which stand last in it. */
extern const unsigned char pyro_file_page_html[];
extern const size_t pyro_file_page_html_size;
static const char before_later[] =
    "</script>\n<script id=\"later\" type=\"application/octet-stream\">";
static const char after_data[] = "</script>\n</body>\n</html>\n";

#define GZIP_WINDOW_BITS (15 + 16) /* deflateInit2: a gzip header and trailer */

/* -- bytes as text: 13 bits are two of 91 printable characters ----------------------------------------- */

enum { DIGITS = 91, PAIR_BITS = 13, DIGIT_BITS = 6 /* that one character holds */ };

struct writer {
    FILE *out;
    uint32_t bits, count; /* those that wait for more */
};

/* No space, nor what might end or begin something in a page: & < \ */
static void put_digit(struct writer *writer, uint32_t digit)
{
    char character = (char)(0x21 + digit);
    character = (char)(character + (character >= '&'));
    character = (char)(character + (character >= '<'));
    character = (char)(character + (character >= '\\'));
    fputc_unlocked(character, writer->out);
}

static void put_pair(struct writer *writer)
{
    uint32_t pair = writer->bits & ((1u << PAIR_BITS) - 1);
    put_digit(writer, pair % DIGITS);
    put_digit(writer, pair / DIGITS);
}

static void put_bytes(struct writer *writer, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        writer->bits |= (uint32_t)bytes[i] << writer->count;
        writer->count += 8;
        if (writer->count < PAIR_BITS)
            continue;
        put_pair(writer);
        writer->bits >>= PAIR_BITS;
        writer->count -= PAIR_BITS;
    }
}

/* One character if that holds the rest, so that no byte more is read back than was written. */
static void put_rest(struct writer *writer)
{
    if (writer->count > DIGIT_BITS)
        put_pair(writer);
    else if (writer->count > 0)
        put_digit(writer, writer->bits);
}

/* -- packing -------------------------------------------------------------------------------------- */

/* What takes the longest of a large page is packing it as small as can be. */
static int level_for(size_t size)
{
    return size < 1u << 20 ? 9 : size < 4u << 20 ? 6 : size < 12u << 20 ? 4 : 1;
}

static int put_packed(FILE *out, const struct pyro_buffer *data)
{
    static unsigned char piece[1 << 16];
    struct writer writer = {.out = out};
    z_stream zip = {.next_in = data->data, .avail_in = (uInt)data->size};
    if (data->size > UINT32_MAX)
        return -EFBIG;
    if (deflateInit2(&zip, level_for(data->size), Z_DEFLATED, GZIP_WINDOW_BITS, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int state = Z_OK;
    while (state != Z_STREAM_END) {
        zip.next_out = piece;
        zip.avail_out = sizeof(piece);
        while (zip.avail_out && state != Z_STREAM_END)
            state = deflate(&zip, Z_FINISH);
        put_bytes(&writer, piece, sizeof(piece) - zip.avail_out);
    }
    put_rest(&writer);
    deflateEnd(&zip);
    return 0;
}

int pyro_page_write(const struct pyro_profile *profile, const struct pyro_page_options *options,
                    FILE *out, struct pyro_error *error)
{
    struct pyro_buffer data = {0}, later = {0};
    int result = pyro_page_data(profile, options, &data, &later, error);
    if (result == 0) {
        fwrite(pyro_file_page_html, 1, pyro_file_page_html_size, out);
        result = put_packed(out, &data);
        if (result == 0 && later.size) {
            fwrite(before_later, 1, sizeof(before_later) - 1, out);
            result = put_packed(out, &later);
        }
        fwrite(after_data, 1, sizeof(after_data) - 1, out);
    }
    pyro_buffer_free(&data);
    pyro_buffer_free(&later);
    if (result == 0 && (fflush(out) != 0 || ferror(out)))
        result = errno ? -errno : -EIO;
    if (result < 0 && (!error || !error->code)) /* who failed may have said more */
        pyro_error_set(error, result, "cannot write the page: %s", strerror(-result));
    return result;
}
