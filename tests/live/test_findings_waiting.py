"""What `findings` says of programs that wait: for the GIL, for one answer after the other, for connections to open. Each story's own
program, others like it that no rule was made after, and what must not be found."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from clocks import clocked
from counting import installed
from pythons import REPOSITORY, Python, find_python
from test_findings import SECONDS, findings, own_folder, program, record, run

__all__ = ["own_folder"]  # a fixture

pytestmark = pytest.mark.beside

EXAMPLES = REPOSITORY / "examples"


VERSIONS = ("3.11", "3.13", "3.15")


@pytest.fixture(params=VERSIONS)
def chosen(request: pytest.FixtureRequest) -> Python:
    """The oldest that is counted in, one in the middle, the newest."""
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


def in_turn(key: str, values: Iterable[str]) -> pytest.MarkDecorator:
    """Each value with one of these Pythons: time is short."""
    pairs = [(value, VERSIONS[at % len(VERSIONS)]) for at, value in enumerate(values)]
    return pytest.mark.parametrize((key, "chosen"), pairs, indirect=["chosen"])


slow_and_decoy = in_turn("variant", ["slow", "slow", "slow", "decoy"])


def check_first(told: list[dict], rule: str, script: Path) -> dict:
    """The first finding is RULE's, on a line that the program says to be the culprit's."""
    assert told, "nothing was found"
    first = told[0]
    assert first["rule"] == rule and first["file"] == str(script), first
    assert "# culprit" in script.read_text().splitlines()[first["line"] - 1], first
    assert 0 <= first["gain_low"] <= first["gain_s"] <= first["gain_high"]
    return first


# -- S7: threads that compute in turn --------------------------------------------------------------------

REPORT = EXAMPLES / "s07_report"
needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: processes would win nothing")

IN_TURN = {
    "threads of their own": """
        import threading
        class Reader(threading.Thread):
            def run(self):
                text = "a=1;b=22;c=333;" * 12000
                self.total = at = 0
                while at < len(text):  # culprit
                    end = at  # culprit
                    while text[end] != ";":  # culprit
                        end += 1  # culprit
                    self.total += int(text[at:end].split("=")[1])  # culprit
                    at = end + 1  # culprit
        for turn in range(2):
            readers = [Reader() for _ in range(3)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        """,
    "a pool of threads": """
        from multiprocessing.pool import ThreadPool
        import re
        words = re.compile("(?:a|b)*c")
        def weigh(number):
            found = 0
            for i in range(30):
                found += len(words.findall("ab" * 500 + str(i)))  # culprit
            return found
        with ThreadPool(6) as pool:
            print(sum(pool.imap_unordered(weigh, range(24))))
        """,
    "threads of asyncio": """
        import asyncio
        def depth(tree):
            return 1 + max(map(depth, tree), default=0)  # culprit
        def grow(levels):
            return [grow(levels - 1), grow(levels - 1)] if levels else []
        tree = grow(13)
        async def main():
            print(await asyncio.gather(*(asyncio.to_thread(depth, tree) for _ in range(40))))
        asyncio.run(main())
        """,
}
NOT_IN_TURN = {
    "C code that lets go of the GIL": """
        import hashlib, threading
        data = bytes(30_000_000)
        def digest():
            for _ in range(3):
                hashlib.sha256(data)
        threads = [threading.Thread(target=digest) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    "one that computes, others that wait": """
        import threading, time
        done = threading.Event()
        def wait():
            while not done.wait(0.01):
                pass
        threads = [threading.Thread(target=wait) for _ in range(6)]
        for thread in threads:
            thread.start()
        total = 0
        for i in range(6_000_000):
            total += i & 1
        done.set()
        """,
}


@needs_two_cpus
@slow_and_decoy
def test_threads_that_compute_in_turn_are_found(pyrometer: Path, chosen: Python, variant: str) -> None:
    recording = record(pyrometer, chosen, REPORT / f"report_{variant}.py", "--size", "1200")
    first = findings(pyrometer, recording)[0]
    lines = (REPORT / "report.py").read_text().splitlines()
    assert first["rule"] == "gil-contention" and first["file"] == str(REPORT / "report.py")
    assert first["function"] == "near_pairs" and first["evidence"]["task"]["function"] == "near_pairs"
    assert lines[first["line"] - 1].split()[0] in ("for", "if", "near")
    assert first["evidence"]["cpus"] == len(os.sched_getaffinity(0))
    assert 0 < first["gain_low"] <= first["gain_s"] <= first["gain_high"]


@needs_two_cpus
@in_turn("name", IN_TURN)
def test_other_threads_that_compute_in_turn_are_found(pyrometer: Path, chosen: Python, name: str) -> None:
    script = program(IN_TURN[name])
    check_first(findings(pyrometer, record(pyrometer, chosen, script)), "gil-contention", script)


@in_turn("name", NOT_IN_TURN)
def test_threads_that_do_not_take_turns_are_left_alone(pyrometer: Path, chosen: Python, name: str) -> None:
    told = findings(pyrometer, record(pyrometer, chosen, program(NOT_IN_TURN[name])))
    assert "gil-contention" not in [finding["rule"] for finding in told]


def test_nothing_is_found_in_a_process_pool(pyrometer: Path, chosen: Python) -> None:
    options = () if chosen.root is not None else ("--subprocesses",)
    recording = record(pyrometer, chosen, REPORT / "report_fixed.py", "--size", "1200", options=options)
    assert findings(pyrometer, recording) == []


CRITICAL = """
import sys, time
sys.path.insert(0, sys.argv[1])
import report, report_fixed, report_slow
def near_pairs(region, size, plain=report.near_pairs):
    plain(region, size)
    return time.process_time()
report.near_pairs = near_pairs
report_slow.build(range(8), 1500)
slow = time.process_time()
ended = report_fixed.build(range(8), 1500).values()
print(slow, time.process_time() - slow + max(ended))
"""


@needs_two_cpus
@clocked
def test_the_gain_of_processes_is_within_a_factor_of_two(pyrometer: Path, one: Python) -> None:
    """What the slowest process computed and what lies before and after it, in place of what all threads did: on a busy machine,
    elapsed time says nothing."""
    done = subprocess.run(
        one.command(["-c", CRITICAL, REPORT]), capture_output=True, text=True, timeout=SECONDS, check=True
    )
    slow, fixed = map(float, done.stdout.split())
    recording = record(pyrometer, one, REPORT / "report_slow.py", "--size", "1500")
    elapsed = json.loads(run(pyrometer, "stats", recording, "--json"))["recording"]["duration_s"]
    real = 1 - fixed / slow
    assert real / 2 < findings(pyrometer, recording)[0]["gain_s"] / elapsed < real * 2


# -- S6: waits that follow each other ---------------------------------------------------------------------

PRICES = EXAMPLES / "s06_prices"
EXCHANGE = f"""
import atexit, os, subprocess, sys
server = subprocess.Popen([sys.executable, {str(PRICES / "exchange.py")!r}, "0.06"], stdout=subprocess.PIPE)
atexit.register(server.kill)
port = int(server.stdout.readline())
"""

IN_SEQUENCE = {
    "sockets, in the loop itself": """
        import socket
        def sizes():
            total = 0
            for i in range(8):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(b"GET /%d HTTP/1.0\\r\\n\\r\\n" % i)
                    total += len(connection.recv(100))  # culprit
            return total
        sizes()
        """,
    "urllib, in a generator of a class": """
        from urllib.request import build_opener, ProxyHandler
        class Quotes:
            opener = build_opener(ProxyHandler({}))
            def get(self, path):
                with self.opener.open(f"http://127.0.0.1:{port}/{path}") as answer:
                    return answer.read()
            def all(self):
                for name in "abcdefg":
                    yield self.get(name)  # culprit
        print(sum(map(len, Quotes().all())))
        """,
    "processes": """
        def check(number):
            return subprocess.run(["sleep", "0.06"], check=True).returncode
        results = [check(number) for number in range(8)]  # culprit
        """,
}
BLOCKING = {
    "sleep": """
        import asyncio, time
        async def poll(name):
            time.sleep(0.06)  # culprit
            await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*map(poll, range(8)))
        asyncio.run(main())
        """,
    "http.client, in a function that a coroutine calls": """
        import asyncio, http.client
        def load(path):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", path)
            return connection.getresponse().read()  # culprit
        async def price(symbol):
            return len(load(f"/{symbol}"))
        async def main():
            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(price(number))
        asyncio.run(main())
        """,
}
NOT_IN_SEQUENCE = {
    "polling": """
        import time
        def ready(turn):
            return turn == 12
        def wait():
            turn = 0
            while not ready(turn):
                time.sleep(0.05)
                turn += 1
        wait()
        """,
    "a stream": """
        import socket
        def send(connection):
            import time
            for _ in range(12):
                connection.sendall(b"x" * 10)
                time.sleep(0.05)
        near, far = socket.socketpair()
        if os.fork() == 0:
            near.close()
            send(far)
            os._exit(0)
        far.close()
        print(sum(map(len, iter(lambda: near.recv(10), b""))))
        """,
    "a server": """
        import select, socket, threading, time
        listener = socket.create_server(("127.0.0.1", 0))
        def visit():
            for _ in range(10):
                time.sleep(0.06)
                socket.create_connection(listener.getsockname()).close()
        threading.Thread(target=visit).start()
        def serve():
            for turn in range(10):
                if turn % 2:
                    select.select([listener], [], [])
                connection, _ = listener.accept()
                connection.close()
        serve()
        """,
    "asyncio": """
        import asyncio
        async def answer(i):
            await asyncio.sleep(0.3)
        async def main():
            await asyncio.gather(*map(answer, range(20)))
        asyncio.run(main())
        """,
}


def with_exchange(text: str) -> Path:
    """A program with a server that answers after 60 ms, at `port`."""
    script = program(text)
    script.write_text(EXCHANGE + script.read_text())
    return script


@slow_and_decoy
def test_waits_in_sequence_are_found(pyrometer: Path, chosen: Python, variant: str) -> None:
    recording = record(pyrometer, chosen, PRICES / f"prices_{variant}.py", "--delay", "0.06")
    first = findings(pyrometer, recording)[0]
    assert first["rule"] == "sequential-wait" and first["function"] == "fetch_all"
    assert first["file"] == str(PRICES / f"prices_{variant}.py") and first["line"] == 11
    assert first["evidence"]["waits"] == first["evidence"]["per_call"] == 10


@in_turn("name", IN_SEQUENCE)
def test_other_waits_in_sequence_are_found(pyrometer: Path, chosen: Python, name: str) -> None:
    script = with_exchange(IN_SEQUENCE[name])
    first = check_first(findings(pyrometer, record(pyrometer, chosen, script)), "sequential-wait", script)
    assert first["evidence"]["form"] == "sequence" and 7 <= first["evidence"]["waits"] <= 8


@in_turn("name", BLOCKING)
def test_what_blocks_an_event_loop_is_found(pyrometer: Path, chosen: Python, name: str) -> None:
    script = with_exchange(BLOCKING[name])
    first = check_first(findings(pyrometer, record(pyrometer, chosen, script)), "sequential-wait", script)
    assert first["evidence"]["form"] == "blocking" and first["evidence"]["waits"] == 8


@in_turn("name", NOT_IN_SEQUENCE)
def test_waits_that_must_be_are_left_alone(pyrometer: Path, chosen: Python, name: str) -> None:
    script = with_exchange(NOT_IN_SEQUENCE[name])
    assert findings(pyrometer, record(pyrometer, chosen, script)) == []


@pytest.mark.alone  # ten connections at once, which take long where others have the CPUs, are found by another rule
def test_nothing_is_found_in_waits_at_once(pyrometer: Path, chosen: Python) -> None:
    assert findings(pyrometer, record(pyrometer, chosen, PRICES / "prices_fixed.py", "--delay", "0.3")) == []


def seconds_of(python: Python, script: Path, *arguments: str) -> float:
    """What the story's program says that it took."""
    done = python.run([script, *arguments])
    assert done.returncode == 0, done.stderr
    return float(done.stderr.split()[0])


@pytest.mark.parametrize(("story", "size"), [("s06_prices/prices", ("--delay", "0.1")), ("s10_client/client", ("--orders", "200"))])
@clocked
def test_the_gain_is_within_a_factor_of_two(pyrometer: Path, one: Python, story: str, size: tuple[str, ...]) -> None:
    """As a share of what is waited or asked for, both in a row on the same machine."""
    slow, fixed = (seconds_of(one, EXAMPLES / f"{story}_{variant}.py", *size) for variant in ("slow", "fixed"))
    recording = record(pyrometer, one, EXAMPLES / f"{story}_slow.py", *size)
    (first,) = findings(pyrometer, recording)
    real = slow - fixed
    assert real / 2 < first["gain_s"] < real * 2


# -- S10: connections that are opened again and again -----------------------------------------------------------

CLIENT = EXAMPLES / "s10_client"
REQUESTS = ("requests==2.32.3", "urllib3==2.2.3", "idna==3.10", "certifi==2024.8.30", "charset_normalizer==3.4.0")
SERVICE = f"""
import atexit, subprocess, sys, tempfile
server = subprocess.Popen(
    [sys.executable, {str(CLIENT / "service.py")!r}, tempfile.mkdtemp(dir=".")], stdout=subprocess.PIPE, text=True
)
atexit.register(server.kill)
port, certificate = server.stdout.readline().split()
"""
CHURN = {
    "requests, by a function of its own": """
        import requests
        def stock(number):
            return requests.get(f"https://localhost:{port}/{number}", verify=certificate).status_code  # culprit
        def main():
            return sum(stock(number) for number in range(40))
        main()
        """,
    "sockets and TLS by hand": """
        import socket, ssl
        context = ssl.create_default_context(cafile=certificate)
        def ask():
            plain = socket.create_connection(("localhost", int(port)))
            with context.wrap_socket(plain, server_hostname="localhost") as connection:  # culprit
                connection.sendall(b"GET /orders/1 HTTP/1.0\\r\\n\\r\\n")
                return connection.recv(1000)
        for _ in range(150):
            ask()
        """,
    "urllib, in a comprehension": """
        import ssl
        from urllib.request import HTTPSHandler, build_opener, ProxyHandler
        context = ssl.create_default_context(cafile=certificate)
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        sizes = [len(opener.open(f"https://localhost:{port}/{number}").read()) for number in range(120)]  # culprit
        """,
}
SQLITE = """
    import sqlite3
    class Store:
        def one(self, number):
            connection = sqlite3.connect("x.db")  # culprit
            return connection.execute("select ?", (number,)).fetchone()
    store = Store()
    for number in range(4000):
        store.one(number)
    """
SESSION = """
    import requests
    session = requests.Session()
    session.verify, session.trust_env = certificate, False
    def stock(number):
        return session.get(f"https://localhost:{port}/{number}").status_code
    print(sum(stock(number) for number in range(200)))
    """


def with_service(text: str, python: Python, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program with an HTTPS server at `port` of localhost, that it should trust by `certificate`."""
    if "requests" in text:
        monkeypatch.setenv("PYTHONPATH", str(installed(python, "requests", *REQUESTS)))
    script = program(text)
    script.write_text(SERVICE + script.read_text())
    return script


@slow_and_decoy
def test_connections_for_each_request_are_found(pyrometer: Path, chosen: Python, variant: str) -> None:
    script = CLIENT / f"client_{variant}.py"
    first = findings(pyrometer, record(pyrometer, chosen, script, "--orders", "150"))[0]
    assert first["rule"] == "connection-churn" and first["file"] == str(script)
    assert "connection.request(" in script.read_text().splitlines()[first["line"] - 1]
    assert first["evidence"]["connections"] == first["evidence"]["calls"] == 150
    assert first["title"] == "150 new TLS connections" and first["confidence"] == "high"


@in_turn("name", CHURN)
def test_other_connections_for_each_request_are_found(
    pyrometer: Path, chosen: Python, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = with_service(CHURN[name], chosen, monkeypatch)
    check_first(findings(pyrometer, record(pyrometer, chosen, script)), "connection-churn", script)


def test_connections_to_sqlite_are_found(pyrometer: Path, one: Python) -> None:
    """Besides the queries, of which there are too many."""
    script = program(SQLITE)
    told = findings(pyrometer, record(pyrometer, one, script))
    churn = check_first([finding for finding in told if finding["rule"] != "n-plus-one"], "connection-churn", script)
    assert churn["evidence"]["connections"] == 4000


def test_the_connections_of_a_session_are_left_alone(
    pyrometer: Path, one: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = with_service(SESSION, one, monkeypatch)
    assert findings(pyrometer, record(pyrometer, one, script)) == []


def test_nothing_is_found_where_one_connection_is_kept(pyrometer: Path, chosen: Python) -> None:
    assert findings(pyrometer, record(pyrometer, chosen, CLIENT / "client_fixed.py", "--orders", "300")) == []
