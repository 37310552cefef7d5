/* tests/unit/base_utf8.c - what of a name may reach a terminal. */
#include "base/utf8.h"

#include "check.h"

static void check_plain(const char *text, const char *expected)
{
    char shown[64];
    snprintf(shown, sizeof(shown), "%s", text);
    pyro_utf8_make_plain(shown, strlen(shown));
    CHECK_STR(shown, expected);
}

static void what_is_only_shown_stays(void)
{
    check_plain("", "");
    check_plain("order_list", "order_list");
    check_plain("pr\xc3\xa9nom \xe4\xb8\x96 \xf0\x9f\x98\x80",
                "pr\xc3\xa9nom \xe4\xb8\x96 \xf0\x9f\x98\x80");
    check_plain("\xef\xbf\xbd", "\xef\xbf\xbd"); /* U+FFFD itself */
}

static void what_a_terminal_obeys_is_a_question_mark(void)
{
    check_plain("a\x1b[31m\n\x7f", "a?[31m??");
    check_plain("\xc2\x9b"
                "1m",
                "??1m"); /* C1 */
    check_plain("\xe2\x80\xae"
                "a\xe2\x81\xa6\xe2\x80\x8f",
                "???a??????"); /* another direction */
}

static void what_is_no_utf8_is_a_question_mark(void)
{
    check_plain("\x9b"
                "1m",
                "?1m"); /* C1 to a terminal of one byte a character */
    check_plain("\xc3", "?");
    check_plain("\xed\xa0\x80", "???"); /* a surrogate */
}

int main(void)
{
    return CHECK_MAIN(TEST(what_is_only_shown_stays),
                      TEST(what_a_terminal_obeys_is_a_question_mark),
                      TEST(what_is_no_utf8_is_a_question_mark));
}
