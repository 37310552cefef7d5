"""The harness itself: each Python starts, in its own root too, and is the process it says."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python, all_pythons, start_target

pytestmark = pytest.mark.beside


def test_the_started_process_is_the_python(python: Python) -> None:
    with start_target(python, "echo.py") as target:
        target.send("21")
        assert target.readline() == f"{target.pid} {python.version} 42"
        assert "python" in os.readlink(f"/proc/{target.pid}/exe")


def test_it_sees_repository_and_temporary_files_where_they_are(
    python: Python, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    code = "import sys; open(sys.argv[1], 'w').write(open(sys.argv[2]).read())"
    done = python.run(["-c", code, note, REPOSITORY / "LICENSE"])
    assert done.returncode == 0, done.stderr
    assert note.read_text() == (REPOSITORY / "LICENSE").read_text()


def test_nothing_stays_mounted(python: Python) -> None:
    assert python.run(["-c", "pass"]).returncode == 0
    if python.root is not None:
        assert python.root not in Path("/proc/self/mountinfo").read_text()


def test_a_target_that_fails_says_why(python: Python) -> None:
    with pytest.raises(EOFError, match="no_such_script"):
        with start_target(python, "no_such_script.py"):
            pass


def test_every_version_is_listed_once() -> None:
    ids = [python.id for python in all_pythons() if python.kind != "debian"]
    with_gil = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
    assert ids == [*with_gil, "3.13t", "3.14t", "3.15t"]


def test_the_free_threaded_ones_have_no_gil(python: Python) -> None:
    code = "import sys; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    done = python.run(["-c", code])
    assert done.stdout.strip() == str(not python.free_threaded), done.stderr


def test_a_python_that_is_not_there_is_listed_with_the_reason() -> None:
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "PYENV_ROOT": empty, "XDG_CACHE_HOME": empty}
        command = [REPOSITORY / "tools" / "pythons"]
        listed = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=True
        )
    rows = listed.stdout.splitlines()
    assert sum('"missing"' in row for row in rows) == len(rows) - 1
