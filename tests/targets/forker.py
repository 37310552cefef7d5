"""Forks a thousand times, a few children at a time; each makes some calls and ends. The last line
says how many ended well. `--execute 1`: each child executes another Python."""
import os
import sys
import time

import truth


def child(number):
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass


def fork_one(number, execute):
    pid = os.fork()
    if pid:
        return pid
    if execute:
        os.execv(sys.executable, [sys.executable, "-S", "-c", "pass"])
    child(number)
    os._exit(0)


def main():
    options = truth.arguments("1000", execute=0)
    truth.ready()
    good = 0
    waiting = set()
    for number in range(int(options.variant)):
        waiting.add(fork_one(number, options.execute))
        if len(waiting) > 4:
            pid, status = os.wait()
            waiting.discard(pid)
            good += status == 0
    for pid in waiting:
        good += os.waitpid(pid, 0)[1] == 0
    print(good, flush=True)
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end and not truth.stopping:
        time.sleep(0.01)


if __name__ == "__main__":
    main()
