"""Replaces itself after a line on standard input: by another Python that spins (variant `python`), or
by a program that is no Python (`sleep`)."""
import os
import sys

import truth

AFTER = """
def spin_after():
    while True:
        pass
print("AGAIN", flush=True)
spin_after()
"""


def wait_for_line():
    sys.stdin.readline()


def main():
    options = truth.arguments("python")
    truth.ready()
    wait_for_line()
    if options.variant == "sleep":
        os.execvp("sleep", ["sleep", "%g" % options.seconds])
    os.execv(sys.executable, [sys.executable, "-c", AFTER])


if __name__ == "__main__":
    main()
