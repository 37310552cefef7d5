"""What README.md shows of a run with --memory is what such a run shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python

pytestmark = pytest.mark.beside

LOADER = REPOSITORY / "examples" / "s03_loader"
SECONDS = 120
ROW = re.compile(r"^ +(\d+) +([\d.]+) MiB +([\d.]+) .*? [\d,]+ {2,}(\S.*)$")
PEAK = re.compile(r"^peak ([\d.]+) MiB")


def shown() -> tuple[list[list[str]], str]:
    """The commands of the block, and all that stands below them."""
    blocks = re.findall(r"```\n(\$ pyrometer run [^\n]*--memory.*?)```", (REPOSITORY / "README.md").read_text(), re.S)
    (block,) = blocks
    lines = block.splitlines()
    commands = [shlex.split(line, comments=True)[2:] for line in lines if line.startswith("$ pyrometer ")]
    return commands, "\n".join(line for line in lines if not line.startswith("$"))


def figures(text: str) -> tuple[float, dict[str, tuple[float, float]]]:
    """The peak; source of a line -> MiB and per cent at the peak."""
    (peak,) = [float(found[1]) for line in text.splitlines() if (found := PEAK.match(line))]
    rows = [found for line in text.splitlines() if (found := ROW.match(line))]
    return peak, {row[4].split("…")[0].strip(): (float(row[2]), float(row[3])) for row in rows}


def test_the_loader_has_the_table_that_is_shown(pyrometer: Path, one: Python, folder: Path) -> None:
    for file in LOADER.glob("*.py"):
        shutil.copy(file, ".")
    commands, expected = shown()
    said = ""
    for words in commands:
        options = ["--python", str(one.path)] if words[0] == "run" else []
        done = subprocess.run(
            [pyrometer, words[0], *options, *words[1:]],
            capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True, env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip
        said = done.stdout if words[0] == "memory" else said
    peak, rows = figures(said)
    peak_shown, rows_shown = figures(expected)
    assert abs(peak - peak_shown) < 0.05 * peak_shown
    assert "data = json.load(f)" in rows_shown and len(rows_shown) > 1
    for source, (size, share) in rows_shown.items():
        assert abs(rows[source][0] - size) < 0.05 * size and abs(rows[source][1] - share) < 3, source
