/* probe/calibrate.c - loops that do nothing but call. */
#include "probe/calibrate.h"

#include "probe/inside.h"
#include "probe/loops.h"

enum loop { STARTS, CALLS, PLAIN, LOOPS };

static const char source[] = "def nothing(x):\n"
                             "    return x\n"
                             "def calibrate_starts(rounds):\n"
                             "    for i in rounds: nothing(i)\n"
                             "def calibrate_calls(rounds):\n"
                             "    for i in rounds: abs(i)\n"
                             "def calibrate_plain(rounds):\n"
                             "    s = 0\n"
                             "    for i in rounds: s += i * i % 7\n";
static const char *const names[LOOPS] = {"calibrate_starts", "calibrate_calls", "calibrate_plain"};

static double at_least_0(double ns)
{
    return ns > 0 ? ns : 0;
}

int pyro_calibrate(int (*switch_to)(bool on), struct pyro_costs *ret_costs)
{
    struct pyro_loops loops = {0};
    int result = pyro_loops_init(&loops, source, names, LOOPS);
    if (result == 0)
        result = pyro_loops_time(&loops, switch_to, NULL);
    if (result == 0) {
        double both_ns = pyro_loops_cost(&loops, STARTS, PLAIN);
        ret_costs->call_ns = pyro_loops_cost(&loops, CALLS, PLAIN);
        ret_costs->start_ns = both_ns;
        if (pyro_inside.minor > 11) /* before, a call instruction is only seen when it calls C */
            ret_costs->start_ns = at_least_0(both_ns - ret_costs->call_ns);
    }
    pyro_loops_clear(&loops);
    return result;
}
