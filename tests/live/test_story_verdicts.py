"""What `bench` says of the stories in examples/: keep the fix, not the decoy. Not beside other tests, whose load is noise."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from clocks import clocked
from pythons import REPOSITORY, Python

EXAMPLES = REPOSITORY / "examples"


def bench(pyrometer: Path, python: Python, folder: Path, story: str, arguments: str, pairs: int) -> tuple[dict, dict]:
    """The verdict on STORY's fix and decoy, and what the machine was like."""
    commands = [f"{name}={python.path} {story}_{name}.py {arguments}" for name in ("slow", "fixed", "decoy")]
    with tempfile.TemporaryDirectory() as made:
        done = subprocess.run(
            [pyrometer, "bench", "--metric", "wall", "--pairs", str(pairs), "--json", "-o", f"{made}/x.json", *commands],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), json.loads(Path(made, "x.json").read_text())["noise"]


@clocked
def test_the_fix_is_kept_and_the_decoy_is_not(pyrometer: Path, one: Python) -> None:
    """By wall time, in turn. What a decoy is said to be depends on the machine's noise: the same, or undecided."""
    fixed, _ = bench(pyrometer, one, EXAMPLES / "s01_orders", "orders", "--orders 400 --customers 20000 --requests 3", 10)
    check_verdicts(fixed)
    assert fixed["ci_high"] < 0.5


def check_verdicts(fixed: dict, apart: float = 2) -> None:
    """Keep the fix; the decoy does not do what it does: it takes APART times as long or longer."""
    (decoy,) = fixed["others"]
    assert (fixed["after"], fixed["verdict"], fixed["keep"]) == ("fixed", "faster", True), fixed
    assert decoy["after"] == "decoy" and decoy["keep"] is not True, decoy
    assert decoy["ratio"] > apart * fixed["ratio"]


def skip_where_nothing_can_be_told(fixed: dict, noise: dict) -> None:
    if fixed["verdict"] == "undecided" and (noise["others_cpus"] > 0.3 or fixed["smallest_visible"] > 0.3):
        pytest.skip(f"the machine is too busy: only changes of {fixed['smallest_visible']:.0%} would be seen")


@pytest.mark.parametrize(
    ("story", "arguments"),
    [("s06_prices/prices", "--delay 0.03"), ("s10_client/client", "--orders 150"), ("s13_load/load", "--users 24 --requests 1 --delay 0.15")],
)
@clocked
def test_so_it_is_where_programs_wait(pyrometer: Path, one: Python, story: str, arguments: str) -> None:
    folder, name = story.split("/")
    fixed, noise = bench(pyrometer, one, EXAMPLES / folder, name, arguments, 9)
    skip_where_nothing_can_be_told(fixed, noise)
    check_verdicts(fixed)


@clocked
def test_so_it_is_where_threads_take_turns(pyrometer: Path, one: Python) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU: processes would win nothing")
    fixed, noise = bench(pyrometer, one, EXAMPLES / "s07_report", "report", "--size 1200", 10)
    skip_where_nothing_can_be_told(fixed, noise)
    check_verdicts(fixed, 1.3)
