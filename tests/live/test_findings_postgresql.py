"""S1 on a real PostgreSQL: what `findings` says of Django and SQLAlchemy over psycopg 3, and what the server says to EXPLAIN."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgresql
from counting import installed
from pythons import REPOSITORY, Python, find_python
from test_findings import FIXES, STORIES, culprit_of, findings, own_folder, queries, record, run

__all__ = ["own_folder"]  # a fixture

pytestmark = pytest.mark.beside

ASYNCHRONOUS = """
import asyncio, json, sys
import psycopg
from pyrometer.web import count_queries
from pyrometer.web._queries import Queries, current

async def main():
    queries = Queries()
    current.set(queries)
    async with await psycopg.AsyncConnection.connect(sys.argv[1], autocommit=True) as connection:
        database = count_queries(connection)
        for number in range(20):
            row = await (await database.execute("SELECT %s::int, pg_sleep(0.01)", (number,))).fetchone()  # line 13
            assert row[0] == number
        async with database.cursor() as cursor:
            await cursor.execute("SELECT generate_series(1, 3)")
            assert [row[0] async for row in cursor] == [1, 2, 3]
            try:
                await cursor.execute("no SQL")
                raise AssertionError
            except psycopg.errors.SyntaxError:
                pass
    print(json.dumps([queries.count, queries.time_ns, queries.verdict()]))

asyncio.run(main())
"""
DRIVER = ("psycopg==3.2.13", "psycopg-binary==3.2.13", "typing_extensions==4.16.0")
SIZE = ("--customers", "4000", "--orders", "300")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server; where it cannot be had, the test is skipped by its name."""
    try:
        with postgresql.server() as url:
            yield url
    except RuntimeError as error:
        pytest.skip(f"PostgreSQL: {error}")


@pytest.fixture(params=["3.11", "3.13"])
def chosen(request: pytest.FixtureRequest) -> Python:
    """Those that psycopg has wheels for and that do not live in a root of their own."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture(params=["orders_django", "orders_sqlalchemy"])
def story(request: pytest.FixtureRequest, chosen: Python, server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a story, what it needs being installed and the server being its database."""
    pins = (*(pin for pin in STORIES[request.param] if not pin.startswith("typing")), *DRIVER)
    monkeypatch.setenv("PYTHONPATH", str(installed(chosen, f"{request.param}_postgresql", *pins)))
    monkeypatch.setenv("DATABASE", server)
    return request.param


@pytest.mark.alone  # a query that waits for a CPU is slow: then that is found, too
def test_the_culprit_is_the_first_finding(pyrometer: Path, chosen: Python, story: str, server: str) -> None:
    folder = REPOSITORY / "examples" / f"s01_{story}"
    recording = record(pyrometer, chosen, folder / "orders_slow.py", *SIZE).rename("slow.pyro")
    first = findings(pyrometer, recording)[0]
    assert first["rule"] == "n-plus-one" and first["fix"].startswith(FIXES[story]), first
    assert first["file"] == str(folder / "shop" / "views.py") and first["line"] == culprit_of(folder)
    evidence = first["evidence"]
    different = {name for _, _, _, _, name in made_orders(folder)}
    asked = 300 if story == "orders_django" else len(different)  # SQLAlchemy keeps customers it has seen
    assert (evidence["queries"], evidence["per_call"]) == (asked, asked)
    explain(pyrometer, recording, server)
    fixed = record(pyrometer, chosen, folder / "orders_fixed.py", *SIZE)
    assert findings(pyrometer, fixed) == []
    counted = json.loads(run(pyrometer, "compare", recording, fixed, "--metric", "queries", "--json"))
    assert counted["before_count"] - counted["after_count"] == asked and counted["keep"] is True


def made_orders(folder: Path) -> list[tuple]:
    """Those that the story makes up: the last of each is the customer."""
    space: dict = {"__name__": "rows"}
    exec(compile((folder / "shop" / "rows.py").read_text(), "rows.py", "exec"), space)
    return list(space["orders"](300, 4000))


def explain(pyrometer: Path, recording: Path, server: str) -> None:
    """The server reads all customers for each."""
    done = subprocess.run(
        [pyrometer, "findings", recording, "--json", "--explain", server], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    evidence = json.loads(done.stdout)["findings"][0]["evidence"]
    assert evidence["scan"] == "Seq Scan on shop_customer" and "Filter:" in evidence["plan"]


def test_an_asynchronous_driver(server: str, chosen: Python, pyrometer: Path, tmp_path: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query lasts until it was awaited, and what the driver hands out is used with `async with` and `async for` as it was. `run` counts each once."""
    script = tmp_path / "asynchronous.py"
    script.write_text(ASYNCHRONOUS)
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'python'}:{installed(chosen, 'postgresql', *DRIVER)}")
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"))
    done = chosen.run([script, server])
    assert done.returncode == 0, done.stderr[-3000:]
    count, time_ns, verdict = json.loads(done.stdout)
    assert (count, verdict) == (22, ["n+1", str(script), 13, 20]) and time_ns >= 20 * 10_000_000
    told = queries(pyrometer, record(pyrometer, chosen, script, server))
    assert sum(query["count"] for query in told if (query["shape"] or "").startswith("SELECT ?")) == 20, told
