"""What `findings` says of memory: S3 and S9, a file that is read whole and what only grows. Each story's own programs, others that no
rule was made after, and innocent ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clocks import clocked
from counting import command
from pythons import REPOSITORY, Python, find_python
from test_findings import findings, own_folder, program, record, run
from test_findings_stories import VERSIONS, check_culprit, chosen
from test_story_verdicts import skip_where_nothing_can_be_told

__all__ = ["chosen", "own_folder"]  # fixtures

pytestmark = pytest.mark.beside

RULES = ("whole-file", "unbounded-cache", "growth")
MEMORY = ("--memory",)


class Story:
    def __init__(self, folder: str, name: str, rule: str, culprit: str, size: tuple[str, ...]) -> None:
        self.folder, self.name = REPOSITORY / "examples" / folder, name
        self.rule, self.culprit, self.size = rule, culprit, size

    def script(self, variant: str) -> Path:
        return self.folder / f"{self.name}_{variant}.py"


S3 = Story("s03_loader", "loader", "whole-file", "data = json.load(f)", ("--shipments", "60000"))
S9A = Story("s09_service", "service", "unbounded-cache", "PAGES[key] = render(request)", ("--requests", "8000"))
S9B = Story("s09_history", "history", "growth", "self.notes.append(note)", ("--requests", "8000"))
STORIES = {story.folder.name: story for story in (S3, S9A, S9B)}


def of_memory(told: list[dict]) -> list[dict]:
    return [finding for finding in told if finding["rule"] in RULES]


def line_of(finding: dict) -> str:
    return Path(finding["file"]).read_text().splitlines()[finding["line"] - 1].strip()


def ask(pyrometer: Path, python: Python, script: Path, *arguments: str) -> list[dict]:
    """The findings about memory first. Where other tests hold the program up, it does not grow evenly: then it is recorded again."""
    for _ in range(3):
        told = findings(pyrometer, record(pyrometer, python, script, *arguments, options=MEMORY))
        if told and told[0]["rule"] in RULES:
            break
    return told


# -- the stories ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_the_culprit_is_the_first_finding(pyrometer: Path, chosen: Python, name: str) -> None:
    story = STORIES[name]
    first = ask(pyrometer, chosen, story.script("slow"), *story.size)[0]
    assert (first["rule"], first["tier"], line_of(first)) == (story.rule, "memory", story.culprit), first
    assert first["gain_s"] is None and 0 < first["gain_low"] <= first["gain_bytes"] <= first["gain_high"]
    fixed = findings(pyrometer, record(pyrometer, chosen, story.script("fixed"), *story.size, options=MEMORY))
    assert of_memory(fixed) == []


@pytest.mark.parametrize("name", STORIES)
def test_the_decoy_changes_nothing_of_that(pyrometer: Path, one: Python, name: str) -> None:
    story = STORIES[name]
    told = ask(pyrometer, one, story.script("decoy"), *story.size)
    assert told[0]["rule"] == story.rule, told


def peak(pyrometer: Path, python: Python, script: Path, arguments: tuple[str, ...]) -> int:
    recording = record(pyrometer, python, script, *arguments, options=MEMORY)
    return json.loads(run(pyrometer, "memory", recording, "--json"))["peak_bytes"]


@pytest.mark.parametrize("name", STORIES)
def test_the_gain_is_within_a_factor_of_two(pyrometer: Path, one: Python, name: str) -> None:
    """What is alive at the peak is exact, so what the fix gives back is, too."""
    story = STORIES[name]
    fixed = peak(pyrometer, one, story.script("fixed"), story.size)
    slow = peak(pyrometer, one, story.script("slow"), story.size)
    estimated = ask(pyrometer, one, story.script("slow"), *story.size)[0]["gain_bytes"]
    decoy = peak(pyrometer, one, story.script("decoy"), story.size)
    assert abs(slow - decoy) < 0.01 * (slow - fixed)
    assert (slow - fixed) / 2 < estimated < (slow - fixed) * 2


KEPT = """
    import json, sys
    def sizes(value, seen):
        if id(value) in seen:
            return 0
        seen.add(id(value))
        size = sys.getsizeof(value)
        if isinstance(value, dict):
            size += sum(sizes(key, seen) + sizes(item, seen) for key, item in value.items())
        elif isinstance(value, list):
            size += sum(sizes(item, seen) for item in value)
        return size
    def load(path):
        with open(path) as f:
            data = json.load(f)  # culprit
        return data
    with open("x.json", "w") as f:
        json.dump([{"id": n + 10**6, "names": [f"a{n}", f"b{n}"], "size": n / 7} for n in range(40000)], f)
    data = load("x.json")
    print(sizes(data, set()))
    """


def test_the_line_that_loads_has_what_it_kept(pyrometer: Path, counted: Python) -> None:
    """By the program's own count of all that json.load() returned."""
    if counted.free_threaded:
        pytest.skip("memory is not tracked without a GIL")
    script = program(KEPT)
    done = subprocess.run(
        command(pyrometer, counted, [script], "-o", "x.pyro", *MEMORY), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = int(done.stdout)
    told = json.loads(run(pyrometer, "memory", "x.pyro", "--json"))
    lines = [line for function in told["functions"] if function["file"] == str(script) for line in function["lines"]]
    (load,) = [line for line in lines if script.read_text().splitlines()[line["line"] - 1].endswith("# culprit")]
    assert 0.95 * kept < load["total_live"] < 1.2 * kept and load["total_peak"] >= load["total_live"]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("name", "metric", "arguments"),
    [
        ("s03_loader", "peak", "--shipments 40000"),
        ("s09_service", "growth", "--requests 8000"),
        ("s09_history", "growth", "--requests 6000"),
    ],
)
@clocked
def test_the_fix_is_kept_and_the_decoy_is_not(
    pyrometer: Path, one: Python, name: str, metric: str, arguments: str
) -> None:
    """By what is resident. What a decoy is said to be depends on the machine's noise: the same, or undecided."""
    story = STORIES[name]
    commands = [f"{variant}={one.path} {story.script(variant)} {arguments}" for variant in ("slow", "fixed", "decoy")]
    options = ["--metric", metric, "--pairs", "8", "--time", "100s", "-o", "bench.json"]
    fixed = json.loads(run(pyrometer, "bench", *options, "--json", *commands))
    skip_where_nothing_can_be_told(fixed, json.loads(Path("bench.json").read_text())["noise"])
    (decoy,) = fixed["others"]
    assert (fixed["after"], fixed["metric"], fixed["keep"]) == ("fixed", metric, True), fixed
    assert decoy["after"] == "decoy" and decoy["keep"] is not True and decoy["ratio"] > 1.3 * fixed["ratio"], decoy


# -- others -------------------------------------------------------------------------------------------------

FILES = {
    "rows of a table, by csv": """
        import csv
        def write(path):
            with open(path, "w", newline="") as sink:
                writer = csv.writer(sink)
                writer.writerow(["station", "day", "rain"])
                writer.writerows([f"station {n % 700}", n % 365, n % 19 / 2] for n in range(60000))
        def wettest(path):
            rain = {}
            with open(path, newline="") as source:
                table = list(csv.DictReader(source))  # culprit
            for measured in table:
                name = measured["station"]
                rain[name] = rain.get(name, 0) + float(measured["rain"])
            return max(rain.values())
        write("rain.csv")
        print(wettest("rain.csv"))
        """,
    "words of a text, by a class": """
        from collections import Counter
        from pathlib import Path
        class Book:
            def __init__(self, path):
                self.path = path
            def words(self):
                text = self.path.read_text()  # culprit
                found = Counter()
                for line in text.splitlines():
                    found.update(line.split())
                return found
        path = Path("book.txt")
        with path.open("w") as sink:
            sink.writelines(f"it was the {n % 50}th of times and the worst of {n % 31}\\n" for n in range(300000))
        print(len(Book(path).words()))
        """,
    "a tree of XML, in a thread": """
        import threading
        from xml.etree import ElementTree
        def write(path):
            with open(path, "w") as out:
                out.write("<log>")
                out.writelines(f"<entry at='{n}'><host>web{n % 9}</host><took>{n % 77}</took></entry>" for n in range(60000))
                out.write("</log>")
        totals = []
        def add_up(path):
            tree = ElementTree.parse(path)  # culprit
            totals.append(sum(int(took.text) for took in tree.iter("took")))
        write("log.xml")
        worker = threading.Thread(target=add_up, args=("log.xml",))
        worker.start()
        worker.join()
        print(totals)
        """,
}
CACHES = {
    "lru_cache without a bound": """
        import functools, hashlib
        @functools.lru_cache(maxsize=None)  # culprit
        def signature(user, path):
            text = f"{user}:{path}".encode()
            for _ in range(40):
                text = hashlib.sha256(text).digest()
            return text.hex() * 20
        def authorize(user, path):
            return signature(user, path)[:8]
        def respond(number):
            headers = {"x-user": str(number), "accept": "text/html"}
            return authorize(headers["x-user"], f"/orders/{number * 3}")
        def loop(count):
            served = 0
            for number in range(count):
                served += len(respond(number))
            return served
        print(loop(15000))
        """,
    "a dict of a class, filled by threads": """
        import queue, threading
        class Geocoder:
            known = {}
            def locate(self, address):
                found = self.known.get(address)
                if found is None:
                    found = [hash((address, n)) % 180 for n in range(60)]
                    self.known[address] = found  # culprit
                return found[0]
        def work(todo, geocoder):
            while True:
                number = todo.get()
                if number is None:
                    return
                geocoder.locate(f"{number} Main Street")
        todo = queue.Queue(100)
        workers = [threading.Thread(target=work, args=(todo, Geocoder())) for _ in range(2)]
        for worker in workers:
            worker.start()
        for number in range(60000):
            todo.put(number)
        for _ in workers:
            todo.put(None)
        for worker in workers:
            worker.join()
        print(len(Geocoder.known))
        """,
    "a set of tokens, in coroutines": """
        import asyncio, secrets
        class Gate:
            def __init__(self):
                self.used = set()
            async def admit(self, token):
                if token in self.used:
                    return False
                self.used.add(token)  # culprit
                return True
        async def visit(gate, number):
            token = secrets.token_hex(16) + str(number)
            allowed = await gate.admit(token)
            parts = [token[at : at + 4] for at in range(0, 32, 2)]
            await asyncio.sleep(0)
            return allowed and len("-".join(parts))
        async def serve():
            gate, total = Gate(), 0
            for start in range(0, 60000, 50):
                total += sum(await asyncio.gather(*(visit(gate, start + n) for n in range(50))))
            return total, len(gate.used)
        print(asyncio.run(serve()))
        """,
}
LISTS = {
    "errors of a worker, as dicts": """
        import json
        class Worker:
            def __init__(self):
                self.failed = []
            def take(self, job):
                try:
                    json.loads(job)
                except ValueError as error:
                    self.failed.append({"job": job, "why": str(error), "tried": [1, 2, 3]})  # culprit
                    return 0
                return 1
        def run(worker, count):
            done = 0
            for number in range(count):
                done += worker.take('{"number": %d, "rest": %s' % (number, list(range(number % 60))))
            return done
        print(run(Worker(), 40000))
        """,
    "subscribers, one more for each session": """
        class Bus:
            def __init__(self):
                self.listeners = []
            def subscribe(self, listener):
                self.listeners.append(listener)  # culprit
        class Session:
            def __init__(self, bus, number):
                self.state = [str(number * n) for n in range(40)]
                bus.subscribe(self.on_change)
            def on_change(self, key):
                return self.state[key % 40]
        def visit(bus, number):
            session = Session(bus, number)
            return sum(len(session.on_change(key)) for key in range(100))
        def main():
            bus = Bus()
            return sum(visit(bus, number) for number in range(20000))
        print(main())
        """,
    "a trace, in coroutines": """
        import asyncio, time
        TRACE = []
        async def span(name, work):
            start = time.perf_counter()
            result = await work
            TRACE.append((name, start, time.perf_counter() - start, f"{name} took its time"))  # culprit
            return result
        async def query(number):
            await asyncio.sleep(0)
            return sorted(range(number % 100), key=lambda value: -value)
        async def handle(number):
            rows = await span(f"query {number}", query(number))
            return await span(f"again {number}", query(len(rows)))
        async def main():
            for number in range(20000):
                await handle(number)
        asyncio.run(main())
        print(len(TRACE))
        """,
}
OTHERS = {**{name: ("whole-file", text) for name, text in FILES.items()},
          **{name: ("unbounded-cache", text) for name, text in CACHES.items()},
          **{name: ("growth", text) for name, text in LISTS.items()}}  # fmt: skip


@pytest.mark.parametrize(("chosen", "name"), list(zip(VERSIONS * 3, OTHERS, strict=True)), indirect=["chosen"])
def test_it_is_found_in_other_programs(pyrometer: Path, chosen: Python, name: str) -> None:
    rule, text = OTHERS[name]
    script = program(text)
    check_culprit(of_memory(ask(pyrometer, chosen, script)), rule, script)


# -- innocent ones ------------------------------------------------------------------------------------------

INNOCENT = {
    "an index that is loaded and used": """
        import json
        with open("x.json", "w") as f:
            json.dump({f"key {n}": [n, n * 2, str(n)] for n in range(40000)}, f)
        def load(path):
            with open(path) as f:
                return json.load(f)
        def look(index, number):
            return index[f"key {number % 40000}"][2]
        def main():
            index = load("x.json")
            return sum(len(look(index, number * 7)) for number in range(1500000))
        print(main())
        """,
    "an index that is built by calls, and used": """
        class Index:
            def __init__(self):
                self.places, self.texts = {}, []
            def add(self, number, text):
                self.texts.append(text)
                for word in text.split():
                    self.places.setdefault(word, []).append(number)
            def find(self, word):
                return len(self.places.get(word, ()))
        def main():
            index = Index()
            for number in range(20000):
                index.add(number, " ".join(f"w{number * at % 9973}" for at in range(12)))
            return sum(index.find(f"w{number % 9973}") for number in range(700000))
        print(main())
        """,
    "a cache with a bound": """
        import functools
        @functools.lru_cache(maxsize=2000)
        def page(number):
            return [f"{number} {at}" for at in range(60)]
        def handle(number):
            return len(page(number)) + len(page(number // 2))
        def main():
            return sum(handle(number) for number in range(25000))
        print(main())
        """,
    "a cache that takes out the oldest": """
        from collections import OrderedDict
        class Cache:
            def __init__(self, size):
                self.size, self.items = size, OrderedDict()
            def get(self, key):
                if key in self.items:
                    self.items.move_to_end(key)
                    return self.items[key]
                self.items[key] = value = [f"{key} {at}" for at in range(60)]
                if len(self.items) > self.size:
                    self.items.popitem(last=False)
                return value
        def main():
            cache = Cache(1500)
            return sum(len(cache.get(number)) for number in range(30000))
        print(main())
        """,
    "a list that is built once and returned": """
        def parse(number):
            return {"number": number, "text": f"row {number}", "parts": [number, number + 1]}
        def load(count):
            rows = []
            for number in range(count):
                rows.append(parse(number))
            return rows
        ROWS = load(250000)
        print(len(ROWS))
        """,
    "a list that the module builds": """
        def parse(number):
            return {"number": number, "text": f"row {number}", "parts": [number, number + 1]}
        rows = []
        for number in range(250000):
            rows.append(parse(number))
        print(len(rows))
        """,
    "a list from C, by a generator": """
        import json
        def rows(count):
            for number in range(count):
                yield json.loads('{"number": %d, "text": "row"}' % number)
        def load():
            return sorted(rows(150000), key=lambda row: -row["number"])
        ROWS = load()
        print(len(ROWS))
        """,
    "the last ones, in a deque": """
        import collections
        LAST = collections.deque(maxlen=3000)
        def handle(number):
            LAST.append({"number": number, "text": f"request {number}", "parts": [str(at) for at in range(20)]})
            return len(LAST)
        def main():
            return sum(handle(number) for number in range(60000))
        print(main())
        """,
    "lists that go with their request": """
        class Request:
            def __init__(self, number):
                self.number, self.notes = number, []
            def note(self, text):
                self.notes.append(text)
        def handle(number):
            request = Request(number)
            for at in range(300):
                request.note(f"{number} {at}")
            return len(request.notes)
        def main():
            return sum(handle(number) for number in range(3000))
        print(main())
        """,
    "a small file that is read whole": """
        import json
        with open("x.json", "w") as f:
            json.dump(list(range(1000)), f)
        def settings():
            with open("x.json") as f:
                return json.load(f)
        def main():
            numbers = settings()
            return sum(numbers[at % 1000] for at in range(3000000))
        print(main())
        """,
    "a file that is gone through line by line": """
        with open("x.txt", "w") as f:
            f.writelines(f"{n} {n * 7 % 1009}\\n" for n in range(400000))
        def total(path):
            with open(path) as f:
                return sum(int(line.split()[1]) for line in f)
        print(total("x.txt"))
        """,
    "a generator that leaves out what it has seen": """
        def unique(rows):
            seen = set()
            for row in rows:
                key = (row["id"], row["name"])
                if key not in seen:
                    seen.add(key)
                    yield row
        def rows(count):
            for number in range(count):
                yield {"id": number, "name": f"name {number}"}
        def main():
            return sum(row["id"] for row in unique(rows(250000)))
        print(main())
        """,
    "a tree that is built by recursion": """
        class Node:
            def __init__(self, depth):
                self.name = f"node at {depth}"
                ALL.append(self)
                self.children = [Node(depth - 1) for _ in range(4)] if depth else []
        ALL = []
        def build():
            return Node(8)
        root = build()
        print(len(ALL))
        """,
    "records that are sorted": """
        import json
        def load(path):
            with open(path) as f:
                return [json.loads(line) for line in f]
        def main():
            with open("x.jsonl", "w") as f:
                for n in range(60000):
                    f.write(json.dumps({"id": n * 7919 % 60013, "name": f"name {n}"}) + "\\n")
            rows = load("x.jsonl")
            rows.sort(key=lambda row: row["id"])
            return sum(row["id"] for row in rows)
        print(main())
        """,
}


@pytest.mark.parametrize(("chosen", "name"), list(zip(VERSIONS * 5, INNOCENT, strict=False)), indirect=["chosen"])
def test_nothing_is_found_where_nothing_is_wrong(pyrometer: Path, chosen: Python, name: str) -> None:
    told = findings(pyrometer, record(pyrometer, chosen, program(INNOCENT[name]), options=MEMORY))
    assert of_memory(told) == []


# -- what it is told from -----------------------------------------------------------------------------------


def test_memory_over_time_is_recorded(pyrometer: Path, one: Python) -> None:
    recording = record(pyrometer, one, S9A.script("slow"), *S9A.size, options=MEMORY)
    run(pyrometer, "export", recording, "-f", "json", "-o", "x.json")
    told = json.loads(Path("x.json").read_text())
    figures = {one["stack"]: one for one in told["memory"]}
    largest = max(figures.values(), key=lambda one: one["allocated_bytes"] - one["freed_bytes"])
    moments = [one for one in told["memory_over_time"] if one["stack"] == largest["stack"]]
    assert len(moments) > 10 and [one["time_s"] for one in moments] == sorted(one["time_s"] for one in moments)
    assert moments[-1]["live_bytes"] == largest["allocated_bytes"] - largest["freed_bytes"]
    assert sum(a["live_bytes"] > b["live_bytes"] for a, b in zip(moments, moments[1:], strict=False)) == 0
    assert all(one["live_bytes"] >= 4096 for one in moments)
    (stop,) = [one for one in told["memory_over_time"] if one["stack"] == 0]
    assert stop["live_bytes"] == told["heaps"][0]["live_bytes"] and stop["time_s"] > moments[-2]["time_s"]


def test_it_is_told_in_words(pyrometer: Path, one: Python) -> None:
    assert ask(pyrometer, one, S3.script("slow"), *S3.size)
    text = run(pyrometer, "findings", "x.pyro")
    assert "a whole file in memory: " in text and "less at the peak (" in text and "data = json.load(f)" in text
    plain = record(pyrometer, one, S3.script("fixed"), "--shipments", "300")
    clean = run(pyrometer, "findings", plain)
    assert clean.startswith("Nothing here is worth changing") and not any(rule in clean for rule in RULES)
