"""pprof files in the real pprof."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from format_helpers import Export

pytestmark = pytest.mark.beside


def run(pprof: Path, prof: Path, *arguments: str) -> str:
    environment = {**os.environ, "PPROF_TMPDIR": str(prof.parent), "HOME": str(prof.parent)}
    done = subprocess.run([pprof, *arguments, prof], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prof(export: Export) -> Path:
    return export("pprof", "busy.pb.gz", "-F")


def test_top_names_the_functions(pprof: Path, prof: Path, stats: dict) -> None:
    top = run(pprof, prof, "-top", "-unit=ms")
    assert "Type: wall" in top
    cumulative = {}
    for line in top.splitlines():
        # A time of its own that is 0 has no unit.
        match = re.fullmatch(
            r"\s*(0|[\d.]+ms?)\s+\S+\s+\S+\s+([\d.]+)ms?\s+\S+\s+(.*?)( \(inline\))?", line
        )
        if match:
            cumulative[match[3]] = float(match[2]) / 1e3
    # pprof adds up what has one name, whatever its file: site.py has a main() too.
    for name in ("main", "down", "hostile_spin"):
        seconds = sum(function["cumtime_s"] for function in stats["functions"] if function["name"] == name)
        assert cumulative[name] == pytest.approx(seconds, abs=0.01)


def test_raw_has_labels_and_types(pprof: Path, prof: Path) -> None:
    raw = run(pprof, prof, "-raw")
    assert "samples/count wall/nanoseconds" in raw.replace("[dflt]", "")
    assert "thread:[worker-1]" in raw
    assert re.search(r"state:\[(running|waiting|runnable)\]", raw)


def test_tags_split_the_time_by_thread(pprof: Path, prof: Path) -> None:
    tags = run(pprof, prof, "-tags")
    assert "worker-1" in tags
    assert "state" in tags


def test_the_clock_names_the_sample_type(pprof: Path, export: Export) -> None:
    assert "Type: cpu" in run(pprof, export("pprof", "cpu.pb.gz", "--clock", "cpu"), "-top")
