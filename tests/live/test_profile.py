"""pyrometer.Profile and pyrometer.compat.cProfile, on every Python from 3.11 on."""

from __future__ import annotations

import json
import os
import pstats
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clocks import clocked
from counting import package
from pythons import REPOSITORY, Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("from_source")]


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest) -> None:
    """Pythons that no probe is for are left out."""
    if "python" in request.fixturenames:
        python: Python = request.getfixturevalue("python")
        if not python.counts:
            pytest.skip(f"no probe for {python.id}")


def ran(python: Python, *arguments: str | Path, status: int = 0, **options) -> subprocess.CompletedProcess[str]:
    """Run PYTHON to its end, which must have that exit status."""
    done = python.run(["-X", "faulthandler", *arguments], **options)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def target(name: str) -> Path:
    """A program of tests/targets/."""
    return REPOSITORY / "tests" / "targets" / name


# -- the arithmetic -----------------------------------------------------------------------------


def test_figures_are_those_of_cprofile(python: Python) -> None:
    """Random programs, an integer timer: every key, figure and caller is the same."""
    done = ran(python, target("profile_semantics.py"), "0", "60", timeout=300)
    assert int(done.stdout.split()[0]) > 2500, done.stdout


# -- situations ---------------------------------------------------------------------------------

SITUATIONS = re.findall(r"^@situation\ndef (\w+)", target("profile_situations.py").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(python: Python, name: str) -> None:
    """What a profiler inside of a program has to live with."""
    done = ran(python, target("profile_situations.py"), name)
    assert done.stdout.splitlines()[-1] == "ok", done.stdout
    assert not done.stderr, done.stderr


@pytest.mark.parametrize("some_python", ["3.11", "3.13", "3.15"], indirect=True)
@pytest.mark.parametrize("name", SITUATIONS)
def test_situation_with_checks_of_the_interpreter(some_python: Python, name: str) -> None:
    """The same where Python checks its memory and its objects."""
    done = ran(some_python, "-X", "dev", target("profile_situations.py"), name)
    assert done.stdout.splitlines()[-1] == "ok", done.stdout
    assert not done.stderr, done.stderr


def test_beside_the_counts_of_run(python: Python, pyrometer: Path, tmp_path: Path) -> None:
    """`pyrometer run` counts all calls of a program that uses a Profile, which sees its own."""
    if python.root is not None:
        pytest.skip("run starts no Python of another root by itself")
    script = tmp_path / "script.py"
    script.write_text(
        "import pyrometer\n"
        "def leaf(): return 1\n"
        "def work(rounds):\n    for _ in range(rounds): leaf()\n"
        "work(10)\n"
        "profile = pyrometer.Profile()\n"
        "profile.runcall(work, 100)\n"
        "work(1000)\n"
        "profile.create_stats()\n"
        "print([row[1] for key, row in profile.stats.items() if key[2] == 'leaf'])\n"
    )
    command = [pyrometer, "run", "-o", "x.pyro", "--python", str(python.path), script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[0] == "[100]", done.stdout
    stats = subprocess.run(
        [pyrometer, "stats", "x.pyro", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    counts = {function["name"]: function["ncalls"] for function in json.loads(stats.stdout)["functions"]}
    assert counts["leaf"] == 1110 and counts["work"] == 3, counts


def test_free_threaded_build_that_was_not_tried_is_refused(python: Python) -> None:
    """In words: what it has for objects may be laid out otherwise, and loading the C part would crash."""
    code = "import sys; sys.abiflags = 't'; sys.version_info = (3, 14); import pyrometer; pyrometer.Profile"
    done = ran(python, "-c", code, status=1)
    assert "ImportError: pyrometer's C part for free-threaded builds of Python was tried in 3.13 only" in done.stderr


def test_lines_are_refused_without_a_gil(python: Python) -> None:
    """LineProfiler is the one that says so."""
    code = "import pyrometer\ndef f(): return 1\npyrometer.LineProfiler(f).runcall(f)"
    done = ran(python, "-c", code, status=int(python.free_threaded))
    assert python.free_threaded == ("ImportError: lines are not counted without a GIL" in done.stderr), done.stderr


# -- beside other tools -------------------------------------------------------------------------

COVERED_MODULE = """
def f(x):
    if x == 700:
        return -1
    return x
def never():
    return 1
def main():
    for i in range(500): f(i)
"""
COVERED = """
import coverage, json, pyrometer, sys

def measured(order):
    cov = coverage.Coverage(data_file=None, config_file=False)
    profile = pyrometer.Profile()
    steps = {"coverage": (cov.start, cov.stop), "profile": (profile.enable, profile.disable)}
    starts, ends = order
    for name in starts: steps[name][0]()
    import covered
    covered.main()
    for name in ends:
        steps[name][1]()
        covered.main()
    missing = cov.analysis2(covered)[3]
    del sys.modules["covered"]
    profile.create_stats()
    row = next(row for key, row in profile.stats.items() if key[2] == "f")
    return [missing, row[1], {key[2]: figures[0] for key, figures in row[4].items()}]

both, reverse = ["coverage", "profile"], ["profile", "coverage"]
print(json.dumps([measured(order) for order in ((both, reverse), (both, both), (reverse, reverse), (reverse, both))]))
"""


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_beside_coverage(
    python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, core: str
) -> None:
    """The real coverage, by both of its cores, begun and ended before and after: it has its lines, and the Profile its
    calls."""
    if core == "sysmon" and python.minor < (3, 12):
        pytest.skip("no sys.monitoring before 3.12")
    monkeypatch.setenv("PYTHONPATH", str(package(python, "coverage")), prepend=os.pathsep)
    monkeypatch.setenv("COVERAGE_CORE", core)
    (tmp_path / "covered.py").write_text(COVERED_MODULE)
    (tmp_path / "program.py").write_text(COVERED)
    if "can't import CTracer" in python.run(["-c", "import coverage; coverage.Coverage().start()"]).stderr:
        pytest.skip(f"coverage for Python {python.id} has no {core}")
    found = json.loads(ran(python, "program.py", cwd=tmp_path).stdout)
    assert found == [[[4, 7], calls, {"main": calls}] for calls in (500, 1000, 500, 1000)]


GREENLETS = """
import json, pyrometer, greenlet
def leaf(): return 1
def play(rounds, other):
    for _ in range(rounds):
        leaf()
        greenlets[other].switch()
    leaf()
def start():
    greenlets[0].switch(100, 1)
    for each in greenlets: each.throw(greenlet.GreenletExit)
greenlets = [greenlet.greenlet(play), greenlet.greenlet(lambda: play(100, 0))]
profile = pyrometer.Profile()
profile.runcall(start)
profile.create_stats()
print(json.dumps({key[2]: [row[1], {caller[2]: figures[0] for caller, figures in row[4].items()}]
                  for key, row in profile.stats.items() if key[2] in ("leaf", "play", "<lambda>")}))
assert all(row[2] >= 0 and row[3] >= 0 for row in profile.stats.values())
"""


def test_greenlets(python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real greenlet: two that hand over to each other at every step. Each call is counted once, with its caller."""
    monkeypatch.setenv("PYTHONPATH", str(package(python, "greenlet")), prepend=os.pathsep)
    (tmp_path / "program.py").write_text(GREENLETS)
    found = json.loads(ran(python, "program.py", cwd=tmp_path).stdout)
    assert found["play"][0] == 2 and found["<lambda>"][0] == 1
    assert found["play"][1] == {"<lambda>": 1}, "the other one was called by C"
    assert found["leaf"] == [201, {"play": 201}]


# -- in place of cProfile -----------------------------------------------------------------------

IMPORTS = ("import cProfile", "from pyrometer.compat import cProfile", "import pyrometer as cProfile")
# What people type (the mission's row M2), and what cProfile's documentation shows.
FORMS = {
    "enable and disable": """
profiler = cProfile.Profile()
profiler.enable()
result = main()
profiler.disable()
stats = pstats.Stats(profiler)
stats.sort_stats("cumulative")
stats.print_stats(20)
""",
    "runctx": """
cProfile.runctx("main()", globals(), {"x": 1}, "output.prof")
pstats.Stats("output.prof").sort_stats("cumulative").print_stats(20)
""",
    "stats of a profile": """
profiler = cProfile.Profile()
profiler.runcall(main)
pstats.Stats(profiler).sort_stats("cumulative").print_stats(20)
""",
    "context": """
with cProfile.Profile() as profiler:
    main()
profiler.print_stats("cumulative")
profiler.print_stats(sort=1)
""",
    "run": """
cProfile.run("main()")
cProfile.run("main()", "output.prof", sort="tottime")
cProfile.run("main()", sort=pstats.SortKey.TIME)
pstats.Stats("output.prof").print_callers("leaf")
""",
    "own subclass": """
class Mine(cProfile.Profile):
    def __init__(self, *arguments, **names):
        super().__init__(*arguments, **names)
        self.tag = 1
profiler = Mine(time.process_time, builtins=False)
profiler.run("main()").dump_stats("output.prof")
profiler.snapshot_stats()
pstats.Stats("output.prof").strip_dirs().sort_stats(pstats.SortKey.CUMULATIVE).print_stats()
""",
}
PROGRAM = """
import pstats, time
{imports}
def leaf():
    return 1
def main():
    return [leaf() for _ in range(847)]
{form}
"""


def counts_of(printed: str) -> list[tuple[str, str]]:
    """(ncalls, function) of each row that is about the program, in order of the names."""
    found = re.findall(r"^ +(\d[\d/]*) .*?\S*?:\d+\((leaf|main)\)$", printed, re.MULTILINE)
    return sorted(found)


@pytest.mark.parametrize("form", FORMS)
def test_one_import_is_changed(python: Python, form: str, tmp_path: Path) -> None:
    """Scripts written for cProfile print the same rows."""
    expected = None
    for imports in IMPORTS:
        script = tmp_path / "script.py"
        script.write_text(PROGRAM.format(imports=imports, form=FORMS[form]))
        done = ran(python, script, cwd=tmp_path)
        assert not done.stderr
        counts = counts_of(done.stdout)
        expected = expected or counts
        assert counts == expected and ("847", "leaf") in counts, done.stdout


def test_module_has_the_surface_of_cprofile(python: Python) -> None:
    """Names, arguments and their defaults."""
    ran(
        python,
        "-c",
        """if True:
        import inspect, sys
        if sys.version_info >= (3, 15):
            import profiling.tracing as cProfile
        else:
            import cProfile
        from pyrometer.compat import cProfile as ours
        assert set(ours.__all__) == set(cProfile.__all__)
        for name in ("run", "runctx", "label", "main"):
            theirs = list(inspect.signature(getattr(cProfile, name)).parameters.values())
            mine = list(inspect.signature(getattr(ours, name)).parameters.values())
            assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs], name
        missing = {n for n in dir(cProfile.Profile) if not n.startswith("_")} - set(dir(ours.Profile))
        assert not missing, missing
        assert ours.label("<x>") == cProfile.label("<x>")
        entries = []
        for module in (cProfile, ours):
            profile = module.Profile()
            profile.enable()
            len(())
            profile.disable()
            entries += [entry for entry in profile.getstats() if "len" in entry.code]
        assert entries[0].__match_args__ == entries[1].__match_args__
        assert entries[0][:3] == entries[1][:3] and entries[1].calls is None
        """,
    )


def test_command_line_of_cprofile(python: Python, tmp_path: Path) -> None:
    """python -m pyrometer.compat.cProfile does what python -m cProfile does."""
    (tmp_path / "script.py").write_text(
        "import sys\ndef leaf(): pass\nfor _ in range(7): leaf()\nprint(sys.argv, __name__)\nsys.exit(3)\n"
    )
    for module in ("cProfile", "pyrometer.compat.cProfile"):
        done = ran(python, "-m", module, "-s", "ncalls", "script.py", "-x", "y", cwd=tmp_path)
        assert "['script.py', '-x', 'y'] __main__" in done.stdout
        assert re.search(r"^ +7 .*script.py:2\(leaf\)$", done.stdout, re.MULTILINE), done.stdout
        ran(python, "-m", module, "-o", tmp_path / "x.prof", "-m", "timeit", "-n1", "-r1", cwd=tmp_path)
        assert (tmp_path / "x.prof").stat().st_size > 1000
        (tmp_path / "x.prof").unlink()


@pytest.fixture
def prof(python: Python, tmp_path: Path) -> Path:
    """A .prof file that pyrometer.run() wrote."""
    path = tmp_path / "ours.prof"
    code = f"import pyrometer; pyrometer.run('import json; [json.dumps([i]) for i in range(847)]', {str(path)!r})"
    ran(python, "-c", code)
    return path


def test_our_files_are_read(
    python: Python, prof: Path, pyrometer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the browser of pstats, by pyrometer itself, by snakeviz, by tuna and by gprof2dot."""
    done = ran(python, "-m", "pstats", prof, input="sort ncalls\nstats dumps\ncallers dumps\nquit\n", stdin=None)
    assert re.search(r"^ +847 .*\(dumps\)$", done.stdout, re.MULTILINE), done.stdout
    stats = subprocess.run([pyrometer, "stats", prof, "-n", "0"], capture_output=True, text=True, check=True)
    assert re.search(r"^ +847 .*dumps", stats.stdout, re.MULTILINE), stats.stdout
    snakeviz, tuna = pytest.importorskip("snakeviz.stats"), pytest.importorskip("tuna.main")
    rows = snakeviz.table_rows(pstats.Stats(str(prof)))
    assert any("(dumps)" in str(row) for row in rows)
    assert tuna.read(str(prof))["children"]
    pytest.importorskip("gprof2dot")
    monkeypatch.delenv("PYTHONPATH")
    # It leaves out what took little time, unless it is told not to.
    every = ["-n", "0", "-e", "0"]
    dot = subprocess.run(
        [sys.executable, "-m", "gprof2dot", "-f", "pstats", *every, prof],
        capture_output=True, text=True, check=True,
    )
    assert re.search(r"dumps\b.*847", dot.stdout), dot.stdout


# -- costs --------------------------------------------------------------------------------------


def test_import_is_quick_and_starts_nothing(python: Python) -> None:
    """Under 10 ms, without the C part, pstats or any module that is not there anyway."""
    done = ran(
        python,
        "-c",
        """if True:
        import sys
        before = set(sys.modules)
        import pyrometer
        print(sorted(set(sys.modules) - before - {"__future__"}))
        """,
    )
    assert done.stdout.strip() == "['pyrometer']"


@pytest.mark.alone
@clocked
def test_its_own_cost_is_taken_out(python: Python) -> None:
    """Of what a Profile that takes nothing out shows too much for a function made of tiny calls, most is gone. How near to the
    truth it comes is measured by bench/."""
    if python.minor == (3, 11):
        pytest.skip("3.11 runs all code slower while it is profiled")
    code = target("profile_observer.py")
    runs = [[float(word) for word in ran(python, code).stdout.split()] for _ in range(5)]
    shown, raw = (sorted(ratios)[2] for ratios in zip(*runs))
    assert raw > 2, runs
    assert 0.4 < shown < 1 + (raw - 1) / 4, runs
