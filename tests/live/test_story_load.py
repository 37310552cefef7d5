"""examples/s13_load: what grows with the users is named first.

By construction: two users never wait for one of four connections; of thirty-two, up to twenty-eight wait at any moment as long as the database has
work for three seconds, whatever the machine does meanwhile: what else waits for the end of it, the server's main thread and two other processes, is a few
threads. It would take half a minute's standstill before or after that to be more.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import run
from pythons import REPOSITORY, Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder")]

STORY = REPOSITORY / "examples" / "s13_load"
FEW, MANY = ("--users", "2", "--requests", "2"), ("--users", "32", "--requests", "2")
DELAY = ("--delay", "0.2")


def moved(pyrometer: Path, python: Python, variant: str, *options: str) -> list[dict]:
    """The functions of the two levels of load, the one that moved most first."""
    script = STORY / f"load_{variant}.py"
    for name, users in (("few", FEW), ("many", MANY)):
        run(pyrometer, "run", *options, "-o", f"{name}.pyro", "--", *python.command([script, *users, *DELAY]))
    return json.loads(run(pyrometer, "diff", "few.pyro", "many.pyro", "--json").stdout)["functions"]


def place(row: dict) -> tuple[str, str]:
    return Path(row["file"] or "").name, row["name"].rpartition(".")[2]


def test_the_pool_is_named(pyrometer: Path, some_python: Python) -> None:
    """The line that waits for a connection; with as many connections as workers it is not there."""
    options = ["--no-c-calls"] if some_python.counts else []
    first = moved(pyrometer, some_python, "slow", *options)[0]
    assert place(first) == ("shop.py", "take") and first["sure"], first
    assert (first["before_calls"], first["after_calls"]) == ((4, 64) if some_python.counts else (None, None))
    first = moved(pyrometer, some_python, "fixed", *options)[0]
    assert place(first) != ("shop.py", "take"), first


def test_so_is_the_call_it_waits_in(pyrometer: Path, some_counted: Python) -> None:
    """Where C functions are counted they have their own time."""
    rows = moved(pyrometer, some_counted, "slow")
    assert rows[0]["name"] == "{method 'get' of '_queue.SimpleQueue' objects}" and rows[0]["sure"], rows[0]
