"""Whose samples they are: threads that are just being made, and threads in the memory of those before them."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from commands import run
from pythons import Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder")]

# A new thread waits before it does anything. So does one on a busy machine.
LATE_THREADS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
struct start { void *(*routine)(void *); void *argument; };
static void *late(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    usleep(200000);
    return start.routine(start.argument);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = malloc(sizeof *start);
    *start = (struct start){routine, argument};
    return real(thread, attributes, late, start);
}
"""
PROGRAM = """
import threading, time
def spin():
    end = time.thread_time() + 0.3  # of its own: on a busy machine as well
    while time.thread_time() < end:
        pass
def in_first(): spin()
def in_second(): spin()
def in_third(): spin()
for name in ("first", "second", "third"):
    thread = threading.Thread(target=globals()["in_" + name], name=name)
    thread.start()
    thread.join()
"""


def threads_of_functions(pyrometer: Path, python: Python, **environment: str) -> dict[str, set[str]]:
    """Of each function of the program that was sampled, the names of the threads that it was seen in."""
    Path("program.py").write_text(PROGRAM)
    target = ["env", *(f"{name}={value}" for name, value in environment.items()), *python.command([Path("program.py").absolute()])]
    run(pyrometer, "run", "-r", "1000", "-o", Path("threads.pyro").absolute(), "--", *target)
    run(pyrometer, "export", "threads.pyro", "-f", "json", "-o", "threads.json")
    recording = json.loads(Path("threads.json").read_text())
    frames, functions = recording["frames"], recording["functions"]
    names = {thread["id"]: thread["name"] for thread in recording["threads"]}
    found: dict[str, set[str]] = defaultdict(set)
    for thread, stack in zip(recording["samples"]["thread"], recording["samples"]["stack"]):
        while stack > 0:
            function = functions[frames[recording["stacks"][stack]["frame"]]["function"]]["name"]
            if function.startswith("in_"):
                found[function].add(names[thread])
            stack = recording["stacks"][stack]["parent"]
    return found


OWN = {"in_first": {"first"}, "in_second": {"second"}, "in_third": {"third"}}


def test_a_new_thread_is_not_its_creator(pyrometer: Path, python: Python) -> None:
    """Before 3.12 a thread's state has its creator's ids until the thread runs."""
    Path("late.c").write_text(LATE_THREADS)
    library = Path("late.so").absolute()
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, "late.c", "-ldl"], check=True)
    assert threads_of_functions(pyrometer, python, LD_PRELOAD=str(library)) == OWN


def test_a_thread_in_the_memory_of_another_is_itself(pyrometer: Path, python: Python) -> None:
    """One after the other: the state of each lies where that of the one before it lay."""
    assert threads_of_functions(pyrometer, python) == OWN
