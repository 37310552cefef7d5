"""What a target can be seen to do from inside is possible by its graph; and a graph finds what is not."""

import json
from pathlib import Path

import pytest

from oracle import campaign
from oracle.recording import fault
from pythons import TARGETS

pytestmark = pytest.mark.beside

SELF_SAMPLE = Path(__file__).with_name("self_sample.py")


def running_part(stacks):
    """From the moment the program is ready: warming up is not described."""
    def runs(names):
        return names & {"run_parts", "run", "serve", "client"} and not names & {"thirty_seventy", "repeat_count"}

    return [stack for stack in stacks if runs({frame[0] for frame in stack})]


@pytest.mark.parametrize("case", campaign.CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_real_stacks_are_possible(some_python, case):
    if case.variant == "20000":
        pytest.skip("20,000 frames are too many to look at from inside")
    graph = case.graph(some_python)
    done = some_python.run([SELF_SAMPLE, TARGETS / (case.module + ".py"), case.variant,
                            "--seconds", "0.4"])
    stacks = running_part(json.loads(done.stdout.splitlines()[-1]))
    assert len(stacks) > 20, done.stderr
    graph.begin()
    faults = [(reason, [frame[0] for frame in stack]) for stack in stacks
              for reason in [fault(stack, graph)] if reason]
    assert not faults, (len(faults), len(stacks), faults[:3])


def made(case, *names):
    """A stack of these frames, each on a line on which it can call the next."""
    graph = campaign.case(case).load().graph(case.split()[1])
    path = str(TARGETS / (case.split()[0] + ".py"))
    frames = []
    for name, above in zip(names, [*names[1:], None]):
        lines = graph.call_lines.get((name, above), {1})
        frames.append((name, min(lines), 1, "outside" if name == "~" else path))
    graph.begin()
    return fault(frames, graph)


MAIN = ("<module>", "main", "run_parts")


@pytest.mark.parametrize("case, names", [
    ("chains 12", (*MAIN, "first", "a_0", "a_1", "a_2")),
    ("chains 12", (*MAIN, "first", "a_0", "[200 frames elided]", "a_2", "a_3")),
    ("chains 12", (*MAIN, "second", "b_0", "[unsure]")),
    ("alternating shared", (*MAIN, "first_shared", "by_left", "shared", "left_leaf")),
    ("coroutines await", (*MAIN, "first", "run_a", "drive", "a_0", "a_1")),
    ("threads 8", ("~", "work", "run_parts", "first3", "a3_0", "a3_1"))])
def test_possible(case, names):
    assert made(case, *names) is None


@pytest.mark.parametrize("case, names", [
    ("chains 12", (*MAIN, "first", "a_0", "b_1")),
    ("chains 12", (*MAIN, "first", "a_0", "a_2")),
    ("chains 12", ("main", "run_parts", "first", "a_0")),
    ("chains 12", (*MAIN, "a_0", "a_1")),
    ("chains 12", (*MAIN, "first", "a_0", "b_1", "[unsure]")),
    ("alternating shared", (*MAIN, "first_shared", "by_left", "shared", "right_leaf")),
    ("coroutines await", (*MAIN, "first", "run_a", "drive", "b_0", "b_1")),
    ("generators delegating", (*MAIN, "first_delegating", "drain_a", "a_0", "b_1")),
    ("recursion 5", ("~", "run", "stand", "run_parts", "first", *["left"] * 7)),
    ("threads 8", ("~", "work", "run_parts", "first3", "a4_0", "a4_1")),
    ("split deep", ("<module>", "main", *["descend"] * 202, "run_parts"))])
def test_impossible(case, names):
    assert made(case, *names) is not None


def test_a_wrong_line_is_found():
    graph = campaign.case("chains 12").load().graph("12")
    assert fault([("a_3", 8, 7, "<chain a>"), ("a_4", 10, 9, "<chain a>")], graph) == "root a_3"
    stack = [("a_2", 6, 5, "<chain a>"), ("a_3", 9, 7, "<chain a>"), ("a_4", 10, 9, "<chain a>")]
    graph.roots.add("a_2")
    assert fault(stack, graph).startswith("line")


def test_a_stale_name_is_found():
    graph = campaign.case("codes dropped").load().graph("dropped")
    path = str(TARGETS / "codes.py")
    graph.begin()

    def stack(number, first):
        return [("first", 1, 1, path), (f"made_{number}", first + 1, first, path)]

    graph.roots.add("first")
    assert fault(stack(100, 1000 + 100 % 89), graph) is None
    assert fault(stack(101, 1000 + 100 % 89), graph).startswith("stale line")
    assert fault(stack(99, 1000 + 99 % 89), graph).startswith("stale name")
