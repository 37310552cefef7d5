"""What `findings` says of S2 and S12: one step of three has the time, and one query that reads all. Each story's own programs, and
others that no rule was made after."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from clocks import clocked
from counting import installed
from pythons import REPOSITORY, Python, find_python
from test_findings import STORIES, findings, libraries, own_folder, program, record, run

__all__ = ["libraries", "own_folder"]  # fixtures

pytestmark = pytest.mark.beside

PIPELINE = REPOSITORY / "examples" / "s02_pipeline"
SEARCH = REPOSITORY / "examples" / "s12_search"
SMALL = {PIPELINE: ("--orders", "8000"), SEARCH: ("--searches", "3")}
TOLD = {PIPELINE: ("hot-line", "orders/pipeline.py", "process", "enrich_order"),
        SEARCH: ("slow-query", "catalog/search.py", "Search.best", "execute")}  # fmt: skip


VERSIONS = ("3.11", "3.13", "3.15")


@pytest.fixture(params=VERSIONS)
def chosen(request: pytest.FixtureRequest) -> Python:
    """The oldest that is counted in, one in the middle, the newest."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


def variant(folder: Path, name: str) -> Path:
    return folder / f"{folder.name.partition('_')[2]}_{name}.py"


def check_culprit(told: list[dict], rule: str, script: Path) -> dict:
    """The first finding is RULE's, on the line of SCRIPT that says of itself that it is the culprit."""
    assert told, "nothing was found"
    first = told[0]
    assert (first["rule"], first["file"]) == (rule, str(script)), first
    assert "# culprit" in script.read_text().splitlines()[first["line"] - 1], first
    return first


# -- the stories ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", SMALL, ids=lambda folder: folder.name)
def test_the_culprit_is_the_first_finding(pyrometer: Path, chosen: Python, folder: Path) -> None:
    rule, file, function, called = TOLD[folder]
    first = findings(pyrometer, record(pyrometer, chosen, variant(folder, "slow"), *SMALL[folder]))[0]
    assert (first["rule"], first["file"], first["function"]) == (rule, str(folder / file), function)
    assert called in (folder / file).read_text().splitlines()[first["line"] - 1]
    assert 0 <= first["gain_low"] <= first["gain_s"] <= first["gain_high"]
    assert findings(pyrometer, record(pyrometer, chosen, variant(folder, "fixed"), *SMALL[folder])) == []


def test_the_evidence_of_a_hot_line_is_exact(pyrometer: Path, one: Python) -> None:
    (found,) = findings(pyrometer, record(pyrometer, one, variant(PIPELINE, "decoy"), *SMALL[PIPELINE]))
    evidence = found["evidence"]
    assert (evidence["calls"], evidence["other_steps"], evidence["step"]) == (8000, 2, "enrich_order")
    assert evidence["inside"]["function"] == "Catalog.find" and evidence["others_s"] < evidence["time_s"] / 4
    # The steps beside it take so little that a busy machine may show none of it; then it is what made the orders.
    assert found["not_the_problem"] in ("validate_order", "add_up_shorter", "made_up")


def cpu_s(python: Python, script: Path, arguments: tuple[str, ...]) -> float:
    before = os.times()
    subprocess.run(python.command([script, *arguments]), check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("folder", SMALL, ids=lambda folder: folder.name)
@clocked
def test_the_gain_is_within_a_factor_of_two(pyrometer: Path, one: Python, folder: Path) -> None:
    """As a share of all time, so that a busy machine changes nothing; all of it is computing."""
    slow, fixed = (cpu_s(one, variant(folder, name), SMALL[folder]) for name in ("slow", "fixed"))
    recording = record(pyrometer, one, variant(folder, "slow"), *SMALL[folder])
    told = json.loads(run(pyrometer, "findings", recording, "--json"))
    real = 1 - fixed / slow
    assert real / 2 < told["findings"][0]["gain_s"] / told["total_s"] < real * 2


@pytest.mark.alone
@pytest.mark.parametrize("folder", SMALL, ids=lambda folder: folder.name)
@clocked
def test_the_fix_is_kept_and_the_decoy_is_not(pyrometer: Path, one: Python, folder: Path) -> None:
    """By wall time, in turn. What a decoy is said to be depends on the machine's noise: the same, or undecided."""
    arguments = {PIPELINE: "--orders 4000", SEARCH: "--searches 1"}[folder]
    commands = [f"{name}={one.path} {variant(folder, name)} {arguments}" for name in ("slow", "fixed", "decoy")]
    fixed = json.loads(run(pyrometer, "bench", "--metric", "wall", "--pairs", "12", "--json", *commands))
    (decoy,) = fixed["others"]
    assert (fixed["after"], fixed["verdict"], fixed["keep"]) == ("fixed", "faster", True), fixed
    assert decoy["after"] == "decoy" and decoy["keep"] is not True and decoy["ratio"] > 2 * fixed["ratio"], decoy


# -- others -------------------------------------------------------------------------------------------------

STEPS = {
    "methods, and a scan for a range": """
        class Tariff:
            def __init__(self):
                self.zones = [(low, low + 10, low // 7) for low in range(0, 5000, 10)]
            def weigh(self, parcel):
                return parcel % 31 + 1
            def zone_of(self, parcel):
                at = 0
                while not self.zones[at][0] <= parcel < self.zones[at][1]:
                    at += 1
                return self.zones[at][2]
            def price(self, weight, zone):
                return weight * zone
            def charge(self, parcels):
                sum = 0
                for parcel in parcels:
                    weight = self.weigh(parcel)
                    zone = self.zone_of(parcel)  # culprit
                    sum += self.price(weight, zone)
                return sum
        print(Tariff().charge(number * 77 % 5000 for number in range(9000)))
        """,
    "one expression, and a file that is read again and again": """
        import json
        SETTINGS = json.dumps({f"key{number}": [number, str(number)] for number in range(400)})
        def split(line):
            return line.split("=")
        def translated(pair):
            settings = json.loads(SETTINGS)
            return settings.get(pair[0], pair)
        def joined(pair):
            return ":".join(map(str, pair))
        def convert(lines):
            return [joined(translated(split(line))) for line in lines]  # culprit
        print(len(convert([f"key{number}=x" for number in range(6000)])))
        """,
    "coroutines, and text that is searched from its start": """
        import asyncio
        WORDS = " ".join(f"word{number}" for number in range(3000))
        async def clean(word):
            return word.strip().lower()
        async def rank(word):
            return [place for place, other in enumerate(WORDS.split()) if other == word]
        async def show(word, places):
            return f"{word} {places}"
        async def main():
            shown = []
            for number in range(3000):
                word = await clean(f" Word{number} ")
                places = await rank(word)  # culprit
                shown.append(await show(word, places))
            print(len(shown))
        asyncio.run(main())
        """,
}
QUERIES = {
    "two lines, and a comparison that no index serves": """
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("create table seen (host text, at integer)")
        db.executemany("insert into seen values (?, ?)", ((f"host{n % 999}", n) for n in range(3000)))
        def report(cursor, day):
            cursor.execute(  # culprit
                "select count(*) from seen x join seen y on x.at % 1000 = y.at % 1000 and x.at % 2 = ?", (day,))  # culprit
            return cursor.fetchall()
        for day in range(2):
            print(len(report(db.cursor(), day)))
        """,
    "a library that tells the text": """
        import sqlite3
        from django.db.backends.utils import CursorWrapper
        db = sqlite3.connect(":memory:")
        db.execute("create table edge (a integer, b integer)")
        db.executemany("insert into edge values (?, ?)", ((n, n * 7 % 4000) for n in range(4000)))
        class Graph:
            cursor = CursorWrapper(db.cursor())
            def far(self, start):
                self.cursor.execute("select count(*) from edge x, edge y where x.b + 0 = y.a + 0 and x.a > ?", (start,))  # culprit
                return self.cursor.inner.fetchone()
        print([Graph().far(start) for start in (1, 2)])
        """,
    "SQLAlchemy, and a search in the middle of a text": """
        from sqlalchemy import create_engine, text
        engine = create_engine("sqlite://")
        def fill(connection):
            connection.execute(text("create table page (body text)"))
            connection.connection.executemany("insert into page values (?)", ((f"{n} " * 60,) for n in range(4000)))
        ALIKE = text("select count(*) from page x, page y where x.rowid < 400 and y.body like :word || x.body")
        def pages_like(connection, word):
            return connection.execute(ALIKE, {"word": word}).scalar()  # culprit
        with engine.connect() as connection:
            fill(connection)
            print([pages_like(connection, word) for word in "ab"])
        """,
}


@pytest.mark.parametrize(("chosen", "name"), list(zip(VERSIONS, STEPS, strict=True)), indirect=["chosen"])
def test_a_hot_line_in_other_programs(pyrometer: Path, chosen: Python, name: str) -> None:
    script = program(STEPS[name])
    check_culprit(findings(pyrometer, record(pyrometer, chosen, script)), "hot-line", script)


@pytest.mark.parametrize(("chosen", "name"), list(zip(VERSIONS, QUERIES, strict=True)), indirect=["chosen"])
def test_a_slow_query_in_other_programs(
    pyrometer: Path, chosen: Python, name: str, libraries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "SQLAlchemy" in name:
        monkeypatch.setenv("PYTHONPATH", str(installed(chosen, "orders_sqlalchemy", *STORIES["orders_sqlalchemy"])))
    script = program(QUERIES[name])
    check_culprit(findings(pyrometer, record(pyrometer, chosen, script)), "slow-query", script)


# -- EXPLAIN ------------------------------------------------------------------------------------------------

SHOP = """
    import sys
    from sqlalchemy import create_engine, text
    engine = create_engine("sqlite:///shop.db")
    REPORT = text("select a.name, (select count(*) from review r where r.product = a.id) from product a where a.kind = :kind")
    def report(connection, kind):
        return connection.execute(REPORT, {"kind": kind}).fetchall()  # culprit
    with engine.connect() as connection:
        print([len(report(connection, kind)) for kind in (1, 2)])
    """


@pytest.fixture
def shop(pyrometer: Path, one: Python, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recording of a program over shop.db that sends two slow queries, by a library that tells their text."""
    monkeypatch.setenv("PYTHONPATH", str(installed(one, "orders_sqlalchemy", *STORIES["orders_sqlalchemy"])))
    database = sqlite3.connect("shop.db")
    database.execute("create table product (id integer primary key, kind integer, name text)")
    database.execute("create table review (id integer primary key, product integer)")
    database.executemany("insert into product values (?, ?, 'x')", ((key, key % 3) for key in range(600)))
    database.executemany("insert into review values (?, ?)", ((key, key % 600) for key in range(20000)))
    database.commit()
    database.close()
    return record(pyrometer, one, program(SHOP))


def explained(pyrometer: Path, recording: Path, database: str = "sqlite:shop.db") -> tuple[dict, str]:
    """The first finding when DATABASE is asked, and what is told on standard error."""
    done = subprocess.run(
        [pyrometer, "findings", recording, "--json", "--explain", database], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["findings"][0], done.stderr


def change_shop(*statements: str) -> None:
    database = sqlite3.connect("shop.db")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_a_plan_speaks_for_a_slow_query(pyrometer: Path, shop: Path) -> None:
    (plain,) = findings(pyrometer, shop)
    assert plain["confidence"] == "medium" and "plan" not in plain["evidence"]
    before = {path: path.read_bytes() for path in Path().iterdir() if path.name.startswith("shop.db")}
    found, told = explained(pyrometer, shop)
    assert found["confidence"] == "high" and found["evidence"]["scan"] in ("SCAN r", "SCAN TABLE review AS r")
    assert "SCALAR SUBQUERY" in found["evidence"]["plan"] and not found["doubt"] and told == ""
    assert {path: path.read_bytes() for path in Path().iterdir() if path.name.startswith("shop.db")} == before
    text = run(pyrometer, "findings", shop, "--explain", "sqlite:shop.db")
    assert f"why   EXPLAIN: {found['evidence']['scan']}, so every row is read" in text


def test_a_plan_speaks_against_it(pyrometer: Path, shop: Path) -> None:
    change_shop("create index i on review (product)", "create index j on product (kind)")
    found, _ = explained(pyrometer, shop)
    assert found["confidence"] == "low" and "indexes" in found["doubt"] and "scan" not in found["evidence"]


def test_a_database_in_use_is_asked_without_a_lock(pyrometer: Path, shop: Path) -> None:
    writer = sqlite3.connect("shop.db")
    writer.execute("begin exclusive")
    assert explained(pyrometer, shop)[0]["confidence"] == "high"
    writer.rollback()
    writer.execute("pragma journal_mode = wal")
    writer.execute("create index i on review (product)")
    writer.execute("create index j on product (kind)")
    writer.commit()
    assert Path("shop.db-wal").stat().st_size > 0
    assert explained(pyrometer, shop)[0]["confidence"] == "low"  # what only the log has is seen
    writer.close()


def test_what_cannot_be_explained_is_told(pyrometer: Path, shop: Path) -> None:
    found, told = explained(pyrometer, shop, "sqlite:nowhere.db")
    assert found["confidence"] == "medium" and "unable to open database file" in told
    assert not Path("nowhere.db").exists()
    Path("none.db").write_bytes(b"no database" * 1000)
    assert "file is not a database" in explained(pyrometer, shop, "sqlite:none.db")[1]
    change_shop("alter table review rename to \"\x1b[31mred\"")
    assert "no such table: review" in explained(pyrometer, shop)[1]
    assert "pyrometer: cannot explain" in explained(pyrometer, shop, "postgresql://127.0.0.1:1/none")[1]
    run(pyrometer, "findings", shop, "--explain", "mysql:shop", status=2)


QUIET = {
    "steps alike": "def a(x): return sum(range(900))\ndef b(x): return sum(range(900))\ndef c(x): return sum(range(900))\n",
    "one step": "def a(x): return x\ndef b(x): return sum(range(4000))\nc = len\n",
}


@pytest.mark.parametrize("name", QUIET)
def test_loops_without_a_hot_line(pyrometer: Path, one: Python, name: str) -> None:
    loop = "def every(n):\n    for _ in range(n):\n        a([1])\n        b([1])\n        c([1])\nevery(4000)\n"
    found = findings(pyrometer, record(pyrometer, one, program(QUIET[name] + loop)))
    assert "hot-line" not in [finding["rule"] for finding in found]
