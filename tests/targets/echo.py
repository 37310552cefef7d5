"""The smallest target: answers each line with what Python runs it and in which process."""

import multiprocessing
import os
import platform
import sys


def double(number):
    return 2 * number


def main():
    print("READY", flush=True)
    for line in sys.stdin:
        with multiprocessing.Pool(1) as pool:  # takes /dev/shm and /proc
            answer = pool.map(double, [int(line)])[0]
        print(os.getpid(), platform.python_version(), answer, flush=True)


if __name__ == "__main__":
    main()
