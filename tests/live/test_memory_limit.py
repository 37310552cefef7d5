"""`run --memory` in a control group that is short of memory: the kernel kills the program, and what it had by then is in the recording."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import run
from counting import command
from pythons import Python
from test_memory import HEAD, fits, line_at  # noqa: F401 - `fits` skips what is not tracked

pytestmark = pytest.mark.beside

SECONDS = 120
LIMIT = 256 << 20
BLOCK = 1_000_000


def hierarchy() -> tuple[Path, dict[str, int]]:
    """Where control groups of memory are made, and what is to be written into a new one, the first of it without fail."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(mount), {"memory.limit_in_bytes": LIMIT, "memory.memsw.limit_in_bytes": LIMIT}
        if kind == "cgroup2" and "memory" in (Path(mount) / "cgroup.subtree_control").read_text().split():
            return Path(mount), {"memory.max": LIMIT, "memory.swap.max": 0}
    pytest.skip("no hierarchy of control groups here knows of memory")


def remove(group: Path) -> None:
    until = time.monotonic() + SECONDS
    while group.exists() and time.monotonic() < until:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):
            group.rmdir()
        time.sleep(0.02)


@pytest.fixture
def group(folder: Path) -> Iterator[Path]:
    """A control group in which LIMIT is all the memory there is."""
    mount, limits = hierarchy()
    group = mount / f"pyrometer-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    try:
        needed, *others = limits
        (group / needed).write_text(str(limits[needed]))
        for name in others:  # where swap is not counted there is no such file
            with contextlib.suppress(OSError):
                (group / name).write_text(str(limits[name]))
        yield group
    finally:
        remove(group)


GROW = """\
import os
import time

KEPT = []
told = os.open("told", os.O_WRONLY | os.O_CREAT)


def grow():
    while True:
        KEPT.append(b"x" * 1_000_000)  # grow
        os.pwrite(told, b"%8d" % len(KEPT), 0)
        time.sleep(0.002)  # it is looked at ten times a second


grow()
"""


def test_what_was_known_survives_the_kernel_s_killer(pyrometer: Path, counted: Python, group: Path) -> None:
    if counted.root is not None:
        pytest.skip("another program tells how it ended")
    Path("grow.py").write_text(GROW)
    ours = command(pyrometer, counted, ["grow.py"], "-o", "grow.pyro", "--memory")
    inside = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *ours]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
    answer = json.loads(run(pyrometer, "memory", "grow.pyro", "--json").stdout)
    made, size = int(Path("told").read_text()), BLOCK + HEAD
    known = line_at(answer, "grow", "grow")
    blocks, rest = divmod(known["self_live"], size)
    assert blocks - made in (0, 1)  # killed while it filled one more
    assert rest < 8192  # the list itself
    assert known["self_live"] == known["self_peak"]
    assert 0.85 * LIMIT < answer["peak_bytes"] < 1.05 * LIMIT  # what is alive need not be touched
    assert not answer["ended"] and answer["lost"] == 0
    confinement = answer["confinement"]
    assert (confinement["cgroup"], confinement["limit_bytes"], confinement["oom_kills"]) == (f"/{group.name}", LIMIT, 1)
    timeline = answer["timeline"]
    assert 0.5 * LIMIT < timeline["peak_bytes"] < 1.05 * LIMIT  # pages of files may be charged to who read them first
    (last,) = [line for line in timeline["holders"][-1]["lines"] if line["name"] == "grow"]
    assert last["live_bytes"] == known["self_live"]
    text = run(pyrometer, "memory", "grow.pyro").stdout
    assert "left when it was last seen" in text
    assert "killed for it" in text
