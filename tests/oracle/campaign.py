"""Run a target under pyrometer and judge the recording."""

import contextlib
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oracle import significance
from oracle.recording import Recording, Verdict, cells_of, hits_of
from pythons import TARGETS, start_target

# Classes in which figures are stated: where the frames live decides how hard they are to read.
PLAIN, GENERATORS, DEEP, REALISTIC = "plain", "generators", "deep", "realistic"


class Case:
    """A target program, a variant of it, and what to ask of the recording."""

    def __init__(self, module, variant, kind, learned=False, skip=("first", "second")):
        self.module, self.variant, self.kind, self.learned = module, variant, kind, learned
        self.skip = skip
        self.name = "%s %s" % (module, variant)

    def load(self):
        if str(TARGETS) not in sys.path:
            sys.path.insert(0, str(TARGETS))
        return importlib.import_module(self.module)

    def parts(self):
        """Part of the program's own clock -> names of the functions that are it."""
        module = self.load()
        found = module.parts_of(self.variant) if hasattr(module, "parts_of") else {
            "first": "first", "second": "second"}
        return {part: (names,) if isinstance(names, str) else names for part, names in found.items()}

    def graph(self, python):
        if not self.learned:
            return self.load().graph(self.variant)
        self.load()
        import truth
        text = python.run([TARGETS / (self.module + ".py"), self.variant, "--learn", "1"]).stdout
        learned = json.loads(text.splitlines()[-1])
        return truth.LearnedGraph(learned["pairs"], learned["roots"], learned["makers"])

    @property
    def ordered(self):
        return self.module == "codes"


CASES = [
    Case("alternating", "plain", PLAIN),
    Case("alternating", "shared", PLAIN, skip=("first_shared", "second_shared")),
    Case("chains", "12", PLAIN),
    Case("chains", "30", PLAIN),
    Case("chains", "200", DEEP),
    Case("burst", "clock", PLAIN, skip=("burst", "quiet")),
    Case("split", "flat", PLAIN, skip=("thirty", "seventy")),
    Case("split", "deep", DEEP, skip=("thirty", "seventy")),
    Case("generators", "plain", GENERATORS),
    Case("generators", "delegating", GENERATORS,
         skip=("first_delegating", "second_delegating")),
    Case("coroutines", "await", GENERATORS),
    Case("threads", "8", PLAIN, skip=tuple("%s%d" % (one, number) for one in ("first", "second")
                                           for number in range(8))),
    Case("recursion", "5", PLAIN),
    Case("recursion", "200", DEEP),
    Case("recursion", "20000", DEEP),
    Case("codes", "dropped", PLAIN),
    Case("orm", "shop", REALISTIC, learned=True),
    Case("aio", "1000", REALISTIC, learned=True),
]


def case(name):
    return next(one for one in CASES if one.name == name)


class Failed(Exception):
    """pyrometer did not do what it was asked to."""


def run_pyrometer(program, *arguments, env=None, timeout=None):
    done = subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise Failed("pyrometer %s: exit %d: %s" % (" ".join(map(str, arguments)), done.returncode,
                                                  done.stderr.strip()[-500:]))
    return done


def record(program, pid, seconds, rate, exact=False, env=None, options=()):
    """A Recording of PID. Its attribute `window` is when it was made, by CLOCK_MONOTONIC."""
    with tempfile.TemporaryDirectory(prefix="pyrometer-oracle-") as folder:
        pyro, text = os.path.join(folder, "out.pyro"), os.path.join(folder, "out.json")
        exactly = ["--exact"] if exact else []
        begin = time.perf_counter()
        done = run_pyrometer(program, "record", "--pid", pid, "-d", "%g" % seconds, "-r", rate, "-o",
                             pyro, *exactly, *options, env=env, timeout=seconds * 3 + 60)
        end = time.perf_counter()
        run_pyrometer(program, "export", pyro, "-f", "json", "-o", text, timeout=300)
        result = Recording(text)
        result.bytes = os.path.getsize(pyro)
    result.messages = done.stderr
    lasted = result.info.get("duration_s") or seconds
    result.window = max(begin, end - lasted - 0.02), end
    return result


def finish_target(target):
    """Tell it to stop, and return the truth it reports."""
    os.kill(target.pid, signal.SIGTERM)
    while True:
        line = target.readline(60)
        if line.startswith("{"):
            return json.loads(line)


def spent_at(marks, moment, index):
    """The program's own clock of part INDEX at MOMENT, between two marks on the straight line."""
    before = marks[0]
    for mark in marks:
        if mark[0] >= moment:
            if mark[0] == before[0]:
                return mark[1][index]
            reach = (moment - before[0]) / (mark[0] - before[0])
            return before[1][index] + reach * (mark[1][index] - before[1][index])
        before = mark
    return before[1][index]


def true_shares(truth, window):
    """Part -> its share of the time between the two moments; threads are averaged."""
    reports = list(truth["threads"].values()) if "threads" in truth else [truth]
    shares = {}
    for report in reports:
        marks = report["marks"]
        begin, end = max(window[0], marks[0][0]), min(window[1], marks[-1][0])
        for index, name in enumerate(report["names"]):
            time_s = spent_at(marks, end, index) - spent_at(marks, begin, index)
            shares[name] = shares.get(name, 0.0) + time_s / (end - begin) / len(reports)
    return shares


class Share:
    """One function's share: true, reported, and the standard error of what is reported."""

    def __init__(self, part, true, hits, weights):
        self.part, self.true = part, true
        self.reported = significance.share(hits, weights)
        self.counted = significance.share(hits, [1] * len(hits))
        self.sigma = significance.share_sigma(hits, weights)

    @property
    def error(self):
        return self.reported - self.true

    def within(self, points=0.5, sigmas=3.0):
        return abs(self.error) <= max(points / 100, sigmas * self.sigma)

    def __str__(self):
        return "%s true %.2f %% reported %.2f %% (3 sigma %.2f)" % (
            self.part, 100 * self.true, 100 * self.reported, 300 * self.sigma)


def judged_threads(recording, all_functions):
    """The samples of the threads in which the parts run: their indices."""
    hits = hits_of(recording, all_functions)
    totals, with_part = {}, {}
    for thread, hit in zip(recording.thread, hits):
        totals[thread] = totals.get(thread, 0) + 1
        with_part[thread] = with_part.get(thread, 0) + hit
    wanted = {thread for thread, total in totals.items() if with_part[thread] > 0.02 * total}
    return [index for index, thread in enumerate(recording.thread) if thread in wanted]


def shares_of(recording, parts, true):
    every = [name for names in parts.values() for name in names]
    chosen = judged_threads(recording, every)
    weights = [recording.weight_us[index] for index in chosen]
    result = []
    for part, names in parts.items():
        hits = hits_of(recording, names)
        result.append(Share(part, true[part], [hits[index] for index in chosen], weights))
    return result


class Outcome:
    """One recording of one case: the Verdict, the Shares, the recorder's own figures."""

    def __init__(self, case, python, rate, exact, recording, truth, graph):
        self.case, self.python, self.rate, self.exact = case, python, rate, exact
        self.verdict = Verdict(recording, graph, case.ordered)
        self.shares = shares_of(recording, case.parts(), true_shares(truth, recording.window))
        self.info = recording.info
        self.bytes = recording.bytes
        self.states = {}
        reports = list(truth["threads"].values()) if "threads" in truth else [truth]
        calls = sum(one["calls"] for one in reports)
        self.ns_per_call = max(one["wall_s"] for one in reports) / calls * 1e9 if calls else None

    @property
    def worst(self):
        return max(self.shares, key=lambda one: abs(one.error))

    def true_shares(self):
        """On realistic programs the stopwatches themselves are not better than a point or so."""
        points = 2.0 if self.case.kind == REALISTIC else 0.5
        return all(share.within(points) for share in self.shares)

    @property
    def missed(self):
        """Missed ticks as a share of those that were due."""
        missed = self.info.get("missed_ticks") or 0
        taken = self.info.get("sweeps") or len_or_zero(self.info.get("samples"))
        return missed / (missed + taken) if missed + taken else 0.0

    def row(self):
        worst = self.worst
        return [self.python.id, self.case.name, "exact" if self.exact else "", self.rate,
                self.verdict.samples, self.verdict.impossible, self.verdict.wrong_lines,
                "%.3f" % (100 * self.verdict.unsure / max(1, self.verdict.samples)),
                self.verdict.empty, "%.2f" % (100 * self.missed), worst.part,
                "%.2f" % (100 * worst.true), "%.2f" % (100 * worst.reported),
                "%+.2f" % (100 * worst.error), "%.2f" % (300 * worst.sigma),
                "ok" if self.true_shares() else "OFF",
                "%.0f" % self.ns_per_call if self.ns_per_call else "-",
                "%.2f" % (self.bytes / max(1, self.verdict.samples))]


def len_or_zero(value):
    return value if isinstance(value, (int, float)) else 0


ROW = ["python", "target", "mode", "rate", "samples", "impossible", "lines", "unsure%", "empty",
       "missed%", "part", "true%", "reported%", "diff", "3sigma", "verdict", "ns/call", "B/sample"]


def table(rows, header=None):
    rows = [header or ROW, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) if index > 2 else cell.ljust(width)
                               for index, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


@contextlib.contextmanager
def running(python, case, seconds, seed=0):
    """The target of a case, running."""
    with start_target(python, case.module + ".py", case.variant, "--seconds", str(seconds),
                      env={"PYTHONHASHSEED": str(seed)}) as target:
        yield target


def measure(program, python, case, seconds, rates, exact=False, env=None, graph=None):
    """Outcomes of one run of a case, one for each rate."""
    graph = graph or case.graph(python)
    with running(python, case, 60 + 3 * seconds * len(rates)) as target:
        recordings = [record(program, target.pid, seconds, rate, exact, env) for rate in rates]
        truth = finish_target(target)
    return [Outcome(case, python, rate, exact, recording, truth, graph)
            for rate, recording in zip(rates, recordings)]


def compare_with_stopped(program, python, case, rates, seed, stopped=10000, stopped_rate=1000,
                         sampled=10000, longest_s=None, windows=4, env=None, keep=None):
    """Whether default recordings show the same distribution over (leaf, depth) as stopped sampling: a
    verdict for each of RATES, all of them against the same STOPPED samples. Each rate has SAMPLED samples,
    or what LONGEST_S seconds give. Windows of all alternate against one live process, so that a drift hits
    all. KEEP may spoil the default ones: it is asked whether to keep a sample, by its cell."""
    wanted = [min(sampled, rate * longest_s if longest_s else sampled) for rate in rates]
    kinds = [(rate, False, want / rate / windows, want if keep is None else 0)
             for rate, want in zip(rates, wanted)]
    kinds.append((stopped_rate, True, stopped / stopped_rate / windows * 1.05, stopped))
    cells = [[] for _ in kinds]
    with running(python, case, 120 + 8 * windows * sum(kind[2] for kind in kinds), seed) as target:
        # A busy machine gives fewer samples than asked for: go on, but not for ever.
        for window in range(2 * windows):
            for (rate, exact, seconds, _), have in zip(kinds, cells):
                recording = record(program, target.pid, seconds, rate, exact, None if exact else env)
                found = cells_of(recording, case.skip)
                have.extend(found if exact or keep is None else filter(keep, found))
            if window + 1 >= windows and all(len(have) >= kind[3] for have, kind in zip(cells, kinds)):
                break
    return [significance.Homogeneity(have, cells[-1]) for have in cells[:-1]]


def rare_code(program, python, rate=10000, env=None):
    """(true seconds, reported seconds, functions seen, Verdict) of the thousand rare functions."""
    graph = importlib.import_module(Case("rare", "once", PLAIN).load().__name__).graph("once")
    with start_target(python, "rare.py", "once", "--idle", "0.6", "--seconds", "60") as target:
        recording = record(program, target.pid, 2.5, rate, env=env)
        truth = finish_target(target)
    weights, seen = 0, set()
    for stack, weight in zip(recording.stack, recording.weight_us):
        names = [name for name in recording.names(stack) if name.startswith("rare_")]
        weights += weight if names else 0
        seen.update(names)
    return truth["rare_s"], weights / 1e6, len(seen), Verdict(recording, graph)


def summarise(outcomes):
    """Rows by class and rate: samples, impossible ones, per 10^5."""
    groups = {}
    for one in outcomes:
        groups.setdefault((one.case.kind, one.rate, one.exact), []).append(one)
    rows = []
    for (kind, rate, exact), members in sorted(groups.items()):
        samples = sum(one.verdict.samples for one in members)
        impossible = sum(one.verdict.impossible for one in members)
        lines = sum(one.verdict.wrong_lines for one in members)
        unsure = sum(one.verdict.unsure for one in members)
        rows.append([members[0].python.id, kind, "exact" if exact else "", rate, samples, impossible,
                     "%.2f" % (1e5 * impossible / max(1, samples)), lines,
                     "%.3f" % (100 * unsure / max(1, samples)),
                     sum(not one.true_shares() for one in members), len(members)])
    return rows


SUMMARY = ["python", "class", "mode", "rate", "samples", "impossible", "per 10^5", "lines", "unsure%",
           "shares off", "of"]


def rounded_up(value):
    return math.ceil(value * 10) / 10


def program_path():
    return Path(os.environ.get("PYROMETER") or TARGETS.parent.parent / "build" / "pyrometer").absolute()
