"""Two requests, 7 and 8, whose functions are on no stack: a thread and a task work for each of them, all at a time, another thread for each in turn, in contexts that are
soon gone and whose memory is the next one's, and one for nobody. Prints what a sampler is to be told, works until its standard input ends."""

import asyncio
import contextvars
import sys
import threading
import time

from pyrometer.web import _queries
from pyrometer.web._service import Options, Service
from pyrometer.web._slots import SLOTS

TURN_S, SHORT_S = 0.002, 0.00005
OTHERS = [contextvars.ContextVar(f"other_{number}") for number in range(int(sys.argv[1]))]  # they make the trie deep
over = threading.Event()


def turn(seconds=TURN_S):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(50))


def thread_a():
    while not over.is_set():
        turn()


def thread_b():
    while not over.is_set():
        turn()


def thread_c():
    while not over.is_set():
        turn()


def short_a():
    turn(SHORT_S)


def short_b():
    turn(SHORT_S)


def in_turn(a, b):
    while not over.is_set():
        a.copy().run(short_a)
        b.copy().run(short_b)


async def task_a():
    while not over.is_set():
        turn()
        await asyncio.sleep(0)


async def task_b():
    while not over.is_set():
        turn()
        await asyncio.sleep(0)


def begin(slot):
    """A request's context."""
    queries = _queries.Queries()
    service.under_way[SLOTS + slot] = id(queries)
    service.under_way[slot] = time.monotonic_ns() | 1
    context = contextvars.copy_context()
    context.run(_queries.current.set, queries)
    for variable in OTHERS:
        context.run(variable.set, variable)
    return context


async def work():
    a, b = begin(7), begin(8)
    threads = [threading.Thread(target=a.run, args=(thread_a,)), threading.Thread(target=b.run, args=(thread_b,))]
    threads += [threading.Thread(target=thread_c), threading.Thread(target=in_turn, args=(a, b))]
    for thread in threads:
        thread.start()
    tasks = [a.copy().run(asyncio.ensure_future, task_a()), b.copy().run(asyncio.ensure_future, task_b())]
    print("READY", flush=True)
    print(service._where_to_look(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    over.set()
    await asyncio.gather(*tasks)


service = Service(Options(share=1.0))
asyncio.run(work())
