/* What looks secret is left out; what does not stays. */
#include "base/redact.h"

#include "check.h"

static bool is_secret(const char *name)
{
    return pyro_secret_name(name, strlen(name));
}

static void names(void)
{
    CHECK(is_secret("password") && is_secret("DB_PASSWORD") && is_secret("userPasswd"));
    CHECK(is_secret("api_key") && is_secret("apiKey") && is_secret("APIKEY") && is_secret("keys"));
    CHECK(is_secret("token") && is_secret("auth_token") && is_secret("client_secret"));
    CHECK(is_secret("--auth") && is_secret("Authorization") && is_secret("aws_secret_access_key"));
    CHECK(!is_secret("keyboard") && !is_secret("monkey") && !is_secret("author"));
    CHECK(!is_secret("tokenizer") && !is_secret("passenger") && !is_secret("spinner"));
    CHECK(!is_secret("") && !is_secret("_"));
}

#define CHECK_LINE(arguments, expected) check_line(arguments, sizeof(arguments) - 1, expected)

static void check_line(const char *arguments, size_t size, const char *expected)
{
    struct pyro_buffer out = {0};
    char *copy = malloc(size ? size : 1); /* of that size: reading past it is found */
    memcpy(copy, arguments, size);
    pyro_redact_arguments(copy, size, &out);
    pyro_buffer_put_u8(&out, 0);
    CHECK_STR((const char *)out.data, expected);
    pyro_buffer_free(&out);
    free(copy);
}

static void arguments(void)
{
    CHECK_LINE("python\0app.py\0-v", "python app.py -v");
    CHECK_LINE("a\0--token=abc\0b", "a --token=[redacted] b");
    CHECK_LINE("a\0--password\0abc\0b", "a --password [redacted] b");
    CHECK_LINE("a\0--password\0--verbose", "a --password --verbose");
    CHECK_LINE("a\0API_KEY=x y", "a API_KEY=[redacted]");
    CHECK_LINE("a\0postgres://me:pw@host/db", "a postgres://me:[redacted]@host/db");
    CHECK_LINE("a\0http://host:80/x", "a http://host:80/x");
    CHECK_LINE("python\0-c\0def f(key): return token == 3",
               "python -c def f(key): return token == 3");
    CHECK_LINE("a\0\0b", "a  b");
    CHECK_LINE("", "");
    CHECK_LINE("--password", "--password");
    CHECK_LINE("x\033[31m\302\233\177", "x?[31m???");
}

static void check_value(const char *text, const char *expected)
{
    struct pyro_buffer out = {0};
    pyro_redact_value(text, &out);
    pyro_buffer_put_u8(&out, 0);
    CHECK_STR((const char *)out.data, expected);
    pyro_buffer_free(&out);
}

static void values(void)
{
    check_value("{'api_key': 'k', 'n': 1}", "{'api_key': [redacted], 'n': 1}");
    check_value("{'n': {'password': [1, (2, 3)], 'm': 2}}",
                "{'n': {'password': [redacted], 'm': 2}}");
    check_value("{'token': 'a, b}', 'm': 2}", "{'token': [redacted], 'm': 2}");
    check_value("{'token': \"it's\\\"\"}", "{'token': [redacted]}");
    check_value("['password', 'x']", "['password', 'x']");
    check_value("'token: x'", "'token: x'");
    check_value("{'token': 'cut of", "{'token': [redacted]");
    check_value("'never ends\\", "'never ends\\");
    check_value("", "");
}

int main(void)
{
    return CHECK_MAIN(TEST(names), TEST(arguments), TEST(values));
}
