"""Counts what it does, between lines on its standard input: `run N` calls inner() N times in each thread, `seen` tells what of a
probe can be seen from inside, `block` waits for the next line outside of Python. WORKERS run with the main thread, SPINNERS on
their own. Another number is the user it becomes; `setprofile` or `settrace` instead, what all but the spinners have of their own: `observed`
tells how many calls of inner() that saw, and how many threads have it."""

import gc
import os
import select
import sys
import threading


def inner(number):
    return len(str(number))


def observer(frame, event, argument):
    if event == "call" and frame.f_code is inner.__code__:
        calls.append(1)


def is_observed():
    return observer in (sys.getprofile(), sys.gettrace())


def outer(count):
    total = 0
    for number in range(count):
        total += inner(number)
    return total


class Worker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.due = threading.Semaphore(0)
        self.done = threading.Semaphore(0)
        self.count = 0

    def run(self):
        while True:
            self.due.acquire()
            outer(self.count)
            self.observed = is_observed()
            self.done.release()


def seen():
    """Tool ids, profile functions, modules, names, descriptors and a switch interval that were not there at the beginning."""
    monitoring = getattr(sys, "monitoring", None)
    found = [tool for tool in range(6) if monitoring and monitoring.get_tool(tool)]
    found += ["profile"] if sys.getprofile() or sys.gettrace() else []
    found += sorted(set(sys.modules) - modules)
    found += sorted(set(vars(sys.modules["__main__"])) - names)
    found += [os.readlink("/proc/self/fd/" + fd) for fd in descriptors() - open_at_first]
    found += [sys.getswitchinterval()] if sys.getswitchinterval() != interval else []
    with open("/proc/self/maps") as maps:
        found += [line.split()[-1] for line in maps if "memfd:pyrometer" in line]
    return found


def descriptors():
    return {fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)}


def resident():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def maps():
    with open("/proc/self/maps") as lines:
        return sum(1 for _ in lines)


def commands():
    while True:
        while not select.select([0], [], [], 0.005)[0]:  # so it comes by in Python now and then
            pass
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def spin():
    while True:
        outer(100)


workers = [Worker() for _ in range(int(sys.argv[1]))]
spinners = [threading.Thread(target=spin, daemon=True) for _ in range(int(sys.argv[2]))]
calls = []
if len(sys.argv) > 3 and sys.argv[3].startswith("set"):
    getattr(threading, sys.argv[3])(observer)
    getattr(sys, sys.argv[3])(observer)
elif len(sys.argv) > 3:
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
line = words = thread = worker = None
sys.setswitchinterval(0.004)
interval = sys.getswitchinterval()
modules, open_at_first = set(sys.modules), descriptors()
names = set(globals()) | {"names"}
for thread in workers + spinners:
    thread.start()
print("READY", flush=True)
for line in commands():
    words = line.split()
    if words[0] == "run":
        for worker in workers:
            worker.count = int(words[1])
            worker.due.release()
        outer(int(words[1]))
        for worker in workers:
            worker.done.acquire()
        print("ran", flush=True)
    elif words[0] == "seen":
        print(repr(seen()), maps(), resident(), flush=True)
    elif words[0] == "observed":
        print(len(calls), is_observed() + sum(worker.observed for worker in workers), flush=True)
    elif words[0] == "block":  # outside of Python, holding nothing: read(2) of a pipe
        print("blocks", flush=True)
        sys.stdin.readline()
        print("free", flush=True)
    else:
        break
