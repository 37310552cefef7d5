"""Start the probe in a program that `pyrometer run` started, and leave everything as if this file had not been.

`run` puts this folder first on PYTHONPATH and says in PYROMETER_PROBE what is wanted: the probe's file, a file descriptor
and a path to the memory (collect/tables.h), whether C functions are counted, calls timed and children followed, whose lines
are counted, and whether they are timed, whether allocations are tracked, and PYTHONPATH as it was.
"""

_is_ours = __import__("sys").modules.pop(__name__, None) is not None


def _remove_from_path():
    """So that the program's own sitecustomize is found, and nothing of us is seen."""
    import os
    import sys

    folder = os.path.dirname(__file__)
    while folder in sys.path:
        sys.path.remove(folder)
    sys.path_importer_cache.pop(folder, None)


def _is_sub_interpreter():
    """The interpreter that started the process is the one that may handle signals: no descriptor is set as yet."""
    import sys

    known = "_signal" in sys.modules
    import _signal

    try:
        _signal.set_wakeup_fd(-1)
    except ValueError:
        return True
    finally:
        if not known:
            del sys.modules["_signal"]
    return False


def _take_wanted():
    """Take what is wanted out of the environment that the program sees: it has nothing of ours. Children that follow get
    the C library's, which keeps it."""
    import os

    wanted = os.environ.get("PYROMETER_PROBE")
    if wanted is not None:
        follow, _, _, _, _, path_before = wanted.split("\n")[5:]
        seen = os.environ._data if follow == "1" else os.environ
        encode = os.environ.encodekey if follow == "1" else str
        del seen[encode("PYROMETER_PROBE")]
        if path_before:
            seen[encode("PYTHONPATH")] = encode(path_before[1:])
        else:
            seen.pop(encode("PYTHONPATH"), None)
    return wanted


def _open_memory(path):
    """A path of /proc of a pyrometer that ended may lead to another file: then OSError."""
    import os

    if not os.readlink(path).startswith("/memfd:pyrometer "):
        raise OSError
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _wanted_at_the_beginning():
    """What the process was told when it began: another interpreter of it took that away since."""
    import os

    with open("/proc/self/environ", "rb") as file:
        for variable in file.read().split(b"\0"):
            name, _, value = variable.partition(b"=")
            if name == b"PYROMETER_PROBE":
                return os.fsdecode(value)
    return None


def _tell_of_sub_interpreter():
    """Nothing is counted here, and the report says so."""
    import os

    wanted = _wanted_at_the_beginning()
    if wanted is None:
        return
    _, _, memory, _, _, follow, _, _, _, _, _ = wanted.split("\n")
    if follow != "1" and memory.split("/")[2] != str(os.getppid()):
        return  # a child that nobody follows
    descriptor = _open_memory(memory)
    os.pwrite(descriptor, b"\1", 24)  # sub_interpreters of struct pyro_tables_head
    os.close(descriptor)


def _load(probe):
    import _imp
    import sys

    if "t" in sys.abiflags:  # objects are laid out differently: the other one would crash
        if sys.version_info >= (3, 14):
            raise ImportError("of free-threaded builds it was tried in Python 3.13 only")
        probe = probe.replace("_probe.abi3.so", "_probe_free_threaded.so")

    class Spec:
        name = "pyrometer._probe"
        origin = probe

    module = _imp.create_dynamic(Spec)
    _imp.exec_dynamic(module)
    return module


def _tell_why_not(descriptor, error):
    """In place of a probe that is not there to do so: struct pyro_load_failure."""
    import os
    import sys

    who = os.getpid().to_bytes(4, sys.byteorder) + sys.hexversion.to_bytes(4, sys.byteorder)
    reason = f"the probe cannot be loaded: {error}".encode(errors="replace")[:247]
    os.pwrite(descriptor, who + reason, 64)


class _Profile:
    """The `profile` that kernprof puts into the builtins: what is marked or added is counted whenever it runs, if lines are
    counted at all. Nothing happens to it, and enable() and the like change nothing."""

    def __init__(self, mark):
        self._mark = mark

    def __call__(self, function):
        return self._mark(function)

    def add_function(self, function):
        self._mark(function)

    def add_class(self, cls):
        for member in list(vars(cls).values()):
            if any(hasattr(member, part) for part in ("__code__", "__wrapped__", "__func__", "fget")):
                self._mark(member)

    def add_module(self, module):
        for member in list(vars(module).values()):
            if getattr(member, "__module__", None) == module.__name__:
                if isinstance(member, type):
                    self.add_class(member)
                elif hasattr(member, "__code__") or hasattr(member, "__wrapped__"):
                    self._mark(member)

    def enable(self):
        pass

    disable = enable_by_count = disable_by_count = enable

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def runcall(self, function, /, *args, **kw):
        return function(*args, **kw)


def _stop_at_the_end(module):
    """What is alive when the program has ended is what it left, not what the interpreter could not take down."""
    import sys

    known = "atexit" in sys.modules
    import atexit

    atexit.register(module.stop)
    if not known:
        del sys.modules["atexit"]


def _count(wanted):
    import os
    import sys

    probe, descriptor, memory, c_calls, traces, follow, lines, line_times, tracks, period, _ = wanted.split("\n")
    descriptor = int(descriptor)
    try:  # a child that follows may have that number for something of its own
        ours = os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:pyrometer ")
    except OSError:
        ours = False
    if sys.version_info < (3, 11):
        if ours:
            os.close(descriptor)
        return
    if not ours:
        descriptor = _open_memory(memory)
    try:
        module = _load(probe)
    except ImportError as error:
        _tell_why_not(descriptor, error)
    else:
        names = lines[1:] if lines else None
        module.start(descriptor, c_calls == "1", traces == "1", follow == "1", names, int(tracks), line_times == "1", int(period))
        if tracks != "0":
            _stop_at_the_end(module)
        import builtins

        if hasattr(module, "profile"):  # as kernprof does: where no lines are counted it does nothing
            builtins.profile = _Profile(module.profile)
    finally:
        os.close(descriptor)


def _begin():
    _remove_from_path()
    wanted = _take_wanted()
    if _is_sub_interpreter():
        _tell_of_sub_interpreter()
    elif wanted is not None:
        _count(wanted)


try:
    _methods = [_method for _method in vars(_Profile).values() if hasattr(_method, "__code__")]
    for _function in (_remove_from_path, _is_sub_interpreter, _take_wanted, _load, _stop_at_the_end, _count, _begin, *_methods):
        _function.__code__ = _function.__code__.replace(co_filename="<pyrometer>")  # profile/own.h
    _begin()
except Exception:  # the program matters more; `run` says that nothing was counted
    pass

if _is_ours:
    import sitecustomize  # the program's own; if it has none, this fails as it would have without us
