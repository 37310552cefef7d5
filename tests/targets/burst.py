"""Bursts shorter than the sampling period and in step with the clock: burst() runs in the first
0.2 ms of every millisecond of CLOCK_MONOTONIC, quiet() in the rest. A sampler with a fixed period
of one millisecond sees always the one or always the other.
"""
import truth

PERIOD_NS = 1000000
BURST_NS = 200000


def tick():
    pass


# Each reads the clock all the time anyway. Its own time is taken by the caller, though: between its first line and its
# first look at the clock lie some microseconds, cold as it is after a millisecond of the other, and colder when a sampler
# had the processor meanwhile. Of 200 us that would be too much.

def burst(until_ns):
    clock_ns = truth.time.perf_counter_ns
    calls = 0
    while clock_ns() < until_ns:
        tick()
        calls += 1
    return calls


def quiet(until_ns):
    clock_ns = truth.time.perf_counter_ns
    calls = 0
    while clock_ns() < until_ns:
        tick()
        calls += 1
    return calls


def graph(variant):
    pairs = truth.pairs_of_path("<module>", "main", "run")
    pairs |= truth.pairs_of_path("run", "burst", "tick") | truth.pairs_of_path("run", "quiet", "tick")
    pairs |= {("run", "mark"), ("main", "ready")}
    return truth.Graph(pairs, call_lines=truth.lines_of_file(__file__))


def parts_of(variant):
    return {"burst": "burst", "quiet": "quiet"}


def run(seconds):
    clock, clock_ns = truth.clock, truth.time.perf_counter_ns
    split = truth.Split(["burst", "quiet"])
    end = clock() + seconds
    now = clock()
    while now < end and not truth.stopping:
        start_ns = clock_ns() // PERIOD_NS * PERIOD_NS
        for index, (part, until_ns) in enumerate(((burst, start_ns + BURST_NS),
                                                  (quiet, start_ns + PERIOD_NS))):
            begin_ns = clock_ns()
            split.calls += part(until_ns)
            split.spent[index] += (clock_ns() - begin_ns) / 1e9
        now = clock()
        split.mark(now)
    split.finish()
    return split


def main():
    options = truth.arguments("clock")
    truth.ready()
    truth.finish(run(options.seconds))


if __name__ == "__main__":
    main()
