"""Memory in other programs' formats: the same bytes, by line and in all, as `memory --json` has of that recording."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commands import refused
from counting import command
from pythons import TARGETS, Python

pytestmark = pytest.mark.beside

PROGRAM = TARGETS / "memory_known.py"
SVG = "{http://www.w3.org/2000/svg}"
SECONDS = 60
HEAD = 33  # what a bytes object takes besides its bytes
SUMS = {"allocated": "allocated_bytes", "peak": "peak_bytes", "live": "live_bytes"}

Line = tuple[str, str, int]  # function, the file's name without its folder, line
Stacks = Counter[tuple[Line, ...]]  # root first -> bytes


@pytest.fixture(scope="module")
def tracked(pyrometer: Path, one: Python, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "known.pyro"
    subprocess.run(command(pyrometer, one, [PROGRAM], "-o", path, "--memory"), check=True, timeout=SECONDS)
    return path


@pytest.fixture(scope="module")
def answer(pyrometer: Path, tracked: Path) -> dict:
    made = subprocess.run([pyrometer, "memory", tracked, "--json"], check=True, capture_output=True, timeout=SECONDS)
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def export(pyrometer: Path, tracked: Path) -> Callable[..., Path]:
    """export(NAME, *OPTIONS): the path of what was written."""

    def write(name: str, *options: str) -> Path:
        path = tracked.with_name(name)
        subprocess.run([pyrometer, "export", tracked, "-o", path, *options], check=True, timeout=SECONDS)
        return path

    return write


# ---- what a format holds, as stacks ----


def line_of(function: str, file: str | None, line: int | None) -> Line:
    return function, os.path.basename(file or ""), line or 0


def of_collapsed(path: Path) -> Stacks:
    stacks: Stacks = Counter()
    for text in path.read_text(encoding="utf-8").splitlines():
        stack, _, count = text.rpartition(" ")
        parts = [re.fullmatch(r"(.*):([^:]+):(\d+)", frame) for frame in stack.split(";")]
        lines = [line_of(part[2], part[1], int(part[3])) if part else ("", "", 0) for part in parts]
        stacks[tuple(lines)] += int(count)
    return stacks


def of_speedscope(path: Path) -> Stacks:
    data = json.loads(path.read_text(encoding="utf-8"))
    frames = [line_of(frame["name"], frame.get("file"), frame.get("line")) for frame in data["shared"]["frames"]]
    (profile,) = data["profiles"]
    assert profile["unit"] == "bytes"
    assert profile["endValue"] == sum(profile["weights"])
    stacks: Stacks = Counter()
    for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
        stacks[tuple(frames[index] for index in sample)] += weight
    return stacks


def of_flamegraph(path: Path) -> Stacks:
    data = json.loads(ElementTree.parse(path).getroot().findtext(SVG + "metadata") or "")
    names = []
    for name, *_, file in data["names"]:
        where, _, line = file.rpartition(":")
        names.append(line_of(name, where, int(line or 0)))
    stacks: Stacks = Counter()
    stack: list[Line] = []
    for depth, name, own in zip(data["depth"], data["name"], data["self"], strict=True):
        stack[depth:] = [names[name]]
        stacks[tuple(stack[1:])] += own
    assert data["total"][0] == sum(data["self"])
    return stacks


def of_json(path: Path, value: Callable[[dict], int]) -> Stacks:
    data = json.loads(path.read_text(encoding="utf-8"))
    stacks: Stacks = Counter()
    for row in data["memory"]:
        lines = []
        at = row["stack"]
        while at:
            frame = data["frames"][data["stacks"][at]["frame"]]
            function = data["functions"][frame["function"]]
            lines.append(line_of(function["name"], function["file"], frame["line"]))
            at = data["stacks"][at]["parent"]
        stacks[tuple(reversed(lines))] += value(row)
    return stacks


READERS = {
    "known.collapsed": of_collapsed,
    "known.speedscope.json": of_speedscope,
    "known.svg": of_flamegraph,
}


# ---- what the table says ----


def lines_of(answer: dict, which: str) -> Iterable[tuple[Line, int, int]]:
    """Every line of Python with its own bytes, and with those of what it called."""
    for function in answer["functions"]:
        for line in function["lines"]:
            if function["file"]:
                key = line_of(function["name"], function["file"], line["line"])
                yield key, line[f"self_{which}"], line[f"total_{which}"]


def same_as_the_table(stacks: Stacks, answer: dict, which: str) -> None:
    """All of it, each line's own, and what the program's lines have with what they called."""
    own: Counter[Line] = Counter()
    total: Counter[Line] = Counter()
    for stack, size in stacks.items():
        own.update({line: size for line in stack[-1:]})
        total.update({line: size for line in set(stack)})
    table: Counter[Line] = Counter()
    for line, self_bytes, total_bytes in lines_of(answer, which):
        table[line] += self_bytes
        if line[1] == PROGRAM.name:
            assert total[line] == total_bytes, line
    assert sum(table.values()) > 4_000_000
    assert {line: own[line] for line in table} == dict(table)
    assert sum(stacks.values()) == answer[SUMS[which]]


@pytest.mark.parametrize("which", SUMS)
@pytest.mark.parametrize("name", READERS)
def test_each_line_has_the_bytes_of_the_table(export: Callable, answer: dict, name: str, which: str) -> None:
    same_as_the_table(READERS[name](export(name, "--bytes", which)), answer, which)


def test_json_has_memory_without_being_asked(export: Callable, answer: dict) -> None:
    path = export("known.json")
    same_as_the_table(of_json(path, lambda row: row["allocated_bytes"]), answer, "allocated")
    same_as_the_table(of_json(path, lambda row: row["peak_bytes"]), answer, "peak")
    same_as_the_table(of_json(path, lambda row: row["allocated_bytes"] - row["freed_bytes"]), answer, "live")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert sum(row["allocations"] for row in data["memory"]) == answer["allocations"]
    (heap,) = data["heaps"]
    for member in ("live_bytes", "rss_bytes", "rss_peak_bytes", "own_bytes", "lost", "unseen", "cut", "ended"):
        assert heap[member] == answer[member]


def test_what_was_only_sampled_has_no_memory(pyrometer: Path, recording: Path) -> None:
    done = subprocess.run(
        [pyrometer, "export", recording, "-f", "json", "-o", "-"], check=True, capture_output=True, timeout=SECONDS
    )
    assert not {"memory", "heaps"} & set(json.loads(done.stdout))


# ---- the real pprof ----


def of_pprof(pprof: Path, profile: Path, *options: str) -> str:
    environment = {**os.environ, "PPROF_TMPDIR": str(profile.parent), "HOME": str(profile.parent)}
    done = subprocess.run([pprof, *options, profile], capture_output=True, text=True, env=environment, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def top(pprof: Path, profile: Path, *options: str) -> tuple[str, Counter[Line], Counter[Line]]:
    """What pprof shows, and each line's own figure and the one with what it called."""
    shown = ["-top", "-lines", "-unit=B", "-nodefraction=0", "-nodecount=100000", *options]
    printed = of_pprof(pprof, profile, *shown)
    own: Counter[Line] = Counter()
    total: Counter[Line] = Counter()
    for text in printed.splitlines():
        match = re.fullmatch(r"\s*(\d+)B?\s+\S+\s+\S+\s+(\d+)B?\s+\S+\s+(.*?) (\S+):(\d+)( \(inline\))?", text)
        if match:
            line = line_of(match[3], match[4], int(match[5]))
            own[line] += int(match[1])
            total[line] += int(match[2])
    return printed, own, total


@pytest.mark.parametrize(
    ("asked", "index", "which"),
    [
        ("live", "alloc_space", "allocated"),
        ("live", "inuse_space", "live"),
        ("peak", "inuse_space", "peak"),
        ("allocated", "inuse_space", "live"),
    ],
)
def test_pprof_reads_the_bytes(
    pprof: Path, export: Callable, answer: dict, asked: str, index: str, which: str
) -> None:
    _, own, total = top(pprof, export(f"{asked}.pb.gz", "--bytes", asked), f"-sample_index={index}")
    table = [row for row in lines_of(answer, which) if row[0][1] == PROGRAM.name]
    assert sum(self_bytes for _, self_bytes, _ in table) > 4_000_000
    for (function, *place), self_bytes, total_bytes in table:
        line = ("" if function == "<module>" else function, *place)  # pprof takes what is in <> for a template's
        assert (own[line], total[line]) == (self_bytes, total_bytes), line


def test_pprof_reads_the_blocks(pprof: Path, export: Callable, answer: dict) -> None:
    profile = export("live.pb.gz", "--bytes", "live")
    _, allocated, _ = top(pprof, profile, "-sample_index=alloc_objects")
    _, in_use, _ = top(pprof, profile, "-sample_index=inuse_objects")
    blocks = {}
    for function in answer["functions"]:
        for line in function["lines"]:
            if function["file"] == str(PROGRAM) and function["name"] != "<module>":
                blocks[line_of(function["name"], function["file"], line["line"])] = line["count"]
    assert {line: allocated[line] for line in blocks} == blocks
    (keep,) = (line for line in blocks if line[0] == "keep" and blocks[line] == 40)
    assert in_use[keep] == 40
    assert sum(in_use[line] for line in blocks if line[0] in ("spike", "recurse", "churn")) == 0


@pytest.mark.parametrize(("asked", "shown"), [("allocated", "alloc"), ("peak", "inuse"), ("live", "inuse")])
def test_pprof_shows_what_was_asked_for_first(pprof: Path, export: Callable, asked: str, shown: str) -> None:
    text, _, _ = top(pprof, export(f"{asked}.pb.gz", "--bytes", asked))
    assert f"Type: {shown}_space" in text


# ---- several processes ----


FORKS = """\
import os


def child():
    return bytes(3_000_000)


def parent():
    return bytes(2_000_000)


kept = parent()
if os.fork() == 0:
    more = child()
    os._exit(0)
os.wait()
"""


def test_each_process_is_told_apart(pyrometer: Path, pprof: Path, one: Python, folder: Path) -> None:
    Path("forks.py").write_text(FORKS)
    ours = command(pyrometer, one, ["forks.py"], "-o", "forks.pyro", "--memory", "--subprocesses")
    subprocess.run(ours, check=True, timeout=SECONDS)
    subprocess.run([pyrometer, "export", "forks.pyro", "-o", "forks.pb.gz", "--bytes", "peak"], check=True)
    pids = set()
    for function, size in (("child", 3_000_000), ("parent", 2_000_000)):
        _, own, _ = top(pprof, folder / "forks.pb.gz", f"-focus={function}")
        assert [own[line] for line in own if line[0] == function] == [size + HEAD]
        pids |= set(re.findall(r"\): (\d+)", of_pprof(pprof, folder / "forks.pb.gz", "-tags", f"-focus={function}")))
    assert len(pids) == 2
    subprocess.run([pyrometer, "export", "forks.pyro", "-o", "forks.speedscope.json", "--bytes", "peak"], check=True)
    profiles = json.loads(Path("forks.speedscope.json").read_text(encoding="utf-8"))["profiles"]
    assert sorted(profile["name"] for profile in profiles) == sorted(f"forks.py (pid {pid})" for pid in pids)


# ---- speedscope, and the picture ----


def test_speedscope_fits_the_schema(export: Callable, speedscope_schema: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    exported = json.loads(export("known.speedscope.json", "--bytes", "live").read_text(encoding="utf-8"))
    jsonschema.validate(exported, json.loads(speedscope_schema.read_text(encoding="utf-8")))


def size(text: str) -> float:
    """The size that a text shows, in bytes."""
    match = re.search(r"([\d.]+) (B|KiB|MiB)\b", text)
    assert match, text
    return float(match[1]) * 1024 ** ["B", "KiB", "MiB"].index(match[2])


def test_the_picture_says_bytes(export: Callable, answer: dict) -> None:
    root = ElementTree.parse(export("known.svg", "--bytes", "peak")).getroot()
    title = root.findtext(SVG + "title") or ""
    assert title.endswith(" MiB held at the peak")
    assert size(title) == pytest.approx(answer["peak_bytes"], rel=0.01)
    head = [element.text or "" for element in root.findall(SVG + "text")]
    wanted = rf"peak .* left at the end, .* allocated in {answer['allocations']} blocks"
    assert any(re.fullmatch(wanted, text) for text in head)
    boxes = [element.text or "" for element in root.findall(f"{SVG}svg//{SVG}title")]
    assert len(boxes) > 5
    for text in boxes:
        assert re.search(r" [\d.]+ (B|KiB|MiB), [\d.]+%$", text), text


def test_a_pointer_is_told_bytes_and_blocks(browser, export: Callable, answer: dict) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(export("known.svg", "--bytes", "peak").as_uri())
    labels = page.locator(".box").evaluate_all("boxes => boxes.map((box) => box.getAttribute('aria-label'))")
    assert size(labels[0]) == pytest.approx(answer["peak_bytes"], rel=0.01)
    page.locator(".box", has=page.locator("text", has_text=re.compile("^keep"))).first.hover()
    tip = page.locator(".tip").text_content()
    assert "3.8 MiB" in tip
    assert "40 blocks" in tip
    assert not any(re.search(r"\d (us|ms|s)\b", text) for text in [tip, *labels])
    page.close()


# ---- what cannot be had ----


def test_a_recording_of_time_has_no_bytes(pyrometer: Path, recording: Path, folder: Path) -> None:
    said = refused(pyrometer, 4, "export", recording, "-o", "never.svg", "--bytes", "peak")
    assert "memory was not tracked" in said
    assert "run --memory" in said
    assert not (folder / "never.svg").exists()


@pytest.mark.parametrize("other", [["-t"], ["-i"], ["--clock", "cpu"]], ids=["-t", "-i", "--clock"])
def test_bytes_are_of_no_thread_and_no_clock(pyrometer: Path, tracked: Path, folder: Path, other: list[str]) -> None:
    said = refused(pyrometer, 2, "export", tracked, "-o", "never.svg", "--bytes", "peak", *other)
    assert f"leave out {other[0]}" in said


@pytest.mark.parametrize("name", ["never.prof", "never.lprof", "never.pyro"])
def test_formats_of_time_refuse_bytes(pyrometer: Path, tracked: Path, folder: Path, name: str) -> None:
    assert "has no place for bytes" in refused(pyrometer, 2, "export", tracked, "-o", name, "--bytes", "live")
    assert not (folder / name).exists()
