"""pyrometer.web in gunicorn and uvicorn under wrk, over SQLite and PostgreSQL. bench/load.py does the same for minutes, and compares times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import wrk
from loaded import BODY, PATHS, SECRET, Place, database
from pythons import Python, find_python
from test_web import token

pytestmark = pytest.mark.beside

CLIENTS, PROFILED = 200, 10
SECONDS = 4
ALL_KEPT = {"rate_hz": 1000, "recordings_per_s": 1e6}  # requests of 0.2 ms have to be met


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the kind that the test asks for; where it cannot be had, the test is skipped by its name."""
    with contextlib.ExitStack() as running:
        try:
            yield running.enter_context(database(request.param, tmp_path))
        except RuntimeError as error:
            pytest.skip(f"{request.param}: {error}")


@pytest.mark.parametrize("where", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn"])
def test_under_wrk(kind: str, where: str, pyrometer: Path, tmp_path: Path) -> None:
    """No request of 200 clients fails, who has a token is told of a profile and nobody else, and each recording is of the request it was told for."""
    python: Python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    spool = tmp_path / "requests"
    place = Place(python, pyrometer, where, tmp_path)
    tokens = {path: token(path, time.time() + 600, SECRET) for path in PATHS}
    with place.server(kind, place.middleware(spool) | ALL_KEPT) as port:
        seen = wrk.load(port, tokens, BODY, CLIENTS, PROFILED, SECONDS)
        until = time.monotonic() + 60
        while not any(spool.glob("*.pyro")):
            assert time.monotonic() < until, seen
            time.sleep(0.05)
    assert not seen.failed and seen.requests >= CLIENTS
    assert seen.told == seen.profiled >= PROFILED
    found, wrong = place.mixed_up(spool, seen.recorded)
    assert found and not wrong, (found, wrong)
