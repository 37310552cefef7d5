/* probe/python.c - what the limited API does not declare, by its names in the process. */
#include "probe/python.h"

#include <dlfcn.h>

struct pyro_python pyro_python;

static void *find(const char *name, const char *older_name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    return found || !older_name ? found : dlsym(RTLD_DEFAULT, older_name);
}

int pyro_python_find(void)
{
    static bool found;
    if (found)
        return 0;
    *(void **)&pyro_python.request_code_extra =
        find("PyUnstable_Eval_RequestCodeExtraIndex", "_PyEval_RequestCodeExtraIndex");
    *(void **)&pyro_python.set_code_extra = find("PyUnstable_Code_SetExtra", "_PyCode_SetExtra");
    *(void **)&pyro_python.line_of = find("PyCode_Addr2Line", NULL);
    *(void **)&pyro_python.set_profile = find("_PyEval_SetProfile", NULL);
    *(void **)&pyro_python.set_trace = find("_PyEval_SetTrace", NULL);
    *(void **)&pyro_python.stack_effect = find("PyCompile_OpcodeStackEffectWithJump", NULL);
    pyro_python.cell_type = find("PyCell_Type", NULL);
    *(void **)&pyro_python.first_thread = find("PyInterpreterState_ThreadHead", NULL);
    *(void **)&pyro_python.next_thread = find("PyThreadState_Next", NULL);
    *(void **)&pyro_python.begin_section = find("PyCriticalSection_Begin", NULL);
    *(void **)&pyro_python.end_section = find("PyCriticalSection_End", NULL);
    *(void **)&pyro_python.lock_mutex = find("PyMutex_Lock", NULL);
    *(void **)&pyro_python.unlock_mutex = find("PyMutex_Unlock", NULL);
    *(void **)&pyro_python.is_finalizing = find("Py_IsFinalizing", NULL);
    bool without_gil = pyro_python.begin_section && pyro_python.end_section &&
                       pyro_python.lock_mutex && pyro_python.unlock_mutex &&
                       pyro_python.is_finalizing;
    found = pyro_python.request_code_extra && pyro_python.set_code_extra && pyro_python.line_of &&
            (without_gil || !PYRO_FREE_THREADED);
    if (found)
        return 0;
    PyErr_SetString(PyExc_ImportError, "this Python does not export what the probe needs");
    return -1;
}
