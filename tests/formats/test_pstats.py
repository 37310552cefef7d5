"""Our .prof files in Python's own pstats, the oldest and a new one, and in snakeviz, tuna and gprof2dot."""

from __future__ import annotations

import json
import pstats
import subprocess
import sys
from pathlib import Path

import pytest
from format_helpers import Export, function_named
from pythons import all_pythons

pytestmark = pytest.mark.beside

READERS = [python for python in all_pythons() if python.id in ("3.8", "3.13")]

# Runs in the reading Python: prints its tables to nowhere and what it understood as JSON.
READ = """
import io, json, pstats, sys
stats = pstats.Stats(sys.argv[1], stream=io.StringIO())
stats.sort_stats("cumulative").print_stats(20)
stats.print_callers("down")
stats.print_callees("main")
stats.strip_dirs().sort_stats("ncalls", "nfl").print_stats()
rows = [[name, tt, ct, len(callers)] for (_, _, name), (_, _, tt, ct, callers) in stats.stats.items()]
print(json.dumps([stats.total_tt, rows]))
"""


@pytest.fixture(scope="module")
def prof(export: Export) -> Path:
    return export("pstats", "busy.prof")


@pytest.mark.parametrize("reader", READERS, ids=[python.id for python in READERS])
def test_pstats_reads_it(reader, prof: Path, stats: dict) -> None:
    if reader.missing:
        pytest.skip(f"Python {reader.id}: {reader.missing}")
    done = subprocess.run(reader.command(["-c", READ, prof]), capture_output=True, text=True, check=True)
    total, rows = json.loads(done.stdout)
    totals = stats["totals"]
    assert total == pytest.approx(totals["total_s"] - totals["no_python_s"], abs=1e-3)
    by_name = {name: (tottime, cumtime) for name, tottime, cumtime, _ in rows}
    for name in ("main", "down", "hostile_spin"):
        row = function_named(stats, name)
        assert by_name[name] == pytest.approx((row["tottime_s"], row["cumtime_s"]), abs=1e-5)


def test_callers_have_the_four_figures(prof: Path) -> None:
    read = pstats.Stats(str(prof)).stats
    down = next(value for key, value in read.items() if key[2] == "down")
    assert all(len(figures) == 4 for figures in down[4].values())
    assert {key[2] for key in down[4]} >= {"main", "down"}


def test_snakeviz_reads_it(prof: Path) -> None:
    snakeviz = pytest.importorskip("snakeviz.stats")
    read = pstats.Stats(str(prof))
    rows = snakeviz.table_rows(read)
    assert len(rows) == len(read.stats)
    assert any(name.endswith("(down)") for name in snakeviz.json_stats(read))


def test_tuna_reads_it(prof: Path) -> None:
    tuna = pytest.importorskip("tuna.main")
    tree = tuna.read(str(prof))
    assert "main" in json.dumps(tree)


def test_gprof2dot_reads_it(prof: Path) -> None:
    pytest.importorskip("gprof2dot")
    dot = subprocess.run(
        [sys.executable, "-m", "gprof2dot", "-f", "pstats", prof], capture_output=True, text=True, check=True
    )
    assert dot.stdout.startswith("digraph") and "main" in dot.stdout
