/* base/checksum.h - CRC-32C (Castagnoli), as iSCSI and ext4 use it. */
#ifndef PYRO_BASE_CHECKSUM_H
#define PYRO_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from CRC, which is 0 at the start: crc(crc(0, a), b) is the sum of a and b joined. */
uint32_t pyro_crc32c(uint32_t crc, const void *data, size_t size);

#endif
