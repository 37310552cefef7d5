"""One pyrometer, one recording: children of every kind, followed through programs that are no Python."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pythons import Python

pytestmark = pytest.mark.beside

SECONDS = 120


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(tmp_path)


BURN = """
import sys, time
def {name}():
    end = time.perf_counter() + {seconds}
    while time.perf_counter() < end: sum(range(100))
{name}()
"""


def burn(folder: Path, name: str, seconds: float = 0.4, then: str = "") -> Path:
    """A script that spends its time in a function of that NAME."""
    path = folder / f"{name}.py"
    path.write_text(BURN.format(name=name, seconds=seconds) + then)
    return path


def run(pyrometer: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [pyrometer, *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, check=False, **options)


def seen(pyrometer: Path, recording: str = "x.pyro") -> dict[int, set[str]]:
    """The functions of each process in a recording."""
    result = run(pyrometer, "stats", recording, "--by", "process", "--json")
    assert result.returncode == 0, result.stderr
    processes = json.loads(result.stdout)["processes"]
    return {part["pid"]: {row["name"] for row in part["stats"]["functions"]} for part in processes}


def functions(pyrometer: Path) -> set[str]:
    return set().union(*seen(pyrometer).values())


def in_child(one: Python, path: Path, shell: bool = False) -> str:
    """Code that runs the script at PATH in a child."""
    command: Sequence[str] = [str(one.path), str(path)]
    if shell:
        command = ["sh", "-c", f"{one.path} {path}; true"]
    return f"\nimport subprocess; subprocess.run({list(command)!r}, check=True)\n"


def test_children_only_when_asked(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    parent = burn(tmp_path, "parent", 0.2, in_child(one, burn(tmp_path, "child")))
    run(pyrometer, "run", "-o", "x.pyro", "--python", one.path, parent)
    assert "parent" in functions(pyrometer) and "child" not in functions(pyrometer)
    run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, parent)
    found = seen(pyrometer)
    assert len(found) == 2 and {"parent", "child"} <= functions(pyrometer)
    assert not any({"parent", "child"} <= names for names in found.values())


def test_through_a_shell(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """python -> sh -> python -> sh -> python."""
    third = burn(tmp_path, "third")
    second = burn(tmp_path, "second", 0.3, in_child(one, third, shell=True))
    first = burn(tmp_path, "first", 0.3, in_child(one, second, shell=True))
    result = run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, first)
    assert result.returncode == 0, result.stderr
    assert {"first", "second", "third"} <= functions(pyrometer)


def test_command_that_is_no_python(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    scripts = [burn(tmp_path, name) for name in ("left", "right")]
    command = " & ".join(f"{one.path} {path}" for path in scripts) + " & wait; exit 5"
    result = run(pyrometer, "run", "-o", "x.pyro", "--", "sh", "-c", command)
    assert result.returncode == 5, result.stderr
    assert len([names for names in seen(pyrometer).values() if names & {"left", "right"}]) == 2


def test_exec_is_survived(pyrometer: Path, python: Python, tmp_path: Path) -> None:
    """The same process becomes another Python program: one pid, both programs."""
    after = burn(tmp_path, "after")
    then = f"\nimport os, sys; os.execv(sys.executable, [sys.executable, {str(after)!r}])\n"
    before = burn(tmp_path, "before", 0.3, then)
    result = run(pyrometer, "run", "-o", "x.pyro", "--", *python.command([before]))
    assert result.returncode == 0, result.stderr
    assert {"before", "after"} <= functions(pyrometer)


def test_exec_of_something_else(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    then = "\nimport os; os.execvp('sh', ['sh', '-c', 'echo shell; exit 4'])\n"
    result = run(pyrometer, "run", "-o", "x.pyro", "--python", one.path, burn(tmp_path, "before", 0.3, then))
    assert result.returncode == 4 and result.stdout == "shell\n"
    assert "before" in functions(pyrometer)


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_multiprocessing(pyrometer: Path, one: Python, tmp_path: Path, method: str) -> None:
    path = tmp_path / "pool.py"
    path.write_text(
        "import multiprocessing, time\n"
        "def work(number):\n"
        "    end = time.perf_counter() + 0.4\n"
        "    while time.perf_counter() < end: sum(range(100))\n"
        "    return number\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    with context.Pool(2) as pool: print(pool.map(work, [1, 2, 3, 4], chunksize=1))\n"
    )
    result = run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, path)
    assert result.returncode == 0 and result.stdout == "[1, 2, 3, 4]\n", result.stderr
    assert len([names for names in seen(pyrometer).values() if "work" in names]) == 2


def test_thousand_forks(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Children that live for an instant cost nothing but themselves: the parent goes on being sampled."""
    then = (
        "\nimport os\n"
        "for _ in range(1000):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print('done')\n"
    )
    path = burn(tmp_path, "parent", 0.3, then)
    result = run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, path)
    assert result.returncode == 0 and result.stdout == "done\n", result.stderr
    assert "parent" in functions(pyrometer) and len(result.stderr.splitlines()) == 1


def test_many_children_at_once(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    then = (
        "\nimport os\n"
        "pids = []\n"
        "for _ in range(200):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        time.sleep(0.3)\n"
        "        os._exit(0)\n"
        "    pids.append(pid)\n"
        "for pid in pids: os.waitpid(pid, 0)\n"
    )
    path = burn(tmp_path, "parent", 0.2, then)
    result = run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, path)
    assert result.returncode == 0 and len(result.stderr.splitlines()) == 1, result.stderr
    assert len(seen(pyrometer)) > 100


def test_record_follows_children(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """Those that run already, and those that come later."""
    child = burn(tmp_path, "child", 1.5)
    later = burn(tmp_path, "later", 0.5)
    path = tmp_path / "parent.py"
    path.write_text(
        "import subprocess, sys, time\n"
        f"early = subprocess.Popen([sys.executable, {str(child)!r}])\n"
        "time.sleep(0.5)\nprint('READY', flush=True)\ntime.sleep(0.5)\n"
        f"subprocess.run([sys.executable, {str(later)!r}])\nearly.wait()\n"
    )
    with subprocess.Popen([one.path, path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"READY\n"
        result = run(pyrometer, "record", "--pid", parent.pid, "-s", "-o", "x.pyro")
    assert result.returncode == 0, result.stderr
    assert len(seen(pyrometer)) == 3 and {"child", "later"} <= functions(pyrometer)


def test_ends_with_the_program_not_with_its_daemons(pyrometer: Path, one: Python, tmp_path: Path) -> None:
    """A daemon left behind keeps nobody waiting, as in a shell."""
    then = (
        "\nimport os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    null = os.open(os.devnull, os.O_RDWR)\n"
        "    for fd in range(3): os.dup2(null, fd)\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "    time.sleep(30)\n"
        "time.sleep(0.3)\n"
    )
    path = burn(tmp_path, "parent", 0.2, then)
    result = run(pyrometer, "run", "--subprocesses", "-o", "x.pyro", "--python", one.path, path)
    assert result.returncode == 0
    daemon = int((tmp_path / "pid").read_text())
    assert Path(f"/proc/{daemon}").exists()
    os.kill(daemon, 9)
