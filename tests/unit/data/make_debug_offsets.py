"""Print the start of _PyRuntime of the CPython (3.13+) that runs this, as hex: tests/unit/data/debug_offsets-*.hex."""
import ctypes
import sys

address = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
text = ctypes.string_at(address, {13: 584, 14: 760, 15: 888}[sys.version_info[1]]).hex()
for start in range(0, len(text), 96):
    print(text[start : start + 96])
