"""`run --memory=sampled`: estimates are near what programs are known to allocate, and what is freed is gone, whoever freed it."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from commands import refused, run
from counting import command
from pythons import TARGETS, Python
from test_memory import HEAD, SECONDS, SWAPS, fits, line_at  # noqa: F401 - `fits` skips what is not tracked
from test_memory import track as track_all

pytestmark = pytest.mark.beside

PERIOD = 16 * 1024
WIDER = 2.5  # than 95 % intervals: one in a million runs is beyond


def track(pyrometer: Path, python: Python, arguments: list, *options: str, memory: str = f"sampled:{PERIOD}") -> dict:
    """What `memory --json` says of a run."""
    recording = Path("sampled.pyro").absolute()
    ours = command(pyrometer, python, arguments, "-o", recording, f"--memory={memory}", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(run(pyrometer, "memory", recording, "--json").stdout)
    assert answer["lost"] == answer["unseen"] == answer["cut"] == 0
    assert not answer["unhooked"]
    return answer


def assert_near(line: dict, figure: str, truth: float) -> None:
    """The estimate lies in its interval, and the truth in one WIDER than that."""
    estimate, (low, high) = line[figure], line[f"{figure}_95"]
    assert low <= estimate <= high
    assert estimate - WIDER * (estimate - low) <= truth <= estimate + WIDER * (high - estimate), (figure, estimate, low, high)


THREADS = """\
import queue
import threading

PART = b"x"
kept, passed = [], queue.SimpleQueue()


def keep():
    own = [None] * 6000
    kept.append(own)
    for i in range(6000):
        own[i] = bytes(1000)  # keep


def keep_large():
    own = [None] * 60
    kept.append(own)
    for i in range(60):
        own[i] = bytes(100_000)  # large


def make():
    for _ in range(6000):
        passed.put(PART * 2000)  # make


def take():
    for _ in range(6000):
        passed.get()


threads = [threading.Thread(target=work) for work in [keep, keep_large, make, take] * 3]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_lines_of_threads(pyrometer: Path, counted: Python) -> None:
    Path("threads.py").write_text(THREADS)
    answer = track(pyrometer, counted, ["threads.py"])
    assert answer["sampled"]["period_bytes"] == PERIOD
    assert answer["sampled"]["samples"] > 1000
    keep, large, make = line_at(answer, "keep", "keep"), line_at(answer, "keep_large", "large"), line_at(answer, "make", "make")
    assert_near(keep, "self_live", 18_000 * (1000 + HEAD))
    assert_near(large, "self_live", 180 * (100_000 + HEAD))
    assert_near(large, "count", 180)
    assert_near(make, "self_allocated", 18_000 * (2000 + HEAD))
    assert make["self_live"] == 0  # freed by other threads
    assert make["self_freed"] == make["self_allocated"]
    assert_near(answer | answer["sampled"], "live_bytes", keep["self_live"] + large["self_live"])


MOVES = """\
import itertools
import threading

TEXT = "0123456789"


def work():
    for _ in range(40):
        grown = []
        for i in range(3000):
            grown.append(i)  # grow
        text = bytearray()
        for _ in range(2000):
            text.extend(b"0123456789abcdef")  # extend
        made = []
        for _ in itertools.repeat(None, 3000):
            made.append(TEXT.center(90))  # make
        numbers = [float(i) for i in range(3000)]  # number
        del grown, text, made, numbers


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_nothing_is_left_of_what_was_moved_and_freed(pyrometer: Path, counted: Python) -> None:
    """With few bytes between samples: most blocks that move were sampled before, or are so after. Of numbers the interpreter keeps some
    blocks for the next ones, how many depends on the version: as much is left as exact tracking says."""
    Path("moves.py").write_text(MOVES)
    truth = line_at(track_all(pyrometer, counted, ["moves.py"])[0], "work", "number")
    answer = track(pyrometer, counted, ["moves.py"], memory="sampled:256")
    for comment in ("grow", "extend", "make"):
        line = line_at(answer, "work", comment)
        assert line["self_samples"] > 100
        assert line["self_freed"] == line["self_allocated"]
        assert (line["self_live"], line["self_live_95"][0]) == (0, 0), comment
    number = line_at(answer, "work", "number")
    assert_near(number, "self_live", truth["self_live"])
    assert_near(number, "self_allocated", truth["self_allocated"])


def test_the_peak_is_estimated(pyrometer: Path, counted: Python) -> None:
    answer = track(pyrometer, counted, [TARGETS / "memory_known.py"], memory="sampled:1k")
    spike = line_at(answer, "spike", "spike")
    assert (spike["count"], spike["self_peak"], spike["self_live"]) == (1, 5_000_000 + HEAD, 0)
    assert_near(line_at(answer, "keep", "keep"), "self_peak", 40 * (100_000 + HEAD))
    churn = line_at(answer, "churn", "churn")
    assert_near(churn, "self_allocated", 3000 * (777 + HEAD))
    assert churn["self_temporary"] == churn["self_allocated"]


LINES, LEAST, MOST = 5000, 0.93, 0.97  # of the lines' intervals have the truth in them; 4 to 7 standard errors from 95 %


def lines_of(kind: str, size: int, count: int) -> tuple[str, set[str]]:
    """A program with many functions alike, and their names. Numbers up to 256 are not allocated."""
    body = "".join(f"def {kind}{i}(left):\n    while left: bytes({size - HEAD}); left -= 1\n" for i in range(LINES))
    calls = "".join(f"{kind}{i}({count})\n" for i in range(LINES))
    return body + calls, {f"{kind}{i}" for i in range(LINES)}


@pytest.mark.parametrize(("kind", "size", "count"), [("small", 160, 250), ("large", 4096, 20)])
def test_intervals_have_the_truth_in_them(pyrometer: Path, one: Python, kind: str, size: int, count: int) -> None:
    """Each line is an experiment of its own, in one run of one program."""
    text, names = lines_of(kind, size, count)
    Path("many.py").write_text(text)
    answer = track(pyrometer, one, ["many.py"], memory="sampled:4k")
    found = {function["name"]: function["lines"][0] for function in answer["functions"] if function["name"] in names}
    for figure, true in (("self_allocated", size * count), ("count", count)):
        ranges = [line[f"{figure}_95"] for line in found.values()]
        share = sum(low <= true <= high for low, high in ranges) / LINES
        whole = figure == "count" and kind == "large"  # few blocks, and whole ones: a range leaves out one, or none
        assert LEAST <= share <= (1 if whole else MOST), (figure, share)
        assert sum(line[figure] for line in found.values()) == pytest.approx(LINES * true, rel=0.03)  # 5 standard errors or more


FORK = """\
import os

kept = []


def child():
    for _ in range(3000):
        kept.append(bytes(3000))  # child


if os.fork() == 0:
    child()
    os._exit(0)
os.wait()
"""


def test_forked_children(pyrometer: Path, counted: Python) -> None:
    Path("fork.py").write_text(FORK)
    answer = track(pyrometer, counted, ["fork.py"], "--subprocesses")
    assert answer["processes"] == 2
    assert_near(line_at(answer, "child", "child"), "self_live", 3000 * (3000 + HEAD))


def test_the_allocators_are_as_before_after_a_stop(pyrometer: Path, counted: Python) -> None:
    if counted.root is not None:
        pytest.skip("its root does not have the probe")
    sampled = SWAPS.replace("None, True)", "None, True, True, 4096)")
    assert sampled != SWAPS
    Path("swaps.py").write_text(sampled)
    probe = pyrometer.parent / "src" / "probe" / "_probe.abi3.so"
    done = subprocess.run(counted.command(["swaps.py", str(probe), "30"]), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.stdout, done.returncode) == ("restored\n", 0), done.stderr


def test_reports_say_that_it_is_estimated(pyrometer: Path, one: Python) -> None:
    track(pyrometer, one, [TARGETS / "memory_known.py"], memory="sampled:1k")
    tables = run(pyrometer, "memory", "sampled.pyro", "--by", "line").stdout
    assert "sampled blocks, one each 1.0 KiB on average; 95 % sure: peak" in tables
    assert "95 % between" in tables
    assert "asked 100 Hz" in tables  # beside what is made to be left on, time is sampled more rarely
    assert "without such a range" in run(pyrometer, "memory", "sampled.pyro", "--temporary").stdout
    run(pyrometer, "export", "sampled.pyro", "-o", "memory.svg", "--bytes", "peak")
    assert "estimated: a sample each 1.0 KiB of what is allocated" in Path("memory.svg").read_text()
    run(pyrometer, "export", "sampled.pyro", "-o", "memory.json")
    exported = json.loads(Path("memory.json").read_text())
    assert exported["heaps"][0]["sampled_each_bytes"] == 1024
    assert all(memory["samples"] for memory in exported["memory"])
    told = json.loads(run(pyrometer, "memory", "sampled.pyro", "--json").stdout)
    assert told["sampled"]["confidence"] == 0.95
    assert sum(row["blocks"] for row in told["sizes"]) == told["allocations"]  # estimated, too
    assert sum(row["bytes"] for row in told["sizes"]) == told["allocated_bytes"]
    run(pyrometer, "export", "sampled.pyro", "-o", "memory.pb.gz", "--bytes", "peak")
    assert b"held at the peak, estimated" in gzip.decompress(Path("memory.pb.gz").read_bytes())
    asked = run(pyrometer, "findings", "sampled.pyro").stdout
    assert "not looked for, since memory was sampled (run --memory tracks all of it): " in asked
    assert "growth" in asked.partition("since memory was sampled")[2].splitlines()[0]


@pytest.mark.parametrize("text", ["sampled:", "sampled:1", "sampled:17m", "sampled:64kb", "sampled64k", "half"])
def test_periods_that_cannot_be(pyrometer: Path, text: str) -> None:
    refused(pyrometer, 2, "run", f"--memory={text}", "program.py")
