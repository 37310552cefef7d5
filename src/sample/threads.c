/* sample/threads.c - which threads and interpreters there are: read when the lists changed. */
#include <errno.h>
#include <stdlib.h>

#include "sample/internal.h"

#include "base/clock.h"
#include "base/log.h"

#define LISTS_MAX \
    512 /* bytes from the head of the thread list to the GC's flag that are read in one piece */
#define LIST_MAX \
    4096 /* threads of one process that are sampled; more are not (and the log says so) */

#define RELIST_NS (500 * PYRO_NS_PER_MS) /* new interpreters, threads that go by another name */
/* What is not settled yet is looked at again after an eighth of the time that it is not. */
#define UNSETTLED_PART 8
/* Whoever shares its creator's ids for longer is no new thread, but another state of the same one. */
#define MAKING_NS_MAX (5 * PYRO_NS_PER_S)

static struct pyro_sampled_thread *thread_find(const struct pyro_sampler *sampler,
                                               const struct pyro_thread_info *info)
{
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        if (thread->info.tstate.u == info->tstate.u && thread->info.native_id == info->native_id &&
            thread->info.unique_id == info->unique_id && thread->info.interp.u == info->interp.u)
            return thread;
    }
    return NULL;
}

void pyro_sampled_thread_free(struct pyro_sampled_thread *thread)
{
    if (!thread)
        return;
    pyro_stack_reader_clear(&thread->reader);
    pyro_thread_state_close(&thread->state);
    free(thread->frames);
    free(thread->stacks);
    free(thread->functions);
    free(thread->paths);
    free(thread->callees);
    free(thread);
}

static void name_thread(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread)
{
    char name[256];
    if (pyro_thread_name(sampler->memory, &sampler->runtime, &thread->info, name, sizeof(name)) < 0)
        return;
    thread->named = true;
    pyro_writer_thread_name(sampler->writer, thread->id, name);
}

/* The same thread as before, whatever its state says of it by now. */
static void thread_identify(struct pyro_sampled_thread *thread, const struct pyro_thread_info *info)
{
    thread->info = *info;
    thread->reader.thread_id = info->thread_id;
    thread->reader.native_id = (uint64_t)info->told_id;
    thread->reader.unique_id = info->unique_id;
}

static int thread_add(struct pyro_sampler *sampler, const struct pyro_thread_info *info,
                      uint64_t now_ns)
{
    if (sampler->thread_count == sampler->thread_capacity) {
        size_t capacity = sampler->thread_capacity ? sampler->thread_capacity * 2 : 16;
        struct pyro_sampled_thread **grown = realloc(sampler->threads, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        sampler->threads = grown;
        sampler->thread_capacity = capacity;
    }
    struct pyro_sampled_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    int status =
        pyro_stack_reader_init(&thread->reader, &sampler->runtime, info->tstate, info->interp);
    if (status < 0) {
        free(thread);
        return status;
    }
    thread_identify(thread, info);
    thread->added_ns = now_ns;
    if (sampler->note_offset)
        thread->note =
            pyro_addr_plus(pyro_addr_at(info->thread_id), (uint64_t)sampler->note_offset);
    thread->cpu = -1;
    thread->last = (struct pyro_written_sample){.wait = PYRO_NO_ID};
    thread->seen = true;
    pyro_thread_state_init(&thread->state, sampler->pid, info->kernel_id, &sampler->sockets);
    thread->id =
        pyro_writer_thread(sampler->writer, sampler->process,
                           (uint64_t)(info->kernel_id ? info->kernel_id : info->native_id));
    thread->last.thread = thread->id;
    sampler->threads[sampler->thread_count++] = thread;
    name_thread(sampler, thread);
    return 0;
}

static void threads_drop_unseen(struct pyro_sampler *sampler)
{
    size_t kept = 0;
    for (size_t i = 0; i < sampler->thread_count; i++) {
        struct pyro_sampled_thread *thread = sampler->threads[i];
        if (thread->seen) {
            sampler->threads[kept++] = thread;
            continue;
        }
        pyro_writer_thread_cpu(sampler->writer, thread->id,
                               pyro_thread_state_cpu_us(&thread->state));
        pyro_sampled_thread_free(thread);
    }
    sampler->thread_count = kept;
}

/* Where the fields that ride in every sweep lie. */
static void interp_plan(const struct pyro_sampler *sampler, struct pyro_sampled_interp *interp)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    uint32_t from = layout->interp.threads_head, to = from + 8;
    uint32_t gc = layout->interp.gc_collecting;
    if (gc != PYRO_ABSENT && gc > from && gc - from <= LISTS_MAX)
        to = gc + 4;
    interp->lists_from = from;
    interp->lists_size = to - from;
}

static int interps_list(struct pyro_sampler *sampler)
{
    pyro_addr found[PYRO_SAMPLED_INTERPS_MAX];
    int count =
        pyro_interpreters_list(sampler->memory, &sampler->runtime, found, PYRO_SAMPLED_INTERPS_MAX);
    if (count <= 0)
        return -ESRCH;
    if (count > PYRO_SAMPLED_INTERPS_MAX)
        count = PYRO_SAMPLED_INTERPS_MAX;
    sampler->interp_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        struct pyro_sampled_interp *interp = &sampler->interps[i];
        *interp = (struct pyro_sampled_interp){.addr = found[i]};
        struct pyro_interp_state state;
        if (pyro_interp_state(sampler->memory, &sampler->runtime, found[i], &state) == 0)
            interp->gil = state.gil;
        interp_plan(sampler, interp);
        /* Before its threads are listed: one that begins meanwhile changes it. */
        pyro_addr head = pyro_addr_at(0);
        (void)pyro_memory_read_addr(sampler->memory, pyro_addr_plus(found[i], interp->lists_from),
                                    &head);
        interp->threads_head = head.u;
    }
    uint32_t generation = sampler->runtime.layout.interp.code_generation;
    if (generation != PYRO_ABSENT)
        sampler->codes.generation_addr = pyro_addr_plus(found[0], generation);
    return 0;
}

/* Is the I-th, which was not there before, a thread that does not run yet? Its creator makes its state: the ids in it are none,
 * or, before 3.12, those of the creator, who comes later in the list. */
static bool being_made(const struct pyro_sampler *sampler, const struct pyro_thread_info *infos,
                       int count, int i, uint64_t now_ns)
{
    const struct pyro_layout *layout = &sampler->runtime.layout;
    if (layout->tstate.native_thread_id != PYRO_ABSENT && infos[i].native_id == 0)
        return true;
    if (layout->minor >= 12 || infos[i].native_id == 0 ||
        (sampler->making_ns && now_ns - sampler->making_ns > MAKING_NS_MAX))
        return false;
    for (int k = i + 1; k < count; k++)
        if (infos[k].native_id == infos[i].native_id && infos[k].interp.u == infos[i].interp.u)
            return true;
    return false;
}

static int thread_see(struct pyro_sampler *sampler, struct pyro_sampled_thread *thread,
                      const struct pyro_thread_info *info, uint64_t now_ns)
{
    if (!thread)
        return thread_add(sampler, info, now_ns);
    thread->seen = true;
    thread_identify(thread, info);
    if (!thread->named)
        name_thread(sampler, thread);
    return 0;
}

/* Something has not been as it should since SINCE_NS: look again soon, and more and more seldom. */
static void relist_soon(struct pyro_sampler *sampler, uint64_t since_ns, uint64_t now_ns)
{
    uint64_t soon_ns = now_ns + (now_ns - since_ns) / UNSETTLED_PART;
    if (soon_ns < sampler->relist_ns)
        sampler->relist_ns = soon_ns;
}

static void look_again_at_unsettled(struct pyro_sampler *sampler, bool making, uint64_t now_ns)
{
    if (!making)
        sampler->making_ns = 0;
    else if (!sampler->making_ns)
        sampler->making_ns = now_ns;
    if (making)
        relist_soon(sampler, sampler->making_ns, now_ns);
    for (size_t i = 0; i < sampler->thread_count; i++)
        if (!sampler->threads[i]->named) /* threading learns of it a moment after it began */
            relist_soon(sampler, sampler->threads[i]->added_ns, now_ns);
}

int pyro_sampler_list(struct pyro_sampler *sampler, uint64_t now_ns)
{
    static struct pyro_thread_info infos[LIST_MAX];
    sampler->relist_ns = now_ns + RELIST_NS;
    sampler->relist = false;
    if (interps_list(sampler) < 0)
        return -ESRCH;
    int count =
        pyro_threads_list(sampler->pid, sampler->memory, &sampler->runtime, infos, LIST_MAX);
    if (count < 0)
        return count == -EFAULT ? -ESRCH : count;
    if (count > LIST_MAX)
        count = LIST_MAX;
    for (size_t i = 0; i < sampler->thread_count; i++)
        sampler->threads[i]->seen = false;
    int made = 0;
    for (int i = 0; i < count; i++) {
        struct pyro_sampled_thread *thread = thread_find(sampler, &infos[i]);
        if (!thread && being_made(sampler, infos, count, i, now_ns))
            made++;
        else if (thread_see(sampler, thread, &infos[i], now_ns) < 0)
            pyro_log("sample", "cannot follow thread %d", (int)infos[i].native_id);
    }
    threads_drop_unseen(sampler);
    look_again_at_unsettled(sampler, made > 0, now_ns);
    return sampler->thread_count > 0 ? 0 : -EAGAIN;
}
