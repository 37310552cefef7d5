#!/usr/bin/python3
"""How long questions take of a recording of 10 million samples, which bench/large.c writes.

    bench/large.py [--build FOLDER] [--samples N] [--rounds N] [--ask COMMAND]...

FOLDER (build) holds the program and the libraries that the recording is written with. Printed are the size of the file, and of each
question the fastest of the rounds: wall time, CPU time, peak memory."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
QUESTIONS = ("findings", "stats")


def write(build: Path, path: Path, samples: int) -> None:
    """Make the recording."""
    program = path.with_name("large")
    libraries = [build / "src" / name / f"libpyro-{name}.a" for name in ("profile", "base")]
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2", f"-I{REPOSITORY / 'src'}", "-o", program,
         REPOSITORY / "bench" / "large.c", *libraries, "-lzstd", "-lm"],
        check=True,
    )  # fmt: skip
    subprocess.run([program, path, str(samples)], check=True)


def ask(build: Path, question: str, path: Path) -> tuple[float, float, int]:
    """Wall and CPU time in seconds, peak memory in bytes."""
    begin = time.perf_counter()
    process = subprocess.Popen([build / "pyrometer", question, path], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{question} ended with status {process.returncode}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build")
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ask", action="append", metavar="COMMAND")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.pyro")
        write(arguments.build, path, arguments.samples)
        print(f"{arguments.samples} samples, {path.stat().st_size / 1e6:.1f} MB")
        for question in arguments.ask or QUESTIONS:
            wall_s, cpu_s, peak = min(ask(arguments.build, question, path) for _ in range(arguments.rounds))
            print(f"{question:10} {wall_s:6.2f} s   {cpu_s:6.2f} s CPU   {peak >> 20} MiB")


if __name__ == "__main__":
    main()
