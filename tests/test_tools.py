"""The tools that decide whether `make test` is green: they count what ran, and miss no failure."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from pythons import REPOSITORY

pytestmark = pytest.mark.beside

TOOLS = REPOSITORY / "tools"


@pytest.fixture(scope="module")
def run_tests() -> ModuleType:
    """tools/run_tests as a module."""
    loader = SourceFileLoader("run_tests", str(TOOLS / "run_tests"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


def outcomes(results) -> list[str]:
    return [result.outcome for result in results]


def test_each_line_of_tap_counts(run_tests: ModuleType) -> None:
    text = (
        "ok 1 one\n# why.c:7: not true: x\nnot ok 2 two\n"
        "# SKIP no ptrace\nok 3 three # SKIP\n1..3\n"
    )
    results = list(run_tests.read_tap("program", text))
    assert outcomes(results) == ["passed", "failed", "skipped"]
    assert results[2].detail == "no ptrace"


@pytest.mark.parametrize("result", ["ERROR", "FAIL", "TIMEOUT", "INTERRUPT"])
def test_a_program_that_died_between_two_tests_is_a_failure(run_tests, result) -> None:
    program = {"name": "pyrometer:base / map", "result": result, "stdout": "ok 1 one\n"}
    assert outcomes(run_tests.read_program(program)) == ["passed", "failed"]


def test_a_failure_that_was_said_counts_once(run_tests: ModuleType) -> None:
    program = {"name": "map", "result": "ERROR", "stdout": "ok 1 one\nnot ok 2 two\n1..2\n"}
    assert outcomes(run_tests.read_program(program)) == ["passed", "failed"]


def test_pytest_reports_are_counted(run_tests: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    cases = "<testcase name='a'/>", "<failure/>", "<error/>", "<skipped message='no 3.9'/>"
    text = "".join(f"<testcase name='x'>{case}</testcase>" for case in cases[1:])
    report.write_text(f"<testsuites><testsuite>{cases[0]}{text}</testsuite></testsuites>")
    results = list(run_tests.read_junit(report))
    assert outcomes(results) == ["passed", "failed", "failed", "skipped"]
    assert results[3].detail == "no 3.9"


@pytest.mark.parametrize(
    ("beside", "alone", "told"),
    [
        ("pf", "p", ["passed", "passed"]),
        ("pf", "f", ["passed", "failed"]),
        ("pf", "", ["passed", "failed"]),  # it was not there any more
        ("pp", None, ["passed", "passed"]),
        ("p" + "f" * 6, None, ["passed"] + ["failed"] * 6),  # that is not for want of a CPU
    ],
)
def test_what_fails_beside_others_is_asked_again_alone(
    run_tests: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys, beside: str, alone: str | None, told: list[str]
) -> None:
    asked = []

    def pytest_of(build: Path, marks: str, *options: str):
        asked.append(options)
        words = {"p": "passed", "f": "failed"}
        if len(asked) == 1:
            return (run_tests.Result(f"t{i}", words[it]) for i, it in enumerate(beside))
        return (run_tests.Result(f"t{i}", words[it]) for i, it in enumerate(alone or "", start=1))

    monkeypatch.setattr(run_tests, "pytest", pytest_of)
    results = list(run_tests.beside_or_alone(Path("build")))
    assert outcomes(results) == told
    assert len(asked) == 1 if alone is None else "--last-failed" in asked[1] and "-n" not in asked[1]
    run_tests.print_summary({"python": (results, 1.0)})
    said = capsys.readouterr().out
    assert ("failed beside others, passed alone (1)" in said) == (alone == "p")


def test_the_last_line_is_the_count(run_tests: ModuleType, capsys) -> None:
    Result = run_tests.Result
    suites = {
        "unit": ([Result("a", "passed"), Result("b", "failed")], 1.0),
        "python": ([Result("c", "skipped", "why"), Result("d", "passed")], 1.0),
    }
    run_tests.print_summary(suites)
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"


def test_the_help_of_make_names_every_target() -> None:
    said = subprocess.run(["make", "-s", "help"], cwd=REPOSITORY, capture_output=True, text=True)
    named = {line.split()[0].rstrip(":") for line in said.stdout.splitlines()[1:]}
    assert named >= {"all", "demo", "test", "bench", "fuzz", "asan", "format", "check", "wheel", "help"}
