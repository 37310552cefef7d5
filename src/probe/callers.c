/* probe/callers.c - sums of chains of frames, and the stacks they stand for. */
#include "probe/callers.h"

#include "base/map.h"
#include "probe/chain.h"
#include "probe/current.h"
#include "probe/names.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define SUM_FACTOR  UINT64_C(0x9e3779b97f4a7c15) /* odd */
#define SUMS_FIRST  (UINT32_C(1) << 12)
#define SUMS_MAX    (UINT32_C(1) << 22)
#define STEPS_MAX   (UINT32_C(1) << 20)
#define CHAIN_FIRST 1024
#define CHAIN_MAX   (UINT32_C(1) << 20) /* frames; of longer ones the innermost are left out */

/* -- the thread --------------------------------------------------------------------------------- */

static PyThreadState *(*attached_thread)(void); /* NULL where the calling thread is not */
static const void *main_interpreter;

/* 3.12+: of the calling thread. 3.11: of the one that has the GIL. */
static PyThreadState *attached(void)
{
    return pyro_current_offset ? pyro_current_thread() : attached_thread();
}

static inline bool is_main(PyThreadState *thread)
{
    return pyro_at(thread, pyro_inside.tstate_interp) == main_interpreter;
}

/* The calling thread's, whether it is attached or not. NULL: none, or one of another interpreter. */
static inline PyThreadState *own_thread(void)
{
    PyThreadState *thread = pyro_inside.minor >= 12 ? attached() : NULL;
    if (__builtin_expect(!thread, 0))
        thread = PyGILState_GetThisThreadState();
    if (__builtin_expect(!thread || !is_main(thread), 0))
        return NULL;
    return thread;
}

static struct pyro_chain_layout chain_layout;
static pthread_key_t chain_key; /* so that a chain goes with its thread */

/* Of the calling thread. */
static __thread struct {
    struct pyro_chain *chain;
    bool without; /* there is no memory for one, or the thread ends */
} own __attribute__((tls_model("initial-exec")));

static void end_chain(void *chain)
{
    own.chain = NULL;
    own.without = true;
    pyro_chain_free(chain);
}

static void begin_chain(void)
{
    struct pyro_chain *chain = pyro_chain_new();
    if (chain && pthread_setspecific(chain_key, chain) != 0) {
        pyro_chain_free(chain);
        chain = NULL;
    }
    own.chain = chain;
    own.without = !chain;
}

void pyro_callers_walk(struct pyro_callers *ret_callers)
{
    PyThreadState *thread = own_thread();
    const void *frame = thread ? pyro_current_frame(thread) : NULL;
    ret_callers->frame = frame;
    if (__builtin_expect(!own.chain && frame && !own.without, 0))
        begin_chain();
    ret_callers->sum = own.chain ? pyro_chain_sum(own.chain, &chain_layout, frame)
                                 : pyro_chain_plain_sum(&chain_layout, frame);
}

/* -- code objects ------------------------------------------------------------------------------- */

/* Under the heap's lock. None of it calls an allocator then: one that is not glibc's may unmap pages, which takes that lock, too. */
static struct pyro_map codes = {
    .of_pages = true};       /* address -> id of the function << 32 | serial, 0: it died */
static uint32_t last_serial; /* no two code objects have the same */
static uint64_t
    generation; /* of what was known before a code object died nothing counts any more */

/* A text in UTF-8, cut after PYRO_PROBE_NAME_MAX bytes. Asks for characters one by one: PyUnicode_AsUTF8() would allocate. */
static size_t put_text(PyObject *unicode, char text[PYRO_PROBE_NAME_MAX + 4])
{
    Py_ssize_t length = unicode ? PyUnicode_GetLength(unicode) : 0;
    size_t size = 0;
    for (Py_ssize_t i = 0; i < length && size < PYRO_PROBE_NAME_MAX; i++) {
        uint32_t c = PyUnicode_ReadChar(unicode, i);
        if (c >= 0xd800 && c < 0xe000)
            c = '?'; /* a lone surrogate */
        if (c < 0x80) {
            text[size++] = (char)c;
            continue;
        }
        if (c >= 0x10000)
            text[size++] = (char)(0xf0 | c >> 18);
        if (c >= 0x800)
            text[size++] = (char)((c >= 0x10000 ? 0x80 : 0xe0) | (c >> 12 & 0x3f));
        text[size++] = (char)((c >= 0x800 ? 0x80 : 0xc0) | (c >> 6 & 0x3f));
        text[size++] = (char)(0x80 | (c & 0x3f));
    }
    return size <= PYRO_PROBE_NAME_MAX ? size : PYRO_PROBE_NAME_MAX;
}

/* So that its end is seen. What does not lie as objects do was never allocated (frozen modules), and does not end. */
static bool mark_code(struct pyro_heap *heap, const PyObject *code)
{
    if ((uintptr_t)code % PYRO_HEAP_ALIGNMENT)
        return true;
    pyro_heap_cell *cell = pyro_heap_make_cell(heap, code);
    if (cell && !*cell)
        pyro_heap_note(heap, code);
    if (cell)
        *cell |= PYRO_HEAP_CODE;
    return cell != NULL;
}

/* As `codes` has it. 0: there is no room. Asked for without the GIL, too: a frame of the calling thread keeps the code, and what is read
 * of that never changes while it runs. */
static uint64_t code_of(struct pyro_heap *heap, PyObject *code)
{
    static char name[PYRO_PROBE_NAME_MAX + 4], file[PYRO_PROBE_NAME_MAX + 4];
    const uint64_t *known = pyro_map_find(&codes, (uintptr_t)code, 0);
    if (known && *known)
        return *known;
    if (last_serial == UINT32_MAX || !mark_code(heap, code))
        return 0;
    size_t name_size = put_text(pyro_at(code, pyro_inside.code_qualname), name);
    size_t file_size = put_text(pyro_at(code, pyro_inside.code_file), file);
    uint32_t id = pyro_names_python(name, name_size, file, file_size,
                                    pyro_u32_at(code, pyro_inside.code_line));
    uint64_t *added = id ? pyro_map_insert(&codes, (uintptr_t)code, 0, NULL) : NULL;
    if (!added)
        return 0;
    *added = (uint64_t)id << 32 | ++last_serial;
    return *added;
}

void pyro_callers_code_died(const void *address)
{
    uint64_t *known = pyro_map_find(&codes, (uintptr_t)address, 0);
    if (known)
        *known = 0;
    generation++;
}

/* -- from frame to frame ------------------------------------------------------------------------ */

static struct pyro_map steps = {
    .of_pages = true}; /* (stack << 32 | serial of code, instruction) -> stack */
static struct pyro_map stacks = {.of_pages = true}; /* (stack << 32 | function, line) -> stack */

static uint32_t stack_of_line(struct pyro_heap *heap, uint32_t parent, uint32_t function,
                              uint32_t line)
{
    uint64_t *known = pyro_map_insert(&stacks, (uint64_t)parent << 32 | function, line, NULL);
    if (!known)
        return PYRO_STACK_NONE;
    if (*known == PYRO_STACK_NONE)
        *known = pyro_heap_new_stack(heap, parent, function, line);
    return (uint32_t)*known;
}

void pyro_callers_learn(uint32_t stack, uint32_t parent, uint32_t function, uint32_t line)
{
    uint64_t *known = pyro_map_insert(&stacks, (uint64_t)parent << 32 | function, line, NULL);
    if (known)
        *known = stack;
}

/* Has FRAME, of CODE, come to where it can be traced? _PyFrame_IsIncomplete(), Include/internal/pycore_frame.h (3.11 ... 3.15). */
static bool is_complete(const void *frame, const PyObject *code, int offset)
{
    const uint8_t owner_generator = 1; /* enum _frameowner */
    return *((const uint8_t *)frame + pyro_inside.frame_owner) == owner_generator ||
           offset >= 2 * (int)pyro_u32_at(code, pyro_inside.code_first_traceable);
}

/* The stack of a frame at OFFSET of CODE, called by PARENT's. PYRO_STACK_NONE: it cannot be told. */
static uint32_t known_step(struct pyro_heap *heap, uint32_t parent, PyObject *code, int offset)
{
    uint64_t known = code_of(heap, code);
    if (!known)
        return PYRO_STACK_NONE;
    if (steps.count > STEPS_MAX)
        pyro_map_clear(&steps);
    uint64_t *next =
        pyro_map_insert(&steps, (uint64_t)parent << 32 | (uint32_t)known, (uint32_t)offset, NULL);
    if (next && *next == PYRO_STACK_NONE) {
        int line = pyro_python.line_of(code, offset);
        *next = stack_of_line(heap, parent, (uint32_t)(known >> 32), line > 0 ? (uint32_t)line : 0);
    }
    return next ? (uint32_t)*next : PYRO_STACK_NONE;
}

static uint32_t step(struct pyro_heap *heap, uint32_t parent, const void *frame)
{
    PyObject *code = pyro_frame_code(frame);
    int offset = pyro_frame_offset(frame, code);
    if (!is_complete(frame, code, offset))
        return parent;
    uint32_t stack = known_step(heap, parent, code, offset);
    if (stack == PYRO_STACK_NONE)
        heap->totals->cut++;
    return stack == PYRO_STACK_NONE ? parent : stack;
}

/* Frames of one chain, innermost first. */
static struct {
    const void **frames;
    size_t room;
} chain;

static bool room_in_chain(size_t count)
{
    if (count < chain.room)
        return true;
    size_t room = chain.room ? 2 * chain.room : CHAIN_FIRST;
    void *frames = mmap(NULL, room * sizeof(void *), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (frames == MAP_FAILED)
        return false;
    if (chain.room) {
        memcpy(frames, chain.frames, chain.room * sizeof(void *));
        munmap(chain.frames, chain.room * sizeof(void *));
    }
    chain.frames = frames;
    chain.room = room;
    return true;
}

static uint32_t find(const struct pyro_callers *callers, struct pyro_heap *heap)
{
    size_t count = 0;
    uint32_t stack = PYRO_STACK_NONE;
    for (const void *frame = callers->frame; frame;
         frame = pyro_at(frame, pyro_inside.frame_previous)) {
        if (pyro_inside.minor >= 12 && pyro_is_shim(frame))
            continue;
        if (count == CHAIN_MAX || !room_in_chain(count))
            return PYRO_STACK_NONE;
        chain.frames[count++] = frame;
    }
    while (count > 0)
        stack = step(heap, stack, chain.frames[--count]);
    return stack != PYRO_STACK_NONE ? stack : stack_of_line(heap, stack, PYRO_ID_ROOT, 0);
}

/* -- sums --------------------------------------------------------------------------------------- */

struct sum {
    uint64_t sum; /* 0: free */
    uint32_t stack, unused;
};
static struct {
    struct sum *places;
    uint32_t mask, used;
    uint32_t current; /* of `used`, those of this ... */
    uint64_t generation;
} sums;

/* An empty table, larger if what is known now would soon fill it again. Else, without memory, the one that was there. */
static bool clear_sums(void)
{
    uint32_t places = sums.places ? sums.mask + 1 : 0;
    uint32_t wanted = places ? places : SUMS_FIRST;
    if (places && sums.current > places / 4 && places < SUMS_MAX)
        wanted *= 2;
    if (wanted != places) {
        void *memory = mmap(NULL, wanted * sizeof(struct sum), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) {
            if (places)
                munmap(sums.places, places * sizeof(struct sum));
            sums.places = memory;
            sums.mask = wanted - 1;
            sums.used = sums.current = 0;
            return true;
        }
    }
    if (places)
        memset(sums.places, 0, places * sizeof(struct sum));
    sums.used = sums.current = 0;
    return places != 0;
}

static inline struct sum *place_of(uint64_t sum)
{
    uint32_t at = (uint32_t)(sum >> 32) & sums.mask;
    while (sums.places[at].sum && sums.places[at].sum != sum)
        at = (at + 1) & sums.mask;
    return &sums.places[at];
}

static uint32_t add_sum(const struct pyro_callers *callers, uint64_t sum, struct pyro_heap *heap)
{
    uint32_t stack = find(callers, heap);
    if (sums.generation != generation) {
        sums.generation = generation;
        sums.current = 0;
    }
    if ((!sums.places || sums.used >= sums.mask / 4 * 3) && !clear_sums())
        return stack;
    *place_of(sum) = (struct sum){.sum = sum, .stack = stack};
    sums.used++;
    sums.current++;
    return stack;
}

uint32_t pyro_callers_stack(const struct pyro_callers *callers, struct pyro_heap *heap)
{
    uint64_t sum = (callers->sum + generation) * SUM_FACTOR | 1;
    if (__builtin_expect(sums.places != NULL, 1)) {
        const struct sum *known = place_of(sum);
        if (__builtin_expect(known->sum == sum, 1))
            return known->stack;
    }
    return add_sum(callers, sum, heap);
}

void pyro_callers_forget(bool torn)
{
    if (torn) {
        codes = steps = stacks = PYRO_MAP_OF_PAGES;
        memset(&sums, 0, sizeof(sums));
        memset(&chain, 0, sizeof(chain));
    }
    pyro_map_free(&codes);
    pyro_map_free(&steps);
    pyro_map_free(&stacks);
    generation++;
    if (sums.places)
        (void)clear_sums();
}

/* -- the beginning ------------------------------------------------------------------------------ */

static PyObject *first_constant(PyObject *code)
{
    PyObject *constants = PyObject_GetAttrString(code, "co_consts");
    PyObject *constant = constants ? PySequence_GetItem(constants, 0) : NULL;
    Py_XDECREF(constants);
    return constant;
}

/* Code objects keep the first instruction that can be traced right before their extra data (Include/cpython/code.h, 3.11 ... 3.15). A
 * generator's is not its first one. */
static int prove_first_traceable(void)
{
    PyObject *plain = Py_CompileString("0", "<pyrometer>", Py_eval_input);
    PyObject *outer = Py_CompileString("(x for x in ())", "<pyrometer>", Py_eval_input);
    PyObject *generator = outer ? first_constant(outer) : NULL;
    int result = -1;
    if (plain && generator) {
        uint32_t at = pyro_inside.code_extra - (uint32_t)sizeof(void *);
        uint32_t first = pyro_u32_at(generator, at);
        pyro_inside.code_first_traceable = at;
        result = pyro_u32_at(plain, at) == 0 && first >= 1 && first <= 8 ? 0 : -1;
        if (result < 0)
            PyErr_SetString(PyExc_ImportError,
                            "the probe does not fit this Python: its code objects are not as they "
                            "should be");
    }
    Py_XDECREF(plain);
    Py_XDECREF(outer);
    Py_XDECREF(generator);
    return result;
}

static int prepare_chains(void)
{
    static bool prepared;
    chain_layout = (struct pyro_chain_layout){.previous = pyro_inside.frame_previous,
                                              .instruction = pyro_inside.frame_instruction};
    if (!prepared && pthread_key_create(&chain_key, end_chain) != 0) {
        PyErr_SetString(PyExc_ImportError, "this process has no room for a thread's own data");
        return -1;
    }
    prepared = true;
    return 0;
}

int pyro_callers_init(void)
{
    if (prepare_chains() < 0)
        return -1;
    *(void **)&attached_thread = dlsym(RTLD_DEFAULT, "_PyThreadState_UncheckedGet");
    if (!attached_thread)
        *(void **)&attached_thread = dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked");
    if (!attached_thread) {
        PyErr_SetString(PyExc_ImportError, "this Python does not export what the probe needs");
        return -1;
    }
    main_interpreter = pyro_at(PyThreadState_Get(), pyro_inside.tstate_interp);
    if (main_interpreter != PyInterpreterState_Get()) {
        PyErr_SetString(PyExc_ImportError, "the probe does not fit this Python: its threads are "
                                           "not as they should be");
        return -1;
    }
    return prove_first_traceable();
}
