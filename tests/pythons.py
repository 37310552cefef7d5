"""Every Python the tests and benchmarks run programs with, and how to start one.

The list itself is made by tools/pythons. A Python may live in another root (Debian sid, for 3.14
and 3.15): Python.command() hides that. It enters the root in a mount namespace of its own, so that
nothing stays mounted, and by a chain of execs, so that the pid of the started process is the
Python's.

Uses the standard library only: tests, benchmarks and tools all import it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TARGETS = REPOSITORY / "tests" / "targets"
READY = "READY"
START_SECONDS = 60.0

# $1 the root, $2 its Python, $3 the repository, $4 the temporary files; the rest is for Python.
# Temporary files first: the repository may lie among them.
ENTER_ROOT = """
set -e
root=$1 python=$2 repository=$3 temporary=$4
shift 4
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root$temporary"
mount --bind "$temporary" "$root$temporary"
mkdir -p "$root$repository"
mount --bind "$repository" "$root$repository"
mount -o remount,bind,ro "$root$repository"
directory=$PWD
[ -d "$root$directory" ] || directory=/
exec unshare --root="$root" --wd="$directory" "$python" "$@"
"""


@dataclass(frozen=True)
class Python:
    """One interpreter, or one that should be there but is MISSING for a reason."""

    id: str  # "3.8", "3.11-debian", "3.15", "3.13t": what a test run shows
    kind: str  # pyenv, debian, sid, free-threaded
    version: str | None = None  # "3.15.2"
    path: str | None = None  # as seen inside of root
    root: str | None = None  # None: the same root as ours
    missing: str | None = None

    @property
    def minor(self) -> tuple[int, int]:
        """(3, 15), to compare with."""
        major, minor = (self.version or self.id.partition("-")[0].rstrip("t")).split(".")[:2]
        return int(major), int(minor)

    @property
    def free_threaded(self) -> bool:
        """Is it a build without a GIL?"""
        return self.kind == "free-threaded"

    @property
    def counts(self) -> bool:
        """Does the probe count calls there?"""
        return self.minor >= (3, 11) and (not self.free_threaded or self.minor == (3, 13))

    def command(self, arguments: Sequence[str | Path] = ()) -> list[str]:
        """The argv that runs this Python with ARGUMENTS.

        In another root it sees the repository (read-only) and the folder for temporary files at
        the same paths as here, and starts in the current directory if that is in one of them, else
        in /."""
        if self.missing or not self.path:
            raise LookupError(f"Python {self.id} is missing: {self.missing}")
        rest = [str(argument) for argument in arguments]
        if self.root is None:
            return [self.path, *rest]
        places = [self.root, self.path, str(REPOSITORY), tempfile.gettempdir()]
        enter = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            ENTER_ROOT,
            "enter-root",
        ]
        return [*enter, *places, *rest]

    def run(self, arguments: Sequence[str | Path], **options) -> subprocess.CompletedProcess[str]:
        """Run to the end and return what it printed; OPTIONS are subprocess.run's."""
        options = {
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "text": True,
            "timeout": 60,
            **options,
        }
        return subprocess.run(self.command(arguments), check=False, **options)


@lru_cache(maxsize=None)
def all_pythons() -> list[Python]:
    """Every Python of the tests, those that are missing included, oldest first."""
    listed = subprocess.run(
        [REPOSITORY / "tools" / "pythons"], capture_output=True, text=True, check=True
    )
    return [Python(**json.loads(line)) for line in listed.stdout.splitlines()]


def find_python(id: str) -> Python:
    """The Python of that id, missing or not."""
    return next(python for python in all_pythons() if python.id == id)


class Target:
    """A running target program, spoken to by lines on its standard input and output."""

    def __init__(self, process: subprocess.Popen, python: Python, errors: Path) -> None:
        self.process = process
        self.python = python
        self.pid = process.pid
        self._errors = errors
        self._pending = b""

    def send(self, line: str) -> None:
        """Write one line to the target's standard input."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def readline(self, timeout: float = START_SECONDS) -> str:
        """The next line it prints, without its end; TimeoutError, EOFError (with what it said)."""
        deadline = time.monotonic() + timeout
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._pending:
            ready = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
            if not ready:
                raise TimeoutError(
                    f"target {self.pid} printed no line in {timeout} s; {self.errors()}"
                )
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise EOFError(
                    f"target {self.pid} closed its output, "
                    f"status {self.process.poll()}; {self.errors()}"
                )
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace")

    def errors(self) -> str:
        """What it wrote to standard error so far, for messages."""
        text = self._errors.read_text(errors="replace").strip()
        return f"standard error: {text[-2000:]}" if text else "nothing on standard error"

    def stop(self) -> None:
        """Kill it with all of its children; done twice is fine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def start_target(
    python: Python,
    script: str | Path,
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    options: Sequence[str] = (),
) -> Iterator[Target]:
    """Start SCRIPT (a path, or a name in tests/targets/), await its line READY, kill it at the end.

    ENV is added to the environment; OPTIONS go to Python itself, before the script."""
    path = TARGETS / script  # an absolute path wins
    with tempfile.NamedTemporaryFile(prefix="pyrometer-target-") as errors:
        process = subprocess.Popen(
            python.command([*options, path, *arguments]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        target = Target(process, python, Path(errors.name))
        try:
            line = target.readline()
            if line != READY:
                raise RuntimeError(f"{path} said {line!r} where {READY} is due; {target.errors()}")
            yield target
        finally:
            target.stop()
