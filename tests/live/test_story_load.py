"""S13: what grows with the users is named first: examples/s13_load, and a service of gunicorn's on a pool of SQLAlchemy's, under wrk.

By construction: two users never wait for one of four connections; of thirty-two, up to twenty-eight wait at any moment as long as the database has
work for three seconds, whatever the machine does meanwhile: what else waits for the end of it, the server's main thread and two other processes, is a few
threads. It would take half a minute's standstill before or after that to be more.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from commands import run
from loaded import Place, database
from pythons import REPOSITORY, TARGETS, Python, find_python

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


def worker_of(port: int) -> int:
    """The process of gunicorn's that answers at PORT: the child of the other one."""
    found = subprocess.run(["pgrep", "-f", f"load_pool:app -b 127.0.0.1:{port} "], capture_output=True, text=True, check=True)
    return max(map(int, found.stdout.split()))


def test_under_wrk(pyrometer: Path, tmp_path: Path) -> None:
    """Ten users and 500 of a service that runs: the line that waits for a connection, and through which pool; the line that waits for a lock."""
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    try:
        with database("postgresql", tmp_path) as url, Place(python, pyrometer, url, tmp_path).server("pool", None) as port:
            for path in ("pool", "lock"):
                for users in (10, 500):
                    load = ["wrk", "-t1", f"-c{users}", "-d4", "--timeout", "60s", f"http://127.0.0.1:{port}/{path}"]
                    with subprocess.Popen(load, stdout=subprocess.DEVNULL) as running:
                        time.sleep(1)
                        run(pyrometer, "record", "--pid", str(worker_of(port)), "-d", "2", "-o", f"{path}_{users}.pyro")
                        assert running.wait() == 0
    except RuntimeError as error:
        pytest.skip(f"PostgreSQL: {error}")
    lines = (TARGETS / "load_pool.py").read_text().splitlines()
    connects = 1 + next(at for at, line in enumerate(lines) if "waits for the pool" in line)

    def moved_most(path: str, waits_for: str) -> tuple[str, str]:
        """The function that did, and what the text says of where it was called from."""
        files = f"{path}_10.pyro", f"{path}_500.pyro"
        said = run(pyrometer, "diff", *files).stdout
        assert re.search(rf"^after .*% waiting \({waits_for} ", said, re.MULTILINE), said
        return json.loads(run(pyrometer, "diff", *files, "--json").stdout)["functions"][0]["name"], said.splitlines()[5]

    first, route = moved_most("pool", "pool")
    assert first == "Condition.wait" and f"load_pool.py:{connects}(read_order), through sqlalchemy/pool/impl.py:" in route, route
    assert moved_most("lock", "lock")[0] == "count_visit"
