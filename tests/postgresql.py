"""A PostgreSQL server of the tests' own: in a folder of its own, reached by a socket in it, gone when they end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 60
USERS = ("postgres", "nobody")  # in whose name it runs if we are root, which it refuses to be


def programs() -> Path | None:
    """Where Debian keeps initdb and postgres, the newest; None: they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def unprivileged() -> dict[str, int]:
    """What makes subprocess run a program as somebody who is not root."""
    if os.getuid() != 0:
        return {}
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = next(known[name] for name in USERS if name in known)
    return {"user": user.pw_uid, "group": user.pw_gid}


def run(*command: str | Path, **options) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])


def wait_for(server: subprocess.Popen, where: Path, folder: Path) -> None:
    until = time.monotonic() + SECONDS
    while subprocess.run([where / "pg_isready", "-q", "-h", folder], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the server did not start")
        time.sleep(0.05)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server that trusts us. RuntimeError says why there is none."""
    where = programs()
    if where is None:
        raise RuntimeError("no PostgreSQL is installed (tools/setup --tests)")
    who = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))  # others must reach it, and a socket's path is short
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        options: dict = {"cwd": folder, **who, **({"extra_groups": []} if who else {})}
        run(where / "initdb", "-D", folder / "data", "-U", "shop", "-A", "trust", "--no-sync", **options)
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(folder)]
        with subprocess.Popen(
            [where / "postgres", "-D", folder / "data", *settings],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
        ) as started:
            try:
                wait_for(started, where, folder)
                yield f"postgresql://shop@/postgres?host={folder}"
            finally:
                started.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
