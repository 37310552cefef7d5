/* sample/residents.c - one look after another. */
#include "sample/residents.h"

#include "base/clock.h"
#include "base/grow.h"
#include "base/resident.h"
#include "target/process.h"

#include <stdlib.h>
#include <string.h>

#define WATCHED_MAX  65536
#define CHILDREN_MAX 4096
#define LOOKS_STEP \
    (UINT64_C(1)   \
     << 18) /* so many looks that were written, and from then on half as many a second */
#define FLUSH_NS     PYRO_NS_PER_S
#define CREDIT_LOOKS 2 /* for so many a parent's count may grow by a child that was known */

struct watched {
    pid_t pid, parent;
    uint64_t start_ticks, heap_start;
    uint64_t child_faults; /* of its children that it waited for */
    uint32_t process;      /* in the recording; PYRO_NO_ID: nothing of it was written yet */
    bool gone;             /* it has no memory any more; waits to be waited for */
    bool over;             /* it is no more */
    unsigned credit;       /* looks in which growth is explained */
    bool grew;             /* in this look */
    struct pyro_look last; /* that was written */
};

struct pyro_residents {
    struct watched *items; /* a parent before its children */
    size_t count, capacity;
    uint64_t interval_ns, began_ns, written;
    struct pyro_watch watch;
    struct pyro_writer *writer;
};

static struct watched *find(const struct pyro_residents *residents, pid_t pid)
{
    for (size_t i = 0; i < residents->count; i++)
        if (residents->items[i].pid == pid && !residents->items[i].over)
            return &residents->items[i];
    return NULL;
}

static void add(struct pyro_residents *residents, const struct pyro_process_info *info,
                pid_t parent)
{
    if (residents->count >= WATCHED_MAX ||
        pyro_grow(&residents->items, residents->count, &residents->capacity,
                  sizeof(*residents->items)) < 0)
        return;
    residents->items[residents->count++] = (struct watched){
        .pid = info->pid,
        .parent = parent,
        .start_ticks = info->start_ticks,
        .heap_start = info->heap_start,
        .process = PYRO_NO_ID,
    };
}

struct pyro_residents *pyro_residents_new(pid_t root, uint32_t rate_hz)
{
    struct pyro_residents *residents = calloc(1, sizeof(*residents));
    struct pyro_process_info info;
    if (!residents)
        return NULL;
    residents->interval_ns = PYRO_NS_PER_S / (rate_hz ? rate_hz : 1);
    if (pyro_process_info(root, &info) == 0)
        add(residents, &info, info.parent);
    return residents;
}

void pyro_residents_free(struct pyro_residents *residents)
{
    if (!residents)
        return;
    free(residents->items);
    free(residents);
}

const struct pyro_watch *pyro_residents_watch(const struct pyro_residents *residents)
{
    return &residents->watch;
}

/* -- one process -------------------------------------------------------------------------------- */

static void name(struct pyro_residents *residents, struct watched *watched)
{
    struct pyro_buffer command = {0};
    (void)pyro_process_command(watched->pid, &command);
    pyro_buffer_put_u8(&command, '\0');
    watched->process = pyro_writer_process(residents->writer, watched->pid, watched->parent,
                                           command.failed ? "" : (const char *)command.data, "");
    pyro_buffer_free(&command);
}

static void write_look(struct pyro_residents *residents, struct watched *watched,
                       const struct pyro_look *look)
{
    residents->written += pyro_writer_look(residents->writer, look);
    watched->last = *look;
}

static bool is_same(const struct pyro_look *one, const struct pyro_look *other)
{
    return one->process == other->process && !one->gone && one->rss == other->rss &&
           one->most == other->most && one->files == other->files && one->swapped == other->swapped;
}

/* It is gone, or has become another program. */
static void end_process(struct pyro_residents *residents, struct watched *watched, uint64_t time_us)
{
    const struct pyro_look look = {.time_us = time_us, .process = watched->process, .gone = true};
    if (watched->process != PYRO_NO_ID)
        write_look(residents, watched, &look);
    watched->process = PYRO_NO_ID;
}

static void note_resident(struct pyro_residents *residents, struct watched *watched,
                          uint64_t time_us)
{
    struct pyro_resident resident;
    if (pyro_resident_read(watched->pid, &resident) < 0)
        return; /* it is just ending */
    if (watched->process == PYRO_NO_ID)
        name(residents, watched);
    const struct pyro_look look = {
        .time_us = time_us,
        .process = watched->process,
        .rss = resident.all,
        .most = resident.most,
        .files = resident.files,
        .swapped = resident.swapped,
    };
    if (!is_same(&watched->last, &look))
        write_look(residents, watched, &look);
}

/* A known process is no more: its parent's count has grown by it, or is about to. */
static void explain_growth(struct pyro_residents *residents, const struct watched *ended)
{
    struct watched *parent = find(residents, ended->parent);
    if (parent) {
        parent->credit = CREDIT_LOOKS;
        return;
    }
    for (size_t i = 0; i < residents->count; i++) /* whoever adopted it */
        residents->items[i].credit = CREDIT_LOOKS;
}

/* Between vfork() and exec it has no memory of its own. */
static bool is_its_parents(const struct pyro_residents *residents, const struct watched *watched)
{
    const struct watched *parent = find(residents, watched->parent);
    return parent && parent->heap_start == watched->heap_start &&
           pyro_process_shares_memory(parent->pid, watched->pid);
}

static void look_at(struct pyro_residents *residents, struct watched *watched, uint64_t time_us)
{
    struct pyro_process_info info;
    watched->grew = false;
    if (pyro_process_info(watched->pid, &info) < 0 || info.start_ticks != watched->start_ticks) {
        watched->gone = watched->over = true;
        end_process(residents, watched, time_us);
        return;
    }
    watched->grew = info.child_faults > watched->child_faults;
    watched->child_faults = info.child_faults;
    if (info.state == 'Z' || info.state == 'X')
        watched->gone = true;
    bool another = info.heap_start && info.heap_start != watched->heap_start;
    if (watched->gone || another)
        end_process(residents, watched, time_us);
    watched->heap_start = info.heap_start;
    if (!watched->gone && !is_its_parents(residents, watched))
        note_resident(residents, watched, time_us);
}

/* -- all of them -------------------------------------------------------------------------------- */

static void find_children(struct pyro_residents *residents, size_t parent, uint64_t time_us)
{
    pid_t children[CHILDREN_MAX];
    pid_t pid = residents->items[parent].pid;
    int count = pyro_process_children(pid, children, CHILDREN_MAX);
    for (int i = 0; i < count && i < CHILDREN_MAX; i++) {
        struct pyro_process_info info;
        size_t before = residents->count;
        if (find(residents, children[i]) || pyro_process_info(children[i], &info) < 0)
            continue;
        add(residents, &info, pid);
        if (residents->count > before)
            look_at(residents, &residents->items[before], time_us);
    }
}

static void drop_over(struct pyro_residents *residents)
{
    size_t kept = 0;
    for (size_t i = 0; i < residents->count; i++)
        if (!residents->items[i].over)
            residents->items[kept++] = residents->items[i];
    residents->count = kept;
}

/* Who waited for a child, and for none that was known, had one that nobody saw. */
static void count_unseen(struct pyro_residents *residents)
{
    for (size_t i = 0; i < residents->count; i++)
        if (residents->items[i].over)
            explain_growth(residents, &residents->items[i]);
    for (size_t i = 0; i < residents->count; i++) {
        struct watched *watched = &residents->items[i];
        if (watched->grew && !watched->credit)
            residents->watch.unseen++;
        if (watched->grew)
            watched->credit = 0;
        else if (watched->credit)
            watched->credit--;
    }
}

static void look(struct pyro_residents *residents, uint64_t now_ns)
{
    uint64_t time_us = (now_ns - residents->began_ns) / PYRO_NS_PER_US;
    for (size_t i = 0; i < residents->count; i++)
        look_at(residents, &residents->items[i], time_us);
    for (size_t i = 0; i < residents->count; i++) /* grows meanwhile: theirs, too */
        if (!residents->items[i].gone)
            find_children(residents, i, time_us);
    count_unseen(residents);
    drop_over(residents);
    residents->watch.looks++;
    residents->watch.until_us = time_us;
    if (residents->written / LOOKS_STEP) {
        residents->written = 0;
        residents->interval_ns *= 2;
    }
    residents->watch.interval_us = residents->interval_ns / PYRO_NS_PER_US;
}

/* The next moment of the grid; those that are past are left out, and counted. */
static uint64_t next_look(struct pyro_residents *residents, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t next = due_ns + residents->interval_ns;
    for (; next <= now_ns; next += residents->interval_ns)
        residents->watch.missed++;
    return next;
}

static bool root_is_there(const struct pyro_residents *residents)
{
    return residents->count && !residents->items[0].gone;
}

static void tell(const struct pyro_residents *residents, struct pyro_counters *counters,
                 uint64_t cpu_ns)
{
    counters->duration_us = (pyro_clock_ns() - residents->began_ns) / PYRO_NS_PER_US;
    counters->sampler_cpu_us = (pyro_clock_process_cpu_ns() - cpu_ns) / PYRO_NS_PER_US;
    pyro_writer_counters(residents->writer, counters);
    pyro_writer_watch(residents->writer, &residents->watch);
}

int pyro_residents_run(struct pyro_residents *residents, struct pyro_writer *writer,
                       const volatile sig_atomic_t *stop, struct pyro_counters *counters)
{
    uint64_t cpu_ns = pyro_clock_process_cpu_ns(), due = pyro_clock_ns(), now = due;
    uint64_t flush_ns = due + FLUSH_NS;
    residents->writer = writer;
    residents->began_ns = due;
    while (!*stop && pyro_writer_error(writer) == 0) {
        look(residents, now);
        if (!root_is_there(residents))
            break;
        due = next_look(residents, due, pyro_clock_ns());
        while (!*stop && (now = pyro_clock_ns()) < due)
            pyro_clock_sleep_until(due);
        if (now >= flush_ns) {
            flush_ns = now + FLUSH_NS;
            tell(residents, counters, cpu_ns);
            (void)pyro_writer_flush(writer);
        }
    }
    look(residents, pyro_clock_ns()); /* what its end left */
    tell(residents, counters, cpu_ns);
    return pyro_writer_error(writer);
}
