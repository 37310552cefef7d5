"""`run --memory`: what C code allocates itself, by malloc and mmap and what is like them, by the line of Python that called it.

A program is run twice, with its native allocations and without: what a line has more with them is known by arithmetic
(tests/targets/memory_native.c). PYROMETER_HAMMER_SECONDS is how long threads allocate against each other: some seconds, if it is not said.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from counting import installed
from pythons import TARGETS, Python
from test_memory import SECONDS, fits, line_at, text_of, track  # noqa: F401 - `fits` skips what is not tracked

pytestmark = pytest.mark.beside

@pytest.fixture(params=["lazy", "now"])
def library(request: pytest.FixtureRequest, counted: Python) -> None:
    """The library in the folder of the test, its calls bound when they are made, or from the beginning and read-only."""
    if counted.root is not None:
        pytest.skip("what is built here does not load in its root")
    build(f"-Wl,-z,{request.param}")


def build(*flags: str) -> None:
    source = TARGETS / "memory_native.c"
    subprocess.run(["cc", "-O1", "-fno-builtin", "-shared", "-fPIC", *flags, "-o", "native.so", str(source), "-pthread"], check=True)


def native(pyrometer: Path, python: Python, program: str, comments: list[str], *arguments: str) -> dict[str, tuple[int, int, int, int]]:
    """Blocks, bytes allocated, freed and left of the lines with these comments, without what is Python's own."""
    Path("program.py").write_text(program)
    found = []
    for tracked in ["--memory=python", "--memory"]:
        answer, _ = track(pyrometer, python, ["program.py", *arguments], tracked)
        found.append([figures(answer, comment) for comment in comments])
    python_only, both = found
    return {
        comment: tuple(all_ - some for all_, some in zip(more, less, strict=True))
        for comment, more, less in zip(comments, both, python_only, strict=True)
    }


def figures(answer: dict, comment: str) -> tuple[int, int, int, int]:
    """Of the line of main() that ends in COMMENT; a line that allocates nothing is in no answer."""
    (function,) = [function for function in answer["functions"] if function["file"].endswith("program.py") and function["name"] == "main"]
    for line in function["lines"]:
        if text_of(function["file"], line["line"]).endswith(f"# {comment}"):
            return line["count"], line["self_allocated"], line["self_freed"], line["self_live"]
    return 0, 0, 0, 0


EACH = """\
import ctypes


def main():
    lib = ctypes.CDLL("./native.so")
    lib.tell((ctypes.c_uint64 * 2)())  # what the first call itself needs
    lib.by_malloc()  # malloc
    lib.by_calloc()  # calloc
    lib.by_realloc()  # realloc
    lib.by_failing_realloc()  # failing
    lib.by_posix_memalign()  # posix_memalign
    lib.by_aligned_alloc()  # aligned_alloc
    lib.by_memalign()  # memalign
    lib.by_table()  # table
    lib.by_mmap()  # mmap
    lib.by_mremap()  # mremap
    lib.by_reserving()  # reserving


main()
"""


def half(count: int, size: int) -> tuple[int, int, int, int]:
    """Of COUNT blocks every second one was freed."""
    return count, count * size, count // 2 * size, count // 2 * size


def test_each_function(pyrometer: Path, counted: Python, library: None) -> None:
    expected = {
        "malloc": half(40, 1000),
        "calloc": half(40, 700),
        "realloc": (120, 40 * 90_600, 40 * 90_100 + 20 * 500, 20 * 500),
        "failing": half(40, 300),
        "posix_memalign": half(40, 2000),
        "aligned_alloc": half(40, 1280),
        "memalign": half(40, 4096),
        "table": half(40, 600),
        "mmap": (3, 21 * 4096, 16 * 4096, 5 * 4096),
        "mremap": (2, 80 * 4096, 30 * 4096, 50 * 4096),
        "reserving": (0, 0, 0, 0),
    }
    assert native(pyrometer, counted, EACH, list(expected)) == expected


THREADS = """\
import ctypes


def main():
    lib = ctypes.CDLL("./native.so")
    lib.by_thread()  # thread


main()
"""


def test_threads_that_python_does_not_know(pyrometer: Path, one: Python) -> None:
    build()
    Path("program.py").write_text(THREADS)
    answer, _ = track(pyrometer, one, ["program.py"])
    (function,) = [function for function in answer["functions"] if function["name"] == "<native>"]
    (line,) = function["lines"]
    assert line["count"] >= 40
    assert 20 * 1000 <= line["self_live"] < 21 * 1000 + 4096  # and what the thread itself needs
    assert line_at(answer, "main", "thread")["self_live"] < 1000
    for by in ("line", "file"):
        rows = subprocess.run([pyrometer, "memory", "memory.pyro", "--by", by, "-n", "0"], capture_output=True, text=True, check=True, timeout=60).stdout
        assert re.search(r" <native>$", rows, re.M), rows


HAMMER = """\
import ctypes
import sys
import threading


def hammer(seed):
    lib.hammer(seed, float(sys.argv[1]))  # hammer


def objects():
    while not over.is_set():
        [bytes(i % 700) for i in range(2000)]


lib = ctypes.CDLL("./native.so")
lib.hammer.argtypes = [ctypes.c_uint64, ctypes.c_double]
over = threading.Event()
threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(1, 5)]
beside = threading.Thread(target=objects)
for one in [beside, *threads]:
    one.start()
for one in threads:
    one.join()
over.set()
beside.join()
figures = (ctypes.c_uint64 * 2)()
lib.tell(figures)
print(*figures)
"""


def test_threads_that_free_and_move_what_others_allocated(pyrometer: Path, counted: Python, library: None) -> None:
    Path("program.py").write_text(HAMMER)
    answer, printed = track(pyrometer, counted, ["program.py", os.environ.get("PYROMETER_HAMMER_SECONDS", "1")])
    allocated, left = map(int, printed.split())
    line = line_at(answer, "hammer", "hammer")
    # More than hammered: what the call itself needs. One block too many or too few is more than that.
    assert 0 <= line["self_live"] - left < 4096
    assert 0 <= line["self_allocated"] - allocated < 4096
    assert allocated > 10_000_000


NEWS = """\
#include <vector>
static std::vector<int *> kept;
extern "C" void by_new() {
    for (int i = 0; i < 25; i++)
        kept.reserve(25), kept.push_back(new int[1000]);
    delete[] kept[0];
}
"""

NEW = """\
import ctypes


def main():
    lib = ctypes.CDLL("./new.so")
    lib.by_new()  # new


main()
"""


def test_new_of_cpp(pyrometer: Path, one: Python) -> None:
    if not shutil.which("c++"):
        pytest.skip("there is no C++ compiler")
    Path("new.cc").write_text(NEWS)
    subprocess.run(["c++", "-shared", "-fPIC", "-o", "new.so", "new.cc"], check=True)
    assert native(pyrometer, one, NEW, ["new"]) == {"new": (26, 100_200, 4000, 96_200)}


PRELOADED = """\
import os


def made(number):
    scope = {}
    exec(f"def f{number}():\\n    return bytearray(50_000), bytes(100)\\n", scope)
    return scope[f"f{number}"]


def main():
    kept = [made(i)() for i in range(3000)]
    return len(kept)


print(main(), "libmemory.so" in open("/proc/self/maps").read())
"""


def test_an_allocator_that_unmaps_pages(pyrometer: Path, counted: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so in the middle of our own work, if that asks it for memory."""
    if counted.root is not None:
        pytest.skip("what is built here does not load in its root")
    source = TARGETS / "memory_allocator.c"
    subprocess.run(["cc", "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", "libmemory.so", str(source)], check=True)
    Path("program.py").write_text(PRELOADED)
    with monkeypatch.context() as preloaded:
        preloaded.setenv("LD_PRELOAD", str(Path("libmemory.so").absolute()))
        answer, printed = track(pyrometer, counted, ["program.py"])
    assert printed == "3000 True\n"
    peak = sum(line["self_peak"] for function in answer["functions"] if re.fullmatch(r"f\d+", function["name"]) for line in function["lines"])
    assert 3000 * 50_100 <= peak < 3000 * 50_500


RELOCATED_CODE = """\
#include <stdlib.h>
__asm__(".text\\n.global functions\\nfunctions:\\n.8byte malloc\\n.8byte free\\n");
extern void *(*functions[2])(size_t);
int works(void) {
    void *block = functions[0](1000);
    ((void (*)(void *))functions[1])(block);
    return block != NULL;
}
"""


def test_addresses_within_code_are_left_alone(pyrometer: Path, one: Python) -> None:
    """A library whose code the linker changed as it was loaded."""
    Path("code.c").write_text(RELOCATED_CODE)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-z,notext", "-o", "code.so", "code.c"], check=True, capture_output=True)
    Path("program.py").write_text("import ctypes\nprint(ctypes.CDLL('./code.so').works())\n")
    _, printed = track(pyrometer, one, ["program.py"])
    assert printed == "1\n"


OPENS = """\
#include <dlfcn.h>
int opens(const char *name) { return dlopen(name, RTLD_NOW) != 0; }
"""


def test_libraries_find_theirs_as_without_us(pyrometer: Path, one: Python) -> None:
    """By their own folder, and by the path they were linked with: the linker takes the caller's, which is one of our wrappers."""
    for folder in ("lib", "lib/deep"):
        Path(folder).mkdir()
    Path("opens.c").write_text(OPENS)
    Path("empty.c").write_text("int empty;\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/deep", "-o", "lib/opens.so", "opens.c"], check=True)
    for name in ("lib/beside.so", "lib/near.so", "lib/deep/linked.so"):
        subprocess.run(["cc", "-shared", "-fPIC", "-o", name, "empty.c"], check=True)
    names = ["$ORIGIN/beside.so", "${ORIGIN}/near.so", "linked.so", "$ORIGIN/missing.so", "missing.so", "$ORIGINAL/beside.so"]
    Path("program.py").write_text(f"import ctypes\nlib = ctypes.CDLL('lib/opens.so')\nprint(*(lib.opens(name.encode()) for name in {names}))\n")
    plain = subprocess.run(one.command(["program.py"]), capture_output=True, text=True, check=True, timeout=60).stdout
    assert plain == "1 1 1 0 0 0\n"
    Path("program.py").write_text(Path("program.py").read_text().replace("lib/opens.so", f"{Path().absolute()}/lib/opens.so"))
    _, printed = track(pyrometer, one, ["program.py"])
    assert printed == plain


ARRAYS = """\
import numpy


def main():
    first = numpy.empty(0)
    zeros = numpy.zeros((300, 500))  # zeros
    empty = numpy.empty(123_456, dtype="i2")  # empty
    table = numpy.arange(70_000, dtype="f4")  # table
    return first, zeros, empty, table


KEPT = main()
"""


def test_arrays_have_their_bytes(pyrometer: Path, one: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a NumPy that takes them from malloc(); later ones ask Python's allocators."""
    monkeypatch.setenv("PYTHONPATH", str(installed(one, "numpy-1.26", "numpy==1.26.4")))
    found = native(pyrometer, one, ARRAYS, ["zeros", "empty", "table"])
    assert {comment: left for comment, (_, _, _, left) in found.items()} == {
        "zeros": 300 * 500 * 8,
        "empty": 123_456 * 2,
        "table": 70_000 * 4,
    }


SWAPS = """\
import _imp
import ctypes
import os
import struct
import sys
import threading

SIZE, COUNT, STARTS = 16384, 512, int(sys.argv[2])


class Spec:
    name, origin = "pyrometer._probe", sys.argv[1]


lib = ctypes.CDLL("./native.so")
lib.slots.restype = ctypes.c_size_t
lib.slots.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
room = (ctypes.c_uint64 * 20000)()


def slots():
    count = lib.slots(room, len(room))
    assert 20 < count < len(room)
    return dict(zip(room[0:count:2], room[1:count:2]))


def protections():
    with open("/proc/self/maps") as maps:
        return [(line.split()[0], line.split()[1]) for line in maps if "/" in line]


def busy():
    while not over.is_set():
        lib.by_malloc()
        ctypes.CDLL("libm.so.6")  # a dlopen() that a stop meets leads nothing to us again
        [str(i) for i in range(200)]


probe = _imp.create_dynamic(Spec)
_imp.exec_dynamic(probe)
over = threading.Event()
threads = [threading.Thread(target=busy) for _ in range(2)]
for name in ["by_malloc", "by_calloc", "by_realloc", "by_mmap", "by_table", "slots"]:
    getattr(lib, name)
for thread in threads:
    thread.start()
lib.by_malloc()
pages = protections()
for i in range(STARTS):
    memory = os.memfd_create("pyrometer tables")
    os.ftruncate(memory, SIZE * COUNT)
    os.pwrite(memory, struct.pack("QIII", 0x31656C6261547950, SIZE, COUNT, 1), 0)
    before = slots()
    probe.start(memory, False, False, False, None, 2)
    os.close(memory)
    led = slots()
    changed = {slot for slot in before if led[slot] != before[slot]}
    assert len(changed) > 20, changed
    if i == 1:  # objects that come meanwhile
        import _bz2, _ctypes_test, _lsprof
    lib.by_table()
    probe.stop()
    after = slots()
    assert {slot: after[slot] for slot in before} == before
    assert not {led[slot] for slot in changed} & set(after.values())
over.set()
for thread in threads:
    thread.join()
assert set(pages) <= set(protections())
print("restored")
"""


def test_slots_and_pages_are_as_before_after_a_stop(pyrometer: Path, counted: Python, library: None) -> None:
    Path("swaps.py").write_text(SWAPS)
    probe = pyrometer.parent / "src" / "probe" / "_probe.abi3.so"
    starts = os.environ.get("PYROMETER_MEMORY_STARTS", "30")
    done = subprocess.run(counted.command(["swaps.py", str(probe), starts]), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.stdout, done.returncode) == ("restored\n", 0), done.stderr

