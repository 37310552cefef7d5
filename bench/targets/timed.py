"""Run a command to its end, its output thrown away, and print the seconds that it took.

    timed.py COMMAND [ARGUMENTS]

Exits as the command did.
"""

import subprocess
import sys
import time


def main():
    begin = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    print(time.perf_counter() - begin)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
