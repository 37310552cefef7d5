"""A Python that says of itself to be another minor version than it is: what a newer one looks like from outside.

    pretend.py MINOR

3.13 and later: the version is the second word of _PyRuntime, right behind the cookie (Py_DebugOffsets).
"""
import ctypes
import sys


def wait():
    print("READY", flush=True)
    sys.stdin.read()


def main():
    version = ctypes.c_uint64.from_address(ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime")) + 8)
    if version.value != sys.hexversion:
        raise SystemExit("no version where it should be")
    version.value = 3 << 24 | int(sys.argv[1]) << 16 | 0xF0
    wait()


if __name__ == "__main__":
    main()
