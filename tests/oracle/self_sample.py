"""Run a target program and let a thread inside it look at its stacks, which are then true by definition:

    python self_sample.py TARGET.py [its arguments]

Prints the stacks as JSON after what the target prints. For testing the targets' graphs; slow, and blind
to whatever happens between two checks of the interpreter for other threads.
"""
import json
import sys
import threading
import time


def stack_of(frame):
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append((getattr(code, "co_qualname", code.co_name), frame.f_lineno, code.co_firstlineno,
                      code.co_filename))
        frame = frame.f_back
    return stack[::-1]


def look(stacks, over):
    while not over.is_set():
        time.sleep(0.001)
        for thread, frame in sys._current_frames().items():
            if thread == threading.get_ident():
                continue
            # The other threads may get their turn during the walk: look again.
            stack = stack_of(frame)
            if sys._current_frames().get(thread) is frame and stack_of(frame) == stack:
                stacks.append(stack)


def main():
    path = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = path.rpartition("/")[0]
    sys.setswitchinterval(0.0005)
    stacks, over = [], threading.Event()
    with open(path) as file:
        code = compile(file.read(), path, "exec")
    looking = threading.Thread(target=look, args=(stacks, over), daemon=True)
    looking.start()
    try:
        exec(code, {"__name__": "__main__", "__file__": path})
    except SystemExit:
        pass
    over.set()
    looking.join()
    # What the module was run by is not part of it.
    own = [stack for stack in stacks if stack[-1][3] != __file__]
    cut = [stack[next((i for i, frame in enumerate(stack) if frame[3] == path), 0):]
           if stack[0][3] == __file__ else stack for stack in own]
    json.dump(cut, sys.stdout)


if __name__ == "__main__":
    main()
