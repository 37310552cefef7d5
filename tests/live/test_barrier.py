"""Stacks and lines equal what the program says of itself, while it stands still: as `dump` shows them
and as `record` writes them. See targets/barrier.py for the shapes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle import campaign
from oracle.recording import ELIDED, UNSURE, Recording
from pythons import Python, Target, start_target

pytestmark = pytest.mark.beside

MOVING = "reporter"  # the thread that tells; it moves
MOST_UNSURE = 3  # of the first samples of a thread
OTHER_READER = {"PYROMETER_READ": "mem"}


@dataclass
class Standing:
    target: Target
    threads: list[dict]  # as the program says: name, native_id, frames

    @property
    def still(self) -> list[dict]:
        return [thread for thread in self.threads if thread["name"] != MOVING]


@pytest.fixture(scope="module")
def programs() -> Iterator[tuple[contextlib.ExitStack, dict[str, Standing]]]:
    """They only stand there, so one of each Python serves all tests."""
    with contextlib.ExitStack() as stack:
        yield stack, {}


@pytest.fixture
def standing(python: Python, programs: tuple[contextlib.ExitStack, dict[str, Standing]]) -> Standing:
    """A program whose threads all stand still, and what it says of them."""
    stack, started = programs
    if python.id not in started:
        target = stack.enter_context(start_target(python, "barrier.py", "--seconds", "100000"))
        started[python.id] = Standing(target, json.loads(target.readline())["threads"])
    return started[python.id]


def short(frames: list[tuple], most: int = 12) -> str:
    """FRAMES for a message: the innermost few."""
    text = [f"    {name[:60]} ({file[-40:]}:{line})" for name, file, line in frames[-most:]]
    return "\n".join(text)


def differences(said: list[tuple], seen: list[tuple]) -> str | None:
    """None if the stacks are equal; an elided middle may stand for the frames that it says it does."""
    gap = next((i for i, frame in enumerate(seen) if ELIDED.match(frame[0])), None)
    if gap is None:
        if said == seen:
            return None
    else:
        count = int(ELIDED.match(seen[gap][0]).group(1) or 0)
        tail = len(seen) - gap - 1
        if said[:gap] == seen[:gap] and said[-tail:] == seen[-tail:] and gap + count + tail == len(said):
            return None
    where = next((i for i, (a, b) in enumerate(zip(said, seen)) if a != b), min(len(said), len(seen)))
    return (f"differs at frame {where} of {len(said)} and {len(seen)}; said\n{short(said[: where + 1])}\n"
            f"  seen\n{short(seen[: where + 1])}")


def assert_same(said: dict[int, dict], seen: dict[int, list[tuple]]) -> None:
    wrong = []
    for native_id, thread in said.items():
        frames = [(one["name"], one["file"], one["line"]) for one in thread["frames"]]
        if native_id not in seen:
            wrong.append(f"{thread['name']}: not shown")
            continue
        difference = differences(frames, seen[native_id])
        if difference:
            wrong.append(f"{thread['name']}: {difference}")
    assert not wrong, "\n" + "\n".join(wrong)


def by_id(threads: list[dict]) -> dict[int, dict]:
    return {thread["native_id"]: thread for thread in threads}


def dump(pyrometer: Path, pid: int, env: dict | None = None) -> dict:
    done = campaign.run_pyrometer(pyrometer, "dump", "--pid", pid, "--json", env=env, timeout=30)
    return json.loads(done.stdout)


def dumped_frames(thread: dict) -> list[tuple]:
    return [(f"[{frame['elided']} frames elided]", "", 0) if "elided" in frame
            else (frame["name"], frame["file"], frame["line"])
            for frame in thread["frames"] if "elided" in frame or not frame["name"].startswith("[")]


@pytest.mark.parametrize("reader", ["default", "mem"])
def test_dump(pyrometer: Path, standing: Standing, reader: str) -> None:
    shown = dump(pyrometer, standing.target.pid, OTHER_READER if reader == "mem" else None)
    threads = by_id(shown["threads"])
    assert_same(by_id(standing.still), {id: dumped_frames(thread) for id, thread in threads.items()})


def test_dump_names_threads(pyrometer: Path, standing: Standing) -> None:
    threads = by_id(dump(pyrometer, standing.target.pid)["threads"])
    assert len(threads) == len(standing.threads)
    said = {id: thread["name"] for id, thread in by_id(standing.threads).items()}
    assert {id: thread["name"] for id, thread in threads.items()} == said


def test_dump_says_that_they_wait(pyrometer: Path, standing: Standing) -> None:
    threads = by_id(dump(pyrometer, standing.target.pid)["threads"])
    states = {thread["name"]: threads[thread["native_id"]]["state"] for thread in standing.still}
    assert set(states.values()) == {"waiting"}, states
    assert not any(threads[thread["native_id"]]["gil"] for thread in standing.still)


def test_dump_twice_is_the_same(pyrometer: Path, standing: Standing) -> None:
    first, second = (dump(pyrometer, standing.target.pid)["threads"] for _ in range(2))
    assert first == second


def looked_at_often(pyrometer: Path, standing: Standing, mode: str) -> Recording:
    """Three times at least; on a busy machine, where each of 41 threads is stopped in turn, that takes longer."""
    for seconds in (0.4, 1.2, 4, 12):
        recording = campaign.record(pyrometer, standing.target.pid, seconds, 100, exact=mode == "exact",
                                    env=OTHER_READER if mode == "mem" else None, options=["-i"])
        if len(recording) > 2 * len(standing.threads):
            return recording
    pytest.fail(f"{len(recording)} samples in {seconds} s")


@pytest.mark.parametrize("mode", ["default", "exact", "mem"])
def test_record(pyrometer: Path, standing: Standing, mode: str) -> None:
    recording = looked_at_often(pyrometer, standing, mode)
    said = by_id(standing.still)
    looks: dict[int, list[tuple[int, bool]]] = {id: [] for id in said}
    for thread, stack, unsure in zip(recording.thread, recording.stack, recording.unsure):
        looks.get(recording.threads[thread]["native_id"], []).append((stack, unsure))
    # Where nothing proves a stack by itself, the first look has nothing to be compared with.
    sure = {id: {stack for stack, _ in seen[seen[0][1]:]} for id, seen in looks.items() if seen}
    restless = {said[id]["name"]: len(stacks) for id, stacks in sure.items() if len(stacks) != 1}
    assert not restless, f"standing threads with several stacks: {restless}"
    shown = {id: [(name, file, line) for name, line, _, file in recording.frames(min(stacks))]
             for id, stacks in sure.items()}
    assert_same(said, shown)
    assert not any(unsure for seen in looks.values() for _, unsure in seen[1:])


def test_record_keeps_first_lines_and_names(pyrometer: Path, standing: Standing) -> None:
    recording = campaign.record(pyrometer, standing.target.pid, 0.3, 100, options=["-i"])
    named = {thread["native_id"]: thread["name"] for thread in recording.threads}
    said = by_id(standing.still)
    assert {id: named.get(id) for id in said} == {id: thread["name"] for id, thread in said.items()}
    for stack in set(recording.stack):
        native = {recording.threads[t]["native_id"] for t, s in zip(recording.thread, recording.stack) if s == stack}
        for id in native & set(said):
            lines = [frame["first_line"] for frame in said[id]["frames"]]
            frames = recording.frames(stack)
            if len(frames) == len(lines):
                assert [first for _, _, first, _ in frames] == lines


def test_target_is_left_alone(pyrometer: Path, standing: Standing) -> None:
    """Looking changes nothing: no signal, no new thread, nobody traces it."""
    def state() -> tuple:
        status = Path(f"/proc/{standing.target.pid}/status").read_text()
        wanted = ("TracerPid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
        return tuple(line for line in status.splitlines() if line.split(":")[0] in wanted)

    before = state()
    subprocess.run([pyrometer, "dump", "--pid", str(standing.target.pid)], capture_output=True, check=False)
    campaign.record(pyrometer, standing.target.pid, 0.2, 200, exact=True)
    assert state() == before
