/* probe/scripts.c - _PyRemoteDebuggerSupport of each thread: a mark that is cleared before the script is opened, and its path (Include/cpython/pystate.h, Python/ceval_gil.c). */
#include "probe/scripts.h"

#if !PYRO_FREE_THREADED

#include "probe/inside.h"

#include <string.h>

#define THREADS_MAX \
    100000 /* looked at: the list may be torn where a thread is made without the GIL */

/* True: THREAD was asked for PATH and has begun with it. */
static bool forget(PyThreadState *thread, const char *path, bool own)
{
    char *asked = (char *)thread + pyro_inside.script_path;
    int *mark = (int *)(void *)((char *)thread + pyro_inside.script_mark);
    if (strncmp(asked, path, pyro_inside.script_path_size) != 0)
        return false;
    bool has_begun = *mark == 0;
    if (!own && has_begun)
        return true;
    *mark = 0;
    asked[0] = '\0';
    return false;
}

PyObject *pyro_scripts_forget(PyObject *self, PyObject *path)
{
    PyThreadState *own = PyThreadState_Get(), *thread;
    const char *text = PyUnicode_AsUTF8AndSize(path, NULL);
    int count = 0, begun = 0;
    if (!text || pyro_inside_init() < 0)
        return NULL;
    if (!pyro_inside.script_path_size || !pyro_python.first_thread || !pyro_python.next_thread)
        return PyLong_FromLong(0);
    thread = pyro_python.first_thread(PyThreadState_GetInterpreter(own));
    for (; thread && count < THREADS_MAX; count++) {
        begun += forget(thread, text, thread == own);
        thread = pyro_python.next_thread(thread);
    }
    return PyLong_FromLong(begun);
}

#endif
