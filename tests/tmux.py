"""A real terminal for tests of live views: a tmux of the test's own, keys in, screens out.

Nothing here waits for a time, only for what is to be seen, with limits far above what a slow machine takes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 90.0
POLL_S = 0.05


class Terminal:
    def __init__(self, socket: str, environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
        self._environment = environment

    def tmux(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._tmux, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=SECONDS,
        ).stdout

    def keys(self, *keys: str) -> None:
        """As tmux names them: "q", "Enter", "C-c". A space between them is none that is pressed."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> list[str]:
        """Its lines, without blanks at their ends."""
        return self.tmux("capture-pane", "-p").split("\n")[:-1]

    def pid(self) -> int:
        """Of the command in it."""
        return int(self.tmux("list-panes", "-F", "#{pane_pid}"))

    def wait(self, found: str | Callable[[list[str]], object]) -> list[str]:
        """The screen, as soon as the regular expression FOUND matches a line of it, or the function says so.

        Twice, one look after the other: a terminal shows half of what is being drawn, too."""
        test = (
            found
            if callable(found)
            else lambda lines: any(re.search(found, line) for line in lines)
        )
        until = time.monotonic() + SECONDS
        before = False
        while True:
            screen = self.screen()
            now = bool(test(screen))
            if now and before:
                return screen
            before = now
            if time.monotonic() > until:
                wanted = found if isinstance(found, str) else "what was waited for"
                raise TimeoutError(f"{wanted!r} did not appear:\n" + "\n".join(screen))
            time.sleep(POLL_S)


@contextlib.contextmanager
def terminal(
    command: list[str | Path],
    columns: int = 80,
    rows: int = 24,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run COMMAND in a terminal, by a shell that says afterwards "STATUS n" and what its terminal is set to."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR")
    }
    one = Terminal(
        f"pyrometer-test-{os.getpid()}-{time.monotonic_ns()}",
        {**inherited, "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    quoted = shlex.join(map(str, command))
    shell = f"{quoted}; echo STATUS $?; stty -a | tr ' ' '\\n' | grep -x -e '-\\?icanon;\\?' -e '-\\?echo;\\?' | sort; sleep 1000"
    try:
        one.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder or "/"), shell)
        yield one
    finally:
        subprocess.run([*one._tmux, "kill-server"], check=False, capture_output=True)
