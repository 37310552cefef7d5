"""Import MODULE from this folder and call its exercise(); with "trace", print as JSON what sys.settrace said of lines.

    python line_reference.py trace|plain MODULE NAME...

Of files whose path has one of the NAMES in it: [[file, qualified name, first line, line, hits], ...]."""

from __future__ import annotations

import importlib
import sys
import threading

MODE, MODULE, *NAMES = sys.argv[1:]
hits: dict[tuple[str, str, int, int], int] = {}


def on_event(frame, event, argument):
    if event == "line":
        code = frame.f_code
        key = (code.co_filename, code.co_qualname, code.co_firstlineno, frame.f_lineno)
        hits[key] = hits.get(key, 0) + 1
    return on_event


def on_call(frame, event, argument):
    return on_event if any(name in frame.f_code.co_filename for name in NAMES) else None


if MODE == "trace":
    threading.settrace(on_call)
    sys.settrace(on_call)
importlib.import_module(MODULE).exercise()
if MODE == "trace":
    sys.settrace(None)
    threading.settrace(None)
    import json

    print(json.dumps([[*key, count] for key, count in sorted(hits.items())]))
