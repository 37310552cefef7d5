"""Run the program's commands from outside, for the tests of what they say."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 120


def run(pyrometer: Path, *arguments: object, status: int = 0, **options) -> subprocess.CompletedProcess[str]:
    """It must end with STATUS."""
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "stdin": subprocess.DEVNULL, **options}
    result = subprocess.run([pyrometer, *map(str, arguments)], check=False, **options)
    assert result.returncode == status, result
    return result


def refused(pyrometer: Path, status: int, *arguments: object) -> str:
    """It must fail with STATUS; its last line on standard error is returned."""
    line = run(pyrometer, *arguments, status=status).stderr.splitlines()[-1]
    assert line.startswith("pyrometer: ")
    return line
