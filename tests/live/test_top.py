"""`pyrometer top` in a real terminal: what it shows of known stacks, what keys do, and how it ends."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import refused, run
from pythons import REPOSITORY, Python, Target, find_python, start_target
from tmux import Terminal, terminal

pytestmark = pytest.mark.beside

# Three threads that stand still, each at a line of its own.
GATE = """\
import threading
gate = threading.Lock()
gate.acquire()
here = threading.Semaphore(0)

def hold():
    gate.acquire()

def work():
    here.release()
    hold()

def inner():
    print("READY", flush=True)
    gate.acquire()

def outer():
    inner()

for name in ("first", "second"):
    threading.Thread(target=work, name=name, daemon=True).start()
    here.acquire()
outer()
"""
OWN = {"<module>": False, "hold": True, "inner": True, "outer": False, "work": False}
LINES = [
    "gate.py:23(<module>)",
    "gate.py:7(hold)",
    "gate.py:15(inner)",
    "gate.py:18(outer)",
    "gate.py:11(work)",
]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate.py"
    path.write_text(GATE)
    return path


@pytest.fixture
def standing(one: Python, gate: Path, tmp_path: Path) -> Iterator[Target]:
    with start_target(one, gate, cwd=tmp_path) as target:
        yield target


def leave(shown: Terminal, status: int = 0) -> list[str]:
    """It must end with STATUS, its terminal as it was."""
    screen = shown.wait(lambda lines: {"echo", "icanon"} <= {line.strip(";") for line in lines})
    assert f"STATUS {status}" in screen
    return screen


def rows(screen: list[str], pattern: str = r"gate\.py:\d+\(.*\)$") -> list[str]:
    return [match[0] for line in screen if (match := re.search(pattern, line))]


def functions(screen: list[str]) -> list[str]:
    """Their names, sorted."""
    return sorted(row[row.index("(") + 1 : -1] for row in rows(screen))


def test_what_stands_at_a_barrier(
    pyrometer: Path, some_python: Python, gate: Path, tmp_path: Path
) -> None:
    """Functions, lines, threads and a stack, at 80, 120 and 200 columns: the same, as wide as the terminal."""
    with start_target(some_python, gate, cwd=tmp_path) as target, terminal(
        [pyrometer, "top", "--pid", str(target.pid)], folder=tmp_path
    ) as shown:
        shown.wait(lambda lines: "100 % waiting (lock)" in lines[1] and "CPU 0 %" in lines[2])
        shown.keys("r")  # whatever it did before it stood
        shown.keys("s", "s", "s", "s")  # by name
        shown.keys("/")
        shown.type("gate\\.py")
        shown.keys("Enter")
        for columns in (80, 120, 200):
            shown.resize(columns, 24)
            screen = shown.wait(
                lambda lines: len(lines[3]) == columns
                and lines[3].endswith("by name")
                and len(rows(lines)) == len(OWN)
                and re.match(r"100 % waiting \(lock\)", lines[1])
                and re.match(r"CPU 0 %  GIL 0 %  GC 0 %  3 threads, 0 running  \d", lines[2])
            )
            assert len(screen) == 24 and max(map(len, screen)) <= columns
            assert re.match(rf"gate\.py  pid {target.pid}  python 3\.\d+\S*  \d", screen[0])
            assert screen[3].split()[:2] == ["%Own", "%Total"]
            assert screen[-1].startswith("only /gate\\.py/")
            found = [line for line in screen if re.search(r"gate\.py:\d+\(", line)]
            assert [line.split("(")[-1].rstrip(")") for line in found] == list(OWN)
            for line, own in zip(found, OWN.values()):
                cells = list(map(float, line.split()[:4]))
                assert (cells[0] > 0, cells[2] > 0) == (own, own), line
                assert cells[1] > 0 and cells[3] > 0, line

            shown.keys("l")
            shown.wait(lambda lines: " Line " in lines[3] and rows(lines) == LINES)
            shown.keys("f", "a")
            screen = shown.wait(lambda lines: "Thread" in lines[3] and "first" in lines[5])
            assert [re.split(r"  +", line[19:].strip())[:2] for line in screen[4:7]] == [
                [name, "waiting: futex"] for name in ("MainThread", "first", "second")
            ]
            shown.keys("Down", "Enter")
            screen = shown.wait(lambda lines: lines[3].startswith("first ") and len(rows(lines)) == 2)
            assert screen[3] == "first  waiting: futex  (2 of 3; left, right: another thread)"
            assert rows(screen)[:2] == ["gate.py:7(hold)", "gate.py:11(work)"]
            shown.keys("Left")
            screen = shown.wait(lambda lines: lines[3].startswith("MainThread ") and len(rows(lines)) == 3)
            assert rows(screen) == ["gate.py:15(inner)", "gate.py:18(outer)", "gate.py:23(<module>)"]
            shown.keys("f")
            shown.wait(lambda lines: " Function " in lines[3])
        shown.keys("q")
        leave(shown)


def test_keys(pyrometer: Path, standing: Target, tmp_path: Path) -> None:
    with terminal([pyrometer, "top", "--pid", str(standing.pid)], 200, folder=tmp_path) as shown:
        shown.wait(r"gate\.py:\d+\(hold\)$")
        shown.keys("?")
        shown.wait("^s S .* sort")
        shown.keys("Escape")
        shown.wait(r"gate\.py:\d+\(hold\)$")
        shown.keys("/")
        shown.type("(")
        shown.keys("Enter")
        shown.wait(r"^bad regular expression '\('")
        shown.keys("v")
        shown.wait(rf"^ *{standing.pid} .*gate\.py")
        shown.keys("p")
        paused = shown.wait("PAUSED")[0]
        shown.keys("w")
        shown.wait("^save the last minutes")
        shown.keys("C-u")
        shown.type("saved.svg")
        shown.keys("Enter")
        shown.wait("^not saved: 'saved.svg' does not end in .pyro")
        assert shown.screen()[0] == paused
        shown.keys("w", "Enter")
        shown.wait(rf"^saved the last .* to top-{standing.pid}\.pyro")
        shown.keys("w", "Enter")
        shown.wait(rf"^not saved: 'top-{standing.pid}\.pyro' exists")
        shown.keys("r", "f")
        shown.wait(r"gate\.py:\d+\(hold\)$")
        assert "PAUSED" not in shown.screen()[0]
        shown.keys("C-c")
        leave(shown)
    table = run(pyrometer, "stats", tmp_path / f"top-{standing.pid}.pyro").stdout
    assert "gate.py:6(hold)" in table and "100 % waiting (lock)" in table


def test_every_key_of_the_standard_library_is_known() -> None:
    """tests/unit/top_keys.c says of each what it does; a newer library may have one more."""
    python = find_python("3.15")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    code = "import profiling.sampling.live_collector.collector as it, inspect; print(inspect.getsource(it.LiveStatsCollector._handle_input))"
    theirs = set(re.findall(r'ch == ord\("(.)"\)', python.run(["-c", code]).stdout))
    assert {"q", "P", "_", "/"} <= theirs
    table = (REPOSITORY / "tests" / "unit" / "top_keys.c").read_text()
    assert theirs <= set(re.findall(r"""\{"stdlib", ".*?", '(.)',""", table))


def test_one_thread(pyrometer: Path, standing: Target) -> None:
    """The standard library's t and arrows: the functions and lines of one thread."""
    with terminal([pyrometer, "top", "--pid", str(standing.pid)], 120) as shown:
        shown.wait(r"gate\.py:\d+\(hold\)$")
        shown.keys("t")
        shown.wait(lambda lines: lines[3].startswith("MainThread ") and functions(lines) == ["<module>", "inner", "outer"])
        shown.keys("Right")
        shown.wait(lambda lines: lines[3].startswith("first ") and functions(lines) == ["hold", "work"])
        shown.keys("l")
        shown.wait(lambda lines: " Line " in lines[4] and sorted(rows(lines)) == ["gate.py:11(work)", "gate.py:7(hold)"])
        shown.keys("T")
        shown.wait(lambda lines: len(rows(lines)) == len(LINES))
        shown.keys("a")
        shown.wait(lambda lines: "Thread" in lines[3] and len(rows(lines)) == 3)
        shown.keys("Down", "Down", "t")
        shown.wait(lambda lines: lines[3].startswith("second ") and functions(lines) == ["hold", "work"])
        shown.keys("q")
        leave(shown)


FAMILY = """\
import os, subprocess, sys
def wait():
    print("READY", flush=True)
    sys.stdin.readline()
def start(*command):
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return child, child.stdout.readline()
generation = sys.argv[1]
if generation == "first":
    other = start("sh", "-c", "echo READY; read line")
if generation != "third":
    child = start(sys.executable, __file__, {"first": "second", "second": "third"}[generation])
wait()
"""


def test_the_process_tree(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Two children, one of which is a Python with a child of its own."""
    path = tmp_path / "family.py"
    path.write_text(FAMILY)
    with start_target(one, path, "first", cwd=tmp_path) as target:
        [shell, second] = children(target.pid)
        [third] = children(second)
        command = [pyrometer, "top", "--pid", str(target.pid)]
        with terminal([*command, "-s"], 160) as shown:
            shown.keys("v")
            screen = shown.wait(rf"^ *{third} .* {re.escape(str(path))} third$")
            found = [(int(row[1]), len(row[2])) for line in screen if (row := re.match(r" *(\d+) +[\d.]+ +[\d.]+ +1  3\.\S+ ( +)\S", line))]
            margin = found[0][1]
            assert found == [(target.pid, margin), (second, margin + 2), (third, margin + 4)]
            assert not any(re.match(rf" *{shell} ", line) for line in screen)  # no Python: nothing is known of it
            os.kill(third, signal.SIGKILL)
            shown.wait(lambda lines: not any(re.match(rf" *{third} .*  1  3", line) for line in lines))
            shown.keys("q")
            leave(shown)
        with terminal(command, 160) as shown:
            shown.keys("v")
            shown.wait("^2 children are not watched: pyrometer top -s follows them$")
            shown.keys("q")
            leave(shown)


def test_a_resize_is_drawn_at_once(pyrometer: Path, standing: Target) -> None:
    """The figures are still those of before, so no refresh brought the new width along: the next one is due in a minute."""
    with terminal([pyrometer, "top", "--pid", str(standing.pid), "--delay", "60"]) as shown:
        before = shown.wait(lambda lines: len(lines[3]) == 80 and re.search(r"python 3\S+  \d", lines[0]))
        for columns in (120, 60, 200):
            shown.resize(columns, 24)
            screen = shown.wait(lambda lines: len(lines[3]) == columns and lines[3].endswith("by %Own"))
            assert screen[0] == before[0]
        shown.keys("q")
        leave(shown)


def test_the_terminal_may_be_tiny(pyrometer: Path, standing: Target) -> None:
    with terminal([pyrometer, "top", "--pid", str(standing.pid)], 20, 5) as shown:
        shown.wait("^100 % waiting")
        for columns, height in ((1, 1), (3, 2), (500, 2), (20, 5)):
            shown.resize(columns, height)
            shown.keys("t", "a", "l", "v", "?", "?", "f")
        shown.wait("^100 % waiting")
        shown.keys("q")
        shown.resize(80, 24)
        leave(shown)


def test_threads_by_the_hundred(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(
        GATE.replace('("first", "second")', '["thread-%d" % i for i in range(300)]')
    )
    with start_target(one, path, cwd=tmp_path) as target, terminal(
        [pyrometer, "top", "--pid", str(target.pid)]
    ) as shown:
        shown.wait("301 threads, 0 running")
        shown.keys("a", "End")
        shown.wait("thread-299 ")
        shown.keys("Enter")
        shown.wait(r"^thread-299 .*\(301 of 301;")
        shown.keys("q")
        leave(shown)


def test_a_process_that_ends(pyrometer: Path, standing: Target) -> None:
    with terminal([pyrometer, "top", "--pid", str(standing.pid)]) as shown:
        shown.wait(r"gate\.py:\d+\(hold\)$")
        standing.stop()
        screen = shown.wait("ENDED$")
        assert any("(hold)" in line for line in screen)  # what was seen stays
        shown.keys("a", "f", "q")
        leave(shown)


def test_a_process_that_becomes_another_program(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = tmp_path / "first.py"
    (tmp_path / "second.py").write_text("import sys\ndef after(): sys.stdin.readline()\nafter()\n")
    path.write_text(
        "import os, sys\n"
        "def before(): print('READY', flush=True); sys.stdin.readline()\n"
        "before()\n"
        "os.execv('/bin/sh', ['sh', '-c', 'read line; exec \"$0\" second.py', sys.executable])\n"
    )
    with start_target(one, path, cwd=tmp_path) as target, terminal(
        [pyrometer, "top", "--pid", str(target.pid)]
    ) as shown:
        shown.wait(r"\(before\)$")
        target.process.stdin.write(b"\n")
        shown.wait("no Python in it now$")
        target.process.stdin.write(b"\n")
        shown.wait(r"\(after\)$")
        target.process.stdin.write(b"\n")
        shown.wait("ENDED$")
        shown.keys("q")
        leave(shown)


def test_a_process_that_is_stopped(pyrometer: Path, standing: Target) -> None:
    """By a signal, and by a debugger."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long] * 4
    seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000
    with terminal([pyrometer, "top", "--pid", str(standing.pid)], 120) as shown:
        shown.wait(r"gate\.py:\d+\(hold\)$")
        os.kill(standing.pid, signal.SIGSTOP)
        shown.wait("STOPPED$")
        os.kill(standing.pid, signal.SIGCONT)
        shown.wait(lambda lines: "STOPPED" not in lines[0])
        if ptrace(seize, standing.pid, 0, 0) < 0:
            pytest.skip("no ptrace here")
        assert ptrace(interrupt, standing.pid, 0, 0) == 0
        os.waitpid(standing.pid, any_thread)
        shown.wait("STOPPED by a debugger$")
        assert ptrace(detach, standing.pid, 0, 0) == 0
        shown.wait(lambda lines: "STOPPED" not in lines[0])
        shown.keys("q")
        leave(shown)


def children(pid: int) -> list[int]:
    """In the order in which they were started."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def last_descendant(pid: int) -> int:
    """Of a chain of processes, such as a shell's shell's program."""
    below = children(pid)
    return last_descendant(below[0]) if below else pid


def test_job_control_and_signals(pyrometer: Path, standing: Target, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("PS1='shell> '\n")  # a shell between tmux and this one takes it out of the environment
    with terminal(["bash", "--noprofile", "--rcfile", tmp_path / "rc", "-i"]) as shown:
        shown.wait("^shell>")
        shown.type(f"{pyrometer} top --pid {standing.pid}")
        shown.keys("Enter")
        shown.wait(r"\(hold\)$")
        shown.keys("C-z")
        shown.wait("Stopped")
        shown.keys("Enter")
        shown.wait("^shell>")
        shown.type("fg")
        shown.keys("Enter")
        shown.wait(r"\(hold\)$")
        shown.keys("a")
        shown.wait("^first|first  ")
        os.kill(last_descendant(shown.pid()), signal.SIGTERM)
        shown.wait("^shell>")
        shown.type("stty -a | grep -c -w -e icanon; exit 7")
        shown.keys("Enter")
        leave(shown, 7)


def test_a_program_that_is_started(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Its output goes aside, its end ends the view, its status is ours."""
    path = tmp_path / "program.py"
    path.write_text(
        "import os, sys, time\n"
        "print('said', sys.stdin.read() == '', flush=True)\n"
        "def until():\n"
        "    while not os.path.exists('end'): time.sleep(0.01)\n"
        "until()\nsys.exit(7)\n"
    )
    with terminal(
        [pyrometer, "top", "--", *one.command([path])],
        200,
        folder=tmp_path,
        environment={"TMPDIR": str(tmp_path)},
    ) as shown:
        screen = shown.wait(r"\(until\)$")
        assert "output in " in screen[0]
        (tmp_path / "end").touch()
        screen = leave(shown, 7)
        said = next(line for line in screen if "the program's output is in " in line)
    output = Path(said.split(" is in ")[1])
    assert output.parent == tmp_path and output.read_text() == "said True\n"


def test_a_program_that_is_over_at_once(pyrometer: Path) -> None:
    with terminal([pyrometer, "top", "--", "sh", "-c", "exit 9"]) as shown:
        leave(shown, 9)


def test_leaving_ends_the_program(pyrometer: Path, one: Python, gate: Path, tmp_path: Path) -> None:
    with terminal(
        [pyrometer, "top", "--", *one.command([gate])],
        folder=tmp_path,
        environment={"TMPDIR": str(tmp_path)},
    ) as shown:
        screen = shown.wait(r"gate\.py:\d+\(hold\)$")
        pid = int(re.search(r"pid (\d+)", screen[0])[1])
        shown.keys("q")
        leave(shown)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_is_picked_from_the_list(pyrometer: Path, standing: Target) -> None:
    with terminal([pyrometer, "top"], 200, 100) as shown:
        screen = shown.wait(rf"^ *{standing.pid} ")
        row = next(i for i, line in enumerate(screen) if re.match(rf" *{standing.pid} ", line))
        shown.keys(*["j"] * (row - 1), "Enter")
        shown.wait(r"gate\.py:\d+\(hold\)$")
        shown.keys("q")
        leave(shown)


@pytest.mark.parametrize("name", ["dumb", "no-such-terminal", ""])
def test_a_terminal_that_cannot(pyrometer: Path, standing: Target, name: str) -> None:
    with terminal(
        ["env", f"TERM={name}", pyrometer, "top", "--pid", str(standing.pid)], 200
    ) as shown:
        screen = leave(shown, 1)
        assert screen[0].startswith("pyrometer: cannot show a live view: ")
        assert "pyrometer dump --pid PID" in screen[0]


def test_mistakes(pyrometer: Path, standing: Target) -> None:
    pid = standing.pid
    assert "no terminal" in refused(pyrometer, 1, "top", "--pid", pid)
    assert "pyrometer top --pid PID" in refused(pyrometer, 2, "top")
    assert f"pyrometer top --pid {pid}" in refused(pyrometer, 2, "top", pid)
    assert "pyrometer top -- CMD" in refused(pyrometer, 2, "top", "app.py")
    assert "0.25 and 60" in refused(pyrometer, 2, "top", "--pid", pid, "--delay", "0.1")
    assert "either" in refused(pyrometer, 2, "top", "--pid", pid, "--", "true")
    assert "no-such-program" in refused(pyrometer, 127, "top", "--", "no-such-program")


def test_a_target_out_of_reach(pyrometer: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    try:
        with terminal([pyrometer, "top", "--pid", str(other.pid)], 200) as shown:
            screen = leave(shown, 3)
    finally:
        other.kill()
        other.wait()
    assert any(line.startswith("pyrometer: ") for line in screen)
