#!/usr/bin/python3
"""How large the HTML is that each tool makes of the same program: a page of Django, asked for over and over (bench/targets/page.py).

    bench/page_size.py [--build FOLDER] [--requests N]

600 requests took 49 s where this was tried, 740 of them 65 s. All tools record at the same time: what is asked is how many bytes are made of what they saw, not how long that took. A page that loads its scripts from the network
is told apart from one that works offline: memray makes either. Each but
Tachyon's runs in a Python of its own with what bench/peers.txt pins (FOLDER/bench-page); Tachyon is the standard library's of 3.15. memray shows memory: its
page is of every allocation."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))
from pythons import find_python  # noqa: E402

TARGET = REPOSITORY / "bench" / "targets" / "page.py"
PEERS = ("django", "memray", "pyinstrument")


def make_python(folder: Path) -> Path:
    """A Python with the peers, made once."""
    python = folder / "bin" / "python"
    if not python.exists():
        pins = (REPOSITORY / "bench" / "peers.txt").read_text(encoding="utf-8").splitlines()
        wanted = [pin for pin in pins if pin.partition("==")[0] in PEERS]
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
    return python


def site_of(python: Path) -> Path:
    """Where its packages lie."""
    command = [python, "-c", "import django, pathlib; print(pathlib.Path(django.__file__).parent.parent)"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def recorders(build: Path, folder: Path, python: Path, requests: int) -> dict[str, list[str | Path]]:
    """Commands that record, by the name of the page that is made of it."""
    program: list[str | Path] = [TARGET, site_of(python), str(requests)]
    commands: dict[str, list[str | Path]] = {
        "pyrometer": [build / "pyrometer", "run", "-o", folder / "x.pyro", "--", python, *program],
        "pyinstrument": [python, "-m", "pyinstrument", "-r", "html", "-o", folder / "pyinstrument.html", *program],
        "memray": [python, "-m", "memray", "run", "-q", "-o", folder / "x.bin", *program],
    }
    tachyon = find_python("3.15")
    if not tachyon.missing:
        sampling = ["-m", "profiling.sampling", "run", "--flamegraph", "-o", folder / "tachyon.html"]
        commands["tachyon"] = [*tachyon.command([*sampling, *program])]
    return commands


def loads(page: Path) -> str:
    """How many scripts and styles PAGE needs a network for."""
    found = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"https?://", page.read_text(encoding="utf-8", errors="replace"))
    return f"{len(found)} files" if found else "nothing"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build")
    parser.add_argument("--requests", type=int, default=740)
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()  # all are started elsewhere
    python = make_python(arguments.build / "bench-page")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = {
            tool: subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for tool, command in recorders(arguments.build, folder, python, arguments.requests).items()
        }
        for tool, process in started.items():
            _, said = process.communicate()
            if process.returncode:
                print(f"{tool}: status {process.returncode}: {said.strip().splitlines()[-1:]}")
        subprocess.run([arguments.build / "pyrometer", "view", folder / "x.pyro", "-o", folder / "pyrometer.html"], check=True)
        for page, options in (("memray", []), ("memray --no-web", ["--no-web"])):
            command = [python, "-m", "memray", "flamegraph", *options, "-f", "-o", folder / f"{page}.html", folder / "x.bin"]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        told = subprocess.run([arguments.build / "pyrometer", "stats", folder / "x.pyro", "-n", "1"], capture_output=True, text=True, check=True)
        print(told.stdout.splitlines()[0], "\n\n| page of | KB | loads from elsewhere |\n|---|---|---|")
        for tool in [*started, "memray --no-web"]:
            page = folder / f"{tool}.html"
            print(f"| {tool} | {page.stat().st_size / 1e3:.0f} | {loads(page)} |" if page.exists() else f"| {tool} | none | |")


if __name__ == "__main__":
    main()
