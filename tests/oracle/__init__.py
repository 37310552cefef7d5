"""The oracle: runs target programs whose truth is known under `pyrometer record` and judges what was
recorded. `significance` is the statistics, `recording` reads the JSON export and asks a target's
graph about each stack, `campaign` runs and judges, `run` is the long campaign's command line.

Uses the standard library only.
"""
