"""benchmark: functions measured against each other, in pairs of processes as `pyrometer bench` does with commands.

Each round forks a process for every function, in random order; what a process took is the median of its values. Why so:
docs/decisions/0018-functions-in-processes.md.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from datetime import datetime, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["Benchmark", "benchmark"]

VALUE_S = 0.02  # what is timed at once takes so long at least
VALUES = 5  # of a process
STEADY = 0.05  # two values in a row that differ by less
WARMUPS = 10  # values at most that are waited for that
LOOPS_MAX = 1 << 30


class Benchmark:
    """What was measured, as `pyrometer bench -o` writes it (docs/json.md); `pyrometer compare` judges the file."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def values(self, name: str) -> list[float]:
        """Seconds a call took, one value of each process. KeyError: there is no function of that name."""
        names = [command["name"] for command in self.data["commands"]]
        if name not in names:
            raise KeyError(name)
        runs = self.data["runs"]
        return [run["wall_s"] for run in runs if run["command"] == names.index(name)]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Keep it in a file for `pyrometer compare`. OSError."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.data, file)
            file.write("\n")

    def verdict(self) -> dict[str, Any]:
        """What `pyrometer compare --json` says of it. RuntimeError: the program is missing, or there is nothing to compare."""
        result: dict[str, Any] = json.loads(self._compare("--json"))
        return result

    def report(self) -> str:
        """What `pyrometer compare` prints of it. RuntimeError as verdict()."""
        return self._compare()

    def _compare(self, *options: str) -> str:
        with tempfile.TemporaryDirectory(prefix="pyrometer-") as folder:
            path = os.path.join(folder, "benchmark.json")
            self.write(path)
            done = subprocess.run([_program(), "compare", path, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or "pyrometer compare failed")
        return done.stdout


def _program() -> str:
    """The program of this package, or the one on PATH."""
    from shutil import which

    from pyrometer.__main__ import candidates

    found = next((path for path in candidates() if os.access(path, os.X_OK)), None) or which("pyrometer")
    if found is None:
        raise RuntimeError("the program pyrometer is missing; write() the file, and compare it elsewhere")
    return found


# -- one process --------------------------------------------------------------------------------


def _value(function: Callable[[], object], loops: int) -> tuple[float, float, float]:
    """Seconds that LOOPS calls took: wall, user, system."""
    repeated = [None] * loops
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.perf_counter()
    for _ in repeated:
        function()
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def _warm_up(function: Callable[[], object]) -> int:
    """How many calls make a value; by then it is as fast as it gets."""
    loops = 1
    last = _value(function, loops)[0]
    while last < VALUE_S and loops < LOOPS_MAX:
        loops *= 2 if last > VALUE_S / 10 else 10
        last = _value(function, loops)[0]
    for _ in range(WARMUPS if last < 1 else 0):
        now = _value(function, loops)[0]
        if abs(now - last) < STEADY * last:
            break
        last = now
    return loops


def _measure(function: Callable[[], object]) -> dict[str, float]:
    """What a call takes here: the medians of some values, without collecting garbage."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        loops = _warm_up(function)
        values = [_value(function, loops) for _ in range(VALUES)]
    finally:
        if collects:
            gc.enable()
    medians = [sorted(column)[VALUES // 2] / loops for column in zip(*values)]
    return dict(zip(("wall_s", "user_s", "system_s"), medians))


def _answer(function: Callable[[], object], pipe: int) -> None:
    """In the child: measure, and write what came of it. What the function prints goes nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        answer: dict[str, Any] = _measure(function)
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    with open(pipe, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def _in_a_process(function: Callable[[], object], name: str) -> dict[str, float]:
    """Measure it in a child of its own. RuntimeError: it raised, or the child died."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            _answer(function, writer)
        finally:
            os._exit(0)  # nothing of the parent's shall end twice
    os.close(writer)
    try:
        with open(reader, encoding="utf-8") as file:
            text = file.read()
    finally:
        _, status = os.waitpid(pid, 0)
    if not text:
        raise RuntimeError(f"the process that measured {name!r} ended early, wait status {status}")
    answer: dict[str, Any] = json.loads(text)
    if "failed" in answer:
        raise RuntimeError(f"{name!r} raised:\n{answer['failed']}")
    return answer


# -- all of them --------------------------------------------------------------------------------


def _rounds(
    functions: list[tuple[str, Callable[[], object]]], pairs: int, seconds: float, one_process: bool
) -> tuple[list[dict[str, Any]], str]:
    """The runs, and why they ended."""
    runs: list[dict[str, Any]] = []
    begin = time.monotonic()
    for number in range(pairs):
        order = random.sample(range(len(functions)), len(functions))
        for position, command in enumerate(order):
            name, function = functions[command]
            took = _measure(function) if one_process else _in_a_process(function, name)
            runs.append({"command": command, "round": number, "position": position, "warmup": False, "status": 0, **took})
        spent = time.monotonic() - begin
        if number + 1 < pairs and spent + spent / (number + 1) > seconds:
            return runs, "time"
    return runs, "pairs"


def _described(name: str, function: Callable[[], object]) -> dict[str, Any]:
    place = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"
    return {"name": name, "command": place, "directory": None, "recording": None}


def benchmark(
    functions: Mapping[str, Callable[[], object]],
    *,
    output: str | os.PathLike[str] | None = None,
    pairs: int = 20,
    seconds: float = 20.0,
) -> Benchmark:
    """Measure functions against each other, the first one being what the others are compared with.

        result = pyrometer.benchmark({"list": lambda: find(as_list), "set": lambda: find(as_set)})
        print(result.report())

    functions: by name; each is called without arguments, many times.
    output: a file to keep it in, for `pyrometer compare`.
    pairs: how often each is measured, in a process of its own each time; fewer than 6 give no verdict.
    seconds: the budget; a first round is always made.

    Where other threads run (in a notebook), a process cannot be forked safely: then all is measured in this one, and nothing
    below 25 % is believed. ValueError: no functions, or no pairs. RuntimeError: a function raised.
    """
    if not functions or pairs < 1:
        raise ValueError("benchmark() needs functions, and at least one pair")
    one_process = threading.active_count() > 1
    begin = time.monotonic()
    started = datetime.now(timezone.utc)
    runs, end = _rounds(list(functions.items()), pairs, seconds, one_process)
    from pyrometer import __version__

    result = Benchmark(
        {
            "format": "pyrometer-bench",
            "version": 1,
            "pyrometer": __version__,
            "started": started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "duration_s": time.monotonic() - begin,
            "end": end,
            "one_process": one_process,
            "commands": [_described(name, function) for name, function in functions.items()],
            "runs": runs,
        }
    )
    if output is not None:
        result.write(output)
    return result
