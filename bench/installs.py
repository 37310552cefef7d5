"""What the counts need on each Python besides that Python: other profilers, programs to profile, and our own package.

Packages of PyPI lie in build/bench-peers, each by its name, its version and the Python; bench/peers.txt pins them.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from pythons import REPOSITORY, Python

from tools import Bench

PINS = Path(__file__).resolve().parent / "peers.txt"
PROBE = "src/probe/_probe.abi3.so"  # in a build
NOT_IN_ROOTS = re.compile(r"=> (/\S*(?:libelf|libdeflate|libprotobuf-c|libjansson)\S*)")  # of what our program is linked to
PIP_S = 300


class Missing(Exception):
    """Why something cannot be had here."""


@functools.lru_cache(maxsize=None)
def pins() -> dict[str, str]:
    """Version by name."""
    lines = PINS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@functools.lru_cache(maxsize=None)
def complete(bench: Bench, python: Python, name: str) -> Path:
    """A folder with the package NAME and all that it needs itself; Missing."""
    minor = ".".join(map(str, python.minor))
    folder = bench.places.peers / f"{name}-{pins()[name]}-{minor}"
    return pip_install(bench, folder, "--python-version", minor, "--only-binary", ":all:", f"{name}=={pins()[name]}")


def pip_install(bench: Bench, folder: Path, *options: str) -> Path:
    """FOLDER, with what OPTIONS name; Missing."""
    if folder.exists():
        return folder
    new = folder.with_name(folder.name + ".new")
    folder.parent.mkdir(exist_ok=True)
    shutil.rmtree(new, ignore_errors=True)
    pip = [bench.places.venv / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command = [*pip, "--target", new, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_S)
    if done.returncode != 0:
        raise Missing((done.stderr.strip() or "pip failed").splitlines()[-1])
    new.rename(folder)
    return folder


@functools.lru_cache(maxsize=None)
def compiled(bench: Bench, python: Python, name: str, *more: str) -> Path:
    """A folder with the package NAME, which has C code, and with those of MORE that it needs; Missing."""
    minor = ".".join(map(str, python.minor))
    wanted = [f"{package}=={pins()[package]}" for package in (name, *more)]
    folder = bench.places.peers / f"{name}-{pins()[name]}-{minor}"
    options = ["--python-version", minor, "--only-binary", ":all:", "--no-deps", *wanted]
    return pip_install(bench, folder, *options)


@functools.lru_cache(maxsize=None)
def pure(bench: Bench, name: str) -> Path:
    """A folder with the package NAME and what it needs, for every Python; Missing."""
    folder = bench.places.peers / f"{name}-{pins()[name]}"
    return pip_install(bench, folder, f"{name}=={pins()[name]}")


@functools.lru_cache(maxsize=None)
def bare(bench: Bench, python: Python) -> Python:
    """PYTHON in an empty environment: what is installed beside it on this machine may run when it starts (.pth files)."""
    if python.root is not None:  # made by us, with nothing installed
        return python
    folder = bench.folder / f"bare-{python.id}"
    command = python.command(["-m", "venv", "--without-pip", folder])
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return replace(python, path=str(folder / "bin/python3"))


@functools.lru_cache(maxsize=None)
def our_package(bench: Bench, python: Python) -> Path:
    """A folder with the package pyrometer as pip leaves it."""
    site = bench.folder / f"site-{python.id}"
    package = site / "pyrometer"
    shutil.copytree(REPOSITORY / "python/pyrometer", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(bench.places.pyrometer.parent / PROBE, package)
    return site


@functools.lru_cache(maxsize=None)
def libraries(bench: Bench) -> Path:
    """A folder with what our program is linked to and other roots lack."""
    folder = bench.folder / "libraries"
    folder.mkdir()
    linked = subprocess.run(["ldd", bench.places.pyrometer], capture_output=True, text=True, check=True).stdout
    for path in NOT_IN_ROOTS.findall(linked):
        shutil.copy(path, folder)
    return folder
