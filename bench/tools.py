"""The samplers that are compared: how each is started, stopped and read.

All are started with no end in sight and ended by SIGINT, so that the benchmark chooses the window.
What a tool says of itself (how many samples, in what time, how many thrown away) is believed; what
it costs is taken from the kernel.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from pythons import Python, Target, find_python

MAX_HZ = 1_000_000  # as fast as it can
STARTED_S = 20.0
ENDED_S = 30.0
FOREVER_S = 3600

Frame = tuple[str, str, int]  # name, file, line
Stack = tuple[list[Frame], float]  # root first; weight


@dataclass(frozen=True)
class Places:
    """Where the programs are."""

    pyrometer: Path
    venv: Path
    floor: Path
    peers: Path  # packages for the Pythons of the counts


@dataclass(frozen=True)
class Want:
    """What a sampler is asked for."""

    rate_hz: int
    stacks: bool = False  # text that can be parsed, instead of the cheapest format there is
    kernel_state: bool = False  # ask the kernel what each thread does


@dataclass(frozen=True)
class Result:
    """What a tool says of its run."""

    sweeps: float
    seconds: float
    lost: float  # share of samples thrown away, by the tool's own account


class Tool:
    """One way of sampling, on one Python."""

    family = ""
    suffix = ""

    def __init__(self, name: str, python: str, places: Places, *flags: str) -> None:
        self.name = name
        self.python_id = python
        self.places = places
        self.flags = flags

    def __str__(self) -> str:
        return f"{self.name}, {self.python_id}"

    @property
    def python(self) -> Python:
        """What its targets run on."""
        return find_python(self.python_id)

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        return self.python.missing

    def version(self) -> str:
        """As it says itself."""
        raise NotImplementedError

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def has_begun(self, run: Run) -> bool:
        """Whether it samples already, as far as one can see."""
        return run.output.exists()

    def result(self, run: Run, threads: int) -> Result:
        """After the end; THREADS are those of which it takes a stack in each sweep."""
        raise NotImplementedError

    def stacks(self, run: Run) -> Iterator[Stack]:
        """After the end of a run with Want.stacks."""
        for line in run.output.read_text(errors="replace").splitlines():
            path, _, weight = line.rpartition(" ")
            if line.startswith("#") or not weight.isdigit():
                continue
            frames = [frame for text in path.split(";") if (frame := self.frame(text))]
            yield frames, float(weight)

    def frame(self, text: str) -> Frame | None:
        """One frame of a collapsed stack; None for what is no frame."""
        parts = text.rsplit(":", 2)
        if len(parts) != 3:
            return (text, "", 0) if text.startswith("[") else None
        return parts[1], parts[0], int(parts[2]) if parts[2].lstrip("-").isdigit() else 0


class Run:
    """A sampler at work on a target."""

    def __init__(
        self, tool: Tool, target: Target, want: Want, folder: Path, tag: str = "run"
    ) -> None:
        self.tool = tool
        self.output = folder / f"{tag}{tool.suffix}"
        self.output.unlink(missing_ok=True)
        self.log_path = folder / f"{tag}.log"
        self.want = want
        self.peak_rss_bytes = 0
        self.spawned = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                tool.command(target, want, self.output),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "XDG_STATE_HOME": str(folder)},
                preexec_fn=harness.pin_sampler,
            )
        self.pid = self.process.pid
        self.began = self.ended = self.spawned

    def log(self) -> str:
        """All it printed so far."""
        return self.log_path.read_text(errors="replace")

    def await_begin(self, settle_s: float = 0.15) -> None:
        """Return when it samples, and has done so for SETTLE_S."""
        while not self.tool.has_begun(self):
            if self.process.poll() is not None or time.monotonic() > self.spawned + STARTED_S:
                raise RuntimeError(f"{self.tool} does not start: {self.log().strip()[-300:]}")
            time.sleep(0.005)
        self.began = time.monotonic()
        time.sleep(settle_s)

    def end(self) -> None:
        """SIGINT, and wait until it has written its file."""
        self.ended = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        deadline = self.ended + ENDED_S
        # Not by ru_maxrss: that begins with the memory of the benchmark, which forked it.
        while self.process.poll() is None:
            self.peak_rss_bytes = max(self.peak_rss_bytes, harness.peak_rss_bytes(self.pid))
            if time.monotonic() > deadline:
                self.process.kill()
            time.sleep(0.002)

    def result(self, threads: int = 1) -> Result:
        """What the tool says, or RuntimeError with what it printed."""
        try:
            return self.tool.result(self, threads)
        except (AttributeError, KeyError, OSError, ValueError, ZeroDivisionError) as error:
            raise RuntimeError(
                f"{self.tool}: no result ({error!r}): {self.log().strip()[-300:]}"
            ) from error


@contextlib.contextmanager
def sampling(
    tool: Tool, target: Target, want: Want, folder: Path, tag: str = "run"
) -> Iterator[Run]:
    """A run that is ended in any case."""
    run = Run(tool, target, want, folder, tag)
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGCONT)
        if run.process.returncode is None:
            run.end()


def measure_floor(places: Places) -> dict[str, float]:
    """Microseconds for what no sampler can do without, by floor.c."""
    return json.loads(printed([places.floor, "500"]))


def printed(command: Sequence[str | Path]) -> str:
    """What COMMAND prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return (done.stdout + done.stderr).strip()


def number_after(pattern: str, text: str) -> float:
    """The last number that follows PATTERN."""
    return float(re.findall(pattern + r"([\d.]+)", text)[-1])


class Pyrometer(Tool):
    """Ours. Its recording is asked afterwards."""

    family = "pyrometer"
    suffix = ".pyro"

    def version(self) -> str:
        return printed([self.places.pyrometer, "--version"])

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        command = [self.places.pyrometer, "record", "--pid", target.pid, "-r", want.rate_hz]
        return [str(word) for word in (*command, "-o", output, *self.flags)]

    def has_begun(self, run: Run) -> bool:
        return time.monotonic() > run.spawned + 0.1  # no mark; in 20 ms, or so the goal is

    def result(self, run: Run, threads: int) -> Result:
        stats = json.loads(printed([self.places.pyrometer, "stats", run.output, "--json"]))
        said = stats["recording"]
        return Result(said["rate_hz"] * said["duration_s"], said["duration_s"], 0.0)

    def stacks(self, run: Run) -> Iterator[Stack]:
        recording, text = run.output, run.output.with_suffix(".txt")
        text.unlink(missing_ok=True)
        printed([self.places.pyrometer, "export", recording, "-f", "collapsed", "-o", text])
        run.output = text
        try:
            yield from super().stacks(run)
        finally:
            run.output = recording


class Tachyon(Tool):
    """The standard library's sampler, in the root and mount namespace of its target."""

    family = "Tachyon"
    suffix = ".bin"

    def version(self) -> str:
        return f"Python {self.python.version} -m profiling.sampling"

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        enter = ["nsenter", "--target", target.pid, "--mount", "--root", "--wd=/"]
        form = "--collapsed" if want.stacks else "--binary"
        state = ["--mode", "cpu"] if want.kernel_state else []
        attach = ["-m", "profiling.sampling", "attach", "-a", "-r", want.rate_hz, "-d", FOREVER_S]
        whole = [*(enter if target.python.root else []), target.python.path, *attach, *state]
        return [str(word) for word in (*whole, *self.flags, form, "-o", output, target.pid)]

    def has_begun(self, run: Run) -> bool:
        if run.want.stacks:  # the file is made at the end
            return time.monotonic() > run.spawned + 0.6
        return run.output.exists()

    def result(self, run: Run, threads: int) -> Result:
        text = run.log()
        sweeps, seconds = re.findall(r"Captured ([\d,]+) samples in ([\d.,]+) seconds", text)[-1]
        count = float(sweeps.replace(",", ""))
        return Result(
            count, float(seconds.replace(",", "")), number_after("Error rate: ", text) / 100
        )


class PySpy(Tool):
    """py-spy: pauses the whole process for each sweep unless told not to."""

    family = "py-spy"
    suffix = ".raw"

    def version(self) -> str:
        return printed([self.places.venv / "bin/py-spy", "--version"])

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        command = [self.places.venv / "bin/py-spy", "record", "--pid", target.pid]
        idle = [] if want.kernel_state else ["--idle"]
        options = ["--rate", want.rate_hz, "--format", "raw", "--full-filenames", *idle]
        return [str(word) for word in (*command, *options, *self.flags, "--output", output)]

    def has_begun(self, run: Run) -> bool:
        return "Sampling process" in run.log()

    def result(self, run: Run, threads: int) -> Result:
        # It counts thread stacks, idle threads or not; the main thread is in every sweep.
        failed = int(re.findall(r"Samples: \d+ Errors: (\d+)", run.log())[-1])
        lines = run.output.read_text(errors="replace").splitlines()
        kept = sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith("<module> "))
        seconds = run.ended - run.began  # it does not say
        return Result(kept + failed, seconds, failed / max(1, kept + failed))

    def frame(self, text: str) -> Frame | None:
        match = re.fullmatch(r"(.*) \((.*):(\d+)\)", text)
        return (match[1], match[2], int(match[3])) if match else None


class Austin(Tool):
    """Austin; its wheel may want a newer C library than the host's, then sid's is taken."""

    family = "Austin"
    suffix = ".mojo"

    @functools.cached_property
    def program(self) -> list[str]:
        """How to start it here; LookupError."""
        binary = str(self.places.venv / "bin/austin")
        root = find_python("3.15").root
        ways = [[binary]]
        if root:
            libraries = f"{root}/lib/x86_64-linux-gnu:{root}/lib/aarch64-linux-gnu"
            for loader in Path(root).glob("lib*/ld-linux-*.so.*"):
                ways.append([str(loader), "--library-path", libraries, binary])
        for way in ways:
            with contextlib.suppress(OSError):
                if (
                    subprocess.run([*way, "--version"], capture_output=True, check=False).returncode
                    == 0
                ):
                    return way
        raise LookupError("the wheel's program does not run on this C library")

    def missing(self) -> str | None:
        try:
            return self.python.missing or (None if self.program else "")
        except LookupError as error:
            return str(error)

    def version(self) -> str:
        return printed([*self.program, "--version"])

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        interval_us = max(1, 1_000_000 // want.rate_hz)
        state = ["--cpu"] if want.kernel_state else []
        options = ["--interval", interval_us, "--pid", target.pid, "--output", output]
        return [str(word) for word in (*self.program, *options, *state, *self.flags)]

    def _said(self, run: Run) -> dict[str, str]:
        """The names and values that end its file: a byte 1, the name, a 0, the value, a 0."""
        with open(run.output, "rb") as file:
            file.seek(max(0, run.output.stat().st_size - 400))
            tail = file.read()
        pairs = re.findall(rb"\x01([a-z]+)\0([^\0]*)\0", tail)
        return {name.decode(): value.decode() for name, value in pairs}

    def result(self, run: Run, threads: int) -> Result:
        said = self._said(run)
        errors, count = (int(part) for part in said["errors"].split("/"))
        lost = errors / max(1, count)
        return Result(count / threads, int(said["duration"]) / 1e6, lost)

    def stacks(self, run: Run) -> Iterator[Stack]:
        recording, text = run.output, run.output.with_suffix(".txt")
        printed([self.places.venv / "bin/mojo2austin", recording, text])
        run.output = text
        try:
            yield from super().stacks(run)
        finally:
            run.output = recording

    def frame(self, text: str) -> Frame | None:
        if re.fullmatch(r"[PT][0-9a-f:]+|", text):
            return None
        return super().frame(text)


def all_tools(places: Places) -> list[Tool]:
    """In the order of the tables; ours on the Python of each peer."""
    return [
        Pyrometer("pyrometer", "3.15", places),
        Pyrometer("pyrometer --exact", "3.15", places, "--exact"),
        Tachyon("Tachyon", "3.15", places),
        Tachyon("Tachyon --blocking", "3.15", places, "--blocking"),
        Pyrometer("pyrometer", "3.13", places),
        Austin("Austin", "3.13", places),
        PySpy("py-spy", "3.13", places),
        PySpy("py-spy --nonblocking", "3.13", places, "--nonblocking"),
    ]


def ours_beside(tool: Tool, tools: Sequence[Tool]) -> Tool | None:
    """Pyrometer, plain, on the same Python."""
    for other in tools:
        if other.name == "pyrometer" and other.python_id == tool.python_id:
            return other
    return None


def temporary_folder() -> tempfile.TemporaryDirectory:
    """For what the tools write: the folder for temporary files is the one that other roots see."""
    return tempfile.TemporaryDirectory(prefix="pyrometer-bench-")


@dataclass(eq=False)
class Bench:
    """What every family of measurements gets."""

    tools: list[Tool]
    places: Places
    chance: random.Random
    folder: Path
    rounds: int
    full: bool
    programs: str = ""  # expression: only those of truth and of the counts
    only_pythons: tuple[str, ...] = ()  # of the counts; empty: all

    def on(self, python: str) -> list[Tool]:
        """Those that sample this Python."""
        return [tool for tool in self.tools if tool.python_id == python]

    def pythons(self) -> list[str]:
        """Every Python with a tool, in the order of the tables."""
        return list(dict.fromkeys(tool.python_id for tool in self.tools))

    def wants_program(self, name: str) -> bool:
        """Whether it is asked for."""
        return bool(re.search(self.programs, name))

    def wants_python(self, python: str) -> bool:
        """Whether it is asked for, for the counts."""
        return not self.only_pythons or python in self.only_pythons
