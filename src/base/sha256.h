/* base/sha256.h - SHA-256 (FIPS 180-4), and HMAC with it (RFC 2104): for tokens. */
#ifndef PYRO_BASE_SHA256_H
#define PYRO_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define PYRO_SHA256_SIZE 32

void pyro_sha256(const void *data, size_t size, uint8_t out[PYRO_SHA256_SIZE]);
/* MESSAGE_SIZE is at most PYRO_HMAC_MESSAGE_MAX; -1: it is not. */
#define PYRO_HMAC_MESSAGE_MAX 8192
int pyro_hmac_sha256(const void *key, size_t key_size, const void *message, size_t message_size,
                     uint8_t out[PYRO_SHA256_SIZE]);

#endif
