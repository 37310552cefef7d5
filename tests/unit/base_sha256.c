/* SHA-256 and HMAC by the examples of FIPS 180-4 and RFC 4231. */
#include "base/sha256.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *hex(const uint8_t bytes[PYRO_SHA256_SIZE])
{
    static char text[2 * PYRO_SHA256_SIZE + 1];
    for (size_t i = 0; i < PYRO_SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

static const char *hash(const char *text, size_t size)
{
    static uint8_t out[PYRO_SHA256_SIZE];
    pyro_sha256(text, size, out);
    return hex(out);
}

static void hashes(void)
{
    CHECK_STR(hash("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_STR(hash("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *long_one = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK_STR(hash(long_one, strlen(long_one)),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    CHECK_STR(hash(million, 1000000),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static const char *mac(const void *key, size_t key_size, const char *text)
{
    static uint8_t out[PYRO_SHA256_SIZE];
    CHECK(pyro_hmac_sha256(key, key_size, text, strlen(text), out) == 0);
    return hex(out);
}

static void macs(void)
{
    uint8_t key[131];
    memset(key, 0x0b, 20);
    CHECK_STR(mac(key, 20, "Hi There"),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK_STR(mac("Jefe", 4, "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131);
    CHECK_STR(mac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    uint8_t out[PYRO_SHA256_SIZE];
    CHECK(pyro_hmac_sha256(key, 131, key, PYRO_HMAC_MESSAGE_MAX + 1, out) < 0);
}

int main(void)
{
    return CHECK_MAIN(TEST(hashes), TEST(macs));
}
