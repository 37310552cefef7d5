/* probe/contains.c - the height of the value stack at each instruction, as CPython's compiler counts it.
 *
 * Instructions are two bytes, and CACHE behind them. A jump counts from behind the caches of its instruction. What is only reached
 * by an exception has no known height: tests there are not told. */
#include "probe/contains.h"

#if !PYRO_FREE_THREADED

#include "probe/blocks.h"

#include <stdlib.h>
#include <string.h>

#define UNITS_MAX  (1 << 16) /* instructions of a code object: longer ones are left alone */
#define HEIGHT_MAX 4096
#define PASSES_MAX 16
#define UNKNOWN    (-1)

/* What an instruction does besides going on with the next one. */
enum flow {
    NEXT,
    FORWARD, /* may jump */
    BACKWARD,
    GOTO_FORWARD, /* jumps */
    GOTO_BACKWARD,
    ENDS,
    STARTS, /* a generator: what is sent first lies on the stack then */
    EXTENDS,
};

/* Include/opcode.h, 3.13: opcode_ids.h. CACHE is 0. */
static const struct bytecode {
    uint8_t contains;
    uint8_t flow[256]; /* enum flow */
} bytecodes[] = {
    /* 3.11 */
    {118, {[75] = STARTS,    [83] = ENDS,           [93] = FORWARD,        [110] = GOTO_FORWARD,
           [111] = FORWARD,  [112] = FORWARD,       [114] = FORWARD,       [115] = FORWARD,
           [119] = ENDS,     [123] = FORWARD,       [128] = FORWARD,       [129] = FORWARD,
           [130] = ENDS,     [134] = GOTO_BACKWARD, [140] = GOTO_BACKWARD, [144] = EXTENDS,
           [173] = BACKWARD, [174] = BACKWARD,      [175] = BACKWARD,      [176] = BACKWARD}},
    /* 3.12 */
    {118,
     {[75] = STARTS,
      [83] = ENDS,
      [93] = FORWARD,
      [110] = GOTO_FORWARD,
      [114] = FORWARD,
      [115] = FORWARD,
      [119] = ENDS,
      [121] = ENDS,
      [123] = FORWARD,
      [128] = FORWARD,
      [129] = FORWARD,
      [130] = ENDS,
      [134] = GOTO_BACKWARD,
      [140] = GOTO_BACKWARD,
      [144] = EXTENDS}},
    /* 3.13 */
    {59,
     {[35] = STARTS,
      [36] = ENDS,
      [71] = EXTENDS,
      [72] = FORWARD,
      [77] = GOTO_BACKWARD,
      [78] = GOTO_BACKWARD,
      [79] = GOTO_FORWARD,
      [97] = FORWARD,
      [98] = FORWARD,
      [99] = FORWARD,
      [100] = FORWARD,
      [101] = ENDS,
      [102] = ENDS,
      [103] = ENDS,
      [104] = FORWARD}},
};
#define FIRST_MINOR 11

static struct pyro_block_head *block; /* the newest one */

void pyro_contains_forked(void)
{
    block = NULL;
}

/* -- heights ------------------------------------------------------------------------------------ */

struct analysis {
    const struct bytecode *bytecode;
    const uint8_t *code; /* two bytes an instruction */
    int count;           /* of them */
    int16_t *heights;    /* before each */
    bool changed, wrong;
};

static void set_height(struct analysis *analysis, int at, int height)
{
    if (at < 0 || at >= analysis->count || height < 0 || height > HEIGHT_MAX) {
        analysis->wrong = true;
    } else if (analysis->heights[at] == UNKNOWN) {
        analysis->heights[at] = (int16_t)height;
        analysis->changed = true;
    } else if (analysis->heights[at] != height) {
        analysis->wrong = true;
    }
}

static int behind_caches(const struct analysis *analysis, int at)
{
    at++;
    while (at < analysis->count && analysis->code[2 * at] == 0)
        at++;
    return at;
}

/* The instruction at AT, with all of its ARGUMENT, leads on. */
static void step(struct analysis *analysis, int at, int argument)
{
    int opcode = analysis->code[2 * at], height = analysis->heights[at];
    int next = behind_caches(analysis, at);
    enum flow flow = analysis->bytecode->flow[opcode];
    if (flow == ENDS)
        return;
    if (flow == STARTS) {
        set_height(analysis, next, 1);
        return;
    }
    if (flow != NEXT && flow != EXTENDS) {
        bool back = flow == BACKWARD || flow == GOTO_BACKWARD;
        set_height(analysis, back ? next - argument : next + argument,
                   height + pyro_python.stack_effect(opcode, argument, 1));
    }
    if (flow != GOTO_FORWARD && flow != GOTO_BACKWARD)
        set_height(analysis, next, height + pyro_python.stack_effect(opcode, argument, 0));
}

static void pass(struct analysis *analysis)
{
    int extended = 0;
    for (int at = 0; at < analysis->count && !analysis->wrong; at = behind_caches(analysis, at)) {
        int argument = extended << 8 | analysis->code[2 * at + 1];
        extended = analysis->bytecode->flow[analysis->code[2 * at]] == EXTENDS ? argument : 0;
        if (analysis->heights[at] != UNKNOWN)
            step(analysis, at, argument);
    }
}

static bool find_heights(struct analysis *analysis)
{
    for (int i = 0; i < analysis->count; i++)
        analysis->heights[i] = UNKNOWN;
    set_height(analysis, 0, 0);
    for (int i = 0; i < PASSES_MAX && analysis->changed && !analysis->wrong; i++) {
        analysis->changed = false;
        pass(analysis);
    }
    return !analysis->wrong;
}

/* -- telling ------------------------------------------------------------------------------------ */

static void tell(PyObject *code, int at, uint32_t slot)
{
    uint32_t used =
        block ? atomic_load_explicit(&block->used, memory_order_relaxed) : PYRO_BLOCK_OPERAND_COUNT;
    if (used == PYRO_BLOCK_OPERAND_COUNT) {
        struct pyro_block_head *claimed = pyro_blocks_claim(PYRO_BLOCK_OPERANDS, 0);
        if (!claimed)
            return; /* what it searches is not seen, then */
        block = claimed;
        used = 0;
    }
    ((struct pyro_operand_entry *)(block + 1))[used] = (struct pyro_operand_entry){
        .code = (uintptr_t)code,
        .offset = 2 * (uint32_t)at,
        .slot = slot,
    };
    atomic_store_explicit(&block->used, used + 1, memory_order_release);
}

/* Tests pop what is searched and then what is sought: the container is on top. */
static void tell_all(const struct analysis *analysis, PyObject *code, uint32_t variables)
{
    for (int at = 0; at < analysis->count; at = behind_caches(analysis, at))
        if (analysis->code[2 * at] == analysis->bytecode->contains && analysis->heights[at] >= 2)
            tell(code, at, variables + (uint32_t)analysis->heights[at] - 1);
}

/* How many variables, cells and closure variables a frame of CODE has; negative: not known. */
static Py_ssize_t variables_of(PyObject *code)
{
    static const char *const names[] = {"co_varnames", "co_cellvars", "co_freevars"};
    PyObject *tuples[3];
    Py_ssize_t count = 0;
    for (int i = 0; i < 3; i++)
        tuples[i] = PyObject_GetAttrString(code, names[i]);
    if (tuples[0] && tuples[1] && tuples[2]) {
        count = PyTuple_Size(tuples[0]) + PyTuple_Size(tuples[1]) + PyTuple_Size(tuples[2]);
        for (Py_ssize_t i = 0; i < PyTuple_Size(tuples[1]); i++) /* parameters that are cells */
            count -= PySequence_Contains(tuples[0], PyTuple_GetItem(tuples[1], i)) == 1;
    }
    for (int i = 0; i < 3; i++)
        Py_XDECREF(tuples[i]);
    bool failed = PyErr_Occurred() != NULL;
    PyErr_Clear();
    return failed ? -1 : count;
}

static void analyse(PyObject *code, PyObject *bytes, const struct bytecode *bytecode)
{
    Py_ssize_t variables = variables_of(code);
    struct analysis analysis = {
        .bytecode = bytecode,
        .code = (const uint8_t *)PyBytes_AsString(bytes),
        .count = (int)(PyBytes_Size(bytes) / 2),
    };
    analysis.heights = malloc((size_t)analysis.count * sizeof(*analysis.heights));
    if (variables >= 0 && analysis.heights && find_heights(&analysis))
        tell_all(&analysis, code, (uint32_t)variables);
    free(analysis.heights);
}

/* May there be one, by the bytecode as it lies there? A cache may look like one. */
static bool may_contain(const PyObject *code, Py_ssize_t count, uint8_t opcode)
{
    const uint8_t *at = (const uint8_t *)code + pyro_inside.code_bytecode;
    for (Py_ssize_t i = 0; i < count; i++)
        if (at[2 * i] == opcode)
            return true;
    return false;
}

void pyro_contains_note(PyObject *code)
{
    unsigned version = pyro_inside.minor - FIRST_MINOR;
    Py_ssize_t count = Py_SIZE(code);
    if (version >= sizeof(bytecodes) / sizeof(bytecodes[0]) || !pyro_python.stack_effect ||
        count <= 0 || count > UNITS_MAX || !may_contain(code, count, bytecodes[version].contains))
        return;
    PyObject *bytes = PyObject_GetAttrString(code, "co_code");
    if (bytes && PyBytes_Check(bytes))
        analyse(code, bytes, &bytecodes[version]);
    Py_XDECREF(bytes);
    PyErr_Clear();
}

#endif /* PYRO_FREE_THREADED */
