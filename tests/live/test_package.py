"""The wheel: accepted by its judges, installed into clean environments of every Python, at work there, and removed again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pip
import pytest

from pythons import REPOSITORY, Python, all_pythons, find_python

pytestmark = pytest.mark.beside

BUILD_SECONDS = 600
SECONDS = 120
CALLS = 2345
PROGRAM = f"""
import os, sys
def work(n):
    return n + 1
def main():
    n = 0
    for _ in range({CALLS}):
        n = work(n)
    print("worked", n, sys.argv[1:], [name for name in os.environ if name.startswith("PYROMETER")])
"""
STATUS = 7
STARTED = f"main()\nsys.exit({STATUS})\n"


# ---- the wheel and its judges -----------------------------------------------------------------


def judge(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of the tests' own environment."""
    environment = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheel` makes."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [REPOSITORY / "tools" / "wheel", sys.prefix, folder]
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


def test_one_wheel_serves_every_python(wheel: Path) -> None:
    assert re.fullmatch(r"pyrometer-[0-9.]+-cp311-abi3-manylinux_2_\d+_\w+\.whl", wheel.name)


def test_the_wheel_holds_the_whole_package(wheel: Path) -> None:
    """Each file of python/ is named in its meson.build; beside them the probe and its bootstrap."""
    sources = REPOSITORY / "python"
    files = {str(path.relative_to(sources)) for path in sources.glob("pyrometer/**/*") if path.is_file()}
    wanted = {name for name in files if name.endswith((".py", ".pyi", "/py.typed"))}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("pyrometer/") and not name.endswith("/")}
        program = archive.getinfo(f"pyrometer-{wheel.name.split('-')[1]}.data/scripts/pyrometer")
    probes = {"pyrometer/_probe.abi3.so", "pyrometer/_probe_free_threaded.so"}
    assert held == wanted | probes | {"pyrometer/bootstrap/call.py", "pyrometer/bootstrap/sitecustomize.py"}
    assert program.external_attr >> 16 & 0o111 == 0o111


def test_auditwheel_accepts_the_wheel(wheel: Path) -> None:
    said = judge("auditwheel", "show", wheel)
    assert said.returncode == 0, said.stderr
    platform = wheel.stem.rpartition("-")[2]
    assert f'"{platform}"' in said.stdout, said.stdout


def test_abi3audit_accepts_the_probe(wheel: Path) -> None:
    """And its build for Pythons without a GIL: it keeps to the same functions."""
    said = judge("abi3audit", "--strict", "--report", wheel)
    assert said.returncode == 0, said.stdout + said.stderr
    [audited] = json.loads(said.stdout)["specs"].values()
    assert sorted(each["name"] for each in audited["wheel"]) == ["_probe.abi3.so", "_probe_free_threaded.so"], said.stdout


def test_the_wheel_needs_nothing_but_libc(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".so", "/scripts/pyrometer"))]
        archive.extractall(tmp_path, names)
    assert len(names) == 3
    for name in names:
        said = subprocess.run(["readelf", "-d", tmp_path / name], capture_output=True, text=True, check=True)
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", said.stdout))
        assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}, name


def test_the_package_is_typed() -> None:
    said = judge("mypy", "--config-file", REPOSITORY / "pyproject.toml", "--cache-dir", os.devnull)
    assert said.returncode == 0, said.stdout + said.stderr


# ---- installed --------------------------------------------------------------------------------


def program_in(python: Python, folder: Path, name: str = "pyrometer") -> Python:
    """What FOLDER/bin/NAME is to be started as: where PYTHON lives."""
    return replace(python, path=str(folder / "bin" / name))


@dataclass(frozen=True)
class Environment:
    """A folder with a Python and what was installed into it; commands run where that Python lives."""

    folder: Path
    base: Python
    python: Python  # of this environment

    def run(self, name: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the program NAME in bin/, in FOLDER, with VARIABLES added to the environment."""
        return run(program_in(self.python, self.folder, name), *arguments, cwd=self.folder, **variables)

    def files(self) -> set[str]:
        """Everything in it."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def run(
    program: Python, *arguments: str | Path, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH", "PYROMETER")
    }
    environment |= {"XDG_STATE_HOME": str(cwd / "state"), **variables}
    return program.run(arguments, cwd=cwd, env=environment, timeout=SECONDS)


@pytest.fixture(scope="session")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pip in a folder of its own: some Pythons have none, and none is needed in an environment."""
    folder = tmp_path_factory.mktemp("installer") / "pip"
    shutil.copytree(Path(pip.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def install(python: Python, installer: Path, wheel: Path, *options: str | Path, cwd: Path, **variables: str) -> None:
    done = run(python, installer, "install", "--no-index", *options, wheel, cwd=cwd, **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def make_environment(python: Python, folder: Path) -> Environment:
    made = run(python, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    assert made.returncode == 0, made.stderr
    return Environment(folder, python, program_in(python, folder, "python"))


@pytest.fixture(
    params=[each for each in all_pythons() if each.counts and not each.free_threaded],  # pip takes no wheel of the stable ABI there
    ids=lambda python: python.id,
)
def host(request: pytest.FixtureRequest) -> Python:
    """One of the Pythons that the package is for."""
    if request.param.missing:
        pytest.skip(f"Python {request.param.id}: {request.param.missing}")
    return request.param


@pytest.fixture(scope="module")
def environments() -> dict[str, Environment]:
    return {}


@pytest.fixture
def installed(
    host: Python,
    environments: dict[str, Environment],
    tmp_path_factory: pytest.TempPathFactory,
    installer: Path,
    wheel: Path,
) -> Environment:
    """A clean environment of HOST with nothing but the wheel."""
    if host.id not in environments:
        made = make_environment(host, tmp_path_factory.mktemp("environment") / host.id)
        (made.folder / "program.py").write_text(PROGRAM + STARTED)
        install(made.python, installer, wheel, cwd=made.folder)
        environments[host.id] = made
    return environments[host.id]


@pytest.fixture
def one() -> Python:
    """One Python, for what does not depend on its version."""
    found = next(pyenv_pythons(), None)
    return found or pytest.skip("no Python 3.11 or later of pyenv")


def pyenv_pythons() -> Iterator[Python]:
    for python in all_pythons():
        if python.kind == "pyenv" and not python.missing and python.minor >= (3, 11):
            yield python


def calls_of(pyrometer: Python, name: str, cwd: Path) -> int | None:
    """How often the last recording says that NAME was called."""
    said = run(pyrometer, "stats", "-n", "0", "--json", cwd=cwd)
    assert said.returncode == 0, said.stderr
    [row] = [row for row in json.loads(said.stdout)["functions"] if row["name"] == name]
    return row["ncalls"]


def check(done: subprocess.CompletedProcess[str], environment: Environment, origin: str, status: int = STATUS) -> None:
    """The program ran with the environment's Python and saw nothing of ours; its calls are exact."""
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.startswith(f"worked {CALLS} "), done.stdout + done.stderr
    assert "[]\n" in done.stdout
    assert f"ran by {environment.python.path} (" in done.stdout and f"from {origin})" in done.stdout, done.stdout
    assert calls_of(program_in(environment.python, environment.folder), "work", environment.folder) == CALLS


def test_run_code(installed: Environment) -> None:
    done = installed.run("pyrometer", "run", "-c", PROGRAM + "main()\n")
    check(done, installed, "the environment of pyrometer", status=0)


def test_run_script(installed: Environment) -> None:
    check(installed.run("pyrometer", "program.py", "x"), installed, "the environment of pyrometer")


def test_python_m_pyrometer(installed: Environment) -> None:
    done = installed.run("python", "-m", "pyrometer", "-s", "cumulative", "program.py", "--python", "x")
    check(done, installed, "python -m pyrometer")
    assert "['--python', 'x']" in done.stdout
    assert installed.run("python", "-m", "pyrometer", "stats", "-n", "1").returncode == 0
    assert installed.run("python", "-m", "pyrometer", "no-such-command").returncode == 2


def test_python_m_pyrometer_is_asked_before_the_active_environment(installed: Environment, tmp_path: Path) -> None:
    other = make_environment(installed.base, tmp_path / "other")
    active = {"VIRTUAL_ENV": str(other.folder)}
    done = installed.run("python", "-m", "pyrometer", "program.py", **active)
    check(done, installed, "python -m pyrometer")
    assert f"ran by {other.python.path} (" in installed.run("pyrometer", "program.py", **active).stdout
    chosen = installed.run("python", "-m", "pyrometer", "run", "--python", other.folder, "program.py")
    assert f"ran by {other.python.path} (" in chosen.stdout
    any_command = installed.run("python", "-m", "pyrometer", "run", "--", other.python.path, "program.py")
    assert any_command.stdout.startswith(f"worked {CALLS} "), any_command.stderr
    assert "PYROMETER_PYTHON" not in any_command.stdout


def test_package_and_program_are_of_one_version(installed: Environment) -> None:
    code = "import importlib.metadata, pyrometer; print(pyrometer.__version__, importlib.metadata.version('pyrometer'))"
    said = installed.run("python", "-c", code).stdout.split()
    assert installed.run("pyrometer", "--version").stdout.split()[1] == said[0] == said[1]


def test_uninstall_leaves_nothing(host: Python, tmp_path: Path, installer: Path, wheel: Path) -> None:
    environment = make_environment(host, tmp_path / "environment")
    before = environment.files()
    install(environment.python, installer, wheel, cwd=tmp_path)
    assert "bin/pyrometer" in environment.files() - before
    run(environment.python, "-m", "pyrometer", "--version", cwd=tmp_path)
    run(environment.python, "-m", "pyrometer", "-c", "pass", cwd=tmp_path)
    removed = run(environment.python, "-B", installer, "uninstall", "--yes", "pyrometer", cwd=tmp_path)
    assert removed.returncode == 0, removed.stderr
    assert environment.files() == before


# ---- other places -----------------------------------------------------------------------------


def test_installed_for_one_user(tmp_path: Path, installer: Path, wheel: Path) -> None:
    """~/.local has no Python: the one of the same version on PATH is meant. The last installation wins."""
    pythons = list(pyenv_pythons())
    if len(pythons) < 2:
        pytest.skip("fewer than two Pythons of pyenv, 3.11 or later")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM + STARTED)
    for python in (*pythons, pythons[0]):
        base = Path(python.path).parent
        variables = {"PYTHONUSERBASE": str(tmp_path / "local"), "PATH": f"{base}:{os.environ['PATH']}"}
        options = ("--user", "--force-reinstall", "--break-system-packages")
        install(python, installer, wheel, *options, cwd=tmp_path, **variables)
        program = program_in(python, tmp_path / "local")
        name = "python{}.{}".format(*python.minor)
        done = run(program, script, cwd=tmp_path, **variables)
        assert f"ran by {base / name} (" in done.stdout, done.stdout + done.stderr
        assert "from the environment of pyrometer" in done.stdout
        done = run(python, "-m", "pyrometer", script, cwd=tmp_path, **variables)
        assert done.returncode == STATUS and "from python -m pyrometer" in done.stdout, done.stdout + done.stderr


def test_installed_into_a_folder(one: Python, tmp_path: Path, installer: Path, wheel: Path) -> None:
    install(one, installer, wheel, "--target", tmp_path / "target", cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM + STARTED)
    done = run(one, "-m", "pyrometer", "program.py", cwd=tmp_path, PYTHONPATH=str(tmp_path / "target"))
    assert done.returncode == STATUS and f"ran by {one.path} (" in done.stdout, done.stdout + done.stderr
    assert calls_of(program_in(one, tmp_path / "target"), "work", tmp_path) == CALLS


@pytest.mark.parametrize("mark", ["pipx_metadata.json", "uv-receipt.toml"])
def test_an_environment_for_the_tool_alone_is_not_the_users(
    one: Python, tmp_path: Path, installer: Path, wheel: Path, mark: str
) -> None:
    environment = make_environment(one, tmp_path / "tool")
    install(environment.python, installer, wheel, cwd=tmp_path)
    (environment.folder / mark).touch()
    done = environment.run("pyrometer", "-c", PROGRAM + "main()\n", PATH=f"{Path(one.path).parent}:/usr/bin:/bin")
    assert f"ran by {Path(one.path).parent}/python3 (" in done.stdout, done.stdout + done.stderr
    assert calls_of(program_in(environment.python, environment.folder), "work", environment.folder) == CALLS


def test_a_package_without_its_program_says_so(one: Python, tmp_path: Path) -> None:
    copied = tmp_path / "alone"
    shutil.copytree(REPOSITORY / "python" / "pyrometer", copied / "pyrometer")
    environment = make_environment(one, tmp_path / "environment")
    done = run(environment.python, "-m", "pyrometer", "-c", "pass", cwd=tmp_path, PYTHONPATH=str(copied))
    assert done.returncode == 125 and done.stderr.startswith("pyrometer: its program is missing; run: "), done.stderr


def test_installed_by_meson(one: Python, tmp_path: Path, pyrometer: Path) -> None:
    """No package, and so no Python that it belongs to; the probe is found."""
    command = ["meson", "install", "-C", pyrometer.parent, "--no-rebuild", "--quiet", "--destdir", tmp_path / "root"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    [program] = (tmp_path / "root").rglob("bin/pyrometer")
    program = program_in(one, program.parent.parent)
    path = f"{Path(one.path).parent}:{os.environ['PATH']}"
    done = run(program, "-c", PROGRAM + "main()\n", cwd=tmp_path, PATH=path)
    assert f"ran by {Path(one.path).parent}/python3 (" in done.stdout and "from PATH)" in done.stdout, done.stdout
    assert calls_of(program, "work", tmp_path) == CALLS


def test_from_source(tmp_path: Path, installer: Path) -> None:
    """`pip install .`, where the newest Python with its headers compiles the probe. How fast that is made is asked elsewhere."""
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python 3.13: {python.missing}")
    environment = make_environment(python, tmp_path / "environment")
    done = run(environment.python, installer, "install", "-Csetup-args=-Doptimization=0", REPOSITORY, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (environment.folder / "program.py").write_text(PROGRAM + STARTED)
    check(environment.run("pyrometer", "program.py"), environment, "the environment of pyrometer")
