"""Stacks that other tools wrote, and ours written and read again: collapsed, speedscope's, pprof's."""

from __future__ import annotations

import collections
import gzip
import json
import subprocess
from pathlib import Path

import pytest
from format_helpers import Export, function_named, head_of

pytestmark = pytest.mark.beside

FORMATS = {"collapsed": "x.collapsed", "speedscope": "x.speedscope.json", "pprof": "x.pb.gz"}

# As each of them writes it, of the same program: main() calls load() for 3 samples or 30 ms, and parse() for 7.
PY_SPY = """\
<module> (app.py:9);main (app.py:7);load (app.py:2) 3
<module> (app.py:9);main (app.py:8);parse (lib/parse.py:4) 7
"""
TACHYON = """\
tid:41;app.py:<module>:9;app.py:main:7;app.py:load:2 3
tid:41;app.py:<module>:9;app.py:main:8;lib/parse.py:parse:4 7
"""
AUSTIN = """\
# austin: 3.7.0
# interval: 1000
# mode: wall

P40;T0:41;app.py:<module>:9;app.py:main:7;app.py:load:2 30000
P40;T0:41;app.py:<module>:9;app.py:main:8;lib/parse.py:parse:4 70000
"""
FRAMES = [
    {"name": "<module>", "file": "app.py", "line": 9},
    {"name": "main", "file": "app.py", "line": 7},
    {"name": "load", "file": "app.py", "line": 2},
    {"name": "main", "file": "app.py", "line": 8},
    {"name": "parse", "file": "lib/parse.py", "line": 4},
]
SAMPLED = {
    "type": "sampled", "name": "MainThread", "unit": "seconds", "startValue": 100.0, "endValue": 100.1,
    "samples": [[0, 1, 2]] * 3 + [[0, 3, 4]] * 7, "weights": [0.01] * 10,
}  # fmt: skip
EVENTED = {
    "type": "evented", "name": "MainThread", "unit": "milliseconds", "startValue": 0, "endValue": 100,
    "events": [{"type": kind, "frame": frame, "at": at} for kind, frame, at in
               [("O", 0, 0), ("O", 1, 0), ("O", 2, 0), ("C", 2, 30), ("C", 1, 30), ("O", 3, 30), ("O", 4, 30), ("C", 4, 100),
                ("C", 3, 100), ("C", 0, 100)]],
}  # fmt: skip


def speedscope(profile: dict) -> str:
    return json.dumps({"shared": {"frames": FRAMES}, "profiles": [profile]})


OTHERS = {
    "py-spy": (PY_SPY, 0.01),
    "tachyon": (TACHYON, 0.01),
    "austin": (AUSTIN, 0.1),
    "sampled": (speedscope(SAMPLED), 0.1),
    "evented": (speedscope(EVENTED), 0.1),
}


def ask(pyrometer: Path, *arguments: str | Path) -> str:
    return subprocess.run([pyrometer, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def refused(pyrometer: Path, status: int, *arguments: str | Path) -> str:
    """The one line it says."""
    done = subprocess.run([pyrometer, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done.stderr
    return done.stderr


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, float]:
    """A file of another tool, and how long it is, in seconds."""
    text, seconds = OTHERS[request.param]
    path = tmp_path / request.param
    path.write_text(text)
    return path, seconds


def test_the_times_of_other_tools(pyrometer: Path, other: tuple[Path, float]) -> None:
    path, seconds = other
    asked = json.loads(ask(pyrometer, "stats", path, "--json"))
    for name, file, own, total in (
        ("<module>", "app.py", 0, 1), ("main", "app.py", 0, 1), ("load", "app.py", 0.3, 0.3), ("parse", "lib/parse.py", 0.7, 0.7),
    ):  # fmt: skip
        row = function_named(asked, name)
        assert row["file"] == file
        assert (row["tottime_s"], row["cumtime_s"]) == pytest.approx((own * seconds, total * seconds), rel=1e-4), name
    (caller,) = function_named(asked, "load")["callers"]
    assert caller["name"] == "main" and caller["time_s"] == pytest.approx(0.3 * seconds, rel=1e-4)
    assert asked["recording"]["duration_s"] == pytest.approx(seconds, rel=1e-3)
    assert asked["recording"]["rate_hz"] is None and asked["recording"]["waiting"] is None


def test_what_a_file_does_not_tell_is_said(pyrometer: Path, other: tuple[Path, float]) -> None:
    path, seconds = other
    said = ask(pyrometer, "stats", path)
    assert "computing or waiting: the file does not tell" in said and "100 % Python" not in said
    assert "app.py(load)" in said  # and not app.py:0: where it begins is not told either
    assert ("each is taken for 1 ms" in said) == (seconds == 0.01)
    assert "does not tell who ran and who waited" in refused(pyrometer, 2, "stats", path, "--clock", "cpu")
    share = ask(pyrometer, "share", path, "load")
    assert "computing" not in share and "no CPU was free" not in share
    (load,) = json.loads(ask(pyrometer, "share", path, "load", "--json"))["shares"]
    assert load["saves_s"] == pytest.approx(0.3 * seconds, rel=1e-3)  # all of its samples, be it told when they were or not


def test_every_question_takes_them(pyrometer: Path, other: tuple[Path, float], recording: Path, tmp_path: Path) -> None:
    path, seconds = other
    page = tmp_path / "page.html"
    ask(pyrometer, "view", path, "--baseline", recording, "-o", page)
    head = head_of(page)
    assert head["foreign"] and head["timeless"] == (seconds == 0.01)
    assert (head["buckets"] > 1) == (path.name in ("sampled", "evented"))  # a timeline, where the file tells when
    assert "parse" in ask(pyrometer, "diff", recording, path)
    assert "load" in ask(pyrometer, "lines", path)
    found = ask(pyrometer, "findings", path)
    assert "not looked for, since calls were not counted (pyrometer run counts them): n-plus-one, " in found
    assert ("since it does not say what threads waited for: gil-contention" in found) == (
        "the file does not tell" in ask(pyrometer, "stats", path)
    )
    with path.open("rb") as stdin:
        done = subprocess.run([pyrometer, "stats", "-"], stdin=stdin, capture_output=True, text=True, check=True, timeout=60)
    assert "parse" in done.stdout


@pytest.mark.parametrize("file_format", FORMATS)
def test_ours_read_again_is_the_same(pyrometer: Path, export: Export, stats: dict, file_format: str) -> None:
    """To the samples, of collapsed stacks; else to the microsecond, and where waiting is told, with that."""
    again = json.loads(ask(pyrometer, "stats", export(file_format, f"again-{FORMATS[file_format]}"), "--json"))
    ours, theirs = ({row["name"]: row for row in it["functions"]} for it in (stats, again))
    times = collections.Counter(row["name"] for row in stats["functions"])  # a slow start shows more than one <module>
    rows = [
        name for name, row in ours.items()
        if row["samples_total"] and times[name] == 1 and "\n" not in name and not name.startswith("[")
    ]
    assert len(rows) > 5
    for name in rows:
        for key, samples in (("tottime_s", "samples_self"), ("cumtime_s", "samples_total")):
            expected = ours[name][samples] / 1000 if file_format == "collapsed" else ours[name][key]
            assert theirs[name][key] == pytest.approx(expected, rel=1e-3, abs=1e-5), (name, key)
    if file_format == "pprof":
        assert again["totals"]["waiting_s"] == pytest.approx(stats["totals"]["waiting_s"], rel=1e-3, abs=1e-5)


def test_cut_files_are_refused(pyrometer: Path, export: Export, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    for file_format, name in FORMATS.items():
        whole = export(file_format, f"whole-{name}").read_bytes()
        cut.write_bytes(whole[: len(whole) // 2].rstrip(b"0123456789\n "))
        said = refused(pyrometer, 4, "view", cut, "-o", tmp_path / "x.html")
        assert f"cannot read '{cut}': " in said and not (tmp_path / "x.html").exists()


def test_the_first_stack_may_be_long(pyrometer: Path, tmp_path: Path) -> None:
    """Longer than what is looked at to tell what a file is."""
    deep = tmp_path / "deep.txt"
    deep.write_text(";".join(f"f (/srv/{'x' * 70}.py:{line})" for line in range(1, 1001)) + " 5\n")
    assert deep.stat().st_size > 64 << 10
    assert "from collapsed stacks" in ask(pyrometer, "stats", deep)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a;b 1\na;b\n", "line 2 does not end in a count"),
        (b'{"a": ' * 100_000, "it is no JSON from line 1 on"),
        (b'{"shared": {"frames": []}, "profiles": [{"type": "sampled", "unit": "bytes"}]}', "no times, or of an unknown unit"),
        (gzip.compress(b"nonsense"), "it is no pprof file, or a damaged one"),
        (gzip.compress(b"\0" * (600 << 20)), "it unfolds into too much"),
        (b"\x1f\x8bnonsense", "what is packed in it is damaged"),
        (b"only words\nand more of them\n", "it is no pyrometer recording"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>\n", "what can be read: .pyro recordings, .prof files of cProfile"),
    ],
    ids=["count", "deep", "bytes", "other", "bomb", "gzip", "text", "picture"],
)
def test_bad_files_are_refused(pyrometer: Path, tmp_path: Path, data: bytes, said: str) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    assert said in refused(pyrometer, 4, "stats", bad)
