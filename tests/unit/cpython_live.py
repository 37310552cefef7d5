#!/usr/bin/env python3
"""Compare what test-cpython-dumper sees of a live Python with what that Python says of itself.

usage: cpython_live.py DUMPER [PYTHON...]

Without PYTHON: every CPython that tools/pythons lists, and those in the Debian root that
$PYROMETER_SID names (entered by chroot, so the target has another root than we). Prints TAP.
"""

import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "cpython_barrier.py")

EXPECTED_LOCALS = {
    "none": "None",
    "yes": "True",
    "small": "42",
    "negative": "-7",
    "large": "1180591620717411303424",
    "half": "0.5",
    "tiny": "1e-07",
    "whole": "3.0",
    "huge": "1.5e+300",
    "text": "'caf\u00e9'",
    "quoted": '"it\'s\\n"',
    "raw": 'b"\\x00\'ab"',
    "pair": "(1, 'a')",
    "single": "(1,)",
    "numbers": "[1, [2, [...]]]",
    "empty": "[]",
    "mapping": "{'a': 1, 2: None}",
    "keys": "{5}",
    "frozen": "frozenset()",
    "cell": "[1, 2]",
}


class Python:
    """How to start one interpreter: in this root, or in another one."""

    def __init__(self, path, root=None):
        self.path, self.root = path, root
        self.label = os.path.basename(root) + ":" + path if root else path

    def command(self, arguments):
        # Several threads of a program may not share a file system root with us: chroot needs root.
        return (["chroot", self.root] if self.root else []) + [self.path, "-X", "utf8", *arguments]

    def start(self, arguments):
        with open(PROGRAM, "rb") as file:
            source = file.read().decode()
        # The source goes along as text, because the file may not be there in the other root.
        bootstrap = (
            "import sys; code = compile(%r, '/app/cpython_barrier.py', 'exec'); exec(code)" % source
        )
        return subprocess.Popen(
            self.command(["-c", bootstrap, *arguments]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def minor_of(python):
    try:
        text = subprocess.run(
            python.command(
                ["-c", "import sys; print(sys.implementation.name, *sys.version_info[:2])"]
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
        ).stdout.decode()
        name, major, minor = text.split()
    except (ValueError, OSError, subprocess.TimeoutExpired):
        return None
    return int(minor) if name == "cpython" and major == "3" and int(minor) >= 8 else None


def found_pythons():
    """What tools/pythons lists, and the root that $PYROMETER_SID names."""
    pythons = []
    listed = subprocess.run(
        [os.path.join(HERE, "../../tools/pythons")], stdout=subprocess.PIPE, timeout=120
    ).stdout
    for line in listed.decode().splitlines():
        row = json.loads(line)
        if row.get("missing"):
            print("# no Python %s: %s" % (row.get("id"), row["missing"]))
        elif not row.get("root") or os.geteuid() == 0:
            pythons.append(Python(row["path"], row.get("root")))
    sid = os.environ.get("PYROMETER_SID")
    if sid and os.geteuid() == 0:
        for path in sorted(glob.glob(os.path.join(sid, "usr/bin/python3.*[0-9]"))):
            pythons.append(Python("/usr/bin/" + os.path.basename(path), sid))
    seen, result = set(), []
    for python in pythons:
        real = os.path.realpath((python.root or "") + python.path)
        if real not in seen and minor_of(python) is not None:
            seen.add(real)
            result.append(python)
    return result


def dump(dumper, pid, *arguments):
    run = subprocess.run([dumper, str(pid), *arguments], stdout=subprocess.PIPE, timeout=60)
    seen = {"threads": [], "runtime": None, "gil": None, "error": None, "status": run.returncode}
    for line in run.stdout.decode("utf-8", "surrogateescape").splitlines():
        kind, *fields = line.split("\t")
        if kind == "runtime":
            seen["runtime"] = fields
        elif kind == "thread":
            seen["threads"].append(
                {
                    "id": int(fields[0]),
                    "native": int(fields[1]),
                    "kernel": int(fields[2]),
                    "name": fields[3],
                    "frames": [],
                    "locals": [],
                }
            )
        elif kind == "frame":
            seen["threads"][-1]["frames"].append(
                [fields[0], fields[1], int(fields[2]), int(fields[3])]
            )
            seen["threads"][-1]["locals"].append({})
        elif kind == "local":
            seen["threads"][-1]["locals"][-1][fields[0]] = fields[1]
        elif kind == "end":
            seen["threads"][-1]["end"] = fields[0]
        elif kind == "gil":
            seen["gil"] = int(fields[0])
        elif kind == "error":
            seen["error"] = fields
    return seen


class Session:
    """A Python standing still, and what it said."""

    def __init__(self, python, depth=5, path=None):
        self.child = (
            python.start([str(depth)]) if path is None else Python(path).start([str(depth)])
        )
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("the program ended early")
        self.told = json.loads(line)
        time.sleep(0.05)  # until it sits in the read that follows

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


def complain(problems, label, seen, told):
    if seen != told:
        problems.append("%s: seen %r, told %r" % (label, seen, told))


def compare(session, seen, with_name=True):
    told, problems = session.told, []
    if not seen["runtime"]:
        return ["no runtime: %s" % (seen["error"],)]
    complain(problems, "version", seen["runtime"][1], told["version"])
    seen_ids = {thread["id"]: thread for thread in seen["threads"]}
    complain(
        problems, "thread ids", sorted(seen_ids), sorted(thread["id"] for thread in told["threads"])
    )
    for thread in told["threads"]:
        mine = seen_ids.get(thread["id"])
        if mine is None:
            continue
        label = "thread %s" % thread["name"]
        complain(problems, label + " name", mine["name"], thread["name"])
        complain(problems, label + " native id", mine["native"], thread["native"])
        complain(problems, label + " kernel id", mine["kernel"], thread["native"])
        complain(problems, label + " end", mine["end"], "complete")
        frames = [frame for frame in mine["frames"]]
        told_frames = thread["frames"]
        if thread["id"] == told["own"]:
            # The line moved on from the report to the read, within say_stacks().
            frames, told_frames = frames[1:], told_frames[0:]
        if frames != told_frames:
            for number, (one, other) in enumerate(zip(frames, told_frames)):
                complain(problems, "%s frame %d" % (label, number), one, other)
            complain(problems, label + " depth", len(frames), len(told_frames))
    return problems


def check_stacks(dumper, python):
    with Session(python) as session:
        return compare(session, dump(dumper, session.child.pid))


def check_sources(dumper, python):
    problems = []
    with Session(python) as session:
        for source in ["symbol", "section", "cookie", "scan"]:
            seen = dump(dumper, session.child.pid, source)
            minor = int(session.told["version"].split(".")[1])
            impossible = {"section": minor < 10, "cookie": minor < 13, "scan": minor >= 13}.get(
                source, False
            )
            if impossible:
                complain(problems, source + " finds what is not there", seen["runtime"], None)
            else:
                if seen["runtime"]:
                    complain(problems, source + " name", seen["runtime"][0], source)
                problems += ["%s: %s" % (source, text) for text in compare(session, seen)]
    return problems


def check_locals(dumper, python):
    problems = []
    with Session(python) as session:
        seen = dump(dumper, session.child.pid, "--locals")
        own = [thread for thread in seen["threads"] if thread["id"] == session.told["own"]]
        if not own:
            return ["own thread not seen: %s" % (seen["error"],)]
        for frame, found in zip(own[0]["frames"], own[0]["locals"]):
            if frame[0].endswith("report_and_wait"):
                for name, value in EXPECTED_LOCALS.items():
                    complain(problems, "local " + name, found.get(name), value)
                if not found.get("thing", "").startswith("<type at 0x"):
                    problems.append("local thing: %r" % found.get("thing"))
                if not found.get("closure", "").startswith("<function at 0x"):
                    problems.append("local closure: %r" % found.get("closure"))
                return problems
        return ["the frame with the locals was not seen"]


def check_deep(dumper, python):
    with Session(python, depth=900) as session:
        return compare(session, dump(dumper, session.child.pid))


def strip_sections(path):
    """Remove the section headers: what is left is what the kernel needs."""
    with open(path, "r+b") as file:
        header = bytearray(file.read(64))
        struct.pack_into("<Q", header, 40, 0)  # e_shoff
        struct.pack_into("<HH", header, 60, 0, 0)  # e_shnum, e_shstrndx
        file.seek(0)
        file.write(header)


def module_of(python):
    """The file that holds the interpreter: libpython, or the program itself."""
    script = (
        "import sysconfig as s, os, sys;"
        "l = os.path.join(s.get_config_var('LIBDIR') or '', s.get_config_var('INSTSONAME') or '');"
        "shared = s.get_config_var('Py_ENABLE_SHARED') and os.path.exists(l);"
        "print(l if shared else os.path.realpath(sys.executable))"
    )
    return (
        subprocess.run(python.command(["-c", script]), stdout=subprocess.PIPE, check=True)
        .stdout.decode()
        .strip()
    )


class Skipped(Exception):
    """Why a check does not apply."""


def check_stripped(dumper, python):
    """A copy without symbols and section headers, deleted while it runs."""
    if python.root:
        raise Skipped("its program belongs to another root; the stripped copies are made in ours")
    if not shutil.which("strip"):
        raise Skipped("no strip")
    module = module_of(python)
    prefix = (
        subprocess.run(
            [python.path, "-c", "import sys; print(sys.prefix)"], stdout=subprocess.PIPE, check=True
        )
        .stdout.decode()
        .strip()
    )
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "snake")
        shutil.copy(os.path.realpath(python.path), program)
        copy = os.path.join(folder, os.path.basename(module)) if "libpython" in module else program
        if copy != program:
            shutil.copy(module, copy)
        subprocess.run(["strip", "--strip-all", program, copy], check=True)
        strip_sections(copy)
        saved = {name: os.environ.get(name) for name in ["PYTHONHOME", "LD_LIBRARY_PATH"]}
        os.environ.update(PYTHONHOME=prefix, LD_LIBRARY_PATH=folder)
        try:
            session = Session(python, path=program)
        finally:
            for name, value in saved.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        with session:
            os.unlink(program)
            if copy != program:
                os.unlink(copy)
            problems = compare(session, dump(dumper, session.child.pid))
            for source in ["cookie", "scan"]:
                minor = int(session.told["version"].split(".")[1])
                if (source == "cookie") == (minor >= 13):
                    seen = dump(dumper, session.child.pid, source)
                    problems += ["%s: %s" % (source, text) for text in compare(session, seen)]
            return problems


CHECKS = [check_stacks, check_sources, check_locals, check_deep, check_stripped]


def reason_to_skip():
    """Why all of this is to be skipped here: see check.h."""
    start = "cpython_live all "
    path = os.environ.get("PYRO_TESTS_SKIPPED")
    if path:
        with open(path) as file:
            for line in file:
                if line.startswith(start):
                    return line[len(start) :].strip()
    return None


def main():
    dumper = sys.argv[1]
    reason = reason_to_skip()
    if reason:
        print("ok 1 all # SKIP %s\n1..1" % reason)
        return 0
    signal.alarm(600)
    pythons = [Python(path) for path in sys.argv[2:]] or found_pythons()
    if not pythons:
        print("1..0 # SKIP no CPython found")
        return 0
    number = failed = 0
    for python in pythons:
        for check in CHECKS:
            number += 1
            problems, skip = [], ""
            try:
                problems = check(dumper, python)
            except Skipped as reason:
                skip = " # SKIP %s" % reason
            except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as error:
                problems = ["%s: %s" % (type(error).__name__, error)]
            label = "%s with %s" % (check.__name__[6:], python.label)
            for problem in problems[:20]:
                print("# %s" % problem)
            verdict = "not ok" if problems else "ok"
            print("%s %d %s%s" % (verdict, number, label, skip), flush=True)
            failed += bool(problems)
    print("1..%d" % number)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
