"""A program whose stacks tell the time: the function ms_N runs in the millisecond N after the origin.

The origin, in seconds of CLOCK_MONOTONIC, is the line after READY. Runs until it is killed, in turn
through SLOTS functions. So the first sample that a sampler took can be read off its stacks, whatever
it says itself.
"""
import time

SLOTS = 10000
clock = time.perf_counter    # CLOCK_MONOTONIC

SOURCE = """
def ms_%d(until):
    while clock() < until:
        pass
"""


def run(functions, origin):
    while True:
        slot = int((clock() - origin) * 1000)
        functions[slot % SLOTS](origin + (slot + 1) / 1000)


def main():
    names = {"clock": clock}
    exec(compile("".join(SOURCE % slot for slot in range(SLOTS)), __file__, "exec"), names)
    functions = [names["ms_%d" % slot] for slot in range(SLOTS)]
    print("READY", flush=True)
    origin = clock()
    print(repr(origin), flush=True)
    run(functions, origin)


if __name__ == "__main__":
    main()
