"""Fixtures of all tests: every Python, the built program, the programs that read our files."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python, all_pythons, find_python


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--own-cpu", action="store_true", help="with -n: each worker, and all it starts, keeps to one CPU of its own")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts us behind its back lets us ignore these, and all that we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if config.getoption("--own-cpu") and worker:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[int(worker.removeprefix("gw")) % len(cpus)]})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `python` runs once with each Python of tools/pythons, one that takes `counted`
    with each that the probe counts in."""
    for name, pythons in (("python", all_pythons()), ("counted", [one for one in all_pythons() if one.counts])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, pythons, ids=[python.id for python in pythons], indirect=True)


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Python:
    """One of all Pythons from 3.8 to 3.15, those without a GIL included. Where it is missing, the test is skipped by its name."""
    wanted: Python = request.param
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Python:
    """One of the Pythons from 3.11 to 3.15."""
    wanted: Python = request.param
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def from_source(pyrometer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs import pyrometer from the source folder and its C part from the build folder."""
    probe = pyrometer.parent / "src" / "probe" / "_probe.abi3.so"
    if not probe.exists():
        pytest.fail(f"no C part at {probe}: run make first")
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(probe))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "python"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture(scope="session")
def one() -> Python:
    """One Python, for what does not depend on its version."""
    for name in ("3.12", "3.11-debian", "3.11"):
        python = find_python(name)
        if not python.missing:
            return python
    pytest.skip("none of the Pythons 3.11 and 3.12")


@pytest.fixture(params=["3.8", "3.12", "3.15"])
def some_python(request: pytest.FixtureRequest) -> Python:
    """The oldest, the newest and one between: for what hardly depends on the version."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture(params=["3.11", "3.13", "3.15"])
def some_counted(request: pytest.FixtureRequest) -> Python:
    """The same of those that the probe counts in: one for each way in which frames are read and events are had."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Recordings are kept in a folder of the test run: only so many stay, and the user's are not ours."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def pyrometer() -> Path:
    """The built program: $PYROMETER, or build/pyrometer."""
    path = Path(os.environ.get("PYROMETER") or REPOSITORY / "build" / "pyrometer").absolute()
    if not os.access(path, os.X_OK):
        pytest.fail(f"no program at {path}: run make first")
    return path


def foreign_program(name: str) -> Path:
    """Where tools/viewers put the program or schema NAME; skips the test if it cannot be had."""
    made = subprocess.run(
        [REPOSITORY / "tools" / "viewers", name], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"{name}: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.fixture(scope="session")
def pprof() -> Path:
    """The real pprof, built from Debian's packages."""
    return foreign_program("pprof")


@pytest.fixture(scope="session")
def speedscope_schema() -> Path:
    """The JSON schema that speedscope's package carries; check with jsonschema.validate()."""
    return foreign_program("speedscope-schema")


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which finds what is in the way of whoever cannot see or point."""
    return foreign_program("axe-core").read_text(encoding="utf-8")
