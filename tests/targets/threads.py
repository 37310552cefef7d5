"""Eight threads under one GIL, each with two chains of its own: no frame of one thread can stand
in the stack of another. The variant is the number of threads.
"""
import threading

import truth

LEVELS = 10


def chain_source(thread, letter):
    lines = []
    for level in range(LEVELS - 1):
        lines.append("def %s%d_%d():\n    %s%d_%d()\n"
                     % (letter, thread, level, letter, thread, level + 1))
    lines.append("def %s%d_%d():\n    pass\n" % (letter, thread, LEVELS - 1))
    return "".join(lines)


def top_source(thread):
    return "".join("def %s%d(count):\n    for _ in range(count):\n        a%d_0()\n        b%d_0()\n"
                   % (name, thread, thread, thread) for name in ("first", "second"))


def sources(thread):
    """The text of everything that one thread runs, by file name."""
    texts = {"<chain %s%d>" % (letter, thread): chain_source(thread, letter) for letter in "ab"}
    texts["<chain top%d>" % thread] = top_source(thread)
    return texts


begin = threading.Event()


def work(parts, seconds, split):
    begin.wait()
    truth.run_parts(parts, seconds, 2 * LEVELS, split)


class OneThread(truth.Graph):
    """All own frames of a stack carry the number of one thread."""

    def segment(self, frames, from_root):
        numbers = set()
        for frame in frames:
            if frame[3].startswith("<chain"):
                numbers.add("".join(filter(str.isdigit, frame[0].split("_")[0])))
        if len(numbers) > 1:
            return "threads %s in one stack" % ", ".join(sorted(numbers))
        return super().segment(frames, from_root)


def graph(variant):
    pairs = truth.pairs_of_path("<module>", "main", "~") | {("main", "ready"), ("run_parts", "__init__")}
    pairs |= truth.pairs_of_path("~", "work", "run_parts", "mark") | {("work", "~")}
    lines = {}
    for thread in range(int(variant)):
        for letter in "ab":
            levels = ["%s%d_%d" % (letter, thread, level) for level in range(LEVELS)]
            for top in ("first", "second"):
                pairs |= truth.pairs_of_path("run_parts", "%s%d" % (top, thread), *levels)
        for text in sources(thread).values():
            lines.update(truth.lines_of_calls(text))
    return OneThread(pairs, roots=("<module>", "~"), call_lines=lines)


def parts_of(variant):
    """A part's function, whatever its thread: `first` is first0, first1, ..."""
    return {name: tuple("%s%d" % (name, thread) for thread in range(int(variant)))
            for name in ("first", "second")}


def main():
    options = truth.arguments("8")
    count = int(options.variant)
    jobs = []
    for thread in range(count):
        for name, text in sources(thread).items():
            exec(compile(text, name, "exec"), globals())
        parts = truth.thirty_seventy(globals()["first%d" % thread], globals()["second%d" % thread])
        jobs.append((parts, options.seconds))
    splits = {"work-%d" % thread: truth.Split(["first", "second"]) for thread in range(count)}
    workers = [threading.Thread(target=work, args=job + (splits[name],), name=name)
               for job, name in zip(jobs, splits)]
    for worker in workers:
        worker.start()
    truth.ready()
    begin.set()
    for worker in workers:
        while worker.is_alive():
            worker.join(0.2)
    truth.finish(splits)


if __name__ == "__main__":
    main()
