"""Counting from inside harms no program, and what was counted is kept, however a program or pyrometer ends.

PYROMETER_KILLS is how often pyrometer is stopped or killed at a random moment (10)."""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import signal
import stat
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

from counting import SECONDS, command, count, package, read_counts
from oracle.call_graphs import make_program
from pythons import REPOSITORY, TARGETS, Python, find_python

pytestmark = pytest.mark.beside

SITUATIONS = REPOSITORY / "tests" / "targets" / "profile_situations.py"
PROBES = ("_probe.abi3.so", "_probe_free_threaded.so")  # by Python.free_threaded
KILLS = int(os.environ.get("PYROMETER_KILLS", "10"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("_", raising=False)


@pytest.fixture(params=["3.11", "3.12", "3.13", "3.13t"])
def some(request: pytest.FixtureRequest) -> Python:
    """A Python for each kind of hooks, and one without a GIL; these run in our root, so nothing of ours is in the command."""
    python = find_python(request.param)
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    return python


def program(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# -- ends of programs -------------------------------------------------------------------------------

FOR_EVER = """
import os
def f(): pass
file = os.open("progress", os.O_RDWR | os.O_CREAT)
n = 0
os.write(1, b"%d\\n" % os.getpid())
while True:
    for _ in range(1000): f()
    n += 1000
    os.pwrite(file, b"%12d" % n, 0)
"""


def test_killed_program_leaves_its_counts(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    ours = command(pyrometer, counted, [program(tmp_path, FOR_EVER)], "-o", "killed.pyro")
    with subprocess.Popen(ours, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pid = int(process.stdout.readline())
        time.sleep(random.uniform(0.05, 0.4))
        os.kill(pid, signal.SIGKILL)
        process.wait(SECONDS)
    counts = read_counts(pyrometer, tmp_path / "killed.pyro", None)
    progress = int((tmp_path / "progress").read_text())
    assert progress <= counts.of("f") <= progress + 1000
    assert counts.of("{built-in method posix.pwrite}") - progress // 1000 in (0, 1)


ENDS = {
    "exit": ("atexit.register(g)\nrun()\nsys.exit(3)", 3, {"f": 5, "g": 1}),
    "exit at once": ("atexit.register(g)\nrun()\nos._exit(4)", 4, {"f": 5, "g": 0}),
    "an exception": ("run()\nrun()\nraise ValueError", 1, {"f": 10}),
    "a signal": ("run()\nos.kill(os.getpid(), 9)", None, {"f": 5}),
    "recursion": (
        "n = 0\ndef deep():\n    global n\n    n += 1\n    deep()\n"
        "for _ in range(3):\n    try: deep()\n    except RecursionError: run()\n"
        "with open('deep', 'w') as file: file.write(str(n))",
        0,
        {"f": 15, "deep": "deep"},
    ),
    "no memory": (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\nkept = []\n"
        "try:\n    while True: kept.append(bytearray(1 << 16)); f()\n"
        "except MemoryError: n = len(kept)\ndel kept\n"
        "run()\nwith open('many', 'w') as file: file.write(str(n + 5 - 1))",
        0,
        {"f": "many"},
    ),
    "finalisation": (
        "class Late:\n    def __del__(self): self.f()\n    f = staticmethod(f)\nkept = Late()\nkept.itself = kept\nrun()",
        0,
        {"f": 6, "Late.__del__": 1},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_of_programs(pyrometer: Path, some: Python, tmp_path: Path, name: str) -> None:
    text, status, expected = ENDS[name]
    head = "import atexit, os, sys\ndef f(): pass\ndef g(): pass\ndef run():\n    for _ in range(5): f()\n"
    path = program(tmp_path, head + text)
    plain = some.run([path])
    counts = count(pyrometer, some, [path], status=status)
    assert counts.done.returncode == plain.returncode
    for function, number in expected.items():
        wanted = int((tmp_path / number).read_text()) if isinstance(number, str) else number
        if name == "no memory":  # the call at which memory ended may be there or not
            assert counts.of(function) - wanted in (0, 1)
        else:
            assert counts.of(function) == wanted, function


# -- forks and children -----------------------------------------------------------------------------

CHILDREN = {
    "fork": (
        """
def child():
    for _ in range(100): f()
    os._exit(0)
def fork():
    pid = os.fork()
    if not pid: child()
    os.waitpid(pid, 0)
f()
fork()
thread = threading.Thread(target=fork)
thread.start()
thread.join()
f()
""",
        2,
        202,
    ),
    "multiprocessing": (
        """
def work(n):
    for _ in range(n): f()
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(work, [10, 20, 30], chunksize=1)
            pool.close()
            pool.join()
    f()
""",
        1,
        181,
    ),
    "subprocess": (
        """
f()
child = "def f(): pass\\nfor _ in range(11): f()"
subprocess.run([sys.executable, "-c", child], check=True)
subprocess.run([sys.executable, "-I", "-c", child], check=True)
""",
        1,
        12,
    ),
    "exec of itself": (
        """
for _ in range(5): f()
if len(sys.argv) == 1:
    os.execv(sys.executable, [sys.executable, sys.argv[0], "again"])
""",
        5,
        10,
    ),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_children(pyrometer: Path, some: Python, tmp_path: Path, name: str) -> None:
    """Not followed they add nothing to the parent's counts; followed, all is there."""
    text, alone, together = CHILDREN[name]
    path = program(tmp_path, f"import multiprocessing, os, subprocess, sys, threading\ndef f(): pass\n{text}")
    assert count(pyrometer, some, [path]).of("f") == alone
    assert count(pyrometer, some, [path], "--subprocesses").of("f") == together


BECOMES = """
import os, sys, time
def f(): pass
for _ in range(5): f()
time.sleep(0.2)
if "AGAIN" not in os.environ:
    os.environ["AGAIN"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.argv])
"""


@pytest.mark.parametrize("follow", [False, True])
def test_what_the_program_becomes(pyrometer: Path, some: Python, tmp_path: Path, follow: bool) -> None:
    """By exec, here with the same command line. Its environment has nothing of ours, so it does not count unless followed:
    that is told."""
    options = ["--subprocesses"] if follow else []
    counts = count(pyrometer, some, [program(tmp_path, BECOMES)], *options)
    said = [line for line in counts.done.stderr.splitlines() if "not counted" in line]
    assert counts.of("f") == (10 if follow else 5)
    if follow:
        assert said == []
    else:
        told = re.fullmatch(r"pyrometer: not counted: after (\S+) s the program replaced itself by another Python "
                            r"program \(exec\), in which calls are only counted with --subprocesses", said[0])
        assert len(said) == 1 and told and 0.1 < float(told[1]) < SECONDS, counts.done.stderr


def test_becoming_no_python_is_no_loss(pyrometer: Path, some: Python, tmp_path: Path) -> None:
    text = "import os, time\ndef f(): pass\nf()\ntime.sleep(0.1)\nos.execvp('sh', ['sh', '-c', 'sleep 0.1'])\n"
    counts = count(pyrometer, some, [program(tmp_path, text)])
    assert counts.of("f") == 1 and "not counted" not in counts.done.stderr


# The program claims all blocks of the memory that are left: struct pyro_tables_head of collect/tables.h.
NO_ROOM = """
import os, subprocess, sys
def f(): pass
f()
wanted = open("/proc/self/environ", "rb").read().partition(b"PYROMETER_PROBE=")[2]
memory = os.open(wanted.split(b"\\n")[2], os.O_RDWR)
os.pwrite(memory, (16384).to_bytes(4, sys.byteorder), 16)
for _ in range(3):
    if not os.fork():
        f()
        os._exit(0)
    os.wait()
subprocess.run([sys.executable, "-c", "import time; time.sleep(0.2)"], check=True)
f()
"""


def test_processes_without_room_are_told_of(pyrometer: Path, some: Python, tmp_path: Path) -> None:
    counts = count(pyrometer, some, [program(tmp_path, NO_ROOM)], "--subprocesses")
    assert counts.of("f") == 2
    said = [line.partition("not counted: ")[2] for line in counts.done.stderr.splitlines()[1:]]
    assert "4 processes, for which there was no room" in said, counts.done.stderr
    assert not any("did not load" in line for line in said), counts.done.stderr


def test_many_children_are_killed(pyrometer: Path, some: Python, tmp_path: Path) -> None:
    """Followed children die at any moment, beginning with their first: nobody else loses a count for it."""
    text = """
import os, random, signal, time
def f(): pass
def g(): pass
chance = random.Random(1)
for _ in range(60):
    pid = os.fork()
    if not pid:
        while True: g()
    time.sleep(chance.uniform(0, 0.003))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    f()
if not os.fork():
    for _ in range(77): f()
    os._exit(0)
os.wait()
"""
    assert count(pyrometer, some, [program(tmp_path, text)], "--subprocesses").of("f") == 137


def test_a_descriptor_of_the_program_stays_open(pyrometer: Path, some: Python, tmp_path: Path) -> None:
    """A followed child that inherits the number which the memory had in its parent."""
    text = """
import os, subprocess, sys
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(150)]
for number in kept: os.set_inheritable(number, True)
child = f"import os\\nfor number in {kept}: os.fstat(number)"
sys.exit(subprocess.run([sys.executable, "-c", child], close_fds=False).returncode)
"""
    assert count(pyrometer, some, [program(tmp_path, text)], "--subprocesses").done.returncode == 0


# -- ends of pyrometer ------------------------------------------------------------------------------

WORKS_ON = """
import os, time
def f(): pass
os.write(1, b"ready\\n")
n, end = 0, time.monotonic() + 0.4
while time.monotonic() < end:
    for _ in range(1000): f()
    n += 1000
os.write(1, b"done %d\\n" % n)
"""


def modes(index: int) -> list[str]:
    return [[], ["--no-c-calls"], ["--subprocesses"], ["--trace"]][index % 4]


def some_python(index: int, *more: str) -> Python:
    pythons = [find_python(name) for name in ("3.12", "3.11", "3.13", *more)]
    present = [python for python in pythons if not python.missing]
    if not present:
        pytest.skip("none of the Pythons 3.11 to 3.13")
    return present[index % len(present)]


@pytest.mark.parametrize("index", range(KILLS))
def test_pyrometer_is_killed(pyrometer: Path, tmp_path: Path, index: int) -> None:
    """Whenever that is, a program that began runs on to its normal end."""
    path = program(tmp_path, WORKS_ON)
    ours = command(pyrometer, some_python(index, "3.13t"), [path], "-o", "x.pyro", *modes(index))
    process = subprocess.Popen(ours, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(random.Random(index).uniform(0, 0.45))
    process.kill()
    output, errors = process.communicate(timeout=SECONDS)  # until the program has closed them
    assert (b"ready" in output) == (b"done" in output), (output, errors)
    assert errors == b"" or (b"done" in output and errors.startswith(b"pyrometer: wrote x.pyro")), errors  # it was killed after that


@pytest.mark.parametrize("index", range(KILLS))
def test_pyrometer_is_stopped(pyrometer: Path, tmp_path: Path, index: int) -> None:
    """The program ends meanwhile; when pyrometer goes on, nothing is missing."""
    path = program(tmp_path, WORKS_ON)
    ours = command(pyrometer, some_python(index, "3.13t"), [path], "-o", "x.pyro", *modes(index))
    with subprocess.Popen(ours, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.Random(index).uniform(0, 0.45))
        process.send_signal(signal.SIGSTOP)
        assert select.select([process.stdout], [], [], SECONDS)[0], "the program waits for pyrometer"
        done = process.stdout.readline().split()
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0 and done[0] == b"done"
    assert read_counts(pyrometer, tmp_path / "x.pyro", None).of("f") == int(done[1])


# -- a probe that does not load ---------------------------------------------------------------------


def beside_a_probe(pyrometer: Path, folder: Path, content: str) -> Path:
    """Copy the program and its bootstrap into FOLDER, with a probe of that CONTENT; the folder of the bootstrap."""
    places = [above / "src" / "probe" for above in pyrometer.parents if (above / "src/probe/bootstrap").is_dir()]
    if not places:
        pytest.skip("no probe beside the program under test")
    bootstrap = folder / "src" / "probe" / "bootstrap"
    shutil.copytree(places[0] / "bootstrap", bootstrap)
    shutil.copy(pyrometer, folder / "pyrometer")
    for name in PROBES:
        (bootstrap.parent / name).write_text(content)
    return bootstrap


def test_broken_probe(pyrometer: Path, some: Python, tmp_path: Path) -> None:
    """The program runs, and one line says why nothing was counted."""
    beside_a_probe(pyrometer, tmp_path, "this is no library")
    path = program(tmp_path, "import time\nprint('mine')\ntime.sleep(0.1)\n")
    ours = command(tmp_path / "pyrometer", some, [path])
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0 and done.stdout.startswith("mine\n") and done.stderr == ""
    said = [line for line in done.stdout.splitlines() if "probe" in line and "loaded" in line]
    assert len(said) == 1 and PROBES[some.free_threaded] in said[0], done.stdout
    done = subprocess.run(command(tmp_path / "pyrometer", some, [path], "-o", "x.svg"), capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    assert sum("not counted: the probe cannot be loaded" in line for line in done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("minor, reason", [(13, "_probe_free_threaded.so"), (14, "it was tried in Python 3.13 only")])
def test_free_threaded_build(pyrometer: Path, some: Python, tmp_path: Path, minor: int, reason: str) -> None:
    """One probe is not even loaded where the other one belongs, since objects are laid out differently there, and none where none
    was tried; and that is told."""
    bootstrap = beside_a_probe(pyrometer, tmp_path, "this is no library")
    file = bootstrap / "sitecustomize.py"
    file.write_text(f"import sys\nsys.abiflags = 't'\nsys.version_info = (3, {minor})\n{file.read_text()}")
    path = program(tmp_path, "import time\nprint('mine')\ntime.sleep(0.1)\n")
    ours = command(tmp_path / "pyrometer", some, [path], "-o", "x.pyro")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0 and done.stdout == "mine\n"
    said = [line for line in done.stderr.splitlines() if "not counted: the probe cannot be loaded: " in line]
    assert len(said) == 1 and reason in said[0], done.stderr
    assert not any(read_counts(tmp_path / "pyrometer", Path("x.pyro"), done).calls)


@pytest.mark.parametrize("option", ["-I", "-S", "-E"])
def test_pythons_that_load_no_probe(pyrometer: Path, some: Python, tmp_path: Path, option: str) -> None:
    path = program(tmp_path, "import time\nprint('mine')\ntime.sleep(0.1)\nraise SystemExit(7)\n")
    ours = [str(pyrometer), "run", "--", *some.command([option, path])]
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 7 and done.stdout.startswith("mine\n") and done.stderr == ""
    assert sum("not counted" in line for line in done.stdout.splitlines()) == 1, done.stdout


# -- beside other tools -----------------------------------------------------------------------------

COVERED = """
import coverage, json
cov = coverage.Coverage(data_file=None, config_file=False)
cov.start()
import covered
covered.main()
cov.stop()
_, statements, _, missing, _ = cov.analysis2(covered)
print(json.dumps([statements, missing]))
"""
COVERED_MODULE = """
def f(x):
    if x == 700:
        return -1
    return x
def never():
    return 1
def main():
    for i in range(500): f(i)
"""


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_in_the_program(
    pyrometer: Path, counted: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, core: str
) -> None:
    if core == "sysmon" and counted.minor < (3, 12):
        pytest.skip("no sys.monitoring before 3.12")
    monkeypatch.setenv("PYTHONPATH", str(package(counted, "coverage")))
    monkeypatch.setenv("COVERAGE_CORE", core)
    program(tmp_path, COVERED_MODULE, "covered.py")
    path = program(tmp_path, COVERED)
    plain = counted.run([path], cwd=tmp_path)
    if "can't import CTracer" in plain.stderr:
        pytest.skip(f"coverage for Python {counted.id} has no {core}")
    counts = count(pyrometer, counted, [path])
    assert plain.returncode == 0 and counts.done.stdout == plain.stdout, plain.stderr
    assert json.loads(plain.stdout)[1] == [4, 7]
    assert counts.callers("f") == {"main": 500}


OWN_TOOL = """
import sys
m = sys.monitoring
E = m.events
seen = []
def f(): return len("x")
def g(): return 2
def on_start(code, offset):
    if code.co_name in "fg": seen.append(code.co_name)
    if code.co_name == "g": return m.DISABLE
m.use_tool_id(TOOL, "own")
m.register_callback(TOOL, E.PY_START, on_start)
m.register_callback(TOOL, E.CALL, lambda code, offset, callable, first: m.DISABLE)
m.set_events(TOOL, E.PY_START | E.CALL)
def main():
    for i in range(50):
        f()
        g()
        if i == 25: m.restart_events()
main()
m.set_events(TOOL, 0)
m.free_tool_id(TOOL)
main()
print(seen.count("f"), seen.count("g"))
"""


@pytest.mark.parametrize("tool", [0, 2, 4, 5])
def test_the_program_monitors_itself(pyrometer: Path, some: Python, tmp_path: Path, tool: int) -> None:
    """What its own tool disables is not disabled for us, and the other way round."""
    if some.minor < (3, 12):
        pytest.skip("no sys.monitoring before 3.12")
    text = OWN_TOOL.replace("TOOL", str(tool)).replace("if i == 25: m.restart_events()", "if i == 25 and seen: restart()")
    path = program(tmp_path, text.replace("import sys\n", "import sys\ndef restart(): sys.monitoring.restart_events()\n"))
    plain = some.run([path])
    counts = count(pyrometer, some, [path])
    assert counts.done.stdout == plain.stdout and plain.stdout == "50 2\n", plain.stderr
    assert counts.callers("f") == {"main": 100} and counts.callers("g") == {"main": 100}
    assert counts.edges[next(edge for edge in counts.edges if edge[0][1] == "f")] == 100


DEBUGGED = """
import bdb
def f(x): return len("x") + x
def main():
    for i in range(50): f(i)
class Steps(bdb.Bdb):
    lines = 0
    def user_line(self, frame):
        self.lines += frame.f_code is f.__code__
        self.set_step()
steps = Steps()
steps.runcall(main)
main()
print(steps.lines)
"""


@pytest.mark.parametrize("some", ["3.12", "3.13t"], indirect=True)
def test_no_tool_id_is_left(pyrometer: Path, some: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not ours is not taken by force: the program runs, its time is sampled, and the report says why nothing is counted."""
    minor = ".".join(map(str, some.minor)) + ("t" if some.free_threaded else "")
    site = tmp_path / "base" / "lib" / f"python{minor}" / "site-packages"
    site.mkdir(parents=True)
    (site / "taken.pth").write_text("import sys; [sys.monitoring.use_tool_id(i, 'taken %d' % i) for i in range(6)]\n")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    script = program(tmp_path, "import sys\nprint([sys.monitoring.get_tool(i) for i in range(6)])\n")
    done = subprocess.run(
        command(pyrometer, some, [script]), capture_output=True, text=True, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    assert done.stdout.splitlines()[0] == str([f"taken {i}" for i in range(6)])
    assert "ncalls and percall are -: other tools use every tool id of sys.monitoring" in done.stdout



@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
def test_a_debugger_in_the_program(pyrometer: Path, some: Python, tmp_path: Path, options: tuple[str, ...]) -> None:
    """It steps through the lines it steps through without us, and each call is counted."""
    path = program(tmp_path, DEBUGGED)
    plain = some.run([path])
    counts = count(pyrometer, some, [path], *options)
    assert counts.done.stdout == plain.stdout and int(plain.stdout) >= 50, plain.stderr
    assert counts.callers("f") == {"main": 100} and counts.callers("{built-in method builtins.len}")["f"] == 100


OWN_PROFILE = """
import cProfile
def f(): pass
def main():
    for _ in range(10): f()
main()
profile = cProfile.Profile()
profile.enable()
main()
profile.disable()
profile.create_stats()
print({place[2]: row[1] for place, row in profile.stats.items() if place[2] in ("f", "main")})
main()
"""


def test_the_program_profiles_itself(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    """Both right; on 3.11 there is one profile function, the program's: then the report says what is missing."""
    path = program(tmp_path, OWN_PROFILE)
    counts = count(pyrometer, counted, [path])
    assert counts.done.stdout == "{'f': 10, 'main': 1}\n" or counts.done.stdout == "{'main': 1, 'f': 10}\n"
    assert counts.of("f") == (30 if counted.minor >= (3, 12) else 10)
    if counted.root is None:
        ours = command(pyrometer, counted, [path])
        report = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        assert ("profile function of its own" in report) == (counted.minor < (3, 12)), report


# -- nothing to be seen -----------------------------------------------------------------------------

LOOK = """
import _imp, gc, json, os, sys, warnings
import threading
facts = {
    "environment": dict(os.environ), "bytes": sorted(map(repr, os.environb.items())), "path": sys.path,
    "modules": sorted(sys.modules), "importers": sorted(sys.path_importer_cache), "meta": list(map(str, map(type, sys.meta_path))),
    "hooks": len(sys.path_hooks), "descriptors": sorted(os.listdir("/proc/self/fd")),
    "threads": [thread.name for thread in threading.enumerate()], "tasks": len(os.listdir("/proc/self/task")),
    "frames": len(sys._current_frames()), "trace": repr([sys.gettrace(), sys.getprofile()]),
    "thread hooks": repr([threading._trace_hook, threading._profile_hook]), "argv": sys.argv, "original": sys.orig_argv,
    "flags": repr(sys.flags), "options": repr(sys._xoptions), "warnings": repr(warnings.filters),
    "arguments": open("/proc/self/cmdline").read(), "recursion": sys.getrecursionlimit(), "collector": gc.get_threshold(),
    "main": sorted(vars(sys.modules["__main__"])), "implicit": sorted(name for name in dir(sys) if name.startswith("__")),
    "signals": [line for line in open("/proc/self/status") if line.startswith(("SigP", "SigB", "SigI", "SigC", "Shd"))],
}
if len(sys.argv) > 1:
    print(json.dumps(facts, indent=1, sort_keys=True))
"""
VISIBLE_TOOL = """
import sys
print([sys.monitoring.get_tool(i) for i in range(6)],
      [sys.monitoring.get_events(i) != 0 for i in range(6) if sys.monitoring.get_tool(i)])
"""


def as_one_file(python: Python, folder: Path) -> Path:
    """A Python of another root as one file that can be given to --python."""
    if python.root is None:
        return Path(python.path)
    path = folder / "python"
    words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in python.command([]))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def both(pyrometer: Path, python: Python, folder: Path, arguments: list[str | Path]) -> list[str]:
    file = as_one_file(python, folder)
    outputs = []
    for ours in ([file], [pyrometer, "run", "-o", "x.pyro", "--python", file]):
        done = subprocess.run([*ours, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert read_counts(pyrometer, Path("x.pyro"), None).calls, "nothing was counted"
    return outputs


def test_nothing_of_ours_is_seen(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    plain, ours = both(pyrometer, counted, tmp_path, [program(tmp_path, LOOK), "look"])
    assert json.loads(ours) == json.loads(plain)


def test_only_the_tool_is_seen(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    """sys.monitoring tells who uses it: one tool, ours. That is the one thing a program can see from 3.12 on."""
    if counted.minor < (3, 12):
        pytest.skip("no sys.monitoring before 3.12")
    plain, ours = both(pyrometer, counted, tmp_path, [program(tmp_path, VISIBLE_TOOL)])
    assert plain == "[None, None, None, None, None, None] []\n"
    assert ours == "[None, None, None, 'pyrometer', None, None] [True]\n"


# -- the probe under sanitizers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def sanitized(pyrometer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pyrometer beside a probe built with ASan and UBSan."""
    source, folder = REPOSITORY / "src", tmp_path_factory.mktemp("sanitized")
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    shutil.copytree(source / "probe" / "bootstrap", folder / "src" / "probe" / "bootstrap")
    shutil.copy(pyrometer, folder / "pyrometer")
    build = (source / "probe" / "meson.build").read_text()
    made_of = set(re.findall(r"'([\w./]+\.c)'", build))
    of_memory = re.findall(r"^(?:tracking_sources|heap_source) = files\((.*?)\)", build, re.MULTILINE | re.DOTALL)
    tracking = set(re.findall(r"'(\w+\.c)'", "".join(of_memory)))  # with a GIL only
    headers = sysconfig.get_paths()["include"]
    flags = ["-D_GNU_SOURCE", "-std=gnu17", "-O1", "-g", "-fPIC", "-shared", "-fno-strict-aliasing", "-pthread"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{source}", f"-I{headers}"]
    for free_threaded, name in enumerate(PROBES):
        if free_threaded and find_python("3.13t").missing:
            continue  # nobody would load it
        made = [f"-DPYRO_FREE_THREADED={free_threaded}", "-o", folder / "src" / "probe" / name]
        files = [source / "probe" / one for one in sorted(made_of - tracking if free_threaded else made_of)]
        done = subprocess.run(["gcc", *flags, *sanitizers, *files, *made], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "pyrometer"


# What may go wrong with memory: objects that die, threads and processes that end, interpreters of their own.
SANITIZED = {
    "graph": "",
    "code that dies": """
for i in range(3000):
    scope = {}
    exec(f"def made_{i % 500}(): pass\\n", scope)
    scope[f"made_{i % 500}"]()
""",
    "classes that die": """
for i in range(500):
    made = type(f"Made{i}", (dict,), {"__call__": lambda self: len(self), "__init__": lambda self: None})
    made()()
""",
    "threads": """
def work():
    for _ in range(50): f()
for _ in range(10):
    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
threading.Thread(target=lambda: [f() for _ in iter(int, 1)], daemon=True).start()
""",
    "children": """
for _ in range(20):
    if not os.fork():
        f()
        os._exit(0)
    os.wait()
subprocess.run([sys.executable, "-c", "def f(): pass\\nf()"], check=True)
if len(sys.argv) < 3: os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
""",
    "interpreters": """
try: import _interpreters as interpreters
except ImportError: import _xxsubinterpreters as interpreters
for _ in range(3):
    made = interpreters.create()
    getattr(interpreters, "run_string", getattr(interpreters, "exec", None))(made, "def f(): pass\\nf()")
    interpreters.destroy(made)
""",
    "exceptions": """
def deep(n): return deep(n + 1)
def generator():
    try:
        while True: yield f()
    finally: f()
for _ in range(20):
    try: deep(0)
    except RecursionError: pass
    running = generator()
    next(running)
    try: running.throw(ValueError)
    except ValueError: pass
    del running
""",
    "profiles": """
import cProfile
for _ in range(20):
    profile = cProfile.Profile()
    try: profile.runcall(sorted, range(50), key=lambda x: (f(), x))
    except ValueError: pass
""",
}


def under_sanitizers(monkeypatch: pytest.MonkeyPatch, python: Python) -> None:
    """What is run after this; objects of Python are memory of their own there, so that ASan knows when they die. Without a GIL they
    must lie in its own heaps."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(Path(library.stdout.strip()).resolve()))
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:handle_segv=1:exitcode=99:allocator_may_return_null=1")
    monkeypatch.setenv("UBSAN_OPTIONS", "print_stacktrace=1")
    if not python.free_threaded:
        monkeypatch.setenv("PYTHONMALLOC", "malloc")


def complaints(text: str) -> list[str]:
    """Lines of the sanitizers, but that they cannot allocate what no machine has: there a program asked for it."""
    lines = [line for line in text.splitlines() if "runtime error" in line or "Sanitizer" in line]
    return [line for line in lines if "WARNING: AddressSanitizer failed to allocate" not in line]


MODES = {"counted": (), "traced": ("--trace",), "by line": ("--lines=program,f,made_7",)}
# The two kinds of hooks, and both probes; each mode with each kind of hooks, or without a GIL.
SANITIZED_MODES = [("3.11", "counted"), ("3.11", "by line"), ("3.13", "traced"), ("3.13", "by line"), ("3.13t", "counted"), ("3.13t", "traced")]


@pytest.mark.parametrize(("some", "mode"), SANITIZED_MODES, indirect=["some"], ids=map("-".join, SANITIZED_MODES))
@pytest.mark.parametrize("name", SANITIZED)
def test_sanitizers_find_nothing(
    sanitized: Path,
    some: Python,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    mode: str,
) -> None:
    under_sanitizers(monkeypatch, some)
    head = "import os, subprocess, sys, threading\ndef f(): pass\nf()\n"
    text = head + SANITIZED[name] if SANITIZED[name] else make_program(31, rounds=20)
    arguments = [program(tmp_path, text), tmp_path / "facts.json"]
    counts = count(sanitized, some, arguments, "--subprocesses", *MODES[mode])
    assert complaints(counts.done.stderr) == []
    assert sum(counts.calls.values()) > 20, counts.done.stderr


WEB_SITUATIONS = TARGETS / "web_situations.py"
WEB_SITUATION_NAMES = re.findall(r"^def (\w+)\(\):", WEB_SITUATIONS.read_text(), re.MULTILINE)
SITUATION_NAMES = re.findall(r"^@situation\ndef (\w+)", SITUATIONS.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", SITUATION_NAMES)
def test_sanitizers_find_nothing_in_a_profile(
    sanitized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """pyrometer.Profile in each of its situations, by turns on 3.11, 3.12 and 3.13; with threads also without a GIL."""
    check_situation(sanitized, monkeypatch, some_python(len(name)), name)


@pytest.mark.parametrize("some", ["3.13t"], indirect=True)
@pytest.mark.parametrize("name", [name for name in SITUATION_NAMES if "thread" in name or "timer" in name])
def test_sanitizers_find_nothing_in_a_profile_without_a_gil(
    sanitized: Path, some: Python, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    check_situation(sanitized, monkeypatch, some, name)


@pytest.mark.parametrize("some", ["3.11", "3.12", "3.13"], indirect=True)
def test_sanitizers_find_nothing_in_watched_requests(sanitized: Path, some: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in WEB_SITUATION_NAMES if name.startswith(("quer", "what_is_watched", "the_parameters", "only_who", "a_header"))]
    assert len(names) >= 7
    check_situation(sanitized, monkeypatch, some, *names, file=WEB_SITUATIONS)


def check_situation(
    sanitized: Path, monkeypatch: pytest.MonkeyPatch, python: Python, *names: str, file: Path = SITUATIONS
) -> None:
    under_sanitizers(monkeypatch, python)
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(sanitized.parent / "src" / "probe" / "_probe.abi3.so"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "python"))
    done = python.run([file, *names], timeout=SECONDS)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "ok", done.stdout + done.stderr
    assert complaints(done.stderr) == []
