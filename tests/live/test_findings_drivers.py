"""What `findings` says of programs that talk to a database by its driver alone, as it is and by pyrometer.web's proxy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python, start_target
from test_findings import findings, one, own_folder, program, record
from test_inject import Recording

__all__ = ["one", "own_folder"]  # fixtures

pytestmark = pytest.mark.beside

ROWS, CALLS = 400, 20
HEAD = f"""
import sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY, name)")
connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer)")
connection.executemany("INSERT INTO customer VALUES (?, ?)", [(i, str(i)) for i in range({CALLS * ROWS})])
connection.executemany("INSERT INTO orders VALUES (?, ?)", [(i, i) for i in range({ROWS})])
"""
COUNTED = HEAD + "import pyrometer.web\nconnection = pyrometer.web.count_queries(connection)\n"
CUSTOMER = "SELECT name FROM customer WHERE id = ?"
IN_ONE_FUNCTION = f"""
def orders(first):
    for order, customer in connection.execute("SELECT id, customer FROM orders"):
        connection.execute("{CUSTOMER}", (first + customer,)).fetchone()  # N+1
"""
IN_TWO_FUNCTIONS = f"""
def name_of(customer):
    return connection.execute("{CUSTOMER}", (customer,)).fetchone()[0]

def orders(first):
    for order, customer in connection.execute("SELECT id, customer FROM orders"):
        name_of(first + customer)  # N+1
"""
MAIN = f"""
for call in range({CALLS}):
    orders(call * {ROWS})
"""
WHEN_TOLD = """
import os, time
print("READY", flush=True)
while not os.path.exists("go"):
    time.sleep(0.001)
""" + MAIN + """
print("ran", flush=True)
input()
"""


def marked(script: Path) -> int:
    return next(number for number, line in enumerate(script.read_text().splitlines(), 1) if line.endswith("# N+1"))


# -- the driver alone ---------------------------------------------------------------------------------------------


def test_what_sends_the_queries_is_not_said_to_be_innocent(pyrometer: Path, some_counted: Python) -> None:
    """Another line of the same function calls it, too, and that takes little."""
    other = 'def orders(first):\n    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) SELECT max(i) FROM n")\n'
    script = program(HEAD + IN_ONE_FUNCTION.replace("def orders(first):\n", other) + MAIN)
    [only] = findings(pyrometer, record(pyrometer, some_counted, script))
    assert (only["rule"], only["line"]) == ("n-plus-one", marked(script))
    assert only["not_the_problem"] not in (only["evidence"]["driver"], "orders"), only


def test_one_query_for_each_call_does_not_gain_the_calls(pyrometer: Path, some_counted: Python) -> None:
    """The loop sends one by each call of orders(), which sends hundreds of others: these would stay."""
    script = program(HEAD + IN_TWO_FUNCTIONS + MAIN)
    [only] = findings(pyrometer, record(pyrometer, some_counted, script))
    assert only["evidence"]["queries"] == CALLS * ROWS and only["line"] == marked(script)


# -- through the proxy ------------------------------------------------------------------------------------------


@pytest.fixture(params=["installed", "source"])
def package(request: pytest.FixtureRequest, pyrometer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs import pyrometer, as a library or from where it is written."""
    folder = REPOSITORY / "python"
    if request.param == "installed":
        folder = tmp_path / "site-packages"
        shutil.copytree(REPOSITORY / "python" / "pyrometer", folder / "pyrometer")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"))


def check_the_queries(found: list[dict], script: Path) -> None:
    """Those of the program's line, and no others."""
    [only] = [one for one in found if one["rule"] == "n-plus-one"]
    assert only["title"] == f"N+1: {CALLS * ROWS} queries of one shape" and only["evidence"]["shape"] == CUSTOMER
    assert (only["file"], only["line"], only["function"]) == (str(script), marked(script), "orders")
    assert only["evidence"]["per_call"] == ROWS and only["evidence"]["distinct"] == CALLS * ROWS


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("functions", [IN_ONE_FUNCTION, IN_TWO_FUNCTIONS], ids=["one", "two"])
def test_the_proxy_hides_no_query(pyrometer: Path, some_counted: Python, functions: str) -> None:
    """It is a library's, and between the program's line and the driver; the line is the loop's, as without it."""
    script = program(COUNTED + functions + MAIN)
    check_the_queries(findings(pyrometer, record(pyrometer, some_counted, script)), script)


@pytest.mark.usefixtures("package")
def test_the_proxy_hides_no_query_from_an_injected_probe(pyrometer: Path, one: Python) -> None:
    script = program(COUNTED + IN_ONE_FUNCTION + WHEN_TOLD)
    with start_target(one, script) as running:
        recording = Recording(pyrometer, running.pid, Path("x.pyro").absolute(), "--counts")
        Path("go").touch()
        assert running.readline() == "ran"
        check_the_queries(findings(pyrometer, recording.stop().recording), script)
