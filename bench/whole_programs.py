"""The total slowdown of two whole programs, as who types the command sees it: from its start to its end, start-up and report
included. Django renders a page over and over, Sphinx builds a tree of documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import documents
import harness
import installs
from counts import PLAIN, add_row, wanted_pythons
from harness import Table
from pythons import Python

from tools import Bench
from ways import TARGETS, Arguments, Module, Ours, Way

REQUESTS = 30
PAGES = 6
WAYS = (PLAIN, Module(flags=("-s", "cumulative")), Ours(report=True))


def django_page(bench: Bench) -> Arguments:
    """The program and its arguments; installs.Missing."""
    return [TARGETS / "page.py", installs.pure(bench, "django"), str(REQUESTS)]


def sphinx_build(bench: Bench) -> Arguments:
    """The program and its arguments; installs.Missing."""
    folder: Path = bench.folder / "documents"
    if not folder.exists():
        documents.write_documents(folder, PAGES)
    return [TARGETS / "third_party.py", "sphinx", folder, installs.pure(bench, "sphinx")]


@dataclass(frozen=True)
class Program:
    """Something real."""

    name: str
    command: Callable[[Bench], Arguments]


PROGRAMS = (
    Program(f"django: {REQUESTS} requests of a page", django_page),
    Program(f"sphinx: {PAGES} pages", sphinx_build),
)


def measure(bench: Bench, python: Python, command: Arguments) -> dict[Way, dict[int, float]]:
    """Seconds by way and round; a first plain run compiles what is imported."""
    taken: dict[Way, dict[int, float]] = {way: {} for way in WAYS}
    PLAIN.output(bench, python, command)
    for number, way in harness.interleave(WAYS, bench.rounds, bench.chance):
        taken[way][number] = float(way.output(bench, python, command, timed=True))
    return taken


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "whole",
        "Whole programs",
        [
            "Seconds from the start of the command to its end, the report included, and that divided by plain Python's of the same round.",
            "`pyrometer run` and `cProfile -s cumulative`, both as they are typed; no goal is set, the two are to be seen.",
        ],
        ["program", "Python", "plain, s", "cProfile, slowdown", "run, slowdown", "added, of cProfile's"],
    )
    for program in PROGRAMS:
        if not bench.wants_program(program.name):
            continue
        try:
            command = program.command(bench)
        except installs.Missing as reason:
            harness.say(f"SKIPPED: {program.name}: {reason}")
            table.notes.append(f"Not measured: {program.name}: {reason}.")
            continue
        for python in wanted_pythons(bench, program.name):
            harness.say(f"{program.name} on {python.id}")
            taken = measure(bench, python, command)
            plain, peer, ours = (taken[way] for way in WAYS)
            seconds = harness.summarize(list(plain.values()))
            found = [harness.ratios(series, plain) for series in (peer, ours)]
            found.append(harness.ratios(harness.differences(ours, plain), harness.differences(peer, plain)))
            texts = [each.text() if each else "-" for each in (seconds, *found)]
            data = dict(zip(("plain_s", "cprofile", "run", "share"), (seconds, *found)))
            add_row(table, program.name, python.id, *texts, **data)
    return [table]
