"""What the snapshots show: three threads with known stacks and locals, standing still."""
import sys
import threading

waiting = threading.Semaphore(0)
never = threading.Lock()
never.acquire()


def stand_still():
    waiting.release()
    never.acquire()


class Worker:
    def run(self, depth):
        if depth > 0:
            return self.run(depth - 1)
        return [stand_still() for _ in (1,)]


def numbers(limit):
    for number in range(limit):
        if number == 2:
            stand_still()
        yield number


def add_up():
    return sum(numbers(4))


def main():
    name, price, flags = "caf\u00e9", 2.5, {"a": True, "b": [1, (2, None)]}
    threading.Thread(target=Worker().run, args=(3,), name="worker", daemon=True).start()
    threading.Thread(target=add_up, name="w\u00f6rker 2", daemon=True).start()
    waiting.acquire()
    waiting.acquire()

    def inner():
        return name

    def say():
        sys.stdout.write("ready\n"); sys.stdout.flush(); sys.stdin.read()

    say()
    return price, flags, inner


main()
