"""The ways to run a program that the counts compare: plain, under cProfile, under `pyrometer run`, and with a profiler that
the program switches on itself.

On a Python of another root, our program runs there, too: entering it is in none of the times.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import installs
from pythons import Python

from tools import Bench

TARGETS = Path(__file__).resolve().parent / "targets"
TIMED = TARGETS / "timed.py"
TIMEOUT_S = 180
Arguments = list[str | Path]


@dataclass(frozen=True)
class Way:
    """Plain Python."""

    name: str = "plain"

    def missing(self, bench: Bench, python: Python) -> str | None:
        """Why it cannot be had on this Python."""
        try:
            self.site(bench, python)
        except installs.Missing as reason:
            return str(reason)
        return None

    def program(self, bench: Bench, python: Python) -> Arguments:
        """What is started, and its options; the program to profile comes after it."""
        return [str(python.path)]

    def arguments(self) -> Arguments:
        """What the program to profile is told besides."""
        return []

    def site(self, bench: Bench, python: Python) -> Path | None:
        """What is to be on PYTHONPATH."""
        return None

    def output(self, bench: Bench, python: Python, arguments: Arguments, timed: bool = False) -> str:
        """What the program with ARGUMENTS prints; TIMED: only the seconds from its start to its end."""
        command = [*self.program(bench, python), *arguments, *self.arguments()]
        if timed:
            command = [str(python.path), TIMED, *command]
        done = subprocess.run(
            replace(python, path=str(command[0])).command(command[1:]),
            env=environment(bench, python, self.site(bench, python)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} on {python.id}: {done.stderr.strip()[-500:]}")
        return done.stdout


@dataclass(frozen=True)
class Module(Way):
    """python -m cProfile; from 3.15 on its name is profiling.tracing."""

    name: str = "cProfile"
    flags: tuple[str, ...] = ("-o", "/dev/null")

    def program(self, bench: Bench, python: Python) -> Arguments:
        module = "profiling.tracing" if python.minor >= (3, 15) else "cProfile"
        return [str(python.path), "-m", module, *self.flags]


@dataclass(frozen=True)
class Ours(Way):
    """pyrometer run."""

    name: str = "run"
    flags: tuple[str, ...] = ()
    report: bool = False

    def missing(self, bench: Bench, python: Python) -> str | None:
        try:
            self.output(bench, python, ["-c", "pass"])
        except RuntimeError as error:
            return str(error)
        return None

    @property
    def counts(self) -> bool:
        """Whether calls are counted."""
        return not any(flag.startswith("--memory") for flag in self.flags)

    @property
    def counts_c(self) -> bool:
        """Whether C functions are counted."""
        return "--no-c-calls" not in self.flags

    def recording(self, bench: Bench) -> Path:
        """What it writes, unless it prints a report."""
        return bench.folder / "counts.pyro"

    def program(self, bench: Bench, python: Python) -> Arguments:
        output = [] if self.report else ["-o", self.recording(bench)]
        return [bench.places.pyrometer, "run", *self.flags, *output, "--python", str(python.path)]


@dataclass(frozen=True)
class Inside(Way):
    """A profiler that work.py switches on around its body: WORD is its name there, PACKAGES those that it needs."""

    word: str = ""
    packages: tuple[str, ...] = ()

    def arguments(self) -> Arguments:
        return [self.word]

    def site(self, bench: Bench, python: Python) -> Path | None:
        if self.word == "pyrometer":
            return installs.our_package(bench, python)
        return installs.compiled(bench, python, *self.packages) if self.packages else None


@dataclass(frozen=True)
class Tracemalloc(Way):
    """tracemalloc, on from the beginning."""

    name: str = "tracemalloc"
    frames: int = 1

    def program(self, bench: Bench, python: Python) -> Arguments:
        return [str(python.path), "-X", f"tracemalloc={self.frames}"]


@dataclass(frozen=True)
class Memray(Way):
    """memray run, of all that Python's allocators give, or of what C code allocates only."""

    name: str = "memray"
    flags: tuple[str, ...] = ()
    python_too: bool = True

    def program(self, bench: Bench, python: Python) -> Arguments:
        output = ["-q", "-f", "-o", bench.folder / "memray.bin"]
        flags = [*(["--trace-python-allocators"] if self.python_too else []), *self.flags]
        return [str(python.path), "-m", "memray", "run", *flags, *output]

    def site(self, bench: Bench, python: Python) -> Path | None:
        return installs.complete(bench, python, "memray")


@dataclass(frozen=True)
class Floor(Inside):
    """What the events take alone: bench/events.c."""

    def missing(self, bench: Bench, python: Python) -> str | None:
        return "no sys.monitoring" if python.minor < (3, 12) else None

    def site(self, bench: Bench, python: Python) -> Path | None:
        return bench.places.pyrometer.parent  # where bench/run builds it


def environment(bench: Bench, python: Python, site: Path | None) -> dict[str, str]:
    """As a user's, but recordings and .pyc files go to the folder of the benchmark."""
    ours = {"XDG_STATE_HOME": str(bench.folder), "PYTHONPYCACHEPREFIX": str(bench.folder / "pyc")}
    if site:
        ours["PYTHONPATH"] = str(site)
    if python.root:
        ours["LD_LIBRARY_PATH"] = str(installs.libraries(bench))
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **ours}
