"""`run --rss`: what is resident over time, of programs that are known to take and give back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.dom.minidom
from pathlib import Path

import pytest

from commands import refused, run
from counting import command
from pythons import TARGETS, Python

pytestmark = pytest.mark.usefixtures("folder")

SECONDS = 120
MEBIBYTE = 1 << 20
KNOWN = TARGETS / "resident_known.py"


def watch(pyrometer: Path, python: Python, arguments: list, *options: str) -> dict:
    """The timeline of a run."""
    ours = command(pyrometer, python, arguments, "--rss", "-o", "rss.pyro", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(run(pyrometer, "memory", "rss.pyro", "--json").stdout)["timeline"]


def watch_code(pyrometer: Path, code: str, *options: str) -> dict:
    run(pyrometer, "run", "--rss", "-o", "rss.pyro", *options, "--", sys.executable, "-c", code)
    return json.loads(run(pyrometer, "memory", "rss.pyro", "--json").stdout)["timeline"]


def of_command(timeline: dict, part: str) -> list[dict]:
    return [process for process in timeline["processes"] if part in process["command"]]


def test_known_memory(pyrometer: Path, python: Python) -> None:
    """It comes, and goes."""
    timeline = watch(pyrometer, python, [KNOWN], "-r", "20")
    steps = timeline["steps"]
    assert steps[0]["rss_bytes"] < 16 * MEBIBYTE and 64 * MEBIBYTE <= timeline["peak_bytes"] < 100 * MEBIBYTE
    after = [step["rss_bytes"] for step in steps if step["rss_bytes"]][-1]
    assert 63 * MEBIBYTE < timeline["peak_bytes"] - after < 66 * MEBIBYTE  # its end touches some more pages
    assert max(step["rss_bytes"] for step in steps) == timeline["peak_bytes"]
    assert steps[-1]["rss_bytes"] == steps[-1]["processes"] == 0  # it has ended
    (process,) = [one for one in timeline["processes"] if one["pid"] == timeline["peak_pid"]]
    assert KNOWN.name in process["command"] and process["most_bytes"] >= process["peak_bytes"] == process["at_peak_bytes"]
    assert process["came_s"] <= process["peak_s"] == timeline["peak_s"] < process["went_s"]
    assert timeline["interval_s"] == 0.05 and timeline["looks"] > 10


def test_children(pyrometer: Path, one: Python) -> None:
    """Who came and went, and who had what at the peak."""
    timeline = watch(pyrometer, one, [KNOWN, "child"])
    parent, child = of_command(timeline, KNOWN.name)[0], of_command(timeline, "there")[0]
    assert child["parent_pid"] == parent["pid"] == timeline["peak_pid"]
    assert parent["came_s"] < child["came_s"] < child["went_s"] < parent["went_s"]
    assert 40 * MEBIBYTE <= child["at_peak_bytes"] < 64 * MEBIBYTE <= parent["at_peak_bytes"]
    assert timeline["peak_bytes"] == parent["at_peak_bytes"] + child["at_peak_bytes"]
    text = run(pyrometer, "memory", "rss.pyro").stdout
    assert f"in process {parent['pid']}," in text and "2 at once at most" in text


def test_any_program(pyrometer: Path) -> None:
    done = run(pyrometer, "run", "--rss", "--", "sh", "-c", "echo hello; sleep 0.3; exit 7", status=7)
    assert done.stdout.startswith("hello\n") and "sh  " in done.stdout and "exit 7" in done.stdout


def test_between_two_looks(pyrometer: Path) -> None:
    """What came and went unseen, while who looks is stopped, is counted as such, and the kernel tells how large it was."""
    large = "subprocess.run([sys.executable, '-c', 'b = bytearray(b\"x\") * (80 << 20); import time; time.sleep(.4)'])"
    stopped = f"os.kill(os.getppid(), signal.SIGSTOP); {large}; os.kill(os.getppid(), signal.SIGCONT)"
    timeline = watch_code(pyrometer, f"import os, signal, subprocess, sys, time; {stopped}; time.sleep(.5)")
    assert timeline["unseen_processes"] == 1 and len(timeline["processes"]) == 1
    assert timeline["missed_looks"] > 0 and timeline["largest_process_bytes"] > 80 * MEBIBYTE > timeline["peak_bytes"]
    text = run(pyrometer, "memory", "rss.pyro").stdout
    assert "at least 1 process came and went between two looks" in text and "more than any look saw" in text


def test_seen_children_are_not_unseen(pyrometer: Path) -> None:
    code = "import subprocess, time\nfor _ in range(3): subprocess.run(['sleep', '0.8'])\ntime.sleep(.3)"
    timeline = watch_code(pyrometer, code, "-r", "50")
    seen = len([process for process in timeline["processes"] if process["parent_pid"] == timeline["processes"][0]["pid"]])
    assert timeline["unseen_processes"] == 0
    assert seen == 3 or (timeline["missed_looks"] and 1 <= seen < 3)  # a busy machine may not have let it look
    assert timeline["largest_process_bytes"] is not None


def test_exec_is_one_life(pyrometer: Path) -> None:
    run(pyrometer, "run", "--rss", "-o", "rss.pyro", "--", "sh", "-c", "sleep 0.3; exec sleep 0.3")
    timeline = json.loads(run(pyrometer, "memory", "rss.pyro", "--json").stdout)["timeline"]
    pids = {one["pid"] for one in timeline["processes"]}
    (root,) = [one for one in timeline["processes"] if one["parent_pid"] not in pids]
    assert root["command"] == "sleep 0.3" and root["went_s"] > 0.5


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_chart_fits_its_terminal(pyrometer: Path, locale: str) -> None:
    watch_code(pyrometer, "import time; b = bytearray(b'x') * (64 << 20); time.sleep(.5)")
    for width in (80, 133):
        environment = {**os.environ, "LC_ALL": locale, "COLUMNS": str(width)}
        text = run(pyrometer, "memory", "rss.pyro", env=environment).stdout
        rows = [line for line in text.splitlines() if line[11:12] in tuple("│┤|+")]
        shown = text.splitlines()[text.splitlines().index(rows[0]) :]  # the chart and the table
        assert len(rows) == 10 - (locale == "C.UTF-8") and max(map(len, shown)) <= width
        assert max(map(len, rows)) == width - 1 or max(map(len, rows)) == width
        assert "^ peak" in text and text.isascii() == (locale == "C")


def test_plot(pyrometer: Path) -> None:
    watch_code(pyrometer, "import time; kept = '<&>'; time.sleep(.3)")
    run(pyrometer, "export", "rss.pyro", "-o", "rss.svg")
    run(pyrometer, "run", "--rss", "-o", "other.svg", "--", "sleep", "0.2")
    picture = xml.dom.minidom.parse("rss.svg")
    texts = [text.firstChild.data for text in picture.getElementsByTagName("text")]
    assert any("peak" in text for text in texts) and any("kept = '<&>'" in text for text in texts)
    assert len(picture.getElementsByTagName("path")) > 5 and not picture.getElementsByTagName("script")
    assert "resident memory over time" in Path("other.svg").read_text()
    assert Path("rss.svg").read_bytes() == run(pyrometer, "export", "rss.pyro", "-f", "plot", "-o", "-").stdout.encode()


def test_nothing_is_put_into_the_program(pyrometer: Path, one: Python) -> None:
    code = "import os; print(os.environ.get('PYTHONPATH'), os.environ.get('PYROMETER_PROBE'), '_probe' in open('/proc/self/maps').read())"
    ours = command(pyrometer, one, ["-c", code], "--rss")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert subprocess.run(ours, capture_output=True, text=True, check=True, env=environment).stdout.startswith("None None False\n")


def test_what_kept_it_small(pyrometer: Path) -> None:
    """One line, and the figures of this machine as far as it has them."""
    run(pyrometer, "run", "--rss", "-o", "rss.pyro", "--", "sleep", "0.3")
    lines = [line for line in run(pyrometer, "memory", "rss.pyro").stdout.splitlines() if line.startswith("swapped out: ")]
    assert len(lines) == 1
    kept = json.loads(run(pyrometer, "memory", "rss.pyro", "--json").stdout)["confinement"]
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    paths = {line.split(":", 2)[2] for line in groups if "memory" in line.split(":")[1].split(",") or line.startswith("0::")}
    assert kept["cgroup"] is None or any(path.endswith(kept["cgroup"]) for path in paths)
    assert all(kept[name] is None or kept[name] >= 0 for name in ("limit_bytes", "limit_reached", "oom", "oom_kills"))
    if Path("/proc/pressure/memory").exists():
        assert kept["pressure_of"] in ("machine", "cgroup") and kept["pressure_some_s"] >= kept["pressure_full_s"] >= 0


def test_killed_while_it_looks(pyrometer: Path) -> None:
    """What was seen until then is there."""
    looking = subprocess.Popen([pyrometer, "run", "--rss", "-o", "rss.pyro", "--", "sleep", "2.5"], stdin=subprocess.DEVNULL)
    until = time.monotonic() + SECONDS
    while not (Path("rss.pyro").exists() and b"sleep" in Path("rss.pyro").read_bytes()[100:]) and time.monotonic() < until:
        time.sleep(0.05)
    looking.send_signal(signal.SIGKILL)
    looking.wait()
    timeline = json.loads(run(pyrometer, "memory", "rss.pyro", "--json").stdout)["timeline"]
    assert timeline["peak_bytes"] > 0 and timeline["looks"] >= 1 and timeline["processes"][0]["went_s"] is None


def test_refusals(pyrometer: Path) -> None:
    for option in ("--memory", "--lines", "--trace"):
        assert option in refused(pyrometer, 2, "run", "--rss", option, "--", "true")
    assert "1000 times a second" in refused(pyrometer, 2, "run", "--rss", "-r", "2khz", "--", "true")
    assert "no place in json" in refused(pyrometer, 2, "run", "--rss", "-o", "x.json", "--", "true")
    assert "run --rss -o x.plot.svg" in refused(pyrometer, 2, "record", "--pid", "1", "-o", "x.plot.svg")
    watch_code(pyrometer, "import time; time.sleep(.2)")
    for asked in ("stats", "findings", "lines"):
        assert "pyrometer memory shows it" in refused(pyrometer, 4, asked, "rss.pyro")
    assert "no place in flamegraph" in refused(pyrometer, 2, "export", "rss.pyro", "-f", "flamegraph", "-o", "-")
    assert "run --memory" in refused(pyrometer, 4, "memory", "rss.pyro", "--leaks")
    run(pyrometer, "run", "-o", "samples.pyro", "--", sys.executable, "-c", "import time; time.sleep(.3)")
    assert "run --rss" in refused(pyrometer, 1, "export", "samples.pyro", "-f", "plot", "-o", "-")
