"""What `pyrometer record --inject` has a running program execute: start the probe there, or stop it.

It runs wherever the program was just about to run an instruction, in any thread, so it leaves nothing behind: no module, no
name, no open file but the memory to count into. `folder` has what is wanted in the file `wanted` (cli/inject.c writes
it), and gets the answer. Whoever wants it holds a lock on that file as long as it lives: if nobody does, nothing is
started, and the folder is removed.
"""

import _imp
import posix
import sys

_OURS = "<pyrometer>"
_MEMORY = "/memfd:pyrometer "
_PROBE = b"/pyrometer-probe-"
_PART = 1 << 16

# How long a thread that wants the GIL waits until it asks for it, in seconds. Who had us executed (cli/inject.c) made it as short as the first: each call of
# the system lets go of it, and we want it back soon. While the probe measures what it costs, which makes none and takes some milliseconds, it is CPython's
# own default: what others interrupt is left out.
_SOON, _MEASURED = 0.0001, 0.005


def _is_locked(descriptor):
    """By another process: ours would not be in the way."""
    try:
        posix.lockf(descriptor, posix.F_TEST, 0)
    except OSError:
        return True
    return False


def _read(name):
    descriptor = posix.open(folder + "/" + name, posix.O_RDWR | posix.O_CLOEXEC)
    try:
        size = posix.fstat(descriptor).st_size
        return posix.read(descriptor, size), _is_locked(descriptor)
    finally:
        posix.close(descriptor)


def _answer(text):
    name = folder + "/answer"
    descriptor = posix.open(name + ".part", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    posix.write(descriptor, text.encode(errors="replace"))
    posix.close(descriptor)
    posix.rename(name + ".part", name)


def _load(path):
    """Only what start() and stop() need: its types are not made."""

    class Spec:
        name = "pyrometer._probe"
        origin = path

    return _imp.create_dynamic(Spec)


def _memory():
    """The descriptor of memory that an earlier start left, and whether somebody still reads it; None: there is none."""
    for number in posix.listdir("/proc/self/fd"):
        try:
            if posix.readlink("/proc/self/fd/" + number).startswith(_MEMORY):
                return int(number), _is_locked(int(number))
        except OSError:
            pass
    return None


def _other_probes(path):
    """Where probes of other builds than PATH were loaded from: a library stays, and under the name that it had, removed or not."""
    descriptor = posix.open("/proc/self/maps", posix.O_RDONLY | posix.O_CLOEXEC)
    text = b""
    try:
        while True:
            part = posix.read(descriptor, _PART)
            if not part:
                break
            text += part
    finally:
        posix.close(descriptor)
    found = set()
    for line in text.split(b"\n"):
        place = line.find(b"/")
        end = line.rfind(b".so") + 3
        if line.find(_PROBE, place) > 0 <= place < end and line[end:] in (b"", b" (deleted)"):
            found.add(line[place:end].decode(errors="surrogateescape"))
    return found - {path}


def _stop_others(path):
    """The hooks that a killed pyrometer of another build left, each by its own code. What does not answer any more stays as it is."""
    for other in _other_probes(path):
        try:
            _load(other).stop()
        except (ImportError, AttributeError):
            pass


def _stop(module):
    module.stop()
    left = _memory()
    if left is not None:
        posix.close(left[0])


def _start(path, module, c_calls, traces, lines, tracks, period):
    left = _memory()
    if left is not None and left[1]:
        raise RuntimeError("another pyrometer counts there")
    if left is not None:
        _stop_others(path)
        _stop(module)  # of one that was killed
    descriptor = module.tables()
    try:
        sys.setswitchinterval(_MEASURED)
        names = lines[1:] if lines else None
        module.start(descriptor, c_calls == "1", traces == "1", False, names, tracks == "1", True, int(period))
    except BaseException:
        posix.close(descriptor)
        raise
    finally:
        sys.setswitchinterval(_SOON)
    return descriptor


def _is_foreign(error):
    """A signal came, and the program's handler for it raised that: here, as it would have anywhere."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return not isinstance(error, Exception) or last.tb_frame.f_code.co_filename != _OURS


def _start_and_tell(path, module, *modes):
    """Nothing stays of it if nobody waits any more: it takes long where other threads want the GIL."""
    descriptor = _start(path, module, *modes)
    try:
        if not _read("wanted")[1]:
            raise TimeoutError
        _answer("started %d" % descriptor)
    except BaseException:
        _stop(module)
        raise


def _do(wanted):
    action, _, probe, *modes = wanted.decode().split("\n")
    module = _load(probe)
    try:
        if action == "stop":
            _stop(module)
            _answer("stopped")
        else:
            _start_and_tell(probe, module, *modes)
    except BaseException as error:
        if _is_foreign(error):
            module.raise_later(type(error))
            _answer("failed a signal came in between, try again")
        else:
            _answer("failed %s" % error)


def _remove_folder():
    for name in posix.listdir(folder):
        posix.unlink(folder + "/" + name)
    posix.rmdir(folder)


def _is_first():
    """Of the threads that were asked for the same."""
    try:
        posix.close(posix.open(folder + "/begun", posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def _stop_late(wanted):
    """Nobody waits for it any more, and all threads were asked (3.14+): the first one does it, if what is counted into is still what
    it was then. True: none of the others reads the folder any more."""
    module = _load(wanted.decode().split("\n")[2])
    if _is_first():
        left, meant = _memory(), int(wanted.rpartition(b"\n")[2])
        if left is None or meant in (0, posix.fstat(left[0]).st_ino):
            _do(wanted)
    return module.forget_script(folder + "/run") == 0


def _begin():
    wanted, is_wanted = _read("wanted")
    if int(wanted.split(b"\n")[1]) != posix.getpid():
        return  # a child, forked with a copy of the call that its parent is to execute
    if not is_wanted:
        if not wanted.startswith(b"stop") or _stop_late(wanted):
            _remove_folder()
        return
    if hasattr(sys, "_is_gil_enabled") and "t" in sys.abiflags:
        _answer("failed a build without a GIL")
        return
    try:
        _do(wanted)
    except Exception as error:
        _answer("failed %s" % error)


_begin()
globals().clear()
