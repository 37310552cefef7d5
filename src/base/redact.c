/* base/redact.c - secrets are known by the names of what holds them. */
#include "base/redact.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c);
}

static bool holds(const char *name, size_t length, const char *part)
{
    size_t size = strlen(part);
    for (size_t i = 0; i + size <= length; i++)
        if (strncasecmp(name + i, part, size) == 0)
            return true;
    return false;
}

/* As a word of its own: "key" in api_key and apiKey, but not in keyboard or monkey. */
static bool has_word(const char *name, size_t length, const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i + size <= length; i++) {
        if (strncasecmp(name + i, word, size) != 0)
            continue;
        bool camel =
            i > 0 && islower((unsigned char)name[i - 1]) && isupper((unsigned char)name[i]);
        bool begins = i == 0 || !is_word_char(name[i - 1]) || camel;
        char after = i + size < length ? name[i + size] : '\0';
        bool plural = after == 's' && (i + size + 1 == length || !is_word_char(name[i + size + 1]));
        if (begins && (!is_word_char(after) || plural || isupper((unsigned char)after)))
            return true;
    }
    return false;
}

bool pyro_secret_name(const char *name, size_t length)
{
    static const char *const parts[] = {
        "password",    "passwd",    "passphrase",    "secret", "credential", "apikey",
        "accesstoken", "authtoken", "authorization", "cookie", "privatekey", "accesskey",
    };
    static const char *const words[] = {"key", "token", "auth", "pwd", "pass", "pin", "salt"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (holds(name, length, parts[i]))
            return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (has_word(name, length, words[i]))
            return true;
    return false;
}

/* -- arguments ---------------------------------------------------------------------------------- */

/* Without what a terminal would do more with than show it. */
static void put_visible(struct pyro_buffer *out, const char *text, size_t length)
{
    size_t begin = out->size;
    pyro_buffer_put(out, text, length);
    if (!out->failed)
        pyro_utf8_make_plain((char *)out->data + begin, length);
}

/* postgres://user:X@host: true when it was one and was put without X. */
static bool put_url(struct pyro_buffer *out, const char *word, size_t length)
{
    const char *scheme = memmem(word, length, "://", 3);
    if (!scheme)
        return false;
    const char *user = scheme + 3, *end = word + length;
    const char *host = memchr(user, '@', (size_t)(end - user));
    const char *colon = host ? memchr(user, ':', (size_t)(host - user)) : NULL;
    if (!colon)
        return false;
    put_visible(out, word, (size_t)(colon + 1 - word));
    pyro_buffer_puts(out, PYRO_REDACTED);
    put_visible(out, host, (size_t)(end - host));
    return true;
}

/* *RET_NEXT: the word is an option whose value, the next word, is secret. */
static void put_argument(struct pyro_buffer *out, const char *word, size_t length, bool *ret_next)
{
    const char *equals = memchr(word, '=', length);
    size_t name = equals ? (size_t)(equals - word) : length;
    /* A name, not a piece of code or text that happens to mention one. */
    bool is_name = name > 0 && name <= 64 && !memchr(word, ' ', name) && !memchr(word, '(', name);
    bool secret = is_name && pyro_secret_name(word, name);
    *ret_next = secret && !equals && word[0] == '-';
    if (secret && equals) {
        put_visible(out, word, name + 1);
        pyro_buffer_puts(out, PYRO_REDACTED);
    } else if (!put_url(out, word, length)) {
        put_visible(out, word, length);
    }
}

void pyro_redact_arguments(const char *arguments, size_t size, struct pyro_buffer *out)
{
    bool secret = false;
    for (size_t at = 0; at < size;) {
        size_t length = strnlen(arguments + at, size - at);
        if (at)
            pyro_buffer_put_u8(out, ' ');
        if (secret && arguments[at] != '-') {
            pyro_buffer_puts(out, PYRO_REDACTED);
            secret = false;
        } else {
            put_argument(out, arguments + at, length, &secret);
        }
        at += length + 1;
    }
}

/* -- values ------------------------------------------------------------------------------------- */

/* The end of the quoted text that begins at TEXT. */
static const char *skip_quoted(const char *text)
{
    char quote = *text++;
    while (*text && *text != quote)
        text += text[0] == '\\' && text[1] ? 2 : 1;
    return *text ? text + 1 : text;
}

/* The end of the value that begins at TEXT: the comma or bracket on its own level. */
static const char *skip_value(const char *text)
{
    int depth = 0;
    while (*text) {
        if (*text == '\'' || *text == '"') {
            text = skip_quoted(text);
            continue;
        }
        if (strchr("([{", *text))
            depth++;
        else if (strchr(")]}", *text) && depth-- == 0)
            return text;
        else if (*text == ',' && depth == 0)
            return text;
        text++;
    }
    return text;
}

void pyro_redact_value(const char *text, struct pyro_buffer *out)
{
    while (*text) {
        if (*text != '\'' && *text != '"') {
            pyro_buffer_put_u8(out, (uint8_t)*text++);
            continue;
        }
        const char *end = skip_quoted(text);
        size_t length = (size_t)(end - text);
        pyro_buffer_put(out, text, length);
        bool key = end[0] == ':' && end[1] == ' ';
        if (key && length > 2 && pyro_secret_name(text + 1, length - 2)) {
            pyro_buffer_puts(out, ": " PYRO_REDACTED);
            end = skip_value(end + 2);
        }
        text = end;
    }
}
