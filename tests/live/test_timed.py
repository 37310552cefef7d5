"""pyrometer.timed, with its C part and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pythons import REPOSITORY, Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("from_source")]

TARGET = REPOSITORY / "tests" / "targets" / "timed_situations.py"
SITUATIONS = re.findall(r"^def (\w+)\(\):", TARGET.read_text(), re.MULTILINE)


def ran(python: Python, *arguments: str | Path) -> str:
    done = python.run(["-X", "faulthandler", *arguments])
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_situations(python: Python) -> None:
    """All in one process of each Python: where the C part is refused, the same holds without it."""
    assert ran(python, TARGET, *SITUATIONS) == "ok\n"


def test_situations_without_the_c_part(one: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYROMETER_PROBE_FILE")
    names = [name for name in SITUATIONS if name != "histogram"]  # that one holds the two together
    assert ran(one, TARGET, *names) == "ok\n"


def test_another_parser_reads_the_metrics(one: Python) -> None:
    program = (
        "import time; from pyrometer import timed\n"
        "def f(s): time.sleep(s)\n"
        'f.__qualname__ = \'odd "name"\\\\ \\n\'\n'
        "g = timed(f); [g(0) for _ in range(5)]; g(0.03)\n"
        "print(timed.openmetrics(), end='')"
    )
    [family] = text_string_to_metric_families(ran(one, "-c", program))
    assert (family.name, family.type, family.unit) == ("pyrometer_timed_seconds", "histogram", "seconds")
    assert {sample.labels["function"] for sample in family.samples} == {'__main__.odd "name"\\ \n'}
    values = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert values["+Inf"] == 6 == values["pyrometer_timed_seconds_count"]
    assert values["0.02"] == 5 and 0.03 <= values["pyrometer_timed_seconds_sum"]


TYPED = """
import logging
from collections.abc import AsyncIterator, Iterator
from pyrometer import timed
from pyrometer._timed import TimedStats

@timed
def bare(a: int, *, b: str = "") -> float:
    return float(a)

@timed(threshold=0.2, logger=logging.getLogger("x"), level=logging.INFO)
async def fetch(url: str) -> bytes:
    return url.encode()

@timed
def numbers(n: int) -> Iterator[int]:
    yield n

@timed
async def more(n: int) -> AsyncIterator[int]:
    yield n

class Shop:
    @timed
    def method(self, x: int) -> str:
        return str(x)

    @timed
    @classmethod
    def make(cls, x: int) -> "Shop":
        return cls()

    @staticmethod
    @timed
    def double(x: int) -> int:
        return 2 * x

reveal_type(bare)
reveal_type(fetch)
reveal_type(numbers)
reveal_type(more)
reveal_type(Shop().method)
reveal_type(Shop.make(1))
reveal_type(Shop.double(1))
found: dict[str, TimedStats] = timed.stats()
"""
REVEALED = [
    "def (a: int, *, b: str =) -> float",
    "def (url: str) -> typing.Coroutine[Any, Any, bytes]",
    "def (n: int) -> typing.Iterator[int]",
    "def (n: int) -> typing.AsyncIterator[int]",
    "def (x: int) -> str",
    "Shop",
    "int",
]


def mypy(tmp_path: Path, text: str) -> str:
    (tmp_path / "typed.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "typed.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(REPOSITORY / "python")}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_types_are_kept(tmp_path: Path) -> None:
    """mypy --strict sees of a decorated function what it sees of the function, and a wrong call as wrong."""
    said = mypy(tmp_path, TYPED)
    revealed = [text.replace("typed.", "") for text in re.findall(r'Revealed type is "(.*)"', said)]
    assert revealed == REVEALED, said
    assert "error" not in said
    assert 'incompatible type "str"; expected "int"' in mypy(tmp_path, TYPED + 'bare("1")\n')
