"""`share`: what share of the time something is, and the most one could win by making it free."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import run
from pythons import Python

pytestmark = pytest.mark.beside

PROGRAM = """\
import time
from helpers import tools

class Store:
    def fetch(self):
        time.sleep(0.01)

class Cache:
    def fetch(self):
        return None

def view():
    store, cache = Store(), Cache()
    for _ in range(30):
        store.fetch()
        cache.fetch()

view()
tools.burn(6000000)
"""
TOOLS = """\
def burn(turns):
    for _ in range(turns):
        pass
"""


@pytest.fixture(autouse=True)
def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program lies in the folder of each test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    Path("helpers").mkdir()
    Path("helpers/__init__.py").touch()
    Path("helpers/tools.py").write_text(TOOLS)
    Path("app.py").write_text(PROGRAM)


def record(pyrometer: Path, python: Python) -> None:
    run(pyrometer, "run", "-o", Path("app.pyro").absolute(), "--", *python.command([Path("app.py").absolute()]))


def shares(pyrometer: Path, name: str) -> list[dict]:
    return json.loads(run(pyrometer, "share", "app.pyro", name, "--json").stdout)["shares"]


def test_a_function_a_file_and_a_package(pyrometer: Path, python: Python) -> None:
    record(pyrometer, python)
    (view,) = shares(pyrometer, "view")
    assert view["kind"] == "function" and view["waiting_s"] > view["computing_s"]
    assert 0.3 - 3 * view["error_s"] <= view["time_s"] and view["saves_s"] <= view["time_s"] * 1.001
    (burn,) = shares(pyrometer, "tools.burn")
    assert burn["computing_s"] > burn["waiting_s"] and 0 < burn["share"] < 1 and burn["error_s"] > 0
    (file,) = shares(pyrometer, "helpers/tools.py")
    assert file["kind"] == "file" and file["time_s"] >= burn["time_s"] and file["file"].endswith("tools.py")
    (package,) = shares(pyrometer, "helpers")
    assert package["kind"] == "package" and package["time_s"] >= file["time_s"]
    fetches = shares(pyrometer, "fetch")
    if python.counts:
        assert [one["kind"] for one in fetches] == ["function", "function", "functions"]
        assert [one["ncalls"] for one in fetches] == [30, 30, 60]
        assert fetches[0]["name"] == "Store.fetch" and fetches[2]["time_s"] >= fetches[0]["time_s"]
        (sleep,) = shares(pyrometer, "time.sleep")
        assert sleep["name"] == "{built-in method time.sleep}" and sleep["file"] is None and sleep["ncalls"] == 30
    else:
        assert all(one["ncalls"] is None for one in fetches)


def test_the_last_recording_is_asked(pyrometer: Path, counted: Python) -> None:
    if counted.root:
        pytest.skip("its folder is not the one of the program")
    run(pyrometer, "run", "--python", counted.path, "app.py")
    text = run(pyrometer, "share", "tools.py").stdout
    assert text.startswith("file helpers/tools.py (") and "free, it would save" in text and "at most" in text


def test_what_is_not_there(pyrometer: Path, one: Python) -> None:
    record(pyrometer, one)
    error = run(pyrometer, "share", "app.pyro", "veiw", status=2).stderr
    assert error.count("\n") == 1 and "no function, file or package 'veiw' was seen" in error and "view" in error
    assert "?[31m" in run(pyrometer, "share", "app.pyro", "\x1b[31mred", status=2).stderr
    assert "of what?" in run(pyrometer, "share", "app.pyro", status=2).stderr
    assert "of what?" in run(pyrometer, "share", status=2).stderr
    assert "may not be empty" in run(pyrometer, "share", "app.pyro", "", status=2).stderr
    assert "nowhere.pyro" in run(pyrometer, "share", "nowhere.pyro", "view", status=4).stderr
