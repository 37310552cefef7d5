/* probe/costs.c - loops that do nothing but call, with and without what times calls.
 *
 * What a round takes longer with it is the whole cost of a call. What it says that the called function took, less what a
 * call takes without it, is the part between the two readings of the clock: so an empty function is shown to take what its
 * call takes. */
#include "probe/costs.h"

#include "probe/loops.h"
#include "probe/profiles.h"

#include <math.h>
#include <string.h>

enum loop { EMPTY, PYTHON, FROM_C, C, PLAIN, LOOPS };

static const char source[] = "def nothing(x):\n"
                             "    return x\n"
                             "def empty(rounds):\n"
                             "    for i in rounds: pass\n"
                             "def python(rounds):\n"
                             "    for i in rounds: nothing(i)\n"
                             "def from_c(rounds):\n"
                             "    for i in map(nothing, rounds): pass\n"
                             "def c(rounds):\n"
                             "    for i in rounds: abs(i)\n"
                             "def plain(rounds):\n"
                             "    s = 0\n"
                             "    for i in rounds: s += i * i % 7\n";
static const char *const names[LOOPS] = {"empty", "python", "from_c", "c", "plain"};

static double between(double ns, double limit)
{
    return ns < 0 ? 0 : ns < limit ? ns : limit;
}

/* What a call in LOOP is shown to take, less what it takes without events. */
static double longer_shown(const struct pyro_loops *loops, enum loop loop)
{
    double call_ns = pyro_loops_ns(loops, loop) - pyro_loops_ns(loops, EMPTY);
    return pyro_loops_shown(loops, loop) - call_ns;
}

static struct pyro_call_costs costs_of(const struct pyro_loops *loops)
{
    double both_ns = pyro_loops_cost(loops, PYTHON, PLAIN); /* with the call instruction's event */
    double python_ns = pyro_loops_cost(loops, FROM_C, PLAIN);
    if (pyro_inside.minor < 12) /* has none if that calls Python */
        python_ns = both_ns;
    struct pyro_call_costs costs = {
        .python = python_ns,
        .c = pyro_loops_cost(loops, C, PLAIN),
        .ignored = both_ns > python_ns ? both_ns - python_ns : 0,
    };
    costs.python_inside = between(longer_shown(loops, PYTHON), costs.python);
    costs.c_inside = between(longer_shown(loops, C), costs.c);
    return costs;
}

int pyro_costs_measure(int (*switch_to)(bool on), double (*shown)(void),
                       struct pyro_call_costs *ret_costs)
{
    struct pyro_loops loops = {0};
    int result = pyro_loops_init(&loops, source, names, LOOPS);
    if (result == 0)
        result = pyro_loops_time(&loops, switch_to, shown);
    if (result == 0)
        *ret_costs = costs_of(&loops);
    pyro_loops_clear(&loops);
    return result;
}

/* -- a Profile of nobody's ---------------------------------------------------------------------- */

static struct pyro_profile nobodys;

static int switch_to(bool on)
{
    if (on)
        return pyro_profile_enable(&nobodys);
    return pyro_profile_disable(&nobodys);
}

static double shown(void)
{
    const struct pyro_entry *called = NULL;
    double ns = 0;
    for (const struct pyro_thread *thread = nobodys.threads; thread; thread = thread->next)
        for (const struct pyro_entry *entry = thread->shadow.entries.first; entry;
             entry = entry->next)
            if (!called || entry->figures.calls > called->figures.calls)
                called = entry;
    if (called && called->figures.calls)
        ns = (double)called->figures.own / (double)called->figures.calls;
    (void)pyro_profile_clear(&nobodys);
    return ns;
}

static int measure(struct pyro_call_costs *ret_costs)
{
    pyro_profile_init(&nobodys);
    pyro_profiles_only(&nobodys);
    int result = pyro_costs_measure(switch_to, shown, ret_costs);
    pyro_profile_end(&nobodys);
    pyro_profiles_only(NULL);
    return result;
}

/* -- as the machine is -------------------------------------------------------------------------- */

#define FOLLOWED     32 /* events that were measured: about two thousand */
#define FACTOR_LIMIT 3  /* a larger difference between then and now tells nothing */

static __thread struct pyro_gauge gauges[PYRO_GAUGES] __attribute__((tls_model("initial-exec")));
__thread struct pyro_gauge_hand pyro_costs_gauge __attribute__((tls_model("initial-exec")));
struct pyro_event_costs pyro_costs_of_profile;

enum state { NOT_MEASURED, MEASURING, MEASURED };
static _Atomic enum state state; /* once it is MEASURED, these two do not change any more: */
static struct pyro_call_costs measured_ns;
static double zero_ticks[PYRO_GAUGES]; /* what events took then */

static void set_cost(_Atomic int64_t *cost, double ns)
{
    atomic_store_explicit(cost, (int64_t)floor(ns + 0.5), memory_order_relaxed);
}

static void set_costs(double factor)
{
    struct pyro_event_costs *costs = &pyro_costs_of_profile;
    set_cost(&costs->python, measured_ns.python * factor);
    set_cost(&costs->python_inside, measured_ns.python_inside * factor);
    set_cost(&costs->c, measured_ns.c * factor);
    set_cost(&costs->c_inside, measured_ns.c_inside * factor);
    set_cost(&costs->ignored, measured_ns.ignored * factor);
}

void pyro_costs_begin_thread(void)
{
    pyro_costs_gauge.gauges = gauges;
}

void pyro_costs_follow(void)
{
    double took_ticks = 0, expected_ticks = 0;
    uint64_t count = 0;
    if (atomic_load(&state) != MEASURED)
        return;
    for (int kind = 0; kind < PYRO_GAUGES; kind++) {
        count += gauges[kind].count;
        took_ticks += zero_ticks[kind] > 0 ? (double)gauges[kind].ticks : 0;
        expected_ticks += zero_ticks[kind] * (double)gauges[kind].count;
    }
    if (count < FOLLOWED)
        return;
    memset(gauges, 0, sizeof(gauges));
    double factor = expected_ticks > 0 ? took_ticks / expected_ticks : 1;
    if (factor < FACTOR_LIMIT && factor > 1.0 / FACTOR_LIMIT)
        set_costs(factor);
}

int pyro_costs_measure_profile(void)
{
    enum state before = NOT_MEASURED;
    if (!atomic_compare_exchange_strong(&state, &before,
                                        MEASURING)) /* another thread does, or did */
        return 0;
    pyro_ticks_init();
    int result = measure(&measured_ns);
    pyro_gauge_take(&pyro_costs_gauge, zero_ticks);
    if (result == 0)
        set_costs(1);
    atomic_store(&state, result == 0 ? MEASURED : NOT_MEASURED);
    if (result == 0)
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_RecursionError) && !PyErr_ExceptionMatches(PyExc_MemoryError))
        return -1;
    PyErr_Clear();
    return 0;
}
