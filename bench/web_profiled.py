"""What a request of Django costs that is profiled, by `pyrometer.web` and by the profiling middleware of others.

The same application in one process for each way, called as a server would call it: a view that sends 20 queries and computes some milliseconds. All
requests are profiled, and what is found is kept in files or, by django-silk, in the database, as each does by itself. Told is what a request
takes longer than without, and CPU time of the server's own process; the sampler of `pyrometer.web` is another process, and its CPU time is added.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import harness
import installs
from counts import add_row, wanted_pythons
from harness import Table
from pythons import Python

from tools import Bench
from ways import Way

REQUESTS = 200
PROGRAM = """
import io, json, os, resource, sqlite3, statistics, sys, time
way, folder, requests, os.environ["PYROMETER_PROGRAM"] = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
from django.conf import settings
middleware = {
    "plain": [],
    "pyrometer.web": ["pyrometer.web.DjangoMiddleware"],
    "pyinstrument": ["pyinstrument.middleware.ProfilerMiddleware"],
    "django-silk": ["silk.middleware.SilkyMiddleware"],
    "django-silk, with its profiler": ["silk.middleware.SilkyMiddleware"],
}[way]
silk = ["django.contrib.contenttypes", "django.contrib.auth", "silk"] if "silk" in way else []
settings.configure(
    SECRET_KEY="x" * 50, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware, INSTALLED_APPS=silk, USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder + "/db"}},
    PYROMETER={"when": lambda request: True, "directory": folder + "/requests", "rate_hz": 1000},
    PYINSTRUMENT_PROFILE_DIR=folder + "/html", SILKY_PYTHON_PROFILER="profiler" in way, SILKY_PYTHON_PROFILER_RESULT_PATH=folder,
)
import django
django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def compute(number):
    return sum(at * number for at in range(1000))

def orders(request):
    total = 0
    with connection.cursor() as cursor:
        for number in range(20):
            cursor.execute("SELECT %s + 1", [number])
            total += cursor.fetchone()[0] + compute(number)
    return HttpResponse(str(total))

urlpatterns = [path("orders", orders)]
if silk:
    call_command("migrate", verbosity=0)
application = get_wsgi_application()

def ask():
    seen = {}
    def start_response(status, headers, exc_info=None):
        assert status == "200 OK", status
        seen.update(headers)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
               "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    body = application(environ, start_response)
    b"".join(body)
    body.close()
    return seen

def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

def samplers():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                if "\\0" + folder + "/requests\\0" in file.read():
                    yield int(name)
        except OSError:
            pass

until = time.monotonic() + 30
while "pyrometer" in way and "top=" not in ask()["X-Profile"]:
    assert time.monotonic() < until, "the sampler did not begin"
for _ in range(20):
    ask()
times, beside, began = [], list(samplers()), time.process_time()
before = sum(map(cpu_s, beside))
for _ in range(requests):
    start = time.perf_counter()
    ask()
    times.append(time.perf_counter() - start)
cpu = time.process_time() - began + sum(map(cpu_s, beside)) - before
kept = {"pyrometer.web": "requests", "pyinstrument": "html"}.get(way)
assert not kept or len(os.listdir(folder + "/" + kept)) > 0, "nothing was kept"
assert not silk or sqlite3.connect(folder + "/db").execute("SELECT count(*) FROM silk_request").fetchone()[0] >= requests
print(json.dumps({"took_ms": 1000 * statistics.median(times), "cpu_ms": 1000 * cpu / requests}))
"""


@dataclass(frozen=True)
class Served(Way):
    """The application with a middleware of that name."""

    name: str

    def site(self, bench: Bench, python: Python) -> Path | None:
        """Django is django-silk's, for all."""
        site = bench.folder / f"served-{python.id}"
        if not site.exists():
            ours, folders = installs.our_package(bench, python), [installs.complete(bench, python, name) for name in ("django-silk", "pyinstrument")]
            site.mkdir()
            for folder in (ours, *folders):
                for entry in folder.iterdir():
                    if not (site / entry.name).exists():
                        (site / entry.name).symlink_to(entry)
        return site

    def measured(self, bench: Bench, python: Python) -> dict[str, float]:
        """Milliseconds a request."""
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            for name in ("html", "requests"):
                Path(folder, name).mkdir(mode=0o700)
            found: dict[str, float] = json.loads(self.output(bench, python, ["-c", PROGRAM, self.name, folder, str(REQUESTS), bench.places.pyrometer]))
        return found


WAYS = [Served(name) for name in ("plain", "pyrometer.web", "pyinstrument", "django-silk", "django-silk, with its profiler")]


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "web-profiled",
        "What a profiled request costs",
        ["A request of Django that sends 20 queries, all of them profiled; milliseconds on top of the same without, medians [quartiles] over processes. "
         "CPU is that of the server, and of the sampler beside it."],
        ["middleware", "Python", "added, ms", "added CPU, ms", "beside pyrometer.web"],
    )  # fmt: skip
    for python in wanted_pythons(bench, "web"):
        if python.root is not None:  # the sampler would have to be started in there, too
            continue
        python = installs.bare(bench, python)
        if reason := WAYS[0].missing(bench, python):
            table.notes.append(f"{python.id}: {reason}")
            continue
        rounds = [{way.name: way.measured(bench, python) for way in WAYS} for _ in range(bench.rounds)]
        ours = harness.summarize([one["pyrometer.web"]["took_ms"] - one["plain"]["took_ms"] for one in rounds])
        for way in WAYS[1:]:
            added = harness.summarize([one[way.name]["took_ms"] - one["plain"]["took_ms"] for one in rounds])
            cpu = harness.summarize([one[way.name]["cpu_ms"] - one["plain"]["cpu_ms"] for one in rounds])
            times = f"{added.median / ours.median:.1f} times" if added and ours and ours.median > 0 and way is not WAYS[1] else "-"
            add_row(table, way.name, python.id, added.text() if added else "-", cpu.text() if cpu else "-", times, added=added, cpu=cpu)
    return [table]
