"""What is resident of processes, by what the kernel says; and a process that looks while a function runs.

Run as a script it is that process: `_resident.py PID INTERVAL METRIC CHILDREN EACH` says "ready", measures until a line is
said to it or its input ends, and prints what it has.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _Watcher = TypeVar("_Watcher", bound="Watcher")

MIB = 1 << 20
FIRST_INTERVAL = 0.001  # seconds; later an eighth of the time so far, until it is the interval that was asked for
GROWTH = 8


def _numbers(path: str, key: str) -> list[int]:
    """Those of the lines of a file that begin with KEY, in kB. ProcessLookupError: the process is gone."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return [int(line.split()[1]) for line in file if line.startswith(key)]
    except FileNotFoundError:
        raise ProcessLookupError(f"no process {path.split('/')[2]}") from None


def _resident(pid: int, metric: str) -> float:
    """MiB. 0: it has ended, and nobody has asked how."""
    if metric == "pss":
        return sum(_numbers(f"/proc/{pid}/smaps_rollup", "Pss:")) / 1024
    if metric == "uss":
        return sum(_numbers(f"/proc/{pid}/smaps_rollup", "Private_")) / 1024
    return sum(_numbers(f"/proc/{pid}/status", "VmRSS:")) / 1024


def _parents() -> dict[int, int]:
    """Of each process the parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:  # it is gone
                pass
    return found


def _children(pid: int, without: int) -> list[int]:
    """All below PID, but WITHOUT."""
    parents = _parents()
    found = [pid]
    for process in found:  # which grows meanwhile
        found += [child for child, parent in parents.items() if parent == process and child != without]
    return found[1:]


class Reading:
    """How a measurement is taken: "rss", "pss" or "uss"; with the children added, or each of them told."""

    def __init__(self, metric: str, add_children: bool, each_child: bool) -> None:
        self.metric = metric
        self.add_children = add_children
        self.each_child = each_child

    def take(self, pid: int, without: int = 0) -> tuple[float, list[float], list[int]]:
        """Seconds since the epoch; MiB of the process and of each child; the children's ids."""
        own = _resident(pid, self.metric)
        children, sizes = [], []
        for child in _children(pid, without) if self.add_children or self.each_child else ():
            try:
                sizes.append(_resident(child, self.metric))
                children.append(child)
            except ProcessLookupError:  # it was over meanwhile
                pass
        if self.add_children:
            own += sum(sizes)
        return time.time(), [own, *(sizes if self.each_child else ())], children if self.each_child else []


class Watcher:
    """`with` it, another process measures this one."""

    def __init__(self, interval: float, reading: Reading) -> None:
        self._command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), repr(interval), reading.metric]
        self._command += [str(int(reading.add_children)), str(int(reading.each_child))]
        self.found: list[tuple[float, list[float], list[int]]] = []

    def __enter__(self: _Watcher) -> _Watcher:
        import subprocess

        self._owner = os.getpid()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._process.stdout.readline()  # it is ready, or gone
        return self

    def __exit__(self, *exception: object) -> None:
        import json
        import warnings

        if self._owner != os.getpid():  # of a forked child that returns, too, it is not the watcher
            return
        output, _ = self._process.communicate("\n")  # its input ends later where a child of ours has it, too
        if exception[0] is not None:
            return
        try:
            self.found = [(at, sizes, children) for at, sizes, children in json.loads(output)]
        except ValueError:
            warnings.warn("memory_usage: the process that measured is gone, and what it saw", RuntimeWarning, stacklevel=3)


def main() -> None:
    """Measure until our input says something, or ends."""
    import json
    import select

    pid, interval = int(sys.argv[1]), float(sys.argv[2])
    reading = Reading(sys.argv[3], sys.argv[4] == "1", sys.argv[5] == "1")
    begin = time.monotonic()
    found = [reading.take(pid, os.getpid())]
    print("ready", flush=True)
    over = False
    while not over:
        pause = min(interval, max(FIRST_INTERVAL, (time.monotonic() - begin) / GROWTH))
        over = bool(select.select([sys.stdin], [], [], pause)[0])
        try:
            found.append(reading.take(pid, os.getpid()))
        except ProcessLookupError:
            break
    print(json.dumps(found))


if __name__ == "__main__":
    main()
