"""What the format tests record: recursion, two threads, waiting, and names that try to break out of a file."""

import threading
import time

HOSTILE = "<script>alert(1)</script>]]>\"'&;\\\n"
SOURCE = """
def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
"""


def hostile_spin(seconds):
    """Run spin() under a name and a file name that no format may take for its own."""
    names = {"time": time}
    exec(compile(SOURCE, f"/tmp/{HOSTILE}.py", "exec"), names)
    function = names["spin"]
    function.__code__ = function.__code__.replace(co_name=HOSTILE, co_qualname=HOSTILE)
    function(seconds)


def down(depth, seconds):
    if depth:
        return down(depth - 1, seconds)
    end = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < end:
        count += 1
    return count


def main():
    worker = threading.Thread(target=down, args=(5, 0.4), name="worker-1")
    worker.start()
    down(60, 0.4)
    hostile_spin(0.3)
    worker.join()
    time.sleep(0.3)


if __name__ == "__main__":
    main()
