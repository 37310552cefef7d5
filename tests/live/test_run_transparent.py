"""`pyrometer run X` is plain `python X`: each test runs both and compares byte for byte."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pythons import Python, find_python

pytestmark = pytest.mark.beside

SECONDS = 60


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and none of the environment that chooses a Python."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("_", raising=False)  # what a shell started: test_note_of_the_shell
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # else the second run finds what the first one wrote
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


def under(pyrometer: Path, python: Python, arguments: Sequence[str | Path], *options: str) -> list[str]:
    """The command that runs what python.command(arguments) runs, recorded into x.pyro."""
    rest = [str(argument) for argument in arguments]
    head = [str(pyrometer), "run", "-o", "x.pyro", *options]
    if python.root is None:
        return [*head, "--python", str(python.path), *rest]
    return [*head, "--", *python.command(rest)]


def without_our_lines(errors: bytes) -> bytes:
    """Standard error without the line that pyrometer adds, and what it says there of calls that were not counted, or of a program that was
    over before it was seen."""
    too_early = rb"(pyrometer: no samples: the program ended too early\n)?"
    return re.sub(too_early + rb"pyrometer: [^\n]*\n(pyrometer: not counted: [^\n]*\n)*", b"", errors, count=1)


def both(pyrometer: Path, python: Python, *arguments: str | Path, **options) -> subprocess.CompletedProcess[bytes]:
    """Run plainly and under pyrometer; output, errors and status must be the same. Returns the plain run."""
    options = {"capture_output": True, "timeout": SECONDS, "check": False, **options}
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    plain = subprocess.run(python.command(arguments), **options)
    ours = subprocess.run(under(pyrometer, python, arguments), **options)
    assert ours.stdout == plain.stdout
    assert without_our_lines(ours.stderr) == plain.stderr
    assert ours.returncode == plain.returncode
    return plain


def script(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


FACTS = """
import json, os, resource, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps({
    "argv": sys.argv, "path0": sys.path[0], "name": __name__, "file": globals().get("__file__"),
    "spec": getattr(globals().get("__spec__"), "name", None), "flags": str(sys.flags), "executable": sys.executable,
    "orig_argv": getattr(sys, "orig_argv", None), "prefix": sys.prefix, "path": sys.path,
    "environment": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0o22),
    "files": sorted(os.readlink("/proc/self/fd/" + fd).partition(":")[0]
                    for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)),
    "signals": [status[key] for key in ("SigBlk", "SigIgn", "SigCgt", "ShdPnd")],
    "uid": status["Uid"], "nice": os.nice(0), "files_max": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "modules": sorted(sys.modules),
    "trace": [sys.gettrace() is None, sys.getprofile() is None],
    "group": os.getpgrp() == os.getpgid(os.getppid()), "session": os.getsid(0),
}, sort_keys=True, indent=1))
"""


def test_facts_of_a_script(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    plain = both(pyrometer, python, script(tmp_path, FACTS), "a", "--pid", "-s", "b c", "--", "")
    assert json.loads(plain.stdout)["argv"][1:] == ["a", "--pid", "-s", "b c", "--", ""]


def test_facts_of_a_module(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    script(tmp_path, FACTS, "facts.py")
    both(pyrometer, python, "-m", "facts", "-m", "x")


def test_facts_of_code(pyrometer: Path, python: Python) -> None:
    both(pyrometer, python, "-c", FACTS, "-c", "x")


def test_note_of_the_shell(pyrometer: Path, one: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell puts the program that it starts into "_"; the program must find itself there, not us."""
    monkeypatch.setenv("_", str(pyrometer))
    command = under(pyrometer, one, ["-c", "import os; print(os.environ['_'])"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.strip() == one.path


def test_facts_of_a_folder(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    script(tmp_path / "package", FACTS, "__main__.py")
    both(pyrometer, one, "package")


def test_inherited_signals(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """As under nohup: what was ignored or blocked before us is so for the program."""

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])

    both(pyrometer, one, script(tmp_path, FACTS), preexec_fn=prepare)


def test_standard_input_and_binary_output(pyrometer: Path, python: Python) -> None:
    code = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    data = bytes(range(256)) * 4096
    assert both(pyrometer, python, "-c", code, input=data).stdout == data


def test_script_from_standard_input(pyrometer: Path, one: Python) -> None:
    both(pyrometer, one, "-", "x", input=b"import sys; print(sys.argv, __name__)")


TRACEBACK = """
def outer():
    inner(1)
def inner(x):
    raise ValueError("so \\u00e4 it is") from KeyError(x)
outer()
"""


def test_traceback(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    plain = both(pyrometer, python, script(tmp_path, TRACEBACK))
    assert plain.returncode == 1 and b"ValueError" in plain.stderr


def test_syntax_error(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    assert both(pyrometer, one, script(tmp_path, "def (:\n")).returncode == 1


def test_missing_script(pyrometer: Path, one: Python) -> None:
    assert both(pyrometer, one, "nowhere.py").returncode == 2


@pytest.mark.parametrize("code", ["0", "1", "3", "255", "-1", "None", "'a message'", "True"])
def test_exit_status(pyrometer: Path, one: Python, code: str) -> None:
    both(pyrometer, one, "-c", f"import sys; sys.exit({code})")


def test_exit_without_cleanup(pyrometer: Path, one: Python) -> None:
    assert both(pyrometer, one, "-c", "import os; os._exit(77)").returncode == 77


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGINT", "SIGABRT", "SIGPIPE"])
def test_killed_by_signal(pyrometer: Path, one: Python, name: str) -> None:
    """Our parent sees the same signal, not a number that stands for it."""
    code = f"import os, signal; signal.signal(signal.{name}, signal.SIG_DFL) if '{name}' != 'SIGKILL' else 0; "
    plain = both(pyrometer, one, "-c", code + f"os.kill(os.getpid(), signal.{name})")
    assert plain.returncode == -getattr(signal, name)


def test_atexit_and_threads_end_as_usual(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    text = """
import atexit, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("main")
"""
    assert both(pyrometer, one, script(tmp_path, text)).stdout == b"main\nthread\nat exit\n"


PICKLING = """
import multiprocessing, os, pickle, sys
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
def double(point): return Point(point.x * 2)
if __name__ == "__main__":
    print(pickle.dumps(Point(1)))
    for method in ("spawn", "fork", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(double, [Point(1), Point(2)]) == [Point(2), Point(4)])
"""


def test_pickling_and_multiprocessing(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    plain = both(pyrometer, python, script(tmp_path, PICKLING))
    assert plain.stdout.count(b"True") == 3, plain.stderr


def test_runs_once(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    text = "open('runs', 'a').write('x')"
    subprocess.run(under(pyrometer, one, [script(tmp_path, text)]), check=True, timeout=SECONDS)
    assert (tmp_path / "runs").read_text() == "x"


# -- a terminal ------------------------------------------------------------------------------------


class Terminal:
    """A program in a session of its own on a pseudo-terminal, as a shell starts it in the foreground."""

    def __init__(self, command: Sequence[str]) -> None:
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], list(command))

    def press(self, keys: bytes, after: bytes) -> None:
        """Type KEYS when the program has printed AFTER and gone to sleep."""
        self.read_until(after)
        time.sleep(0.3)
        os.write(self.fd, keys)

    def read_until(self, text: bytes) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.output:
            assert select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0], self.output
            self.output += os.read(self.fd, 4096)

    def finish(self) -> int:
        """Read to the end; the wait status."""
        while True:
            try:
                chunk = os.read(self.fd, 4096)
            except OSError:  # EIO: nobody holds the other side any more
                break
            if not chunk:
                break
            self.output += chunk
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def on_both_terminals(pyrometer: Path, python: Python, path: Path, act: Callable[[Terminal], None]) -> bytes:
    results = []
    for command in (python.command([path]), under(pyrometer, python, [path])):
        terminal = Terminal(command)
        act(terminal)
        status = terminal.finish()
        results.append((without_our_lines(terminal.output), status))
    assert results[1] == results[0]
    return results[0][0]


def test_terminal(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    text = """
import os, sys
print([os.isatty(fd) for fd in range(3)], os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp())
print("got", input("name? "))
"""
    output = on_both_terminals(
        pyrometer, one, script(tmp_path, text), lambda terminal: terminal.press(b"me\n", after=b"name? ")
    )
    assert b"[True, True, True]" in output and b"got me" in output and b" True\r\n" in output


WAIT = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"


def test_interrupt_from_the_keyboard(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    output = on_both_terminals(
        pyrometer, one, script(tmp_path, WAIT), lambda terminal: terminal.press(b"\x03", after=b"ready")
    )
    assert output.count(b"KeyboardInterrupt") == 1


def test_quit_from_the_keyboard(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    on_both_terminals(
        pyrometer, one, script(tmp_path, WAIT), lambda terminal: terminal.press(b"\x1c", after=b"ready")
    )


def test_interrupt_that_the_program_catches(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    text = """
import time
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("caught")
raise SystemExit(5)
"""
    output = on_both_terminals(
        pyrometer, one, script(tmp_path, text), lambda terminal: terminal.press(b"\x03", after=b"ready")
    )
    assert b"caught" in output


# -- signals and job control -----------------------------------------------------------------------

COUNTER = """
import signal, sys, time
seen = []
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, frame: seen.append(number))
print("ready", flush=True)
sys.stdin.readline()
print(seen)
"""


@pytest.fixture
def counter(pyrometer: Path, one: Python, tmp_path: Path) -> Iterator[subprocess.Popen]:
    command = under(pyrometer, one, [script(tmp_path, COUNTER)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signal_sent_to_us_reaches_the_program(counter: subprocess.Popen, name: str) -> None:
    number = getattr(signal, name)
    counter.send_signal(number)
    time.sleep(0.3)
    assert counter.communicate(b"\n", timeout=SECONDS)[0] == f"[{int(number)}]\n".encode()
    assert counter.returncode == 0


def test_interrupt_sent_to_us_only(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    statuses = []
    path = script(tmp_path, WAIT)
    for command in (one.command([path]), under(pyrometer, one, [path])):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.3)  # into its sleep
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=SECONDS)
            statuses.append((process.returncode, output, without_our_lines(errors)))
    assert statuses[1] == statuses[0]
    assert statuses[0][0] == -signal.SIGINT


def test_program_that_signals_its_group(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """It gets its own signal once, not once more from us."""
    text = """
import os, signal, time
seen = []
signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
os.killpg(os.getpgrp(), signal.SIGTERM)
time.sleep(0.4)
print(len(seen))
"""
    plain = both(pyrometer, one, script(tmp_path, text), start_new_session=True)
    assert plain.stdout == b"1\n"


def test_stop_and_continue(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """A program that stops (Ctrl-Z) is a stopped job for our shell too; continued, it goes on."""
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('went on')\nraise SystemExit(4)\n"
    command = under(pyrometer, one, [script(tmp_path, text)])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    stopped, deadline = (0, 0), time.monotonic() + SECONDS
    while stopped[0] == 0 and time.monotonic() < deadline:
        stopped = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
        time.sleep(0.02)
    if not os.WIFSTOPPED(stopped[1]):
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("it did not stop with its program")
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=SECONDS)[0] == b"went on\n"
    assert process.returncode == 4


def test_keyboard_stop(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Ctrl-Z in an interactive shell: jobs says stopped; fg goes on."""
    path = script(tmp_path, "import time\nprint('rea' 'dy', flush=True)\ntime.sleep(1)\nprint('d' 'one')\n")
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"])
    os.write(terminal.fd, " ".join(under(pyrometer, one, [path])).encode() + b"\n")
    terminal.press(b"\x1a", after=b"ready")
    terminal.read_until(b"Stopped")
    os.write(terminal.fd, b"fg\n")
    terminal.read_until(b"done")
    os.write(terminal.fd, b"echo status=$?\n")
    terminal.read_until(b"status=0")
    os.write(terminal.fd, b"exit\n")
    terminal.finish()


def test_killed_pyrometer_leaves_the_program_alone(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(1)\nopen('finished', 'w').write('yes')\n"
    process = subprocess.Popen(under(pyrometer, one, [script(tmp_path, text)]), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    process.stdout.read()  # until the program has closed it
    assert (tmp_path / "finished").read_text() == "yes"
    read = subprocess.run([pyrometer, "stats", "x.pyro"], capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr


def test_reader_that_goes_away(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = script(tmp_path, "for i in range(100000): print(i)\n")
    command = " ".join(under(pyrometer, one, [path])) + " | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=SECONDS, check=False)
    assert result.stdout == b"0\n" and b"BrokenPipeError" in result.stderr


# -- which Python ----------------------------------------------------------------------------------

BUSY = "import time\nend = time.time() + 0.3\nwhile time.time() < end: sum(range(100))\n"


def run(pyrometer: Path, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run([pyrometer, *arguments], check=False, **options)


def make_environment(folder: Path, python: Python) -> None:
    subprocess.run(python.command(["-m", "venv", "--without-pip", folder]), check=True, timeout=SECONDS)


def test_order_of_pythons(pyrometer: Path, one: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """python3 of PATH < ./.venv < $VIRTUAL_ENV < --python; the report names it."""
    path = script(tmp_path, "import sys\nprint(sys.executable, sys.prefix)\n" + BUSY)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python3").write_text(f'#!/bin/sh\nexec {one.path} "$@"\n')  # a shim, as pyenv has
    (bin_folder / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=os.pathsep)
    found = run(pyrometer, path)
    assert found.stdout.startswith(str(one.path)) and f"ran by {bin_folder}/python3" in found.stdout, found.stderr
    make_environment(tmp_path / ".venv", one)
    found = run(pyrometer, path)
    assert found.stdout.startswith(f"{tmp_path}/.venv/bin/python {tmp_path}/.venv\n"), found.stderr
    assert f"ran by {tmp_path}/.venv/bin/python" in found.stdout
    make_environment(tmp_path / "active", one)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert run(pyrometer, path).stdout.startswith(f"{tmp_path}/active/bin/python")
    assert run(pyrometer, "run", "--python", one.path, path).stdout.startswith(str(one.path))
    assert run(pyrometer, "run", "--python", ".venv", path).stdout.startswith(f"{tmp_path}/.venv/bin/python")


# -- the report and our own failures ---------------------------------------------------------------


def test_report_follows_the_output(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = script(tmp_path, "def spin():\n    " + BUSY.replace("\n", "\n    ") + "\nprint('mine')\nspin()\n")
    result = run(pyrometer, "run", "--python", one.path, path)
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "mine" and lines[1].startswith("program.py"), result.stdout
    assert "spin" in result.stdout and "kept in" in lines[-1]


def test_report_on_standard_error(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = script(tmp_path, "print('mine', flush=True)\n" + BUSY)
    result = run(pyrometer, "run", "--report=stderr", "--python", one.path, path)
    assert result.stdout == "mine\n" and "program.py" in result.stderr


def test_report_as_json(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = script(tmp_path, BUSY)
    result = run(pyrometer, "run", "--json", "--python", one.path, path)
    assert json.loads(result.stdout)["recording"]["samples"] > 0


def test_output_file_means_one_line(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    path = script(tmp_path, "print('mine')\n" + BUSY)
    result = run(pyrometer, "run", "-o", "out.svg", "--python", one.path, path)
    assert result.stdout == "mine\n"
    assert len(result.stderr.splitlines()) == 1 and "out.svg" in result.stderr
    assert "<svg" in (tmp_path / "out.svg").read_text()


@pytest.mark.parametrize("arguments", [["-c", "import os; os._exit(9)"], ["-c", "pass"]])
def test_short_programs_keep_their_status(pyrometer: Path, one: Python, arguments: list[str]) -> None:
    both(pyrometer, one, *arguments)


def test_no_python_at_all(pyrometer: Path) -> None:
    result = run(pyrometer, "run", "--", "sh", "-c", "exit 6")
    assert result.returncode == 6 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_failures_of_ours(pyrometer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(pyrometer, "run", "--python", "/nowhere/python", "x.py").returncode == 125
    assert run(pyrometer, "run", "--", "no-such-command").returncode == 127
    (tmp_path / "plain").write_text("")
    assert run(pyrometer, "run", "--", "./plain").returncode == 126
    assert run(pyrometer, "run", "-o", "/nowhere/x.svg", "x.py").returncode == 125
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(pyrometer, "x.py").returncode == 125


def test_full_disk(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """One line, 125 where the program went well, else the program's status."""
    full = tmp_path / "full.pyro"
    full.symlink_to("/dev/full")
    for status, expected in ((0, 125), (3, 3)):
        path = script(tmp_path, BUSY + f"print('mine')\nraise SystemExit({status})\n")
        result = run(pyrometer, "run", "-o", full, "--python", one.path, path)
        assert result.returncode == expected
        assert result.stdout == "mine\n" and len(result.stderr.splitlines()) == 1, result.stderr


def test_no_place_to_keep_it(pyrometer: Path, one: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording is not kept, and that is said; the report is there all the same."""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/self/nowhere")
    result = run(pyrometer, "run", "--python", one.path, script(tmp_path, BUSY))
    assert result.returncode == 0 and "program.py" in result.stdout
    assert len(result.stderr.splitlines()) == 1 and "not kept" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to play sudo")
def test_sudo(pyrometer: Path, one: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs as the calling user, and the files belong to him."""
    python = find_python("3.11-debian")
    if python.missing:
        pytest.skip("no Python that every user may run")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    for folder in [tmp_path, *tmp_path.parents]:
        folder.chmod(folder.stat().st_mode | 0o011)
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), flush=True)\n" + BUSY
    result = run(pyrometer, "run", "--report=stderr", "--python", python.path, "-c", code)
    assert result.stdout.startswith("(65534, 65534, 65534) (65534, 65534, 65534) [65534]"), result.stderr
    assert [path.owner() for path in home.rglob("*")] == ["nobody"] * 2
    result = run(pyrometer, "run", "-o", home / "x.svg", "--python", python.path, "-c", code)
    assert (home / "x.svg").owner() == "nobody"


