"""The short form of the campaign (tests/oracle/run): what is shown can exist, and its shares are true.

A recording of a second or so holds too few samples for one in 10^5; a limit of a few in 10^4 is what a
torn copy breaks by far (see the tests of the tests below). A share that is off by chance is measured
again, longer; a bias shows again.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from oracle import campaign
from oracle.campaign import CASES, GENERATORS, REALISTIC, Case, Outcome
from pythons import REPOSITORY, Python, find_python

RATE = 10000
SECONDS = 1.0
MOST_LOST = 0.001  # of the samples: those that show nothing at all
MOST_UNSURE = 0.005
MOST_WRONG_LINES = 0.001  # of the samples: a caller on the line of the call before
MOST_IMPOSSIBLE = 3  # in some 10,000 samples of an adversarial program; 0 on a realistic one


def names(cases: list[Case]) -> list[str]:
    return [one.name.replace(" ", "-") for one in cases]


def since_311(python: Python) -> None:
    if python.minor < (3, 11):
        pytest.skip(f"Python {python.id}: the figures are stated for 3.11 and later")


def explain(outcome: Outcome) -> str:
    return "\n".join([campaign.table([outcome.row()]), *map(str, outcome.shares), outcome.verdict.explain()])


def measure(pyrometer: Path, python: Python, case: Case, rate: int = RATE, exact: bool = False,
            seconds: float = SECONDS) -> Outcome:
    """One recording; a second, longer one if a share is off."""
    graph = case.graph(python)
    outcome = campaign.measure(pyrometer, python, case, seconds, [rate], exact, graph=graph)[0]
    if not outcome.true_shares():
        outcome = campaign.measure(pyrometer, python, case, 3 * seconds, [rate], exact, graph=graph)[0]
    return outcome


EVERY_TIME = [one for one in CASES if one.name in (
    "chains 12", "alternating shared", "generators plain", "coroutines await", "recursion 5", "orm shop")]


@pytest.mark.parametrize("case", EVERY_TIME, ids=names(EVERY_TIME))
def test_stacks_at_the_default_rate(pyrometer: Path, python: Python, case: Case) -> None:
    """(Not the shares: in so short a time chance has more to say than a bias.)"""
    since_311(python)
    outcome = campaign.measure(pyrometer, python, case, 2 * SECONDS, [1000], graph=case.graph(python))[0]
    verdict = outcome.verdict
    assert verdict.impossible <= (0 if case.kind == REALISTIC else MOST_IMPOSSIBLE), explain(outcome)
    assert verdict.samples > 100, explain(outcome)
    assert verdict.empty <= MOST_LOST * verdict.samples, explain(outcome)
    assert verdict.unsure <= MOST_UNSURE * verdict.samples, explain(outcome)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_stacks_and_shares(pyrometer: Path, python: Python, case: Case) -> None:
    since_311(python)
    outcome = measure(pyrometer, python, case)
    verdict = outcome.verdict
    most = 0 if case.kind == REALISTIC else MOST_IMPOSSIBLE
    assert verdict.impossible <= most, explain(outcome)
    assert verdict.wrong_lines <= MOST_WRONG_LINES * verdict.samples, explain(outcome)
    assert verdict.samples > 100, explain(outcome)
    assert verdict.empty <= MOST_LOST * verdict.samples, explain(outcome)
    assert verdict.unflagged == 0, explain(outcome)
    assert verdict.unsure <= MOST_UNSURE * verdict.samples, explain(outcome)
    assert outcome.true_shares(), explain(outcome)


@pytest.mark.parametrize("case", [one for one in CASES if one.name in (
    "chains 30", "generators plain", "recursion 200", "threads 8")], ids=lambda one: one.name.replace(" ", "-"))
def test_exact_shows_nothing_impossible(pyrometer: Path, python: Python, case: Case) -> None:
    since_311(python)
    outcome = measure(pyrometer, python, case, rate=2000, exact=True)
    assert outcome.verdict.impossible == 0, explain(outcome)
    assert outcome.verdict.wrong_lines == 0, explain(outcome)
    assert outcome.verdict.unsure == 0, explain(outcome)
    assert outcome.true_shares(), explain(outcome)


def test_shares_of_older_pythons(pyrometer: Path, python: Python) -> None:
    if python.minor >= (3, 11):
        pytest.skip(f"Python {python.id}: test_stacks_and_shares has it")
    outcome = measure(pyrometer, python, campaign.case("split flat"))
    assert outcome.verdict.empty == 0, explain(outcome)
    assert all(share.within(1.0) for share in outcome.shares), explain(outcome)


def test_nothing_is_lost(pyrometer: Path, python: Python) -> None:
    """Every tick that was due has its sample, or is counted as missed; no sample is empty."""
    case = campaign.case("chains 30")
    with campaign.running(python, case, 60) as target:
        recording = campaign.record(pyrometer, target.pid, 2.0, 1000)
    missed = recording.info.get("missed_ticks") or 0
    due = 1000 * recording.info["duration_s"]
    assert recording.stack.count(-1) == 0
    assert abs(len(recording) + missed - due) < 6 * due ** 0.5, (len(recording), missed, due)
    covered = sum(recording.weight_us) / 1e6
    assert covered == pytest.approx(recording.info["duration_s"], rel=0.02)


@pytest.mark.parametrize("name", ["chains 12", "generators plain"])
def test_distribution_equals_that_of_stopped_sampling(pyrometer: Path, python: Python, name: str) -> None:
    """Two seeds of the campaign's ten: at most one may be rejected."""
    since_311(python)
    case = campaign.case(name)
    for seed in range(2):
        verdict = campaign.compare_with_stopped(pyrometer, python, case, [RATE], seed, stopped=4000,
                                                stopped_rate=2000, sampled=10000, windows=2)[0]
        if verdict.p_value >= 0.001:
            return
    pytest.fail(f"p {verdict.p_value:.2g}, {verdict.cells} cells, sizes {verdict.sizes}, most different "
                f"(cell, sampled, stopped): {[worst[:3] for worst in verdict.worst]}")


def test_rare_code_is_not_lost(pyrometer: Path, python: Python) -> None:
    since_311(python)
    for _ in range(2):
        true, reported, seen, verdict = campaign.rare_code(pyrometer, python)
        if abs(reported / true - 1) <= 0.10:
            break
    assert verdict.impossible == 0, verdict.explain()
    assert reported == pytest.approx(true, rel=0.10)
    assert seen > 100, f"{seen} of 1000 functions seen"  # some 800 where the sampler gets its CPU in time


# ---- the tests themselves are tested: each of these faults must break them ----

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


def test_a_torn_copy_is_found(faults: Path, some_python: Python) -> None:
    """The edge check shows most of what a torn copy does as [unsure]: without it the copy shows itself."""
    outcome = impossible(faults, some_python, "chains 30", "torn-copy no-edge-check")
    assert outcome.verdict.impossible > 10 * MOST_IMPOSSIBLE, explain(outcome)


def test_a_missing_edge_check_is_found(faults: Path, some_python: Python) -> None:
    """Without the check a torn copy, which is otherwise shown as [unsure], shows as a stack."""
    found = [impossible(faults, some_python, case.name, "no-edge-check", 3.0, 2 * RATE)
             for case in CASES if case.kind == GENERATORS]
    assert sum(one.verdict.impossible for one in found) > 2 * MOST_IMPOSSIBLE, "\n".join(map(explain, found))


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
