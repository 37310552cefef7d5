"""pyrometer.web in real servers: gunicorn and uvicorn with Flask, Starlette, FastAPI and Django."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import platform
import re
import select
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from counting import command, installed
from pythons import REPOSITORY, TARGETS, Python, find_python, start_target

pytestmark = pytest.mark.beside

PINS = (
    "Django==5.2.19", "Flask==3.1.3", "Jinja2==3.1.6", "MarkupSafe==3.0.4", "SQLAlchemy==2.1.9", "Werkzeug==3.1.9",
    "annotated-doc==0.0.7", "annotated-types==0.8.0", "anyio==4.16.0", "asgiref==3.13.0", "blinker==1.9.0", "click==8.5.1",
    "fastapi==0.165.0", "greenlet==3.5.6", "gunicorn==27.0.1", "h11==0.16.0", "idna==3.20", "itsdangerous==2.2.0",
    "opentelemetry-api==1.45.2", "packaging", "pydantic==2.14.4", "pydantic_core==2.50.5", "sqlparse==0.6.1",
    "starlette==1.10.0", "typing-inspection==0.4.5", "typing_extensions==4.16.0", "uvicorn==0.54.0",
)  # fmt: skip
SERVED = [*((("3.13", app)) for app in ("flask", "starlette", "fastapi", "django_wsgi", "django_asgi")), ("3.11", "starlette"), ("3.11", "django_wsgi")]
LOADED = [("3.13", "flask"), ("3.13", "starlette"), ("3.13", "django_asgi"), ("3.11", "flask")]
THREADED = [("3.13", "fastapi"), ("3.13", "starlette"), ("3.13", "django_asgi"), ("3.11", "fastapi")]
SECRET = b"0123456789abcdef-of-the-tests"
SECONDS = 60
SLOW_S = 0.1  # less than /a sleeps


def line_of(app: str) -> int:
    """The line of the program that sends the queries."""
    text = (TARGETS / "web_apps.py").read_text().splitlines()
    marked = [at for at, line in enumerate(text, 1) if "# N+1" in line]
    return marked[{"flask": 0, "django_wsgi": 2, "django_asgi": 2}.get(app, 1)]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def profile(self) -> dict[str, str]:
        """X-Profile by its keys."""
        return dict(part.split("=", 1) for part in self.headers["x-profile"].replace("n+1=", "n_plus_one=").split(" "))


@dataclass
class Server:
    """One that runs."""

    port: int
    process: subprocess.Popen[bytes]
    directory: Path
    log: Path
    secret_file: Path
    app: str = ""
    python: Python | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        found = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        connection.close()
        return found

    def pieces(self, path: str, **headers: str) -> Iterator[bytes]:
        """Of the answer's body, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        assert ("x-profile" in {name.lower() for name in response.headers}) == bool(headers)
        while piece := response.read1():
            yield piece
        connection.close()

    def profiled(self, path: str, pyrometer: Path) -> Answer:
        """With a token that our program made."""
        made = subprocess.run(
            [pyrometer, "token", "--secret-file", self.secret_file, "--ttl", "60", path], capture_output=True, text=True, check=True
        )
        return self.get(path, X_Pyrometer_Token=made.stdout.strip())

    def sampled(self, path: str, pyrometer: Path) -> Answer:
        """The same, again until the sampler has begun, and answers in time."""
        until = time.monotonic() + SECONDS
        while "top" not in (answer := self.profiled(path, pyrometer)).profile:
            assert time.monotonic() < until, (answer.headers, self.log.read_text()[-3000:])
        return answer

    def recorded(self, path: str, function: str, pyrometer: Path) -> tuple[Path, dict[str, float]]:
        """The same, again until a sample met FUNCTION: the recording, and the total time of each function in it. A machine that others
        work on gives the sampler a turn now and then only."""
        until = time.monotonic() + SECONDS
        while True:
            recording = self.directory / f"{self.sampled(path, pyrometer).profile['id']}.pyro"
            if function in (found := functions_of(pyrometer, recording)):
                return recording, found
            assert time.monotonic() < until, found

    def judged(self, path: str, pyrometer: Path) -> list[dict[str, Any]]:
        """The same, again until `findings` of its recording tells of its queries: which have little of the time where the request had to wait for a CPU."""
        until = time.monotonic() + SECONDS
        while not (found := repetitions(pyrometer, self.directory / f"{self.sampled(path, pyrometer).profile['id']}.pyro")):
            assert time.monotonic() < until, path
        return found

    def samplers(self) -> list[int]:
        """Processes that sample for it."""
        mark = f"\0--directory\0{self.directory}\0".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if mark in read_if_there(path)]

    def recordings(self) -> list[Path]:
        return sorted(self.directory.glob("*.pyro"))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)


def read_if_there(path: Path) -> bytes:
    """What a file in /proc has; nothing if its process ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Python:
    """The Python that a test is parametrized with."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.fixture
def serve(tmp_path: Path, pyrometer: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with the options of the middleware; it is stopped at the end."""
    running: list[Server] = []
    secret_file = tmp_path / "secret"
    secret_file.write_bytes(SECRET + b"\n")

    def start(python: Python, app: str, workers: int = 1, environment: dict[str, str] | None = None, **options: object) -> Server:
        port, log = free_port(), tmp_path / "log"
        directory = tmp_path / "requests"
        options = {"secret_file": str(secret_file), "directory": str(directory), "rate_hz": 500, **options}
        variables = {
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY / 'python'}:{TARGETS}:{installed(python, 'web', *PINS)}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYROMETER_PROGRAM": str(pyrometer),
            "PYROMETER_PROBE_FILE": str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"),
            "WEB_OPTIONS": json.dumps({name: value for name, value in options.items() if value is not None}),
            "WEB_DATABASE": str(tmp_path / "database"),
            "WEB_GATE": str(tmp_path / "gate"),
            "WEB_ASYNC": "1" if app == "django_asgi" else "",  # what is in the middleware's own thread can be told apart
            **(environment or {}),
        }
        bind = f"127.0.0.1:{port}"
        if app in ("flask", "django_wsgi"):
            command = ["-m", "gunicorn", f"web_apps:{app}_app()", "-b", bind, "-w", str(workers), "--threads", "4"]
        else:
            command = ["-m", "uvicorn", "--factory", f"web_apps:{app}_app", "--port", str(port), "--workers", str(workers)]
        with log.open("wb") as out:
            process = subprocess.Popen(python.command(command), env=variables, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        server = Server(port, process, directory, log, secret_file, app, python)
        running.append(server)
        wait_for_answers(server)
        return server

    yield start
    for server in running:
        if server.process.poll() is None:
            server.stop()


def wait_for_answers(server: Server) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            if server.get("/quick").body == b"quick":
                return
        except OSError:
            pass
        assert server.process.poll() is None, server.log.read_text()[-3000:]
        time.sleep(0.05)
    pytest.fail(f"no answer: {server.log.read_text()[-3000:]}")


def wait_until(condition: Callable[[], bool], server: Server) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, (server.samplers(), server.recordings(), server.log.read_text()[-3000:])
        time.sleep(0.02)


def token(path: str, expires_s: float, secret: bytes = SECRET) -> str:
    """As `pyrometer token` makes it, by another implementation."""
    message = b"pyrometer profile 1\n%d\n%s" % (int(expires_s), path.encode())
    return f"1.{int(expires_s)}.{hmac.new(secret, message, hashlib.sha256).hexdigest()}"


def wait_for(recording: Path) -> None:
    """It is whole as soon as it is there."""
    until = time.monotonic() + SECONDS
    while not recording.exists():
        assert time.monotonic() < until, recording
        time.sleep(0.01)


def functions_of(pyrometer: Path, recording: Path) -> dict[str, float]:
    """The total time of each function of the recording."""
    wait_for(recording)
    asked = subprocess.run([pyrometer, "stats", recording, "--json", "-n", "0"], capture_output=True, text=True, check=True)
    return {row["name"]: row["cumtime_s"] for row in json.loads(asked.stdout)["functions"]}


def ask(pyrometer: Path, *arguments: str | Path) -> str:
    return subprocess.run([pyrometer, *arguments], capture_output=True, text=True, check=True).stdout


SITUATIONS = re.findall(r"^def (\w+)\(\):", (TARGETS / "web_situations.py").read_text(), re.MULTILINE)


def test_protocols(python: Python, pyrometer: Path) -> None:
    """The corners of WSGI and ASGI, without a server, on every Python: with the C part and, where that is refused, without."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "python"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYROMETER_PROGRAM": "/nonexistent",
        "PYROMETER_PROBE_FILE": str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"),
    }
    done = python.run(["-X", "faulthandler", TARGETS / "web_situations.py", *SITUATIONS], env=variables)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr[-3000:]


@pytest.mark.parametrize("served, app", SERVED, indirect=["served"])
def test_a_profiled_request(served: Python, app: str, serve: Callable[..., Server], pyrometer: Path) -> None:
    """With each framework: the queries, the N+1 and its line in one header; a recording of that request alone; the others' answers
    as they were."""
    server = serve(served, app)
    plain = server.get("/orders")
    assert plain.status == 200 and plain.body.count(b"order-") == 30
    assert "x-profile" not in plain.headers and "server-timing" not in plain.headers and not server.recordings()

    told = server.profiled("/orders", pyrometer)
    assert told.status == 200 and told.body == plain.body
    assert re.fullmatch(r"31/\d+\.\d+s", told.profile["sql"]), told.headers
    assert told.profile["n_plus_one"] == f"web_apps.py:{line_of(app)}x30", told.headers
    assert 'desc="31 queries"' in told.headers["server-timing"]

    [found] = server.judged("/orders", pyrometer)
    assert (found["title"], found["line"]) == ("N+1: 30 queries of one shape", line_of(app)), found
    shape = found["evidence"]["shape"]  # of Flask's program with a value in its text
    assert "cret" not in shape and ("AND ? <> name" if app == "flask" else "?") in shape, found

    told = server.profiled("/same", pyrometer)
    assert told.profile["sql"].startswith("30/") and told.profile["same"].endswith("x30"), told.headers

    told = server.sampled("/a", pyrometer)
    assert told.body == b"a" and len(told.headers["x-profile"]) <= 1000
    assert told.profile["top"].startswith("web_apps.py:") and told.profile["python"] and told.profile["sql"].startswith("0/")
    recording, found = server.recorded("/a", "work_a", pyrometer)
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600 and "work_b" not in found
    assert not [name for name in found if name.startswith("pyrometer_request") or "gunicorn" in name], found
    assert ask(pyrometer, "stats", recording).startswith("GET /a  ")
    shown = ask(pyrometer, "lines", recording, "--only", "work_a")
    assert re.search(r"(er\(\) < until:|range\(50\)\))$", shown, re.MULTILINE), shown

    streamed = server.profiled("/stream", pyrometer)
    assert streamed.body == b"one two three" and "x-profile" in streamed.headers
    assert "x-profile" not in server.get("/fail").headers and server.profiled("/fail", pyrometer).status == 500
    seen = json.loads(server.get("/process").body)
    assert seen["children"] == "none" and seen["threads"] <= 8, seen
    server.stop()
    assert not re.search("pyrometer's own|cannot be started|was refused", server.log.read_text()), server.log.read_text()[-3000:]


@pytest.mark.parametrize("app", ["flask", "starlette", "fastapi", "django_wsgi", "django_asgi"])
def test_an_answer_in_pieces_is_passed_on_as_it_comes(one: Python, app: str, serve: Callable[..., Server], tmp_path: Path) -> None:
    """The first piece is with the client before the second is made: of who asked for a profile, and of the others, which are watched."""
    server = serve(one, app, slow_s=SECONDS)
    for headers in ({}, {"X_Pyrometer_Token": token("/gated", time.time() + SECONDS)}):
        pieces = server.pieces("/gated", **headers)
        assert next(pieces) == b"one "
        (tmp_path / "gate").touch()
        assert list(pieces) == [b"two"]
        (tmp_path / "gate").unlink()


@pytest.mark.parametrize("app", ["flask", "starlette", "django_wsgi", "django_asgi"])
def test_refused_tokens(one: Python, app: str, serve: Callable[..., Server]) -> None:
    """Each kind is answered as if there were none, stores nothing, and is logged once."""
    server = serve(one, app)
    now = time.time()
    wrong = {
        "forged": token("/sleep", now + 60, b"another secret of 16"),
        "for another path": token("/quick", now + 60),
        "expired": token("/sleep", now - 1),
        "too far ahead": token("/sleep", now + 10 * 86400),
        "oversized": "1." + "9" * 5000,
        "malformed": "2.1.00",
        "not ASCII": "1.\u00b2." + "0" * 64,
        "empty": "",
    }
    plain = server.get("/sleep")
    for kind, text in [*wrong.items(), *wrong.items()]:
        answer = server.get("/sleep", X_Pyrometer_Token=text)
        assert (answer.status, answer.body) == (200, plain.body), kind
        assert sorted(answer.headers) == sorted(plain.headers), kind
    assert not server.recordings() and not server.samplers()
    assert "x-profile" in server.get("/sleep", X_Pyrometer_Token=token("/sleep", now + 60)).headers
    server.stop()
    refusals = re.findall(r"^pyrometer: a token was refused: (.*)", server.log.read_text(), re.MULTILINE)
    assert sorted(refusals) == ["expired", "forged, or for another path", "malformed", "oversized"]
    assert not [text for text in wrong.values() if text and text in server.log.read_text()]


def test_tokens_of_both_sides_are_the_same(pyrometer: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    for path in ("/", "/a/b-c", "/caf\u00e9", "/x" * 1000):
        made = subprocess.run(
            [pyrometer, "token", "--secret-file", tmp_path / "secret", "--ttl", "1h", path], capture_output=True, text=True, check=True
        ).stdout.strip()
        expires = int(made.split(".")[1])
        assert made == token(path, expires) and abs(expires - time.time() - 3600) < SECONDS
    (tmp_path / "secret").write_bytes(b"short\n")
    for arguments in (["/"], ["orders"], ["/a?b"], ["/", "--ttl", "2d"], ["/", "--ttl", "25h"], []):
        done = subprocess.run([pyrometer, "token", "--secret-file", tmp_path / "secret", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2) and done.stderr.count("\n") <= 2 and not done.stdout
    for ttl in ("3d", "25h", "unlimited", "0"):
        done = subprocess.run([pyrometer, "token", "--secret-file", tmp_path / "secret", "--ttl", ttl, "/"], capture_output=True, text=True, check=False)
        assert done.stderr == f"pyrometer: --ttl SEC: '{ttl}' is not 1s to 24h: say 30s, 10m or 12h\n"


def test_a_secret_that_is_missing_says_how_to_make_one(pyrometer: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    make_one = f"make one: head -c 32 /dev/urandom | base64 > {missing}"
    done = subprocess.run([pyrometer, "token", "--secret-file", missing, "/"], capture_output=True, text=True, check=False)
    assert make_one in done.stderr, done.stderr


def test_closed_unless_configured(one: Python, serve: Callable[..., Server]) -> None:
    """No option, no profile: no sampler is started, and nothing that a client sends matters."""
    server = serve(one, "flask", secret_file=None)
    answer = server.get("/quick?profile", X_Pyrometer_Token=token("/quick", time.time() + 60))
    assert answer.status == 200 and "x-profile" not in answer.headers and not server.recordings() and not server.samplers()


@pytest.mark.parametrize("app", ["django_wsgi", "django_asgi", "starlette", "fastapi"])
@pytest.mark.parametrize("debug, ips, url, told", [(True, ["127.0.0.1"], True, True), (False, ["127.0.0.1"], True, False),
                                                   (True, ["10.0.0.1"], True, False), (True, ["127.0.0.1"], False, False)])  # fmt: skip
def test_profile_in_the_url(one: Python, app: str, serve: Callable[..., Server], debug: bool, ips: list[str], url: bool, told: bool) -> None:
    """Only with all three: DEBUG, the client's address, and the option. Where there is no Django, two more options are the first two."""
    names = ("DEBUG", "INTERNAL_IPS") if app.startswith("django") else ("debug", "internal_ips")
    server = serve(one, app, url=url, **dict(zip(names, (debug, ips), strict=True)))
    assert ("x-profile" in server.get("/sleep?profile").headers) == told
    assert "x-profile" not in server.get("/sleep").headers


@pytest.mark.parametrize("app", ["flask", "starlette", "django_wsgi", "django_asgi"])
def test_slow_and_failed_requests_are_kept(one: Python, app: str, serve: Callable[..., Server], pyrometer: Path) -> None:
    """From the ring, without a word in their answers; the page shows them to who has a token for it."""
    server = serve(one, app, slow_s=SLOW_S, failed=True, page="/-/requests")
    while not server.recordings():  # the sampler begins during one of the first
        assert "x-profile" not in server.get("/a").headers
    before = len(server.recordings())
    for path in ("/quick", "/fail", "/a"):
        assert "x-profile" not in server.get(path).headers

    def is_kept() -> bool:
        """A busy machine may have let none of a request's samples be taken: the next one is asked."""
        return len(server.recordings()) > before or "x-profile" in server.get("/a").headers

    wait_until(is_kept, server)
    assert len(server.recordings()) > before  # and no answer told
    assert server.get("/-/requests").status == 404
    page = server.get("/-/requests", X_Pyrometer_Token=token("/-/requests", time.time() + 60))
    assert page.status == 200 and page.headers["cache-control"] == "no-store"
    rows = re.findall(rb"<td>GET (/\w+)</td><td>(\d+)</td><td>(\w+)</td><td>([0-9.]+) s</td>", page.body)
    assert {(b"/fail", b"500", b"failed"), (b"/a", b"200", b"slow")} <= {row[:3] for row in rows}, page.body
    assert all(why == b"failed" or float(total) >= SLOW_S for _, _, why, total in rows)
    recording = server.recordings()[0]  # all of it is there
    assert page.body.count(f'<a href="?recording={recording.stem}">'.encode()) == 1
    fetched = server.get(f"/-/requests?recording={recording.stem}", X_Pyrometer_Token=token("/-/requests", time.time() + 60))
    assert fetched.body == recording.read_bytes() and fetched.headers["content-type"] == "application/octet-stream"
    assert b"Recent" not in server.get(f"/-/requests?recording={recording.stem}").body


def test_a_full_spool(one: Python, serve: Callable[..., Server], pyrometer: Path) -> None:
    """The oldest go, what is not ours stays, and no client sees anything of it."""
    server = serve(one, "flask", keep=3)
    (server.directory / "notes.txt").write_text("not ours")
    ids = [server.sampled("/a", pyrometer).profile["id"] for _ in range(6)]
    wait_until(lambda: ids[-1] in [path.stem for path in server.recordings()], server)
    kept = [path.stem for path in server.recordings()]
    assert len(kept) == 3 and ids[0] not in kept
    assert (server.directory / "notes.txt").exists()
    os.rename(server.directory, server.directory.with_name("away"))  # nowhere to write now
    told = server.profiled("/a", pyrometer)
    assert told.status == 200 and told.profile["id"] and not server.directory.exists()


class SmallSpool(Python):
    """It finds a small file system of its own where recordings go."""

    folder: Path

    def command(self, arguments: Sequence[str | Path] = ()) -> list[str]:
        mount = 'mount -t tmpfs -o size=64k,mode=700 small "$0" && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, str(self.folder), *super().command(arguments)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk(one: Python, serve: Callable[..., Server], pyrometer: Path, tmp_path: Path) -> None:
    """The oldest go; where that does not help, nothing is written, which is counted. No client sees anything of it."""
    python = SmallSpool(**asdict(one))
    python.folder = tmp_path / "requests"
    python.folder.mkdir()
    server = serve(python, "flask", recordings_per_s=1e6, page="/-/requests")
    server.directory = Path(f"/proc/{server.process.pid}/root{python.folder}")
    names: list[str] = []
    while not names or names[0] in [path.stem for path in server.recordings()]:  # until one had to go
        names.append(server.sampled("/a", pyrometer).profile["id"])
        wait_until(lambda: names[-1] in [path.stem for path in server.recordings()], server)
        assert len(names) < 100
    assert len(names) > 2 and "could not be written" not in server.log.read_text()

    def fill() -> None:
        for path in server.recordings():
            path.unlink()
        with contextlib.suppress(OSError), (server.directory / "notes").open("ab", buffering=0) as notes:
            while True:
                notes.write(bytes(4096))

    def unwritten() -> int:
        page = server.get("/-/requests", X_Pyrometer_Token=token("/-/requests", time.time() + SECONDS)).body
        return int(re.search(rb"unwritten (\d+)", page)[1])

    fill()
    server.sampled("/a", pyrometer)  # the last one was perhaps being written; now it is not
    fill()
    before = unwritten()
    for count in (1, 2):
        answer = server.sampled("/a", pyrometer)
        assert (answer.status, answer.body) == (200, b"a")
        wait_until(lambda: unwritten() >= before + count, server)
    assert not server.recordings()
    assert server.log.read_text().count("could not be written, which is logged once") == 1
    assert "no space left on device" in server.log.read_text()


def start_sampler(pyrometer: Path, pid: int, directory: Path, ours: socket.socket, theirs: socket.socket, go: str) -> int:
    """As python/pyrometer/web/_sampler.py does, GO being the word to begin (src/requests/serve.h): its pid."""
    with theirs:
        command = [pyrometer, "requests", "--pid", str(pid), "--directory", directory, "-r", "500"]
        subprocess.run(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, check=True)
    here, pid = ours.recv(100).split()
    assert here == b"here"
    ours.send(go.encode())
    assert ours.recv(100).startswith(b"ready ")
    return int(pid)


def threads_in_open(pid: int) -> list[int]:
    """Those that wait for a file to be opened."""
    call = {"x86_64": b"257", "aarch64": b"56"}[platform.machine()]  # openat
    return [int(path.parent.name) for path in Path(f"/proc/{pid}/task").glob("*/syscall") if read_if_there(path).split()[:1] == [call]]


def test_figures_come_before_the_recording(one: Python, pyrometer: Path, tmp_path: Path) -> None:
    """Who asked waits for the one, not for the other: that is written into a pipe here, which nobody reads yet."""
    script, directory = tmp_path / "asked.py", tmp_path / "requests"
    directory.mkdir()
    script.write_text(
        "import sys\n"
        "from pyrometer.web._slots import Slots\n"
        "def work():\n"
        "    print('READY', flush=True)\n"
        "    while True: pass\n"
        "Slots().call[7](work)\n"
    )
    began_ns = time.monotonic_ns()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(SECONDS)
    with ours, start_target(one, script, env={"PYTHONPATH": str(REPOSITORY / "python")}) as running:
        sampler = start_sampler(pyrometer, running.pid, directory, ours, theirs, "go")
        for attempt in range(1000):
            id_ = f"20261127-000000-{attempt:06d}-abcd"
            os.mkfifo(directory / f"{id_}.part")
            ours.send(f"cut 7 {began_ns} {time.monotonic_ns()} {id_} GET /asked".encode())
            answer = json.loads(ours.recv(4096))  # in vain, if the pipe were to be read first
            assert answer["id"] == id_
            if answer["samples"]:
                break
            time.sleep(0.01)
        assert answer["recording"] and answer["top_file"] == str(script) and answer["running_s"] > 0
        assert not (directory / f"{id_}.pyro").exists()
        until = time.monotonic() + SECONDS
        while not (opening := threads_in_open(sampler)) and time.monotonic() < until:
            time.sleep(0.01)
        assert opening == [sampler] and len(os.listdir(f"/proc/{sampler}/task")) > 1  # it looks from the program's own CPU, and writes elsewhere
        pipe = os.open(directory / f"{id_}.part", os.O_RDONLY | os.O_NONBLOCK)
        with open(pipe, "rb") as written:
            assert select.select([written], [], [], SECONDS)[0] and written.read(4)


def spoken_to(python: Python, script: Path) -> subprocess.Popen[str]:
    """SCRIPT, which is told by lines and answers by lines."""
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python")}
    return subprocess.Popen(python.command([script]), env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def test_less_is_looked_at_while_nobody_asks(one: Python, pyrometer: Path, tmp_path: Path) -> None:
    """Nothing, where one look in a million is enough; all, while somebody asked, or one is old."""
    script, directory = tmp_path / "asked.py", tmp_path / "requests"
    directory.mkdir()
    script.write_text(
        "import sys, threading\n"
        "from array import array\n"
        "from pyrometer.web._slots import Slots\n"
        "under_way = array('Q', bytes(8 * 256))\n"
        "def say():\n"
        "    for line in sys.stdin:\n"
        "        under_way[7] = int(line)\n"
        "        print('DONE', flush=True)\n"
        "def work():\n"
        "    print('READY', '%x' % under_way.buffer_info()[0], flush=True)\n"
        "    say()\n"
        "Slots().call[7](work)\n"
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, spoken_to(one, script) as running:
        ours.settimeout(SECONDS)

        def looks_in(while_s: float) -> int:
            """How often the request that began now was looked at."""
            began_ns = time.monotonic_ns()
            time.sleep(while_s)
            ours.send(f"cut 7 {began_ns} {time.monotonic_ns()} 20261128-000000-000000-abcd GET /asked".encode())
            return json.loads(ours.recv(4096))["sweeps"]

        def say(began_ns: int) -> None:
            running.stdin.write(f"{began_ns}\n")
            assert running.stdout.readline() == "DONE\n"

        address = running.stdout.readline().split()[1]
        start_sampler(pyrometer, running.pid, directory, ours, theirs, f"go {address} 256 100000000 1000000 0 0 0")
        now_ns = time.monotonic_ns()
        for began_ns in (now_ns + 10**12 | 1, now_ns - 10**9 & ~1):
            assert looks_in(0.3) == 0
            say(began_ns)
            while looks_in(0.1) == 0:
                pass
            say(now_ns + 10**12 & ~1)  # neither asked for nor old
            time.sleep(0.1)
        assert looks_in(0.3) == 0
        running.stdin.close()


def test_questions_are_not_answered_on_the_programs_cpu(one: Python, pyrometer: Path, tmp_path: Path) -> None:
    """It sits there while it looks: neither before, to see whether to look, nor when it is asked for figures."""
    script, directory = tmp_path / "asked.py", tmp_path / "requests"
    directory.mkdir()
    script.write_text(
        "import sys, threading, time\n"
        "from array import array\n"
        "from pyrometer.web._slots import Slots\n"
        "under_way = array('Q', [0] * 7 + [1] + [0] * 248)\n"
        "def work():\n"
        "    while True: pass\n"
        "threading.Thread(target=Slots().call[7], args=(work,), daemon=True).start()\n"
        "print('READY', '%x' % under_way.buffer_info()[0], flush=True)\n"
        "sys.stdin.readline()\n"
        "under_way[7] = 0\n"
        "print('DONE', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, spoken_to(one, script) as running:
        ours.settimeout(SECONDS)
        address = running.stdout.readline().split()[1]
        sampler = start_sampler(pyrometer, running.pid, directory, ours, theirs, f"go {address} 256 100000000 1000000 0 0 0")
        until = time.monotonic() + SECONDS
        while not turns_of_seats(sampler):
            assert time.monotonic() < until
            time.sleep(0.01)
        running.stdin.write("\n")
        assert running.stdout.readline() == "DONE\n"
        time.sleep(0.1)  # a look that had begun
        turns = turns_of_seats(sampler)
        for _ in range(50):
            ours.send(f"cut 7 {time.monotonic_ns()} {time.monotonic_ns()} 20261128-000000-000000-abcd GET /asked".encode())
            assert "sweeps" in json.loads(ours.recv(4096))
        assert turns_of_seats(sampler) == turns
        running.stdin.close()


def turns_of_seats(pid: int) -> int:
    """How often the threads of a sampler that are bound to a CPU have slept."""
    states = [read_if_there(path) for path in Path(f"/proc/{pid}/task").glob("*/status") if path.parent.name != str(pid)]
    return sum(int(found) for state in states for found in re.findall(rb"^voluntary_ctxt_switches:\s+(\d+)", state, re.MULTILINE))


@pytest.mark.parametrize("served, app", THREADED, indirect=["served"])
def test_a_request_in_threads_and_tasks(served: Python, app: str, serve: Callable[..., Server], pyrometer: Path) -> None:
    """FastAPI's `def`, Django's sync views under ASGI, to_thread and create_task: what works for a request is its own, and nothing of others at the same time."""
    server = serve(served, app, environment={"WEB_ELSEWHERE": "1"})
    with ThreadPoolExecutor(4) as clients:
        others = [clients.submit(server.get, "/b") for _ in range(12)]
        found = server.recorded("/a", "work_a", pyrometer)[1]
        assert [other.result().body for other in others] == [b"b"] * 12
    assert not {"work_b", "view_b", "async_view_b"} & set(found), found
    told = server.sampled("/a", pyrometer)
    assert told.body == b"a" and told.profile["top"].startswith("web_apps.py:") and told.profile["python"], told.headers


@pytest.mark.parametrize("others", [0, 12, 300])
def test_threads_and_tasks_of_a_request(counted: Python, pyrometer: Path, tmp_path: Path, others: int) -> None:
    """What a request has done elsewhere is its own by its context, however many variables that has; what belongs to nobody is in no recording."""
    directory = tmp_path / "requests"
    directory.mkdir()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(SECONDS)
    variables = {"PYTHONPATH": str(REPOSITORY / "python"), "PYROMETER_PROBE_FILE": str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so")}
    with start_target(counted, "web_elsewhere.py", str(others), env=variables) as running, ours:
        start_sampler(pyrometer, running.pid, directory, ours, theirs, f"go {running.readline()}")
        for slot, own, other in ((7, "a", "b"), (8, "b", "a")):
            until, found = time.monotonic() + SECONDS, {}
            while not {f"thread_{own}", f"task_{own}", f"short_{own}"} <= set(found):
                assert time.monotonic() < until, found
                began_ns = time.monotonic_ns()
                time.sleep(0.3)
                id_ = f"20261128-000000-000000-{time.monotonic_ns():x}"
                ours.send(f"cut {slot} {began_ns} {time.monotonic_ns()} {id_} GET /elsewhere".encode())
                if json.loads(ours.recv(4096))["recording"]:
                    found = functions_of(pyrometer, directory / f"{id_}.pyro")
                assert not {f"thread_{other}", f"task_{other}", f"short_{other}", "thread_c"} & set(found), found


def test_greenlets(one: Python, pyrometer: Path, tmp_path: Path) -> None:
    """Two requests that take turns in one thread, each in a greenlet: neither recording has anything of the other."""
    directory = tmp_path / "requests"
    variables = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY / 'python'}:{installed(one, 'web', *PINS)}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYROMETER_PROGRAM": str(pyrometer),
        "PYROMETER_PROBE_FILE": str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"),
    }
    done = one.run([TARGETS / "web_greenlets.py", directory], env=variables, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    ids = json.loads(done.stdout)
    assert sorted(ids) == ["/a", "/b"]
    for path, (own, other) in {"/a": ("a", "b"), "/b": ("b", "a")}.items():
        found = functions_of(pyrometer, directory / f"{ids[path]}.pyro")
        assert {f"work_{own}", f"view_{own}"} <= set(found)
        assert not {f"work_{other}", f"view_{other}"} & set(found), found


def find_web(monkeypatch: pytest.MonkeyPatch, served: Python, pyrometer: Path, sampler: str) -> None:
    """For programs that are started: the middleware, what they are made with, and which program samples them."""
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'python'}:{installed(served, 'web', *PINS)}")
    monkeypatch.setenv("PYROMETER_PROGRAM", sampler)
    monkeypatch.setenv("PYROMETER_PROBE_FILE", str(pyrometer.parent / "src" / "probe" / "_probe.abi3.so"))


@pytest.mark.alone  # what takes less than a twentieth of the time is no finding
@pytest.mark.parametrize("library", ["django", "sqlalchemy"])
@pytest.mark.parametrize("served", ["3.11", "3.13"], indirect=True)
def test_the_middleware_judges_as_findings_do(
    served: Python, library: str, pyrometer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same requests of one program: X-Profile and `findings` name the same lines, and what is wrong there."""
    find_web(monkeypatch, served, pyrometer, sampler="/nonexistent")
    script, recording = TARGETS / "web_judged.py", tmp_path / "x.pyro"
    told = check_output(command(pyrometer, served, [script, library, tmp_path / "database"], "-o", recording))
    found = json.loads(check_output([pyrometer, "findings", recording, "--json"]))["findings"]
    words = {"N+1": "n+1", "the same query": "same", "row by row": "writes"}
    judged = {
        (word, one["line"]) for one in found for title, word in words.items() if one["rule"] == "n-plus-one" and one["title"].startswith(title)
    }
    for path, headers in json.loads(told).items():
        for header in headers:
            [(kind, line, count)] = re.findall(r"(n\+1|same|writes)=web_judged\.py:(\d+)x(\d+)", header)
            assert script.read_text().splitlines()[int(line) - 1].endswith(f"# {path}") and count == "300", header
            assert (kind, int(line)) in judged, (path, header, judged)
            assert kind == {"lazily": "n+1", "each": "n+1"}.get(path, path), header


@pytest.mark.alone  # what takes less than a twentieth of the run is no finding there
@pytest.mark.parametrize("library", ["django", "sqlalchemy"])
@pytest.mark.parametrize("served", ["3.11", "3.13"], indirect=True)
def test_the_recording_of_a_request_is_judged_as_that_of_a_run(
    served: Python, library: str, pyrometer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`findings` names the same line, with the same remedy, whether the program was run by us or its requests were recorded."""
    find_web(monkeypatch, served, pyrometer, sampler=str(pyrometer))
    script, run, requests = TARGETS / "web_judged.py", tmp_path / "run.pyro", tmp_path / "requests"
    check_output(command(pyrometer, served, [script, library, tmp_path / "a"], "-o", run))
    of_run = {one["line"]: one for one in repetitions(pyrometer, run)}
    told = json.loads(check_output(served.command([script, library, tmp_path / "b", requests])))
    for path, headers in told.items():
        [name] = re.findall(r"id=(\S+)", headers[-1])
        [found] = repetitions(pyrometer, requests / f"{name}.pyro")
        assert script.read_text().splitlines()[found["line"] - 1].endswith(f"# {path}"), found
        same = of_run[found["line"]]
        assert [found[key] for key in ("file", "function", "fix", "confidence")] == [same[key] for key in ("file", "function", "fix", "confidence")]
        assert found["title"] == same["title"].replace("7200", "300"), (found, same)
        evidence, its = found["evidence"], same["evidence"]
        assert evidence["shape"] == its["shape"] and (evidence["queries"], evidence["distinct"]) == (300, its["distinct"]), (evidence, its)
        assert 0 < evidence["driver_s"] <= evidence["time_s"] < SECONDS and "per_call" not in evidence


def repetitions(pyrometer: Path, recording: Path) -> list[dict[str, Any]]:
    """What `findings` says of its queries that are sent again and again."""
    wait_for(recording)
    found = json.loads(check_output([pyrometer, "findings", recording, "--json"]))
    assert not {"n-plus-one", "slow-query"} & set(found["not_looked_for"])
    return [one for one in found["findings"] if one["rule"] == "n-plus-one"]


@pytest.mark.parametrize("served", ["3.11", "3.13"], indirect=True)
def test_sqlalchemy_goes_on_as_before(served: Python, pyrometer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query is counted once, with its time; what it returns or raises, and who else listens, is as without us."""
    find_web(monkeypatch, served, pyrometer, sampler="/nonexistent")
    assert check_output(served.command([TARGETS / "web_sqlalchemy.py"])) == "ok\n"


def check_output(arguments: list[str | Path]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_without_the_c_part_the_number_is_the_same() -> None:
    """From how many on queries are too many, where they are judged in Python."""
    header = (REPOSITORY / "src" / "base" / "repetition.h").read_text()
    module = (REPOSITORY / "python" / "pyrometer" / "web" / "_queries.py").read_text()
    assert re.findall(r"#define PYRO_REPETITION_MIN (\d+)", header) == re.findall(r"^QUERIES_MIN = (\d+)", module, re.MULTILINE)


def test_errors_of_ours_are_swallowed(one: Python, serve: Callable[..., Server], pyrometer: Path) -> None:
    """A callable that raises, and a sampler that is not there: answers as ever, one line in the log."""
    server = serve(one, "flask", when_raises=True)
    assert [server.get("/quick").body for _ in range(3)] == [b"quick"] * 3
    server.stop()
    assert server.log.read_text().count("ZeroDivisionError") == 1
    server = serve(one, "flask", environment={"PYROMETER_PROGRAM": "/nonexistent"})
    told = server.profiled("/orders", pyrometer)
    assert told.status == 200 and told.profile["sql"].startswith("31/") and not {"top", "id"} & set(told.profile)
    server.stop()
    assert server.log.read_text().count("the sampler cannot be started") == 1


def test_the_sampler_ends_with_the_server(one: Python, serve: Callable[..., Server], pyrometer: Path) -> None:
    """When it is killed, requests go on; and a server that is killed leaves none behind."""
    server = serve(one, "starlette")
    server.sampled("/a", pyrometer)
    [sampler] = server.samplers()
    os.kill(sampler, signal.SIGKILL)
    assert server.profiled("/orders", pyrometer).profile["sql"].startswith("31/")
    wait_until(lambda: server.profiled("/quick", pyrometer).status == 200 and "pyrometer: the sampler ended" in server.log.read_text(), server)
    server.stop()
    assert server.log.read_text().count("the sampler ended") == 1
    server = serve(one, "starlette")
    server.sampled("/a", pyrometer)
    assert len(server.samplers()) == 1
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not server.samplers(), server)


@pytest.mark.parametrize("served, app", LOADED, indirect=["served"])
def test_load(served: Python, app: str, serve: Callable[..., Server], pyrometer: Path) -> None:
    """Requests that take turns in threads, or in one thread's event loop: none fails, and no profile has anything of another."""
    server = serve(served, app, workers=1 if app == "starlette" else 2, share=0.5)
    paths = ["/a", "/b"] * 40
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(server.get, paths))
    assert [answer.status for answer in answers] == [200] * len(paths)
    assert [answer.body.decode() for answer in answers] == [path[1:] for path in paths]
    own = {"GET /a": 0, "GET /b": 0}
    for recording in server.recordings():
        asked = json.loads(subprocess.run([pyrometer, "stats", recording, "--json", "-n", "0"], capture_output=True, check=True).stdout)
        command, names = asked["recording"]["command"], {row["name"] for row in asked["functions"]}
        if command in own:
            mine, other = ("a", "b") if command == "GET /a" else ("b", "a")
            own[command] += f"work_{mine}" in names
            assert not [name for name in names if name.endswith((f"work_{other}", f"view_{other}"))], (recording, names)
    assert min(own.values()) >= 5, own  # 20 of each are expected
