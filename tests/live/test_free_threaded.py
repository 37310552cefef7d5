"""Pythons without a GIL: their threads run at once and are all seen to.

Stacks, lines and shares of them are asked where those of all Pythons are: test_barrier.py, test_truth.py; and so are counts:
test_counts.py, test_counts_parallel.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from counting import SECONDS
from pythons import REPOSITORY, Python, all_pythons, start_target

PROGRAM = """
import sys, threading, time

def left():
    while True: pass

def right():
    while True: pass

def waits():
    time.sleep(1000)

for function in (left, right, waits):
    threading.Thread(target=function, daemon=True).start()
print("READY", flush=True)
sys.stdin.read()
"""

WITH_GIL = {"PYTHON_GIL": "1"}


@pytest.fixture(params=[each for each in all_pythons() if each.free_threaded], ids=lambda python: python.id)
def free_threaded(request: pytest.FixtureRequest) -> Python:
    """A Python without a GIL."""
    if request.param.missing:
        pytest.skip(f"Python {request.param.id}: {request.param.missing}")
    return request.param


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def seconds_by_function(pyrometer: Path, recording: Path, clock: str) -> dict[str, float]:
    shown = subprocess.run([pyrometer, "stats", recording, "--json", "--clock", clock], capture_output=True, text=True,
                           timeout=SECONDS, check=True)
    return {row["name"]: row["cumtime_s"] for row in json.loads(shown.stdout)["functions"]}


# What the probe has of Python.h in its own words, and the real one: the compiler compares what functions take and give ...
BOTH = """
#include <Python.h>
#include "probe/free_threaded.h"
int main(void) { return 0; }
"""
# ... and each of them says what it has for sizes, offsets and numbers.
EACH = """
#include <stddef.h>
#ifdef OURS
#include "probe/free_threaded.h"
#else
#include <Python.h>
#include <structmember.h>
#endif
#include <stdio.h>
#define NUMBER(x) printf(#x " %lld\\n", (long long)(x));
#define FIELD(type, field) NUMBER(offsetof(type, field)) NUMBER(sizeof(((type *)0)->field))
int main(void)
{
    static PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT};
    const unsigned char *bytes = (const unsigned char *)&module;
    for (size_t i = 0; i < sizeof(module.m_base); i++)
        printf("byte %zu of a module %d\\n", i, bytes[i]);
    NUMBER(sizeof(PyObject)) FIELD(PyObject, ob_tid) FIELD(PyObject, ob_ref_local) FIELD(PyObject, ob_ref_shared)
    FIELD(PyObject, ob_type)
    NUMBER(sizeof(PyMethodDef)) FIELD(PyMethodDef, ml_name) FIELD(PyMethodDef, ml_meth) FIELD(PyMethodDef, ml_flags)
    FIELD(PyMethodDef, ml_doc)
    NUMBER(sizeof(PyMemberDef)) FIELD(PyMemberDef, name) FIELD(PyMemberDef, type) FIELD(PyMemberDef, offset)
    FIELD(PyMemberDef, flags) FIELD(PyMemberDef, doc)
    NUMBER(sizeof(PyType_Slot)) FIELD(PyType_Slot, slot) FIELD(PyType_Slot, pfunc)
    NUMBER(sizeof(PyType_Spec)) FIELD(PyType_Spec, name) FIELD(PyType_Spec, basicsize) FIELD(PyType_Spec, itemsize)
    FIELD(PyType_Spec, flags) FIELD(PyType_Spec, slots)
    NUMBER(sizeof(PyModuleDef_Slot)) FIELD(PyModuleDef_Slot, slot) FIELD(PyModuleDef_Slot, value)
    NUMBER(sizeof(PyModuleDef)) FIELD(PyModuleDef, m_base) FIELD(PyModuleDef, m_name) FIELD(PyModuleDef, m_doc)
    FIELD(PyModuleDef, m_size) FIELD(PyModuleDef, m_methods) FIELD(PyModuleDef, m_slots) FIELD(PyModuleDef, m_traverse)
    FIELD(PyModuleDef, m_clear) FIELD(PyModuleDef, m_free)
    NUMBER(sizeof(PyStructSequence_Field)) FIELD(PyStructSequence_Field, name) FIELD(PyStructSequence_Field, doc)
    NUMBER(sizeof(PyStructSequence_Desc)) FIELD(PyStructSequence_Desc, name) FIELD(PyStructSequence_Desc, doc)
    FIELD(PyStructSequence_Desc, fields) FIELD(PyStructSequence_Desc, n_in_sequence)
    NUMBER(sizeof(Py_hash_t)) NUMBER(sizeof(Py_ssize_t))
    NUMBERS
    return 0;
}
"""


def test_declarations_are_those_of_the_real_headers(free_threaded: Python, tmp_path: Path) -> None:
    headers = Path(free_threaded.path).parent.parent / "include" / f"python{free_threaded.id}"
    if not shutil.which("gcc") or not headers.is_dir():
        pytest.skip(f"no gcc, or no headers at {headers}")
    ours = (REPOSITORY / "src" / "probe" / "free_threaded.h").read_text()
    numbers = re.findall(r"^#define ((?:METH|Py_tp|Py_TPFLAGS|Py_mod|T|READONLY|Py_file|Py_eval)\w*) ", ours, re.MULTILINE)
    assert len(numbers) > 20
    each = EACH.replace("NUMBERS", " ".join(f"NUMBER({name})" for name in numbers))

    def compiled(text: str, name: str, *options: str) -> Path:
        (tmp_path / f"{name}.c").write_text(text)
        gcc = ["gcc", "-std=gnu17", "-Wall", "-Werror", "-O2", *options, f"-I{REPOSITORY / 'src'}", f"-I{headers}"]
        done = subprocess.run([*gcc, "-o", tmp_path / name, tmp_path / f"{name}.c"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / name

    compiled(BOTH, "both")
    said = [subprocess.run([compiled(each, name, *options)], capture_output=True, text=True, check=True).stdout
            for name, options in (("ours", ["-DOURS"]), ("theirs", []))]
    assert len(said[0].splitlines()) > 100 and said[0].splitlines() == said[1].splitlines()


@pytest.mark.parametrize("env", [{}, WITH_GIL], ids=["without", "with"])
def test_clocks(pyrometer: Path, free_threaded: Python, script: Path, tmp_path: Path, env: dict[str, str]) -> None:
    """Who runs has CPU time, who waits has none; who holds the GIL is told where there is one after all."""
    recording = tmp_path / "x.pyro"
    with start_target(free_threaded, script, env=env) as target:
        subprocess.run([pyrometer, "record", "--pid", str(target.pid), "-d", "1", "-o", recording], capture_output=True,
                       timeout=SECONDS, check=True)
    wall, cpu, gil = (seconds_by_function(pyrometer, recording, clock) for clock in ("wall", "cpu", "gil"))
    assert wall["left"] > 0 and wall["right"] > 0 and wall["waits"] > 0, wall
    assert cpu["left"] > 0 and cpu["right"] > 0 and not cpu.get("waits"), cpu
    assert bool(gil.get("left")) == bool(gil.get("right")) == bool(env) and not gil.get("waits"), gil


def test_record_with_gil_option_says_that_there_is_none(
    pyrometer: Path, free_threaded: Python, script: Path, tmp_path: Path
) -> None:
    record = [pyrometer, "record", "-d", "0.3", "--gil", "-o", tmp_path / "x.collapsed", "--pid"]
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "check": False}
    with start_target(free_threaded, script) as target:
        done = subprocess.run([*record, str(target.pid)], **options)
        assert "no thread held the GIL" in done.stderr and "free-threaded" in done.stderr, done
    with start_target(free_threaded, script, env=WITH_GIL) as target:
        done = subprocess.run([*record, str(target.pid)], **options)
        assert "no samples" not in done.stderr, done
        assert "left" in (tmp_path / "x.collapsed").read_text()
