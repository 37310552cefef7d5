/* analyze/rules/sequential_wait.c - waits that follow each other and could overlap.
 *
 * Two forms. In a loop: one line waits for an answer, takes it, and only then asks for the next. In a coroutine: a call that blocks
 * stops the whole event loop, so that what was to overlap does not. Samples say what waits and where, exact counts how often.
 * Who waits for what the program itself does (a lock, a worker's queue), for requests to come (accept, select) or for the next
 * part of one stream is left alone. */
#include "analyze/rule.h"

#include "base/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MIN     5    /* waits for each call of the function with the loop */
#define WAIT_MIN_US   20e3 /* each: for less, threads are not worth it */
#define BLOCK_MIN_US  1e3  /* each, in a coroutine */
#define OVERLAP_MAX   1.25 /* as many waits at a time, on average: more, and they do overlap */
#define AT_ONCE       10   /* waits that are likely to be possible at a time */
#define AT_ONCE_LEAST 4

struct wait { /* what a function of the program's own waits for, by way of what it calls */
    uint32_t function, callee;
    uint32_t loop; /* in struct look; PYRO_NO_ID: in none */
};
struct loop {
    struct pyro_loop of;
    bool in_coroutine; /* of.function is where it blocks */
    bool sleeps;       /* all of it is sleep() */
    double wait_us, squares_us2;
    double elapsed_us; /* while one or more waited */
    uint32_t line;     /* with the most of it */
    double line_us;
    uint64_t seen; /* sweep + 1 */
};
struct look {
    struct pyro_rule_context *context;
    const struct pyro_profile *profile;
    struct pyro_clock_view view;
    double *waits_us; /* [stack_count] */
    bool *blocks;     /* [stack_count]: it is above a callback of an event loop */
    bool *sleeps;     /* [stack_count]: all its waits are */
    uint32_t *ids;    /* [stack_count]: of waits; PYRO_NO_ID */
    struct wait *waits;
    size_t wait_count, wait_capacity;
    struct loop *loops;
    size_t loop_count, loop_capacity;
};

/* -- functions that are known -------------------------------------------------------------------- */

static const char *name_of(const struct look *look, uint32_t function)
{
    return pyro_profile_text(look->profile, look->profile->functions[function].name);
}

static bool file_ends(const struct look *look, uint32_t function, const char *end)
{
    const char *file = pyro_profile_text(look->profile, look->profile->functions[function].file);
    size_t length = strlen(file), end_length = strlen(end);
    return length >= end_length && strcmp(file + length - end_length, end) == 0;
}

/* Is it one of the "file function" in TABLE, or a C function whose name begins with one of those without a file? */
struct known {
    const char *file, *name;
};
static bool is_known(const struct look *look, uint32_t function, const struct known *table,
                     size_t count)
{
    bool is_c = look->profile->functions[function].kind == PYRO_FUNCTION_C;
    const char *name = name_of(look, function);
    for (size_t i = 0; i < count; i++) {
        const struct known *known = &table[i];
        if (is_c ? !known->file && strncmp(name, known->name, strlen(known->name)) == 0
                 : known->file && strcmp(name, known->name) == 0 &&
                       file_ends(look, function, known->file))
            return true;
    }
    return false;
}
#define IS_KNOWN(look, function, table) \
    is_known(look, function, table, sizeof(table) / sizeof(*(table)))

/* A loop around this one pauses because it is meant to; where a function of its own sleeps, that may stand for something. */
static const struct known pauses[] = {
    {NULL, "{built-in method time.sleep}"},
};
/* A loop around these waits for something to do. */
static const struct known idle_calls[] = {
    {NULL, "{built-in method select."},       {NULL, "{method 'poll' of 'select."},
    {NULL, "{method 'control' of 'select."},  {NULL, "{method 'accept' of"},
    {NULL, "{method '_accept' of"},           {"/selectors.py", "EpollSelector.select"},
    {"/selectors.py", "PollSelector.select"}, {"/selectors.py", "SelectSelector.select"},
    {"/socket.py", "socket.accept"},          {"/ssl.py", "SSLSocket.accept"},
};
/* A loop around these reads one stream, or what is asked for in it. */
static const struct known stream_calls[] = {
    {NULL, "{method 'recv"},
    {NULL, "{method 'read"},
    {"/socket.py", "SocketIO.readinto"},
    {"/ssl.py", "SSLSocket.recv"},
    {"/ssl.py", "SSLSocket.recv_into"},
    {"/ssl.py", "SSLSocket.read"},
    {"/http/client.py", "HTTPResponse.read"},
    {"/http/client.py", "HTTPResponse.read1"},
    {"/http/client.py", "HTTPResponse.readline"},
    {"/http/client.py", "HTTPResponse.readinto"},
    {"/requests/models.py", "Response.iter_content.<locals>.generate"},
    {"/requests/models.py", "Response.iter_lines"},
};
static const struct known asking_calls[] = {
    {NULL, "{method 'send"},
    {NULL, "{method 'write"},
    {NULL, "{method 'connect"},
    {"/socket.py", "create_connection"},
    {"/ssl.py", "SSLSocket.send"},
    {"/ssl.py", "SSLSocket.sendall"},
    {"/http/client.py", "HTTPConnection.request"},
    {"/http/client.py", "HTTPConnection.getresponse"},
    {"/urllib/request.py", "urlopen"},
};

/* Does FUNCTION ask, once for every second of COUNT answers or oftener? */
static bool asks(const struct look *look, uint32_t function, uint64_t count)
{
    const struct pyro_counted *counted = &look->context->counted;
    for (size_t i = 0; i < counted->edge_count; i++)
        if (counted->edges[i].caller == function && counted->edges[i].ncalls >= count / 2 &&
            IS_KNOWN(look, counted->edges[i].callee, asking_calls))
            return true;
    return false;
}

/* -- waits --------------------------------------------------------------------------------------- */

/* What the rest of the program cannot end: answers from elsewhere, and time. */
static bool is_outside(const struct pyro_profile *profile, const struct pyro_sample_sum *sum)
{
    static const char *const kinds[] = {"socket", "poll", "sleep", "child"};
    uint32_t wait = profile->samples.kinds[sum->kind].wait;
    if (wait >= profile->wait_count)
        return false;
    const char *kind = pyro_profile_text(profile, profile->waits[wait].kind);
    const char *text = pyro_profile_text(profile, profile->waits[wait].text);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return strncmp(text, "accept", strlen("accept")) != 0;
    return false;
}

/* A query is not for this rule to tell, but in a coroutine it blocks as all does. */
static bool waits(const struct look *look, const struct pyro_sample_sum *sum)
{
    const char *category = pyro_clock_wait_category_sum(&look->view, sum);
    if (pyro_clock_parked_sum(&look->view, sum) || !*category || strcmp(category, "gil") == 0)
        return false;
    if (look->blocks[sum->stack])
        return true;
    return look->profile->samples.kinds[sum->kind].state == PYRO_STATE_WAITING &&
           strcmp(category, "database") != 0 && is_outside(look->profile, sum);
}

static bool is_sleep(const struct pyro_profile *profile, const struct pyro_sample_sum *sum)
{
    uint32_t wait = profile->samples.kinds[sum->kind].wait;
    return wait < profile->wait_count &&
           strcmp(pyro_profile_text(profile, profile->waits[wait].kind), "sleep") == 0;
}

static void mark_blocking(struct look *look)
{
    for (uint32_t i = 1; i < look->profile->stack_count; i++) {
        uint32_t function = pyro_profile_function_of(look->profile, i);
        bool calls_back = strcmp(name_of(look, function), "Handle._run") == 0 &&
                          file_ends(look, function, "/asyncio/events.py");
        look->blocks[i] = calls_back || look->blocks[look->profile->stacks[i].parent];
    }
}

static void add_to_stack(struct look *look, const struct pyro_sample_sum *sum)
{
    if (!waits(look, sum))
        return;
    look->waits_us[sum->stack] += sum->weight_us;
    look->sleeps[sum->stack] &= is_sleep(look->profile, sum);
}

static void add_up_stacks(struct look *look)
{
    for (size_t i = 0; i < look->profile->stack_count; i++)
        look->sleeps[i] = true;
    for (size_t i = 0; i < pyro_sample_part_count(look->profile); i++) {
        const struct pyro_sample_sum sum = pyro_sample_part(look->profile, i);
        add_to_stack(look, &sum);
    }
}

/* The frame of the program's own that waits in STACK, and what it calls for that. In a coroutine, one above the event loop.
 * PYRO_STACK_ROOT: there is none. */
static uint32_t own_stack(const struct look *look, uint32_t stack, uint32_t *ret_callee)
{
    *ret_callee = PYRO_NO_ID;
    bool blocks = look->blocks[stack];
    while (stack != PYRO_STACK_ROOT && look->blocks[stack] == blocks) {
        uint32_t function = pyro_profile_function_of(look->profile, stack);
        if (!look->context->library[function])
            return stack;
        *ret_callee = function;
        stack = look->profile->stacks[stack].parent;
    }
    return PYRO_STACK_ROOT;
}

/* -- loops --------------------------------------------------------------------------------------- */

/* In the function that blocks: how often, and for each start of it. */
static struct pyro_loop blocking_calls(const struct look *look, const struct wait *wait,
                                       uint64_t count)
{
    uint64_t starts = look->context->counted.ncalls[wait->function];
    return (struct pyro_loop){wait->function, wait->callee, count, starts ? count / starts : count};
}

static bool is_left_alone(const struct look *look, const struct wait *wait,
                          const struct pyro_loop *loop)
{
    if (loop->function == PYRO_NO_ID || look->context->library[loop->function])
        return true;
    if (IS_KNOWN(look, wait->callee, pauses))
        return loop->function == wait->function;
    if (IS_KNOWN(look, wait->callee, stream_calls))
        return !asks(look, wait->function, loop->count) && !asks(look, loop->function, loop->count);
    return IS_KNOWN(look, wait->callee, idle_calls);
}

/* Two calls that wait in one turn of a loop are one. */
static int find_loop(struct look *look, struct wait *wait, bool blocks)
{
    uint64_t count = pyro_loop_calls(look->context, wait->function, wait->callee);
    struct pyro_loop found =
        blocks ? blocking_calls(look, wait, count)
               : pyro_loop_find(look->context, wait->function, wait->callee, count, CALLS_MIN);
    wait->loop = PYRO_NO_ID;
    if (count == 0 || (!blocks && is_left_alone(look, wait, &found)))
        return 0;
    for (uint32_t i = 0; i < look->loop_count; i++)
        if (look->loops[i].of.function == found.function &&
            look->loops[i].of.count == found.count && look->loops[i].in_coroutine == blocks) {
            wait->loop = i;
            return 0;
        }
    if (pyro_grow(&look->loops, look->loop_count, &look->loop_capacity, sizeof(*look->loops)) < 0)
        return -ENOMEM;
    wait->loop = (uint32_t)look->loop_count;
    look->loops[look->loop_count++] =
        (struct loop){.of = found, .in_coroutine = blocks, .sleeps = true};
    return 0;
}

static int find_waits(struct look *look)
{
    struct pyro_map known = {0};
    int result = 0;
    look->ids[PYRO_STACK_ROOT] = PYRO_NO_ID;
    for (uint32_t i = 1; i < look->profile->stack_count && result == 0; i++) {
        uint32_t callee, own = PYRO_STACK_ROOT;
        bool is_new;
        look->ids[i] = PYRO_NO_ID;
        if (look->waits_us[i] > 0)
            own = own_stack(look, i, &callee);
        if (own == PYRO_STACK_ROOT || callee == PYRO_NO_ID)
            continue;
        uint32_t function = pyro_profile_function_of(look->profile, own);
        uint64_t *id = pyro_map_insert(&known, (uint64_t)function << 1 | (look->blocks[i] ? 1 : 0),
                                       callee, &is_new);
        if (!id || (is_new && pyro_grow(&look->waits, look->wait_count, &look->wait_capacity,
                                        sizeof(*look->waits)) < 0)) {
            result = -ENOMEM;
            break;
        }
        if (is_new) {
            *id = look->wait_count;
            look->waits[look->wait_count++] = (struct wait){.function = function, .callee = callee};
            result = find_loop(look, &look->waits[*id], look->blocks[i]);
        }
        look->ids[i] = (uint32_t)*id;
    }
    pyro_map_free(&known);
    return result;
}

static struct loop *loop_of(const struct look *look, uint32_t stack)
{
    uint32_t id = look->ids[stack];
    uint32_t loop = id == PYRO_NO_ID ? PYRO_NO_ID : look->waits[id].loop;
    return loop == PYRO_NO_ID ? NULL : &look->loops[loop];
}

/* Several threads in one loop at a time, each with waits of its own, do overlap. */
static void add_up_samples(struct look *look)
{
    for (size_t i = 0; i < look->profile->samples.count; i++) {
        struct loop *loop = loop_of(look, pyro_sample_stack(look->profile, i));
        if (!loop)
            continue;
        uint64_t sweep = pyro_sample_at(look->profile, i)->sweep;
        const struct pyro_sample_sum sum = pyro_sample_as_sum(look->profile, i);
        if (!waits(look, &sum))
            continue;
        loop->wait_us += sum.weight_us;
        loop->squares_us2 += sum.squares_us2;
        loop->sleeps &= is_sleep(look->profile, &sum);
        if (loop->seen != sweep + 1)
            loop->elapsed_us += sum.weight_us;
        loop->seen = sweep + 1;
    }
}

static int find_lines(struct look *look)
{
    struct pyro_map times = {0}; /* loop, line -> microseconds */
    int result = 0;
    for (uint32_t i = 1; i < look->profile->stack_count; i++) {
        struct loop *loop = loop_of(look, i);
        uint32_t stack = i;
        while (loop && pyro_profile_function_of(look->profile, stack) != loop->of.function &&
               stack != PYRO_STACK_ROOT)
            stack = look->profile->stacks[stack].parent;
        if (!loop || stack == PYRO_STACK_ROOT)
            continue;
        uint32_t line = look->profile->frames[look->profile->stacks[stack].frame].line;
        uint64_t *time_us = pyro_map_insert(&times, (uint64_t)(loop - look->loops), line, NULL);
        if (!time_us) {
            result = -ENOMEM;
            break;
        }
        *time_us += (uint64_t)look->waits_us[i];
        if ((double)*time_us > loop->line_us) {
            loop->line_us = (double)*time_us;
            loop->line = line;
        }
    }
    pyro_map_free(&times);
    return result;
}

/* -- words --------------------------------------------------------------------------------------- */

static void set_gain(const struct look *look, const struct loop *loop, struct pyro_finding *finding)
{
    uint64_t turns = loop->in_coroutine ? loop->of.count : loop->of.per_call;
    double least = turns < AT_ONCE_LEAST ? (double)turns : AT_ONCE_LEAST;
    double likely = turns < AT_ONCE ? (double)turns : AT_ONCE;
    double error_us =
        pyro_totals_error_us(loop->wait_us, loop->squares_us2, look->context->totals.counted_us);
    double low_us = loop->wait_us - 2 * error_us, high_us = loop->wait_us + 2 * error_us;
    finding->gain_s = loop->wait_us * (1 - 1 / likely) / 1e6;
    finding->gain_low_s = low_us > 0 && !loop->in_coroutine ? low_us * (1 - 1 / least) / 1e6 : 0;
    finding->gain_high_s = high_us * (1 - 1 / (double)turns) / 1e6;
}

/* What is called to wait, as one would write it: "time.sleep" of "{built-in method time.sleep}". */
static const char *callee_text(struct pyro_rule_context *context, const char *name)
{
    const char *built_in = "{built-in method ";
    size_t length = strlen(name);
    if (strncmp(name, built_in, strlen(built_in)) == 0)
        return pyro_finding_text(context, "%.*s", (int)(length - strlen(built_in) - 1),
                                 name + strlen(built_in));
    if (*name != '{')
        return name;
    const char *begin = strchr(name, '\''), *end = begin ? strchr(begin + 1, '\'') : NULL;
    return end ? pyro_finding_text(context, "%.*s", (int)(end - begin - 1), begin + 1) : name;
}

static void set_words(struct look *look, const struct loop *loop, struct pyro_finding *finding)
{
    struct pyro_rule_context *context = look->context;
    double each_ms = loop->wait_us / (double)loop->of.count / 1e3;
    const char *callee = callee_text(context, name_of(look, loop->of.callee));
    const char *function = name_of(look, loop->of.function);
    finding->why = NULL;
    if (!callee)
        return;
    if (loop->in_coroutine) {
        finding->title =
            pyro_finding_text(context, "the event loop stands still: %" PRIu64 " waits of %.0f ms",
                              loop->of.count, each_ms);
        finding->fix = loop->sleeps ? "await asyncio.sleep()"
                                    : pyro_finding_text(context,
                                                        "await asyncio.to_thread(%s, ...), or a "
                                                        "library that is made for asyncio",
                                                        callee);
        finding->why = pyro_finding_text(
            context, "%s() waits in %s while asyncio runs: all other tasks wait too", callee,
            function);
        return;
    }
    finding->title = pyro_finding_text(context, "one after the other: %" PRIu64 " waits of %.0f ms",
                                       loop->of.count, each_ms);
    finding->fix = pyro_finding_text(
        context, "ask for all at once: ThreadPoolExecutor().map(%s, ...), or asyncio.gather()",
        callee);
    finding->why =
        pyro_finding_text(context, "%" PRIu64 " for each call of %s; no two of them at a time",
                          loop->of.per_call, function);
}

static bool is_explained(const struct look *look, const struct loop *loop)
{
    const struct pyro_findings *findings = look->context->findings;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].function == loop->of.function &&
            findings->items[i].line == loop->line)
            return true;
    return false;
}

static bool is_worth_it(const struct look *look, const struct loop *loop)
{
    struct pyro_finding gain = {0};
    double least_us = loop->in_coroutine ? BLOCK_MIN_US : WAIT_MIN_US;
    set_gain(look, loop, &gain);
    return loop->of.count >= 2 && loop->wait_us >= least_us * (double)loop->of.count &&
           loop->wait_us <= OVERLAP_MAX * loop->elapsed_us && !is_explained(look, loop) &&
           pyro_worth_it(look->context, gain.gain_s);
}

static int report(struct look *look, const struct loop *loop)
{
    struct pyro_finding *finding = pyro_finding_new(look->context, loop->of.function, loop->line);
    if (!finding)
        return -ENOMEM;
    set_gain(look, loop, finding);
    set_words(look, loop, finding);
    if (loop->sleeps && !loop->in_coroutine) {
        finding->confidence = PYRO_CONFIDENCE_LOW;
        finding->doubt = "it sleeps: a pause that is meant, for a limit or a retry, has to stay";
    }
    pyro_finding_count(finding, "waits", loop->of.count);
    pyro_finding_count(finding, "per_call", loop->of.per_call);
    pyro_finding_seconds(finding, "time_s", loop->wait_us / 1e6);
    pyro_finding_say(finding, "waits_in", name_of(look, loop->of.callee));
    pyro_finding_say(finding, "form", loop->in_coroutine ? "blocking" : "sequence");
    return finding->title && finding->why && finding->fix ? 0 : -ENOMEM;
}

/* -- the rule ------------------------------------------------------------------------------------ */

static int look_at_waits(struct look *look)
{
    mark_blocking(look);
    add_up_stacks(look);
    int result = find_waits(look);
    if (result == 0)
        result = find_lines(look);
    if (result < 0)
        return result;
    if (look->loop_count)
        add_up_samples(look);
    for (size_t i = 0; i < look->loop_count && result == 0; i++)
        if (is_worth_it(look, &look->loops[i]))
            result = report(look, &look->loops[i]);
    return result;
}

static int find(struct pyro_rule_context *context)
{
    const struct pyro_profile *profile = context->profile;
    struct look look = {.context = context, .profile = profile};
    if (context->totals.traced || profile->timed)
        return 0;
    int result = pyro_clock_view_init(&look.view, profile, PYRO_CLOCK_WALL, false);
    if (result < 0)
        return result;
    look.waits_us = calloc(profile->stack_count + 1, sizeof(*look.waits_us));
    look.blocks = calloc(profile->stack_count + 1, sizeof(*look.blocks));
    look.sleeps = calloc(profile->stack_count + 1, sizeof(*look.sleeps));
    look.ids = calloc(profile->stack_count + 1, sizeof(*look.ids));
    result =
        look.waits_us && look.blocks && look.sleeps && look.ids ? look_at_waits(&look) : -ENOMEM;
    free(look.loops);
    free(look.waits);
    free(look.ids);
    free(look.sleeps);
    free(look.blocks);
    free(look.waits_us);
    pyro_clock_view_clear(&look.view);
    return result;
}

const struct pyro_rule pyro_rule_sequential_wait = {
    .name = "sequential-wait",
    .tier = PYRO_TIER_WAITING,
    .needs = PYRO_NEED_CALLS | PYRO_NEED_SAMPLES | PYRO_NEED_STATES,
    .mode = "run",
    .looks_for = "waits for answers from elsewhere that one line of a loop makes one after the "
                 "other; calls that block inside "
                 "of coroutines, while the event loop has others to run",
    .evidence = "samples: who waits, for what (socket, sleep, a process), whether two ever wait at "
                "one time; exact counts of the "
                "calls that wait",
    .fix = "asyncio.gather(), ThreadPoolExecutor.map(); in coroutines await, asyncio.to_thread()",
    .gain = "the sampled time of the waits, less what the longest of them takes: ten at a time are "
            "taken for likely, four for the "
            "least, all for the most; in coroutines, at the least nothing",
    .refuted_by = "each wait depends on the answer to the one before (pages with a link to the "
                  "next: that cannot be seen), the other "
                  "side answers one at a time, or the pause is meant",
    .blind_spots = "coroutines that await one after the other (a suspended one is on no stack); "
                   "loops in libraries and in several "
                   "threads at a time; waits below 20 ms, fewer than five; event loops other than "
                   "asyncio's own; waits for locks",
    .find = find,
};
