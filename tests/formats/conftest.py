"""One recording for all format tests, and how to export it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from format_helpers import Export

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def recording(pyrometer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """busy.py, recorded at 1 kHz from its start. Python's -E keeps the probe out: nothing is counted, so all times are
    those of the samples."""
    path = tmp_path_factory.mktemp("formats") / "busy.pyro"
    script = Path(__file__).with_name("busy.py")
    command = [pyrometer, "run", "-r", "1000", "-o", path, "--", sys.executable, "-E", script]
    subprocess.run(command, check=True, timeout=120)
    return path


@pytest.fixture(scope="session")
def export(pyrometer: Path, recording: Path) -> Export:
    """export(FORMAT, NAME, *OPTIONS): the path of the recording written in FORMAT."""

    def write(file_format: str, name: str, *options: str) -> Path:
        path = recording.with_name(name)
        command = [pyrometer, "export", recording, "-f", file_format, "-o", path, *options]
        subprocess.run(command, check=True, timeout=60)
        return path

    return write


@pytest.fixture(scope="session")
def stats(pyrometer: Path, recording: Path) -> dict:
    """What `stats --json` says of the same recording."""
    made = subprocess.run([pyrometer, "stats", recording, "--json"], check=True, capture_output=True, timeout=60)
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Debian's Chromium, by Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright: not installed")
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"chromium: not at {CHROMIUM}")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
