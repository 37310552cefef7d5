"""The tests of test_truth.py are tested: each of these faults must break them.

Some need a sampler and a target that run at the same time, on a CPU each."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from clocks import clocked
from oracle import campaign
from oracle.campaign import CASES, GENERATORS, Outcome
from pythons import REPOSITORY, Python, find_python
from test_truth import MOST_IMPOSSIBLE, RATE, explain


@pytest.fixture(scope="session")
def faults() -> Path:
    """The program with the option `faults`: $PYROMETER_FAULTS, or build-faults, brought up to date."""
    if "PYROMETER_FAULTS" in os.environ:
        return Path(os.environ["PYROMETER_FAULTS"]).absolute()
    subprocess.run([REPOSITORY / "tools/build", "build-faults"], check=True)
    return REPOSITORY / "build-faults" / "pyrometer"


@pytest.fixture(params=["3.11", "3.13", "3.15"])
def some_python(request: pytest.FixtureRequest) -> Python:
    python = find_python(request.param)
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    return python


def impossible(program: Path, python: Python, name: str, fault: str, seconds: float = 1.0,
               rate: int = RATE) -> Outcome:
    case = campaign.case(name)
    return campaign.measure(program, python, case, seconds, [rate], env={"PYRO_FAULT": fault})[0]


@clocked
def test_a_torn_copy_is_found(faults: Path, some_python: Python) -> None:
    """The edge check shows most of what a torn copy does as [unsure]: without it the copy shows itself, unless the machine leaves
    the target one CPU with us, so that it stands still."""
    outcome = impossible(faults, some_python, "chains 30", "torn-copy no-edge-check")
    assert outcome.verdict.impossible > 10 * MOST_IMPOSSIBLE, explain(outcome)


@clocked
def test_a_missing_edge_check_is_found(faults: Path, some_python: Python) -> None:
    """Without the check a torn copy, which is otherwise shown as [unsure], shows as a stack."""
    found = [impossible(faults, some_python, case.name, "no-edge-check", 3.0, 2 * RATE)
             for case in CASES if case.kind == GENERATORS]
    assert sum(one.verdict.impossible for one in found) > 2 * MOST_IMPOSSIBLE, "\n".join(map(explain, found))


@clocked
def test_a_false_proof_is_found(faults: Path, some_python: Python) -> None:
    """What is copied from another CPU and believed to have stood still."""
    found = [impossible(faults, some_python, name, "false-proof").verdict
             for name in ("chains 30", "generators delegating", "coroutines await")]
    assert sum(one.impossible + one.wrong_lines for one in found) > 10 * MOST_IMPOSSIBLE, found


def test_a_fixed_period_is_found(faults: Path, some_python: Python) -> None:
    """The bursts run in step with the clock; a fixed period sees too much of them or too little."""
    case = campaign.case("burst clock")
    for _ in range(3):  # on a busy machine it is held up, and each time out of step for a while
        outcome = campaign.measure(faults, some_python, case, 2.0, [1000], env={"PYRO_FAULT": "fixed-period"})[0]
        if not all(share.within() for share in outcome.shares):
            return
    pytest.fail(explain(outcome))


def test_a_bias_against_moving_code_is_found(pyrometer: Path, some_python: Python) -> None:
    """A sampler that loses one in three of the samples taken deep in the calls (today's peers do): no stack is
    impossible, the shares of the callers are right, and yet it is found."""
    chance = random.Random(1)

    def lossy(cell: tuple) -> bool:
        return cell[1] < 7 or chance.random() > 1 / 3

    verdict = campaign.compare_with_stopped(pyrometer, some_python, campaign.case("chains 12"), [RATE], 0,
                                            stopped=4000, stopped_rate=2000, windows=2, keep=lossy)[0]
    assert verdict.p_value < 0.001
