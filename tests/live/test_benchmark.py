"""`pyrometer.benchmark`: functions measured against each other.

No test asserts how long something took: functions that differ, differ by twenty times.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python

pytestmark = pytest.mark.beside

HEAD = """\
import os, sys, threading
import pyrometer

def short():
    for _ in range(200):
        pass

def long():
    for _ in range(20000):
        pass
"""


@pytest.fixture(autouse=True)
def source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs import pyrometer from the source folder."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "python"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def run(python: Python, text: str) -> subprocess.CompletedProcess[str]:
    """Run TEXT behind HEAD; an error of pyrometer's is printed."""
    Path("program.py").write_text(HEAD + text)
    return python.run(["-W", "error", Path("program.py").absolute()], timeout=120)


def compare(pyrometer: Path, *arguments: str) -> dict:
    done = subprocess.run([pyrometer, "compare", *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_two_functions_get_a_verdict(pyrometer: Path, some_python: Python) -> None:
    path = Path("r.json").absolute()
    done = run(
        some_python,
        f"result = pyrometer.benchmark({{'old': long, 'new': short}}, output={str(path)!r}, pairs=6, seconds=60)\n"
        "print(len(result.values('old')), result.values('new')[0] > 0, threading.active_count())\n",
    )
    assert done.returncode == 0 and done.stdout == "6 True 1\n", done
    data = json.loads(path.read_text())
    assert data["end"] == "pairs" and data["one_process"] is False
    assert [one["name"] for one in data["commands"]] == ["old", "new"]
    for number in range(6):
        of_round = [one for one in data["runs"] if one["round"] == number]
        assert {one["command"] for one in of_round} == {0, 1} and [one["position"] for one in of_round] == [0, 1]
    verdict = compare(pyrometer, str(path))
    assert verdict["verdict"] == "faster" and verdict["keep"] is True and verdict["pairs"] == 6
    assert verdict["apart"] is False and verdict["ratio"] < 0.5


def test_each_value_is_of_a_process_of_its_own(some_python: Python) -> None:
    done = run(
        some_python,
        "def note():\n    with open('pids', 'a') as file:\n        file.write(f'{os.getpid()}\\n')\n    long()\n"
        "os.chdir(sys.path[0])\n"
        "pyrometer.benchmark({'a': note, 'b': note}, pairs=2)\nprint(os.getpid())\n",
    )
    pids = set(Path("pids").read_text().split())
    assert done.returncode == 0 and len(pids) == 4 and done.stdout.strip() not in pids, done


def test_beside_threads_it_is_one_process(pyrometer: Path, some_python: Python) -> None:
    path = Path("r.json").absolute()
    done = run(
        some_python,
        "event = threading.Event()\nthreading.Thread(target=event.wait).start()\n"
        f"pyrometer.benchmark({{'old': short, 'new': short}}, output={str(path)!r}, pairs=6)\nevent.set()\n",
    )
    assert done.returncode == 0, done
    assert json.loads(path.read_text())["one_process"] is True
    verdict = compare(pyrometer, str(path))
    assert verdict["apart"] is True and verdict["noise"] == 0.25 and verdict["verdict"] != "same"


def test_what_a_function_prints_and_raises(some_python: Python) -> None:
    done = run(
        some_python,
        "print('before')\n"
        "pyrometer.benchmark({'a': lambda: print('noise', flush=True)}, pairs=1)\n"
        "def bad():\n    raise KeyError('x')\n"
        "for broken in (bad, lambda: os._exit(3), sys.exit):\n"
        "    try:\n        pyrometer.benchmark({'fine': short, 'bad': broken}, pairs=1)\n"
        "    except RuntimeError as error:\n        print(str(error).splitlines()[0], type(error).__name__)\n",
    )
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "before",
        "'bad' raised: RuntimeError",
        "the process that measured 'bad' ended early, wait status 768 RuntimeError",
        "'bad' raised: RuntimeError",
    ]


def test_the_budget_and_nonsense(some_python: Python) -> None:
    done = run(
        some_python,
        "print(pyrometer.benchmark({'a': short}, pairs=1000, seconds=0).data['end'])\n"
        "for arguments in (({},), ({'a': short}, 0)):\n"
        "    try:\n        pyrometer.benchmark(arguments[0], pairs=arguments[-1] if arguments[1:] else 1)\n"
        "    except ValueError as error:\n        print('refused')\n"
        "try:\n    pyrometer.benchmark({'a': short}, pairs=1).values('b')\nexcept KeyError:\n    print('no b')\n",
    )
    assert done.stdout.splitlines() == ["time", "refused", "refused", "no b"], done


def test_it_asks_the_program_for_the_verdict(pyrometer: Path, some_python: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    if some_python.root:
        pytest.skip("the program does not lie in its root")
    monkeypatch.setenv("PATH", f"{pyrometer.parent}:{os.environ['PATH']}")
    done = run(
        some_python,
        "result = pyrometer.benchmark({'old': long, 'new': short}, pairs=6, seconds=60)\n"
        "print(result.verdict()['verdict'], result.report().splitlines()[-1])\n"
        "try:\n    pyrometer.benchmark({'a': short}, pairs=1).verdict()\nexcept RuntimeError as error:\n    print(error)\n",
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("faster KEEP  ") and "nothing that was measured in turn" in lines[1], done
