"""What is resident of it is known: 64 MiB that are touched for a second, and a child with 40 MiB of its own meanwhile."""

import subprocess
import sys
import time

MEBIBYTE = 1 << 20


def touch(mebibytes):
    return bytearray(b"x") * (mebibytes * MEBIBYTE)


def main():
    time.sleep(0.4)
    kept = touch(64)
    child = None
    if "child" in sys.argv:
        code = f"import time; kept = bytearray(b'x') * {40 * MEBIBYTE}; print('there', flush=True); time.sleep(0.6)"
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        child.stdout.readline()
    time.sleep(0.6)
    del kept
    if child:
        child.wait()
    time.sleep(0.4)


main()
