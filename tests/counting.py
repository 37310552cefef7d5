"""Run a program under `pyrometer run` and read what was counted, for the tests of counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python

SECONDS = 120
Place = tuple[str, str, int] | str  # (file, qualified name, line), or the name of what has no file


@dataclass
class Counts:
    """What a recording says of calls."""

    done: subprocess.CompletedProcess
    calls: Counter[Place]
    edges: Counter[tuple[Place, Place]]  # caller, callee
    recording: Path
    rows: list[dict]  # as stats --json has them

    def of(self, name: str) -> int:
        """All calls of functions with this qualified name."""
        return sum(count for place, count in self.calls.items() if name_of(place) == name)

    def callers(self, name: str) -> dict[str, int]:
        """How often the function of that qualified name was called, by the qualified names of its callers."""
        found: Counter[str] = Counter()
        for (caller, callee), count in self.edges.items():
            if name_of(callee) == name:
                found[name_of(caller)] += count
        return dict(found)


def name_of(place: Place) -> str:
    return place if isinstance(place, str) else place[1]


def place_of(row: dict) -> Place:
    return (row["file"], row["name"], row["line"]) if row["file"] is not None else row["name"]


def read_counts(pyrometer: Path, recording: Path, done: subprocess.CompletedProcess) -> Counts:
    """Ask RECORDING for all it has."""
    asked = subprocess.run(
        [pyrometer, "stats", recording, "--json", "-n", "0"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert asked.returncode == 0, asked.stderr
    calls: Counter[Place] = Counter()
    edges: Counter[tuple[Place, Place]] = Counter()
    rows = json.loads(asked.stdout)["functions"]
    for row in rows:
        calls[place_of(row)] += row["ncalls"] or 0
        for caller in row["callers"]:
            edges[place_of(caller), place_of(row)] += caller["ncalls"] or 0
    return Counts(done, +calls, +edges, recording, rows)


def command(pyrometer: Path, python: Python, arguments: Sequence[str | Path], *options: str | Path) -> list[str]:
    """The argv that runs and records what python.command(arguments) runs."""
    head = [str(pyrometer), "run", *(str(option) for option in options)]
    rest = [str(argument) for argument in arguments]
    if python.root is None:
        return [*head, "--python", str(python.path), *rest]
    return [*head, "--", *python.command(rest)]


def count(
    pyrometer: Path, python: Python, arguments: Sequence[str | Path], *options: str, status: int | None = 0, **more
) -> Counts:
    """Record a run of a program and return what was counted; STATUS is how it must end, None: as it likes."""
    recording = Path(f"counts-{os.getpid()}.pyro").absolute()
    more = {"capture_output": True, "text": True, "timeout": SECONDS, "stdin": subprocess.DEVNULL, **more}
    ours = command(pyrometer, python, arguments, "-o", recording, *options)
    done = subprocess.run(ours, check=False, **more)
    assert status is None or done.returncode == status, done.stderr
    assert recording.exists(), done.stderr
    return read_counts(pyrometer, recording, done)


def package(python: Python, name: str) -> Path:
    """A folder with a package of PyPI for this Python, to be put on PYTHONPATH; skips the test where there is none."""
    return installed(python, name, name)


def installed(python: Python, name: str, *pins: str) -> Path:
    """The same for several, exactly PINS, in a folder called site-packages: to Pyrometer, these are libraries."""
    minor = ".".join(map(str, python.minor))
    abi = ["--abi", f"cp{minor.replace('.', '')}t"] if python.free_threaded else []
    folder = REPOSITORY / "build" / "packages" / f"{name}-{minor}{'t' if abi else ''}" / "site-packages"
    if not folder.exists():
        wanted = ["--python-version", minor, *abi, "--only-binary", ":all:", "--no-deps", "--no-compile", *pins]
        with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as made:
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target"]
            done = subprocess.run([*pip, f"{made}/new", *wanted], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"{name} for Python {python.id}: {(done.stderr.strip() or 'no wheel').splitlines()[-1]}")
            # by the Python that will read it: what it is not allowed to write it would compile again in each run
            subprocess.run(python.command(["-m", "compileall", "-qq", f"{made}/new"]), stdin=subprocess.DEVNULL, check=False)
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                (Path(made) / "new").rename(folder)
            except OSError:  # a test beside this one was first
                if not folder.exists():
                    raise
    return folder
