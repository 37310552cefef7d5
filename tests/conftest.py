"""Fixtures of all tests: every Python, the built program, the programs that read our files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python, all_pythons


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `python` runs once with each Python of tools/pythons."""
    if "python" in metafunc.fixturenames:
        pythons = all_pythons()
        metafunc.parametrize(
            "python", pythons, ids=[python.id for python in pythons], indirect=True
        )


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Python:
    """One of all Pythons from 3.8 to 3.15. Where it is missing, the test is skipped by its name."""
    wanted: Python = request.param
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
