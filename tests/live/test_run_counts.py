"""What `run` shows of the calls it counted: the table, the mark of a probable bug, the fair times."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from counting import count
from clocks import clocked
from pythons import REPOSITORY, Python, find_python

ORDERS = REPOSITORY / "examples" / "s01_orders"
EQUAL = REPOSITORY / "bench" / "targets" / "equal.py"
SECONDS = 120
MARK = "\N{BLACK RIGHT-POINTING TRIANGLE}"
COUNTED = ("3.11", "3.12", "3.13")  # in this root, so that `run` finds the program of each

CLEAN = {
    "numbers": """
def mandelbrot(size):
    inside = 0
    for y in range(size):
        for x in range(size):
            z, c = 0j, complex(2.5 * x / size - 2, 2.5 * y / size - 1.25)
            for _ in range(40):
                z = z * z + c
                if z.real * z.real + z.imag * z.imag > 4:
                    break
            else:
                inside += 1
    return inside
print(mandelbrot(140))
""",
    "texts": """
import collections, re
def count(text):
    return collections.Counter(re.findall("[a-z]+", text.lower())).most_common(3)
print(count("The quick brown fox jumps over the lazy dog. " * 60000))
""",
    "json": """
import json
def round_trip(rows):
    return json.loads(json.dumps(rows))
print(len(round_trip([{"id": i, "name": str(i), "tags": ["a", "b"]} for i in range(60000)])))
""",
    "sorting": """
import random
def ranks(size):
    chance = random.Random(1)
    values = chance.sample(range(10 * size), size)
    return {value: rank for rank, value in enumerate(sorted(values))}
print(len(ranks(150000)))
""",
    "sql": """
import sqlite3
def report(database):
    return database.execute("select b, sum(a) from t group by b order by 2 desc").fetchall()
database = sqlite3.connect(":memory:")
database.execute("create table t(a, b)")
database.executemany("insert into t values (?, ?)", ((i, i % 97) for i in range(60000)))
print(sum(len(report(database)) for _ in range(6)))
""",
}

@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=COUNTED)
def probed(request: pytest.FixtureRequest) -> Python:
    found = find_python(request.param)
    if found.missing:
        pytest.skip(f"Python {found.id}: {found.missing}")
    return found


def run(pyrometer: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [pyrometer, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def functions(pyrometer: Path, recording: str) -> dict[str, dict]:
    found = json.loads(run(pyrometer, "stats", recording, "--json", "-n", "0"))
    return {function["name"]: function for function in found["functions"]}


def test_the_slow_orders_are_marked_and_the_queries_counted(
    pyrometer: Path, probed: Python
) -> None:
    table = run(pyrometer, "run", "--python", str(probed.path), ORDERS / "orders_slow.py")
    assert re.search(rf"^{MARK} +846 .*ForeignKey.__get__", table, re.MULTILINE), table
    assert "x846 per call of order_list (views.py:" in table
    assert re.search(r"^ *847 .*{method 'execute' of 'sqlite3.Cursor' objects}", table, re.MULTILINE)
    assert "% waiting (database" in table.splitlines()[1]
    assert re.search(r"^\d+ calls counted; that took", table, re.MULTILINE)


def test_the_fixed_orders_are_not_marked(pyrometer: Path, probed: Python) -> None:
    table = run(pyrometer, "run", "--python", str(probed.path), ORDERS / "orders_fixed.py")
    assert MARK not in table and "calls counted" in table


@pytest.mark.parametrize("name", CLEAN)
def test_clean_programs_are_not_marked(pyrometer: Path, tmp_path: Path, name: str) -> None:
    python = find_python("3.12")
    if python.missing:
        pytest.skip(f"Python 3.12: {python.missing}")
    (tmp_path / "clean.py").write_text(CLEAN[name])
    table = run(pyrometer, "run", "--python", str(python.path), "clean.py")
    assert MARK not in table and "calls counted" in table, table


@clocked
def test_counting_leaves_the_times_fair(pyrometer: Path, probed: Python) -> None:
    """Two functions of about the same cost, one of them 3 million calls: counts exact, and the times far from the
    several times apart of a tracer (how near they come is measured by bench/)."""
    if probed.minor == (3, 11):
        pytest.skip("3.11 runs all code slower while it is counted: decision 14")
    run(pyrometer, "run", "--python", str(probed.path), "-o", "equal.pyro", EQUAL)
    found = functions(pyrometer, "equal.pyro")
    assert found["tiny"]["ncalls"] == 20 * 150000
    assert found["tiny"]["callers"][0]["ncalls"] == 20 * 150000
    assert found["many_calls"]["ncalls"] == found["few_calls"]["ncalls"] == 20
    assert found["many_calls"]["cumtime_s"] < 2 * found["few_calls"]["cumtime_s"]
    removed = found["tiny"]["probe_s"] + found["many_calls"]["probe_s"]
    assert removed > 0.01 and found["few_calls"]["probe_s"] < removed / 10


def test_without_c_calls_only_python_is_counted(
    pyrometer: Path, tmp_path: Path, probed: Python
) -> None:
    (tmp_path / "both.py").write_text(
        "def f(x):\n    return len(x)\nfor _ in range(20000):\n    f('abc')\n"
    )
    arguments = ("run", "--no-c-calls", "--python", str(probed.path), "-o", "both.pyro", "both.py")
    run(pyrometer, *arguments)
    found = functions(pyrometer, "both.pyro")
    assert found["f"]["ncalls"] == 20000
    assert not [name for name, function in found.items() if function["kind"] == "c"]


def test_a_python_too_old_is_told_so(pyrometer: Path) -> None:
    old = find_python("3.8")
    if old.missing:
        pytest.skip(f"Python 3.8: {old.missing}")
    code = "print(sum(i * i for i in range(1000000)))"
    table = run(pyrometer, "run", "--python", str(old.path), "-c", code)
    assert "ncalls and percall are -: calls can be counted on Python 3.11 and newer" in table


def test_the_reason_is_told_with_a_file_too(pyrometer: Path) -> None:
    old = find_python("3.8")
    if old.missing:
        pytest.skip(f"Python 3.8: {old.missing}")
    ours = [pyrometer, "run", "--python", str(old.path), "-o", "x.svg", "-c", "sum(range(10**6))"]
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stderr.splitlines()[1:] == [
        "pyrometer: not counted: calls can be counted on Python 3.11 and newer"
    ]


def test_starting_to_count_is_one_row(
    pyrometer: Path, counted: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe's loops that measure its own cost, of `run` and of a Profile in the program, are no functions of the
    program's; but the time that they took is there."""
    probe = next((above / "src/probe/_probe.abi3.so" for above in pyrometer.parents), None)
    if not probe or not probe.exists():
        pytest.skip("no probe beside the program under test")
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(probe))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "python"))
    (tmp_path / "p.py").write_text(
        "import pyrometer\ndef f(x): return abs(x)\nprofile = pyrometer.Profile()\nprofile.runcall(f, -1)\nf(-2)\n"
    )
    done = count(pyrometer, counted, ["p.py"])
    assert done.of("f") == 2 and done.callers("{built-in method builtins.abs}") == {"f": 2}
    found = json.loads(run(pyrometer, "stats", done.recording, "--json", "-n", "0"))
    rows = {row["name"]: row for row in found["functions"]}
    assert not {"nothing", "calibrate_calls", "python", "from_c"} & rows.keys()
    assert not [row for row in found["functions"] if row["file"] == "<pyrometer>"]
    own = rows["[pyrometer starts to count]"]
    assert own["kind"] == "special" and own["ncalls"] is None and own["tottime_s"] > 0.001
    callers = {caller["name"] for row in found["functions"] for caller in row["callers"] if caller["ncalls"]}
    assert not {"_begin", "_count", "nothing"} & callers


@pytest.mark.parametrize("probed", ["3.12"], indirect=True)
def test_exports_have_the_times_of_the_table(pyrometer: Path, probed: Python) -> None:
    """What counting cost is taken out of a picture as it is taken out of the table."""
    run(pyrometer, "run", "--python", str(probed.path), "-o", "equal.pyro", EQUAL)
    found = functions(pyrometer, "equal.pyro")
    totals = json.loads(run(pyrometer, "stats", "equal.pyro", "--json", "-n", "0"))["totals"]
    assert found["tiny"]["probe_s"] + found["many_calls"]["probe_s"] > 0.01
    run(pyrometer, "export", "equal.pyro", "-F", "-f", "speedscope", "-o", "equal.json")
    speedscope = json.loads(Path("equal.json").read_text())
    own_us: Counter[str] = Counter()
    for part in speedscope["profiles"]:
        for stack, weight in zip(part["samples"], part["weights"], strict=True):
            own_us[speedscope["shared"]["frames"][stack[-1]]["name"]] += weight
    assert own_us["tiny"] / 1e6 == pytest.approx(found["tiny"]["tottime_s"], rel=1e-3)
    assert own_us["few_calls"] / 1e6 == pytest.approx(found["few_calls"]["tottime_s"], rel=1e-3)
    assert own_us.total() / 1e6 == pytest.approx(totals["total_s"], rel=1e-3)


def test_pstats_reads_the_counts(pyrometer: Path, tmp_path: Path, probed: Python) -> None:
    (tmp_path / "p.py").write_text("def f(x):\n    return abs(x)\nfor i in range(30000):\n    f(i)\n")
    run(pyrometer, "run", "--python", str(probed.path), "-o", "p.prof", "p.py")
    script = (
        "import pstats; s = pstats.Stats('p.prof').stats\n"
        "print([v[:2] + tuple(c[0] for c in v[4].values()) for k, v in s.items() if k[2] == 'f'])"
    )
    assert probed.run(["-c", script]).stdout.strip() == "[(30000, 30000, 30000)]"
