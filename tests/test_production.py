"""docs/production.md, step by step as it stands there, in one folder, with a real server. What changes is a port, how long a recording lasts, and what the
installation of step 0 would be: tests/live/test_package.py is about that one. Lines that say *by hand* are not."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from counting import installed
from pythons import REPOSITORY, Python, find_python
from tmux import terminal

sys.path.insert(0, str(Path(__file__).parent / "live"))
from test_web import PINS, free_port  # noqa: E402

pytestmark = pytest.mark.beside

DOCUMENT = (REPOSITORY / "docs" / "production.md").read_text()
SECONDS = 120
SHORT = "2"  # seconds of each recording
QUERIES = 847


def step(number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", DOCUMENT, re.M | re.S)
    assert found, number
    return found[0]


def commands(number: int) -> list[str]:
    """What is typed in that step, in its order."""
    lines, fenced = [], False
    for line in step(number).splitlines():
        fenced ^= line.startswith("```")
        typed = line[2:] if fenced and line.startswith("$ ") else line[4:] if not fenced and line.startswith("    ") and line[4:5] not in (" ", "-") else ""
        if typed and "# by hand" not in typed:
            lines.append(typed)
    return lines


def programs(number: int) -> list[str]:
    return re.findall(r"```python\n(.*?)```", step(number), re.S)


@dataclass
class Shop:
    folder: Path
    python: Python
    environment: dict[str, str]
    port: int

    def started(self, command: str, names: dict[str, str]) -> subprocess.Popen[str]:
        """A shell that was given COMMAND, with NAMES in place of what the document leaves to the reader."""
        for name, value in {"127.0.0.1:8000": f"127.0.0.1:{self.port}", "-d 30": f"-d {SHORT}", **names}.items():
            command = command.replace(name, value)
        pipe = subprocess.PIPE
        return subprocess.Popen(["bash", "-c", command], cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)

    def typed(self, command: str, **names: str) -> str:
        """What it prints."""
        with self.started(command, names) as running:
            said = "".join(running.communicate(timeout=SECONDS))
        assert running.returncode == 0, (command, said[-3000:])
        return said

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS) as answer:
            return answer.read()


def write_shop(folder: Path) -> None:
    """Step 1, and what step 3 does to it."""
    ((program,), (imports, call, last, *_)) = programs(1), programs(3)
    opens = next(line for line in program.splitlines() if "sqlite3.connect" in line)
    flask = next(line for line in program.splitlines() if line.startswith("from flask"))
    assert program.count(opens) == program.count(flask) == 1
    program = program.replace(opens + "\n", call).replace(flask + "\n", flask + "\n" + imports)
    (folder / "shop.py").write_text(program + last)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Steps 0 to 3, and the server."""
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    pyrometer = Path(os.environ.get("PYROMETER", REPOSITORY / "build" / "pyrometer")).absolute()
    folder, packages = tmp_path_factory.mktemp("shop"), installed(python, "web", *PINS)
    environment = {
        **os.environ,
        "PATH": f"{pyrometer.parent}:{packages / 'bin'}:{Path(python.path).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{REPOSITORY / 'python'}:{packages}",
        "PYROMETER_PROGRAM": str(pyrometer),
        "PYROMETER_PROBE_FILE": str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"),
        "COLUMNS": "100",
    }
    one = Shop(folder, python, environment, free_port())
    write_shop(folder)
    makes, serves = commands(1)
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.executescript(re.findall(r'"(.*)"', makes)[0])
    for command in commands(2):
        one.typed(command)
    serves = serves.replace("127.0.0.1:8000", f"127.0.0.1:{one.port}").split()
    with (folder / "log").open("wb") as log, subprocess.Popen(
        [python.path, packages / "bin" / serves[0], *serves[1:], "--no-control-socket"], cwd=folder, env=environment, stdout=log, stderr=log
    ) as server:
        until = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError):
                assert one.get("/orders")
                break
            assert time.monotonic() < until and server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield one
        server.terminate()


def told(shop: Shop, command: str) -> dict[str, str]:
    """X-Profile, as soon as it has a recording: which of two workers answers, and whether its sampler runs, is chance."""
    until = time.monotonic() + SECONDS
    while True:
        said = shop.typed(command)
        assert "Server-Timing: total;dur=" in said, said
        found = dict(part.split("=", 1) for part in re.search(r"X-Profile: (.*)", said)[1].split())
        if "id" in found and (shop.folder / "requests" / f"{found['id']}.pyro").exists():
            return found
        assert time.monotonic() < until, said


def shown_line() -> str:
    """Where the N+1 is, as the document has it."""
    return re.search(r"n\+1=(shop\.py:\d+)x847", step(4))[1]


def test_asking_about_one_request(shop: Shop) -> None:
    (command,) = commands(4)
    found = told(shop, command)
    assert found["n+1"] == f"{shown_line()}x{QUERIES}" and found["sql"].startswith(f"{QUERIES + 1}/"), found
    assert [key for key in found if key not in ("unseen", "figures")] == re.findall(r"(\S+)=", re.search(r"X-Profile: (.*)", step(4))[1]), found


def test_looking_closer(shop: Shop) -> None:
    command, asks = commands(5)
    found = told(shop, commands(4)[0].replace("/orders", "/report"))
    recording = re.search(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{4}", command)[0]
    said = shop.typed(command, **{recording: found["id"]})
    head, row = r"GET /report  1\.[345]\d s   \d+ % waiting \(sleep\)", r"- +1\.\d+ +- +1\.\d+ +- shop\.py:(\d+)\(report\)"
    assert re.search(head, step(5)) and re.match(head, said), said
    assert re.search(row, said)[1] == re.search(row, step(5))[1], said
    found = told(shop, commands(4)[0])
    said = shop.typed(asks, **{asks.split("/")[1].removesuffix(".pyro"): found["id"]})
    shown = step(5).partition(f"$ {asks}\n")[2].partition("```")[0]
    measured = re.compile(r"^    gain .*\n|, by way of shop\.py:19", re.M)  # perhaps no sample met that line
    assert "gain" in measured.search(said)[0] and measured.sub("", said) == measured.sub("", shown), said


def test_what_was_slow_while_nobody_looked(shop: Shop) -> None:
    plain, page = commands(6)
    until = time.monotonic() + SECONDS
    while True:
        assert shop.typed(plain).startswith("done")
        shop.typed(page)
        text = (shop.folder / "recent.html").read_text()
        if re.search(r"<td>GET /report</td><td>200</td><td>slow</td><td>1\.5\d+ s</td>", text):
            break
        assert time.monotonic() < until, text
    with pytest.raises(urllib.error.HTTPError, match="404"):
        shop.get("/-/requests")


def test_the_whole_process_live(shop: Shop) -> None:
    plain, as_root = commands(7)
    assert as_root.startswith("sudo ")
    for command in (plain, as_root):
        with terminal(["bash", "-c", command], 100, folder=shop.folder, environment=shop.environment) as shown:
            shown.wait(r"^gunicorn +pid \d+ +python 3\.13")
            shown.wait(r"^CPU +\d+ %  GIL +\d+ %  GC +\d+ %")
            shown.keys("q")
            shown.wait(r"^STATUS 0")


@pytest.mark.skipif(os.getuid() != 0, reason="unshare --mount wants root")
def test_a_process_in_a_container(shop: Shop) -> None:
    root = find_python("3.14")
    if root.missing:
        pytest.skip(f"Python {root.id}: {root.missing}")
    record, export, contain, pid, inside = commands(8)
    names = {"ROOT": str(root.root), "python3": Path(root.path).name}
    with shop.started(contain.rstrip(" &"), names) as container:
        until, began = time.monotonic() + SECONDS, ""
        while not began:
            assert container.poll() is None and time.monotonic() < until
            began = shop.typed(f"{pid} || true; echo $PID", **names).strip()
        try:
            for command in (record, export):
                shop.typed(command.replace("PID", began))
            assert "&lt;module&gt;" in (shop.folder / "shop.svg").read_text()
            said = shop.typed(inside.replace('"$PID"', began).replace("-d 5", f"-d {SHORT}"))
            assert "removed then" in said and (shop.folder / "counts.pyro").exists(), said
        finally:
            shop.typed("kill -9 " + began)


def test_a_line_profile(shop: Shop) -> None:
    (program,) = programs(9)
    (shop.folder / "report.py").write_text(program)
    run, lines, record, of_service = commands(9)
    shop.typed(run)
    said, row = shop.typed(lines), re.compile(r"^ +(\d+) +(\d+) .* {2,}(\S.*)$", re.M)
    assert [found.groups() for found in row.finditer(said)] == [found.groups() for found in row.finditer(step(9).split("Of a service")[0])] != [], said
    asks = "import sys, urllib.request\nwhile True: urllib.request.urlopen(sys.argv[1]).read()"
    with subprocess.Popen([shop.python.path, "-c", asks, f"http://127.0.0.1:{shop.port}/orders"], stderr=subprocess.DEVNULL) as clients:
        said = shop.typed(record)
        clients.kill()
    assert "starting the probe in process" in said and "calls and" in said and "see: pyrometer lines shop.pyro" in said, said
    said = shop.typed(of_service)
    found = re.search(rf"^ +{shown_line().split(':')[1]} +(\d+) ", said, re.M)
    assert found and int(found[1]) >= QUERIES, said
