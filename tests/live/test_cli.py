"""The command line: what it accepts, what it answers to mistakes, where it writes, how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python, Target, start_target

pytestmark = pytest.mark.beside

SECONDS = 60
COMMANDS = (
    "run", "record", "top", "dump", "view", "stats", "lines", "memory", "findings", "share", "diff", "bench", "compare", "export", "token", "requests",
    "help", "version",
)  # fmt: skip
FORMATS = ("html", "flamegraph", "collapsed", "speedscope", "pstats", "pprof", "json")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "pyrometer"


BUSY = """
import queue, threading, time
def leaf(): return sum(range(20))
def spin(password, account):
    settings = {"api_key": "k-secret", "size": 3}
    print("READY", flush=True)
    while True:
        leaf()
def idle(jobs): jobs.get()
jobs = queue.Queue()
threading.Thread(target=idle, args=(jobs,), name="worker", daemon=True).start()
while not jobs.not_empty._waiters: time.sleep(0.01)
time.sleep(0.01)  # with the GIL free: the worker is at its lock, not waiting for the GIL
spin("hunter2", "me")
"""


@pytest.fixture
def busy(one: Python, tmp_path: Path) -> Iterator[Target]:
    path = tmp_path / "busy.py"
    path.write_text(BUSY)
    with start_target(one, path, "--token=abc123", "postgres://me:pw@host/db") as target:
        time.sleep(0.2)  # until it has printed that, and has the GIL again
        yield target


def run(pyrometer: Path, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run([pyrometer, *map(str, arguments)], check=False, **options)


def refused(pyrometer: Path, status: int, *arguments: object, **options) -> str:
    """The command must fail with STATUS and one line on standard error, which is returned."""
    result = run(pyrometer, *arguments, **options)
    assert result.returncode == status, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("pyrometer: "), result.stderr
    return lines[0]


# -- one table -------------------------------------------------------------------------------------


def options_in_help(text: str) -> set[str]:
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_manual_and_completion_agree(pyrometer: Path, command: str) -> None:
    text = run(pyrometer, command, "--help").stdout
    options = options_in_help(text)
    assert text.startswith("usage: pyrometer ") and "\nexample" in text
    assert run(pyrometer, "help", command).stdout == text
    manual = run(pyrometer, "help", "--man").stdout.replace("\\-", "-")
    section = manual.split(f".SS {command}\n")[1].split(".SS ")[0]
    assert set(re.findall(r"^\.B (?:-\w, )?(--[a-z-]+)", section, re.MULTILINE)) == options
    markdown = run(pyrometer, "help", "--markdown").stdout.split(f"\n## {command}: ")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(?:-\w, )?(--[a-z-]+)", markdown, re.MULTILINE)) == options
    bash = run(pyrometer, "help", "--completion", "bash").stdout
    words = re.search(rf'^    {command}\) words="([^"]*)"', bash, re.MULTILINE).group(1).split()
    assert {word for word in words if word.startswith("--")} == options | {"--help"}
    fish = run(pyrometer, "help", "--completion", "fish").stdout
    assert set(re.findall(rf"from {command}' -l ([a-z-]+)", fish)) == {option[2:] for option in options}


def test_every_option_in_a_usage_line_exists(pyrometer: Path) -> None:
    for command in COMMANDS:
        text = run(pyrometer, command, "--help").stdout
        usage, _, rest = text.partition("\n\n")
        for option in re.findall(r"--[a-z-]+", usage):
            assert option in rest, (command, option)
        for letter in re.findall(r"[\[ ](-\w)\b", usage):
            assert f"  {letter}, --" in rest, (command, letter)


def test_documentation_is_that_of_the_program(pyrometer: Path) -> None:
    """To renew it: build/pyrometer help --markdown > docs/cli.md"""
    assert (REPOSITORY / "docs" / "cli.md").read_text() == run(pyrometer, "help", "--markdown").stdout


def test_overview_names_every_command(pyrometer: Path) -> None:
    text = run(pyrometer, "--help").stdout
    assert re.findall(r"^  (\w+)  ", text, re.MULTILINE)[: len(COMMANDS)] == list(COMMANDS)
    bare = run(pyrometer)
    assert bare.returncode == 2 and bare.stderr == text


def test_help_fits_in_80_columns(pyrometer: Path) -> None:
    for command in COMMANDS:
        rest = run(pyrometer, command, "--help").stdout.partition("\n\n")[2]
        assert max(map(len, rest.splitlines())) <= 80, command


def test_version(pyrometer: Path) -> None:
    text = run(pyrometer, "--version").stdout
    assert re.fullmatch(r"pyrometer \d+\.\d+\.\d+\n", text)
    assert run(pyrometer, "version").stdout == run(pyrometer, "-V").stdout == text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_valid(pyrometer: Path, shell: str) -> None:
    text = run(pyrometer, "help", "--completion", shell).stdout
    assert "pyrometer" in text
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    subprocess.run([shell, "-n"], input=text, text=True, check=True, timeout=SECONDS)


def test_bash_completes(pyrometer: Path) -> None:
    text = run(pyrometer, "help", "--completion", "bash").stdout
    ask = text + 'COMP_WORDS=(pyrometer record --sub); COMP_CWORD=2; _pyrometer; echo "${COMPREPLY[@]}"\n'
    ask += 'COMP_WORDS=(pyrometer stats --clock g); COMP_CWORD=3; _pyrometer; echo "${COMPREPLY[@]}"\n'
    result = subprocess.run(["bash"], input=ask, text=True, capture_output=True, check=True, timeout=SECONDS)
    assert result.stdout == "--subprocesses\ngil\n"


@pytest.mark.skipif(not shutil.which("man"), reason="no man")
def test_manual_page_is_valid(pyrometer: Path, tmp_path: Path) -> None:
    page = tmp_path / "pyrometer.1"
    page.write_text(run(pyrometer, "help", "--man").stdout)
    result = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, check=False)
    assert result.stderr == "" and "PYROMETER(1)" in result.stdout


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("stts", "did you mean: pyrometer stats"),
        ("frobnicate", "no command 'frobnicate'"),
        ("record -s cumulative", "here -s is --subprocesses; to sort: pyrometer stats -s cumulative"),
        ("record -n 20", "to limit the rows: pyrometer stats -n 20"),
        ("record -n", "record has no option -n; to limit the rows: pyrometer stats -n N"),
        ("top -n", "-n/--native: stacks of C code are not sampled; in top, / shows only"),
        ("top --native -p 1", "pyrometer record --inject --counts --pid PID"),
        ("top --full-filenames", "pyrometer stats --json FILE"),
        ("record 123", "pyrometer record --pid 123"),
        ("record app.py", "pyrometer run app.py"),
        ("record --rte 100", "did you mean --rate?"),
        ("record -r", "-r/--rate HZ: the HZ is missing"),
        ("record -r 0 -p 1", "no rate"),
        ("record -r 2mhz -p 1", "between 1 and 1000000"),
        ("record -r 1e3000 -p 1", "no rate"),
        ("record -r nan -p 1", "no rate"),
        ("record -d 5x -p 1", "say 10, 10s, 2m or unlimited"),
        ("record -d -5 -p 1", "-d/--duration SEC"),
        ("record -p abc", "'abc' is no process id"),
        ("record -p 0", "'0' is no process id"),
        ("record -p -1", "'-1' is no process id"),
        ("record -p 99999999999", "is no process id"),
        ("record -p 1 -f flame -o x", "say one of pyro html flamegraph"),
        ("record -p 1 -f collapsed", "-f needs a file"),
        ("record -p 1 -o x.foo", "the suffix of 'x.foo' names no format"),
        ("record -p 1 --exact=yes", "--exact takes no value"),
        ("record -p 1 --inject --memory=all", "cannot track memory of 'all': in a process that runs already --memory is what its Python"),
        ("record -p 1 --exact --apart", "choose one"),
        ("record -p 1 --lines", "pyrometer record --pid 1 --inject --lines"),
        ("record -p 1 --inject --lines total", "--lines takes its NAME,... after a =; --lines=total"),
        ("record -p 1 --inject --lines --sampled-times", "with --lines, to sample their times: pyrometer run --sampled-times"),
        ("run --lines total HERE", "--lines takes its NAME,... after a =; --lines=total"),
        ("run --memory python HERE", "--memory takes its WHAT after a =; --memory=python"),
        ("run --memory --trace HERE", "cannot be had in one run; run it once with each"),
        ("memory --lines", "to count lines: pyrometer run --lines=NAME,..."),
        ("stats --pid 12", "pyrometer record --pid 12"),
        ("run /usr/bin/env python3", "'/usr/bin/env' is a program and no script; pyrometer run -- /usr/bin/env"),
        ("record sleep", "to run a program: pyrometer run -- sleep"),
        ("export a b", "export does not take 'b'"),
        ("stats -n x", "'x' is no number of rows"),
        ("stats -n -3", "'-3' is no number of rows"),
        ("stats -n 1.5", "say 20, or 0.1 for a tenth of them"),
        ("stats --only (", "is no regular expression"),
        ("stats --clock sun", "say wall, cpu, gil or wait"),
        ("stats --callers (", "is no regular expression"),
        ("stats --by file", "say thread or process"),
        ("stats -s spin", "no sort key 'spin'"),
        ("run -p 3 x.py", "pyrometer record -p 3"),
        ("run -s x.py", "to follow children: --subprocesses"),
        ("run -u x.py", "pyrometer run -- python3 -u"),
        ("run -m", "-m/--module MODULE: the MODULE is missing"),
        ("run", "pyrometer run SCRIPT"),
        ("run --report=paper x.py", "say stdout or stderr"),
        ("dump -p 1 -d 3", "pyrometer record -d 3"),
        ("export x.pyro", "-o OUT"),
        ("export", "pyrometer export FILE -o OUT"),
        ("help frobnicate", "no command"),
        ("help --completion csh", "no completion for 'csh'"),
    ],
)
def test_mistakes(pyrometer: Path, typed: str, answer: str) -> None:
    assert answer in refused(pyrometer, 2, *typed.replace("HERE", __file__).split())


def test_numbers_and_units(pyrometer: Path, busy: Target) -> None:
    """All ways to write a pid, a rate and a duration; bundled and attached letters."""
    for arguments in (
        ["-p", busy.pid, "-d", "0.2", "-r", "100"],
        [f"-p{busy.pid:#x}", "-d200ms", "-r20hz"],
        [f"--pid={busy.pid}", "--duration=0.2s", "--rate=1kHz", "-gitF", "--nonblocking"],
        ["--pid", hex(busy.pid), "--duration", "0.003m", "--sampling-rate", "2k"],
    ):
        result = run(pyrometer, "record", *arguments, "-o", "x.pyro")
        assert result.returncode == 0 and "wrote x.pyro" in result.stderr, result.stderr


# -- the target ------------------------------------------------------------------------------------


def test_list_of_pythons(pyrometer: Path, busy: Target, one: Python) -> None:
    for command in ("record", "dump"):
        result = run(pyrometer, command)
        assert result.returncode == 2
        assert result.stderr == f"pyrometer: choose one: pyrometer {command} --pid PID\n"
        row = next(line for line in result.stdout.splitlines() if line.split()[0] == str(busy.pid))
        _, cpu, size, unit, version, *words = row.split()
        assert float(cpu) > 0 and float(size) > 1 and unit == "MiB" and version == one.version
        assert words[1].endswith("busy.py") and words[2] == "--token=[redacted]"
        assert "abc123" not in result.stdout


def test_no_such_process(pyrometer: Path) -> None:
    for command in ("record", "dump"):
        assert "2147483647" in refused(pyrometer, 3, command, "--pid", 2**31 - 1)


def test_not_a_python(pyrometer: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        for command in ("record", "dump"):
            assert str(process.pid) in refused(pyrometer, 3, command, "--pid", process.pid)
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_no_permission(pyrometer: Path, busy: Target, tmp_path: Path) -> None:
    """Exit 3 and the exact command to type."""
    program = tmp_path / "pyrometer"
    shutil.copy(pyrometer, program)
    for folder in [tmp_path, *tmp_path.parents]:
        folder.chmod(folder.stat().st_mode | 0o011)
    for command in ("record", "dump"):
        line = refused(program, 3, command, "--pid", busy.pid, user=65534, group=65534, extra_groups=[])
        assert f"sudo {program} {command} --pid {busy.pid}" in line


# -- record ----------------------------------------------------------------------------------------


def test_record_prints_and_keeps(pyrometer: Path, busy: Target, state: Path) -> None:
    result = run(pyrometer, "record", "--pid", busy.pid, "-d", "0.5")
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith("busy.py ") and "leaf" in result.stdout
    assert re.search(r"\d+ samples at .* missed, .* late, .* unsure", result.stdout)
    assert re.search(r"^kept in .*\.pyro", result.stdout, re.MULTILINE)
    kept = list(state.iterdir())
    assert len(kept) == 1 and f"-{busy.pid}.pyro" in kept[0].name
    assert kept[0].stat().st_mode & 0o077 == 0 and state.stat().st_mode & 0o077 == 0
    asked = run(pyrometer, "stats")
    assert asked.returncode == 0 and "leaf" in asked.stdout


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_end_a_recording_normally(pyrometer: Path, busy: Target, name: str) -> None:
    command = [pyrometer, "record", "--pid", str(busy.pid), "-o", "x.pyro"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    process.send_signal(getattr(signal, name))
    errors = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0 and "wrote x.pyro" in errors
    assert json.loads(run(pyrometer, "stats", "x.pyro", "--json").stdout)["recording"]["samples"] > 0


def test_end_of_the_target_ends_a_recording_normally(pyrometer: Path, busy: Target) -> None:
    command = [pyrometer, "record", "--pid", str(busy.pid), "-o", "x.pyro"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    os.kill(busy.pid, signal.SIGKILL)
    errors = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0 and "wrote x.pyro" in errors


def test_exact_and_apart_and_their_other_names(pyrometer: Path, busy: Target) -> None:
    for option in ("--exact", "--blocking", "--apart", "--nonblocking"):
        assert run(pyrometer, "record", "--pid", busy.pid, "-d", "0.3", option, "-r", "100").returncode == 0
    stat = Path(f"/proc/{busy.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert stat in "RS"


def test_full_disk(pyrometer: Path, busy: Target, tmp_path: Path) -> None:
    (tmp_path / "full.pyro").symlink_to("/dev/full")
    (tmp_path / "full.svg").symlink_to("/dev/full")
    for name in ("full.pyro", "full.svg"):
        line = refused(pyrometer, 1, "record", "--pid", busy.pid, "-d", "0.3", "-o", name)
        assert "No space left" in line or "no space left" in line
    assert "cannot write" in refused(pyrometer, 1, "record", "--pid", busy.pid, "-o", "/nowhere/x.svg")


def test_no_source(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """A line that does not compress makes the difference."""
    path = tmp_path / "wide.py"
    path.write_text(f"print('READY', flush=True)\nwhile True: sum(range(99))  # {os.urandom(450).hex()}\n")
    sizes = []
    with start_target(one, path) as target:
        for options in (["--no-source"], []):
            made = run(pyrometer, "record", "--pid", target.pid, "-d", "0.3", "-r", "20", "-o", "x.pyro", *options)
            assert made.returncode == 0
            sizes.append(Path("x.pyro").stat().st_size)
    assert sizes[0] < 1000 and sizes[1] > sizes[0] + 350, sizes


def on_terminal(pyrometer: Path, *arguments: object) -> str:
    """Standard error of the command when that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([pyrometer, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    output = b""
    while select.select([ours], [], [], SECONDS)[0]:
        try:
            output += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait(timeout=SECONDS) == 0
    return output.decode()


def test_progress_only_on_a_terminal(pyrometer: Path, busy: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    arguments = ["record", "--pid", busy.pid, "-d", "1.2", "-o", "x.pyro"]
    shown = on_terminal(pyrometer, *arguments)
    assert re.search(r"\r[\d.]+ of 1.2 s  \d+ samples  \d+ Hz  \d+ unsure  2 threads", shown)
    assert shown.rindex("\r\x1b[K") < shown.index("wrote x.pyro")
    assert " of 1.2 s" not in run(pyrometer, *arguments).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert " of 1.2 s" in on_terminal(pyrometer, *arguments)


# -- asking and exporting --------------------------------------------------------------------------


@pytest.fixture
def recording(pyrometer: Path, busy: Target) -> Path:
    assert run(pyrometer, "record", "--pid", busy.pid, "-d", "0.5", "-o", "x.pyro").returncode == 0
    return Path("x.pyro").absolute()


def test_stats(pyrometer: Path, recording: Path) -> None:
    whole = json.loads(run(pyrometer, "stats", recording, "--json").stdout)
    assert {"leaf", "spin", "idle"} <= {row["name"] for row in whole["functions"]}
    assert "spin" in run(pyrometer, "stats", recording, "--callers", "leaf").stdout
    assert "leaf" in run(pyrometer, "stats", recording, "--callees", "spin").stdout
    limited = run(pyrometer, "stats", recording, "-n", "1", "-s", "tottime", "--clock", "cpu").stdout
    assert "leaf" in limited and "spin" not in limited
    assert "idle" not in run(pyrometer, "stats", recording, "--clock", "gil").stdout
    threads = json.loads(run(pyrometer, "stats", recording, "--by", "thread", "--json").stdout)["threads"]
    assert {"MainThread", "worker"} == {thread["name"] for thread in threads}
    by_thread = run(pyrometer, "stats", recording, "--by", "thread").stdout
    assert "MainThread" in by_thread and "worker" in by_thread
    processes = json.loads(run(pyrometer, "stats", recording, "--by", "process", "--json").stdout)["processes"]
    assert len(processes) == 1 and processes[0]["stats"]["functions"]
    assert "busy.py --token=[redacted] postgres://me:[redacted]@host/db" in processes[0]["command"]
    assert "abc123" not in json.dumps([whole, processes])


def test_a_recording_elsewhere_is_the_last_one_too(pyrometer: Path, recording: Path) -> None:
    assert run(pyrometer, "stats", "--json").stdout == run(pyrometer, "stats", recording, "--json").stdout
    recording.unlink()
    assert "no recording" in refused(pyrometer, 4, "stats")


@pytest.mark.parametrize("format", FORMATS)
def test_export(pyrometer: Path, recording: Path, format: str, tmp_path: Path) -> None:
    result = run(pyrometer, "export", recording, "-f", format, "-o", "out")
    assert result.returncode == 0 and result.stderr == ""
    out = subprocess.run([pyrometer, "export", recording, "-f", format, "-o", "-"], capture_output=True, check=True)
    assert out.stdout == (tmp_path / "out").read_bytes() != b""


def test_copy(pyrometer: Path, recording: Path) -> None:
    assert run(pyrometer, "export", recording, "-o", "y.pyro").returncode == 0
    assert Path("y.pyro").read_bytes() == recording.read_bytes()


def test_record_writes_formats_and_keeps_the_recording(pyrometer: Path, busy: Target, state: Path) -> None:
    result = run(pyrometer, "record", "--pid", busy.pid, "-d", "0.3", "-o", "x.svg", "-t", "-F", "-i")
    assert result.returncode == 0 and result.stdout == "" and "x.svg (flamegraph" in result.stderr
    assert "<svg" in Path("x.svg").read_text() and len(list(state.iterdir())) == 1
    collapsed = run(pyrometer, "record", "--pid", busy.pid, "-d", "0.3", "-f", "collapsed", "-o", "-")
    assert "leaf" in collapsed.stdout and "samples" in collapsed.stderr


def test_bad_files(pyrometer: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pyro").write_bytes(b"\x00" * 100)
    (tmp_path / "empty.pyro").write_bytes(b"")
    for name in ("bad.pyro", "empty.pyro", "nowhere.pyro", "."):
        assert name in refused(pyrometer, 4, "stats", name)
        refused(pyrometer, 4, "export", name, "-o", "x.svg")
    assert not (tmp_path / "x.svg").exists()


def test_output_that_cannot_be_written(pyrometer: Path, recording: Path) -> None:
    with open("/dev/full", "w") as full:
        result = run(pyrometer, "stats", recording, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1


def test_what_a_thread_calls_itself_is_only_shown(pyrometer: Path, one: Python, folder: Path) -> None:
    Path("named.py").write_text(
        "import threading, time\n"
        "thread = threading.Thread(target=time.sleep, args=(0.3,), name='\\x1b[31mred\\x9b1m\\u202e\\nof its own')\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    run(pyrometer, "run", "-r", "200", "-o", "named.pyro", "--", *one.command([Path("named.py").absolute()]))
    shown = run(pyrometer, "stats", "named.pyro", "--by", "thread").stdout
    assert "?[31mred" in shown and not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert not any(line.startswith("of its own") for line in shown.splitlines())


def test_no_color(pyrometer: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in run(pyrometer, "stats", recording).stdout
    monkeypatch.setenv("TERM", "xterm")
    script = ["script", "-qc", f"{pyrometer} stats {recording}", "/dev/null"]
    if not shutil.which("script"):
        pytest.skip("no script(1)")
    assert b"\x1b[" in subprocess.run(script, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b[" not in subprocess.run(script, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout


# -- the store -------------------------------------------------------------------------------------


def old_recording(state: Path, number: int, size: int = 1) -> Path:
    path = state / f"20200101-0000{number:02}.000-old-{number}.pyro"
    with path.open("wb") as file:
        file.truncate(size)
    os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
    return path


def test_the_last_twenty_are_kept(pyrometer: Path, busy: Target, state: Path) -> None:
    state.mkdir(parents=True)
    paths = [old_recording(state, number) for number in range(30)]
    (state / "notes.txt").write_text("not ours to remove")
    run(pyrometer, "record", "--pid", busy.pid, "-d", "0.2")
    assert len(list(state.glob("*.pyro"))) == 20 and (state / "notes.txt").exists()
    assert [path.exists() for path in paths] == [False] * 11 + [True] * 19


def test_one_gibibyte_is_kept(pyrometer: Path, busy: Target, state: Path) -> None:
    state.mkdir(parents=True)
    paths = [old_recording(state, number, 400 << 20) for number in range(4)]
    run(pyrometer, "record", "--pid", busy.pid, "-d", "0.2")
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert len(list(state.glob("*.pyro"))) == 3


# -- dump ------------------------------------------------------------------------------------------


def test_dump(pyrometer: Path, busy: Target, one: Python) -> None:
    text = run(pyrometer, "dump", "--pid", busy.pid).stdout
    assert text.startswith(f"Process {busy.pid}: ") and f"\nPython {one.version} (" in text
    assert f'\nThread {busy.pid} "MainThread" (' in text and "holds the GIL" in text
    assert '"worker" (waiting' in text
    assert re.search(r"^    spin \(busy.py:\d\)\n    <module> \(busy.py:14\)$", text, re.MULTILINE), text
    assert "hunter2" not in text and "abc123" not in text and "pw@host" not in text


def test_dump_locals_hides_secrets(pyrometer: Path, busy: Target) -> None:
    text = run(pyrometer, "dump", "--pid", busy.pid, "--locals").stdout
    assert "password = [redacted]" in text and "account = 'me'" in text
    assert "settings = {'api_key': [redacted], 'size': 3}" in text
    assert "hunter2" not in text and "k-secret" not in text
    assert "k-secret" not in run(pyrometer, "dump", "--pid", busy.pid, "-l", "-j").stdout


def test_dump_json(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    """Every Python: threads oldest first, frames root first."""
    path = tmp_path / "waits.py"
    path.write_text(
        "import threading, time\n"
        "def wait(event): event.wait()\n"
        "threading.Thread(target=wait, args=(threading.Event(),), name='waiter', daemon=True).start()\n"
        "def main():\n    print('READY', flush=True)\n    time.sleep(60)\n"
        "main()\n"
    )
    with start_target(python, path) as target:
        time.sleep(0.2)
        result = run(pyrometer, "dump", "--pid", target.pid, "--json")
        assert result.returncode == 0, result.stderr
    dump = json.loads(result.stdout)
    assert dump["pid"] == target.pid and dump["python"] == python.version
    main, waiter = dump["threads"]
    assert main["name"] == "MainThread" and waiter["name"] == "waiter"
    assert main["state"] == waiter["state"] == "waiting" and not main["gil"] and not main["moving"]
    assert [(frame["name"], frame["line"]) for frame in main["frames"]] == [("<module>", 7), ("main", 6)]
    assert main["frames"][0]["file"].endswith("waits.py") and main["frames"][0]["locals"] is None
    assert "wait" in [frame["name"] for frame in waiter["frames"]]
