/* tests/unit/fixture_recording.h - write a recording with the real writer, read it back with the real reader. */
#ifndef PYRO_TESTS_FIXTURE_RECORDING_H
#define PYRO_TESTS_FIXTURE_RECORDING_H

#include "check.h"
#include "profile/profile.h"
#include "profile/writer.h"

/* Begin one at PATH that was asked for RATE_HZ. */
static inline struct pyro_writer *fixture_record(const char *path, uint32_t rate_hz)
{
    const struct pyro_recording_info info = {.rate_hz = rate_hz};
    struct pyro_writer *writer;
    CHECK_EQ(pyro_writer_open(path, &info, &writer, NULL), 0);
    return writer;
}

/* Close it, read it, remove the file. */
static inline struct pyro_profile *fixture_read_back(const char *path, struct pyro_writer *writer)
{
    struct pyro_profile *profile;
    CHECK_EQ(pyro_writer_close(writer, NULL), 0);
    CHECK_EQ(pyro_profile_read(path, &profile, NULL), 0);
    unlink(path);
    return profile;
}

#endif
