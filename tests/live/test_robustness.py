"""Whatever happens to the target, to pyrometer or to the disk: one clear line, the right exit status,
and a target that goes on as if nobody had looked."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle import campaign
from pythons import Python, Target, find_python, start_target

pytestmark = pytest.mark.beside

NOBODY = "65534"
NEWER = "16"  # a minor version nobody has seen yet
OK, FAILED, USAGE, UNREACHABLE, BAD_FILE = 0, 1, 2, 3, 4
# One build of each kind of layout is enough where the version does not matter.
SOME = ["3.8", "3.11", "3.12", "3.15"]


@pytest.fixture(params=SOME)
def some_python(request: pytest.FixtureRequest) -> Python:
    python = find_python(request.param)
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    return python


def start(pyrometer: Path, *arguments: str | int | Path, **options) -> subprocess.Popen:
    return subprocess.Popen([pyrometer, *map(str, arguments)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def end(process: subprocess.Popen, timeout: float = 30) -> tuple[int, list[str]]:
    """Its exit status, and the lines of its standard error that say something."""
    try:
        _, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"{process.args} did not end in {timeout} s")
    return process.returncode, [line for line in errors.splitlines() if line.strip()]


def samples_in(pyrometer: Path, file: Path) -> int:
    """How many samples a recording holds; it must be readable."""
    text = file.with_suffix(".json")
    campaign.run_pyrometer(pyrometer, "export", file, "-f", "json", "-o", text, timeout=60)
    return len(json.loads(text.read_text())["samples"]["stack"])


def status(pid: int, field: str) -> str:
    found = re.search(rf"^{field}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def assert_stands_still(target: Target) -> None:
    """Stopped as it was: who let go of it wakes it, and it stops again before it is back in its program."""
    deadline = time.monotonic() + 10
    while status(target.pid, "State")[0] != "T":
        assert time.monotonic() < deadline, status(target.pid, "State")
        time.sleep(0.01)


def assert_runs_on(target: Target) -> None:
    """Not stopped, not traced, not killed, and doing its work."""
    deadline = time.monotonic() + 10
    while status(target.pid, "State")[0] not in "RS" or status(target.pid, "TracerPid") != "0":
        assert time.monotonic() < deadline, (status(target.pid, "State"), status(target.pid, "TracerPid"))
        time.sleep(0.01)

    def ticks() -> int:
        fields = Path(f"/proc/{target.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, deadline = ticks(), time.monotonic() + 5
    while ticks() <= before + 3:
        assert time.monotonic() < deadline, "the target does not run any more"
        time.sleep(0.02)


@contextlib.contextmanager
def busy(python: Python, name: str = "chains 30") -> Iterator[Target]:
    with campaign.running(python, campaign.case(name), 120) as target:
        yield target


# ---- kill -9 ----

@pytest.mark.parametrize("mode", ["default", "exact"])
def test_kill_pyrometer(pyrometer: Path, some_python: Python, mode: str, tmp_path: Path) -> None:
    """At any moment, many times; the target does not notice."""
    chance = random.Random(mode + some_python.id)
    exact = ["--exact"] if mode == "exact" else []
    with busy(some_python, "threads 8") as target:
        for attempt in range(25):
            process = start(pyrometer, "record", "--pid", target.pid, "-d", 20, "-r", 5000, "-o",
                            tmp_path / f"{attempt}.pyro", *exact)
            time.sleep(chance.random() ** 2 * 0.3)
            process.kill()
            end(process)
            assert_runs_on(target)
        truth = campaign.finish_target(target)
        assert len(truth["threads"]) == 8
        assert target.process.wait(10) == 0


@pytest.mark.parametrize("mode", ["default", "exact"])
def test_recording_of_killed_pyrometer_is_readable(pyrometer: Path, one: Python, mode: str,
                                                   tmp_path: Path) -> None:
    file = tmp_path / "killed.pyro"
    with busy(one) as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 60, "-r", 1000, "-o", file,
                        *(["--exact"] if mode == "exact" else []))
        time.sleep(5 if mode == "exact" else 2.5)  # on a busy machine a stop waits for its turn
        process.kill()
        end(process)
    assert samples_in(pyrometer, file) > 500


def test_recording_is_readable_while_written(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    file = tmp_path / "growing.pyro"
    with busy(one) as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 4, "-r", 1000, "-o", file)
        time.sleep(2.5)
        early = samples_in(pyrometer, file)
        code, _ = end(process)
    assert code == OK
    assert 0 < early < samples_in(pyrometer, file)


@pytest.mark.parametrize("mode", ["default", "exact"])
def test_kill_target(pyrometer: Path, some_python: Python, mode: str, tmp_path: Path) -> None:
    file = tmp_path / "dead.pyro"
    with busy(some_python) as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 60, "-r", 1000, "-o", file,
                        *(["--exact"] if mode == "exact" else []))
        time.sleep(3 if mode == "exact" else 1)  # on a busy machine a stop waits for its turn
        began = time.monotonic()
        os.kill(target.pid, signal.SIGKILL)
        target.process.wait()
        code, lines = end(process)
        assert time.monotonic() - began < 3
    assert code == OK, lines
    told = [line for line in lines if re.search(r"\b(ended|exited|gone|died|killed)\b", line)]
    assert len(told) == 1, lines
    assert samples_in(pyrometer, file) > 100  # of 1,000 ticks; others run beside it


def test_kill_target_at_any_moment(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Around the moment of attaching too: reached and ended, or not reached; one line either way."""
    chance = random.Random(1)
    seen = set()
    for attempt in range(15):
        with busy(one, "alternating plain") as target:
            file = tmp_path / f"{attempt}.pyro"
            process = start(pyrometer, "record", "--pid", target.pid, "-d", 20, "-r", 1000, "-o", file)
            time.sleep(chance.random() ** 2 * 0.1)
            os.kill(target.pid, signal.SIGKILL)
            if attempt % 2:
                target.process.wait()  # else it stays a zombie for a while
            code, lines = end(process)
            seen.add(code)
            assert code in (OK, UNREACHABLE), (code, lines)
            if code == UNREACHABLE:
                assert len(lines) <= 2, lines
            else:
                samples_in(pyrometer, file)
    assert OK in seen


def test_interrupt_ends_normally(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    file = tmp_path / "interrupted.pyro"
    with busy(one) as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 60, "-r", 1000, "-o", file)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        code, lines = end(process, 5)
        assert code == OK, lines
        assert_runs_on(target)
    assert samples_in(pyrometer, file) > 100  # of 1,000 ticks; others run beside it


# ---- the disk ----

@contextlib.contextmanager
def tiny_disk(size: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs takes root")
    with tempfile.TemporaryDirectory(prefix="pyrometer-disk-") as folder:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=False)


def assert_disk_line(code: int, lines: list[str]) -> None:
    assert code == FAILED, (code, lines)
    told = [line for line in lines if "o space left" in line]
    assert len(told) == 1, lines


def test_full_disk(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """The disk gets full in the middle: what was written before can be read."""
    with tiny_disk("96k") as disk, busy(one, "orm shop") as target:
        file = disk / "full.pyro"
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 60, "-r", 10000, "-o", file)
        code, lines = end(process, 50)
        assert_disk_line(code, lines)
        assert_runs_on(target)
        copy = tmp_path / "copy.pyro"
        copy.write_bytes(file.read_bytes())
    assert samples_in(pyrometer, copy) > 1000


def test_full_from_the_start(pyrometer: Path, one: Python) -> None:
    with busy(one) as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 20, "-r", 1000, "-o", "/dev/full", "-f", "pyro")
        assert_disk_line(*end(process, 25))
        assert_runs_on(target)


def test_folder_that_is_not_there(pyrometer: Path, one: Python) -> None:
    """Said before the recording, not after."""
    with busy(one) as target:
        began = time.monotonic()
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 20, "-o", "/no/such/folder/x.pyro")
        code, lines = end(process)
        assert time.monotonic() - began < 5
    assert code in (FAILED, USAGE) and len(lines) <= 2, (code, lines)
    assert "/no/such/folder" in lines[0]


# ---- targets that do not stand still ----

@pytest.mark.parametrize("after", ["python", "sleep"])
@pytest.mark.parametrize("follow", [False, True], ids=["alone", "subprocesses"])
def test_target_that_execs(pyrometer: Path, one: Python, after: str, follow: bool, tmp_path: Path) -> None:
    file = tmp_path / "exec.pyro"
    with start_target(one, "execer.py", after, "--seconds", "30") as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 3, "-r", 500, "-o", file,
                        *(["--subprocesses"] if follow else []))
        time.sleep(1.0)
        target.send("go")
        if after == "python":
            assert target.readline() == "AGAIN"
        code, lines = end(process)
        assert code == OK, lines
        assert len(lines) < 12, lines
        assert status(target.pid, "TracerPid") == "0"
    text = file.with_suffix(".json")
    campaign.run_pyrometer(pyrometer, "export", file, "-f", "json", "-o", text)
    functions = {one["name"] for one in json.loads(text.read_text())["functions"]}
    assert "wait_for_line" in functions
    if after == "python":
        assert "spin_after" in functions, "an exec of another Python is survived"


@pytest.mark.parametrize("follow", [False, True], ids=["alone", "subprocesses"])
@pytest.mark.parametrize("execute", [0, 1], ids=["fork", "exec"])
def test_target_that_forks_a_thousand_times(pyrometer: Path, one: Python, follow: bool, execute: int,
                                            tmp_path: Path) -> None:
    count = 200 if execute else 1000
    file = tmp_path / "forks.pyro"
    with start_target(one, "forker.py", str(count), "--execute", str(execute), "--seconds", "60") as target:
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 60, "-r", 1000, "-o", file,
                        *(["--subprocesses"] if follow else []))
        assert target.readline(120) == str(count), "every child ended well"
        process.send_signal(signal.SIGINT)
        code, lines = end(process)
        descriptors = len(lines)
    assert code == OK, lines
    assert descriptors < 12, lines
    assert samples_in(pyrometer, file) > 50


STANDING = """\
import sys, threading
gate = threading.Lock()
gate.acquire()
def hold():
    gate.acquire()
def spin():
    while True:
        sum(range(100))
for number in range(int(sys.argv[1])):
    threading.Thread(target=hold, name=f"holds-{number}", daemon=True).start()
print("READY", flush=True)
spin()
"""


def test_300_threads(pyrometer: Path, some_python: Python, tmp_path: Path) -> None:
    """Each is seen, where it is, in every sweep."""
    script, file, text = tmp_path / "standing.py", tmp_path / "many.pyro", tmp_path / "many.json"
    script.write_text(STANDING)
    with start_target(some_python, script, "300") as target:
        code, lines = end(start(pyrometer, "record", "--pid", target.pid, "-d", 2, "-r", 50, "-o", file))
        assert code == OK, lines
        assert_runs_on(target)
    campaign.run_pyrometer(pyrometer, "export", file, "-f", "json", "-o", text, timeout=60)
    samples = json.loads(text.read_text())["samples"]
    each = collections.Counter(samples["thread"])
    assert len(each) == 301 and min(each.values()) * 2 > max(each.values()), each


@pytest.mark.parametrize("mode", ["default", "exact"])
def test_target_that_is_stopped(pyrometer: Path, some_python: Python, mode: str, tmp_path: Path) -> None:
    """By SIGSTOP, and by a debugger, whose it stays: what it is in is recorded, and nothing else happens to it."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long] * 4
    seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000
    options = ["-d", "1", *(["--exact"] if mode == "exact" else [])]
    with busy(some_python) as target:
        os.kill(target.pid, signal.SIGSTOP)
        code, lines = end(start(pyrometer, "record", "--pid", target.pid, *options, "-o", tmp_path / "stopped.pyro"))
        assert code == OK, lines
        assert_stands_still(target)
        assert samples_in(pyrometer, tmp_path / "stopped.pyro") > 0
        os.kill(target.pid, signal.SIGCONT)
        assert_runs_on(target)
        if ptrace(seize, target.pid, 0, 0) < 0:
            pytest.skip("no ptrace here")
        assert ptrace(interrupt, target.pid, 0, 0) == 0
        os.waitpid(target.pid, any_thread)
        code, lines = end(start(pyrometer, "record", "--pid", target.pid, *options, "-o", tmp_path / "traced.pyro"))
        assert status(target.pid, "State")[0] == "t" and status(target.pid, "TracerPid") == str(os.getpid())
        assert code == OK, lines
        if mode == "default":
            assert samples_in(pyrometer, tmp_path / "traced.pyro") > 0
        assert ptrace(detach, target.pid, 0, 0) == 0
        assert_runs_on(target)


def test_target_that_exits_at_once(pyrometer: Path, some_python: Python, tmp_path: Path) -> None:
    """Attaching races with its end: not reached (3), or reached and ended (0)."""
    for attempt in range(15):
        target = subprocess.Popen(some_python.command(["-S", "-c", "pass"]), stdout=subprocess.DEVNULL)
        time.sleep(0.002 * attempt)
        process = start(pyrometer, "record", "--pid", target.pid, "-d", 10, "-o", tmp_path / f"{attempt}.pyro")
        target.wait()
        code, lines = end(process)
        assert code in (OK, UNREACHABLE), (code, lines)
        assert lines and len(lines) < 12, lines
        if code == UNREACHABLE:
            assert len(lines) <= 2, lines


def test_run_of_a_program_that_ends_as_it_is_looked_at(pyrometer: Path, tmp_path: Path) -> None:
    """While the kernel takes a large memory apart there is nothing to read, and no exit status yet."""
    for megabytes in range(10, 60, 2):
        large = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={megabytes}M", "count=1", "status=none"]
        done = subprocess.run([pyrometer, "run", "--", *large], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (OK, ""), done
        assert "ended too early" in done.stderr, done.stderr


# ---- processes that cannot be recorded ----

def assert_unreachable(process: subprocess.Popen, *words: str) -> None:
    code, lines = end(process, 20)
    assert code == UNREACHABLE, (code, lines)
    assert 1 <= len(lines) <= 2, lines
    for word in words:
        assert word in " ".join(lines), lines


@pytest.mark.parametrize("command", ["record", "dump"])
def test_no_such_process(pyrometer: Path, command: str) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert_unreachable(start(pyrometer, command, "--pid", gone.pid), str(gone.pid), "no process")


@pytest.mark.parametrize("command", ["record", "dump"])
def test_not_a_python(pyrometer: Path, command: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert_unreachable(start(pyrometer, command, "--pid", other.pid), str(other.pid))
        finally:
            other.kill()


def test_kernel_thread(pyrometer: Path) -> None:
    if Path("/proc/2/comm").read_text().strip() != "kthreadd":
        pytest.skip("process 2 is no kernel thread here")
    assert_unreachable(start(pyrometer, "dump", "--pid", 2))


def test_zombie(pyrometer: Path) -> None:
    zombie = subprocess.Popen(["true"])
    time.sleep(0.3)
    try:
        assert_unreachable(start(pyrometer, "dump", "--pid", zombie.pid), str(zombie.pid))
    finally:
        zombie.wait()


@pytest.mark.parametrize("pid", ["0", "-1", "99999999999999999999", "12x", ""])
def test_bad_pid(pyrometer: Path, pid: str) -> None:
    code, lines = end(start(pyrometer, "dump", f"--pid={pid}"))
    assert code == USAGE, (code, lines)
    assert 1 <= len(lines) <= 3, lines


# ---- an ordinary user ----

def as_nobody(pyrometer: Path) -> list[str]:
    """The start of a command line that runs as a user without rights, or a skip."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user takes root")
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    tried = subprocess.run([*prefix, pyrometer, "--help"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"another user cannot run {pyrometer}")
    return prefix


@pytest.mark.parametrize("command", [["record", "-d", "1"], ["dump"]], ids=["record", "dump"])
def test_ordinary_user_is_told_what_to_type(pyrometer: Path, one: Python, command: list[str]) -> None:
    with busy(one) as target:
        done = subprocess.run([*as_nobody(pyrometer), pyrometer, *command, "--pid", str(target.pid)],
                              capture_output=True, text=True, check=False, timeout=20, cwd="/")
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert done.returncode == UNREACHABLE, (done.returncode, lines)
        assert len(lines) <= 2, lines
        typed = f"sudo {pyrometer.resolve()} {' '.join(command)} --pid {target.pid}"
        assert typed in done.stderr, lines
        assert_runs_on(target)


def test_ordinary_user_and_own_process(pyrometer: Path) -> None:
    """Without rights, one's own processes can be recorded where the kernel's settings allow it."""
    python = find_python("3.11-debian")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if scope.exists() and scope.read_text().strip() != "0":
        pytest.skip("kernel.yama.ptrace_scope is not 0")
    prefix = as_nobody(pyrometer)
    command = [*prefix, *python.command(["-c", "print(1, flush=True)\nwhile True: pass"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as target:
        try:
            target.stdout.readline()
            with tempfile.TemporaryDirectory(prefix="pyrometer-user-") as folder:
                os.chmod(folder, 0o777)
                file = Path(folder) / "own.pyro"
                for exact in ([], ["--exact"]):
                    done = subprocess.run([*prefix, pyrometer, "record", "--pid", str(target.pid), "-d", "2",
                                           "-r", "200", "-o", file, *exact], capture_output=True, text=True,
                                          check=False, timeout=20, cwd="/")
                    assert done.returncode == OK, done.stderr
                    assert samples_in(pyrometer, file) > 30
        finally:
            target.kill()


# ---- the other way to read ----

def test_reading_through_proc_mem(pyrometer: Path, some_python: Python) -> None:
    """PYROMETER_READ=mem: where process_vm_readv is blocked."""
    if some_python.minor < (3, 11):
        pytest.skip(f"Python {some_python.id}: the figures are stated for 3.11 and later")
    outcome = campaign.measure(pyrometer, some_python, campaign.case("split flat"), 4.0, [1000],
                               env={"PYROMETER_READ": "mem"})[0]
    assert outcome.verdict.impossible <= 2, outcome.verdict.explain()
    assert outcome.verdict.empty == 0
    assert outcome.verdict.samples > 1000
    assert all(share.within(2.0) for share in outcome.shares), [str(share) for share in outcome.shares]


@pytest.mark.parametrize("command", ["dump", "record", "record-o"])
def test_a_newer_python_is_read_and_said_to_be_new(pyrometer: Path, tmp_path: Path, command: str) -> None:
    """One that lays out its memory as 3.15 does and tells its offsets, under a number we do not know."""
    python = find_python("3.15")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    output = ["-d", "0.3", *(["-o", tmp_path / "out.collapsed"] if command == "record-o" else [])]
    arguments = [] if command == "dump" else output
    with start_target(python, "pretend.py", NEWER) as target:
        done = subprocess.run([pyrometer, command.split("-")[0], "--pid", str(target.pid), *map(str, arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == OK, done.stderr
    assert f"warning: Python 3.{NEWER}.0 is newer than this pyrometer knows" in done.stderr, done.stderr
    shown = done.stdout + (output[-1].read_text() if command == "record-o" else "")
    assert "wait" in shown and "pretend.py" in shown


def test_a_newer_python_that_fails_the_checks_is_refused(pyrometer: Path) -> None:
    """Here the offsets are those of 3.13, and what is read by the newest layout makes no sense."""
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    with start_target(python, "pretend.py", NEWER) as target:
        status, errors = end(start(pyrometer, "dump", "--pid", target.pid))
        assert target.process.poll() is None
    assert status == UNREACHABLE
    assert len(errors) == 1 and errors[0].startswith("pyrometer: "), errors
