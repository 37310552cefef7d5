/* Pending calls of an interpreter that is not one: what may be written to is told from what may not. */
#include "check.h"

#include "cpython/entry.h"
#include "target/maps.h"

#include <stdint.h>

#define RUNTIME 0x100000
#define INTERP  0x200000
#define LOCK    0x300000
#define CODE    0x400000
#define SIZE    8192

static const char map_text[] = "00100000-00102000 rw-p 00000000 00:00 0 \n"
                               "00200000-00202000 rw-p 00000000 00:00 0 \n"
                               "00300000-00301000 rw-p 00000000 00:00 0 [heap]\n"
                               "00400000-00401000 r-xp 00000000 08:01 7 /usr/bin/python3\n";

struct fake {
    uint8_t runtime[SIZE], interp[SIZE], lock[64];
    struct pyro_runtime found;
    struct pyro_entry entry;
    uint64_t queue; /* offset in interp */
};

static void put32(struct fake *fake, uint64_t at, uint32_t value)
{
    memcpy(fake->interp + at, &value, sizeof(value));
}

static void put64(struct fake *fake, uint64_t at, uint64_t value)
{
    memcpy(fake->interp + at, &value, sizeof(value));
}

/* An interpreter of 3.MINOR without pending calls, its lock free. */
static void make(struct fake *fake, uint32_t minor)
{
    memset(fake, 0, sizeof(*fake));
    if (minor <= 12)
        CHECK_EQ(pyro_layout_static(0x030000f0 | minor << 16, &fake->found.layout), 0);
    else
        fake->found.layout = (struct pyro_layout){
            .minor = 13, .runtime.interpreters_head = 632, .interp = {.id = 7272, .gil = 16}};
    fake->found.addr = pyro_addr_at(RUNTIME);
    uint64_t interp = INTERP;
    memcpy(fake->runtime + fake->found.layout.runtime.interpreters_head, &interp, sizeof(interp));
    fake->queue = minor == 11 ? 112 : minor == 12 ? 400 : 32;
    if (minor == 13) {
        put32(fake, fake->queue + 16, 300);
        put32(fake, fake->queue + 20, 100);
    } else {
        put64(fake, fake->queue + (minor == 11 ? 0 : 8), LOCK);
        fake->lock[0] = 1;
    }
}

static struct pyro_memory *memory_of(const struct fake *fake)
{
    const struct pyro_segment segments[] = {
        {pyro_addr_at(RUNTIME), fake->runtime, SIZE},
        {pyro_addr_at(INTERP), fake->interp, SIZE},
        {pyro_addr_at(LOCK), fake->lock, sizeof(fake->lock)},
    };
    struct pyro_memory *memory = NULL;
    CHECK_EQ(pyro_memory_from_segments(segments, 3, &memory), 0);
    return memory;
}

/* What the ring is found to be. */
static int ring_of(struct fake *fake, struct pyro_entry_ring *ring)
{
    struct pyro_memory *memory = memory_of(fake);
    struct pyro_maps maps = {0};
    CHECK_EQ(pyro_maps_parse(map_text, sizeof(map_text) - 1, &maps), 0);
    int code = pyro_entry_find(memory, &fake->found, &fake->entry, NULL);
    if (code == 0)
        code = pyro_entry_ring(memory, &maps, &fake->entry, ring);
    pyro_maps_clear(&maps);
    pyro_memory_free(memory);
    return code;
}

#define MINORS 3
static const uint32_t minors[MINORS] = {11, 12, 13};

static void empty_ring(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        CHECK_EQ(ring.first, 0);
        CHECK_EQ(ring.behind, 0);
        CHECK(!pyro_entry_waits(&fake.entry, &ring, 0));
        CHECK_EQ(fake.entry.calls.u, INTERP + fake.queue + (minors[i] == 11 ? 16 : 24));
    }
}

/* One call waits, in the last place: the next one goes to the first. */
static void ring_goes_round(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        uint32_t last = fake.entry.count - 1;
        put64(&fake, pyro_entry_place(&fake.entry, last).u - INTERP, CODE + 16);
        put32(&fake, fake.entry.first.u - INTERP, last);
        put32(&fake, fake.entry.flag.u - INTERP, 1);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        CHECK(pyro_entry_waits(&fake.entry, &ring, last));
        CHECK(!pyro_entry_waits(&fake.entry, &ring, 0));
    }
}

static void lock_is_held(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        fake.lock[0] = 0;
        if (minors[i] == 13)
            fake.interp[fake.queue + 8] = 1;
        CHECK_EQ(ring_of(&fake, &ring), -EAGAIN);
    }
}

static void lock_is_none(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        fake.lock[0] = 7;
        if (minors[i] == 13)
            fake.interp[fake.queue + 8] = 7;
        CHECK_EQ(ring_of(&fake, &ring), -EPROTO);
    }
}

static void waiting_call_is_no_code(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        put64(&fake, pyro_entry_place(&fake.entry, 0).u - INTERP, LOCK);
        put32(&fake, fake.entry.behind.u - INTERP, 1);
        put32(&fake, fake.entry.flag.u - INTERP, 1);
        CHECK_EQ(ring_of(&fake, &ring), -EPROTO);
        put64(&fake, pyro_entry_place(&fake.entry, 0).u - INTERP, CODE);
        CHECK_EQ(ring_of(&fake, &ring), 0);
    }
}

static void places_and_counts_disagree(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        put32(&fake, fake.entry.flag.u - INTERP, 2);
        CHECK_EQ(ring_of(&fake, &ring), -EPROTO);
        put32(&fake, fake.entry.flag.u - INTERP, 0);
        put32(&fake, fake.entry.first.u - INTERP, fake.entry.count);
        CHECK_EQ(ring_of(&fake, &ring), -EPROTO);
    }
}

static void full_ring(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    for (size_t i = 0; i < MINORS; i++) {
        make(&fake, minors[i]);
        CHECK_EQ(ring_of(&fake, &ring), 0);
        uint32_t used = fake.entry.count - 1;
        for (uint32_t at = 0; at < used; at++)
            put64(&fake, pyro_entry_place(&fake.entry, at).u - INTERP, CODE);
        put32(&fake, fake.entry.behind.u - INTERP, used);
        put32(&fake, fake.entry.flag.u - INTERP, minors[i] == 13 ? used : 1);
        CHECK_EQ(ring_of(&fake, &ring), -EAGAIN);
    }
}

static void other_limits_are_another_layout(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    make(&fake, 13);
    put32(&fake, fake.queue + 16, 32);
    CHECK_EQ(ring_of(&fake, &ring), -EPROTO);
}

static void what_is_not_known_is_refused(void)
{
    struct fake fake;
    struct pyro_entry_ring ring;
    make(&fake, 12);
    fake.found.layout.free_threaded = true;
    CHECK_EQ(ring_of(&fake, &ring), -ENOTSUP);
    make(&fake, 12);
    fake.found.layout.guessed = true;
    CHECK_EQ(ring_of(&fake, &ring), -ENOTSUP);
    make(&fake, 10);
    CHECK_EQ(ring_of(&fake, &ring), -ENOTSUP);
}

int main(void)
{
    return CHECK_MAIN(TEST(empty_ring), TEST(ring_goes_round), TEST(lock_is_held),
                      TEST(lock_is_none), TEST(waiting_call_is_no_code),
                      TEST(places_and_counts_disagree), TEST(full_ring),
                      TEST(other_limits_are_another_layout), TEST(what_is_not_known_is_refused));
}
