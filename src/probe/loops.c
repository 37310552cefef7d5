/* probe/loops.c - loops in Python, timed. */
#include "probe/loops.h"

#include "base/clock.h"
#include "probe/inside.h"
#include "probe/legacy.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS      400
#define WARM_UP     64 /* rounds, for the interpreter to specialise */
#define INTERRUPTED 3  /* times the median */

void pyro_loops_clear(struct pyro_loops *loops)
{
    Py_CLEAR(loops->warm_up);
    Py_CLEAR(loops->rounds);
    for (int i = 0; i < PYRO_LOOPS_MAX; i++)
        Py_CLEAR(loops->functions[i]);
}

int pyro_loops_init(struct pyro_loops *loops, const char *source, const char *const *names,
                    int count)
{
    PyObject *globals = PyDict_New();
    PyObject *code = Py_CompileString(source, "<pyrometer>", Py_file_input);
    PyObject *result = NULL;
    loops->count = count;
    if (globals && code && PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0)
        result = PyEval_EvalCode(code, globals, globals);
    for (int i = 0; result && i < count; i++)
        loops->functions[i] = Py_XNewRef(PyDict_GetItemString(globals, names[i]));
    Py_XDECREF(result);
    Py_XDECREF(code);
    Py_XDECREF(globals);
    if (!result)
        return -1;
    loops->warm_up = PyObject_CallFunction((PyObject *)&PyRange_Type, "i", WARM_UP);
    if (loops->warm_up)
        loops->rounds = PyObject_CallFunction((PyObject *)&PyRange_Type, "i", ROUNDS);
    return loops->rounds ? 0 : -1;
}

static int run(PyObject *function, PyObject *rounds)
{
    PyObject *result = PyObject_CallFunctionObjArgs(function, rounds, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* -- timing ------------------------------------------------------------------------------------- */

static int time_one(struct pyro_loops *loops, bool with, int loop, int pair)
{
    if (run(loops->functions[loop], loops->warm_up) < 0)
        return -1;
    uint64_t begin = pyro_clock_ns();
    int result = run(loops->functions[loop], loops->rounds);
    loops->ns[with][loop][pair] = (double)(pyro_clock_ns() - begin) / ROUNDS;
    return result;
}

static int time_all(struct pyro_loops *loops, bool with, double (*shown)(void), int pair)
{
    for (int loop = 0; loop < loops->count; loop++) {
        if (time_one(loops, with, loop, pair) < 0)
            return -1;
        if (with && shown)
            loops->shown_ns[loop][pair] = shown();
    }
    return 0;
}

static int time_pairs(struct pyro_loops *loops, int (*switch_to)(bool on), double (*shown)(void))
{
    int result = 0;
    for (int pair = 0; result == 0 && pair < PYRO_LOOP_PAIRS; pair++) {
        result = switch_to(false);
        if (result == 0)
            result = time_all(loops, false, shown, pair);
        if (switch_to(true) < 0)
            result = -1;
        if (result == 0)
            result = time_all(loops, true, shown, pair);
    }
    return result;
}

int pyro_loops_time(struct pyro_loops *loops, int (*switch_to)(bool on), double (*shown)(void))
{
    if (pyro_inside.minor >= 12)
        return time_pairs(loops, switch_to, shown);
    pyro_legacy_hush(PyThreadState_Get());
    int result = time_pairs(loops, switch_to, shown);
    pyro_legacy_hush(NULL);
    return result;
}

/* -- what it says ------------------------------------------------------------------------------- */

static int in_order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(const double values[PYRO_LOOP_PAIRS])
{
    double sorted[PYRO_LOOP_PAIRS];
    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, PYRO_LOOP_PAIRS, sizeof(*sorted), in_order);
    return sorted[PYRO_LOOP_PAIRS / 2];
}

/* The mean of LEFT - RIGHT * FACTOR, over the pairs in which neither was interrupted. */
static double difference(const double left[PYRO_LOOP_PAIRS], const double right[PYRO_LOOP_PAIRS],
                         double factor)
{
    double left_max = INTERRUPTED * median(left), right_max = INTERRUPTED * median(right), sum = 0;
    int count = 0;
    for (int i = 0; i < PYRO_LOOP_PAIRS; i++) {
        if (left[i] > left_max || right[i] > right_max)
            continue;
        sum += left[i] - right[i] * factor;
        count++;
    }
    return count ? sum / count : 0;
}

static double usual(const double values[PYRO_LOOP_PAIRS])
{
    return difference(values, values, 0);
}

double pyro_loops_ns(const struct pyro_loops *loops, int loop)
{
    return usual(loops->ns[false][loop]);
}

double pyro_loops_shown(const struct pyro_loops *loops, int loop)
{
    return usual(loops->shown_ns[loop]);
}

double pyro_loops_cost(const struct pyro_loops *loops, int loop, int plain)
{
    const double(*without)[PYRO_LOOP_PAIRS] = loops->ns[false];
    const double(*with)[PYRO_LOOP_PAIRS] = loops->ns[true];
    double slowdown = 1;
    if (pyro_inside.minor < 12)
        slowdown = usual(with[plain]) / (usual(without[plain]) + 1e-9);
    double cost_ns = difference(with[loop], without[loop], slowdown);
    return cost_ns > 0 ? cost_ns : 0;
}
