"""The probe in a process that runs already: what it counts there is exact, and nothing of it stays."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from commands import refused
from counting import Counts, read_counts
from pythons import Python, Target, find_python, start_target

pytestmark = pytest.mark.beside

SECONDS = 60
OPENAT = {"x86_64": 257, "aarch64": 56}[os.uname().machine]
CALLS = 20_000
INJECTIONS = int(os.environ.get("PYROMETER_INJECTIONS", "10"))
GROWTH_BYTES = 4 << 20  # of a process, by all injections together; each once counted into 256 KiB and more


def compile_library(name: str, source: str) -> None:
    """NAME.so, in the folder of the test."""
    Path(f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", f"{name}.so", f"{name}.c"], check=True)


@pytest.fixture(params=["3.11", "3.11-debian", "3.12", "3.13", "3.14", "3.15"])
def injectable(request: pytest.FixtureRequest) -> Python:
    """One of each minor; 3.14 and 3.15 live in another root, as in a container."""
    python = find_python(request.param)
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    return python


class Recording:
    """A `pyrometer record --inject` that goes on until it is told to stop."""

    def __init__(self, pyrometer: Path, pid: int, output: Path, *options: str) -> None:
        command = [pyrometer, "record", "--pid", str(pid), "--inject", *options, "-o", output]
        self.pyrometer, self.output = pyrometer, output
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if "the probe is there" in line:
                break
        else:
            pytest.fail(f"no probe: {self.said}")

    def stop(self) -> Counts:
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=SECONDS)[1]
        done = subprocess.CompletedProcess(self.process.args, self.process.returncode, "", "".join(self.said) + said)
        assert done.returncode == 0, done.stderr
        assert "not removed" not in done.stderr
        return read_counts(self.pyrometer, self.output, done)


class NoExec(Python):
    """Where it runs, nothing of some places for temporary files may be executed."""

    places = "/tmp /var/tmp /dev/shm"

    def command(self, arguments: Sequence[str | Path] = ()) -> list[str]:
        mounts = f"for place in {self.places}; do mount --bind $place $place && mount -o remount,bind,noexec $place || exit; done"
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts + '; exec "$@"', "no-exec"]
        return [*enter, *super().command(arguments)]


class NoExecFirst(NoExec):
    """The other two may be."""

    places = "/tmp"


@contextlib.contextmanager
def target(python: Python, workers: int = 0, spinners: int = 0, *rest: str, **more) -> Iterator[Target]:
    with start_target(python, "injected.py", str(workers), str(spinners), *rest, **more) as running:
        yield running


def run(running: Target, count: int = CALLS) -> None:
    running.send(f"run {count}")
    assert running.readline() == "ran"


def block(running: Target) -> None:
    """It is in read(2) of its standard input when this returns."""
    running.send("block")
    assert running.readline() == "blocks"
    wait_for_read(running)


def wait_for_read(running: Target) -> None:
    """Until its main thread waits for its standard input, outside of Python."""
    deadline = time.monotonic() + SECONDS
    while Path(f"/proc/{running.pid}/syscall").read_text().split()[:2] not in (["0", "0x0"], ["63", "0x0"]):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def seen(running: Target) -> tuple[list[object], int, int]:
    """What is seen of a probe from inside, how many mappings there are, and resident bytes."""
    running.send("seen")
    found, maps, resident = running.readline().rsplit(" ", 2)
    return eval(found), int(maps), int(resident)  # a list of numbers and texts


def injected(pyrometer: Path, running: Target, output: Path, *options: str) -> Counts:
    """A recording around CALLS calls."""
    recording = Recording(pyrometer, running.pid, output, *options)
    run(running)
    return recording.stop()


def test_what_is_counted_is_exact(pyrometer: Path, injectable: Python, folder: Path) -> None:
    with target(injectable, workers=2) as running:
        run(running, 3 * CALLS)  # is not counted, but what ran in it is specialised
        counts = injected(pyrometer, running, folder / "first.pyro", "--counts")
        assert counts.of("inner") == 3 * CALLS
        assert counts.of("outer") == 3
        assert counts.of("{built-in method builtins.len}") == 3 * CALLS
        assert counts.callers("inner") == {"outer": 3 * CALLS}
        assert "starting the probe in process" in counts.done.stderr
        assert seen(running)[0] == []
        # Again: what code objects carry from the first time is not mistaken for something.
        counts = injected(pyrometer, running, folder / "second.pyro", "--counts")
        assert counts.of("inner") == 3 * CALLS
        assert counts.of("{built-in method builtins.len}") == 3 * CALLS
        assert seen(running)[0] == []


def test_it_leaves_nothing_behind(pyrometer: Path, injectable: Python, folder: Path) -> None:
    """Many times in a busy process."""
    with target(injectable, workers=1, spinners=2) as running:
        injected(pyrometer, running, folder / "warm.pyro", "--counts")
        _, maps, resident = seen(running)
        for _ in range(INJECTIONS):
            recording = Recording(pyrometer, running.pid, folder / "again.pyro", "--counts")
            run(running, 100)
            assert recording.stop().of("inner") >= 200
            assert seen(running)[0] == []
        _, maps_after, resident_after = seen(running)
        assert maps_after <= maps + 4  # arenas of Python's own come and go
        assert resident_after - resident < GROWTH_BYTES


def test_traced(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    with target(some_counted, workers=1) as running:
        run(running)
        for name in ("first", "second"):
            counts = injected(pyrometer, running, folder / f"{name}.pyro", "--trace")
            assert counts.of("inner") == 2 * CALLS
            assert counts.callers("inner") == {"outer": 2 * CALLS}
            assert seen(running)[0] == []


def test_traced_times_are_those_of_all_threads(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """Those included that wait from the beginning on, in which the tracer sees nothing."""
    with target(some_counted, workers=2) as running:
        recording = folder / "waiting.pyro"
        command = [pyrometer, "record", "--pid", str(running.pid), "--inject", "--trace", "-d", "1", "-o", recording]
        subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
        asked = subprocess.run([pyrometer, "stats", recording, "--json"], capture_output=True, text=True, check=True)
    answer = json.loads(asked.stdout)
    totals, recorded = answer["totals"], answer["recording"]
    all_s = totals["total_s"] + totals["parked_s"] + recorded["probe_s"]
    assert all_s == pytest.approx(3 * recorded["duration_s"], rel=0.05)


def lines_of_inner(pyrometer: Path, command: str, recording: Path) -> list[dict]:
    asked = subprocess.run([pyrometer, command, recording, "--json"], capture_output=True, text=True, check=True)
    return next(row["lines"] for row in json.loads(asked.stdout)["functions"] if row["name"] == "inner")


def test_lines(pyrometer: Path, injectable: Python, folder: Path) -> None:
    with target(injectable, workers=1) as running:
        run(running)
        for name in ("first", "second"):
            recording = folder / f"{name}.pyro"
            injected(pyrometer, running, recording, "--lines=inner")
            assert [line["hits"] for line in lines_of_inner(pyrometer, "lines", recording) if line["hits"]] == [2 * CALLS]
            assert seen(running)[0] == []


@pytest.mark.parametrize("setter", ["setprofile", "settrace"])
@pytest.mark.parametrize("option", ["--counts", "--trace", "--lines=inner"])
def test_what_the_program_has_of_its_own_stays(pyrometer: Path, some_counted: Python, folder: Path, setter: str, option: str) -> None:
    """A profile function or a trace function, in all threads: it hears of everything, meanwhile and afterwards, and of nothing else."""
    with target(some_counted, 1, 0, setter) as running:
        run(running)
        counts = injected(pyrometer, running, folder / "observed.pyro", option)
        if option != "--lines=inner":
            assert counts.of("inner") == 2 * CALLS
        elif setter == "settrace" and some_counted.minor == (3, 11):
            assert "trace function of its own" in counts.done.stderr
        else:
            assert [line["hits"] for line in lines_of_inner(pyrometer, "lines", counts.recording) if line["hits"]] == [2 * CALLS]
        running.send("observed")
        assert running.readline() == f"{4 * CALLS} 2"
        run(running)
        running.send("observed")
        assert running.readline() == f"{6 * CALLS} 2"


def test_lines_that_nobody_runs_are_told(pyrometer: Path, one: Python, folder: Path) -> None:
    with target(one) as running:
        done = subprocess.run(
            [pyrometer, "record", "--pid", str(running.pid), "--inject", "--lines=no_such_function", "-d", "1", "-o", folder / "x.pyro"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert "no line was counted: of 'no_such_function', nothing ran meanwhile" in done.stderr
        assert "see: pyrometer lines" not in done.stderr


SHOP = """
import sqlite3
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE product (id INTEGER PRIMARY KEY, price INTEGER)")
database.executemany("INSERT INTO product VALUES (?, ?)", ((at, at) for at in range(1000)))
def read_price(at):
    return database.execute("SELECT price FROM product WHERE id = ?", (at,)).fetchone()[0]
def orders():
    return sum(read_price(at) for at, in database.execute("SELECT id FROM product").fetchall())
print("READY", flush=True)
while True:
    orders()
"""


@pytest.mark.parametrize("option", ["--counts", "--trace", "--lines=read_price", "--memory"])
def test_it_reports_as_run_does(pyrometer: Path, one: Python, folder: Path, option: str) -> None:
    """What is worth changing, below the table; and where the recording goes to a file, how to see that, and what was counted."""
    script = folder / "shop.py"
    script.write_text(SHOP)
    recording = folder / "shop.pyro"
    with start_target(one, script) as running:
        command = [pyrometer, "record", "--pid", str(running.pid), "--inject", option, "-d", "1"]
        told, wrote = (
            subprocess.run([*command, *output], capture_output=True, text=True, check=True, timeout=SECONDS) for output in ([], ["-o", recording])
        )
    own = option.split("=")[0].strip("-")
    assert ("N+1" in told.stdout) == (own not in ("memory",)), told.stdout
    shown = {"counts": "stats", "trace": "stats"}.get(own, own)
    for command in (shown, "findings"):
        assert f"see: pyrometer {command} {recording}\n" in wrote.stderr, wrote.stderr


def test_memory(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    with target(some_counted, workers=1) as running:
        run(running)
        for name in ("first", "second"):
            recording = folder / f"{name}.pyro"
            injected(pyrometer, running, recording, "--memory")
            # str(number) is allocated anew by each call, but for one digit
            assert sum(line["count"] for line in lines_of_inner(pyrometer, "memory", recording)) >= 2 * (CALLS - 10)
            assert seen(running)[0] == []


def test_memory_sampled_again_by_another_period(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """What is left of each thread's way to a sample, of 16 MiB on average, is not gone on with: a thread allocates 2 MB here."""
    blocks = 9 * 2 * CALLS  # str(number) makes its text out of digits that it allocates, too
    with target(some_counted, workers=8) as running:
        injected(pyrometer, running, folder / "wide.pyro", "--memory=sampled:16m")
        injected(pyrometer, running, folder / "narrow.pyro", "--memory=sampled:1k")
        count = sum(line["count"] for line in lines_of_inner(pyrometer, "memory", folder / "narrow.pyro"))
        assert 0.9 * blocks < count < 1.1 * blocks


def test_a_process_outside_of_python_is_left_as_it_was(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    with target(some_counted) as running:
        before = seen(running)
        block(running)
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert "was left as it was" in line and "dump" in line
        running.send("go on")
        assert running.readline() == "free"
        run(running)
        assert seen(running)[0] == [] and abs(seen(running)[1] - before[1]) <= 4


def test_killed_in_the_middle(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """Before its call was taken: nothing happens then. While it counts: the next one takes the place of the dead one."""
    with target(some_counted) as running:
        block(running)
        command = [pyrometer, "record", "--pid", str(running.pid), "--inject", "--counts"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert "starting the probe" in process.stderr.readline()
        time.sleep(0.3)
        process.kill()
        process.communicate()
        running.send("go on")
        assert running.readline() == "free"
        run(running)
        assert seen(running)[0] == []

        killed = Recording(pyrometer, running.pid, folder / "killed.pyro", "--counts")
        run(running)
        killed.process.kill()
        killed.process.communicate()
        run(running)
        assert seen(running)[0] != []
        counts = injected(pyrometer, running, folder / "after.pyro", "--counts")
        assert counts.of("inner") == CALLS
        assert seen(running)[0] == []


def another_build(pyrometer: Path, folder: Path) -> Path:
    """The same program, with a probe that holds something else, and so has another name."""
    probe = folder / "src" / "probe"
    shutil.copytree(pyrometer.parent / "src" / "probe" / "bootstrap", probe / "bootstrap")
    made = pyrometer.parent / "src" / "probe" / "_probe.abi3.so"
    (probe / made.name).write_bytes(made.read_bytes() + b"another")
    return Path(shutil.copy2(pyrometer, folder / "pyrometer"))


@pytest.mark.parametrize("option", ["--counts", "--lines=inner", "--memory"])
def test_killed_one_of_another_build(pyrometer: Path, some_counted: Python, folder: Path, option: str) -> None:
    """Its hooks go, too, and the next one counts as if there had been none."""
    with target(some_counted) as running:
        killed = Recording(another_build(pyrometer, folder / "other"), running.pid, folder / "killed.pyro", option)
        run(running)
        killed.process.kill()
        killed.process.communicate()
        run(running)
        with open(f"/proc/{running.pid}/maps") as maps:
            assert len(set(re.findall("pyrometer-probe-[0-9a-f]+", maps.read()))) == 1
        counts = injected(pyrometer, running, folder / "after.pyro", "--counts")
        with open(f"/proc/{running.pid}/maps") as maps:
            assert len(set(re.findall("pyrometer-probe-[0-9a-f]+", maps.read()))) == 2
        assert counts.of("inner") == CALLS
        assert seen(running)[0] == []


def test_removed_as_soon_as_it_comes_by(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    with target(some_counted) as running:
        recording = Recording(pyrometer, running.pid, folder / "blocked.pyro", "--counts")
        run(running)
        block(running)
        recording.process.send_signal(signal.SIGINT)
        said = recording.process.communicate(timeout=SECONDS)[1]
        assert "as soon as it can" in said
        assert read_counts(pyrometer, folder / "blocked.pyro", recording.process).of("inner") == CALLS
        running.send("go on")
        assert running.readline() == "free"
        run(running, 10)
        assert seen(running)[0] == []
        assert injected(pyrometer, running, folder / "after.pyro", "--counts").of("inner") == CALLS


WAITERS = r"""
import os, threading, traceback
names = ["main", "one", "two", "three"]
def work(): pass
def go(name):
    while not os.path.exists("block"):
        work()
    while True:
        with open(name) as pipe:  # waits until somebody opens it, outside of Python
            text = pipe.read()
        try:
            exec(text)
        except Exception:
            traceback.print_exc()
        with open(name + ".done", "w") as pipe:
            pipe.write("done")
for name in names:
    os.mkfifo(name)
    os.mkfifo(name + ".done")
threads = [threading.Thread(target=go, args=(name,), daemon=True) for name in names[1:]]
for thread in threads:
    thread.start()
print("READY", flush=True)
go("main")
"""


class Waiters:
    """A program whose threads count until block(), and then each come by in Python only by pass_by()."""

    def __init__(self, running: Target, folder: Path) -> None:
        self.running, self.folder = running, folder
        self.tasks = Path(f"/proc/{running.pid}/task")

    def block(self) -> None:
        (self.folder / "block").touch()
        deadline = time.monotonic() + SECONDS
        while {task.read_text().split()[0] for task in self.tasks.glob("*/syscall")} != {str(OPENAT)}:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def pass_by(self, name: str, code: str = "") -> None:
        """Until it is through, and has begun to wait again."""
        (self.folder / name).write_text(code)
        assert (self.folder / f"{name}.done").read_text() == "done"

    def has_probe(self) -> bool:
        return "memfd:pyrometer" in Path(f"/proc/{self.running.pid}/maps").read_text()

    def folders(self) -> list[Path]:
        """Ours, of calls for it that are there."""
        found = Path(f"/proc/{self.running.pid}/root/tmp").glob("pyrometer-*/wanted")
        return [wanted.parent for wanted in found if wanted.read_text().split("\n")[1] == str(self.running.pid)]


@contextlib.contextmanager
def waiters(python: Python, folder: Path) -> Iterator[Waiters]:
    script = folder / "waiters.py"
    script.write_text(WAITERS)
    with start_target(python, script, cwd=folder) as running:
        yield Waiters(running, folder)


def stop_in_vain(recording: Recording) -> None:
    """Told to stop, it finds that nobody comes by."""
    recording.process.send_signal(signal.SIGINT)
    assert "as soon as it can" in recording.process.communicate(timeout=SECONDS)[1]


@pytest.mark.parametrize("first", ["main", "three"])
def test_whoever_comes_by_first_removes_it(pyrometer: Path, injectable: Python, folder: Path, first: str) -> None:
    """3.14 and later ask each thread by itself: the others hear nothing of it any more. In 3.11 it is the main thread's alone."""
    if injectable.minor == (3, 11) and first != "main":
        pytest.skip("3.11 asks the main thread")
    with waiters(injectable, folder) as target:
        recording = Recording(pyrometer, target.running.pid, folder / "stays.pyro", "--counts")
        target.block()
        stop_in_vain(recording)
        assert target.has_probe() and len(target.folders()) == 1
        line = refused(pyrometer, 3, "record", "--pid", target.running.pid, "--inject", "--counts", "-d", "1")
        assert "asked before still waits there" in line and f"pyrometer dump --pid {target.running.pid}" in line
        target.pass_by(first)
        assert not target.has_probe() and not target.folders()
        for name in ("three", "main", "two", "one"):
            target.pass_by(name)
        assert target.running.errors() == "nothing on standard error"


def test_two_that_come_by_at_once(pyrometer: Path, folder: Path) -> None:
    """It is removed once, and the folder by the last one that reads it."""
    python = find_python("3.14")
    if python.missing:
        pytest.skip(f"Python 3.14: {python.missing}")
    with waiters(python, folder) as target:
        recording = Recording(pyrometer, target.running.pid, folder / "stays.pyro", "--counts")
        target.block()
        stop_in_vain(recording)
        for name in ("one", "two", "three"):
            (folder / name).write_text("")
        for name in ("one", "two", "three"):
            assert (folder / f"{name}.done").read_text() == "done"
        assert not target.has_probe() and not target.folders()
        assert target.running.errors() == "nothing on standard error"


class LateStop:
    """A folder as it is left for whoever comes by, and what one executes who does."""

    def __init__(self, pyrometer: Path, target: Waiters, name: str, memory: int) -> None:
        self.folder = target.folder / name
        self.folder.mkdir()
        shutil.copy(pyrometer.parent / "src" / "probe" / "bootstrap" / "call.py", self.folder)
        maps = Path(f"/proc/{target.running.pid}/maps").read_text()
        probe = re.search(r"pyrometer-0\w+/pyrometer-probe-[0-9a-f]+\.so", maps)[0]
        (self.folder / "wanted").write_text(f"stop\n{target.running.pid}\n/tmp/{probe}\n1\n0\n\n0\n{memory}")
        self.code = f"exec(compile(open('{self.folder}/call.py').read(), '<pyrometer>', 'exec'), {{'folder': '{self.folder}'}})"


def memory_of(target: Waiters) -> int:
    """The inode of what the probe counts into."""
    maps = Path(f"/proc/{target.running.pid}/maps").read_text()
    return int(next(line.split()[4] for line in maps.splitlines() if "memfd:pyrometer" in line))


def test_the_folder_stays_while_another_thread_reads_it(pyrometer: Path, folder: Path) -> None:
    """One that was asked for the script and has begun with it, which is what CPython leaves of a script of anybody's; and what the first
    one did, the second one does not."""
    python = find_python("3.14")
    if python.missing:
        pytest.skip(f"Python 3.14: {python.missing}")
    with waiters(python, folder) as target:
        counting = Recording(pyrometer, target.running.pid, folder / "counts.pyro", "--counts")
        target.block()
        late = LateStop(pyrometer, target, "late", memory_of(target))
        (late.folder / "run").write_text("pass\n")
        (late.folder / "begun").touch()
        target.pass_by("one", f"import sys; sys.remote_exec(os.getpid(), '{late.folder}/run')")  # of the main thread
        target.pass_by("main")
        target.pass_by("two", late.code)
        assert target.has_probe() and late.folder.exists()
        (late.folder / "begun").unlink()
        wanted = late.folder / "wanted"
        wanted.write_text(wanted.read_text().rpartition("\n")[0] + "\n0")  # whichever memory it has
        target.pass_by("main", late.code)
        assert not target.has_probe() and not late.folder.exists()
        assert target.running.errors() == "nothing on standard error"
        counting.process.kill()
        counting.process.communicate()


def test_a_late_stop_is_not_for_another_recording(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """What an earlier pyrometer wanted stopped is long gone: what counts there now goes on."""
    with waiters(some_counted, folder) as target:
        counting = Recording(pyrometer, target.running.pid, folder / "counts.pyro", "--counts")
        late = LateStop(pyrometer, target, "late", memory_of(target) + 1)
        target.block()
        target.pass_by("one", late.code)
        assert target.running.errors() == "nothing on standard error"
        assert target.has_probe() and not late.folder.exists()
        counting.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        while counting.process.poll() is None:
            for name in ("main", "two"):
                target.pass_by(name, "work()")
        assert not target.has_probe()


def test_a_process_that_became_another_program(pyrometer: Path, one: Python, folder: Path) -> None:
    script = folder / "becomes.py"
    script.write_text(
        "import os, sys, time\n"
        "if len(sys.argv) == 1:\n"
        "    print('READY', flush=True)\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    os.execv(sys.executable, [sys.executable, sys.argv[0], 'again'])\n"
        "print('again', flush=True)\n"
        "while True: time.sleep(0.01)\n"
    )
    with start_target(one, script, cwd=folder) as running:
        recording = Recording(pyrometer, running.pid, folder / "becomes.pyro", "--counts")
        (folder / "go").touch()
        assert running.readline() == "again"
        recording.stop()
        assert running.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="wants to be root")
def test_a_process_of_another_user(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """What it reads and writes belongs to it; and one that changed its user itself cannot be looked into by that one."""
    with target(some_counted, 0, 0, "65534") as running:
        for name in ("first", "second"):
            assert injected(pyrometer, running, folder / f"{name}.pyro", "--counts").of("inner") == CALLS
            assert seen(running)[0] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="wants to be root")
def test_nothing_may_be_executed_there(pyrometer: Path, one: Python, folder: Path) -> None:
    with target(NoExec(**asdict(one))) as running:
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert "/dev/shm: nothing there may be executed (noexec)" in line
        assert seen(running)[0] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="wants to be root")
def test_the_next_place_is_taken(pyrometer: Path, one: Python, folder: Path) -> None:
    """Where /tmp is noexec, and /var/tmp is not."""
    with target(NoExecFirst(**asdict(one))) as running:
        recording = Recording(pyrometer, running.pid, folder / "x.pyro", "--counts")
        assert re.search("/var/tmp/pyrometer-1[^/]*/pyrometer-probe-", Path(f"/proc/{running.pid}/maps").read_text())
        run(running)
        assert recording.stop().of("inner") == CALLS
        assert seen(running)[0] == []


KEEP = r"""
#include <unistd.h>
long keep(const char *until)
{
    long rounds = 0;
    while (access(until, F_OK) != 0)
        rounds++;
    return rounds;
}
"""


def test_c_code_that_holds_the_gil(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """As sum(range(10**10)) does: nobody comes by; when it is through, the program goes on, and can be asked again."""
    compile_library("keep", KEEP)
    script = folder / "keeps.py"
    script.write_text(
        "import ctypes, threading, time\n"
        "keep = ctypes.PyDLL('./keep.so').keep\n"  # with the GIL
        "def work(): time.sleep(0.001)\n"
        "def go_on():\n"
        "    while True: work()\n"
        "threading.Thread(target=go_on, daemon=True).start()\n"
        "print('READY', flush=True)\n"
        "keep(b'through')\n"
        "print('THROUGH', flush=True)\n"
        "go_on()\n"
    )
    with start_target(some_counted, script, cwd=folder) as running:
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert f"process {running.pid} did not come by in time: it was left as it was" in line
        assert "outside of Python" in line and f"pyrometer dump --pid {running.pid}" in line
        (folder / "through").touch()
        assert running.readline() == "THROUGH"
        counts = Recording(pyrometer, running.pid, folder / "through.pyro", "--counts")
        time.sleep(0.2)
        assert counts.stop().of("work") > 0
        assert running.process.poll() is None and running.errors() == "nothing on standard error"


def state(running: Target) -> str:
    return Path(f"/proc/{running.pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_process_that_is_stopped(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    with target(some_counted) as running:
        before = seen(running)
        os.kill(running.pid, signal.SIGSTOP)
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert f"process {running.pid} was left as it was: it is stopped; kill -CONT {running.pid}" in line
        assert state(running) == "T"
        os.kill(running.pid, signal.SIGCONT)
        run(running)
        assert seen(running)[0] == [] and abs(seen(running)[1] - before[1]) <= 4
        assert injected(pyrometer, running, folder / "on.pyro", "--counts").of("inner") == CALLS


def test_a_process_that_is_traced(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """By a debugger, which lets it run or has stopped it: there is one tracer at most."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long] * 4
    seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000
    with target(some_counted) as running:
        if ptrace(seize, running.pid, 0, 0) < 0:
            pytest.skip("no ptrace here")
        refusal = f"process {running.pid} was left as it was: process {os.getpid()} traces it, as debuggers do"
        assert refusal in refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        run(running)
        assert seen(running)[0] == []
        assert ptrace(interrupt, running.pid, 0, 0) == 0
        os.waitpid(running.pid, any_thread)
        assert refusal in refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert state(running) == "t"
        assert ptrace(detach, running.pid, 0, 0) == 0
        assert injected(pyrometer, running, folder / "on.pyro", "--counts").of("inner") == CALLS
        assert seen(running)[0] == []


NO_WRITING = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 311, "aarch64": 271}[platform.machine()]  # process_vm_writev
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]  # which call; EPERM; all else is allowed
filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(filter)))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_where_nobody_may_write(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """As in a container that is made beside another: a filter of system calls lets look, and not write. What is to be done is said."""
    with target(some_counted) as running:
        before = seen(running)
        command = [pyrometer, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1"]
        line = refused(Path(sys.executable), 3, "-c", NO_WRITING, *command)
        assert f"cannot write into process {running.pid}: Operation not permitted" in line and "--cap-add=SYS_PTRACE" in line
        run(running)
        assert seen(running)[0] == [] and abs(seen(running)[1] - before[1]) <= 4


HOLD = r"""
#include <unistd.h>
void hold(int seconds)
{
    if (vfork() == 0) {
        sleep(seconds);
        _exit(0);
    }
}
"""


def test_a_thread_that_nothing_interrupts(pyrometer: Path, one: Python, folder: Path) -> None:
    """While it waits for the child of its vfork() no other thread stands still for us; when it is back, all is as ever."""
    compile_library("hold", HOLD)
    script = folder / "holds.py"
    script.write_text(
        "import ctypes, sys, threading, time\n"
        "hold = ctypes.CDLL('./hold.so').hold\n"
        "def work(): pass\n"
        "print('READY', flush=True)\n"
        "thread = threading.Thread(target=hold, args=(12,))\n"
        "thread.start()\n"
        "while True:\n"
        "    work()\n"
    )
    with start_target(one, script, cwd=folder) as running:
        deadline = time.monotonic() + SECONDS
        states: list[str] = []
        while "D" not in states:
            assert time.monotonic() < deadline, states
            states = [stat.read_text().rpartition(") ")[2][0] for stat in Path(f"/proc/{running.pid}/task").glob("*/stat")]
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert re.search(rf"process {running.pid} was left as it was: its thread \d+ is in a call of the kernel that nothing interrupts", line)
        while len(os.listdir(f"/proc/{running.pid}/task")) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        counts = Recording(pyrometer, running.pid, folder / "held.pyro", "--counts")
        time.sleep(0.2)
        assert counts.stop().of("work") > 0


def test_a_forked_child_does_not_do_it(pyrometer: Path, folder: Path) -> None:
    """It has a copy of the call that waits for the main thread of its parent, and on 3.11 a main thread that comes by."""
    python = find_python("3.11")
    if python.missing:
        pytest.skip(f"Python 3.11: {python.missing}")
    script = folder / "forks.py"
    script.write_text(
        "import os, sys, threading, time\n"
        "def has_it():\n"
        "    end = time.monotonic() + 0.05\n"
        "    while time.monotonic() < end: pass\n"
        "    return any('memfd:pyrometer' in os.path.realpath('/proc/self/fd/' + fd) for fd in os.listdir('/proc/self/fd'))\n"
        "had = children = 0\n"
        "def fork():\n"
        "    global had, children\n"
        "    while not os.path.exists('over'):\n"
        "        child = os.fork()\n"
        "        if not child: os._exit(has_it())\n"
        "        had += os.waitpid(child, 0)[1] != 0\n"
        "        children += 1\n"
        "    print(had, children > 0, flush=True)\n"
        "print('READY', flush=True)\n"
        "threading.Thread(target=fork).start()\n"
        "sys.stdin.readline()\n"
    )
    with start_target(python, script, cwd=folder) as running:
        wait_for_read(running)
        assert "main thread waits" in refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        Path("over").touch()
        assert running.readline() == "0 True"


def test_it_says_nothing_there(pyrometer: Path, some_counted: Python, folder: Path) -> None:
    """Nor does the interpreter of it, whatever it warns of."""
    with target(some_counted, env={"PYTHONDEVMODE": "1", "PYTHONWARNDEFAULTENCODING": "1"}) as running:
        assert injected(pyrometer, running, folder / "quiet.pyro", "--counts").of("inner") == CALLS
        assert running.errors() == "nothing on standard error"


def test_it_is_removed_when_nobody_reads_what_is_said(pyrometer: Path, one: Python, folder: Path) -> None:
    """As by `2>&1 | head -1`."""
    with target(one) as running:
        read, write = os.pipe()
        os.close(read)
        command = [pyrometer, "record", "--pid", str(running.pid), "--inject", "--counts", "-d", "0.5", "-o", folder / "x.pyro"]
        with subprocess.Popen(command, stderr=write, stdout=subprocess.DEVNULL) as process:
            os.close(write)
            deadline = time.monotonic() + SECONDS
            while process.poll() is None:
                assert time.monotonic() < deadline
                run(running, 100)
        assert seen(running)[0] == [] and (folder / "x.pyro").exists()


def test_two_at_once(pyrometer: Path, one: Python, folder: Path) -> None:
    with target(one) as running:
        first = Recording(pyrometer, running.pid, folder / "first.pyro", "--counts")
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert "another pyrometer counts there" in line
        run(running)
        assert first.stop().of("inner") == CALLS


def test_switched_off(pyrometer: Path) -> None:
    python = find_python("3.14")
    if python.missing:
        pytest.skip(f"Python 3.14: {python.missing}")
    with target(python, env={"PYTHON_DISABLE_REMOTE_DEBUG": "1"}) as running:
        line = refused(pyrometer, 3, "record", "--pid", running.pid, "--inject", "--counts", "-d", "1")
        assert "PEP 768" in line


def test_it_wants_to_be_asked(pyrometer: Path, one: Python) -> None:
    with target(one) as running:
        for mode in ("--counts", "--trace", "--lines=inner", "--memory"):
            line = refused(pyrometer, 2, "record", "--pid", running.pid, mode)
            assert f"pyrometer record --pid {running.pid} --inject {mode}" in line
        assert "--counts" in refused(pyrometer, 2, "record", "--pid", running.pid, "--inject")
        assert "cannot be had at once" in refused(pyrometer, 2, "record", "--pid", running.pid, "--inject", "--counts", "--memory")
        assert seen(running)[0] == []


def test_signals_arrive_while_it_is_started(pyrometer: Path, one: Python, folder: Path) -> None:
    """They are the program's, and handled as ever."""
    script = folder / "signals.py"
    script.write_text(
        "import signal\n"
        "rung = 0\n"
        "def ring(*_):\n"
        "    global rung\n"
        "    rung += 1\n"
        "signal.signal(signal.SIGALRM, ring)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
        "print('READY', flush=True)\n"
        "while True:\n"
        "    sum(range(100))\n"
    )
    with start_target(one, script) as running:
        for _ in range(5):
            counts = Recording(pyrometer, running.pid, folder / "signals.pyro", "--counts")
            time.sleep(0.1)
            assert counts.stop().of("ring") > 0
            assert running.process.poll() is None, running.errors()
        assert running.errors() == "nothing on standard error"
