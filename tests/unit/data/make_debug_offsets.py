"""Print the start of this CPython's _PyRuntime (3.13+) as hex, for debug_offsets-3.X.hex."""

import ctypes
import sys

address = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
text = ctypes.string_at(address, {13: 584, 14: 760, 15: 888}[sys.version_info[1]]).hex()
for start in range(0, len(text), 96):
    print(text[start : start + 96])
