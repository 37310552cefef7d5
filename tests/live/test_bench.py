"""`bench` and `compare` end to end: what is run and how often, what is kept, what is said, how it ends.

No test asserts how long something took: commands that differ, differ by ten times and more.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import SECONDS, refused, run
from pythons import find_python

pytestmark = pytest.mark.usefixtures("folder")

SHORT, LONG = "sleep 0.01", "sleep 0.15"
PACKAGES = ("pyperf==2.11.0", "pytest==9.2.0", "pytest-benchmark==5.3.1")


def script(name: str, text: str) -> str:
    """A program of the test's own, and the command that runs it."""
    Path(name).write_text(text)
    return f"{sys.executable} {name}"


def counted(name: str) -> str:
    """A command that leaves a byte in the file NAME each time it runs."""
    return script(f"{name}.py", f"open({name!r}, 'a').write('x')\n")


def measured(path: str = "r.json") -> dict:
    return json.loads(Path(path).read_text())


def counting_runs(data: dict, command: int) -> list[dict]:
    return [one for one in data["runs"] if one["command"] == command and not one["warmup"]]


INTERVAL = ("ci_low", "ratio", "ci_high")


def factor(word: str, low: float, middle: float, high: float) -> str:
    """As the last line of a verdict tells it."""
    return f"{middle:.3g}x {word} ({low:.3g} .. {high:.3g})"


# -- what is run ----------------------------------------------------------------------------------


def test_the_faster_one_is_kept(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "-o", "r.json", f"old={LONG}", f"new={SHORT}")
    assert "faster" in result.stdout and "new against old" in result.stdout
    data = measured()
    assert data["format"] == "pyrometer-bench" and data["version"] == 1 and data["end"] == "clear"
    assert [(one["name"], one["command"]) for one in data["commands"]] == [("old", LONG), ("new", SHORT)]
    verdict = json.loads(run(pyrometer, "compare", "r.json", "--json").stdout)
    assert verdict["verdict"] == "faster" and verdict["keep"] is True and verdict["metric"] == "wall"
    assert verdict["ci_low"] <= verdict["ratio"] <= verdict["ci_high"] < 0.5
    assert verdict["confidence"] == 0.99 and verdict["pairs"] == len(counting_runs(data, 0)) >= 10
    assert verdict["noise"] > 0 and verdict["smallest_visible"] >= verdict["noise"]
    assert verdict["before"] == "old" and verdict["after"] == "new" and verdict["others"] == []
    assert result.stdout.splitlines()[-1] == "KEEP  " + factor("faster", *(1 / verdict[key] for key in INTERVAL[::-1]))


def test_the_slower_one_is_reverted(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "-o", "r.json", f"old={SHORT}", f"new={LONG}", "--json")
    verdict = json.loads(result.stdout)
    assert verdict["verdict"] == "slower" and verdict["keep"] is False and verdict["ci_low"] > 1
    last = run(pyrometer, "compare", "r.json").stdout.splitlines()[-1]
    assert last == "REVERT  " + factor("slower", *(verdict[key] for key in INTERVAL))


def test_rounds_hold_each_command_once_in_random_order(pyrometer: Path) -> None:
    run(pyrometer, "bench", "-o", "r.json", "--pairs", "24", "--precision", "0.001%", "true", "true")
    data = measured()
    warm = [one["command"] for one in data["runs"] if one["warmup"]]
    assert warm == [0, 1]
    runs = [one for one in data["runs"] if not one["warmup"]]
    rounds = [runs[at : at + 2] for at in range(0, len(runs), 2)]
    assert len(rounds) == 24 and data["end"] == "pairs"
    for number, pair in enumerate(rounds):
        assert {one["command"] for one in pair} == {0, 1}
        assert [(one["round"], one["position"]) for one in pair] == [(number, 0), (number, 1)]
    first = [pair[0]["command"] for pair in rounds]
    assert 0 < sum(first) < len(first)  # wrong once in 8 million times
    assert [one["name"] for one in data["commands"]] == ["true", "true (2)"]


def test_runs_are_announced_and_counted(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--pairs", "7", counted("a"), counted("b"))
    first = result.stderr.splitlines()[0]
    assert "once to warm up" in first and "up to 7 times" in first and "for 60 s at most" in first
    assert "--once" in first
    assert Path("a").read_text() == Path("b").read_text() == "x" * 8


def test_once_is_once(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--once", "-o", "r.json", counted("a"), counted("b"))
    assert Path("a").read_text() == Path("b").read_text() == "x"
    assert result.stdout.splitlines()[-1].startswith("no verdict")
    assert measured()["end"] == "once" and not any(one["warmup"] for one in measured()["runs"])


def test_the_budget_ends_it(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--time", "1s", "-o", "r.json", "--json", "sleep 0.3", "sleep 0.31")
    assert measured()["end"] == "time" and len(counting_runs(measured(), 0)) < 6
    assert json.loads(result.stdout)["verdict"] == "undecided"
    assert "too few for a verdict" in result.stderr


def test_one_command_shows_its_distribution(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--pairs", "12", "-o", "r.json", "true")
    assert "12 runs" in result.stdout and "|" in result.stdout and "against" not in result.stdout
    result = run(pyrometer, "bench", "--pairs", "12", "--metric", "growth", "true")  # too short for one
    assert "12 runs" in result.stdout and result.stderr.count("growth is not known of commands that take less than") == 1
    assert not result.stderr.endswith("pyrometer: \n")
    assert "nothing that was measured in turn" in refused(pyrometer, 2, "compare", "r.json")
    result = run(pyrometer, "bench", "--pairs", "7", "--metric", "growth", "true", "/bin/true")
    assert "  growth  not known\nno verdict: the figure it is about is not known of both\n" in result.stdout
    assert "too few pairs" not in result.stdout + result.stderr


def test_three_commands_are_compared_with_the_first(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--json", f"a={LONG}", f"b={SHORT}", f"c={LONG}", "--pairs", "10")
    verdict = json.loads(result.stdout)
    assert [one["after"] for one in (verdict, *verdict["others"])] == ["b", "c"]
    assert verdict["before"] == "a" and verdict["confidence"] == 0.995 and verdict["verdict"] == "faster"


def test_hash_seed_is_shared_in_a_round(pyrometer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    note = "import os; open('seeds', 'a').write(os.environ['PYTHONHASHSEED'] + '\\n')\n"
    run(pyrometer, "bench", "--pairs", "4", script("a.py", note), script("b.py", note))
    seeds = Path("seeds").read_text().split()
    assert seeds[0::2] == seeds[1::2] and len(set(seeds)) == 5


# -- what a command does --------------------------------------------------------------------------


def test_a_failing_command_is_told(pyrometer: Path) -> None:
    broken = script("broken.py", "import sys\nprint('out')\nsys.exit('cannot \\x1b[31mdo it')\n")
    result = run(pyrometer, "bench", "true", f"new={broken}", status=1)
    assert "'new' ended with status 1: cannot ?[31mdo it" in result.stderr
    assert "--ignore-failure" in result.stderr and result.stdout == ""


def test_what_was_measured_before_a_failure_is_kept(pyrometer: Path) -> None:
    late = script("late.py", "import os, sys\nopen('n', 'a').write('x')\nsys.exit(os.stat('n').st_size == 9)\n")
    run(pyrometer, "bench", "-o", "r.json", "true", late, status=1)
    assert measured()["end"] == "failed" and len(counting_runs(measured(), 1)) == 7


def test_failures_can_be_ignored(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--pairs", "6", "-o", "r.json", "--ignore-failure", "true", "false")
    assert "6 runs ended with a status other than 0, and count" in result.stdout
    assert {one["status"] for one in counting_runs(measured(), 1)} == {1}


def test_a_signal_is_told(pyrometer: Path) -> None:
    dying = script("dying.py", "import os\nos.kill(os.getpid(), 9)\n")
    assert "was ended by signal 9" in refused(pyrometer, 1, "bench", f"a={dying}", "true")


def test_a_command_that_is_not_there(pyrometer: Path) -> None:
    assert "cannot run 'no-such-program'" in refused(pyrometer, 1, "bench", "true", "no-such-program -v")


def test_different_output_is_noticed(pyrometer: Path) -> None:
    same = run(pyrometer, "bench", "--pairs", "1", "echo a", "echo 'a'").stdout
    other = run(pyrometer, "bench", "--pairs", "1", "-o", "r.json", "echo a", "echo b").stdout
    assert "different output" not in same and "the commands print different output" in other
    assert measured()["output_differs"] is True


def test_output_is_discarded_or_shown(pyrometer: Path) -> None:
    hidden = run(pyrometer, "bench", "--pairs", "2", "echo seen")
    assert "seen" not in hidden.stderr and hidden.stdout.count("seen") == 1  # the command's name
    shown = run(pyrometer, "bench", "--pairs", "2", "--show-output", "echo seen")
    assert shown.stderr.splitlines().count("seen") == 3


def test_much_output_does_not_block(pyrometer: Path) -> None:
    loud = script("loud.py", "import sys\nsys.stdout.write('x' * 3_000_000)\nsys.stderr.write('y' * 300_000)\n")
    run(pyrometer, "bench", "--pairs", "2", loud, loud)


def test_a_shell_is_used_only_when_asked_for(pyrometer: Path) -> None:
    line = refused(pyrometer, 2, "bench", "true", "echo a > out")
    assert "'>' means nothing without a shell" in line and "--shell" in line
    assert not Path("out").exists()
    run(pyrometer, "bench", "--once", "--shell", "true", "echo a > out")
    assert Path("out").read_text() == "a\n"


def test_input_is_empty(pyrometer: Path) -> None:
    reader = script("reader.py", "import sys\nassert sys.stdin.read() == ''\n")
    run(pyrometer, "bench", "--once", reader, input="not for you", stdin=None)


def test_secrets_are_left_out(pyrometer: Path) -> None:
    run(pyrometer, "bench", "--once", "-o", "r.json", "true --token=hunter2 --password hunter3")
    assert "hunter" not in Path("r.json").read_text()


# -- memory and CPU -------------------------------------------------------------------------------

MIB = 1 << 20


def allocates(name: str, mebibytes: int) -> str:
    return script(name, f"data = bytearray({mebibytes} << 20)\n")


def test_peak_is_that_of_the_command(pyrometer: Path) -> None:
    run(
        pyrometer, "bench", "--pairs", "8", "-o", "r.json", "--shell",
        allocates("big.py", 200), f"{allocates('small.py', 40)}; true",
    )  # fmt: skip
    assert all(200 * MIB < one["peak_bytes"] < 260 * MIB for one in counting_runs(measured(), 0))
    assert all(40 * MIB < one["peak_bytes"] < 100 * MIB for one in counting_runs(measured(), 1))
    verdict = json.loads(run(pyrometer, "compare", "r.json", "--metric", "peak", "--json").stdout)
    assert verdict["metric"] == "peak" and verdict["verdict"] == "faster" and verdict["ratio"] < 0.5
    assert "less memory" in run(pyrometer, "compare", "r.json").stdout


def test_a_peak_below_our_own_is_not_known(pyrometer: Path) -> None:
    """A child starts with the high-water mark of the memory it was made in, which is the program's."""
    if not Path("/bin/busybox").exists() and shutil.which("gcc") is None:
        pytest.skip("no small program to run")
    Path("tiny.c").write_text("void _start(void) { __asm__(\"mov $60,%eax; xor %edi,%edi; syscall\"); }\n")
    built = subprocess.run(["gcc", "-static", "-nostdlib", "-o", "tiny", "tiny.c"], check=False, capture_output=True)
    if built.returncode != 0:
        pytest.skip("no static program can be built here")
    run(pyrometer, "bench", "--pairs", "2", "-o", "r.json", "./tiny")
    assert {one["peak_bytes"] for one in measured()["runs"]} == {None}


def test_a_tradeoff_gets_no_single_word(pyrometer: Path) -> None:
    greedy = script("greedy.py", "data = bytearray(200 << 20)\n")
    patient = script("patient.py", "import time\ntime.sleep(0.6)\n")
    result = run(pyrometer, "bench", "-o", "r.json", f"old={patient}", f"new={greedy}")
    assert "faster" in result.stdout and "more memory" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("a trade-off")
    verdict = json.loads(run(pyrometer, "compare", "r.json", "--json").stdout)
    assert verdict["keep"] is None and verdict["tradeoff"] is True
    alone = json.loads(run(pyrometer, "compare", "r.json", "--metric", "wall", "--json").stdout)
    assert alone["keep"] is True


def test_growth_is_seen(pyrometer: Path) -> None:
    """Half of the leak comes after half the time, although both give their memory back before they end."""
    leaking = "for _ in range(40):\n    kept.append(bytearray(b'x' * 2000000))\n    time.sleep(0.01)\n"
    leak = script("leak.py", f"import time\nkept = []\n{leaking}")
    flat = script("flat.py", "import time\nkept = bytearray(b'x' * 30000000)\ntime.sleep(0.4)\n")
    run(pyrometer, "bench", "--pairs", "12", "--precision", "0.001%", "-o", "r.json", f"old={leak}", f"new={flat}")
    verdict = json.loads(run(pyrometer, "compare", "r.json", "--metric", "growth", "--json").stdout)
    assert verdict["metric"] == "growth" and verdict["verdict"] == "faster" and verdict["keep"] is True
    grown = counting_runs(measured(), 0)
    assert all(one["second_half_peak_bytes"] > 1.4 * one["first_half_peak_bytes"] for one in grown)


def test_cpu_counts_children(pyrometer: Path) -> None:
    busy = script("busy.py", "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n")
    parent = script("parent.py", f"import subprocess\nsubprocess.run({busy.split()!r})\n")
    run(pyrometer, "bench", "--pairs", "2", "-o", "r.json", parent)
    assert all(one["user_s"] + one["system_s"] > 0.2 for one in counting_runs(measured(), 0))


# -- how it ends ----------------------------------------------------------------------------------


def wait_for(condition, what: str) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def size(path: str) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0


def test_interrupted_it_keeps_what_it_has(pyrometer: Path) -> None:
    name = f"slow_{os.getpid()}.py"
    waits = "time.sleep(0 if os.stat('n').st_size < 9 else 600)\n"
    slow = script(name, f"import time, os\nopen('n', 'a').write('x')\n{waits}")
    with subprocess.Popen(
        [pyrometer, "bench", "-o", "r.json", "true", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: size("n") == 9, "the command was not run nine times")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert "ended: interrupted" in out and "against" in out
    assert measured()["end"] == "interrupted" and len(counting_runs(measured(), 1)) == 7
    left = subprocess.run(["pgrep", "-f", f"^{sys.executable} {name}"], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_progress_is_shown_on_a_terminal(pyrometer: Path) -> None:
    main, other = pty.openpty()
    with subprocess.Popen(
        [pyrometer, "bench", "--pairs", "12", "--precision", "0.001%", "true", "true"],
        stdout=subprocess.DEVNULL, stderr=other, env={**os.environ, "TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(other)
        seen = b""
        while select.select([main], [], [], SECONDS)[0]:
            try:
                data = os.read(main, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
        assert process.wait(SECONDS) == 0
    os.close(main)
    assert b"of 60 s  10 pairs" in seen and b"Ctrl-C ends" in seen
    assert seen.endswith(b"\r\x1b[K")


def test_the_file_must_be_writable_before_anything_runs(pyrometer: Path) -> None:
    assert "cannot write" in refused(pyrometer, 2, "bench", "-o", "missing/r.json", counted("a"))
    assert not Path("a").exists()


def test_fail_if_ends_with_5(pyrometer: Path) -> None:
    run(pyrometer, "bench", "-o", "r.json", f"old={SHORT}", f"new={LONG}", "--fail-if", "slower:2%", status=5)
    for condition, status in (
        ("slower", 5), ("slower:50%", 5), ("slower:100%", 5), ("faster", 0), ("same,undecided", 0),
        ("faster,slower:2%", 5),
    ):  # fmt: skip
        run(pyrometer, "compare", "r.json", "--fail-if", condition, status=status)
    for wrong in ("quicker", "slower:x", "same:2%", "slower:-1%"):
        assert "--fail-if" in refused(pyrometer, 2, "compare", "r.json", "--fail-if", wrong)


# -- an earlier revision --------------------------------------------------------------------------


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two revisions of app/run.py: it slept, it does not any more. We stand in app/."""
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    (folder / "temporary").mkdir()
    top = folder / "repository"
    (top / "app").mkdir(parents=True)
    monkeypatch.chdir(top / "app")
    Path("run.py").write_text("import time\ntime.sleep(0.3)\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "slow")
    Path("run.py").write_text("pass\n")
    git("commit", "--quiet", "-a", "-m", "fast")
    return folder


def nothing_left(folder: Path) -> bool:
    return len(git("worktree", "list").splitlines()) == 1 and not list((folder / "temporary").iterdir())


def test_against_an_earlier_revision(pyrometer: Path, repository: Path) -> None:
    Path("run.py").write_text("# not committed\n")
    result = run(pyrometer, "bench", "--against", "HEAD~1", "-o", "r.json", f"{sys.executable} run.py")
    assert result.stdout.splitlines()[-1].startswith("KEEP  ")
    names = [one["name"] for one in measured()["commands"]]
    assert names == [f"HEAD~1 ({git('rev-parse', 'HEAD~1')[:10]})", "now"]
    assert nothing_left(repository)


def test_the_worktree_goes_when_interrupted(pyrometer: Path, repository: Path) -> None:
    Path("run.py").write_text("import time\nopen('started', 'w').close()\ntime.sleep(600)\n")
    with subprocess.Popen(
        [pyrometer, "bench", "--against", "HEAD", f"{sys.executable} run.py"], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: os.path.exists("started"), "the present side did not start")
        assert not nothing_left(repository)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and nothing_left(repository)


def test_the_worktree_goes_when_a_command_fails(pyrometer: Path, repository: Path) -> None:
    refused(pyrometer, 1, "bench", "--against", "HEAD", "false")
    assert nothing_left(repository)


def test_a_revision_that_is_not_there(pyrometer: Path, repository: Path) -> None:
    assert "git rev-parse" in refused(pyrometer, 1, "bench", "--against", "no-such", "true")
    assert nothing_left(repository)
    assert "one command" in refused(pyrometer, 2, "bench", "--against", "HEAD", "true", "true")


# -- why ------------------------------------------------------------------------------------------

OLD = '''\
def fetch(key):
    return sum(range(20000))

def view():
    return [fetch(key) for key in range(300)]

view()
'''


@pytest.fixture
def versions() -> list[str]:
    """Two commands of a program that fetches 300 times, then twice."""
    python = find_python("3.12")
    if python.missing:
        pytest.skip(python.missing)
    Path("old.py").write_text(OLD)
    Path("new.py").write_text(OLD.replace("300", "2"))
    return [f"old={python.path} old.py", f"new={python.path} new.py"]


def test_recordings_say_why(pyrometer: Path, versions: list[str]) -> None:
    result = run(pyrometer, "bench", "--record", "--pairs", "10", "-o", "r.json", *versions)
    assert "each command runs once more to be recorded" in result.stderr
    assert "\nKEEP  " in result.stdout and "300→2" in result.stdout.replace("->", "→")
    assert "why, by one recorded run each" in result.stdout
    assert [one["recording"] for one in measured()["commands"]] == ["r.1.pyro", "r.2.pyro"]
    assert len(measured()["runs"]) == 2 * 11 and Path("r.1.pyro").exists()
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    verdict = json.loads(run(pyrometer, "compare", "../r.json", "--json").stdout)
    fetch = next(one for one in verdict["why"]["functions"] if one["name"] == "fetch")
    assert (fetch["before_calls"], fetch["after_calls"]) == (300, 2)
    assert verdict["keep"] is True and "calls" in [one["metric"] for one in verdict["metrics"]]


def test_calls_are_a_metric_of_recordings(pyrometer: Path, versions: list[str]) -> None:
    result = run(pyrometer, "bench", "--metric", "calls", "--pairs", "6", "-o", "r.json", "--json", *versions)
    verdict = json.loads(result.stdout)
    assert verdict["metric"] == "calls" and verdict["verdict"] == "faster" and verdict["keep"] is True
    assert verdict["ci_low"] == verdict["ratio"] == verdict["ci_high"] < 1 and verdict["confidence"] is None
    same = json.loads(run(pyrometer, "compare", "r.1.pyro", "r.1.pyro", "--metric", "calls", "--json").stdout)
    assert same["verdict"] == "same" and same["keep"] is False and same["ratio"] == 1
    text = run(pyrometer, "compare", "r.2.pyro", "r.1.pyro", "--metric", "calls", "--fail-if", "slower:2%", status=5)
    assert "more calls" in text.stdout and "no verdict" not in text.stdout + text.stderr


ASKS = """
import sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("create table t (a, b)")
cursor = connection.cursor()
for key in range(300):
    cursor.execute("select a from t where b = ?", (key,)).fetchall()
"""


def asks(name: str, *replace: str) -> str:
    """A command that sends 301 queries, or as many as after replacing REPLACE in it."""
    python = find_python("3.12")
    if python.missing:
        pytest.skip(python.missing)
    Path(name).write_text(ASKS.replace(*replace) if replace else ASKS)
    return f"{python.path} {name}"


def counts(verdict: dict) -> tuple[int, int]:
    return verdict["before_count"], verdict["after_count"]


def test_queries_are_a_metric_of_recordings(pyrometer: Path) -> None:
    commands = [f"old={asks('old.py')}", f"new={asks('new.py', '300', '1')}"]
    text = run(pyrometer, "bench", "--metric", "queries", "--once", "-o", "r.json", *commands).stdout
    assert "301 → 2, in one run each" in text and "fewer queries" in text
    assert "\nKEEP\n" in text and "counts of one run each: no interval" in text
    verdict = json.loads(run(pyrometer, "compare", "r.json", "--metric", "queries", "--json").stdout)
    assert verdict["metric"] == "queries" and verdict["keep"] is True and counts(verdict) == (301, 2)
    assert verdict["ratio"] == pytest.approx(2 / 301, abs=1e-5) and verdict["confidence"] is None
    more = json.loads(run(pyrometer, "compare", "r.2.pyro", "r.1.pyro", "--metric", "queries", "--json").stdout)
    assert more["verdict"] == "slower" and more["keep"] is False and counts(more) == (2, 301)
    run(pyrometer, "compare", "r.2.pyro", "r.1.pyro", "--metric", "queries", "--fail-if", "slower", status=5)
    same = json.loads(run(pyrometer, "compare", "r.1.pyro", "r.1.pyro", "--metric", "queries", "--json").stdout)
    assert same["verdict"] == "same" and same["keep"] is False
    wall = json.loads(run(pyrometer, "compare", "r.1.pyro", "r.2.pyro", "--json").stdout)
    assert wall["before_count"] is None
    assert [counts(one) for one in wall["metrics"] if one["metric"] == "queries"] == [(301, 2)]


def test_from_no_query_to_some(pyrometer: Path) -> None:
    none = script("none.py", "print()\n").replace(sys.executable, str(find_python("3.12").path))
    for name, command in (("some", asks("some.py")), ("none", none)):
        run(pyrometer, "run", "-o", f"{name}.pyro", "--", *command.split())
    verdict = json.loads(run(pyrometer, "compare", "none.pyro", "some.pyro", "--metric", "queries", "--json").stdout)
    assert verdict["verdict"] == "slower" and verdict["ratio"] is None and counts(verdict) == (0, 301)
    run(pyrometer, "compare", "none.pyro", "some.pyro", "--metric", "queries", "--fail-if", "slower:5%", status=5)
    assert json.loads(run(pyrometer, "compare", "some.pyro", "none.pyro", "--metric", "queries", "--json").stdout)["keep"]
    assert "none was seen" in refused(pyrometer, 2, "compare", "none.pyro", "none.pyro", "--metric", "queries")
    assert '"queries"' not in run(pyrometer, "compare", "none.pyro", "none.pyro", "--json").stdout


def test_without_recordings_there_are_no_calls(pyrometer: Path) -> None:
    run(pyrometer, "bench", "--pairs", "6", "-o", "r.json", "true", "true")
    assert measured()["commands"][0]["recording"] is None
    assert json.loads(run(pyrometer, "compare", "r.json", "--json").stdout)["why"] is None
    for metric in ("calls", "queries"):
        assert "bench --record" in refused(pyrometer, 2, "compare", "r.json", "--metric", metric)


def test_a_lost_recording_explains_nothing(pyrometer: Path, versions: list[str]) -> None:
    run(pyrometer, "bench", "--once", "--record", "-o", "r.json", *versions)
    Path("r.2.pyro").unlink()
    result = run(pyrometer, "compare", "r.json")
    assert "r.2.pyro" in result.stderr and "why" not in result.stdout


def test_what_is_no_python_is_measured_all_the_same(pyrometer: Path) -> None:
    result = run(pyrometer, "bench", "--record", "--once", "-o", "r.json", "true", "true")
    assert "no verdict" in result.stdout and "surely moved" not in result.stdout


# -- files of others ------------------------------------------------------------------------------


def test_two_recordings_give_no_verdict(pyrometer: Path) -> None:
    python = find_python("3.12")
    if python.missing:
        pytest.skip(python.missing)
    for name in ("a.pyro", "b.pyro"):
        run(pyrometer, "run", "--python", python.path, "-o", name, "-c", "import time; time.sleep(0.2)")
    result = run(pyrometer, "compare", "a.pyro", "b.pyro")
    assert "one run each gives no verdict; use pyrometer bench" in result.stderr
    verdict = json.loads(run(pyrometer, "compare", "a.pyro", "b.pyro", "--json").stdout)
    assert verdict["verdict"] == "undecided" and verdict["keep"] is None and verdict["ci_low"] is None
    assert 0.2 < verdict["ratio"] < 5
    assert "why, by one recorded run each" in result.stdout
    assert set(verdict["why"]) == {"notes", "functions", "lines", "edges"}


def test_two_files_of_bench_are_measured_apart(pyrometer: Path) -> None:
    run(pyrometer, "bench", "--pairs", "10", "-o", "a.json", f"it={LONG}")
    run(pyrometer, "bench", "--pairs", "10", "-o", "b.json", f"it={SHORT}")
    verdict = json.loads(run(pyrometer, "compare", "a.json", "b.json", "--json").stdout)
    assert verdict["verdict"] == "faster" and verdict["apart"] is True and verdict["noise"] == 0.1
    same = json.loads(run(pyrometer, "compare", "a.json", "a.json", "--json").stdout)
    assert same["verdict"] == "undecided" and same["ratio"] == 1 and same["ci_low"] < 0.91 and same["ci_high"] > 1.09


def test_files_that_hold_nothing(pyrometer: Path) -> None:
    Path("text").write_text("hello")
    Path("other.json").write_text('{"a": 1}')
    assert "no JSON" in refused(pyrometer, 4, "compare", "text", "text")
    assert "pyperf" in refused(pyrometer, 4, "compare", "other.json")
    assert "cannot open" in refused(pyrometer, 4, "compare", "missing.json")
    assert "what?" in refused(pyrometer, 2, "compare")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the real pyperf and pytest-benchmark."""
    place = tmp_path_factory.mktemp("packages") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True, timeout=SECONDS)
    python = place / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    got = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    if got.returncode != 0:
        pytest.skip(f"pyperf and pytest-benchmark cannot be had: {got.stderr.strip().splitlines()[-1]}")
    return python


def pyperf_file(python: Path, path: str, statement: str) -> None:
    command = [python, "-m", "pyperf", "timeit", "-p", "8", "-n", "2", "-l", "200", "-w", "1", "-q", "-o", path]
    subprocess.run([*command, "--name", "it", statement], check=True, capture_output=True, timeout=SECONDS)


def test_pyperf_files_are_read(pyrometer: Path, packages: Path) -> None:
    pyperf_file(packages, "before.json", "sum(range(5000))")
    pyperf_file(packages, "after.json.gz", "sum(range(50))")
    verdict = json.loads(run(pyrometer, "compare", "before.json", "after.json.gz", "--json").stdout)
    assert verdict["verdict"] == "faster" and verdict["before"] == "it" and verdict["ratio"] < 0.3
    assert verdict["pairs"] == 8  # processes, not the values in them
    assert "two files" in refused(pyrometer, 2, "compare", "before.json")


def pytest_benchmark_file(python: Path, path: str, count: int) -> None:
    Path("test_it.py").write_text(f"def test_it(benchmark):\n    benchmark(lambda: sum(range({count})))\n")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", f"--benchmark-json={path}"]
    timing = ["--benchmark-min-rounds=20", "--benchmark-max-time=0.2", "--benchmark-warmup=off"]
    subprocess.run([*command, *timing], check=True, capture_output=True, timeout=SECONDS)


def test_pytest_benchmark_files_are_read(pyrometer: Path, packages: Path) -> None:
    pytest_benchmark_file(packages, "before.json", 20000)
    pytest_benchmark_file(packages, "after.json", 200)
    verdict = json.loads(run(pyrometer, "compare", "before.json", "after.json", "--json").stdout)
    assert verdict["verdict"] == "faster" and verdict["before"] == "test_it.py::test_it"
    assert verdict["noise"] == 0.25 and verdict["apart"] is True
