"""What `findings` says of programs, and what the probe tells of the queries they send.

Django and SQLAlchemy come from PyPI; where it cannot be reached, those tests are skipped by name. The others have small libraries of
the same names, with the functions that are recognised."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from clocks import clocked
from counting import command, installed
from pythons import REPOSITORY, Python, find_python

pytestmark = pytest.mark.beside

SECONDS = 120
STORIES = {
    "orders": (),
    "orders_django": ("django==5.2.8", "asgiref==3.13.0", "sqlparse==0.6.1"),
    "orders_sqlalchemy": ("sqlalchemy==2.0.44", "typing_extensions==4.16.0"),
}
FIXES = {
    "orders": "one query for all",
    "orders_django": '.select_related("customer") on the query of views.py:15',
    "orders_sqlalchemy": ".options(joinedload(Order.customer)) on the query of views.py:15",
}
PROBE = REPOSITORY / "build" / "src" / "probe" / "_probe.abi3.so"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def one() -> Python:
    """One Python, for what does not depend on its version."""
    python = find_python("3.12")
    if python.missing:
        pytest.skip(f"Python 3.12: {python.missing}")
    return python


def run(pyrometer: Path, *arguments: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        [pyrometer, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def record(pyrometer: Path, python: Python, *arguments: str | Path, options: tuple[str, ...] = (), status: int = 0) -> Path:
    recording = Path("x.pyro").absolute()
    done = subprocess.run(
        command(pyrometer, python, arguments, "-o", recording, *options),
        capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status, done.stderr
    return recording


def findings(pyrometer: Path, recording: Path) -> list[dict]:
    return json.loads(run(pyrometer, "findings", recording, "--json"))["findings"]


def queries(pyrometer: Path, recording: Path) -> list[dict]:
    """All that was told of queries, with the names of their functions."""
    run(pyrometer, "export", recording, "-f", "json", "-o", "x.json")
    told = json.loads(Path("x.json").read_text())
    for query in told["queries"]:
        for key in ("function", "sender"):
            query[key] = None if query[key] is None else told["functions"][query[key]]["name"]
    return told["queries"]


# -- the story, on each Python ------------------------------------------------------------------------


def story(python: Python, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a story, what it needs being installed."""
    if STORIES[name]:
        monkeypatch.setenv("PYTHONPATH", str(installed(python, name, *STORIES[name])))
    return REPOSITORY / "examples" / f"s01_{name}"


def culprit_of(folder: Path) -> int:
    """The line that looks at an order's customer."""
    lines = (folder / "shop" / "views.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if "order.customer.name" in line)


@pytest.mark.parametrize("name", STORIES)
def test_the_culprit_is_the_first_finding(
    pyrometer: Path, some_counted: Python, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_the_culprit(pyrometer, some_counted, name, "slow", monkeypatch)


@pytest.mark.parametrize("name", STORIES)
def test_the_decoy_changes_nothing_of_that(
    pyrometer: Path, one: Python, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_the_culprit(pyrometer, one, name, "decoy", monkeypatch)


def check_the_culprit(
    pyrometer: Path, python: Python, name: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = story(python, name, monkeypatch)
    arguments = [folder / f"orders_{variant}.py", "--customers", "30000", "--orders", "300"]
    for _ in range(3):  # half a second; where other tests hold the sampler up, another half
        found = findings(pyrometer, record(pyrometer, python, *arguments))
        if found:
            break
    first = found[0]
    assert first["rule"] == "n-plus-one" and first["tier"] == "algorithm"
    assert first["file"] == str(folder / "shop" / "views.py") and first["line"] == culprit_of(folder)
    assert first["function"] == "order_list" and first["fix"].startswith(FIXES[name])
    assert 290 <= first["evidence"]["queries"] <= 300  # SQLAlchemy keeps customers it has seen
    assert first["evidence"]["per_call"] == first["evidence"]["queries"]
    assert 0 < first["gain_low"] <= first["gain_s"] <= first["gain_high"]
    if STORIES[name]:
        assert first["confidence"] == "high" and "shop_order" in first["evidence"]["source_shape"]


@pytest.mark.alone  # a query that waits for a CPU or a disk is slow, and that is found
@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_found_in_what_is_fixed(
    pyrometer: Path, some_counted: Python, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = story(some_counted, name, monkeypatch)
    recording = record(pyrometer, some_counted, folder / "orders_fixed.py", "--customers", "3000", "--orders", "300")
    found = findings(pyrometer, recording)
    assert found == [], found
    told = run(pyrometer, "findings", recording)
    assert told.startswith("Nothing here is worth changing, as far as these rules see: n-plus-one, slow-query")
    assert "not looked for" not in told
    assert json.loads(run(pyrometer, "findings", recording, "--json"))["not_looked_for"] == []


@pytest.mark.parametrize("name", STORIES)
@clocked
def test_the_gain_is_within_a_factor_of_two(
    pyrometer: Path, one: Python, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a share of all time, so that a busy machine changes nothing; SQLite works in the process, so CPU time tells."""
    folder = story(one, name, monkeypatch)
    size = ["--customers", "60000", "--orders", "500"]
    cpu_s = {}
    for variant in ("slow", "fixed"):
        before = os.times()
        subprocess.run(one.command([folder / f"orders_{variant}.py", *size]), check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu_s[variant] = after.children_user + after.children_system - before.children_user - before.children_system
    recording = record(pyrometer, one, folder / "orders_slow.py", *size)
    told = json.loads(run(pyrometer, "findings", recording, "--json"))
    estimated = told["findings"][0]["gain_s"] / told["total_s"]
    real = 1 - cpu_s["fixed"] / cpu_s["slow"]
    assert real / 2 < estimated < real * 2


def test_run_prints_findings_after_its_table(pyrometer: Path, one: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = story(one, "orders", monkeypatch)
    text = run(pyrometer, "run", "--python", str(one.path), folder / "orders_slow.py", "--customers", "30000")
    lines = text.splitlines()
    found = json.loads(run(pyrometer, "findings", "--json"))["findings"]
    heading = "1 finding" if len(found) == 1 else f"{len(found)} findings"  # where CPUs are short, calls are long: maybe one more
    assert found and heading in lines, text
    at = lines.index(heading)
    assert "N+1: 846 queries from " in lines[at + 1] and f"views.py:{culprit_of(folder)}" in lines[at + 1]
    below = list(takewhile(lambda line: line.startswith("    "), lines[at + 2 :]))
    words = [line.split()[0] for line in below]
    assert words[-5:] == ["fix", "gain", "why", "query", "not"] and words[:-5] in ([], ["line"]), text
    assert 'row["customer"] = order.customer.name' in (below[0] if words[0] == "line" else lines[at + 1])
    assert re.search(r"^    not the problem: \S*serializers.py; free, it would save \d+ ms$", text, re.MULTILINE)
    assert run(pyrometer, "findings").splitlines()[:2] == lines[at : at + 2]
    clean = run(pyrometer, "run", "--python", str(one.path), "-c", "sum(range(3000000))")
    assert not re.search(r"^\d+ findings?$", clean, re.MULTILINE) and "worth changing" not in clean


# -- what is told of queries --------------------------------------------------------------------------

LIBRARIES = {
    "django/db/models/fields/related_descriptors.py": """
        from django.db.backends.utils import CursorWrapper
        class ForwardManyToOneDescriptor:
            def __get__(self, instance, owner=None):
                CursorWrapper().execute("SELECT * FROM customer WHERE id = %s", (instance.customer_id,))
        """,
    "django/db/backends/utils.py": """
        class CursorWrapper:
            def __init__(self, inner=None):
                self.inner = inner
            def execute(self, sql, params=None):
                return self._execute(sql, params)
            def _execute(self, sql, params, *ignored):
                if self.inner is not None:
                    return self.inner.execute(sql, params)
                if sql == "FAIL":
                    raise RuntimeError
            def executemany(self, sql, param_list):
                return self._executemany(sql, param_list)
            def _executemany(self, sql, param_list, *ignored):
                pass
        """,
    "psycopg/cursor.py": """
        class Cursor:
            def execute(self, query, params=None):
                pass
        """,
    "psycopg/cursor_async.py": """
        class AsyncCursor:
            async def execute(self, query, params=None):
                import asyncio
                await asyncio.sleep(0)
        """,
    "pymysql/cursors.py": """
        class Cursor:
            def execute(self, statement, args=None):
                "not the parameter that is read"
        """,
}


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Libraries that send queries nowhere."""
    folder = tmp_path / "site-packages"
    for name, text in LIBRARIES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def program(text: str) -> Path:
    path = Path("program.py").absolute()
    path.write_text(textwrap.dedent(text))
    return path


def test_counts_lines_and_parameters(pyrometer: Path, counted: Python, libraries: Path) -> None:
    script = program(
        """
        import datetime
        from django.db.backends.utils import CursorWrapper
        cursor = CursorWrapper()
        class Key:
            def __hash__(self):
                raise AssertionError("code of the program's ran")
        def ask():
            for i in range(30):
                cursor.execute("SELECT a FROM t WHERE b = %s", (i % 3,))
            for i in range(5):
                cursor.execute("SELECT a FROM t WHERE b = %s AND c = 'x'", [datetime.date(2024, 1, 1 + i), {"a": [i]}])
            cursor.execute("SELECT a FROM t WHERE k = %s", (Key(),))
            cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
            cursor.execute(object())
            try:
                cursor.execute("FAIL")
            except RuntimeError:
                pass
        ask()
        """
    )
    told = {query["shape"]: query for query in queries(pyrometer, record(pyrometer, counted, script))}
    lines = script.read_text().splitlines()

    def check(shape: str | None, source: str, **expected: object) -> None:
        query = told.pop(shape)
        assert query["function"] == "ask" and source in lines[query["line"] - 1]
        assert {key: query[key] for key in expected} == expected

    check("SELECT a FROM t WHERE b = ?", "(i % 3,)", count=30, distinct=3, not_compared=0, timed=30, many=False)
    check("SELECT a FROM t WHERE b = ? AND c = ?", "datetime.date", count=5, distinct=5, not_compared=0)
    check("SELECT a FROM t WHERE k = ?", "Key()", count=1, distinct=0, not_compared=1)
    check("INSERT INTO t VALUES (?)", "executemany", count=1, many=True, sender="CursorWrapper._executemany")
    check(None, "object()", count=1, timed=1)
    check("FAIL", '"FAIL"', count=1, timed=0)
    assert not told


def test_comparing_parameters_runs_no_code_of_the_program(pyrometer: Path, counted: Python, libraries: Path) -> None:
    script = program(
        """
        import datetime, decimal
        from django.db.backends.utils import CursorWrapper
        asked = 0
        class Zone(datetime.tzinfo):
            def utcoffset(self, moment):
                global asked
                asked += 1
                return datetime.timedelta(hours=1)
        class Day(datetime.date):
            def __hash__(self):
                global asked
                asked += 1
                return 1
        class Number(decimal.Decimal):
            __module__ = "decimal"
            __hash__ = Day.__hash__
        Number.__name__ = "Decimal"
        moment = datetime.datetime(2024, 1, 1)
        values = [moment.replace(tzinfo=Zone()), {"at": [moment.replace(tzinfo=Zone())]}, Day(2024, 1, 1), Number(1)]
        for value in values:
            CursorWrapper().execute("SELECT a", (value,))
        for i in range(1, 4):
            for value in (moment.replace(day=i), datetime.date(2024, 1, i), decimal.Decimal(i), -i, b"%d" % i, i / 2, None):
                CursorWrapper().execute("SELECT b", (value,))
        assert asked == 0, asked
        """
    )
    told = {query["shape"]: query for query in queries(pyrometer, record(pyrometer, counted, script))}
    assert [told["SELECT a"][key] for key in ("count", "distinct", "not_compared")] == [4, 0, 4]
    assert [told["SELECT b"][key] for key in ("count", "distinct", "not_compared")] == [21, 19, 0]


def test_what_is_loaded_lazily_is_named_without_running_code_of_the_program(
    pyrometer: Path, counted: Python, libraries: Path
) -> None:
    script = program(
        """
        from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
        class Field:
            pass
        class Slotted(ForwardManyToOneDescriptor):
            __slots__ = ("field",)
        class Computed(ForwardManyToOneDescriptor):
            @property
            def field(self):
                ran.append("code of the program's")
                return Field()
        ran = []
        class Order:
            customer_id = 1
        descriptor = Slotted()
        descriptor.field = Field()
        descriptor.field.name, descriptor.field.model = "customer", Order
        descriptor.__get__(Order())
        Computed().__get__(Order())
        assert not ran
        """
    )
    told = queries(pyrometer, record(pyrometer, counted, script))
    assert [(query["relation"], query["owner"], query["count"]) for query in told] == [
        ("customer", "Order", 1),
        (None, None, 1),
    ]


def test_a_query_within_a_query_is_one(pyrometer: Path, counted: Python, libraries: Path) -> None:
    script = program(
        """
        import asyncio
        from django.db.backends.utils import CursorWrapper
        from psycopg.cursor import Cursor
        from psycopg.cursor_async import AsyncCursor
        from pymysql.cursors import Cursor as Other
        wrapped, plain, other = CursorWrapper(Cursor()), Cursor(), Other()
        for i in range(10):
            wrapped.execute("SELECT 1", ())
            plain.execute("SELECT a", ())
            other.execute("SELECT b", ())
        async def ask():
            await asyncio.gather(*(AsyncCursor().execute("SELECT c", (i,)) for i in range(7)))
        asyncio.run(ask())
        """
    )
    told = queries(pyrometer, record(pyrometer, counted, script))
    assert sorted((query["sender"], query["shape"], query["count"], query["timed"]) for query in told) == [
        ("AsyncCursor.execute", "SELECT c", 7, 7),
        ("Cursor.execute", "SELECT a", 10, 10),
        ("CursorWrapper._execute", "SELECT ?", 10, 10),
    ]


@pytest.mark.parametrize("options", [(), ("--trace",), ("--no-c-calls",)])
def test_threads_and_modes(pyrometer: Path, counted: Python, libraries: Path, options: tuple[str, ...]) -> None:
    script = program(
        """
        import threading
        from django.db.backends.utils import CursorWrapper
        def ask():
            cursor = CursorWrapper()
            for i in range(500):
                cursor.execute("SELECT a", (i,))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """
    )
    (query,) = queries(pyrometer, record(pyrometer, counted, script, options=options))
    assert (query["count"], query["timed"], query["distinct"], query["function"]) == (4000, 4000, 500, "ask")


def test_a_program_that_is_killed_loses_nothing(pyrometer: Path, counted: Python, libraries: Path) -> None:
    script = program(
        """
        import os, signal, time
        from django.db.backends.utils import CursorWrapper
        cursor = CursorWrapper()
        for i in range(1234):
            cursor.execute("SELECT a", (i,))
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    (query,) = queries(pyrometer, record(pyrometer, counted, script, status=-9))
    assert query["count"] == 1234


@pytest.mark.parametrize("follow", [True, False])
def test_a_forked_child_counts_its_own(pyrometer: Path, counted: Python, libraries: Path, follow: bool) -> None:
    script = program(
        """
        import os
        from django.db.backends.utils import CursorWrapper
        cursor = CursorWrapper()
        def ask(times):
            for i in range(times):
                cursor.execute("SELECT a", (i,))
        ask(10)
        child = os.fork()
        if not child:
            ask(100)
            os._exit(0)
        os.waitpid(child, 0)
        ask(1)
        """
    )
    if counted.root is not None and not follow:
        pytest.skip("a command in another root is followed always")
    recording = record(pyrometer, counted, script, options=("--subprocesses",) if follow else ())
    told = [(query["count"], query["distinct"]) for query in queries(pyrometer, recording)]
    assert sorted(told) == ([(11, 10), (100, 100)] if follow else [(11, 10)])


def test_too_many_shapes_are_counted_as_lost(pyrometer: Path, one: Python, libraries: Path) -> None:
    script = program(
        """
        from django.db.backends.utils import CursorWrapper
        cursor = CursorWrapper()
        for i in range(5000):
            cursor.execute(f"SELECT a{i}", ())
        for i in range(5000):
            cursor.execute(f"SELECT a{i % 10}", ())
        """
    )
    recording = record(pyrometer, one, script)
    told = queries(pyrometer, recording)
    assert len(told) <= 2 * 4096 and sum(query["count"] for query in told) + lost(pyrometer, recording) == 10000
    assert lost(pyrometer, recording) > 0
    assert "queries found no room" in run(pyrometer, "findings", recording)


def lost(pyrometer: Path, recording: Path) -> int:
    return json.loads(run(pyrometer, "findings", recording, "--json"))["queries_lost"]


def test_no_value_is_kept(pyrometer: Path, counted: Python, libraries: Path) -> None:
    """Neither of the text nor of the parameters; the secret is not in the source, which recordings do hold."""
    script = program(
        """
        from django.db.backends.utils import CursorWrapper
        cursor = CursorWrapper()
        secret = bytes(byte ^ 1 for byte in b"itouds3").decode()
        for text in ("SELECT '%s'", 'SELECT a WHERE b = "%s"', "SELECT $$%s$$ -- %s", "SELECT 'a\\\\' , '%s'"):
            cursor.execute(text.replace("%s", secret), (secret, {secret: [secret]}))
        """
    )
    recording = record(pyrometer, counted, script)
    assert sum(query["count"] for query in queries(pyrometer, recording)) == 4
    assert "hunter2" not in Path("x.json").read_text()


STOPPED = """
import _imp, os, struct, sys
class Spec:
    name, origin = "pyrometer._probe", sys.argv[1]
def count(wanted):
    probe = _imp.create_dynamic(Spec)
    _imp.exec_dynamic(probe)
    memory = os.memfd_create("pyrometer")
    os.ftruncate(memory, 16384 * 64)
    os.pwrite(memory, struct.pack("<QIIII", 0x31656c6261547950, 16384, 64, 1, 0), 0)
    probe.start(memory, True, False, False)
    return probe
probe = count("wanted")
from django.db.backends.utils import CursorWrapper
code = CursorWrapper._execute.__code__
for i in range(10):
    CursorWrapper().execute("SELECT a", (i,))
tool = next(i for i in range(6) if sys.monitoring.get_tool(i) == "pyrometer")
assert sys.monitoring.get_local_events(tool, code)
probe.stop()
assert not any(sys.monitoring.get_tool(i) for i in range(6))
sys.monitoring.use_tool_id(tool, "other")
assert not sys.monitoring.get_local_events(tool, code)
CursorWrapper().execute("SELECT a", (i,))
print("clean")
"""


def test_a_stop_leaves_no_event_behind(one: Python, libraries: Path) -> None:
    done = subprocess.run(one.command(["-c", STOPPED, PROBE]), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout == "clean\n", done.stderr


LOOK = """
import sys
from collections.abc import Iterator
from itertools import takewhile
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
import django
django.setup()
from django.db import connection
from django.db.backends.signals import connection_created
with connection.cursor() as cursor:
    cursor.execute("select 1")
    print(type(cursor), cursor.fetchall())
print(connection.execute_wrappers, connection_created.receivers, sys.meta_path, sys.path_hooks)
print(sorted(sys.modules))
print(sys.getprofile() if sys.version_info >= (3, 12) else "")
"""


def test_django_sees_nothing_of_us(pyrometer: Path, some_counted: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    if some_counted.root is not None:
        pytest.skip("its output is compared where it runs directly")
    story(some_counted, "orders_django", monkeypatch)
    plain = subprocess.run(some_counted.command(["-c", LOOK]), capture_output=True, text=True, timeout=SECONDS, check=True)
    ours = subprocess.run(
        command(pyrometer, some_counted, ["-c", LOOK], "-o", "x.pyro"),
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )
    assert without_addresses(ours.stdout) == without_addresses(plain.stdout)
    assert sum(query["count"] for query in queries(pyrometer, Path("x.pyro"))) == 1


def without_addresses(text: str) -> str:
    return re.sub(" at 0x[0-9a-f]+", "", text)


# -- lists that are searched --------------------------------------------------------------------------


def cpu_share_saved(python: Python, slow: list[str | Path], fixed: list[str | Path]) -> float:
    """What part of its CPU time SLOW does not take where it is FIXED: other programs change nothing."""
    cpu_s = []
    for arguments in (slow, fixed):
        before = os.times()
        subprocess.run(python.command(arguments), check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu_s.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return 1 - cpu_s[1] / cpu_s[0]


def check_story(pyrometer: Path, python: Python, folder: Path, name: str, culprit: str, rule: str, *size: str) -> dict:
    """The slow program's first finding is the CULPRIT's line, with a gain that is really had; nothing is found in the fixed one."""
    slow, fixed = folder / f"{name}_slow.py", folder / f"{name}_fixed.py"
    recording = record(pyrometer, python, slow, *size)
    told = json.loads(run(pyrometer, "findings", recording, "--json"))
    first = told["findings"][0]
    assert first["rule"] == rule and first["file"] == str(slow)
    assert culprit in slow.read_text().splitlines()[first["line"] - 1]
    saved = cpu_share_saved(python, [slow, *size], [fixed, *size])
    assert saved / 2 < first["gain_s"] / told["total_s"] < saved * 2
    assert findings(pyrometer, record(pyrometer, python, fixed, *size)) == []
    return first


BLOCKED = REPOSITORY / "examples" / "s04_blocked"


def test_the_list_of_blocked_users_is_found(pyrometer: Path, some_counted: Python) -> None:
    size = ("--messages", "8000")
    first = check_story(pyrometer, some_counted, BLOCKED, "blocked", "not in blocked", "list-membership", *size)
    assert first["evidence"]["shortest"] == first["evidence"]["longest"] == 3000
    assert first["confidence"] == "high" and "a set once" in first["fix"]
    decoy = findings(pyrometer, record(pyrometer, some_counted, BLOCKED / "blocked_decoy.py", *size))
    assert [finding["rule"] for finding in decoy] == ["list-membership"]


SEARCHES = {
    "catalogue of a library's rows": (
        """
        import csv, io
        class Catalogue:
            def __init__(self, numbers):
                self.numbers = tuple(f"{number:06}" for number in numbers)
            def unknown(self, rows):
                return [row for row in rows if not row["article"] in self.numbers]  # here
        text = io.StringIO("article,price\\n" + "".join(f"{n * 3:06},1\\n" for n in range(6000)))
        print(len(Catalogue(range(1500)).unknown(csv.DictReader(text))))
        """,
        False,
    ),
    "words that were seen": (
        """
        def distinct(words, seen):
            for word in words:
                if word in seen:  # here
                    continue
                seen += [word]
            return seen
        print(len(distinct((f"w{n * 7919 % 2500}" for n in range(9000)), [])))
        """,
        True,
    ),
    "positions in an order": (
        """
        order = [f"stage {n}" for n in range(2000)]
        def rank(jobs):
            return sorted(jobs, key=lambda job: order.index(job[0]))  # here
        print(len(rank([(f"stage {n * 13 % 2000}", n) for n in range(8000)])))
        """,
        True,
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_other_searches_are_found(pyrometer: Path, some_counted: Python, name: str) -> None:
    text, doubted = SEARCHES[name]
    script = program(text)
    first = findings(pyrometer, record(pyrometer, some_counted, script))[0]
    assert first["rule"] == "list-membership" and "# here" in script.read_text().splitlines()[first["line"] - 1]
    assert (first["confidence"] == "low") == doubted


NO_SEARCHES = """
    import gc
    gc.disable()  # what many lists cost it is another finding
    def sets(items, keys, text):
        return sum(i in items for i in range(300000)) + sum(i in keys for i in range(300000)) + sum("y" in text for i in range(90))
    def short(items):
        hits = 0
        for i in range(900000):
            hits += i in items
        return hits
    def rows(table):
        return sum(-1 in row for row in table)
    def once(items):
        return -1 in items
    print(sets(set(range(1000)), dict.fromkeys(range(1000)), "x" * 500000))
    print(short([1, 2, 3, 4, 5]) + short((1, 2, 3)))
    print(rows([list(range(i, i + 1000)) for i in range(3000)]))
    print(once(list(range(4000000))))
    """


def test_sets_short_lists_and_rows_are_left_alone(pyrometer: Path, some_counted: Python) -> None:
    recording = record(pyrometer, some_counted, program(NO_SEARCHES))
    assert findings(pyrometer, recording) == []


def lists_seen(pyrometer: Path, python: Python, target: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """By the function of TARGET that searches, the shortest and the longest list that samples saw it search."""
    run(pyrometer, "export", record(pyrometer, python, target), "-f", "json", "-o", "x.json")
    told = json.loads(Path("x.json").read_text())
    for lookup in told["lookups"]:
        function = told["functions"][told["frames"][lookup["frame"]]["function"]]
        if function["file"] == str(target) and lookup["looked"]:
            assert lookup["looked"] <= lookup["testing"] <= lookup["samples"]
            # From 3.14 on the frame's own stack pointer tells the place, which for a moment before and after the search is not that of
            # the container (longer on 3.15); what is seen then is no list, never a wrong one.
            astray = 0.2 * lookup["looked"] + 1 if python.minor >= (3, 14) else 0
            assert lookup["looked"] - astray <= lookup["lists"] <= lookup["looked"]
            if lookup["lists"]:
                yield function["name"].partition(".")[0], (lookup["shortest"], lookup["longest"])


def test_the_container_is_found_wherever_it_lies(pyrometer: Path, counted: Python) -> None:
    """Not the value beside it on the stack: each list has a length of its own."""
    if counted.free_threaded:
        pytest.skip("the probe does not tell where containers lie without a GIL")
    target = REPOSITORY / "tests" / "targets" / "containers.py"
    spaces: dict = {}
    exec(target.read_text().partition("LISTS =")[0], spaces)
    lengths: dict[str, set[tuple[int, int]]] = {}
    for _ in range(6):  # where others have the CPUs, no sample may meet one of the functions
        for name, seen in lists_seen(pyrometer, counted, target):
            lengths.setdefault(name, set()).add(seen)
        if len(lengths) == len(spaces["LENGTHS"]):
            break
    assert lengths == {name: {(length, length)} for name, length in spaces["LENGTHS"].items()}


# -- calls that are repeated --------------------------------------------------------------------------

RATES = REPOSITORY / "examples" / "s08_rates"


def test_the_rate_that_is_asked_again_is_found(pyrometer: Path, some_counted: Python) -> None:
    size = ("--orders", "2000")
    first = check_story(pyrometer, some_counted, RATES, "rates", "def rate(", "repeated-call", *size)
    assert first["function"] == "rate" and first["confidence"] == "low" and first["doubt"]
    assert [first["evidence"][key] for key in ("calls", "distinct", "not_compared")] == [2000, 24, 0]
    assert "lru_cache(maxsize=128)" in first["fix"]
    (decoy,) = findings(pyrometer, record(pyrometer, some_counted, RATES / "rates_decoy.py", *size))
    assert decoy["rule"] == "repeated-call"


REPETITIONS = {
    "keywords and a library": """
        import hashlib
        class Store:
            @staticmethod
            def key(password, *, salt=b"pepper", rounds=(1, 2)):  # here: the line of the decorator
                return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 300 * sum(rounds))
        names = ["anna", "bert", "carla"]
        print(len({Store.key(names[i % 3], salt=b"x") for i in range(700)}))
        """,
    "recursion": """
        def paths(width, height):  # here
            if not width or not height:
                return 1
            return paths(width - 1, height) + paths(width, height - 1)
        print(paths(12, 12))
        """,
    "methods": """
        import hashlib
        class Kind:
            def __init__(self, name):
                self.name, self.children = name, [1]
        class Tree:
            limit = 3
            def __init__(self, kind):
                self.kind, self.seen = kind, {}
            def digest(self, kind, of):  # here
                key = (self.kind + kind.name).encode()
                return {"digest": [hashlib.pbkdf2_hmac("sha256", key, b"s", 300).hex()]}
        trees, kinds = [Tree("a"), Tree("b")], [Kind("x"), Kind("y")]
        vars(trees[1]), vars(kinds[1])  # these have a dict now
        print(len({str(trees[i % 2].digest(kinds[i % 3 == 0], Tree)) for i in range(700)}))
        """,
    "lists and dicts": """
        def shipping(basket, prices):  # here
            total = 0
            for i in range(2000):
                total += sum(prices[item] for item in basket)
            return total
        baskets = [["a", "b"], ["b"], ["c", "a", "a"]]
        print(sum(shipping(baskets[i % 3], {"a": 1, "b": 2, "c": 3.5}) for i in range(150)))
        """,
}


@pytest.mark.parametrize("name", REPETITIONS)
def test_other_repetitions_are_found(pyrometer: Path, some_counted: Python, name: str) -> None:
    script = program(REPETITIONS[name])
    first = findings(pyrometer, record(pyrometer, some_counted, script))[0]
    lines = script.read_text().splitlines()
    assert first["rule"] == "repeated-call"
    assert "# here" in lines[first["line"] - 1] or "# here" in lines[first["line"]]


NO_REPETITIONS = """
    import functools, hashlib
    def work(seed):
        return hashlib.pbkdf2_hmac("sha256", str(seed).encode(), b"s", 100).hex()
    def draw(text):
        work(text + "0")
    def spend():
        hashlib.pbkdf2_hmac("sha256", b"", b"s", 100)
    class Counter:
        def __init__(self):
            self.value = 0
        def next(self, step):
            self.value += step
            return work(self.value)
    def number():
        return work(len(seen))
    def stream(name):
        yield work(name + str(len(seen)))
    class Key:
        def __hash__(self):
            raise AssertionError("code of the program's ran")
        __eq__ = __hash__
    def by_key(key):
        return work(id(key) + len(seen))
    @functools.lru_cache(maxsize=8)
    def cached(name):
        return work(name)
    def page(number):
        def table(depth):
            return work(depth + number)
        return table
    class Reader:
        def __init__(self):
            self.buffer = [0]
        def read(self, size):
            spend()
            self.buffer[0] += size
            return self.buffer[0]
        def copy(self):
            spend()
            return [Reader()]
    class Short:
        def __init__(self, number):
            self.number = number
        def is_odd(self):
            spend()
            return self.number % 1 == 1
    class Slots:
        __slots__ = ("number",)
        def is_odd(self):
            spend()
            return self.number % 1 == 1
    def fill(row, by):
        spend()
        row["total"] = row["count"] * by
        return row
    class Words(list):
        def joined(self):
            spend()
            return ""
    def apart(name):
        spend()
        if len(seen) % 7 == 6:
            raise KeyError(name)
        return len(seen) > 20 or {"name": name}
    seen, counter, key, reader, slots, words = [], Counter(), Key(), Reader(), Slots(), Words()
    for i in range(300):
        seen.append(None)
        page(i)(1)
        reader.read(3), reader.copy(), Short(i).is_odd()
        slots.number = i
        slots.is_odd()
        fill({"count": 3}, 2)
        words.append(i)
        words.joined()
        try:
            apart("a")
        except KeyError:
            pass
        counter.next(1), number(), list(stream("a")), by_key(key), cached(f"n{i % 3}"), work(i)
    for i in range(3000):
        draw(f"{i}")
    """


def test_new_arguments_objects_and_answers_are_left_alone(pyrometer: Path, some_counted: Python) -> None:
    recording = record(pyrometer, some_counted, program(NO_REPETITIONS))
    assert findings(pyrometer, recording) == []
    run(pyrometer, "export", recording, "-f", "json", "-o", "x.json")
    told = json.loads(Path("x.json").read_text())
    looked = {told["functions"][one["function"]]["name"]: one for one in told["arguments"]}
    assert {"draw", "number", "stream", "Counter.__init__", "page.<locals>.table"}.isdisjoint(looked)
    # other answers to the same, or objects: no more is looked at
    for name in "by_key", "Reader.read", "Reader.copy", "apart", "fill":
        assert 8 <= looked[name]["not_compared"] == looked[name]["looked"] < 64, name
    # what their state is cannot be told
    for name in "Slots.is_odd", "Words.joined":
        assert looked[name]["not_compared"] == looked[name]["looked"] == 64, name
    # another object each time, or another state of it
    for name in "Counter.next", "Short.is_odd":
        assert looked[name]["distinct"] == looked[name]["looked"] == 300, name
    assert looked["cached"]["looked"] == looked["cached"]["distinct"] == 3
    assert looked["work"]["looked"] == 1000 and looked["work"]["not_compared"] == 0


def test_a_forked_child_compares_its_own_arguments(pyrometer: Path, one: Python) -> None:
    script = program(
        """
        import os
        def rate(name):
            return len(name)
        def ask(times):
            for i in range(times):
                rate(f"n{i % 7}")
        ask(10)
        child = os.fork()
        if not child:
            ask(100)
            os._exit(0)
        os.waitpid(child, 0)
        ask(1)
        """
    )
    for options, looked, distinct in (((), 11, 7), (("--subprocesses",), 111, 14)):
        run(pyrometer, "export", record(pyrometer, one, script, options=options), "-f", "json", "-o", "x.json")
        told = json.loads(Path("x.json").read_text())
        (rate,) = [one for one in told["arguments"] if told["functions"][one["function"]]["name"] == "rate"]
        assert (rate["looked"], rate["distinct"]) == (looked, distinct)


# -- words ----------------------------------------------------------------------------------------------

# -- collections and imports ----------------------------------------------------------------------------

MODEL = """
    import gc, sys
    def load(count):
        return [{"name": str(i), "price": [i, {"net": i}]} for i in range(count)]  # culprit
    if sys.argv[1:]:
        gc.disable()
    print(len(load(400000)))
    """


@pytest.mark.parametrize("version", ("3.12", "3.13"))
def test_a_model_that_is_collected_again_and_again_is_found(pyrometer: Path, version: str) -> None:
    """Until 3.13, what lives is gone through whenever it has grown by a quarter."""
    python = find_python(version)
    if python.missing:
        pytest.skip(f"Python {version}: {python.missing}")
    script = program(MODEL)
    (found,) = findings(pyrometer, record(pyrometer, python, script))
    assert (found["rule"], found["tier"], found["evidence"]["called_s"]) == ("garbage-collection", "memory", 0)
    assert "# culprit" in script.read_text().splitlines()[found["line"] - 1]
    assert found["gain_low"] <= found["gain_s"] <= found["gain_high"]
    assert findings(pyrometer, record(pyrometer, python, script, "disabled")) == []


IMPORTS = {
    "heavy": """
        import helper
        helper.prepare()
        TABLE = sum(i * i for i in range(1500000))
        def work():
            return TABLE
        """,
    "helper": """
        RATES = [i * 0.5 for i in range(300000)]
        def prepare():
            RATES.sort(key=lambda rate: -rate)
        def mark(function):
            return function
        """,
    "shop": """
        import helper
        @helper.mark
        def sell(count):
            return sum(i % 7 for i in range(count))
        """,
}


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMPORTS, as if they were installed."""
    folder = Path("site-packages").absolute()
    folder.mkdir()
    for name, text in IMPORTS.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("packages")
def test_an_import_that_is_not_used_is_found(pyrometer: Path, some_counted: Python) -> None:
    script = program("import heavy  # culprit\ndef report():\n    return heavy.work()\nprint(sum(range(999)))\n")
    (found,) = findings(pyrometer, record(pyrometer, some_counted, script))
    assert (found["rule"], found["file"], found["line"]) == ("unused-import", str(script), 1)
    assert found["evidence"]["modules"] == 2 and found["evidence"]["imported"] == "heavy.py"
    fixed = program("def report():\n    import heavy\n    return heavy.work()\nprint(sum(range(999)))\n")
    assert findings(pyrometer, record(pyrometer, some_counted, fixed)) == []


@pytest.mark.usefixtures("packages")
def test_what_is_used_is_no_unused_import(pyrometer: Path, some_counted: Python) -> None:
    """By the program, and by the body of a module that is used: then that part is left out."""
    script = program("import heavy\nprint(heavy.work())\n")
    assert findings(pyrometer, record(pyrometer, some_counted, script)) == []
    script = program("import heavy\nimport shop\nprint(shop.sell(1000000))\n")
    (found,) = findings(pyrometer, record(pyrometer, some_counted, script))
    assert found["rule"] == "unused-import" and found["evidence"]["modules"] == 1


def test_the_document_has_the_rules_of_the_program(pyrometer: Path) -> None:
    rules = run(pyrometer, "findings", "--rules")
    assert rules.count("### ") >= 3
    assert rules in (REPOSITORY / "docs" / "findings.md").read_text()


def test_a_file_that_is_none_is_refused(pyrometer: Path) -> None:
    Path("none.pyro").write_text("no recording")
    run(pyrometer, "findings", "none.pyro", status=4)
    run(pyrometer, "findings", status=4)


