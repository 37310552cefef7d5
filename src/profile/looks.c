/* profile/looks.c - what was resident over time, and blocks by size, into pending chunks (writer.c) and out of a file (parse.c). */
#include "profile/parse.h"
#include "profile/writer_internal.h"

#include <errno.h>

/* -- writing ------------------------------------------------------------------------------------ */

enum { LOOK_GONE = 1, LOOK_TRACKED = 2 };

static void put_all(struct pyro_writer *writer, enum pending block, const uint64_t *fields,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        pyro_buffer_put_varint(&writer->pending[block], fields[i]);
}

bool pyro_writer_look(struct pyro_writer *writer, const struct pyro_look *look)
{
    if (writer->error < 0 || look->process >= writer->process_ids.count ||
        look->time_us < writer->look_us || writer->looks >= PYRO_LOOKS_MAX)
        return false;
    writer->looks++;
    const uint64_t flags = (look->gone ? LOOK_GONE : 0) | (look->tracked ? LOOK_TRACKED : 0);
    const uint64_t first[] = {look->process, look->time_us - writer->look_us, flags};
    const uint64_t sizes[] = {look->rss, look->most, look->files, look->swapped};
    const uint64_t tracked[] = {look->live, look->native};
    put_all(writer, PENDING_LOOKS, first, 3);
    if (!look->gone)
        put_all(writer, PENDING_LOOKS, sizes, 4);
    if (!look->gone && look->tracked)
        put_all(writer, PENDING_LOOKS, tracked, 2);
    writer->look_us = look->time_us;
    pyro_writer_defined(writer, PENDING_LOOKS);
    return true;
}

void pyro_writer_watch(struct pyro_writer *writer, const struct pyro_watch *watch)
{
    const uint64_t fields[] = {watch->looks,  watch->interval_us, watch->until_us,
                               watch->unseen, watch->largest,     watch->missed};
    if (writer->error < 0)
        return;
    put_all(writer, PENDING_WATCH, fields, sizeof(fields) / sizeof(fields[0]));
    pyro_writer_defined(writer, PENDING_WATCH);
}

/* Classes above the largest block are left out. */
void pyro_writer_sizes(struct pyro_writer *writer, const struct pyro_process_sizes *sizes)
{
    uint64_t count = PYRO_BLOCK_SIZES;
    if (writer->error < 0 || sizes->process >= writer->process_ids.count)
        return;
    while (count && !sizes->classes[count - 1].blocks)
        count--;
    const uint64_t first[] = {sizes->process, count};
    put_all(writer, PENDING_SIZES, first, 2);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t fields[] = {sizes->classes[i].blocks, sizes->classes[i].bytes};
        put_all(writer, PENDING_SIZES, fields, 2);
    }
    pyro_writer_defined(writer, PENDING_SIZES);
}

bool pyro_writer_knows_process(const struct pyro_writer *writer, int32_t pid)
{
    return pyro_map_find(&writer->pids, (uint32_t)pid, 0) != NULL;
}

enum { HAS_REACHED = 1, HAS_OOM = 2, HAS_KILLS = 4, HAS_PRESSURE = 8, OF_MACHINE = 16 };

void pyro_writer_confinement(struct pyro_writer *writer, const struct pyro_confinement *confinement)
{
    const struct pyro_confinement *c = confinement;
    if (writer->error < 0 || c->cgroup >= writer->strings.count)
        return;
    const uint64_t flags = (c->has_reached ? HAS_REACHED : 0) | (c->has_oom ? HAS_OOM : 0) |
                           (c->has_kills ? HAS_KILLS : 0) | (c->has_pressure ? HAS_PRESSURE : 0) |
                           (c->of_machine ? OF_MACHINE : 0);
    const uint64_t fields[] = {c->cgroup, flags,    c->limit,   c->reached,
                               c->oom,    c->kills, c->some_us, c->full_us};
    put_all(writer, PENDING_CONFINEMENT, fields, sizeof(fields) / sizeof(fields[0]));
    pyro_writer_defined(writer, PENDING_CONFINEMENT);
}

/* -- reading ------------------------------------------------------------------------------------ */

static int bad(struct pyro_parse *parse, const char *problem)
{
    parse->problem = problem;
    return -EBADMSG;
}

static void take_all(struct pyro_reader *block, uint64_t *const *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *fields[i] = pyro_reader_varint(block);
        if (*fields[i] > PYRO_COUNT_MAX)
            block->failed = true;
    }
}

int pyro_parse_look(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    const struct pyro_look *last =
        profile->look_count ? &profile->looks[profile->look_count - 1] : NULL;
    struct pyro_look look = {0};
    uint64_t process, step_us, flags;
    uint64_t *const first[] = {&process, &step_us, &flags};
    uint64_t *const sizes[] = {&look.rss, &look.most, &look.files, &look.swapped};
    uint64_t *const tracked[] = {&look.live, &look.native};
    take_all(block, first, 3);
    look.gone = flags & LOOK_GONE;
    look.tracked = flags & LOOK_TRACKED;
    if (!look.gone)
        take_all(block, sizes, 4);
    if (!look.gone && look.tracked)
        take_all(block, tracked, 2);
    look.process = (uint32_t)process;
    look.time_us = (last ? last->time_us : 0) + step_us;
    if (block->failed || process >= profile->process_count || look.time_us > PYRO_COUNT_MAX ||
        profile->look_count >= PYRO_LOOKS_MAX)
        return bad(parse, "a look at no known process");
    int error =
        pyro_grow(&profile->looks, profile->look_count, &parse->look_capacity, sizeof(look));
    if (error == 0)
        profile->looks[profile->look_count++] = look;
    return error;
}

int pyro_parse_watch(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_watch watch;
    uint64_t *const fields[] = {&watch.looks,  &watch.interval_us, &watch.until_us,
                                &watch.unseen, &watch.largest,     &watch.missed};
    take_all(block, fields, sizeof(fields) / sizeof(fields[0]));
    if (block->failed)
        return bad(parse, "looks that cannot be");
    parse->profile->watch = watch;
    return 0;
}

int pyro_parse_sizes(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_profile *profile = parse->profile;
    struct pyro_process_sizes sizes = {0};
    uint64_t process, count;
    uint64_t *const first[] = {&process, &count};
    take_all(block, first, 2);
    for (uint64_t i = 0; !block->failed && i < count && i < PYRO_BLOCK_SIZES; i++) {
        uint64_t *const fields[] = {&sizes.classes[i].blocks, &sizes.classes[i].bytes};
        take_all(block, fields, 2);
    }
    if (block->failed || process >= profile->process_count || count > PYRO_BLOCK_SIZES)
        return bad(parse, "sizes of blocks of no known process");
    sizes.process = (uint32_t)process;
    bool is_new;
    uint64_t *at = pyro_map_insert(&parse->size_ids, process, 0, &is_new);
    if (!at)
        return -ENOMEM;
    if (is_new) {
        *at = profile->size_count;
        if (pyro_grow(&profile->sizes, profile->size_count, &parse->size_capacity, sizeof(sizes)) <
            0)
            return -ENOMEM;
        profile->size_count++;
    }
    profile->sizes[*at] = sizes;
    return 0;
}

int pyro_parse_confinement(struct pyro_parse *parse, struct pyro_reader *block)
{
    struct pyro_confinement c = {.asked = true};
    uint64_t cgroup, flags;
    uint64_t *const fields[] = {&cgroup, &flags,   &c.limit,   &c.reached,
                                &c.oom,  &c.kills, &c.some_us, &c.full_us};
    take_all(block, fields, sizeof(fields) / sizeof(fields[0]));
    if (block->failed || cgroup >= parse->profile->strings.count)
        return bad(parse, "a control group that cannot be");
    c.cgroup = (uint32_t)cgroup;
    c.has_reached = flags & HAS_REACHED;
    c.has_oom = flags & HAS_OOM;
    c.has_kills = flags & HAS_KILLS;
    c.has_pressure = flags & HAS_PRESSURE;
    c.of_machine = flags & OF_MACHINE;
    parse->profile->confinement = c;
    return 0;
}
