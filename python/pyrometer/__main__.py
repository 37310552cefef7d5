"""`python -m pyrometer ...`: become the program `pyrometer`, which then runs scripts with this Python.

Reading the command line is the program's business. It learns by PYROMETER_PYTHON which Python is meant (src/cli/interpreter.c)
and takes that out of the environment again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

PROGRAM = "pyrometer"
CANNOT_RUN = 125  # as the program's own failures are told from those of a script


def candidates() -> Iterator[str]:
    """Where installers put the program: beside this package first, so that both are of one version."""
    package = os.path.dirname(os.path.abspath(__file__))
    packages = os.path.dirname(package)  # PREFIX/lib/python3.12/site-packages
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(packages)))
    yield os.path.join(prefix, "bin", PROGRAM)
    yield os.path.join(packages, "bin", PROGRAM)  # pip install --target
    yield os.path.join(os.path.dirname(sys.executable), PROGRAM)


def main() -> int:
    """Replace this process by the program; returns an exit status only if there is none."""
    program = next((path for path in candidates() if os.access(path, os.X_OK)), None)
    if program is None:
        print("pyrometer: its program is missing; run: pip install --force-reinstall pyrometer", file=sys.stderr)
        return CANNOT_RUN
    if sys.executable:
        os.environ["PYROMETER_PYTHON"] = sys.executable
    os.execv(program, [PROGRAM, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
